/* adam: the scalars of one optimiser step. The loop over parameters is a kernel (mat.h). */
#include <maestro/adam.h>
#include <math.h>

struct adam_step adam_step_make(long long t, double learning_rate, double epsilon, double gradient_scale)
{
    return (struct adam_step){
        .gradient_scale = (float)gradient_scale,
        .step_size = (float)(learning_rate / (1.0 - pow(ADAM_BETA1, (double)t))),
        .root_scale = (float)(1.0 / sqrt(1.0 - pow(ADAM_BETA2, (double)t))),
        .epsilon = (float)epsilon,
    };
}

double adam_clip_factor(double norm, double max_norm)
{
    const double factor = max_norm / (norm + 1e-6);
    return factor < 1.0 ? factor : 1.0;
}
