/* lead: the lease in a thread of its own, and a fleet that asks it. A look at a slow Prometheus may last longer than a lease
 * does, so renewing does not wait for ticks. */
#ifndef CMD_LEAD_H
#define CMD_LEAD_H

#include <maestro/config.h>
#include <maestro/fleet.h>
#include <maestro/live.h>

/* Section "lease". */
struct lead_config {
    bool enabled;
    char space[CONFIG_TEXT]; /* "": the account's or context's */
    char name[CONFIG_TEXT];
    char identity[CONFIG_TEXT]; /* "": host name and something random */
    double duration_s, renew_deadline_s, retry_s;
};
extern const struct config_key lead_config_keys[];
extern const int n_lead_config_keys;

struct lead;

/* Starts electing. kubernetes: where; space: the namespace if the configuration names none. */
MUST_CHECK bool lead_open(const struct lead_config *config, const struct live_kubernetes *kubernetes, const char *space,
                          struct lead **out, struct err *e);
/* The same fleet, with this lease's deadline. Borrowed from lead, which borrows inner; close inner by itself. */
struct fleet *lead_fleet(struct lead *l, struct fleet *inner);
/* Who holds the lease, as last seen; out is always filled. */
void lead_holder(struct lead *l, char *out, size_t n);
/* Gives the lease up, so that a standby need not wait, and ends the thread. Accepts NULL. */
void lead_close(struct lead *l);

#endif
