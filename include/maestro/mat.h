/* mat: the few dense loops that training spends its time in, once per instruction set. Every variant computes the same
 * thing in its own order of additions; the scalar one is the plain statement of what that is, and a test compares all.
 * Widths of rows (n, strides of b and c) are multiples of MAT_PAD floats, and padding holds zeros: no kernel has a tail
 * in that direction. */
#ifndef MAESTRO_MAT_H
#define MAESTRO_MAT_H

#include <maestro/adam.h>
#include <maestro/err.h>
#include <stddef.h>

#define MAT_PAD 16 /* floats */

static inline int mat_padded(int n)
{
    return (n + MAT_PAD - 1) / MAT_PAD * MAT_PAD;
}

/* What happens to a product before it is stored; y is outputs, the activation's own results. */
enum mat_finish {
    MAT_PLAIN,
    MAT_TANH,          /* c = tanh(c) */
    MAT_RELU,          /* c = max(c, 0) */
    MAT_TANH_GRADIENT, /* c = c * (1 - y^2) */
    MAT_RELU_GRADIENT, /* c = y > 0 ? c : 0 */
};

/* C[m][n] = finish(bias[n] + (accumulate ? C : 0) + sum_k A(m, k) * B[k][n]), A(m, k) = a[m * a_row + k * a_col]. */
struct mat_product {
    const float *a;
    size_t a_row, a_col;
    const float *b; /* [k][b_row] */
    size_t b_row;
    float *c; /* [m][c_row] */
    size_t c_row;
    int m, n, k;       /* n: a multiple of MAT_PAD */
    const float *bias; /* [n] or NULL */
    bool accumulate;   /* not together with bias */
    enum mat_finish finish;
    const float *outputs; /* [m][outputs_row], for the two gradients */
    size_t outputs_row;
};

/* y[o][r] = sum_k x[r][k] * w[o][k] for few outputs: y is output-major so that a loss runs along rows. Rows are read
 * and written up to the next multiple of MAT_PAD. */
struct mat_head {
    const float *x; /* [rows][x_row] */
    size_t x_row;
    const float *w; /* [outputs][w_row] */
    size_t w_row;
    float *y; /* [outputs][y_row] */
    size_t y_row;
    int rows, outputs, k; /* k: a multiple of MAT_PAD */
};

/* The clipped surrogate loss of PPO with entropy bonus (Schulman et al. 2017, eq. 7 and 9) over rows of a minibatch,
 * with its gradient. All arrays are output-major or plain, padded to MAT_PAD rows; padding rows are computed and not
 * counted. */
struct mat_policy_loss {
    const float *logits;  /* [A][row] */
    const float *allowed; /* [A][row] 1 or 0; NULL: all */
    size_t row;
    int n_actions, rows;
    const float *actions;       /* [rows], whole numbers */
    const float *old_log_probs; /* [rows] */
    const float *advantages;    /* [rows] */
    float clip;                 /* of the ratio */
    float entropy_weight;       /* ent_coef / minibatch rows */
    float weight;               /* 1 / minibatch rows */
    float *gradient;            /* [A][row]; also scratch */
};

struct mat_policy_sums {
    double loss, entropy, kl, clipped; /* sums over rows; loss without entropy */
};

struct mat_value_loss {
    const float *values; /* [rows] */
    const float *old_values;
    const float *returns;
    int rows;
    float clip;      /* of the change of the value; negative: off */
    float weight;    /* 2 * vf_coef / minibatch rows */
    float *gradient; /* [rows] */
};

struct mat_kernels {
    const char *name;
    void (*product)(const struct mat_product *p);
    void (*product_exact)(const struct mat_product *p); /* k in order, no fused multiply-add; MAT_PLAIN only */
    void (*head)(const struct mat_head *h);
    /* out[j][i] = in[i][j], i < rows, j < columns; both strides multiples of MAT_PAD */
    void (*transpose)(const float *in, size_t in_row, int rows, int columns, float *out, size_t out_row);
    double (*sum_squares)(const float *x, size_t n); /* n: multiple of MAT_PAD */
    void (*adam)(const struct adam_step *s, float *p, const float *g, float *m, float *v, size_t n); /* same */
    void (*tanh_exact)(float *x, size_t n); /* dist_tanh of each */
    void (*log_softmax_rows)(const float *logits, const float *allowed, size_t row, int n_actions, int rows,
                             float *log_probs); /* all [A][row]; masked: below -1e29 */
    struct mat_policy_sums (*policy_loss)(const struct mat_policy_loss *l);
    double (*value_loss)(const struct mat_value_loss *l); /* sum of squared errors */
};

/* "auto" or NULL: the best this machine can run. Otherwise scalar, portable, avx2, avx512, or what was offered; NULL and
 * ERR_USAGE for an unknown name or one that this machine cannot run. */
const struct mat_kernels *mat_kernels_find(const char *name, struct err *e);

/* i-th variant that this machine can run, scalar first, the offered one last; NULL behind it. */
const struct mat_kernels *mat_kernels_at(int i);

/* One more variant, used only by name, from a library that not every program links (mat_blas.h). Before the first thread
 * starts; kernels stay the caller's and must live on. NULL: none. */
void mat_kernels_offer(const struct mat_kernels *kernels);

#endif
