/* rule: one replica count from one sample. No history, no limits: those are the guard's. */
#include <maestro/rule.h>

#include <math.h>

static const double TARGET = 0.6;
static const double TOLERANCE = 0.1;

static bool usable(const struct reading *r, double limit)
{
    return r->validity == VALIDITY_VALID && r->value >= 0 && r->value <= limit;
}

/* ratio x pods, or present where the ratio is within the tolerance. */
static int wanted(double cpu, double request, int pods, int present)
{
    double ratio = cpu / (request * pods * TARGET);
    if (fabs(ratio - 1) <= TOLERANCE)
        return present;
    double count = ceil(ratio * pods - 1e-9);
    return count < 1e6 ? (int)count : present;
}

int rule_replicas(const struct sample *sample, double request_percent)
{
    const struct reading *cpu = &sample->signals[SIGNAL_CPU];
    const struct reading *replicas = &sample->signals[SIGNAL_REPLICAS];
    if (!usable(cpu, 1e9) || !usable(replicas, 1e6) || !(request_percent > 0) || sample->ready < 1)
        return RULE_UNKNOWN;
    int present = (int)replicas->value;
    int count = wanted(cpu->value, request_percent, sample->ready, present);
    if (count > present && sample->starting > 0) {
        count = wanted(cpu->value, request_percent, sample->ready + sample->starting, present);
        count = count < present ? present : count;
    }
    return count < 1 ? 1 : count;
}
