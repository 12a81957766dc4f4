/* policyfile_control: the policy file's "control" metadata: how the policy was asked and guarded when it was trained. */
#ifndef CONTROL_POLICYFILE_CONTROL_H
#define CONTROL_POLICYFILE_CONTROL_H

#include <maestro/buf.h>
#include <maestro/policyfile.h>

MUST_CHECK bool policyfile_control_text(const struct policy_file *file, struct buf *out, struct err *e);
/* Fills control (features aside: of those only period and window), scrape_s, window_s and quantile. */
MUST_CHECK bool policyfile_control_parse(const char *text, struct policy_file *out, struct err *e);

#endif
