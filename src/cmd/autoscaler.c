/* autoscaler: the program maestro-autoscaler. In: the sections "autoscaler", "lease", "prometheus" and "kubernetes". Out:
 * ticks over the live fleet until SIGTERM or SIGINT (SIGHUP: policy files are looked at anew), and a server of health,
 * metrics and reasons. The tick in hand is finished, the journal closed, the lease given up. */
#include "lead.h"
#include "program.h"

#include <maestro/autoscaler.h>
#include <maestro/clock.h>
#include <maestro/exposition.h>
#include <maestro/httpd.h>
#include <maestro/live.h>
#include <maestro/log.h>
#include <maestro/rng.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double GRACE_S = 2;       /* for what is being answered at the end */
static const double WEDGED_TICKS = 6;  /* without an end of one for so long the process is not healthy */
static const double WEDGED_S = 120;    /* at least */
static const double TICK_JITTER = 0.1; /* share of a tick */

static struct autoscaler_config settings;
static struct lead_config lead_settings;
static struct live_prometheus prometheus;
static struct live_kubernetes kubernetes;

enum { AUTOSCALER, LEASE, PROMETHEUS, KUBERNETES, SECTIONS };
static struct config_section sections[SECTIONS] = {
    {"autoscaler", "Targets, guards, writes.", autoscaler_config_keys, 0, &settings},
    {"lease", "Who of several processes writes.", lead_config_keys, 0, &lead_settings},
    {"prometheus", "Where signals come from.", live_prometheus_keys, 0, &prometheus},
    {"kubernetes", "Where the cluster is.", live_kubernetes_keys, 0, &kubernetes},
};

static bool print_journal;

static const struct cli_option options[] = {
    {"print-journal", 0, CLI_FLAG, NULL, "Print the files of autoscaler.journal, the oldest first, and end",
     &print_journal},
};

static const struct cli_verb verb = {
    .name = "maestro-autoscaler",
    .summary = "scale Deployments as their policies and guards say",
    .words = "",
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

/* Everything of a run. The board, the status and the moments may be read by the server's threads. */
struct running {
    struct fleet *live;
    struct lead *lead; /* NULL: no election */
    struct journal *journal;
    struct board *board;
    struct autoscaler *autoscaler;
    struct httpd *server;
    const char *space; /* where no namespace is said */
    double started_s;
    _Atomic double ticked_s;
    atomic_bool refreshed;
    pthread_mutex_t lock; /* of status */
    struct live_status status;
    bool troubled; /* as told in the log */
};

static void get_health(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct running *r = context;
    double limit_s = fmax(WEDGED_TICKS * settings.tick_s, WEDGED_S);
    double silent_s = clock_monotonic_s() - atomic_load(&r->ticked_s);
    (void)request;
    if (silent_s > limit_s) {
        httpd_refuse(reply, 503, "no tick has ended for %.0f s", silent_s);
        return;
    }
    buf_text(reply->body, "{\"status\":\"ok\"}\n");
}

static void get_ready(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct running *r = context;
    (void)request;
    if (atomic_load(&r->refreshed)) {
        buf_text(reply->body, "{\"status\":\"ready\"}\n");
        return;
    }
    pthread_mutex_lock(&r->lock);
    struct err api = r->status.api;
    pthread_mutex_unlock(&r->lock);
    httpd_refuse(reply, 503, "the API server could not be read yet: %s", *api.message ? api.message : "not asked yet");
}

static void counter(struct buf *out, const char *name, const char *help, long long value)
{
    exposition_family(out, name, "counter", help);
    exposition_value(out, name, NULL, (double)value);
}

static void get_metrics(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct running *r = context;
    (void)request;
    pthread_mutex_lock(&r->lock);
    struct live_status s = r->status;
    pthread_mutex_unlock(&r->lock);
    double now_s = clock_monotonic_s();
    reply->content_type = EXPOSITION_TYPE;
    board_metrics(r->board, reply->body);
    counter(reply->body, "maestro_autoscaler_queries_total", "Queries to Prometheus.", s.queries);
    counter(reply->body, "maestro_autoscaler_queries_failed_total", "Of them without a usable answer.",
            s.queries_failed);
    counter(reply->body, "maestro_autoscaler_api_calls_total", "Calls to the API server.", s.calls);
    counter(reply->body, "maestro_autoscaler_api_calls_failed_total", "Of them without a usable answer.",
            s.calls_failed);
    exposition_family(reply->body, "maestro_autoscaler_source_age_seconds", "gauge",
                      "Since the last good answer, or since the start.");
    exposition_value(reply->body, "maestro_autoscaler_source_age_seconds", "source=\"kubernetes\"",
                     now_s - fmax(s.api_time_s, r->started_s));
    exposition_value(reply->body, "maestro_autoscaler_source_age_seconds", "source=\"prometheus\"",
                     now_s - fmax(s.prometheus_time_s, r->started_s));
}

static bool wants_text(const struct httpd_request *request)
{
    const char *format = httpd_query(request, "format");
    const char *accept = httpd_header(request, "Accept");
    return format ? strcmp(format, "text") == 0 : accept && strncmp(accept, "text/plain", 10) == 0;
}

static void get_why(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct running *r = context;
    const char *space = httpd_query(request, "namespace");
    const char *name = httpd_query(request, "deployment");
    bool text = wants_text(request);
    if (!name || !*name) {
        board_targets(r->board, reply->body);
        return;
    }
    if (text)
        reply->content_type = "text/plain; charset=utf-8";
    if (!board_why(r->board, space && *space ? space : r->space, name, !text, reply->body))
        httpd_refuse(reply, 404, "no decision about '%.63s/%.127s' yet: not a target, or not seen since the start",
                     space && *space ? space : r->space, name);
}

static const struct httpd_route ROUTES[] = {
    {"GET", "/healthz", get_health},
    {"GET", "/readyz", get_ready},
    {"GET", "/metrics", get_metrics},
    {"GET", "/why", get_why},
};

static double monotonic(void *context)
{
    (void)context;
    return clock_monotonic_s();
}

static double wall(void *context)
{
    (void)context;
    return clock_wall_s();
}

/* A write that is still under way when the next leader may begin must have been given up. */
static void bound_writes(void)
{
    double room_s = lead_settings.duration_s - lead_settings.renew_deadline_s;
    if (lead_settings.enabled && room_s > 0 && kubernetes.timeout_s > room_s) {
        log_info("shorter_timeout", kv("kubernetes.timeout_s", room_s), kv("because", "of the lease"));
        kubernetes.timeout_s = room_s;
    }
}

static bool open_fleet(struct running *r, struct fleet **out, struct err *e)
{
    bound_writes();
    const struct live_config live = {
        .prometheus = &prometheus, .kubernetes = &kubernetes, .user_agent = "maestro-autoscaler"};
    if (!live_open(&live, &r->live, e))
        return false;
    r->space = live_namespace(r->live);
    *out = r->live;
    if (!lead_settings.enabled)
        return true;
    if (!lead_open(&lead_settings, &kubernetes, r->space, &r->lead, e))
        return false;
    *out = lead_fleet(r->lead, r->live);
    return true;
}

static bool open_all(struct running *r, struct err *e)
{
    struct fleet *fleet;
    if (*settings.journal &&
        !journal_open(settings.journal, (uint64_t)settings.journal_limit_bytes, settings.journal_keep, &r->journal, e))
        return err_wrap(e, "autoscaler.journal");
    if (!board_open(&r->board, e) || !open_fleet(r, &fleet, e))
        return false;
    const struct autoscaler_parts parts = {.config = &settings,
                                           .fleet = fleet,
                                           .journal = r->journal,
                                           .board = r->board,
                                           .prefix = kubernetes.annotation_prefix,
                                           .scrape_s = prometheus.scrape_s,
                                           .window_s = prometheus.window_s,
                                           .quantile = prometheus.quantile,
                                           .clock = {monotonic, wall, NULL}};
    struct httpd_config server = {.address = settings.address,
                                  .port = settings.port,
                                  .routes = ROUTES,
                                  .n_routes = sizeof ROUTES / sizeof *ROUTES,
                                  .context = r};
    if (!autoscaler_open(&parts, &r->autoscaler, e))
        return false;
    atomic_store(&r->ticked_s, clock_monotonic_s()); // from here on somebody may ask
    return httpd_open(&server, &r->server, e);
}

static void close_all(struct running *r)
{
    autoscaler_close(r->autoscaler);
    lead_close(r->lead);
    journal_close(r->journal);
    httpd_close(r->server, GRACE_S); // its answers name the fleet's namespace
    fleet_close(r->live);
    board_close(r->board);
}

/* A refresh goes on with what can be read, so only this tells what cannot. */
static void tell_trouble(struct running *r, const struct live_status *status)
{
    char text[320] = "";
    if (*status->api.message)
        snprintf(text, sizeof text, "kubernetes: %.300s", status->api.message);
    else if (*status->prometheus.message)
        snprintf(text, sizeof text, "prometheus: %.300s", status->prometheus.message);
    else if (*status->conflicts.message)
        snprintf(text, sizeof text, "looking for other scalers: %.280s", status->conflicts.message);
    board_trouble(r->board, text);
    bool partly = board_last_tick(r->board).refreshed; // else the tick has said it
    if (*text && partly && !r->troubled)
        log_warn("trouble", kv("message", text));
    if (!*text && r->troubled)
        log_info("trouble_over");
    r->troubled = *text && (partly || r->troubled);
}

static void tick(struct running *r)
{
    struct live_status status;
    autoscaler_tick(r->autoscaler);
    live_status(r->live, &status);
    tell_trouble(r, &status);
    pthread_mutex_lock(&r->lock);
    r->status = status;
    pthread_mutex_unlock(&r->lock);
    if (board_last_tick(r->board).refreshed)
        atomic_store(&r->refreshed, true);
    atomic_store(&r->ticked_s, clock_monotonic_s());
}

/* Until a moment or a signal that ends us; false: ended. */
static bool wait_until(struct running *r, const sigset_t *set, double until_s)
{
    for (;;) {
        double left_s = until_s - clock_monotonic_s();
        if (left_s <= 0)
            left_s = 0;
        struct timespec left = {(time_t)left_s, (long)((left_s - floor(left_s)) * 1e9)};
        int number = sigtimedwait(set, NULL, &left);
        if (number == SIGHUP) {
            log_info("looking_at_policy_files");
            autoscaler_reload(r->autoscaler);
            return true; // at once
        }
        if (number > 0) {
            log_info("stopping", kv("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
            return false;
        }
        if (errno == EAGAIN)
            return true;
    }
}

static void run_ticks(struct running *r, const sigset_t *set)
{
    struct rng rng;
    double next_s = clock_monotonic_s();
    rng_init(&rng, (uint64_t)(clock_wall_s() * 1e6), 1);
    do {
        tick(r);
        double now_s = clock_monotonic_s();
        next_s += settings.tick_s * (1 + TICK_JITTER * (rng_double(&rng) - 0.5));
        next_s = next_s < now_s ? now_s : next_s;
    } while (wait_until(r, set, next_s));
}

/* Blocked before the first thread starts, and so in all of them: signals are waited for between ticks. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* false: there is no such file, or it cannot be read. */
static bool print_file(const char *path)
{
    char bytes[65536];
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
        fwrite(bytes, 1, n, stdout);
    bool done = !ferror(f);
    fclose(f);
    return done;
}

/* An image without a shell has nobody else who could. */
static bool print_all(struct err *e)
{
    char path[CONFIG_TEXT + 16];
    if (!*settings.journal)
        return err_set(e, ERR_USAGE, "--print-journal: autoscaler.journal names no file");
    for (int i = settings.journal_keep; i > 0; i--) {
        snprintf(path, sizeof path, "%s.%d", settings.journal, i);
        (void)print_file(path); // as many as there are
    }
    return print_file(settings.journal) || err_set(e, ERR_IO, "%s: cannot read it", settings.journal);
}

static bool run(struct err *e)
{
    static struct running r;
    sigset_t set;
    if (print_journal)
        return print_all(e);
    block_signals(&set);
    r.started_s = clock_monotonic_s();
    pthread_mutex_init(&r.lock, NULL);
    bool done = open_all(&r, e);
    if (done) {
        log_info("listening", kv("address", settings.address), kv("port", httpd_port(r.server)));
        run_ticks(&r, &set);
    }
    close_all(&r);
    pthread_mutex_destroy(&r.lock);
    if (done)
        log_info("stopped");
    return done;
}

static bool settle(const struct cli *cli, struct config *config, struct err *e)
{
    (void)cli;
    (void)config;
    return autoscaler_config_check(&settings, e);
}

int main(int argc, char **argv)
{
    sections[AUTOSCALER].n_keys = n_autoscaler_config_keys;
    sections[LEASE].n_keys = n_lead_config_keys;
    sections[PROMETHEUS].n_keys = n_live_prometheus_keys;
    sections[KUBERNETES].n_keys = n_live_kubernetes_keys;
    const struct program program = {&verb, sections, SECTIONS, settle, run};
    return program_main(&program, argc, argv);
}
