/* exporter: maestro-exporter, a program that shows a simulated cluster to a real Prometheus. Its clock is the wall clock's, or so
 * many times faster; POST /scale does what the scale subresource would. */
#include "program.h"

#include <maestro/clock.h>
#include <maestro/crowd.h>
#include <maestro/exposition.h>
#include <maestro/httpd.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define GRACE_S 2.0
#define BEAT_NS 200000000L
#define BEHIND_S 5.0      /* further behind the clock than this: given up */
#define TELL_EVERY_S 60.0 /* that it was */

static struct crowd_config exporter;
static struct cli_texts wishes;

static const struct cli_option options[] = {
    {"target", 't', CLI_TEXTS, "TEXT",
     "A target of its own, as NAMESPACE/NAME=SHAPE:BASE:PEAK[:LENGTH_S] or NAMESPACE/NAME=FILE.csv:PEAK", &wishes},
};

static const struct cli_verb verb = {
    .name = "maestro-exporter",
    .summary = "Shows a simulated cluster to a real Prometheus, at any size and without nodes.",
    .words = "",
    .seed_key = "exporter.seed",
    .options = options,
    .n_options = 1,
};

static void handle_metrics(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    (void)request;
    reply->content_type = EXPOSITION_TYPE;
    crowd_expose(context, reply->body);
}

static void handle_list(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    (void)request;
    crowd_list(context, reply->body);
}

static void handle_health(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    (void)context;
    (void)request;
    buf_text(reply->body, "{\"status\":\"ok\"}");
}

static void handle_scale(void *context, const struct httpd_request *request, struct httpd_reply *reply)
{
    const char *deployment = httpd_query(request, "deployment"), *replicas = httpd_query(request, "replicas");
    struct err e = {0};
    char *end = NULL;
    errno = 0;
    long wanted = replicas ? strtol(replicas, &end, 10) : 0;
    if (!deployment || !replicas || end == replicas || *end || errno || wanted < 0 || wanted > REPLICAS_LIMIT)
        httpd_refuse(reply, 400, "wanted: /scale?deployment=NAME&replicas=0..%d, and &namespace= where names repeat",
                     REPLICAS_LIMIT);
    else if (!crowd_scale(context, httpd_query(request, "namespace"), deployment, (int)wanted, &e))
        httpd_refuse(reply, 404, "%s", e.message);
    else
        buf_printf(reply->body, "{\"replicas\":%ld}", wanted);
}

static const struct httpd_route ROUTES[] = {
    {"GET", "/metrics", handle_metrics},
    {"GET", "/deployments", handle_list},
    {"GET", "/healthz", handle_health},
    {"POST", "/scale", handle_scale},
};

/* The crowd's clock. */
struct pace {
    double start_s; /* monotonic; moved on by what is given up */
    double lost_s;  /* not told yet */
    double told_s;  /* monotonic */
};

/* More than the machine can simulate: the time that is missing is left out. Else each call would owe more than the last. */
static void give_up(struct pace *p, double behind_s)
{
    double now_s = clock_monotonic_s();
    p->start_s += behind_s;
    p->lost_s += behind_s;
    if (now_s - p->told_s < TELL_EVERY_S)
        return;
    log_warn("too_slow", kv("why", "more targets at this speed than this machine can simulate"),
             kv("left_out_s", p->lost_s), kv("targets", exporter.targets + wishes.n), kv("speed", exporter.speed));
    p->told_s = now_s;
    p->lost_s = 0;
}

/* Until a signal ends it. */
static void drive(struct crowd *c, const sigset_t *ends)
{
    static const struct timespec beat = {.tv_nsec = BEAT_NS}, none = {0};
    double now_s = clock_monotonic_s(), behind_s;
    struct pace pace = {.start_s = now_s, .told_s = now_s - TELL_EVERY_S};
    do {
        behind_s = crowd_advance(c, clock_monotonic_s() - pace.start_s);
        if (behind_s > BEHIND_S)
            give_up(&pace, behind_s);
    } while (sigtimedwait(ends, NULL, behind_s > 0 ? &none : &beat) < 0);
}

static bool serve(struct crowd *c, const sigset_t *ends, struct err *e)
{
    struct httpd *server = NULL;
    struct httpd_config config = {.address = exporter.address,
                                  .port = exporter.port,
                                  .routes = ROUTES,
                                  .n_routes = sizeof ROUTES / sizeof *ROUTES,
                                  .context = c};
    if (!httpd_open(&config, &server, e))
        return false;
    log_info("listening", kv("address", (const char *)exporter.address), kv("port", httpd_port(server)),
             kv("targets", exporter.targets + wishes.n), kv("speed", exporter.speed));
    drive(c, ends);
    httpd_close(server, GRACE_S);
    log_info("stopped");
    return true;
}

static bool run(struct err *e)
{
    struct crowd *c = NULL;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); // before the first thread: they inherit it
    bool done = crowd_open(&exporter, wishes.v, wishes.n, &c, e) && serve(c, &ends, e);
    crowd_close(c);
    return done;
}

int main(int argc, char **argv)
{
    struct config_section sections[] = {crowd_section(&exporter)};
    const struct program program = {.verb = &verb, .sections = sections, .n_sections = 1, .run = run};
    return program_main(&program, argc, argv);
}
