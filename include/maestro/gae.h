/* gae: generalised advantage estimation (Schulman et al. 2016, eq. 16) with time limits done right:
 *     delta_t = r_t + gamma * next_t - V_t,   A_t = delta_t + gamma * lambda * (1 - ended_t) * A_{t+1}
 * where next_t is V_{t+1} inside an episode, 0 after a termination, and V(final observation) after a truncation. */
#ifndef MAESTRO_GAE_H
#define MAESTRO_GAE_H

struct rollout;

/* Reads rewards, values, last_values, final_values, terminated, truncated; writes advantages and returns = advantages +
 * values. */
void gae_compute(struct rollout *r, double gamma, double lambda);

#endif
