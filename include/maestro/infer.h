/* infer: the canonical inference. One order of operations, no fused multiply-add, tanh from plain arithmetic: the same
 * bits on every CPU, for every kernel variant and for every number of rows, so that a journal replays on another
 * machine. The trainer has faster kernels of its own. */
#ifndef MAESTRO_INFER_H
#define MAESTRO_INFER_H

#include <maestro/arena.h>
#include <maestro/mlp.h>

struct mat_kernels;

/* A network prepared for inference: a packed copy of its parameters and room for a tile of rows. Not to be shared by
 * threads (the room is one); cheap enough to have one each. */
struct infer {
    struct mlp_shape shape;
    const struct mat_kernels *kernels;
    float *packed;  /* arena's */
    float *rows[2]; /* [INFER_TILE][widest layer], arena's */
};

#define INFER_TILE 12 /* rows that go through all layers together */

/* Takes all memory from the arena, or counts it (arena.h). */
void infer_carve(struct infer *net, const struct mlp_shape *shape, struct arena *arena);

/* Copies the parameters (mlp.h layout) in; may be called again with others. kernel: a name of mat_kernels_find, or NULL
 * for the best; every choice gives the same bits. */
MUST_CHECK bool infer_load(struct infer *net, const float *parameters, const char *kernel, struct err *e);

/* x [n_rows][n_in] -> y [n_rows][n_out], both row-major, the head's raw outputs. */
void infer_forward(const struct infer *net, const float *x, int n_rows, float *y);

#endif
