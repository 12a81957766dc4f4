/* suggest: the program maestro-suggest. In: the sections "suggest", "prometheus" and "kubernetes". Out: a server that answers
 * GET /suggest until SIGTERM or SIGINT (SIGHUP: policy files are looked at anew), and says on standard error what came of
 * it. Writes to no cluster. */
#include "program.h"

#include <maestro/live.h>
#include <maestro/log.h>
#include <maestro/suggest.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>

static const double GRACE_S = 5; /* for what is being answered at the end */

static struct suggest_config settings;
static struct live_prometheus prometheus;
static struct live_kubernetes kubernetes;

enum { SUGGEST, PROMETHEUS, KUBERNETES, SECTIONS };
static struct config_section sections[SECTIONS] = {
    {"suggest", "The server of suggestions.", suggest_config_keys, 0, &settings},
    {"prometheus", "Where signals come from.", live_prometheus_keys, 0, &prometheus},
    {"kubernetes", "Where the cluster is.", live_kubernetes_keys, 0, &kubernetes},
};

static const struct cli_verb verb = {
    .name = "maestro-suggest",
    .summary = "answer GET /suggest with what a policy would do to a Deployment",
    .words = "",
};

static void trouble(const struct fleet *f, struct err *api, struct err *from_prometheus)
{
    struct live_status status;
    live_status(f, &status);
    *api = status.api;
    *from_prometheus = status.prometheus;
}

static void tell(const char *event, const char *about, const struct err *why)
{
    if (why->code == ERR_NONE)
        log_info(event, kv("about", about));
    else
        log_warn(event, kv("about", about), kv("error", why->message));
}

/* Signals are waited for, not handled: blocked before the first thread starts, and so in all of them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void wait_for_end(struct suggest *s, const sigset_t *set)
{
    int number = 0;
    while (sigwait(set, &number) == 0 && number == SIGHUP)
        suggest_reload(s);
    log_info("stopping", kv("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
}

static bool serve(struct suggest *s, const sigset_t *set, struct err *e)
{
    struct httpd *server = NULL;
    struct httpd_config config = {.address = settings.address,
                                  .port = settings.port,
                                  .n_threads = settings.threads,
                                  .routes = suggest_routes,
                                  .n_routes = n_suggest_routes,
                                  .context = s};
    if (!httpd_open(&config, &server, e))
        return false;
    bool done = suggest_start(s, e);
    if (done) {
        log_info("listening", kv("address", settings.address), kv("port", httpd_port(server)));
        wait_for_end(s, set);
    }
    httpd_close(server, GRACE_S);
    return done;
}

static bool run(struct err *e)
{
    struct fleet *fleet = NULL;
    struct suggest *s = NULL;
    sigset_t set;
    block_signals(&set);
    kubernetes.conflicts_every = 0; // who else scales is no matter of a suggestion
    const struct live_config live = {
        .prometheus = &prometheus, .kubernetes = &kubernetes, .asked = true, .user_agent = "maestro-suggest"};
    if (!live_open(&live, &fleet, e))
        return false;
    const struct suggest_source source = {.fleet = fleet,
                                          .add = live_add,
                                          .drop = live_drop,
                                          .query = live_query,
                                          .trouble = trouble,
                                          .tell = tell,
                                          .space = live_namespace(fleet),
                                          .prefix = kubernetes.annotation_prefix,
                                          .scrape_s = prometheus.scrape_s,
                                          .window_s = prometheus.window_s,
                                          .quantile = prometheus.quantile};
    bool done = suggest_open(&settings, &source, &s, e) && serve(s, &set, e);
    suggest_close(s);
    fleet_close(fleet);
    if (done)
        log_info("stopped");
    return done;
}

int main(int argc, char **argv)
{
    sections[SUGGEST].n_keys = n_suggest_config_keys;
    sections[PROMETHEUS].n_keys = n_live_prometheus_keys;
    sections[KUBERNETES].n_keys = n_live_kubernetes_keys;
    const struct program program = {&verb, sections, SECTIONS, NULL, run};
    return program_main(&program, argc, argv);
}
