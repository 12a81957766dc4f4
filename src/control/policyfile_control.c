/* policyfile_control: actions, target, guard, period and measurement settings as one JSON object and back. One table of
 * fields serves both directions; every number is checked against its range on the way in. */
#include <maestro/json.h>
#include <maestro/json_write.h>
#include <maestro/policyfile.h>

#include <stddef.h>
#include <string.h>

struct field {
    const char *name;
    enum { FIELD_DOUBLE, FIELD_INT, FIELD_BOOL } type;
    size_t offset; /* in struct policy_file */
    double low, high;
    bool optional; /* files written before it was known lack it: zero */
};

#define AT(member) offsetof(struct policy_file, member)
// clang-format off
static const struct field FIELDS[] = {
    {"period_s", FIELD_DOUBLE, AT(control.period_s), 1e-3, 3600, false},
    {"scrape_s", FIELD_DOUBLE, AT(scrape_s), 0, 3600, false},
    {"window_s", FIELD_DOUBLE, AT(window_s), 0, 86400, false},
    {"rate_span_s", FIELD_DOUBLE, AT(control.observation.window_s), 0, 86400, false},
    {"quantile", FIELD_DOUBLE, AT(quantile), 0, 1, false},
    {"masks", FIELD_BOOL, AT(control.masks), 0, 1, false},
    {"min_replicas", FIELD_INT, AT(control.target.min_replicas), 0, 100000, false},
    {"max_replicas", FIELD_INT, AT(control.target.max_replicas), 1, 100000, false},
    {"latency_soft_ms", FIELD_DOUBLE, AT(control.target.latency_soft_ms), -1, 1e9, false},
    {"latency_hard_ms", FIELD_DOUBLE, AT(control.target.latency_hard_ms), -1, 1e9, false},
    {"guard_enabled", FIELD_BOOL, AT(control.guard.enabled), 0, 1, false},
    {"guard_tolerance", FIELD_DOUBLE, AT(control.guard.tolerance), 0, 1, false},
    {"guard_stabilise_up_s", FIELD_DOUBLE, AT(control.guard.stabilise_up_s), 0, 86400, false},
    {"guard_stabilise_down_s", FIELD_DOUBLE, AT(control.guard.stabilise_down_s), 0, 86400, false},
    {"guard_rate_up", FIELD_INT, AT(control.guard.rate_up), 0, 100000, false},
    {"guard_rate_down", FIELD_INT, AT(control.guard.rate_down), 0, 100000, false},
    {"guard_rate_period_s", FIELD_DOUBLE, AT(control.guard.rate_period_s), 0, 86400, false},
    {"guard_flap_budget", FIELD_INT, AT(control.guard.flap_budget), 0, 100000, false},
    {"guard_fallback", FIELD_INT, AT(control.guard.fallback), 0, 1, false},
    {"guard_fallback_replicas", FIELD_INT, AT(control.guard.fallback_replicas), 0, 100000, false},
    {"guard_ood_limit", FIELD_DOUBLE, AT(control.guard.ood_limit), 0, 1e6, true},
    {"guard_start_hold_s", FIELD_DOUBLE, AT(control.guard.start_hold_s), 0, 86400, true},
    {"guard_rollout_up", FIELD_INT, AT(control.guard.rollout_up), 0, 100000, true},
    {"guard_starting_counts", FIELD_BOOL, AT(control.guard.starting_counts), 0, 1, true},
    {"guard_strict", FIELD_BOOL, AT(control.guard.strict), 0, 1, true},
};
// clang-format on
static const size_t N_FIELDS = sizeof FIELDS / sizeof FIELDS[0];

static void put_field(struct json_writer *w, const struct policy_file *file, const struct field *f)
{
    const char *at = (const char *)file + f->offset;
    json_put_key(w, f->name);
    switch (f->type) {
    case FIELD_DOUBLE: {
        double value;
        memcpy(&value, at, sizeof value);
        json_put_double(w, value);
        return;
    }
    case FIELD_INT: {
        int value;
        memcpy(&value, at, sizeof value);
        json_put_whole(w, value);
        return;
    }
    case FIELD_BOOL: {
        bool value;
        memcpy(&value, at, sizeof value);
        json_put_bool(w, value);
        return;
    }
    }
}

bool policyfile_control_text(const struct policy_file *file, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    json_put_key(&w, "target");
    json_put_text(&w, file->control.target.name);
    json_put_key(&w, "actions");
    json_begin_array(&w);
    for (int i = 0; i < file->control.actions.n; i++)
        json_put_whole(&w, file->control.actions.delta[i]);
    json_end_array(&w);
    for (size_t i = 0; i < N_FIELDS; i++)
        put_field(&w, file, &FIELDS[i]);
    json_end_object(&w);
    return json_write_end(&w, e);
}

static bool get_field(const struct json *root, struct policy_file *file, const struct field *f, struct err *e)
{
    char *at = (char *)file + f->offset;
    double value;
    if (f->optional && !json_find(root, f->name))
        return true;
    if (f->type == FIELD_BOOL) {
        bool flag;
        if (!json_flag(root, f->name, &flag, e))
            return false;
        memcpy(at, &flag, sizeof flag);
        return true;
    }
    if (!json_number(root, f->name, &value, e))
        return false;
    if (!(value >= f->low && value <= f->high))
        return err_set(e, ERR_FORMAT, "'%s' is %g, not within %g..%g", f->name, value, f->low, f->high);
    if (f->type == FIELD_DOUBLE) {
        memcpy(at, &value, sizeof value);
        return true;
    }
    int whole = (int)value;
    if (whole != value)
        return err_set(e, ERR_FORMAT, "'%s' is %g, not a whole number", f->name, value);
    memcpy(at, &whole, sizeof whole);
    return true;
}

/* What a setting of the user's would be refused for: here it is the file's fault. */
static bool blame_file(struct err *e)
{
    if (e)
        e->code = ERR_FORMAT;
    return false;
}

static bool get_actions(const struct json *root, struct action_set *out, struct err *e)
{
    struct config_list deltas = {0};
    if (!json_numbers(root, "actions", deltas.v, CONFIG_LIST, &deltas.n, e))
        return false;
    return action_set_init(out, &deltas, e) || blame_file(e);
}

bool policyfile_control_read(const struct json *root, struct policy_file *file, struct err *e)
{
    const char *name;
    if (!json_text(root, "target", &name, e) || !get_actions(root, &file->control.actions, e))
        return false;
    if (strlen(name) >= sizeof file->control.target.name)
        return err_set(e, ERR_FORMAT, "'target' is longer than %zu bytes", sizeof file->control.target.name - 1);
    memcpy(file->control.target.name, name, strlen(name) + 1);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (!get_field(root, file, &FIELDS[i], e))
            return false;
    if (file->control.target.min_replicas > file->control.target.max_replicas)
        return err_set(e, ERR_FORMAT, "'min_replicas' is above 'max_replicas'");
    if (!guard_check(&file->control.guard, file->control.period_s, "guard_", e))
        return blame_file(e);
    file->control.observation.period_s = file->control.period_s;
    return true;
}

bool policyfile_control_parse(const char *text, struct policy_file *out, struct err *e)
{
    struct json_document d = {0};
    if (!json_parse(&d, "metadata 'control'", text, strlen(text), e))
        return false;
    bool done = policyfile_control_read(d.root, out, e) || err_wrap(e, "metadata 'control'");
    json_finish(&d);
    return done;
}
