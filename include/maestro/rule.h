/* rule: the HPA's arithmetic over a target's sums, for where its pods are not read: what the HPA would make of the same
 * signals. CPU over the requests of the ready pods against 60 %, tolerance 0.1; on the way up, pods that are starting
 * count with no usage, as the HPA takes them. */
#ifndef MAESTRO_RULE_H
#define MAESTRO_RULE_H

#include <maestro/types.h>

#define RULE_UNKNOWN (-1)

/* request_percent: of one pod, percent of one core. RULE_UNKNOWN where CPU, spec.replicas or the request is not known. */
int rule_replicas(const struct sample *sample, double request_percent);

#endif
