/* Policy files: everything comes back, and every kind of wrong file is refused by file and field. */
#include "folder.h"
#include "suite.h"

#include <maestro/file.h>
#include <maestro/policyfile.h>
#include <maestro/rng.h>
#include <maestro/safetensors.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[FOLDER_BYTES];
static char path[128];

static float *random_parameters(const struct mlp_shape *shape, struct rng *rng)
{
    size_t n = mlp_parameter_count(shape);
    float *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)rng_normal(rng);
    return p;
}

static void make(struct policy_file *f)
{
    struct rng rng;
    rng_init(&rng, 2, 1);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    *f = (struct policy_file){.obs_clip = 10, .scrape_s = 15, .window_s = 60, .quantile = 0.95};
    ck_assert(observation_spec_parse(&f->control.observation, "default", 15, 45, NULL));
    f->control.actions = (struct action_set){.n = 4, .delta = {-1, 0, 1, 2}};
    f->control.target = (struct target){
        .name = "web-api", .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400.5};
    f->control.guard = (struct guard_config){.enabled = true, .rate_up = 4, .flap_budget = 6, .stabilise_down_s = 30};
    f->control.period_s = 15;
    f->control.masks = true;
    int d = f->control.observation.n;
    f->actor = (struct mlp_shape){.n_in = d, .n_hidden = 2, .hidden = {16, 8}, .n_out = 4, .activation = MLP_TANH};
    f->critic = (struct mlp_shape){.n_in = d, .n_hidden = 1, .hidden = {12}, .n_out = 1, .activation = MLP_TANH};
    f->actor_parameters = random_parameters(&f->actor, &rng);
    f->critic_parameters = random_parameters(&f->critic, &rng);
    for (int i = 0; i < d; i++) {
        f->obs_mean[i] = (float)rng_normal(&rng);
        f->obs_var[i] = (float)rng_double(&rng);
        f->obs_low[i] = (float)-i;
        f->obs_high[i] = (float)i;
    }
    f->seed = UINT64_MAX - 5;
    f->steps = 3000000000;
    snprintf(f->version, sizeof f->version, "0.1.0");
    f->training = strdup("ppo:\n  learning_rate: 0.0005\n");
    f->scores = strdup("{\"reward_true\":0.85}");
}

static void finish(struct policy_file *f)
{
    policyfile_finish(f);
    folder_remove(folder);
}

START_TEST(everything_comes_back)
{
    static struct policy_file f, g;
    struct err e = {0};
    make(&f);
    ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
    ck_assert_msg(policyfile_load(path, &g, &e), "%s", e.message);
    ck_assert_mem_eq(f.actor_parameters, g.actor_parameters, mlp_parameter_count(&f.actor) * sizeof(float));
    ck_assert_mem_eq(f.critic_parameters, g.critic_parameters, mlp_parameter_count(&f.critic) * sizeof(float));
    ck_assert_mem_eq(f.obs_mean, g.obs_mean, sizeof f.obs_mean);
    ck_assert_mem_eq(f.obs_var, g.obs_var, sizeof f.obs_var);
    ck_assert_mem_eq(f.obs_low, g.obs_low, sizeof f.obs_low);
    ck_assert_mem_eq(f.obs_high, g.obs_high, sizeof f.obs_high);
    ck_assert_int_eq(g.actor.n_hidden, 2);
    ck_assert_int_eq(g.actor.hidden[1], 8);
    ck_assert_int_eq(g.critic.hidden[0], 12);
    ck_assert_mem_eq(f.control.observation.id, g.control.observation.id, (size_t)f.control.observation.n);
    ck_assert_double_eq(g.control.observation.window_s, 45);
    ck_assert_mem_eq(&f.control.actions, &g.control.actions, sizeof f.control.actions);
    ck_assert_str_eq(g.control.target.name, "web-api");
    ck_assert_double_eq(g.control.target.latency_hard_ms, 400.5);
    ck_assert_int_eq(g.control.guard.flap_budget, 6);
    ck_assert_double_eq(g.control.guard.stabilise_down_s, 30);
    ck_assert(g.control.guard.enabled && g.control.masks);
    ck_assert_double_eq(g.quantile, 0.95);
    ck_assert_double_eq(g.scrape_s, 15);
    ck_assert(g.seed == f.seed && g.steps == f.steps);
    ck_assert_str_eq(g.training, f.training);
    ck_assert_str_eq(g.scores, f.scores);
    ck_assert_str_eq(g.version, "0.1.0");
    policyfile_finish(&g);
    finish(&f);
}
END_TEST

/* The saved bytes with one text replaced by another of the same length, so that the block stays well-formed. */
static void expect_refused(const struct buf *good, const char *from, const char *to, const char *names)
{
    static struct policy_file g;
    CLEANUP_BUF struct buf bad = {0};
    struct err e = {0};
    size_t n = strlen(from);
    buf_append(&bad, good->bytes, good->len);
    ck_assert_uint_eq(n, strlen(to));
    char *at = NULL;
    for (size_t i = 0; i + n <= bad.len && !at; i++)
        if (memcmp(bad.bytes + i, from, n) == 0)
            at = bad.bytes + i;
    ck_assert_msg(at, "the file holds no '%s'", from);
    memcpy(at, to, n);
    ck_assert_msg(!policyfile_parse("pi.safetensors", bad.bytes, bad.len, &g, &e), "'%s' for '%s' was taken", to, from);
    ck_assert_msg(strstr(e.message, names) && strstr(e.message, "pi.safetensors"), "'%s' does not name %s", e.message,
                  names);
    ck_assert_ptr_null(g.actor_parameters);
}

START_TEST(wrong_files_are_refused_by_field)
{
    static struct policy_file f, g;
    CLEANUP_BUF struct buf good = {0};
    struct err e = {0};
    char hash[OBSERVATION_HASH_BYTES], other[OBSERVATION_HASH_BYTES];
    make(&f);
    ck_assert(policyfile_save(&f, path, &e) && file_read(path, 1 << 20, &good, &e));
    observation_hash(&f.control.observation, hash);
    memcpy(other, hash, sizeof other);
    other[3] = other[3] == '0' ? '1' : '0';
    expect_refused(&good, hash, other, "feature_hash");
    expect_refused(&good, "burst_30@1", "burst_31@1", "burst_31");
    expect_refused(&good, "burst_30@1", "burst_30@2", "burst_30");
    expect_refused(&good, "maestro.policy.format", "maestro.policy.fOrmat", "no Maestro policy");
    expect_refused(&good, "actor.1.weight", "actor.9.weight", "actor.1.weight");
    expect_refused(&good, "[16,8]", "[16,9]", "actor.1");
    expect_refused(&good, "[16,8]", "[-6,8]", "actor");
    expect_refused(&good, "\\\"masks\\\"", "\\\"maskz\\\"", "masks");
    expect_refused(&good, "[-1,0,1,2]", "[-1,0,1,1]", "actions");
    expect_refused(&good, "tanh", "tanx", "activation");
    expect_refused(&good, "obs_mean", "obs_nean", "obs_mean");
    const float nan = NAN;
    memcpy(good.bytes + good.len - 4, &nan, 4);
    ck_assert(!policyfile_parse("pi.safetensors", good.bytes, good.len, &g, &e));
    ck_assert_msg(strstr(e.message, "finite"), "%s", e.message);
    for (size_t n = 0; n < good.len; n += 97)
        ck_assert(!policyfile_parse("pi.safetensors", good.bytes, n, &g, NULL));
    finish(&f);
}
END_TEST

START_TEST(a_bad_policy_is_not_written)
{
    static struct policy_file f;
    struct err e = {0};
    make(&f);
    f.actor_parameters[3] = NAN;
    ck_assert(!policyfile_save(&f, path, &e));
    ck_assert_int_eq(e.code, ERR_NUMERIC);
    ck_assert(!file_exists(path));
    finish(&f);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    static struct policy_file g;
    struct err e = {0};
    ck_assert(!policyfile_load("/nonexistent/pi.safetensors", &g, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "/nonexistent/pi.safetensors"));
}
END_TEST

/* As written before the serving steps were known. */
START_TEST(older_files_lack_the_serving_steps)
{
    static struct policy_file f, g;
    CLEANUP_BUF struct buf bytes = {0};
    struct err e = {0};
    make(&f);
    f.control.guard.strict = true;
    f.control.guard.ood_limit = 2.5;
    ck_assert(policyfile_save(&f, path, &e) && file_read(path, 1 << 20, &bytes, &e));
    ck_assert_msg(policyfile_parse("pi", bytes.bytes, bytes.len, &g, &e), "%s", e.message);
    ck_assert(g.control.guard.strict);
    ck_assert_double_eq(g.control.guard.ood_limit, 2.5);
    policyfile_finish(&g);
    static const char *const KEYS[] = {"guard_strict", "guard_ood_limit"};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i + strlen(KEYS[k]) <= bytes.len; i++)
            if (memcmp(bytes.bytes + i, KEYS[k], strlen(KEYS[k])) == 0)
                bytes.bytes[i] = 'x';
    ck_assert_msg(policyfile_parse("pi", bytes.bytes, bytes.len, &g, &e), "%s", e.message);
    ck_assert(!g.control.guard.strict);
    ck_assert_double_eq(g.control.guard.ood_limit, 0);
    policyfile_finish(&g);
    finish(&f);
}
END_TEST

START_TEST(windows_longer_than_the_guard_remembers_are_refused)
{
    static struct policy_file f, g;
    struct err e = {0};
    make(&f);
    f.control.guard.stabilise_down_s = 960;
    ck_assert(policyfile_save(&f, path, &e));
    ck_assert_msg(policyfile_load(path, &g, &e), "%s", e.message);
    policyfile_finish(&g);
    f.control.guard.stabilise_down_s = 961;
    ck_assert(policyfile_save(&f, path, &e));
    ck_assert(!policyfile_load(path, &g, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.message, "guard_stabilise_down_s: 961 s is longer"));
    finish(&f);
}
END_TEST

SUITE("policyfile", older_files_lack_the_serving_steps, everything_comes_back, wrong_files_are_refused_by_field,
      windows_longer_than_the_guard_remembers_are_refused, a_bad_policy_is_not_written, a_missing_file_is_named)
