/* Calibration on data that the request-level simulator makes from a known profile: each parameter must come back within its
 * stated error. Refusals; records written and read; the twin against itself. */
#include <maestro/calibrate.h>

#include "suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct service_profile small_service(void)
{
    struct service_profile p;
    static const double bounds[] = {25,  50,  75,  100, 125,  150,  175,  200, 250,
                                    300, 400, 500, 750, 1000, 1500, 2500, 5000};
    profile_default(&p);
    struct service_model *m = &p.service.model;
    m->cpu_ms = 2.5;
    m->cpu_cv = 0.5;
    m->wait_ms = 95;
    m->wait_cv = 0.3;
    m->concurrency = 4;
    m->backlog = 64;
    m->timeout_ms = 5000;
    m->cpu_limit_cores = 0.25;
    m->node_cores = 2;
    m->balancing = BALANCE_REQUEST;
    p.pods.cpu_request_cores = 0.1;
    p.pods.memory_base_mib = 8;
    p.pods.memory_per_request_mib = 0.05;
    p.pods.memory_limit_mib = 96;
    p.pods.start_s = 4;
    p.pods.start_cv = 0.2;
    p.pods.start_cpu_cores = 0.1;
    p.pods.warm_up_s = 0;
    p.pods.warm_up_speed = 1;
    p.pods.grace_s = 2;
    p.measurement.scrape_s = 1;
    p.measurement.window_s = 10;
    p.measurement.buckets_ms.n = (int)(sizeof bounds / sizeof *bounds);
    memcpy(p.measurement.buckets_ms.v, bounds, sizeof bounds);
    return p;
}

static struct calibrate_facts facts_of(const struct service_profile *p)
{
    return (struct calibrate_facts){.cpu_request_cores = p->pods.cpu_request_cores,
                                    .cpu_limit_cores = p->service.model.cpu_limit_cores,
                                    .memory_limit_mib = p->pods.memory_limit_mib,
                                    .node_cores = p->service.model.node_cores,
                                    .timeout_ms = p->service.model.timeout_ms,
                                    .window_s = 10,
                                    .quantile = 0.95,
                                    .latency_soft_ms = 250,
                                    .latency_hard_ms = 1000};
}

static void add(struct history *h, int seconds, int step, double rate_rps, int spec)
{
    for (int i = 0; i < seconds; i++) {
        const struct history_row row = {
            .time_s = h->n, .step = step, .offered_rps = rate_rps, .spec = spec, .ready = spec};
        ck_assert(history_add(h, &row, NULL));
    }
}

/* At rest, a staircase, then starts under light load. */
static struct history schedule(double top_rps)
{
    struct history h = {0};
    add(&h, 15, 0, 0, 1);
    for (int step = 1; step <= 6; step++)
        add(&h, 30, step, step * top_rps / 6, 1);
    add(&h, 20, 0, 0, 1);
    for (int i = 0; i < 4; i++) {
        add(&h, 30, 0, top_rps / 4, 4);
        add(&h, 12, 0, top_rps / 4, 1);
    }
    return h;
}

static struct history play(const struct service_profile *p, const struct history *s, bool exact, uint64_t seed)
{
    struct history h;
    struct err e = {0};
    const struct calibrate_twin twin = {p, exact, seed, 1};
    ck_assert_msg(calibrate_run_twin(&twin, s, &h, &e), "%s", e.message);
    return h;
}

/* Within three standard errors, and a share of the value that what is discrete (bins, seconds) costs. */
static void near_value(const struct calibrate_fit *f, enum calibrate_parameter p, double truth, double share)
{
    const struct calibrate_value *v = &f->values[p];
    ck_assert_msg(v->state == CALIBRATE_MEASURED, "%s: %s", calibrate_name(p), v->source);
    ck_assert_msg(fabs(v->value - truth) <= 3 * v->error + share * truth, "%s: %g +- %g, truth %g", calibrate_name(p),
                  v->value, v->error, truth);
    ck_assert_msg(v->error <= 0.5 * truth + 0.02, "%s: an error of %g says nothing about %g", calibrate_name(p),
                  v->error, truth);
}

START_TEST(finds_the_service_again)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    struct history s = schedule(60);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct calibrate_fit fit;
        struct err e = {0};
        struct history h = play(&p, &s, true, seed);
        ck_assert_msg(calibrate_fit(&h, &facts, &fit, &e), "%s", e.message);
        near_value(&fit, CALIBRATE_CPU_MS, 2.5, 0.02);
        near_value(&fit, CALIBRATE_WAIT_MS, 95, 0.02);
        near_value(&fit, CALIBRATE_WAIT_CV, 0.3, 0.05);
        near_value(&fit, CALIBRATE_CONCURRENCY, 4, 0);
        near_value(&fit, CALIBRATE_BACKLOG, 64, 0.1);
        near_value(&fit, CALIBRATE_MEMORY_BASE_MIB, 8, 0.03);
        near_value(&fit, CALIBRATE_START_S, 4, 0.15);
        near_value(&fit, CALIBRATE_START_CPU_CORES, 0.1, 0.3);
        ck_assert_double_eq(fit.values[CALIBRATE_CONCURRENCY].value, 4);
        ck_assert_int_eq(fit.values[CALIBRATE_CPU_CV].state, CALIBRATE_UNKNOWN);
        ck_assert_double_eq(fit.values[CALIBRATE_WARM_UP_S].value, 0);
        history_finish(&h);
    }
    history_finish(&s);
}
END_TEST

/* With CPU to spare, and the load of finds_the_service_again per place. */
static void find_places(int places)
{
    struct service_profile p = small_service();
    p.service.model.concurrency = places;
    p.service.model.cpu_limit_cores = 1;
    const struct calibrate_facts facts = facts_of(&p);
    struct history s = schedule(15.0 * places);
    double sum = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct calibrate_fit fit;
        struct err e = {0};
        struct history h = play(&p, &s, true, seed);
        ck_assert_msg(calibrate_fit(&h, &facts, &fit, &e), "%s", e.message);
        const struct calibrate_value *found = &fit.values[CALIBRATE_CONCURRENCY];
        sum += found->value;
        ck_assert_int_eq(found->state, CALIBRATE_MEASURED);
        ck_assert_msg(fabs(found->value - places) <= 1, "seed %d: %g places of %d; %s", (int)seed, found->value, places,
                      found->source);
        history_finish(&h);
    }
    ck_assert_msg(fabs(sum / 5 - places) < 0.5, "%g places of %d in the mean", sum / 5, places);
    history_finish(&s);
}

/* From 8 places on the search goes by eighths. The tolerance is the rounding's half a place: plateau, waiting time and search
 * are each known to about 0.5 %, so that at 16 it is three standard errors and more. */
START_TEST(finds_as_many_places_as_there_are)
{
    find_places(8);
    find_places(16);
}
END_TEST

/* Requests that are turned away at once are not in the latency sum at the time-out: what is taken off for them leaves
 * less than nothing, or less than a full pod holds. */
START_TEST(quick_failures_hide_the_queue)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    const double timeout_s = facts.timeout_ms / 1000;
    struct service_profile defaults;
    struct history s = schedule(60);
    profile_default(&defaults);
    for (int k = 0; k < 2; k++) {
        struct calibrate_fit fit;
        struct err e = {0};
        struct history h = play(&p, &s, true, 1);
        int first = 0;
        while (h.rows[first].failed <= 0)
            first++;
        const struct history_row from = h.rows[first];
        for (int i = first; i < h.n; i++) {
            struct history_row *row = &h.rows[i];
            double held_s = from.latency_s + 2 * (row->time_s - from.time_s); // two requests in the pod
            row->latency_s = k == 0 ? row->latency_s - timeout_s * row->failed : held_s + timeout_s * row->failed;
        }
        ck_assert_msg(calibrate_fit(&h, &facts, &fit, &e), "%s", e.message);
        const struct calibrate_value *backlog = &fit.values[CALIBRATE_BACKLOG];
        ck_assert_msg(backlog->state == CALIBRATE_UNKNOWN, "%g +- %g", backlog->value, backlog->error);
        ck_assert_double_eq(backlog->value, defaults.service.model.backlog);
        ck_assert_msg(strstr(backlog->source, "not in the latency sum at the time-out"), "%s", backlog->source);
        near_value(&fit, CALIBRATE_CONCURRENCY, 4, 0);
        if (k == 0) // the steps that say nothing of requests in the pod are left out
            near_value(&fit, CALIBRATE_MEMORY_BASE_MIB, 8, 0.1);
        history_finish(&h);
    }
    history_finish(&s);
}
END_TEST

static bool fit_of(const struct service_profile *p, double top_rps, struct calibrate_fit *fit, struct err *e)
{
    const struct calibrate_facts facts = facts_of(p);
    struct history s = schedule(top_rps), h = play(p, &s, true, 7);
    bool done = calibrate_fit(&h, &facts, fit, e);
    history_finish(&h);
    history_finish(&s);
    return done;
}

START_TEST(knows_what_it_does_not_know)
{
    const struct service_profile p = small_service();
    struct calibrate_fit fit;
    struct err e = {0};
    ck_assert_msg(fit_of(&p, 25, &fit, &e), "%s", e.message);
    ck_assert_int_eq(fit.values[CALIBRATE_CAPACITY_RPS].state, CALIBRATE_UNKNOWN);
    ck_assert_int_eq(fit.values[CALIBRATE_CONCURRENCY].state, CALIBRATE_BOUND);
    ck_assert(strstr(fit.values[CALIBRATE_CONCURRENCY].source, "never reached saturation"));
    ck_assert_int_eq(fit.values[CALIBRATE_BACKLOG].state, CALIBRATE_UNKNOWN);
    near_value(&fit, CALIBRATE_WAIT_MS, 95, 0.03);
}
END_TEST

/* A service that computes all the time: its CPU's spread shows, its places do not. */
START_TEST(tells_spreads_of_cpu)
{
    struct service_profile p = small_service();
    struct calibrate_fit fit;
    struct err e = {0};
    p.service.model.cpu_ms = 40;
    p.service.model.cpu_cv = 0.6;
    p.service.model.wait_ms = 5;
    p.service.model.concurrency = 16;
    p.service.model.cpu_limit_cores = 0;
    ck_assert_msg(fit_of(&p, 60, &fit, &e), "%s", e.message);
    near_value(&fit, CALIBRATE_CPU_MS, 40, 0.03);
    near_value(&fit, CALIBRATE_CPU_CV, 0.6, 0.15);
    ck_assert_int_eq(fit.values[CALIBRATE_CONCURRENCY].state, CALIBRATE_BOUND);
    ck_assert(strstr(fit.values[CALIBRATE_CONCURRENCY].source, "CPU was the limit"));
}
END_TEST

START_TEST(sees_pods_warm_up)
{
    struct service_profile p = small_service();
    struct calibrate_fit fit;
    struct err e = {0};
    p.service.model.cpu_ms = 8;
    p.pods.warm_up_s = 20;
    p.pods.warm_up_speed = 0.3;
    ck_assert_msg(fit_of(&p, 60, &fit, &e), "%s", e.message);
    ck_assert_msg(fit.values[CALIBRATE_WARM_UP_S].value >= 7.5 && fit.values[CALIBRATE_WARM_UP_S].value <= 45, "%g",
                  fit.values[CALIBRATE_WARM_UP_S].value);
    ck_assert_msg(fit.values[CALIBRATE_WARM_UP_SPEED].value < 0.7, "%g", fit.values[CALIBRATE_WARM_UP_SPEED].value);
}
END_TEST

static void refused(const struct history *h, const char *part)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    struct calibrate_fit fit;
    struct err e = {0};
    ck_assert_msg(!calibrate_fit(h, &facts, &fit, &e), "not refused: %s", part);
    ck_assert_msg(e.code == ERR_FORMAT && strstr(e.message, part), "'%s' lacks '%s'", e.message, part);
}

START_TEST(refuses_bad_data)
{
    const struct service_profile p = small_service();
    struct history s = schedule(60), h = play(&p, &s, true, 3);
    int n = h.n;
    h.n = 20;
    refused(&h, "too few points: ");
    h.n = n;
    for (int i = 0; i < n; i++) // CPU that falls as requests rise
        h.rows[i].cpu_s = 0.5 * h.rows[i].time_s - 0.004 * h.rows[i].requests;
    refused(&h, "CPU: falls with requests");
    for (int i = 0; i < n; i++) // CPU of somebody else
        h.rows[i].cpu_s = 0.1 * h.rows[i].time_s + 0.001 * h.rows[i].requests + 2 * sin(h.rows[i].time_s);
    refused(&h, "residuals above the limit");
    for (int i = 0; i < n; i++)
        h.rows[i].cpu_s = 0.0025 * h.rows[i].requests;
    for (int i = 0; i < n; i++)
        for (int b = 0; b <= h.n_bounds; b++) // everything in the last bucket but one
            h.rows[i].bucket[b] = b < h.n_bounds - 1 ? 0 : h.rows[i].requests;
    refused(&h, "too coarse");
    history_finish(&h);
    h = play(&p, &s, true, 3);
    for (int i = 0; i < n; i++)
        for (int b = 0; b <= h.n_bounds; b++) // half of them at 25 ms, half at 200 ms: no log-normal time
            h.rows[i].bucket[b] = (b < 1 ? 0.5 : b < 7 ? 0.5 : 1.0) * h.rows[i].requests;
    refused(&h, "residuals above the limit");
    history_finish(&h);
    history_finish(&s);
}
END_TEST

START_TEST(records_come_back)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    struct history s = schedule(60), h = play(&p, &s, true, 2), back;
    struct calibrate_facts facts_back;
    static struct calibrate_fit one, two;
    CLEANUP_BUF struct buf text = {0};
    struct err e = {0};
    calibrate_write_record(&h, &facts, &text);
    ck_assert_msg(calibrate_parse_record("r", text.bytes, text.len, &back, &facts_back, &e), "%s", e.message);
    ck_assert_int_eq(back.n, h.n);
    ck_assert(memcmp(&facts, &facts_back, sizeof facts) == 0);
    ck_assert(calibrate_fit(&h, &facts, &one, &e) && calibrate_fit(&back, &facts_back, &two, &e));
    for (int i = 0; i < CALIBRATE_PARAMETERS; i++)
        ck_assert_double_eq_tol(one.values[i].value, two.values[i].value, 1e-3 * fabs(one.values[i].value) + 1e-6);
    history_finish(&back);
    for (size_t cut = 0; cut < text.len; cut += 997) {
        struct history h2 = {0};
        if (calibrate_parse_record("r", text.bytes, cut, &h2, &facts_back, NULL))
            ck_assert_int_lt(h2.n, h.n);
        history_finish(&h2);
    }
    history_finish(&h);
    history_finish(&s);
}
END_TEST

static void write_and_read(const struct calibrate_fit *fit, struct buf *text, struct service_profile *out)
{
    char path[] = "/tmp/maestro-profile-XXXXXX.yaml";
    struct err e = {0};
    calibrate_write_profile(fit, text);
    int file = mkstemps(path, 5);
    ck_assert(file >= 0 && write(file, text->bytes, text->len) == (ssize_t)text->len && close(file) == 0);
    bool done = profile_load(path, out, &e);
    unlink(path);
    ck_assert_msg(done, "%s\n%s", e.message, text->bytes);
}

START_TEST(writes_a_profile_that_is_read)
{
    const struct service_profile p = small_service();
    static struct calibrate_fit fit;
    static struct service_profile read, meant;
    CLEANUP_BUF struct buf text = {0};
    ck_assert(fit_of(&p, 60, &fit, NULL));
    write_and_read(&fit, &text, &read);
    calibrate_profile(&fit, "x", &meant);
    ck_assert_double_eq_tol(read.service.model.wait_ms, meant.service.model.wait_ms, 0.01);
    ck_assert_int_eq(read.service.model.concurrency, 4);
    ck_assert_int_eq(read.measurement.buckets_ms.n, meant.measurement.buckets_ms.n);
    ck_assert_double_eq(read.pods.memory_limit_mib, 96);
    ck_assert(strstr(text.bytes, "# +- "));
    ck_assert(!strstr(text.bytes, "a profile takes no"));
}
END_TEST

/* As small_service(), but with pods that take so long, a backlog of 9000 and a warm-up from a twentieth of the speed. */
static struct calibrate_fit odd_fit(double start_s)
{
    const struct service_profile p = small_service();
    struct calibrate_fit fit = {.facts = facts_of(&p), .n_bounds = p.measurement.buckets_ms.n};
    const double values[CALIBRATE_PARAMETERS] = {
        [CALIBRATE_CPU_MS] = 2.5,         [CALIBRATE_CPU_CV] = 1,        [CALIBRATE_WAIT_MS] = 95,
        [CALIBRATE_WAIT_CV] = 0.3,        [CALIBRATE_CONCURRENCY] = 4,   [CALIBRATE_BACKLOG] = 9000,
        [CALIBRATE_MEMORY_BASE_MIB] = 8,  [CALIBRATE_START_S] = start_s, [CALIBRATE_START_CV] = 0.2,
        [CALIBRATE_WARM_UP_SPEED] = 0.05, [CALIBRATE_SCRAPE_S] = 1};
    for (int i = 0; i < CALIBRATE_PARAMETERS; i++)
        fit.values[i] = (struct calibrate_value){.value = values[i], .state = CALIBRATE_MEASURED, .source = "s"};
    memcpy(fit.bound_ms, p.measurement.buckets_ms.v, sizeof(double) * (size_t)fit.n_bounds);
    return fit;
}

/* Starts of a profile are 1 to 600 s, a backlog is 8192 at most, and a pod warms up from a tenth of its speed at least. */
START_TEST(what_a_profile_cannot_say_is_cut_to_what_it_can)
{
    static const struct {
        double found_s, start_s, low_s, high_s;
    } rows[] = {{0.5, 1, 1, 2}, {200, 200, 120, 400}, {310, 310, 186, 600}, {700, 600, 360, 600}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct calibrate_fit fit = odd_fit(rows[i].found_s);
        struct service_profile read;
        CLEANUP_BUF struct buf text = {0};
        write_and_read(&fit, &text, &read);
        ck_assert_double_eq(read.pods.start_s, rows[i].start_s);
        ck_assert_double_eq(read.random.start_low_s, rows[i].low_s);
        ck_assert_double_eq(read.random.start_high_s, rows[i].high_s);
        ck_assert_int_eq(read.service.model.backlog, 8192);
        ck_assert_double_eq(read.pods.warm_up_speed, 0.1);
        ck_assert(strstr(text.bytes, "  backlog: 8192  # +- 0; s; found 9000, a profile takes no more\n"));
        ck_assert(strstr(text.bytes, "  warm_up_speed: 0.1  # +- 0; s; found 0.05, a profile takes no less\n"));
        ck_assert((strstr(text.bytes, "found 700, a profile takes no more") != NULL) == (i == 3));
    }
}
END_TEST

START_TEST(twins_agree)
{
    const struct service_profile p = small_service();
    struct history s = {0};
    add(&s, 10, 0, 0, 1);
    for (int pods = 1; pods <= 2; pods++) {
        for (int step = 1; step <= 6; step++)
            add(&s, 35, 6 * (pods - 1) + step, pods * step * 10, pods);
        add(&s, 25, 0, 0, pods + 1);
    }
    struct history real = play(&p, &s, true, 11), exact = play(&p, &s, true, 12), fast = play(&p, &s, false, 13);
    const struct history *sides[CALIBRATE_SIDES] = {&real, &exact, &fast};
    struct calibrate_check check;
    struct err e = {0};
    CLEANUP_BUF struct buf text = {0};
    ck_assert_msg(calibrate_compare(sides, 15, 0, &check, &e), "%s", e.message);
    ck_assert_int_ge(check.n_below, 8);
    ck_assert_int_eq(check.n_onsets, 2);
    ck_assert_double_le(check.p95_error[1], 0.15);
    ck_assert_double_le(check.p95_error[2], 0.15);
    ck_assert_double_le(check.cpu_error[1], 0.15);
    ck_assert_double_le(check.cpu_error[2], 0.15);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < CALIBRATE_SIDES; k++)
            ck_assert_double_eq_tol(check.onset_rps[i][k], 40 * (i + 1), 8 * (i + 1));
    const struct calibrate_twin twin = {&p, true, 11, 1};
    struct calibrate_span span[CALIBRATE_REPLICAS];
    ck_assert(calibrate_scatter(&twin, &real, 4, &check, span, &e));
    for (int i = 0; i < 2; i++) { // seed 11 is what passes for real here
        ck_assert_double_lt(span[i].low, span[i].high);
        ck_assert_double_ge(check.onset_rps[i][0], span[i].low);
        ck_assert_double_le(check.onset_rps[i][0], span[i].high);
    }
    ck_assert(isnan(span[2].low) && isnan(span[2].high));
    calibrate_write_check(&check, &text);
    ck_assert(strstr(text.bytes, "p95_ms_real,p95_ms_exact,p95_ms_fast"));
    calibrate_check_finish(&check);
    history_finish(&real);
    history_finish(&exact);
    history_finish(&fast);
    history_finish(&s);
}
END_TEST

/* As many steps as --check can be asked for: each is compared, and comes back from a record. */
START_TEST(compares_every_step)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    const int n_steps = CALIBRATE_REPLICAS * CALIBRATE_STAIRS;
    struct calibrate_facts facts_back;
    struct history s = {0}, back;
    struct calibrate_check check;
    struct err e = {0};
    CLEANUP_BUF struct buf text = {0};
    for (int i = 0; i < n_steps; i++) {
        int pods = 1 + i / CALIBRATE_STAIRS;
        add(&s, 25, 1 + i, pods * (1 + i % CALIBRATE_STAIRS), pods);
    }
    struct history real = play(&p, &s, false, 1);
    const struct history *sides[CALIBRATE_SIDES] = {&real, &real, &real};
    ck_assert_msg(calibrate_compare(sides, 600, 0, &check, &e), "%s", e.message);
    ck_assert_int_eq(check.n, n_steps); // a window each
    for (int i = 0; i < n_steps; i++)
        ck_assert_int_eq(check.windows[i].step, 1 + i);
    ck_assert_int_eq(check.n_onsets, CALIBRATE_REPLICAS);
    calibrate_check_finish(&check);
    calibrate_write_record(&real, &facts, &text);
    ck_assert_msg(calibrate_parse_record("r", text.bytes, text.len, &back, &facts_back, &e), "%s", e.message);
    ck_assert_int_eq(back.rows[back.n - 1].step, n_steps);
    history_finish(&back);
    history_finish(&real);
    history_finish(&s);
}
END_TEST

START_TEST(steps_beyond_its_room_are_refused)
{
    struct history s = {0};
    struct calibrate_check check;
    struct err e = {0};
    const struct history *sides[CALIBRATE_SIDES] = {&s, &s, &s};
    for (int i = 0; i < 5 * CALIBRATE_REPLICAS * CALIBRATE_STAIRS; i++)
        add(&s, 10, 1 + i % 2, 1, 1);
    ck_assert(!calibrate_compare(sides, 15, 0, &check, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_msg(strstr(e.message, "more than 512 steps"), "%s", e.message);
    history_finish(&s);
}
END_TEST

SUITE("calibrate", finds_the_service_again, finds_as_many_places_as_there_are, quick_failures_hide_the_queue,
      knows_what_it_does_not_know, tells_spreads_of_cpu, sees_pods_warm_up, refuses_bad_data, records_come_back,
      writes_a_profile_that_is_read, what_a_profile_cannot_say_is_cut_to_what_it_can, twins_agree, compares_every_step,
      steps_beyond_its_room_are_refused)
