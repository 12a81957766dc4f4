/* lead: one thread that steps a lease, and what others may know of it: the deadline and the holder. In: section "lease".
 * Out: a fleet whose writes know when they must stop. Decides nothing about replicas. */
#include "lead.h"

#include <maestro/clock.h>
#include <maestro/kube.h>
#include <maestro/lease.h>
#include <maestro/log.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define KEY(name, type, field, fallback, low, high, unit, text)                                                        \
    {                                                                                                                  \
        name, type, offsetof(struct lead_config, field), fallback, low, high, unit, NULL, text                         \
    }

const struct config_key lead_config_keys[] = {
    KEY("enabled", CONFIG_BOOL, enabled, "on", 0, 0, NULL, "Off: this process writes without asking; run only one."),
    KEY("namespace", CONFIG_STRING, space, "", 0, 0, NULL, "Of the Lease object; empty: the account's own."),
    KEY("name", CONFIG_STRING, name, "maestro-autoscaler", 0, 0, NULL, "Of the Lease object."),
    KEY("identity", CONFIG_STRING, identity, "", 0, 0, NULL,
        "Of this process among all that ever lived; empty: the host's name and something random."),
    KEY("duration_s", CONFIG_DOUBLE, duration_s, "15s", 1, 3600, "s", "A lease unrenewed for so long is free."),
    KEY("renew_deadline_s", CONFIG_DOUBLE, renew_deadline_s, "10s", 0.1, 3600, "s",
        "So long after its last renewal the leader stops writing."),
    KEY("retry_s", CONFIG_DOUBLE, retry_s, "2s", 0.05, 3600, "s", "Between renewals, and between attempts."),
};
const int n_lead_config_keys = (int)(sizeof lead_config_keys / sizeof *lead_config_keys);

struct lead {
    struct fleet fleet; /* first: the seam */
    struct fleet *inner;
    struct kube *kube;
    struct lease *lease;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of stop and holder */
    pthread_cond_t wake;
    bool stop;
    char holder[256];
    _Atomic double deadline_s;
};

static struct fleet *inner_of(const struct fleet *f)
{
    return ((const struct lead *)(const void *)f)->inner;
}

static bool led_refresh(struct fleet *f, double monotonic_s, struct err *e)
{
    return fleet_refresh(inner_of(f), monotonic_s, e);
}

static int led_count(const struct fleet *f)
{
    return fleet_count(inner_of(f));
}

static const struct fleet_view *led_view(const struct fleet *f, int i)
{
    return fleet_view(inner_of(f), i);
}

static bool led_read_pods(struct fleet *f, int i, struct sample *out, struct err *e)
{
    return fleet_read_pods(inner_of(f), i, out, e);
}

static enum fleet_outcome led_write(struct fleet *f, int i, int replicas, bool dry_run, struct err *e)
{
    return fleet_write(inner_of(f), i, replicas, dry_run, e);
}

static void led_event(struct fleet *f, int i, bool warning, const char *reason, const char *message)
{
    fleet_event(inner_of(f), i, warning, reason, message);
}

static double led_deadline_s(const struct fleet *f)
{
    return atomic_load(&((const struct lead *)(const void *)f)->deadline_s);
}

static double led_patience_s(const struct fleet *f)
{
    return fleet_patience_s(((const struct lead *)(const void *)f)->inner);
}

static const struct fleet_ops LED = {led_refresh, led_count,      led_view, led_read_pods, led_write,
                                     led_event,   led_deadline_s, NULL,     led_patience_s};

struct fleet *lead_fleet(struct lead *l, struct fleet *inner)
{
    l->fleet.ops = &LED;
    l->inner = inner;
    return &l->fleet;
}

/* Waits until a monotonic moment or until told to stop. */
static bool wait_until(struct lead *l, double until_s)
{
    double left_s = until_s - clock_monotonic_s();
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    double sum = (double)at.tv_nsec * 1e-9 + (left_s > 0.01 ? left_s : 0.01);
    at.tv_sec += (time_t)floor(sum);
    at.tv_nsec = (long)((sum - floor(sum)) * 1e9);
    pthread_mutex_lock(&l->lock);
    while (!l->stop && pthread_cond_timedwait(&l->wake, &l->lock, &at) != ETIMEDOUT)
        ;
    bool stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return !stop;
}

static void tell(struct lead *l, bool *led, char *why, size_t n_why)
{
    double now_s = clock_monotonic_s();
    bool leads = now_s < lease_deadline_s(l->lease);
    if (leads != *led)
        log_info(leads ? "leader" : "not_leader", kv("holder", lease_holder(l->lease)));
    if (*lease_why(l->lease) && strcmp(why, lease_why(l->lease)) != 0)
        log_warn("lease", kv("message", lease_why(l->lease)));
    snprintf(why, n_why, "%s", lease_why(l->lease));
    *led = leads;
    pthread_mutex_lock(&l->lock);
    snprintf(l->holder, sizeof l->holder, "%s", lease_holder(l->lease));
    pthread_mutex_unlock(&l->lock);
}

static void *elect(void *context)
{
    struct lead *l = context;
    bool led = false;
    char why[512] = "";
    double next_s;
    do {
        next_s = lease_step(l->lease, clock_monotonic_s());
        atomic_store(&l->deadline_s, lease_deadline_s(l->lease));
        tell(l, &led, why, sizeof why);
    } while (wait_until(l, next_s));
    atomic_store(&l->deadline_s, 0.0);
    return NULL;
}

static bool make_identity(const struct lead_config *config, char *out, size_t n, struct err *e)
{
    char host[128] = "";
    unsigned long long random;
    if (*config->identity) {
        snprintf(out, n, "%.250s", config->identity);
        return true;
    }
    if (gethostname(host, sizeof host - 1) != 0 || getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(e, ERR_IO, "lease: neither host name nor random bytes: %s", strerror(errno));
    snprintf(out, n, "%s_%016llx", host, random);
    return true;
}

static bool open_lease(struct lead *l, const struct lead_config *config, const struct live_kubernetes *kubernetes,
                       const char *space, struct err *e)
{
    char identity[256];
    const struct kube_config where = {.kubeconfig = *kubernetes->kubeconfig ? kubernetes->kubeconfig : NULL,
                                      .context = *kubernetes->context ? kubernetes->context : NULL,
                                      .account = *kubernetes->account ? kubernetes->account : NULL,
                                      .user_agent = "maestro-autoscaler",
                                      .timeout_s = kubernetes->timeout_s};
    if (!make_identity(config, identity, sizeof identity, e))
        return false;
    const struct lease_config lease = {.space = *config->space ? config->space : space,
                                       .name = config->name,
                                       .identity = identity,
                                       .duration_s = config->duration_s,
                                       .renew_deadline_s = config->renew_deadline_s,
                                       .retry_s = config->retry_s};
    return kube_open(&where, &l->kube, e) && lease_open(&lease, l->kube, &l->lease, e);
}

static bool start(struct lead *l, struct err *e)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&l->lock, NULL);
    int code = pthread_create(&l->thread, NULL, elect, l);
    l->started = code == 0;
    return l->started || err_set(e, ERR_IO, "lease: no thread: %s", strerror(code));
}

bool lead_open(const struct lead_config *config, const struct live_kubernetes *kubernetes, const char *space,
               struct lead **out, struct err *e)
{
    struct lead *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_IO, "lease: out of memory");
    if (!open_lease(l, config, kubernetes, space, e) || !start(l, e)) {
        lead_close(l);
        return false;
    }
    *out = l;
    return true;
}

void lead_holder(struct lead *l, char *out, size_t n)
{
    pthread_mutex_lock(&l->lock);
    snprintf(out, n, "%s", l->holder);
    pthread_mutex_unlock(&l->lock);
}

void lead_close(struct lead *l)
{
    if (!l)
        return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_signal(&l->wake);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
        lease_release(l->lease);
        pthread_cond_destroy(&l->wake);
        pthread_mutex_destroy(&l->lock);
    }
    lease_close(l->lease);
    kube_close(l->kube);
    free(l);
}
