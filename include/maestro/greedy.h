/* greedy: a trained policy file asked for its best move: features, normalised with the file's frozen constants, through the
 * canonical inference to logits, value and the allowed argmax. The one code that decides, for policies/ppo.c and for
 * maestro-serve; its bits do not depend on how many rows are asked together. */
#ifndef MAESTRO_GREEDY_H
#define MAESTRO_GREEDY_H

#include <maestro/infer.h>
#include <maestro/policyfile.h>

#define GREEDY_ROWS INFER_TILE

/* The two networks of a file and room for GREEDY_ROWS rows; one each per thread. Memory is the arena's. */
struct greedy {
    const struct policy_file *file; /* borrowed */
    struct infer actor, critic;
    float *scale;  /* [D] sqrt(var + 1e-8) */
    float *width;  /* [D] of the range seen in training, as the out-of-distribution score takes it */
    float *x;      /* [GREEDY_ROWS][D] */
    float *logits; /* [GREEDY_ROWS][A] */
};

struct greedy_answer {
    int action; /* index: allowed, largest logit, ties to no_op */
    float logits[ACTIONS_LIMIT];
    float value;
    float ood; /* of greedy_ood */
};

/* Takes all memory from the arena, or counts it (arena.h). */
void greedy_carve(struct greedy *g, const struct policy_file *file, struct arena *arena);
MUST_CHECK bool greedy_load(struct greedy *g, struct err *e);

/* features [n_rows][D]; masks [n_rows][A], 1 = allowed, NULL: all. n_rows: 1 .. GREEDY_ROWS. A logit or value that is
 * not finite is ERR_NUMERIC. */
MUST_CHECK bool greedy_decide(const struct greedy *g, const float *features, const unsigned char *masks, int n_rows,
                              struct greedy_answer *out, struct err *e);

/* The answers' ood: largest distance of a feature outside the range seen in training, in units of the range's width; 0:
 * inside. A width below a tenth of the range's magnitude, or of 1, counts as that tenth: a constant has no width. */
float greedy_ood(const struct greedy *g, const float *features /* [D] */);

#endif
