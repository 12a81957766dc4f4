/* sections: the parts of the report page, one source file each. */
#ifndef REPORT_SECTIONS_H
#define REPORT_SECTIONS_H

#include <maestro/evaluation.h>
#include <maestro/page.h>

/* Reward over steps, cost and the price of the SLO budget. */
MUST_CHECK bool learning_section(struct page *p, const char *run, struct err *e);

/* Tables of policies, and the plane of cost against violation. */
void comparison_section(struct page *p, const struct evaluation *v);
MUST_CHECK bool plane_section(struct page *p, const struct evaluation *v, struct err *e);

/* Load, replicas and latency over time, for each judged trace. */
MUST_CHECK bool timeline_section(struct page *p, const struct evaluation *v, struct err *e);

/* What the policy does over load and latency; evaluation may be NULL. */
MUST_CHECK bool decisions_section(struct page *p, const char *run, const char *evaluation, struct err *e);

/* The same colour for a policy on the whole page. */
int section_colour(const struct evaluation *v, int policy);

/* Policies that are there for scale only start hidden where their lines would cover the others. */
bool section_hides(const struct evaluation *v, int policy);

#endif
