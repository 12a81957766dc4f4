/* model: files exchanged under their readers: whole ones taken over, also behind a symbolic link; anything else refused with a
 * reason and the old one kept; and threads that read while it happens get one model or the other, never a mixture. */
#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/json.h>
#include <maestro/model.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "folder.h"
#include "suite.h"
#include "trained.h"

static char folder[FOLDER_BYTES];
static char path[FOLDER_BYTES + 32];

static struct model_slot *open_slot(int n_threads)
{
    struct model_slot *s = NULL;
    struct err e = {0};
    folder_make(folder);
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    trained_write(path, "default", 1);
    ck_assert_msg(model_slot_open(path, n_threads, &s, &e), "%s", e.message);
    return s;
}

static void close_slot(struct model_slot *s)
{
    model_slot_close(s);
    folder_remove(folder);
}

static uint64_t seed_now(struct model_slot *s)
{
    uint64_t seed = model_acquire(s, 0)->file.seed;
    model_release(s, 0);
    return seed;
}

START_TEST(a_new_file_is_taken_over)
{
    struct model_slot *s = open_slot(1);
    struct model_status before, after;
    model_status(s, &before);
    ck_assert_int_eq(before.n_loaded, 1);
    ck_assert(!model_refresh(s));
    trained_write(path, "basic5", 2);
    ck_assert_uint_eq(seed_now(s), 1);
    ck_assert(model_refresh(s));
    ck_assert_uint_eq(seed_now(s), 2);
    ck_assert(!model_refresh(s));
    model_status(s, &after);
    ck_assert_int_eq(after.n_loaded, 2);
    ck_assert_int_eq(after.n_refused, 0);
    ck_assert_str_ne(after.id, before.id);
    close_slot(s);
}
END_TEST

static void expect_refusal(struct model_slot *s, const char *bytes, size_t n, const char *word)
{
    struct model_status status;
    ck_assert(file_write_atomic(path, bytes, n, NULL));
    ck_assert(model_refresh(s));
    model_status(s, &status);
    ck_assert_msg(strstr(status.why, word) && strstr(status.why, "best.safetensors"), "'%s' has no '%s'", status.why,
                  word);
    ck_assert_uint_eq(seed_now(s), 1);
    ck_assert(!model_refresh(s)); // said once
}

START_TEST(a_bad_file_keeps_the_old_model)
{
    struct model_slot *s = open_slot(1);
    struct model_status status;
    CLEANUP_BUF struct buf good = {0};
    ck_assert(file_read(path, 1 << 20, &good, NULL));
    expect_refusal(s, "garbage", 7, "safetensors");
    expect_refusal(s, "", 0, "safetensors");
    expect_refusal(s, good.bytes, good.len - 4, "safetensors");
    char *name = strstr(good.bytes + 8, "p95_soft@1"); // a feature that this program does not have
    ck_assert_ptr_nonnull(name);
    memcpy(name, "p95_sofa@1", 10);
    expect_refusal(s, good.bytes, good.len, "p95_sofa");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(model_refresh(s));
    model_status(s, &status);
    ck_assert_ptr_nonnull(strstr(status.why, "No such file"));
    ck_assert_int_eq(status.n_refused, 5);
    ck_assert(!model_refresh(s));
    trained_write(path, "default", 3);
    ck_assert(model_refresh(s));
    model_status(s, &status);
    ck_assert_str_eq(status.why, "");
    ck_assert_uint_eq(seed_now(s), 3);
    close_slot(s);
}
END_TEST

static void link_to(const char *target, const char *name)
{
    char at[FOLDER_BYTES + 32], staged[FOLDER_BYTES + 32];
    snprintf(at, sizeof at, "%s/%s", folder, name);
    snprintf(staged, sizeof staged, "%s/..tmp", folder);
    ck_assert_int_eq(symlink(target, staged), 0);
    ck_assert_int_eq(rename(staged, at), 0);
}

static void version_folder(const char *name, uint64_t seed)
{
    char at[FOLDER_BYTES + 64];
    snprintf(at, sizeof at, "%s/%s", folder, name);
    ck_assert(file_make_folder(at, NULL));
    snprintf(at, sizeof at, "%s/%s/policy.safetensors", folder, name);
    trained_write(at, "default", seed);
}

/* As kubelet updates a ConfigMap: a new folder, and the link ..data renamed over the old one. */
START_TEST(a_config_map_is_followed)
{
    struct model_slot *s = NULL;
    struct err e = {0};
    folder_make(folder);
    version_folder("..2026_a", 7);
    link_to("..2026_a", "..data");
    link_to("..data/policy.safetensors", "policy.safetensors");
    snprintf(path, sizeof path, "%s/policy.safetensors", folder);
    ck_assert_msg(model_slot_open(path, 1, &s, &e), "%s", e.message);
    ck_assert_uint_eq(seed_now(s), 7);
    version_folder("..2026_b", 8);
    ck_assert(!model_refresh(s));
    link_to("..2026_b", "..data");
    ck_assert(model_refresh(s));
    ck_assert_uint_eq(seed_now(s), 8);
    close_slot(s);
}
END_TEST

START_TEST(opening_names_what_is_wrong)
{
    struct model_slot *s = NULL;
    struct err e = {0};
    ck_assert(!model_slot_open("/nowhere/x.safetensors", 2, &s, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "/nowhere/x.safetensors"));
    ck_assert_ptr_null(s);
    model_slot_close(NULL);
}
END_TEST

START_TEST(what_is_said_about_it_is_json)
{
    struct model_slot *s = open_slot(1);
    struct json_document d = {0};
    const struct json *control = NULL, *brief = NULL;
    const char *text = NULL;
    const struct model *m = model_acquire(s, 0);
    struct err e = {0};
    ck_assert_msg(json_parse(&d, "model", m->text.bytes, m->text.len, &e), "%s", e.message);
    ck_assert(json_object(d.root, "control", &control, &e) && json_object(d.root, "model", &brief, &e));
    ck_assert(json_text(brief, "id", &text, &e));
    ck_assert_str_eq(text, m->id);
    double low[OBSERVATION_LIMIT];
    int n = 0;
    ck_assert(json_numbers(d.root, "obs_low", low, OBSERVATION_LIMIT, &n, &e));
    ck_assert_int_eq(n, m->file.actor.n_in);
    json_finish(&d);
    model_release(s, 0);
    close_slot(s);
}
END_TEST

/* What another program wrote there may be no JSON. */
START_TEST(scores_are_json_or_none)
{
    static const struct {
        const char *written, *told;
    } ROWS[] = {{"{\"mean_reward\":0.5,\"mean_cost\":null}", "\"scores\":{\"mean_reward\":0.5,\"mean_cost\":null}}"},
                {"{\"mean_reward\":nan}", "\"scores\":null}"},
                {"very good", "\"scores\":null}"},
                {"7", "\"scores\":null}"}};
    struct model_slot *s = open_slot(1);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct policy_file f;
        struct err e = {0};
        trained_make(&f, "default", 2 + i);
        f.scores = strdup(ROWS[i].written);
        ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
        policyfile_finish(&f);
        ck_assert(model_refresh(s));
        const struct model *m = model_acquire(s, 0);
        ck_assert_msg(strstr(m->text.bytes, ROWS[i].told), "%s", m->text.bytes);
        model_release(s, 0);
    }
    close_slot(s);
}
END_TEST

#define READERS 3

struct reader {
    pthread_t thread;
    int number;
    struct model_slot *slot;
    const float *values; /* [3]: what seeds 1 and 2 answer */
    _Atomic bool *over;
    long n_reads, n_wrong;
};

static float value_of(const struct model *m, int thread)
{
    static const float features[OBSERVATION_LIMIT];
    struct greedy_answer a = {0};
    ck_assert(greedy_decide(&m->greedy[thread], features, NULL, 1, &a, NULL));
    return a.value;
}

static void *read_on(void *argument)
{
    struct reader *r = argument;
    while (!atomic_load(r->over)) {
        const struct model *m = model_acquire(r->slot, r->number);
        float value = value_of(m, r->number);
        r->n_wrong += value != r->values[m->file.seed];
        r->n_reads++;
        model_release(r->slot, r->number);
    }
    return NULL;
}

START_TEST(readers_never_see_half_a_model)
{
    struct model_slot *s = open_slot(READERS + 1);
    struct reader readers[READERS];
    _Atomic bool over = false;
    float values[3] = {0};
    values[1] = value_of(model_acquire(s, READERS), READERS);
    model_release(s, READERS);
    trained_write(path, "default", 2);
    model_reload(s);
    values[2] = value_of(model_acquire(s, READERS), READERS);
    model_release(s, READERS);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.number = i, .slot = s, .values = values, .over = &over};
        pthread_create(&readers[i].thread, NULL, read_on, &readers[i]);
    }
    for (int i = 0; i < 24; i++) {
        trained_write(path, "default", (uint64_t)(1 + i % 2));
        model_reload(s);
    }
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        ck_assert_int_eq(readers[i].n_wrong, 0);
        ck_assert_int_gt(readers[i].n_reads, 0);
    }
    close_slot(s);
}
END_TEST

SUITE("model", a_new_file_is_taken_over, a_bad_file_keeps_the_old_model, a_config_map_is_followed,
      opening_names_what_is_wrong, what_is_said_about_it_is_json, scores_are_json_or_none,
      readers_never_see_half_a_model)
