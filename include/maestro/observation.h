/* observation: samples in, network inputs out. A catalogue of named, versioned features, all of order 1, clipped to +-10
 * and always finite; a spec picks and orders them and has a hash that policy files carry. The state takes exactly one
 * sample per control period (observation_update); reading the features changes nothing, whoever asks and how often. A
 * signal that is not valid is replaced by its last valid value (or a neutral one), and says so in validity and age
 * features. No libm: the same bits on every CPU. */
#ifndef MAESTRO_OBSERVATION_H
#define MAESTRO_OBSERVATION_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/types.h>
#include <stdint.h>

#define OBSERVATION_LIMIT 128     /* most features of one spec, and of the catalogue */
#define OBSERVATION_CLIP 10.0f    /* bound of every feature but raw5's, which are clipped at OBSERVATION_RAW_CLIP */
#define OBSERVATION_RAW_CLIP 1e6f /* raw_cpu, raw_memory, raw_replicas, raw_p95, raw_rps only */
#define OBSERVATION_HASH_BYTES 17 /* 16 hexadecimal digits and NUL */
#define OBSERVATION_FRAMES 4      /* periods of executed deltas; frames of the main signals beside the present one: 3 */
#define OBSERVATION_MAIN 8        /* signals that carry frames */

/* Section "observation". */
struct observation_config {
    char features[CONFIG_TEXT]; /* names and group names, comma-separated: raw5, basic5, default, all */
};
extern const struct config_key observation_config_keys[];
extern const int n_observation_config_keys;

struct observation_spec {
    int n;                               /* D */
    double period_s;                     /* control period */
    double window_s;                     /* rate window behind rps; kept for comparison, nothing is computed from it */
    unsigned char id[OBSERVATION_LIMIT]; /* catalogue row of input i */
};

struct observation_feature {
    const char *name;
    int version; /* grows whenever the meaning or scale changes */
    const char *description;
};

/* list: feature names ("demand" or "demand@1") and group names, comma-separated; a name given twice counts once. An
 * unknown name or version is ERR_USAGE and names it. */
MUST_CHECK bool observation_spec_parse(struct observation_spec *out, const char *list, double period_s, double window_s,
                                       struct err *e);
void observation_spec_text(const struct observation_spec *spec, struct buf *out); /* "a@1,b@2": parses back */
void observation_hash(const struct observation_spec *spec, char out[OBSERVATION_HASH_BYTES]);
const struct observation_feature *observation_feature(const struct observation_spec *spec, int i);
int observation_find(const struct observation_spec *spec, const char *name); /* index in the spec or -1 */
static inline int observation_dim(const struct observation_spec *spec)
{
    return spec->n;
}

/* What is known of one signal at the last update. */
struct observation_signal {
    double value;           /* last valid value; meaningless while !known */
    double age_s;           /* of that value now */
    enum validity validity; /* of the latest reading */
    bool known;             /* a valid value was ever seen */
};

/* Plain data: a copy is a snapshot. */
struct observation_state {
    double time_s; /* of the last update */
    int n_updates;
    int n_loads, n_cpu, n_costs; /* valid values behind the means below */
    bool over_soft;              /* at the last p95 that was valid or absent */
    struct observation_signal signals[SIGNAL_COUNT];
    double cpu_request_percent;       /* per pod, from pod records; 0: unknown */
    double cpu_slow, rps_slow;        /* paired slow means: their ratio is CPU per request, percent s */
    double rps_mean[4];               /* means over 1, 2, 5, 10 min */
    double per_replica_slow;          /* rps per ready replica, 30 min */
    double cpu_per_replica_mean;      /* 5 min */
    double change_mean[2];            /* absolute relative change of the period's load, 5 and 30 min */
    double peak_rps[2];               /* decaying, 10 and 40 min */
    double over_soft_mean[2];         /* share of periods over soft, 10 and 60 min */
    double proven_rps;                /* highest rps per ready replica seen within soft, decaying over 30 min */
    double broken_rps;                /* lowest rps per ready replica seen over soft, growing over 30 min; 0: none */
    int executed[OBSERVATION_FRAMES]; /* changes of spec.replicas, latest first */
    int since_up, since_down;         /* periods since the last one */
    float main[OBSERVATION_FRAMES][OBSERVATION_MAIN]; /* [0] now, [1] one period ago, ... */
    float value[OBSERVATION_LIMIT];                   /* the whole catalogue, as of the last update */
};

/* Starts from the target as found. sample may carry pod records: the CPU request is taken from them. */
void observation_reset(const struct observation_spec *spec, struct observation_state *state,
                       const struct target *target, const struct sample *sample);
/* Once per control period, with that period's sample; a sample no newer than the last one changes nothing. */
void observation_update(const struct observation_spec *spec, struct observation_state *state,
                        const struct target *target, const struct sample *sample);
/* out[D]; as of the last update or reset; free of side effects. */
void observation_features(const struct observation_spec *spec, const struct observation_state *state, float *out);

/* log2(x) with fixed bits on every CPU: error below 2e-6; below 2^-126, and NaN: -126. */
float observation_log2(double x);

#endif
