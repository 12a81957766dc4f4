/* adam: Adam as torch computes it (Kingma and Ba 2015; bias corrections apart, epsilon outside the root):
 *     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
 *     p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * and torch's clip of the gradient norm: factor = min(1, max_norm / (norm + 1e-6)). */
#ifndef MAESTRO_ADAM_H
#define MAESTRO_ADAM_H

#define ADAM_BETA1 0.9
#define ADAM_BETA2 0.999

/* What one step needs beside the vectors; made once per step, shared by every block of parameters. */
struct adam_step {
    float gradient_scale; /* the clip factor, applied to g first */
    float step_size;      /* lr / (1 - b1^t) */
    float root_scale;     /* 1 / sqrt(1 - b2^t) */
    float epsilon;
};

/* t counts from 1. */
struct adam_step adam_step_make(long long t, double learning_rate, double epsilon, double gradient_scale);

double adam_clip_factor(double norm, double max_norm);

#endif
