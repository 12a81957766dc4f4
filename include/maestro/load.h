/* load: how many requests come in each second. Open arrivals at a shaped or recorded rate, or closed users that think,
 * ask, wait for the answer, and think again (k6's virtual users). Plain data without pointers. */
#ifndef MAESTRO_LOAD_H
#define MAESTRO_LOAD_H

#include <maestro/rng.h>
#include <maestro/trace.h>
#include <stdbool.h>

enum load_shape {
    LOAD_CONSTANT, /* base */
    LOAD_RAMP,     /* base until start, linear to peak over length, then peak */
    LOAD_STEP,     /* base until start, then peak */
    LOAD_SPIKE,    /* base; peak in [start, start + length) */
    LOAD_DIURNAL,  /* sine between base and peak, length is the period, start its phase (trough) */
    LOAD_FLASH,  /* flash crowd: at start, exponential rise (length / 8) to peak, decay with time constant length / 2 */
    LOAD_ON_OFF, /* peak for length / 2, base for length / 2, from start on */
    LOAD_TRACE,  /* recorded: trace value at start + t, times scale */
    LOAD_SHAPES
};

struct load {
    int shape; /* enum load_shape */
    double base_rps, peak_rps;
    double start_s, length_s;
    int trace;    /* LOAD_TRACE: index into the model's traces; start_s is the window's offset in the trace */
    double scale; /* LOAD_TRACE: rps per unit of the trace: load_trace sets it so that the window peaks at peak_rps */
    double users; /* > 0: closed; the shape then gives users (base, peak in users), think_s the pause */
    double think_s;
    double burst_cv; /* relative deviation of single seconds at the peak rate, falling as 1/sqrt(rate); 0: none */
    double noise_cv; /* slow multiplicative noise on the rate; the scraped counts are Poisson besides; 0: none */
};

/* A trace window [offset_s, offset_s + span_s), scaled so that its own largest value is peak_rps. */
void load_trace(struct load *out, const struct trace *traces, int trace, double offset_s, double span_s,
                double peak_rps);

/* Rate (requests/s, or users) at a time, without noise. */
double load_at(const struct load *l, const struct trace *traces, double time_s);

const char *load_shape_name(int shape);

#endif
