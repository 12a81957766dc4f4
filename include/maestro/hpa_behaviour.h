/* hpa_behaviour: what stands between the HPA's wish and the replica count it writes: stabilisation windows in both
 * directions, scaleUp and scaleDown rules, minimum and maximum; or, without a behavior field, the 300 s window and
 * max(2 x current, 4). Pure functions over a plain history. Order: stabilise, rate, clamp. */
#ifndef MAESTRO_HPA_BEHAVIOUR_H
#define MAESTRO_HPA_BEHAVIOUR_H

#include <stdbool.h>

#define HPA_RULES_LIMIT 8
/* Different counts that the windows remember, each with the time of its last recommendation: a window of any length is
 * kept whole up to so many. Obsolete slots are used again; when full, the oldest gives way. */
#define HPA_RECOMMENDATIONS_LIMIT 512
#define HPA_EVENTS_LIMIT 256

enum hpa_rule_type { HPA_PODS, HPA_PERCENT };
enum hpa_select { HPA_SELECT_MAX, HPA_SELECT_MIN, HPA_SELECT_DISABLED };

struct hpa_rule {
    enum hpa_rule_type type;
    int value;
    double period_s;
};

struct hpa_rules {
    struct hpa_rule rule[HPA_RULES_LIMIT];
    int n_rules;
    enum hpa_select select;
    double window_s; /* stabilisation */
};

struct hpa_behaviour {
    bool unset; /* no behavior field: down.window_s is the flag's value, up the plain limit */
    struct hpa_rules up;
    struct hpa_rules down;
};

struct hpa_recommendation {
    double time_s;
    int replicas;
};

struct hpa_event {
    double time_s;
    int change; /* > 0 */
};

struct hpa_history {
    struct hpa_recommendation recommendation[HPA_RECOMMENDATIONS_LIMIT];
    int n_recommendations;
    struct hpa_event up[HPA_EVENTS_LIMIT];
    int n_up;
    struct hpa_event down[HPA_EVENTS_LIMIT];
    int n_down;
};

/* Kubernetes' defaults: up 4 pods or 100 % in 15 s, the larger, window 0; down 100 % in 15 s, window 300 s. */
struct hpa_behaviour hpa_behaviour_default(void);

/* Notes a raw recommendation; a restarted controller notes the current count first. */
void hpa_note(struct hpa_history *h, const struct hpa_behaviour *b, double now_s, int replicas);
/* Notes that the count was changed from one to another now. */
void hpa_note_scaled(struct hpa_history *h, const struct hpa_behaviour *b, double now_s, int from, int to);

/* Current clamped between the least recent wish in the up window and the greatest in the down window. Does not note. */
int hpa_stabilise(const struct hpa_behaviour *b, const struct hpa_history *h, double now_s, int current, int desired);
/* The rate rules and then [min, max]. */
int hpa_rate(const struct hpa_behaviour *b, const struct hpa_history *h, double now_s, int current, int desired);
int hpa_clamp(int replicas, int min_replicas, int max_replicas);

#endif
