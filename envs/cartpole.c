/* cartpole: the small problem whose learning curve is published, used to prove the trainer. In: an action. Out:
 * observation, reward, end. Knows nothing of clusters; does not reset itself. */
#include <maestro/cartpole.h>

#include <math.h>

static const double GRAVITY = 9.8;
static const double MASS_POLE = 0.1;
static const double MASS_TOTAL = 0.1 + 1.0;
static const double HALF_LENGTH = 0.5;
static const double POLE_MASS_LENGTH = 0.1 * 0.5;
static const double FORCE = 10.0;
static const double TAU_S = 0.02;
static const double THETA_LIMIT = 12 * 2 * 3.141592653589793 / 360;
static const double X_LIMIT = 2.4;
static const double START = 0.05;
enum { MAX_STEPS = 500 };

/* temp and theta_acc as in Gymnasium's CartPoleEnv.step; squares are products, as NumPy computes them. */
void cartpole_advance(struct cartpole *c, int action)
{
    double force = action == 1 ? FORCE : -FORCE;
    double cos_theta = cos(c->theta);
    double sin_theta = sin(c->theta);
    double temp = (force + POLE_MASS_LENGTH * (c->theta_dot * c->theta_dot) * sin_theta) / MASS_TOTAL;
    double theta_acc = (GRAVITY * sin_theta - cos_theta * temp) /
                       (HALF_LENGTH * (4.0 / 3.0 - MASS_POLE * (cos_theta * cos_theta) / MASS_TOTAL));
    double x_acc = temp - POLE_MASS_LENGTH * theta_acc * cos_theta / MASS_TOTAL;
    c->x = c->x + TAU_S * c->x_dot;
    c->x_dot = c->x_dot + TAU_S * x_acc;
    c->theta = c->theta + TAU_S * c->theta_dot;
    c->theta_dot = c->theta_dot + TAU_S * theta_acc;
}

static void observe(const struct cartpole *c, float *obs, unsigned char *mask)
{
    obs[0] = (float)c->x;
    obs[1] = (float)c->x_dot;
    obs[2] = (float)c->theta;
    obs[3] = (float)c->theta_dot;
    mask[0] = 1;
    mask[1] = 1;
}

static void init(const struct env *env, void *state, uint64_t seed, uint64_t stream)
{
    (void)env;
    struct cartpole *c = state;
    *c = (struct cartpole){0};
    rng_init(&c->rng, seed, stream);
}

static bool reset(const struct env *env, void *state, float *obs, unsigned char *mask, struct err *e)
{
    (void)env;
    (void)e;
    struct cartpole *c = state;
    c->x = rng_uniform(&c->rng, -START, START);
    c->x_dot = rng_uniform(&c->rng, -START, START);
    c->theta = rng_uniform(&c->rng, -START, START);
    c->theta_dot = rng_uniform(&c->rng, -START, START);
    c->steps = 0;
    observe(c, obs, mask);
    return true;
}

static bool step(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                 struct env_result *out, struct err *e)
{
    (void)env;
    struct cartpole *c = state;
    if (action < 0 || action >= CARTPOLE_ACTIONS)
        return err_set(e, ERR_USAGE, "cartpole: action %d, must be 0 or 1", action);
    cartpole_advance(c, action);
    c->steps++;
    observe(c, obs, mask);
    bool fell = c->x < -X_LIMIT || c->x > X_LIMIT || c->theta < -THETA_LIMIT || c->theta > THETA_LIMIT;
    *out = (struct env_result){.reward = 1.0f, .terminated = fell, .truncated = !fell && c->steps >= MAX_STEPS};
    return true;
}

/* Cart and pole have no replicas and no limits to keep. */
static void episode(const struct env *env, const void *state, struct env_episode *out)
{
    (void)env;
    (void)state;
    *out = (struct env_episode){.reward_true = (double)NAN};
}

static const struct env_ops OPS = {.init = init, .reset = reset, .step = step, .episode = episode};

void cartpole_env(struct env *out)
{
    *out = (struct env){.ops = &OPS,
                        .spec = {.id = "CartPole-v1",
                                 .obs_dim = CARTPOLE_OBS,
                                 .n_actions = CARTPOLE_ACTIONS,
                                 .max_steps = MAX_STEPS,
                                 .state_bytes = sizeof(struct cartpole)}};
}
