/* track: each target's history as if it alone were looked at, what comes twice or late, what is forgotten, and threads. */
#include <maestro/track.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static const struct target target = {
    .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400};

static struct observation_spec spec_of(const char *list)
{
    struct observation_spec spec;
    ck_assert(observation_spec_parse(&spec, list, 15, 45, NULL));
    return spec;
}

static struct sample look(double time_s, double rps)
{
    struct sample s = {.time_s = time_s, .ready = 3};
    const double values[SIGNAL_COUNT] = {1.5 * rps, 0.4, 3, 120 + rps / 10, rps};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.signals[i] = (struct reading){values[i], 1.0, VALIDITY_VALID};
    return s;
}

static double take(struct track *t, const struct observation_spec *spec, const char *key, struct sample sample,
                   float *features)
{
    const struct track_input in = {
        .key = key, .n_key = (int)strlen(key), .spec = spec, .target = &target, .sample = &sample};
    double replicas = -1;
    track_take(t, &in, features, &replicas);
    return replicas;
}

/* Two targets in turn; each as observation.c alone would have it, bit for bit. */
START_TEST(targets_do_not_mix)
{
    const struct observation_spec spec = spec_of("default");
    struct track *t = NULL;
    struct observation_state alone[2];
    float got[OBSERVATION_LIMIT], wanted[OBSERVATION_LIMIT];
    ck_assert(track_open(8, &t, NULL));
    for (int period = 0; period < 60; period++)
        for (int who = 0; who < 2; who++) {
            struct sample s = look(1000 + 15 * period + who, who ? 40 + 3 * period : 200 - 2 * period);
            if (period == 0)
                observation_reset(&spec, &alone[who], &target, &s);
            else
                observation_update(&spec, &alone[who], &target, &s);
            observation_features(&spec, &alone[who], wanted);
            ck_assert(take(t, &spec, who ? "shop/web" : "shop/api", s, got) == 3.0);
            ck_assert_mem_eq(got, wanted, (size_t)spec.n * sizeof(float));
        }
    struct track_counts counts;
    track_counts(t, &counts);
    ck_assert_int_eq(counts.n_targets, 2);
    ck_assert_int_eq(counts.n_ignored, 0);
    track_close(t);
}
END_TEST

START_TEST(what_is_not_newer_changes_nothing)
{
    const struct observation_spec spec = spec_of("default");
    struct track *t = NULL;
    float first[OBSERVATION_LIMIT], again[OBSERVATION_LIMIT];
    struct track_counts counts;
    ck_assert(track_open(8, &t, NULL));
    take(t, &spec, "a", look(100, 50), first);
    take(t, &spec, "a", look(115, 60), first);
    take(t, &spec, "a", look(115, 90), again);
    ck_assert_mem_eq(first, again, (size_t)spec.n * sizeof(float));
    take(t, &spec, "a", look(100, 90), again);
    ck_assert_mem_eq(first, again, (size_t)spec.n * sizeof(float));
    track_counts(t, &counts);
    ck_assert_int_eq(counts.n_ignored, 2);
    track_close(t);
}
END_TEST

START_TEST(a_clock_that_was_set_back_starts_anew)
{
    const struct observation_spec spec = spec_of("default");
    struct track *t = NULL;
    struct track_counts counts;
    float fresh[OBSERVATION_LIMIT], got[OBSERVATION_LIMIT];
    ck_assert(track_open(8, &t, NULL));
    take(t, &spec, "a", look(100, 50), got);
    take(t, &spec, "a", look(115, 60), got);
    struct sample set_back = look(20, 70); // 95 s behind; 60 would still be late
    set_back.signals[SIGNAL_REPLICAS].value = 12;
    ck_assert(take(t, &spec, "a", look(55, 70), got) == 3);
    ck_assert(take(t, &spec, "a", set_back, got) == 12);
    take(t, &spec, "b", set_back, fresh);
    ck_assert_mem_eq(got, fresh, (size_t)spec.n * sizeof(float));
    track_counts(t, &counts);
    ck_assert_int_eq(counts.n_ignored, 1);
    ck_assert(take(t, &spec, "a", look(35, 80), got) == 3); // and goes on from there
    track_close(t);
}
END_TEST

/* Somebody who asks every second has the history of one who asks every period, and the present look. */
START_TEST(looking_often_is_no_longer_history)
{
    const struct observation_spec spec = spec_of("default");
    struct track *t = NULL;
    float often[OBSERVATION_LIMIT], seldom[OBSERVATION_LIMIT];
    ck_assert(track_open(8, &t, NULL));
    for (int period = 0; period < 5; period++) {
        double began_s = 100 + 15 * period;
        take(t, &spec, "often", look(began_s, 30), often);
        for (int s = 1; s < 11; s++)
            take(t, &spec, "often", look(began_s + s, 10 * s), often);
        take(t, &spec, "often", look(began_s + 11, 50 + period), often);
        take(t, &spec, "seldom", look(began_s + 11, 50 + period), seldom);
    }
    ck_assert_mem_eq(often, seldom, (size_t)spec.n * sizeof(float));
    track_close(t);
}
END_TEST

START_TEST(the_least_recently_used_is_forgotten)
{
    const struct observation_spec spec = spec_of("warm"); // grows with the number of looks
    struct track *t = NULL;
    float warm, fresh;
    struct track_counts counts;
    ck_assert(track_open(3, &t, NULL));
    take(t, &spec, "x", look(100, 50), &fresh);
    take(t, &spec, "a", look(100, 50), &warm);
    take(t, &spec, "b", look(100, 50), &warm);
    take(t, &spec, "x", look(115, 50), &warm); // used again: a is the oldest now
    ck_assert(warm > fresh);
    take(t, &spec, "c", look(115, 50), &warm);
    take(t, &spec, "x", look(130, 50), &warm);
    ck_assert(warm > fresh);
    take(t, &spec, "a", look(130, 50), &warm); // comes back as a stranger, and b goes
    ck_assert(warm == fresh);
    track_counts(t, &counts);
    ck_assert_int_eq(counts.n_targets, 3);
    ck_assert_int_eq(counts.n_forgotten, 2);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "t%d", i);
        take(t, &spec, key, look(200, 50), &warm);
        ck_assert(warm == fresh);
    }
    for (int i = 997; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "t%d", i);
        take(t, &spec, key, look(215, 50), &warm);
        ck_assert(warm > fresh);
    }
    track_close(t);
    track_close(NULL);
}
END_TEST

struct caller {
    pthread_t thread;
    struct track *track;
    int number;
};

static void *call(void *argument)
{
    struct caller *c = argument;
    const struct observation_spec spec = spec_of("default");
    float features[OBSERVATION_LIMIT];
    for (int i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (i * 7 + c->number * 3) % 40);
        take(c->track, &spec, key, look(100 + i, 50), features);
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    struct track *t = NULL;
    struct caller callers[4];
    struct track_counts counts;
    ck_assert(track_open(16, &t, NULL));
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){.track = t, .number = i};
        pthread_create(&callers[i].thread, NULL, call, &callers[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(callers[i].thread, NULL);
    track_counts(t, &counts);
    ck_assert_int_eq(counts.n_targets, 16);
    ck_assert_int_gt(counts.n_forgotten, 0);
    track_close(t);
}
END_TEST

SUITE("track", targets_do_not_mix, what_is_not_newer_changes_nothing, a_clock_that_was_set_back_starts_anew,
      looking_often_is_no_longer_history, the_least_recently_used_is_forgotten, threads_share_it)
