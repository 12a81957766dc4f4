/* registry: policies by text. NAME, or NAME:settings:
 *
 *     hpa                       the Kubernetes rule; hpa:target=50,window=120 (keys of section "hpa")
 *     fixed:5                   always five replicas
 *     random                    any allowed action
 *     ppo:FILE                  a trained policy, greedy; settings (features, actions, guard, period) from the file
 *     remote:URL                http(s)://.../predict: maestro-serve, which is asked for its settings here and now, or a
 *                               server that takes five signals and answers {"action": 0|1|2}; or .../suggest */
#ifndef MAESTRO_REGISTRY_H
#define MAESTRO_REGISTRY_H

#include <maestro/control.h>
#include <maestro/policy.h>

/* Opens a policy; the caller closes it with policy_close. control is in-out: the caller fills it with the loop it wants;
 * what the policy brings with it (a trained policy: features, actions, guard, period, masks) replaces that, an absolute
 * policy gets a guard of validity and limits only, and target is never touched. ERR_USAGE names what cannot be read. */
MUST_CHECK bool registry_open(const char *text, struct control *control, struct policy **out, struct err *e);

/* Only the settings of the text are checked, nothing is opened. */
MUST_CHECK bool registry_check(const char *text, struct err *e);

/* One line a policy, for --help. */
const char *registry_help(void);

#endif
