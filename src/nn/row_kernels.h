/* row_kernels: the loops over rows and parameters that a compiler vectorises by itself, written once and compiled once
 * per instruction set (this file is included by every mat_*.c). Blocks of ROWS rows keep the trip counts constant. Wide
 * sums are kept in ROWS lanes, so that their order does not depend on the instruction set. */
#ifndef NN_ROW_KERNELS_H
#define NN_ROW_KERNELS_H

#include <float.h>
#include <maestro/mat.h>
#include <math.h>

#include "plain_math.h"

#define ROWS MAT_PAD
#define MASKED_LOGIT (-1e30f)

static inline void rows_tanh_exact(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = plain_tanh(x[i]);
}

static inline double rows_sum_squares(const float *x, size_t n)
{
    float lanes[4 * ROWS] = {0};
    size_t i = 0;
    for (; i + 4 * ROWS <= n; i += 4 * ROWS)
        for (int j = 0; j < 4 * ROWS; j++)
            lanes[j] += x[i + (size_t)j] * x[i + (size_t)j];
    for (; i < n; i += ROWS)
        for (int j = 0; j < ROWS; j++)
            lanes[j] += x[i + (size_t)j] * x[i + (size_t)j];
    double sum = 0.0;
    for (int j = 0; j < 4 * ROWS; j++)
        sum += (double)lanes[j];
    return sum;
}

static inline void rows_adam(const struct adam_step *s, float *restrict p, const float *restrict g, float *restrict m,
                             float *restrict v, size_t n)
{
    const float b1 = (float)ADAM_BETA1, b2 = (float)ADAM_BETA2;
    const float c1 = (float)(1.0 - ADAM_BETA1), c2 = (float)(1.0 - ADAM_BETA2);
    const float scale = s->gradient_scale, step = s->step_size, root = s->root_scale, eps = s->epsilon;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] * scale;
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * (d * d);
        p[i] -= step * (m[i] / (sqrtf(v[i]) * root + eps));
    }
}

/* Row block at logits: shifted logits into z [A][row], ln of the sum of their exponentials into lse. */
static inline void block_shift(const float *logits, const float *allowed, size_t row, int n_actions, float *z,
                               float *lse)
{
    float top[ROWS], sum[ROWS];
    for (int i = 0; i < ROWS; i++) {
        top[i] = -FLT_MAX;
        sum[i] = 0.0f;
    }
    for (int a = 0; a < n_actions; a++)
        for (int i = 0; i < ROWS; i++) {
            size_t at = (size_t)a * row + (size_t)i;
            float x = allowed && !(allowed[at] > 0.0f) ? MASKED_LOGIT : logits[at];
            z[at] = x;
            top[i] = x > top[i] ? x : top[i];
        }
    for (int a = 0; a < n_actions; a++)
        for (int i = 0; i < ROWS; i++) {
            size_t at = (size_t)a * row + (size_t)i;
            z[at] -= top[i];
            sum[i] += plain_exp(z[at]);
        }
    for (int i = 0; i < ROWS; i++)
        lse[i] = plain_log(sum[i]);
}

static inline void rows_log_softmax(const float *logits, const float *allowed, size_t row, int n_actions, int rows,
                                    float *log_probs)
{
    for (int r = 0; r < rows; r += ROWS) {
        float lse[ROWS];
        float *z = log_probs + r;
        block_shift(logits + r, allowed ? allowed + r : NULL, row, n_actions, z, lse);
        for (int a = 0; a < n_actions; a++)
            for (int i = 0; i < ROWS; i++)
                z[(size_t)a * row + (size_t)i] -= lse[i];
    }
}

/* Sums of one row block, first n lanes counted. */
struct block_sums {
    float loss[ROWS], entropy[ROWS], kl[ROWS], clipped[ROWS];
};

static inline void block_add(const struct block_sums *b, int n, struct mat_policy_sums *sums)
{
    for (int i = 0; i < n; i++) {
        sums->loss += (double)b->loss[i];
        sums->entropy += (double)b->entropy[i];
        sums->kl += (double)b->kl[i];
        sums->clipped += (double)b->clipped[i];
    }
}

/* The clipped surrogate of one row block from the log-probabilities of the actions taken; pull becomes dL/d log p. */
static inline void block_surrogate(const struct mat_policy_loss *l, int r, const float *chosen, float *pull,
                                   struct block_sums *out)
{
    const float clip = l->clip, weight = l->weight, low = 1.0f - clip, high = 1.0f + clip;
    const float *old = l->old_log_probs + r, *advantages = l->advantages + r;
    float ratio[ROWS], log_ratio[ROWS];
    for (int i = 0; i < ROWS; i++) {
        log_ratio[i] = chosen[i] - old[i];
        ratio[i] = plain_exp(log_ratio[i]);
    }
    for (int i = 0; i < ROWS; i++) {
        float held = ratio[i] < low ? low : ratio[i];
        held = held > high ? high : held;
        const float plain = advantages[i] * ratio[i];
        const float bounded = advantages[i] * held;
        const float slope = -plain * weight;
        out->loss[i] = -(bounded < plain ? bounded : plain);
        pull[i] = bounded < plain ? 0.0f : slope;
    }
    for (int i = 0; i < ROWS; i++) {
        const float off = ratio[i] - 1.0f;
        out->kl[i] = off - log_ratio[i];
        out->clipped[i] = fabsf(off) > clip ? 1.0f : 0.0f;
    }
}

/*   L = -min(ratio A, clip(ratio) A) / B - c H / B,  dL/dz_j = g ([j = action] - p_j) + c p_j (log p_j + H) / B
 * with g = -ratio A / B, or 0 where the clipped term is strictly smaller. */
static inline void block_policy_loss(const struct mat_policy_loss *l, int r, struct block_sums *out)
{
    float lse[ROWS], chosen[ROWS], entropy[ROWS], pull[ROWS];
    float *z = l->gradient + r;
    block_shift(l->logits + r, l->allowed ? l->allowed + r : NULL, l->row, l->n_actions, z, lse);
    for (int i = 0; i < ROWS; i++)
        chosen[i] = entropy[i] = 0.0f;
    for (int a = 0; a < l->n_actions; a++)
        for (int i = 0; i < ROWS; i++) {
            float log_prob = z[(size_t)a * l->row + (size_t)i] - lse[i];
            z[(size_t)a * l->row + (size_t)i] = log_prob;
            entropy[i] -= plain_exp(log_prob) * log_prob;
            chosen[i] = l->actions[r + i] == (float)a ? log_prob : chosen[i];
        }
    block_surrogate(l, r, chosen, pull, out);
    memcpy(out->entropy, entropy, sizeof entropy);
    for (int a = 0; a < l->n_actions; a++)
        for (int i = 0; i < ROWS; i++) {
            float log_prob = z[(size_t)a * l->row + (size_t)i];
            float prob = plain_exp(log_prob);
            float own = l->actions[r + i] == (float)a ? pull[i] : 0.0f;
            float spread = l->entropy_weight * (log_prob + entropy[i]) - pull[i];
            z[(size_t)a * l->row + (size_t)i] = own + (prob > 0.0f ? prob * spread : 0.0f);
        }
}

static inline struct mat_policy_sums rows_policy_loss(const struct mat_policy_loss *l)
{
    struct mat_policy_sums sums = {0};
    for (int r = 0; r < l->rows; r += ROWS) {
        struct block_sums block;
        block_policy_loss(l, r, &block);
        block_add(&block, l->rows - r < ROWS ? l->rows - r : ROWS, &sums);
    }
    return sums;
}

/* L = (R - V)^2, V held within clip of the old value where that is on; dL/dV is 0 where it is held. */
static inline double rows_value_loss(const struct mat_value_loss *l)
{
    double sum = 0.0;
    for (int r = 0; r < l->rows; r += ROWS) {
        float squares[ROWS];
        for (int i = 0; i < ROWS; i++) {
            float change = l->values[r + i] - l->old_values[r + i];
            float held = change < -l->clip ? -l->clip : change > l->clip ? l->clip : change;
            float predicted = l->clip < 0.0f ? l->values[r + i] : l->old_values[r + i] + held;
            float off = predicted - l->returns[r + i];
            squares[i] = off * off;
            l->gradient[r + i] = l->clip < 0.0f || held == change ? off * l->weight : 0.0f;
        }
        for (int i = 0; i < ROWS && r + i < l->rows; i++)
            sum += (double)squares[i];
    }
    return sum;
}

#endif
