/* disturb: faults come by the clock or by chance, one at a time, and go; the load starts again when it has ended; nothing is
 * left behind, and what cannot be started is said by name. The API server is made up and holds one object of each sort. */
#include <maestro/clock.h>
#include <maestro/disturb.h>

#include "fake_cluster.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct world {
    int chaos_made, chaos_gone, jobs_made, jobs_gone, dry_runs;
    int jobs_refused;              /* status instead of making one; 0: made */
    int deletions_lost, lost_with; /* so many of Jobs, and the status of the answer */
    int deletions_refused;         /* of faults: status; 0: heard */
    int lists_refused;             /* status of every list; 0: listed */
    bool chaos_there, stuck, job_there, job_over, recovered, refuses;
} world;

static bool at(const struct fake_request *r, const char *method, const char *part)
{
    return strcmp(r->method, method) == 0 && strstr(r->target, part);
}

static struct fake_reply answer_chaos(const struct fake_request *r)
{
    if (at(r, "POST", "dryRun=All")) {
        world.dry_runs++;
        return (struct fake_reply){.status = 201, .body = "{}"};
    }
    if (at(r, "POST", "podchaos")) {
        if (world.refuses)
            return (struct fake_reply){.status = 403, .body = "{\"kind\":\"Status\",\"message\":\"no\"}"};
        world.chaos_made++;
        world.chaos_there = true;
        return (struct fake_reply){.status = 201, .body = "{}"};
    }
    if (at(r, "DELETE", "podchaos") && world.deletions_refused)
        return (struct fake_reply){.status = world.deletions_refused, .body = "{\"message\":\"not by you\"}"};
    if (at(r, "DELETE", "podchaos")) {
        world.chaos_gone++;
        world.chaos_there = world.stuck;
        return (struct fake_reply){.body = "{}"};
    }
    if (strstr(r->target, "labelSelector") && world.lists_refused)
        return (struct fake_reply){.status = world.lists_refused, .body = "{\"message\":\"cannot list\"}"};
    if (strstr(r->target, "labelSelector"))
        return (struct fake_reply){.body = world.chaos_there && strstr(r->target, "/podchaos?")
                                               ? "{\"items\":[{\"metadata\":{\"name\":\"old\"}}],\"metadata\":{}}"
                                               : "{\"items\":[],\"metadata\":{}}"};
    if (!world.chaos_there)
        return (struct fake_reply){.status = 404, .body = "{}"};
    return (struct fake_reply){
        .body = world.recovered ? "{\"status\":{\"experiment\":{\"desiredPhase\":\"Stop\"},"
                                  "\"conditions\":[{\"type\":\"AllRecovered\",\"status\":\"True\"}]}}"
                                : "{\"status\":{\"conditions\":[{\"type\":\"AllInjected\",\"status\":\"True\"}"
                                  "]}}"};
}

static struct fake_reply answer_job(const struct fake_request *r)
{
    if (at(r, "POST", "/jobs") && world.job_there)
        return (struct fake_reply){.status = 409, .body = "{\"message\":\"jobs.batch \\\"load\\\" already exists\"}"};
    if (at(r, "POST", "/jobs") && world.jobs_refused)
        return (struct fake_reply){.status = world.jobs_refused, .body = "{\"message\":\"not today\"}"};
    if (at(r, "POST", "/jobs")) {
        world.jobs_made++;
        world.job_there = true;
        world.job_over = false;
        return (struct fake_reply){.status = 201, .body = "{}"};
    }
    if (at(r, "DELETE", "/jobs/load") && world.deletions_lost > 0) {
        world.deletions_lost--;
        return (struct fake_reply){.status = world.lost_with, .body = "{\"message\":\"not now\"}"};
    }
    if (at(r, "DELETE", "/jobs/load")) {
        world.jobs_gone++;
        world.job_there = false;
        return (struct fake_reply){.body = "{}"};
    }
    if (!world.job_there)
        return (struct fake_reply){.status = 404, .body = "{}"};
    return (struct fake_reply){
        .body = world.job_over ? "{\"status\":{\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}}"
                               : "{\"status\":{}}"};
}

static struct fake_reply answer(void *context, const struct fake_request *r)
{
    (void)context;
    if (strstr(r->target, "/scale"))
        return (struct fake_reply){.body = "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":2},"
                                           "\"status\":{\"replicas\":2,\"selector\":\"app=web\"}}"};
    return strstr(r->target, "/jobs") ? answer_job(r) : answer_chaos(r);
}

static struct fake_cluster cluster;
static struct disturb_load load;
static struct disturb_chaos chaos;
static char told[4096];
static int pauses;

static void note(void *arg, const char *event, const char *what)
{
    (void)arg;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s %s\n", event, what);
}

static int times_told(const char *event)
{
    int n = 0;
    for (const char *at = told; (at = strstr(at, event)); at += strlen(event))
        n++;
    return n;
}

static void note_pause(void *arg, double seconds)
{
    (void)arg;
    ck_assert_double_eq(seconds, 1);
    pauses++;
}

static void begin(void)
{
    static const struct fake_http_config config = {.handle = answer};
    char path[FOLDER_BYTES + 32];
    memset(&world, 0, sizeof world);
    memset(told, 0, sizeof told);
    pauses = 0;
    load = (struct disturb_load){.command = "sh", .repeat = true};
    chaos = (struct disturb_chaos){.duration_s = 100};
    fake_cluster_open(&cluster, &config);
    snprintf(path, sizeof path, "%s/kill.yaml", cluster.folder);
    fake_cluster_write(path, "apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: kill}\n"
                             "spec: {action: pod-kill, mode: one, selector: {labelSelectors: {a: b}}}\n");
    snprintf(path, sizeof path, "%s/load.yaml", cluster.folder);
    fake_cluster_write(path, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: load}\nspec: {template: {}}\n");
}

static bool open_with(struct disturb **out, struct err *e)
{
    const struct disturb_config config = {.load = &load,
                                          .chaos = &chaos,
                                          .kube = cluster.kube,
                                          .space = "shop",
                                          .name = "web",
                                          .seed = 3,
                                          .tell = note,
                                          .pause = note_pause};
    return disturb_open(&config, out, e);
}

static struct disturb *open_ready(void)
{
    struct disturb *d = NULL;
    struct err e = {0};
    ck_assert_msg(open_with(&d, &e), "%s", e.message);
    return d;
}

static void step(struct disturb *d, double now_s)
{
    struct err e = {0};
    ck_assert_msg(disturb_step(d, now_s, &e), "%s", e.message);
}

START_TEST(faults_come_by_the_clock_one_at_a_time)
{
    begin();
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    chaos.every_s = 60;
    struct disturb *d = open_ready();
    ck_assert_int_eq(world.dry_runs, 1);
    for (double t = 1000; t < 1060; t += 15)
        step(d, t);
    ck_assert_int_eq(world.chaos_made, 0);
    step(d, 1060);
    ck_assert_int_eq(world.chaos_made, 1);
    ck_assert_msg(strncmp(disturb_at_work(d), "kill-", 5) == 0, "%s", disturb_at_work(d));
    for (double t = 1075; t < 1160; t += 15)
        step(d, t); // the next was due at 1120, and waits
    ck_assert_int_eq(world.chaos_made, 1);
    ck_assert_int_eq(world.chaos_gone, 0);
    step(d, 1160); // at work for 100 s
    ck_assert_int_eq(world.chaos_gone, 1);
    ck_assert_str_eq(disturb_at_work(d), "");
    step(d, 1175);
    ck_assert_int_eq(world.chaos_made, 2);
    world.recovered = true; // over by itself
    step(d, 1190);
    ck_assert_int_eq(world.chaos_gone, 2);
    step(d, 1250);
    ck_assert_int_eq(world.chaos_made, 3);
    ck_assert(disturb_close(d, NULL)); // in the middle of it
    ck_assert_int_eq(world.chaos_gone, 3);
    ck_assert(!world.chaos_there);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(waiting_ends_a_fault_and_begins_none)
{
    begin();
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    chaos.every_s = 60;
    struct disturb *d = open_ready();
    for (double t = 1000; t < 1200; t += 5)
        ck_assert(disturb_wait(d, t, NULL));
    ck_assert_int_eq(world.chaos_made, 0);
    step(d, 1200);
    step(d, 1260);
    ck_assert_int_eq(world.chaos_made, 1);
    for (double t = 1265; t < 1360; t += 5)
        ck_assert(disturb_wait(d, t, NULL));
    ck_assert_int_eq(world.chaos_gone, 0);
    ck_assert(disturb_wait(d, 1360, NULL)); // at work for 100 s
    ck_assert_int_eq(world.chaos_gone, 1);
    for (double t = 1365; t < 1500; t += 5)
        ck_assert(disturb_wait(d, t, NULL));
    ck_assert_int_eq(world.chaos_made, 1);
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

/* One that has been at work for its time at t = 1160. */
static struct disturb *open_struck(void)
{
    begin();
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    chaos.every_s = 60;
    struct disturb *d = open_ready();
    step(d, 1000);
    step(d, 1060);
    ck_assert_int_eq(world.chaos_made, 1);
    return d;
}

START_TEST(a_fault_that_does_not_go_delays_no_step)
{
    struct disturb *d = open_struck();
    world.stuck = true; // as where Chaos Mesh is still healing
    double began_s = clock_monotonic_s();
    for (double t = 1160; t < 1220; t += 15)
        step(d, t);
    ck_assert_int_eq(times_told("chaos_not_stopped"), 0); // it has a minute
    step(d, 1220);
    step(d, 1235);
    ck_assert_double_lt(clock_monotonic_s() - began_s, 40); // a dozen calls on this machine, and not the minute
    ck_assert_int_eq(times_told("chaos_not_stopped"), 1);
    ck_assert_ptr_nonnull(strstr(told, "still there"));
    ck_assert_int_eq(world.chaos_gone, 6); // asked for again at each step
    ck_assert_msg(strncmp(disturb_at_work(d), "kill-", 5) == 0, "%s", disturb_at_work(d));
    ck_assert_int_eq(world.chaos_made, 1); // never two at once
    world.stuck = false;
    step(d, 1250);
    ck_assert_int_eq(times_told("chaos_stopped"), 1);
    ck_assert_str_eq(disturb_at_work(d), "");
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_deletion_that_is_refused_is_told_once)
{
    struct disturb *d = open_struck();
    world.deletions_refused = 403;
    for (double t = 1160; t < 1220; t += 15)
        step(d, t);
    ck_assert_int_eq(times_told("chaos_not_stopped"), 1);
    ck_assert_ptr_nonnull(strstr(told, "not by you"));
    world.deletions_refused = 0;
    step(d, 1220);
    ck_assert_int_eq(times_told("chaos_stopped"), 1);
    step(d, 1235); // the next one, and its trouble is told anew
    ck_assert_int_eq(world.chaos_made, 2);
    world.deletions_refused = 403;
    step(d, 1335);
    ck_assert_int_eq(times_told("chaos_not_stopped"), 2);
    world.deletions_refused = 0;
    ck_assert(disturb_close(d, NULL));
    ck_assert(!world.chaos_there);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(faults_come_by_chance)
{
    begin();
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    chaos.probability = 0.25;
    world.recovered = true; // each is over at the next step
    struct disturb *d = open_ready();
    int steps = 0;
    for (double t = 0; t < 15 * 800; t += 15) {
        steps += !disturb_at_work(d)[0];
        step(d, t);
    }
    ck_assert(disturb_close(d, NULL));
    double share = (double)world.chaos_made / steps; // 640 draws: 0.25 with a deviation of 0.017
    ck_assert_double_ge(share, 0.18);
    ck_assert_double_le(share, 0.32);
    ck_assert_int_eq(world.chaos_made, world.chaos_gone);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_refused_fault_is_told_not_fatal)
{
    begin();
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    chaos.probability = 1;
    world.refuses = true;
    struct disturb *d = open_ready();
    step(d, 0);
    ck_assert_ptr_nonnull(strstr(told, "chaos_not_started"));
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_job_is_made_again_and_deleted)
{
    begin();
    snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
    struct disturb *d = open_ready();
    ck_assert_int_eq(world.jobs_made, 1);
    step(d, 0);
    ck_assert_int_eq(world.jobs_made, 1);
    world.job_over = true;
    step(d, 15); // deleted
    step(d, 30); // gone: made again
    ck_assert_int_eq(world.jobs_made, 2);
    ck_assert(disturb_close(d, NULL));
    ck_assert(!world.job_there);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_job_that_cannot_be_made_again_is_told_once)
{
    begin();
    snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
    struct disturb *d = open_ready();
    world.job_over = true;
    step(d, 15); // deleted
    world.jobs_refused = 500;
    for (double t = 30; t < 90; t += 15)
        step(d, t);
    ck_assert_int_eq(world.jobs_made, 1);
    ck_assert_int_eq(times_told("load_not_started"), 1);
    ck_assert_ptr_nonnull(strstr(told, "not today"));
    world.jobs_refused = 0;
    step(d, 90);
    ck_assert_int_eq(world.jobs_made, 2);
    ck_assert_int_eq(times_told("load_started"), 2); // at first, and again
    world.jobs_refused = 403;
    world.job_there = false; // by another's hand
    step(d, 105);
    step(d, 120);
    ck_assert_int_eq(times_told("load_not_started"), 2);
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

/* The first Job is nobody's to lose: a session without the load that was asked for does not begin. */
START_TEST(a_job_that_cannot_be_made_at_first_is_an_error)
{
    struct disturb *d = NULL;
    struct err e = {0};
    begin();
    snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
    world.jobs_refused = 500;
    ck_assert(!open_with(&d, &e));
    ck_assert_msg(strstr(e.message, "load.script: POST "), "%s", e.message);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_deletion_that_is_lost_is_asked_for_again)
{
    begin();
    snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
    struct disturb *d = open_ready();
    struct err e = {0};
    world.deletions_lost = 3;
    world.lost_with = 500;
    ck_assert_msg(disturb_close(d, &e), "%s", e.message);
    ck_assert(!world.job_there);
    ck_assert_int_eq(pauses, 3);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_job_that_is_left_behind_is_named)
{
    static const struct {
        int status, pauses;
    } rows[] = {{500, 19}, {429, 19}, {403, 0}}; // what is forbidden now is forbidden in a second
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
        struct disturb *d = open_ready();
        struct err e = {0};
        world.deletions_lost = 1000;
        world.lost_with = rows[i].status;
        ck_assert(!disturb_close(d, &e));
        ck_assert_msg(strstr(e.message, "load.script: DELETE "), "%s", e.message);
        ck_assert_int_eq(pauses, rows[i].pauses);
        fake_cluster_close(&cluster);
    }
}
END_TEST

static void refused(const char *message)
{
    struct disturb *d = NULL;
    struct err e = {0};
    ck_assert(!open_with(&d, &e));
    ck_assert_msg(strstr(e.message, message), "%s", e.message);
}

/* As a killed session leaves it. */
START_TEST(a_job_that_is_there_already_is_taken_over)
{
    begin();
    snprintf(load.script, sizeof load.script, "%s/load.yaml", cluster.folder);
    world.job_there = true;
    struct disturb *d = open_ready();
    ck_assert_int_eq(world.jobs_made, 0);
    ck_assert_ptr_nonnull(strstr(told, "load_taken_over load"));
    world.job_over = true;
    step(d, 15); // deleted
    step(d, 30); // gone: made again
    ck_assert_int_eq(world.jobs_made, 1);
    ck_assert(disturb_close(d, NULL));
    ck_assert(!world.job_there);
    fake_cluster_close(&cluster);
}
END_TEST

/* A killed session's fault strikes the next one, whatever that was asked for. */
START_TEST(leftovers_are_swept_without_faults_of_its_own)
{
    begin();
    world.chaos_there = true;
    struct disturb *d = open_ready();
    ck_assert_int_eq(world.chaos_gone, 1);
    ck_assert(!world.chaos_there);
    ck_assert_ptr_nonnull(strstr(told, "chaos_swept 1 left over"));
    ck_assert_int_eq(times_told("chaos_not_swept"), 0);
    step(d, 0);
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_sweep_that_is_refused_ends_no_session_without_faults)
{
    static const struct {
        int status, told;
    } rows[] = {{403, 1}, {500, 1}, {404, 0}}; // 404: there is no Chaos Mesh
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        world.lists_refused = rows[i].status;
        struct disturb *d = open_ready();
        ck_assert_int_eq(times_told("chaos_not_swept"), rows[i].told);
        ck_assert_int_eq(times_told("cannot list"), rows[i].told);
        step(d, 0);
        ck_assert(disturb_close(d, NULL));
        fake_cluster_close(&cluster);
    }
    begin();
    world.lists_refused = 403;
    snprintf(chaos.files, sizeof chaos.files, "%s/kill.yaml", cluster.folder);
    refused("cannot list"); // with faults it is an error
    fake_cluster_close(&cluster);
}
END_TEST

/* Shipped faults are found by name from any folder. */
START_TEST(shipped_faults_need_no_path)
{
    struct disturb *d;
    begin();
    snprintf(chaos.files, sizeof chaos.files, "chaos/pod-kill.yaml,chaos/cpu-stress.yaml");
    ck_assert_int_eq(chdir("/"), 0);
    d = open_ready();
    ck_assert(disturb_close(d, NULL));
    snprintf(chaos.files, sizeof chaos.files, "chaos/pod-kil.yaml");
    refused("chaos.files: 'chaos/pod-kil.yaml' does not exist; looked in");
    fake_cluster_close(&cluster);
}
END_TEST

/* A program that writes into lines what it was started with, and ends. */
static void use_script(const char *lines)
{
    char program[FOLDER_BYTES + 32], text[FOLDER_BYTES + 200];
    snprintf(program, sizeof program, "%s/loader", cluster.folder);
    snprintf(text, sizeof text, "#!/bin/sh\necho \"$1 $RATE\" >>'%s'\n[ \"$RATE\" = 7 ] || sleep 600\n", lines);
    fake_cluster_write(program, text);
    ck_assert_int_eq(chmod(program, 0755), 0);
    snprintf(load.command, sizeof load.command, "%s", program);
    snprintf(load.script, sizeof load.script, "%s/load.js", cluster.folder);
    fake_cluster_write(load.script, "");
    snprintf(load.environment, sizeof load.environment, "RATE=7,OTHER=x");
}

static void step_until_told(struct disturb *d, const char *event)
{
    double until_s = clock_monotonic_s() + 60;
    for (int i = 0; clock_monotonic_s() < until_s && !strstr(told, event); i++) {
        static const struct timespec nap = {.tv_nsec = 5000000};
        nanosleep(&nap, NULL);
        step(d, i);
    }
    ck_assert_msg(strstr(told, event), "no %s: %s", event, told);
}

START_TEST(a_script_is_started_again)
{
    char path[FOLDER_BYTES + 32];
    begin();
    snprintf(path, sizeof path, "%s/count", cluster.folder);
    use_script(path);
    struct disturb *d = open_ready();
    CLEANUP_BUF struct buf lines = {0};
    step_until_told(d, "load_ended exit status 0");
    ck_assert(disturb_close(d, NULL));
    ck_assert(file_read(path, 4096, &lines, NULL));
    ck_assert_msg(strncmp(lines.bytes, "run 7\n", 6) == 0, "%s", lines.bytes);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_script_that_is_away_is_told_once)
{
    begin();
    use_script("/dev/null");
    struct disturb *d = open_ready();
    ck_assert_int_eq(unlink(load.script), 0);
    step_until_told(d, "load_not_started load.script: ");
    ck_assert_int_eq(times_told("load_ended"), 1);
    for (int i = 0; i < 3; i++)
        step(d, i);
    ck_assert_int_eq(times_told("load_not_started"), 1);
    ck_assert_int_eq(times_told("load_started"), 1);
    fake_cluster_write(load.script, "");
    step(d, 3);
    ck_assert_int_eq(times_told("load_started"), 2);
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_load_that_is_not_repeated_stays_ended)
{
    begin();
    use_script("/dev/null");
    load.repeat = false;
    struct disturb *d = open_ready();
    step_until_told(d, "load_ended exit status 0");
    for (int i = 0; i < 3; i++)
        step(d, i);
    ck_assert_int_eq(times_told("load_ended"), 1);
    ck_assert(disturb_close(d, NULL));
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(nonsense_is_refused_by_name)
{
    begin();
    snprintf(load.script, sizeof load.script, "load.txt");
    refused("load.script: load.txt is neither");
    snprintf(load.script, sizeof load.script, "missing.js");
    refused("load.script: missing.js does not exist");
    snprintf(load.script, sizeof load.script, "%s/kill.yaml", cluster.folder);
    refused("kill.yaml: is no Job");
    snprintf(load.script, sizeof load.script, "%s/x.js", cluster.folder);
    fake_cluster_write(load.script, "");
    snprintf(load.environment, sizeof load.environment, "RATE");
    refused("load.environment: 'RATE' is not NAME=value");
    load.script[0] = '\0';
    snprintf(chaos.files, sizeof chaos.files, "%s/load.yaml", cluster.folder);
    refused("load.yaml");
    fake_cluster_close(&cluster);
}
END_TEST

SUITE("disturb", faults_come_by_the_clock_one_at_a_time, waiting_ends_a_fault_and_begins_none,
      a_fault_that_does_not_go_delays_no_step, a_deletion_that_is_refused_is_told_once, faults_come_by_chance,
      a_refused_fault_is_told_not_fatal, a_job_is_made_again_and_deleted, a_job_that_cannot_be_made_again_is_told_once,
      a_job_that_cannot_be_made_at_first_is_an_error, a_deletion_that_is_lost_is_asked_for_again,
      a_job_that_is_left_behind_is_named, a_job_that_is_there_already_is_taken_over,
      leftovers_are_swept_without_faults_of_its_own, a_sweep_that_is_refused_ends_no_session_without_faults,
      shipped_faults_need_no_path, a_script_is_started_again, a_script_that_is_away_is_told_once,
      a_load_that_is_not_repeated_stays_ended, nonsense_is_refused_by_name)
