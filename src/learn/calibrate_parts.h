/* calibrate_parts: what the sources of calibrate share: each fits some of the parameters. */
#ifndef LEARN_CALIBRATE_PARTS_H
#define LEARN_CALIBRATE_PARTS_H

#include <maestro/calibrate.h>

/* Steps with one pod, edges cut off, into the fit; marks the saturated ones. */
void calibrate_find_steps(const struct history *h, struct calibrate_fit *fit);

/* CPU per request and idle, from intervals between samples of the CPU counter. */
MUST_CHECK bool calibrate_fit_cpu(const struct history *h, struct calibrate_fit *fit, struct err *e);
void calibrate_fit_memory(const struct history *h, struct calibrate_fit *fit);

/* Waiting time, spreads, concurrency and backlog: maximum likelihood over the buckets of the steps below saturation. */
MUST_CHECK bool calibrate_fit_latency(struct calibrate_fit *fit, struct err *e);

/* Start-up delay, its CPU, and warm-up, from the times when pods were added. Needs the CPU's fit. */
void calibrate_fit_starts(const struct history *h, struct calibrate_fit *fit);

void calibrate_set(struct calibrate_fit *fit, enum calibrate_parameter p, double value, double error);
void calibrate_say(struct calibrate_fit *fit, enum calibrate_parameter p, enum calibrate_state state,
                   const char *format, ...) PRINTF(4, 5);

#endif
