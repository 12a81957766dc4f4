/* dist: the masked categorical distribution of one row of logits. In: logits and mask. Out: probabilities, entropy, a
 * choice. Plain arithmetic in index order only, so that a replay gives the same bits. */
#include <float.h>
#include <maestro/dist.h>
#include <stdbool.h>
#include <stddef.h>

#include "plain_math.h"

float dist_exp(float x)
{
    return plain_exp(x);
}

float dist_log(float x)
{
    return plain_log(x);
}

float dist_tanh(float x)
{
    return plain_tanh(x);
}

static bool allowed(const unsigned char *mask, int a)
{
    return !mask || mask[a];
}

static float largest(const float *logits, const unsigned char *mask, int n_actions)
{
    float top = -FLT_MAX;
    for (int a = 0; a < n_actions; a++)
        if (allowed(mask, a) && logits[a] > top)
            top = logits[a];
    return top;
}

static float exponential_sum(const float *logits, const unsigned char *mask, int n_actions, float top)
{
    float sum = 0.0f;
    for (int a = 0; a < n_actions; a++)
        if (allowed(mask, a))
            sum += plain_exp(logits[a] - top);
    return sum;
}

void dist_log_softmax(const float *logits, const unsigned char *mask, int n_actions, float *log_probs)
{
    const float top = largest(logits, mask, n_actions);
    const float lse = plain_log(exponential_sum(logits, mask, n_actions, top));
    for (int a = 0; a < n_actions; a++)
        log_probs[a] = allowed(mask, a) ? logits[a] - top - lse : -FLT_MAX;
}

void dist_probabilities(const float *logits, const unsigned char *mask, int n_actions, float *probs)
{
    const float top = largest(logits, mask, n_actions);
    const float sum = exponential_sum(logits, mask, n_actions, top);
    for (int a = 0; a < n_actions; a++)
        probs[a] = allowed(mask, a) ? plain_exp(logits[a] - top) / sum : 0.0f;
}

float dist_entropy(const float *logits, const unsigned char *mask, int n_actions)
{
    const float top = largest(logits, mask, n_actions);
    const float sum = exponential_sum(logits, mask, n_actions, top);
    const float lse = plain_log(sum);
    float entropy = 0.0f;
    for (int a = 0; a < n_actions; a++)
        if (allowed(mask, a))
            entropy -= plain_exp(logits[a] - top) / sum * (logits[a] - top - lse);
    return entropy;
}

int dist_argmax(const float *logits, const unsigned char *mask, int n_actions, int no_op)
{
    int best = -1;
    for (int a = 0; a < n_actions; a++)
        if (allowed(mask, a) && (best < 0 || logits[a] > logits[best]))
            best = a;
    const bool tie =
        no_op >= 0 && no_op < n_actions && allowed(mask, no_op) && best >= 0 && logits[no_op] >= logits[best];
    return tie ? no_op : best;
}

int dist_sample(const float *probs, int n_actions, double u)
{
    double total = 0.0, sum = 0.0;
    int last = 0;
    for (int a = 0; a < n_actions; a++)
        total += (double)probs[a];
    for (int a = 0; a < n_actions; a++) {
        if (!(probs[a] > 0.0f))
            continue;
        sum += (double)probs[a];
        last = a;
        if (u * total < sum)
            return a;
    }
    return last;
}
