/* dist: the masked categorical distribution over A actions, one row at a time, in plain arithmetic (the same bits on
 * every CPU). A masked action has probability 0 and takes no part in entropy. Vectorised forms for training are in
 * mat.h. */
#ifndef MAESTRO_DIST_H
#define MAESTRO_DIST_H

#include <stdint.h>

float dist_exp(float x);  /* e^x, error under 2 ulp on [-87, 88], clamped outside; 0 far below */
float dist_log(float x);  /* ln x for positive normal x, error under 2 ulp */
float dist_tanh(float x); /* absolute error under 1e-6 */

/* mask [A] (1 = allowed, at least one) or NULL: all. Masked entries get probability 0 and log-probability -FLT_MAX. */
void dist_log_softmax(const float *logits, const unsigned char *mask, int n_actions, float *log_probs);
void dist_probabilities(const float *logits, const unsigned char *mask, int n_actions, float *probs);
float dist_entropy(const float *logits, const unsigned char *mask, int n_actions); /* nats */

/* The allowed action of the largest logit; among equals no_op if it is one of them, else the lowest index. */
int dist_argmax(const float *logits, const unsigned char *mask, int n_actions, int no_op);

/* Inverse of the cumulative distribution at u in [0, 1); never a masked action. */
int dist_sample(const float *probs, int n_actions, double u);

#endif
