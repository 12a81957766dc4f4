/* verdict: what an evaluation says, in five lines. */
#ifndef MAESTRO_VERDICT_H
#define MAESTRO_VERDICT_H

#include <maestro/evaluation.h>

#define VERDICT_LINES 5
#define VERDICT_TEXT 640 /* a sentence with the names of three policies */

struct verdict {
    char topic[VERDICT_LINES][16]; /* SLO, Cost, Reward, Bound, Verdict */
    char text[VERDICT_LINES][VERDICT_TEXT];
    bool better; /* the SLO holds wherever the baseline holds it, with fewer replica-hours there beyond chance */
};

/* Says so where a figure is missing. */
void verdict_make(const struct evaluation *v, struct verdict *out);

#endif
