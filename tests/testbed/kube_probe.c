/* kube_probe: the Kubernetes client, asked from a shell: one verb a run, one line a result, so that tests/testbed/test_kube can
 * hold it against a real API server. Who asks is $KUBECONFIG's matter. Not part of the product.
 *
 *     kube_probe get PATH | put PATH BODY | patch PATH BODY [dry] | delete PATH     OUTCOME STATUS MESSAGE
 *     kube_probe repeat PATH SECONDS          asks five times a second; a line for each change of the outcome
 *     kube_probe list PATH [SELECTOR]         number of objects
 *     kube_probe scale NAMESPACE NAME         SPEC STATUS VERSION SELECTOR
 *     kube_probe rescale NAMESPACE NAME N VERSION [dry]
 *     kube_probe may VERB GROUP RESOURCE SUBRESOURCE NAMESPACE
 *     kube_probe lease NAMESPACE NAME IDENTITY FILE    2 s lease; appends "MONOTONIC_MS IDENTITY" while it leads, until TERM
 *     kube_probe events NAMESPACE NAME UID N  the same sentence N times in a row, and what waits then sent later
 *     kube_probe chaos FILE NAMESPACE SELECTOR SESSION [dry]   makes it, waits for the injection, deletes; prints its name first
 *     kube_probe sweep NAMESPACE SESSION      number of leftovers */
#include <maestro/chaosmesh.h>
#include <maestro/clock.h>
#include <maestro/event.h>
#include <maestro/kube.h>
#include <maestro/lease.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void pause_s(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static int fail(const char *message)
{
    printf("failed %s\n", message);
    return 1;
}

/* "OUTCOME STATUS MESSAGE" */
static int tell(bool done, struct kube_answer *answer)
{
    printf("%s %ld %s\n", kube_outcome_name(answer->outcome), answer->status, answer->why.message);
    kube_answer_finish(answer);
    return done ? 0 : 1;
}

static int call(struct kube *k, char **argv, enum kube_verb verb)
{
    struct kube_answer answer = {0};
    bool body = verb != KUBE_GET && verb != KUBE_DELETE;
    bool dry = body && argv[1] && argv[2];
    struct kube_call c = {.verb = verb, .path = argv[0], .body = body ? argv[1] : NULL, .dry_run = dry};
    return tell(kube_do(k, &c, &answer), &answer);
}

static int repeat(struct kube *k, char **argv)
{
    double end_s = clock_monotonic_s() + strtod(argv[1], NULL);
    int last = -1;
    while (clock_monotonic_s() < end_s && !stopped) {
        struct kube_answer answer = {0};
        kube_do(k, &(struct kube_call){.verb = KUBE_GET, .path = argv[0]}, &answer);
        if (last != (int)answer.outcome)
            printf("%s\n", kube_outcome_name(answer.outcome));
        last = (int)answer.outcome;
        fflush(stdout);
        kube_answer_finish(&answer);
        pause_s(0.2);
    }
    return 0;
}

static bool count(void *context, const struct json *object)
{
    const char *name = NULL;
    struct err e = {0};
    const struct json *metadata = NULL;
    if (json_object(object, "metadata", &metadata, &e) && json_text(metadata, "name", &name, &e))
        ++*(int *)context;
    return true;
}

static int list(struct kube *k, char **argv)
{
    struct kube_answer answer = {0};
    int n = 0;
    struct kube_walk walk = {.context = &n, .each = count};
    if (!kube_list(k, argv[0], argv[1], &walk, &answer))
        return tell(false, &answer);
    printf("%d\n", n);
    kube_answer_finish(&answer);
    return 0;
}

static int scale(struct kube *k, char **argv)
{
    struct kube_answer answer = {0};
    struct kube_scale s = {0};
    if (!kube_scale_get(k, argv[0], argv[1], &s, &answer))
        return tell(false, &answer);
    printf("%d %d %s %s\n", s.spec_replicas, s.status_replicas, s.resource_version, s.selector);
    kube_answer_finish(&answer);
    return 0;
}

static int rescale(struct kube *k, char **argv)
{
    struct kube_answer answer = {0};
    int replicas = (int)strtol(argv[2], NULL, 10);
    return tell(kube_scale_patch(k, argv[0], argv[1], replicas, argv[3], argv[4] != NULL, &answer), &answer);
}

static int may(struct kube *k, char **argv)
{
    struct kube_answer answer = {0};
    struct kube_right right = {argv[0], argv[1], argv[2], argv[3], argv[4], NULL};
    bool allowed = false;
    if (!kube_may(k, &right, &allowed, &answer))
        return tell(false, &answer);
    puts(allowed ? "yes" : "no");
    kube_answer_finish(&answer);
    return 0;
}

/* One line in one write, so that lines of several processes do not mix. */
static void note(int file, const char *identity)
{
    char line[128];
    int n = snprintf(line, sizeof line, "%.0f %s\n", clock_monotonic_s() * 1e3, identity);
    if (write(file, line, (size_t)n) != n)
        stopped = 1;
}

static int elect(struct kube *k, char **argv)
{
    struct lease_config config = {.space = argv[0],
                                  .name = argv[1],
                                  .identity = argv[2],
                                  .duration_s = 2,
                                  .renew_deadline_s = 1.4,
                                  .retry_s = 0.3};
    struct lease *l = NULL;
    struct err e = {0};
    int file = open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || !lease_open(&config, k, &l, &e))
        return fail(e.message);
    for (double next_s = 0; !stopped;) {
        if (clock_monotonic_s() >= next_s)
            next_s = lease_step(l, clock_monotonic_s());
        if (clock_monotonic_s() < lease_deadline_s(l))
            note(file, argv[2]);
        pause_s(0.01);
    }
    lease_release(l);
    lease_close(l);
    close(file);
    return 0;
}

/* As if so much time had passed: one reason about one object is sent once in 15 s. */
static const double LATER_S = 16;

static int events(struct kube *k, char **argv)
{
    struct event_config config = {.component = "kube-probe", .instance = "here"};
    struct event event = {
        .space = argv[0], .name = argv[1], .uid = argv[2], .reason = "Tried", .message = "it was tried"};
    struct event_sender *sender = NULL;
    struct err e = {0};
    int waiting = 0;
    if (!event_open(&config, k, &sender, &e))
        return fail(e.message);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
        event_tell(sender, &event, clock_monotonic_s());
        waiting = event_send(sender, clock_monotonic_s(), 10);
    }
    waiting = event_send(sender, clock_monotonic_s() + LATER_S, 10);
    printf("%llu sent %llu dropped %d waiting %s\n", event_sent(sender), event_dropped(sender), waiting,
           event_why(sender));
    event_close(sender);
    return 0;
}

static int chaos(struct kube *k, char **argv)
{
    struct chaosmesh_target target = {.space = argv[1], .selector = *argv[2] ? argv[2] : NULL, .session = argv[3]};
    struct chaosmesh_experiment made = {0};
    struct err e = {0};
    if (!chaosmesh_start(k, argv[0], &target, argv[4] != NULL, &made, &e))
        return fail(e.message);
    printf("%s %s\n", made.plural, made.name);
    fflush(stdout);
    if (argv[4])
        return 0;
    bool injected = chaosmesh_wait(k, &made, CHAOSMESH_INJECTED, 10, &e);
    puts(injected ? "injected" : e.message);
    fflush(stdout);
    if (!chaosmesh_stop(k, &made, 10, &e))
        return fail(e.message);
    puts("gone");
    return injected ? 0 : 1;
}

static int sweep(struct kube *k, char **argv)
{
    struct err e = {0};
    int n = 0;
    if (!chaosmesh_sweep(k, argv[0], *argv[1] ? argv[1] : NULL, 10, &n, &e))
        return fail(e.message);
    printf("%d\n", n);
    return 0;
}

static int get(struct kube *k, char **argv)
{
    return call(k, argv, KUBE_GET);
}

static int put(struct kube *k, char **argv)
{
    return call(k, argv, KUBE_REPLACE);
}

static int patch(struct kube *k, char **argv)
{
    return call(k, argv, KUBE_MERGE_PATCH);
}

static int delete (struct kube *k, char **argv)
{
    return call(k, argv, KUBE_DELETE);
}

static const struct {
    const char *name;
    int n_arguments; /* at least */
    int (*run)(struct kube *k, char **argv);
} VERBS[] = {
    {"get", 1, get},       {"put", 2, put},     {"patch", 2, patch},     {"delete", 1, delete}, {"repeat", 2, repeat},
    {"list", 1, list},     {"scale", 2, scale}, {"rescale", 4, rescale}, {"may", 5, may},       {"lease", 4, elect},
    {"events", 4, events}, {"chaos", 4, chaos}, {"sweep", 2, sweep},
};

static int run(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof VERBS / sizeof *VERBS; i++) {
        struct kube *k = NULL;
        struct err e = {0};
        if (strcmp(VERBS[i].name, argv[1]) != 0 || argc - 2 < VERBS[i].n_arguments)
            continue;
        if (!kube_open(&(struct kube_config){.timeout_s = 5}, &k, &e))
            return fail(e.message);
        int status = VERBS[i].run(k, argv + 2);
        kube_close(k);
        return status;
    }
    fprintf(stderr, "usage: see the head of kube_probe.c\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    return run(argc, argv);
}
