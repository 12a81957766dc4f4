/* serve: maestro-serve without its command line: a policy file behind HTTP. POST /predict (predict.h), GET /healthz, /readyz,
 * /metrics, /v1/model. */
#ifndef MAESTRO_SERVE_H
#define MAESTRO_SERVE_H

#include <maestro/config.h>
#include <maestro/model.h>

enum serve_cpu_unit { SERVE_CPU_PERCENT, SERVE_CPU_CORES };

/* Section "serve". */
struct serve_config {
    char policy[CONFIG_TEXT];
    char address[CONFIG_TEXT];
    int port;
    int threads; /* 0: as many as processors, at most 8 */
    int connections;
    double body_limit_bytes;
    double idle_timeout_s;
    int cpu_unit; /* enum serve_cpu_unit */
    double memory_limit_bytes;
    int targets;
    double reload_s; /* between looks at the file; the caller's loop */
    double delay_s;  /* not ready, but answering, before the end */
    double drain_s;
};
extern const struct config_key serve_config_keys[];
extern const int n_serve_config_keys;

struct serve;

/* Loads the policy and starts answering. */
MUST_CHECK bool serve_open(const struct serve_config *config, struct serve **out, struct err *e);
int serve_port(const struct serve *s);
struct model_slot *serve_model(struct serve *s); /* for model_refresh */
void serve_not_ready(struct serve *s);           /* /readyz says so from now on */
void serve_close(struct serve *s);               /* answers what is at work first; accepts NULL */

#endif
