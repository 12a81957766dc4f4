/* cartpole: Gymnasium's CartPole-v1, to the last bit. A pole on a cart; push left (0) or right (1); one point of reward a
 * step, also for the step that ends the episode; ends when |x| > 2.4 or |theta| > 12 degrees, is cut off after 500 steps.
 * Dynamics in double precision with Euler's rule in Gymnasium's order of operations (A. G. Barto, R. S. Sutton,
 * C. W. Anderson, "Neuronlike adaptive elements", 1983; equations of R. V. Florian, "Correct equations for the dynamics of
 * the cart-pole system", 2007); observations are rounded to float. The starting draws are PCG32's, not NumPy's. */
#ifndef MAESTRO_CARTPOLE_H
#define MAESTRO_CARTPOLE_H

#include <maestro/env.h>
#include <maestro/rng.h>

#define CARTPOLE_OBS 4 /* x, x_dot, theta, theta_dot */
#define CARTPOLE_ACTIONS 2

/* The state block. */
struct cartpole {
    double x;
    double x_dot;
    double theta;
    double theta_dot;
    struct rng rng;
    int steps;
    int spare; /* keeps the block free of unnamed bytes */
};

/* Nothing to own: closing is not needed. */
void cartpole_env(struct env *out);

/* One step of the dynamics, without episode logic. */
void cartpole_advance(struct cartpole *c, int action);

#endif
