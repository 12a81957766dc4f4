/* greedy: a policy file's networks from features to the best allowed move. In: features of one or several targets. Out:
 * logits, value, action and how far the features lie outside what training saw. Draws nothing, learns nothing, keeps
 * nothing. */
#include <maestro/greedy.h>

#include <math.h>
#include <string.h>

#define NARROWEST 0.1f // of a range, in units of its magnitude

void greedy_carve(struct greedy *g, const struct policy_file *file, struct arena *arena)
{
    size_t n_in = (size_t)file->actor.n_in, n_actions = (size_t)file->actor.n_out;
    *g = (struct greedy){.file = file};
    infer_carve(&g->actor, &file->actor, arena);
    infer_carve(&g->critic, &file->critic, arena);
    g->scale = arena_take(arena, n_in, sizeof(float));
    g->width = arena_take(arena, n_in, sizeof(float));
    g->x = arena_take(arena, GREEDY_ROWS * n_in, sizeof(float));
    g->logits = arena_take(arena, GREEDY_ROWS * n_actions, sizeof(float));
}

static float range_width(float low, float high)
{
    float magnitude = fmaxf(1.0f, fmaxf(fabsf(low), fabsf(high)));
    return fmaxf(high - low, NARROWEST * magnitude);
}

/* A flag that training never saw raised says nothing about how strange the load is: an idle service is no stranger. */
static bool is_flag(const char *name)
{
    static const char *const ends[] = {"_valid", "_absent"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcmp(name + n - k, ends[i]) == 0)
            return true;
    }
    return false;
}

bool greedy_load(struct greedy *g, struct err *e)
{
    const struct policy_file *file = g->file;
    for (int i = 0; i < file->actor.n_in; i++) {
        bool flag = is_flag(observation_feature(&file->control.observation, i)->name);
        g->scale[i] = sqrtf(file->obs_var[i] + 1e-8f);
        g->width[i] = flag ? (float)INFINITY : range_width(file->obs_low[i], file->obs_high[i]);
    }
    return infer_load(&g->actor, g->file->actor_parameters, NULL, e) &&
           infer_load(&g->critic, g->file->critic_parameters, NULL, e);
}

/* Network input: clip((x - mean) / sqrt(var + 1e-8), +-obs_clip). */
static void normalise(const struct greedy *g, const float *features, float *x)
{
    const struct policy_file *file = g->file;
    for (int i = 0; i < file->actor.n_in; i++) {
        float z = (features[i] - file->obs_mean[i]) / g->scale[i];
        if (z > file->obs_clip)
            z = file->obs_clip;
        x[i] = z < -file->obs_clip ? -file->obs_clip : z;
    }
}

float greedy_ood(const struct greedy *g, const float *features)
{
    const float *low = g->file->obs_low, *high = g->file->obs_high;
    float worst = 0.0f;
    for (int i = 0; i < g->file->actor.n_in; i++) {
        float below = low[i] - features[i], above = features[i] - high[i];
        float outside = (below > above ? below : above) / g->width[i];
        worst = outside > worst ? outside : worst;
    }
    return worst;
}

static bool check(const struct greedy_answer *a, int n_actions, struct err *e)
{
    for (int i = 0; i < n_actions; i++)
        if (!isfinite(a->logits[i]))
            return err_set(e, ERR_NUMERIC, "the policy's logit %d is not finite", i);
    return isfinite(a->value) || err_set(e, ERR_NUMERIC, "the policy's value is not finite");
}

bool greedy_decide(const struct greedy *g, const float *features, const unsigned char *masks, int n_rows,
                   struct greedy_answer *out, struct err *e)
{
    const struct action_set *set = &g->file->control.actions;
    size_t n_in = (size_t)g->file->actor.n_in, n_actions = (size_t)g->file->actor.n_out;
    float values[GREEDY_ROWS];
    for (size_t row = 0; row < (size_t)n_rows; row++)
        normalise(g, features + row * n_in, g->x + row * n_in);
    infer_forward(&g->actor, g->x, n_rows, g->logits);
    infer_forward(&g->critic, g->x, n_rows, values);
    for (size_t row = 0; row < (size_t)n_rows; row++) {
        struct greedy_answer *a = &out[row];
        const unsigned char *mask = masks ? masks + row * n_actions : NULL;
        memcpy(a->logits, g->logits + row * n_actions, n_actions * sizeof(float));
        a->value = values[row];
        a->ood = greedy_ood(g, features + row * n_in);
        if (!check(a, (int)n_actions, e))
            return false;
        a->action = action_argmax(set, a->logits, mask);
    }
    return true;
}
