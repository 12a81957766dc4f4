/* The simulated cluster as Prometheus would see it: names, counters, rates at any speed, scaling, targets described in a line. */
#include <maestro/crowd.h>

#include "folder.h"
#include "suite.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

static struct crowd_config defaults(void)
{
    struct crowd_config c;
    struct config_section section = crowd_section(&c);
    struct config all;
    ck_assert(config_init(&all, &section, 1, NULL));
    config_finish(&all);
    c.shape = LOAD_CONSTANT;
    c.base_rps = c.peak_rps = 100;
    return c;
}

static struct crowd *open_crowd(const struct crowd_config *config, const char *const *wishes, int n)
{
    struct crowd *c = NULL;
    struct err e = {0};
    ck_assert_msg(crowd_open(config, wishes, n, &c, &e), "%s", e.message);
    return c;
}

static void refused(const struct crowd_config *config, const char *const *wishes, int n, const char *part)
{
    struct crowd *c = NULL;
    struct err e = {0};
    ck_assert_msg(!crowd_open(config, wishes, n, &c, &e), "%s", wishes ? wishes[0] : "");
    ck_assert_msg(strstr(e.message, part), "'%s' lacks '%s'", e.message, part);
}

/* Sum of all values of a metric whose labels hold a text, and how many there are. */
static double sum_of(struct crowd *c, const char *name, const char *label, int *n)
{
    CLEANUP_BUF struct buf text = {0};
    double sum = 0;
    size_t length = strlen(name);
    crowd_expose(c, &text);
    *n = 0;
    for (char *line = text.bytes, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        const char *value = strrchr(line, ' ');
        if (strncmp(line, name, length) == 0 && line[length] == '{' && strstr(line, label)) {
            sum += strtod(value, NULL);
            ++*n;
        }
    }
    return sum;
}

static double total(struct crowd *c, const char *name, const char *label)
{
    int n = 0;
    double sum = sum_of(c, name, label, &n);
    ck_assert_msg(n > 0, "no %s{%s}", name, label);
    return sum;
}

static int count(struct crowd *c, const char *name, const char *label)
{
    int n = 0;
    sum_of(c, name, label, &n);
    return n;
}

static void near(double value, double wanted, double relative)
{
    ck_assert_msg(fabs(value - wanted) <= relative * wanted, "%g, wanted %g", value, wanted);
}

START_TEST(names_are_those_of_kubernetes)
{
    struct crowd_config config = defaults();
    CLEANUP_BUF struct buf text = {0}, again = {0};
    regex_t pattern;
    config.targets = 3;
    config.namespaces = 2;
    struct crowd *c = open_crowd(&config, NULL, 0);
    crowd_expose(c, &text);
    ck_assert_int_eq(regcomp(&pattern,
                             "container_cpu_usage_seconds_total\\{container=\"web-3\",namespace=\"demo-1\","
                             "pod=\"web-3-[a-z0-9]{10}-[a-z0-9]{5}\"\\} [0-9]",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    ck_assert_int_eq(regexec(&pattern, text.bytes, 0, NULL, 0), 0);
    regfree(&pattern);
    ck_assert_int_eq(count(c, "up", "pod="), 3 * config.replicas);
    ck_assert_int_eq(count(c, "container_memory_working_set_bytes", "namespace=\"demo-2\""), config.replicas);
    ck_assert_double_eq(total(c, "kube_deployment_spec_replicas", "deployment=\"web-2\""), config.replicas);
    crowd_expose(c, &again);
    ck_assert_str_eq(text.bytes, again.bytes);
    crowd_close(c);
    crowd_close(NULL);
}
END_TEST

START_TEST(counters_tell_the_load)
{
    enum { SPAN_S = 300 };
    static const double speeds[] = {1, 20};
    for (int i = 0; i < 2; i++) {
        struct crowd_config config = defaults();
        config.speed = speeds[i];
        struct crowd *c = open_crowd(&config, NULL, 0);
        double requests = total(c, "http_requests_total", "code=\"200\""),
               cpu_s = total(c, "container_cpu_usage_seconds_total", "");
        crowd_advance(c, SPAN_S / config.speed);
        crowd_advance(c, 1); // never back
        requests = total(c, "http_requests_total", "code=\"200\"") - requests;
        cpu_s = total(c, "container_cpu_usage_seconds_total", "") - cpu_s;
        near(requests / (SPAN_S / config.speed), 100, 0.15); // noise of the load, and of counting
        near(cpu_s / requests, 1.2e-3, 0.15);                // the profile's cpu_ms, with its drift
        ck_assert_double_eq(total(c, "http_requests_total", "code=\"503\""), 0);
        crowd_close(c);
    }
}
END_TEST

START_TEST(histogram_is_whole)
{
    struct crowd_config config = defaults();
    struct crowd *c = open_crowd(&config, NULL, 0);
    crowd_advance(c, 60);
    double all = total(c, "http_request_duration_seconds_count", "");
    near(total(c, "http_request_duration_seconds_bucket", "le=\"+Inf\""), all, 1e-9);
    near(total(c, "http_requests_total", ""), all, 1e-9);
    near(total(c, "http_request_duration_seconds_bucket", "le=\"10\""), all, 1e-9);
    ck_assert_double_lt(total(c, "http_request_duration_seconds_bucket", "le=\"0.001\""), all);
    double mean_s = total(c, "http_request_duration_seconds_sum", "") / all;
    ck_assert(mean_s > 0.0032 && mean_s < 0.02); // cpu_ms + wait_ms and some queueing
    crowd_close(c);
}
END_TEST

START_TEST(scales)
{
    struct crowd_config config = defaults();
    struct err e = {0};
    struct crowd *c = open_crowd(&config, NULL, 0);
    ck_assert(crowd_scale(c, "demo", "web", 6, &e));
    ck_assert_double_eq(total(c, "kube_deployment_spec_replicas", ""), 6);
    crowd_advance(c, 2);
    ck_assert_double_lt(total(c, "kube_deployment_status_replicas_ready", ""), 6);
    crowd_advance(c, 120);
    ck_assert_double_eq(total(c, "kube_deployment_status_replicas_ready", ""), 6);
    ck_assert_int_eq(count(c, "container_cpu_usage_seconds_total", ""), 6);
    ck_assert(crowd_scale(c, NULL, "web", 1, &e));
    crowd_advance(c, 300);
    ck_assert_int_eq(count(c, "container_cpu_usage_seconds_total", ""), 1);
    ck_assert_double_eq(total(c, "kube_deployment_status_replicas_ready", ""), 1);
    crowd_close(c);
}
END_TEST

/* A pod's counters begin anew with the pod, under another name; those of its neighbours only rise. */
START_TEST(pods_have_a_life_of_their_own)
{
    struct crowd_config config = defaults();
    CLEANUP_BUF struct buf before = {0}, after = {0};
    config.replicas = 1;
    struct crowd *c = open_crowd(&config, NULL, 0);
    crowd_expose(c, &before);
    ck_assert(crowd_scale(c, NULL, "web", 0, NULL));
    crowd_advance(c, 120);
    ck_assert_int_eq(count(c, "up", ""), 0);
    ck_assert(crowd_scale(c, NULL, "web", 1, NULL));
    crowd_advance(c, 240);
    crowd_expose(c, &after);
    const char *old = strstr(before.bytes, "up{"), *new = strstr(after.bytes, "up{");
    ck_assert(old && new &&strncmp(old, new, strcspn(old, "\n")) != 0);
    double requests = total(c, "http_requests_total", "code=\"200\"");
    ck_assert(requests > 1000 && requests < 240 * 100);
    crowd_close(c);
}
END_TEST

START_TEST(overload_fails_requests)
{
    struct crowd_config config = defaults();
    config.base_rps = config.peak_rps = 5000;
    config.replicas = 1;
    struct crowd *c = open_crowd(&config, NULL, 0);
    crowd_advance(c, 120);
    ck_assert_double_ge(total(c, "http_requests_total", "code=\"503\""), 1000);
    crowd_close(c);
}
END_TEST

START_TEST(names_that_repeat)
{
    static const char *const wishes[] = {"shop/web=constant:10:10", "bank/web=step:10:20:60", "bank/cart=on-off:1:2"};
    static const char *const twice[] = {"shop/web=constant:10:10", "shop/web=constant:1:2"};
    struct crowd_config config = defaults();
    CLEANUP_BUF struct buf list = {0};
    struct err e = {0};
    config.targets = 0;
    struct crowd *c = open_crowd(&config, wishes, 3);
    ck_assert(!crowd_scale(c, NULL, "web", 3, &e) && strstr(e.message, "several deployments are called web"));
    ck_assert(!crowd_scale(c, "shop", "cart", 3, &e) && strstr(e.message, "no deployment shop/cart"));
    ck_assert(!crowd_scale(c, "shop", "web", REPLICAS_LIMIT + 1, &e) && !crowd_scale(c, "shop", "web", -1, &e));
    ck_assert(crowd_scale(c, "shop", "web", 3, &e) && crowd_scale(c, NULL, "cart", 4, &e));
    crowd_list(c, &list);
    ck_assert_str_eq(list.bytes,
                     "[{\"namespace\":\"shop\",\"deployment\":\"web\",\"replicas\":3,\"ready\":2,\"starting\":0},"
                     "{\"namespace\":\"bank\",\"deployment\":\"web\",\"replicas\":2,\"ready\":2,\"starting\":0},"
                     "{\"namespace\":\"bank\",\"deployment\":\"cart\",\"replicas\":4,\"ready\":2,\"starting\":0}]");
    crowd_close(c);
    refused(&config, twice, 2, "shop/web is asked for twice");
}
END_TEST

/* However far the clock has run away. */
START_TEST(one_call_does_bounded_work)
{
    enum { TARGETS = 100, FAR_S = 1000000 };
    struct crowd_config config = defaults();
    config.targets = TARGETS;
    config.replicas = 1;
    struct crowd *c = open_crowd(&config, NULL, 0);
    double before = total(c, "http_requests_total", "");
    double left_s = crowd_advance(c, FAR_S), done_s = FAR_S - left_s;
    ck_assert_double_ge(done_s * TARGETS, CROWD_WORK / 2);            // it gets somewhere,
    ck_assert_double_le(done_s * TARGETS, CROWD_WORK + 10 * TARGETS); // and ends
    near((total(c, "http_requests_total", "") - before) / (done_s * TARGETS), 100, 0.15);
    double less_s = crowd_advance(c, FAR_S); // the next goes on
    ck_assert_double_lt(less_s, left_s);
    ck_assert_double_eq(crowd_advance(c, FAR_S - less_s), 0); // a clock that is set back is met at once
    crowd_close(c);
}
END_TEST

START_TEST(many_calls_show_what_one_does)
{
    enum { SPAN_S = 350, TARGETS = 3, SPEED = 20 };
    struct crowd_config config = defaults();
    CLEANUP_BUF struct buf far = {0}, near_by = {0};
    int calls = 0;
    config.targets = TARGETS;
    config.speed = SPEED;
    struct crowd *a = open_crowd(&config, NULL, 0), *b = open_crowd(&config, NULL, 0);
    do
        calls++;
    while (crowd_advance(a, SPAN_S) > 0);
    ck_assert_int_eq(calls, 1 + SPAN_S * TARGETS * SPEED / CROWD_WORK);
    for (int i = 0; i <= 5 * SPAN_S; i++)
        ck_assert_double_eq(crowd_advance(b, i / 5.0), 0); // it keeps up
    crowd_expose(a, &far);
    crowd_expose(b, &near_by);
    ck_assert_str_eq(far.bytes, near_by.bytes);
    crowd_close(a);
    crowd_close(b);
}
END_TEST

START_TEST(recorded_loads)
{
    char folder[FOLDER_BYTES], path[96], wish[128];
    const char *const wishes[] = {wish};
    struct crowd_config config = defaults();
    config.targets = 0;
    folder_make(folder);
    snprintf(path, sizeof path, "%s/load.csv", folder);
    FILE *file = fopen(path, "w");
    ck_assert(file && fputs("t_seconds,rps\n0,5\n1000,5\n", file) >= 0 && fclose(file) == 0);
    snprintf(wish, sizeof wish, "shop/web=%s:50", path);
    struct crowd *c = open_crowd(&config, wishes, 1);
    double before = total(c, "http_requests_total", "code=\"200\"");
    crowd_advance(c, 300);
    near((total(c, "http_requests_total", "code=\"200\"") - before) / 300, 50, 0.15);
    crowd_close(c);
    folder_remove(folder);
}
END_TEST

START_TEST(wrong_wishes)
{
    static const char *const wrong[][2] = {
        {"web=constant:1:2", "no name of a namespace"},
        {"shop/=constant:1:2", "no name"},
        {"Shop/web=constant:1:2", "no name"},
        {"shop/web-=constant:1:2", "no name"},
        {"shop/web", "no name"},
        {"shop/web=sine:1:2", "no such shape"},
        {"shop/web=trace:1:2", "no such shape"},
        {"shop/web=constant:1", "two or three numbers"},
        {"shop/web=constant", "two or three numbers"},
        {"shop/web=constant:1:2:3:4", "two or three numbers"},
        {"shop/web=constant:1:-2", "two or three numbers"},
        {"shop/web=constant:1:nan", "two or three numbers"},
        {"shop/web=constant:1:2x", "two or three numbers"},
        {"shop/web=constant:1:2:0", "length is under a second"},
        {"shop/web=a.csv:1:2", "one number"},
        {"shop/web=nonexistent.csv:5", "nonexistent.csv"},
    };
    struct crowd_config config = defaults();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused(&config, &wrong[i][0], 1, wrong[i][1]);
    config.targets = 0;
    refused(&config, NULL, 0, "no target at all");
    config.targets = 1;
    snprintf(config.profile, sizeof config.profile, "no-such-profile");
    refused(&config, NULL, 0, "no-such-profile");
}
END_TEST

START_TEST(a_thousand_targets)
{
    struct crowd_config config = defaults();
    config.targets = 1000;
    config.namespaces = 10;
    config.replicas = 1;
    struct crowd *c = open_crowd(&config, NULL, 0);
    crowd_advance(c, 10);
    ck_assert_int_eq(count(c, "container_cpu_usage_seconds_total", ""), 1000);
    near(total(c, "http_requests_total", "") / (10 + 20), 100 * 1000, 0.25); // with the 20 s before the beginning
    crowd_close(c);
}
END_TEST

SUITE("crowd", names_are_those_of_kubernetes, counters_tell_the_load, histogram_is_whole, scales,
      pods_have_a_life_of_their_own, overload_fails_requests, names_that_repeat, one_call_does_bounded_work,
      many_calls_show_what_one_does, recorded_loads, wrong_wishes, a_thousand_targets)
