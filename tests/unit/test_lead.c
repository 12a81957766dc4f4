/* The lease in a thread of its own: what other threads read of it while it steps: deadline and holder. Two candidates on one Lease
 * that a small server keeps; the server fails for a while; the leader ends. Run under ThreadSanitizer too. */
#include "suite.h"

#include "fake_cluster.h"
#include "lead.h"
#include "scripted_fleet.h"

#include <maestro/clock.h>

#include <time.h>

/* The object that the server keeps; its handler is called by one thread at a time. */
static struct {
    bool exists;
    int version;
    char spec[1024];
    _Atomic bool fails;
} lease;

static struct fake_cluster cluster;
static struct scripted_fleet fleets[2];
static struct lead *leads[2];
static struct fleet *led[2];

static struct fake_reply keep(void *context, const struct fake_request *request)
{
    char version[64];
    bool create = strcmp(request->method, "POST") == 0, write = create || strcmp(request->method, "PUT") == 0;
    (void)context;
    if (lease.fails)
        return (struct fake_reply){.status = 500, .body = "{}"};
    if (!create && !lease.exists)
        return (struct fake_reply){.status = 404, .body = "{}"};
    snprintf(version, sizeof version, "\"resourceVersion\":\"%d\"", lease.version);
    if (create ? lease.exists : write && !strstr(request->body, version))
        return (struct fake_reply){.status = 409, .body = "{}"};
    const char *spec = write ? strstr(request->body, "\"spec\":") : NULL;
    if (spec) {
        snprintf(lease.spec, sizeof lease.spec, "%.*s", (int)strlen(spec) - 8, spec + 7);
        lease.version++;
        lease.exists = true;
    }
    buf_printf(request->text,
               "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"m\",\"resourceVersion\":\"%d\"},\"spec\":%s}",
               lease.version, lease.spec);
    return (struct fake_reply){.status = create ? 201 : 200};
}

static void open_lead(int i)
{
    struct live_kubernetes kubernetes = {.timeout_s = 5};
    struct lead_config config = {.enabled = true, .duration_s = 5, .renew_deadline_s = 3.5, .retry_s = 0.1};
    struct err e = {0};
    snprintf(kubernetes.kubeconfig, sizeof kubernetes.kubeconfig, "%s", cluster.path);
    snprintf(config.name, sizeof config.name, "m");
    snprintf(config.identity, sizeof config.identity, "candidate-%d", i);
    ck_assert_msg(lead_open(&config, &kubernetes, "shop", &leads[i], &e), "%s", e.message);
    fleets[i].fleet.ops = &scripted_ops;
    led[i] = lead_fleet(leads[i], &fleets[i].fleet);
}

static void set_up(void)
{
    memset(&lease, 0, sizeof lease);
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = keep});
    for (int i = 0; i < 2; i++)
        open_lead(i);
}

static void tear_down(void)
{
    for (int i = 0; i < 2; i++) {
        lead_close(leads[i]);
        leads[i] = NULL;
    }
    fake_cluster_close(&cluster);
}

/* Which of them may write now; -1: none. Deadlines are read before the clock: whoever leads did so at one instant. */
static int leader(void)
{
    double deadline_s[2] = {fleet_deadline_s(led[0]), fleet_deadline_s(led[1])};
    double now_s = clock_monotonic_s();
    ck_assert_msg(!(now_s < deadline_s[0] && now_s < deadline_s[1]), "two leaders at once");
    return now_s < deadline_s[0] ? 0 : now_s < deadline_s[1] ? 1 : -1;
}

static int wait_for_leader(int wanted)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    double until_s = clock_monotonic_s() + 120;
    int found;
    while ((found = leader()) != wanted && !(wanted == 2 && found >= 0) && clock_monotonic_s() < until_s)
        nanosleep(&nap, NULL);
    ck_assert_msg(found == wanted || (wanted == 2 && found >= 0), "%d leads, wanted %d", found, wanted);
    return found;
}

static void expect_holder(int i, const char *name)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    char holder[64] = "";
    double until_s = clock_monotonic_s() + 120;
    do {
        lead_holder(leads[i], holder, sizeof holder);
        if (strcmp(holder, name) == 0)
            return;
        nanosleep(&nap, NULL);
    } while (clock_monotonic_s() < until_s);
    ck_abort_msg("candidate %d says that '%s' holds it, wanted %s", i, holder, name);
}

START_TEST(one_leads_and_both_know_who)
{
    char name[32];
    set_up();
    int first = wait_for_leader(2);
    snprintf(name, sizeof name, "candidate-%d", first);
    expect_holder(0, name);
    expect_holder(1, name);
    tear_down();
    ck_assert_msg(strstr(lease.spec, "\"holderIdentity\":\"\""), "not given up: %s", lease.spec);
}
END_TEST

START_TEST(without_an_api_nobody_leads_and_with_it_one_does)
{
    set_up();
    wait_for_leader(2);
    lease.fails = true;
    wait_for_leader(-1);
    lease.fails = false;
    wait_for_leader(2);
    tear_down();
}
END_TEST

START_TEST(whoever_ends_gives_it_to_the_other)
{
    set_up();
    int first = wait_for_leader(2);
    double began_s = clock_monotonic_s();
    lead_close(leads[first]);
    leads[first] = NULL;
    const struct timespec nap = {.tv_nsec = 1000000};
    while (!(clock_monotonic_s() < fleet_deadline_s(led[1 - first])) && clock_monotonic_s() < began_s + 120)
        nanosleep(&nap, NULL);
    ck_assert_double_lt(clock_monotonic_s(), began_s + 120);
    tear_down();
}
END_TEST

/* The fleet behind it is asked unchanged. */
START_TEST(the_fleet_is_the_same_one)
{
    set_up();
    fleets[0].n = 3;
    ck_assert_int_eq(fleet_count(led[0]), 3);
    ck_assert_ptr_eq(fleet_view(led[0], 1), &fleets[0].views[1]);
    ck_assert_int_eq(fleet_write(led[0], 1, 5, false, NULL), FLEET_DONE);
    ck_assert_int_eq(fleets[0].n_writes, 1);
    tear_down();
}
END_TEST

SUITE("lead", one_leads_and_both_know_who, without_an_api_nobody_leads_and_with_it_one_does,
      whoever_ends_gives_it_to_the_other, the_fleet_is_the_same_one)
