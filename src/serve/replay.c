/* replay: journal lines to decisions again. In: journal files and perhaps policy files. Out: counts, or the first line and
 * field that comes out differently. Writes nothing. */
#include <maestro/replay.h>

#include <maestro/control.h>
#include <maestro/file.h>
#include <maestro/pool.h>
#include <maestro/registry.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One target between its lines. */
struct replayed {
    char name[TARGET_NAME];
    char policy_text[JOURNAL_POLICY], policy_hash[JOURNAL_HASH];
    struct control control;
    struct control_state state;
    struct policy *policy; /* owned; NULL: proposals are taken as recorded */
    bool intends;          /* a write was begun, and its decision is still to come */
};

struct replay {
    char *policies; /* owned; NULL: none */
    struct replayed **targets;
    int n_targets;
    int last; /* found */
};

/* Says again what the record says was proposed. */
struct given {
    struct policy policy; /* first: the seam */
    struct policy_ops ops;
    const struct journal_record *record;
};

static bool given_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    const struct journal_record *r = ((const struct given *)policy)->record;
    size_t n = strlen(CONTROL_FAILED);
    (void)in;
    *out = r->output;
    if (!r->failed)
        return true;
    return err_set(e, ERR_FORMAT, "%s", strncmp(r->output.reason, CONTROL_FAILED, n) == 0 ? r->output.reason + n : "");
}

static void given_init(struct given *g, const struct journal_record *record)
{
    g->record = record;
    g->ops = (struct policy_ops){
        .name = record->policy, .kind = record->kind, .wants_pods = record->own_signals, .act = given_act};
    g->policy = (struct policy){.ops = &g->ops};
}

bool replay_open(const char *policies, struct replay **out, struct err *e)
{
    struct stat st;
    if (policies && (stat(policies, &st) != 0 || !S_ISDIR(st.st_mode)))
        return err_set(e, ERR_USAGE, "--policies=%.200s: there is no such folder", policies);
    struct replay *r = calloc(1, sizeof *r);
    char *copy = policies ? strdup(policies) : NULL;
    if (!r || (policies && !copy)) {
        free(r);
        free(copy);
        return err_set(e, ERR_IO, "replay: out of memory");
    }
    r->policies = copy;
    *out = r;
    return true;
}

void replay_close(struct replay *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n_targets; i++) {
        policy_close(r->targets[i]->policy);
        free(r->targets[i]);
    }
    free(r->targets);
    free(r->policies);
    free(r);
}

static struct replayed *find(struct replay *r, const char *name)
{
    for (int i = 0; i < r->n_targets; i++) {
        int at = (r->last + i) % r->n_targets; // journals go round
        if (strcmp(r->targets[at]->name, name) == 0) {
            r->last = at;
            return r->targets[at];
        }
    }
    return NULL;
}

static struct replayed *add(struct replay *r, const char *name)
{
    struct replayed **more = realloc(r->targets, (size_t)(r->n_targets + 1) * sizeof(struct replayed *));
    struct replayed *t = calloc(1, sizeof *t);
    if (more)
        r->targets = more;
    if (!more || !t) {
        free(t);
        return NULL;
    }
    snprintf(t->name, sizeof t->name, "%s", name);
    r->targets[r->n_targets++] = t;
    return t;
}

static bool is_sound(const struct control *c, const struct control_state *s)
{
    struct observation_spec all;
    if (!observation_spec_parse(&all, "all", 1, 0, NULL) || c->observation.n < 0 || c->observation.n > all.n)
        return false;
    for (int i = 0; i < c->observation.n; i++)
        if (c->observation.id[i] >= all.n)
            return false;
    int n_zero = 0;
    for (int i = 0; c->actions.n <= ACTIONS_LIMIT && i < c->actions.n; i++)
        n_zero += c->actions.delta[i] == 0;
    const struct guard_state *g = &s->guard;
    return n_zero == 1 && c->actions.n <= ACTIONS_LIMIT && g->n_proposals >= 0 && g->n_proposals < 2 * GUARD_HISTORY &&
           g->n_changes >= 0 && g->n_changes < 2 * GUARD_HISTORY && memchr(s->target.name, '\0', TARGET_NAME);
}

/* Any policy file of the folder with these bytes: on the cluster it had another name, such as that of a ConfigMap's key. */
static bool find_same(const char *folder, const char *wanted, char out[PATH_MAX])
{
    static const char END[] = ".safetensors";
    char path[PATH_MAX], hash[JOURNAL_HASH];
    bool found = false;
    DIR *dir = opendir(folder);
    for (const struct dirent *at; dir && !found && (at = readdir(dir));) {
        size_t n = strlen(at->d_name), n_end = strlen(END);
        if (n < n_end || strcmp(at->d_name + n - n_end, END) != 0)
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, at->d_name);
        found = length < (int)sizeof path && pool_file_hash(path, hash, NULL) && strcmp(hash, wanted) == 0;
    }
    if (found)
        memcpy(out, path, sizeof path);
    if (dir)
        closedir(dir);
    return found;
}

/* ppo:NAME or ppo:PATH as a file here, if its bytes are those that decided. */
static bool find_file(const struct replay *r, const struct journal_line *line, char out[PATH_MAX], struct err *e)
{
    const char *name = line->policy + strlen("ppo:");
    char hash[JOURNAL_HASH];
    if (r->policies && find_same(r->policies, line->policy_hash, out))
        return true;
    if (strchr(name, '/'))
        snprintf(out, PATH_MAX, "%s", name);
    else if (!r->policies)
        return err_set(e, ERR_USAGE, "no folder of policy files given");
    else
        snprintf(out, PATH_MAX, "%s/%s%s", r->policies, name, strstr(name, ".safetensors") ? "" : ".safetensors");
    if (!pool_file_hash(out, hash, e))
        return false;
    return strcmp(hash, line->policy_hash) == 0 ||
           err_set(e, ERR_FORMAT, "%.200s is another version: %s, the journal says %s", out, hash, line->policy_hash);
}

static bool open_policy(const struct replay *r, const struct journal_line *line, struct policy **out, struct err *e)
{
    char path[PATH_MAX], text[PATH_MAX + 8];
    struct control unused = {0};
    if (strncmp(line->policy, "ppo:", 4) == 0 && *line->policy_hash) {
        if (!find_file(r, line, path, e))
            return false;
        snprintf(text, sizeof text, "ppo:%s", path);
        return registry_open(text, &unused, out, e);
    }
    if (strncmp(line->policy, "fixed:", 6) == 0)
        return registry_open(line->policy, &unused, out, e);
    return err_set(e, ERR_USAGE, "decides from what the journal does not hold");
}

static bool begin(struct replay *r, const struct journal_line *line, struct replay_report *report, struct err *e)
{
    struct control control;
    struct control_state state;
    struct err why = {0};
    if (line->n_control != sizeof control || line->n_state != sizeof state)
        return err_set(e, ERR_FORMAT,
                       "%.100s: settings and state of %zu and %zu bytes, here they have %zu and %zu: "
                       "written by another version of the program",
                       line->target, line->n_control, line->n_state, sizeof control, sizeof state);
    memcpy(&control, line->control, sizeof control);
    memcpy(&state, line->state, sizeof state);
    if (!is_sound(&control, &state))
        return err_set(e, ERR_FORMAT, "%.100s: its state makes no sense", line->target);
    struct replayed *t = find(r, line->target);
    if (!t && !(t = add(r, line->target)))
        return err_set(e, ERR_IO, "replay: out of memory");
    t->control = control;
    t->state = state;
    t->intends = false;
    bool same = strcmp(t->policy_text, line->policy) == 0 && strcmp(t->policy_hash, line->policy_hash) == 0;
    memcpy(t->policy_text, line->policy, sizeof t->policy_text);
    memcpy(t->policy_hash, line->policy_hash, sizeof t->policy_hash);
    report->n_states++;
    report->n_targets = r->n_targets;
    if (same && t->policy)
        return true;
    policy_close(t->policy);
    t->policy = NULL;
    if (!open_policy(r, line, &t->policy, &why) && !*report->missing)
        snprintf(report->missing, sizeof report->missing, "%.60s: %.180s", line->policy, why.message);
    return true;
}

/* The key whose value holds byte at: the innermost of the first two levels. */
static void name_field(const char *line, size_t at, char *out, size_t n_out)
{
    char keys[2][48] = {"", ""};
    const char *start = NULL;
    int depth = 0;
    for (size_t i = 0; i < at; i++) {
        if (line[i] == '"' && !start) {
            start = line + i + 1;
        } else if (line[i] == '\\' && start) {
            i++;
        } else if (line[i] == '"') {
            if (line[i + 1] == ':' && depth >= 1 && depth <= 2)
                snprintf(keys[depth - 1], sizeof keys[0], "%.*s", (int)(line + i - start), start);
            start = NULL;
        } else if (!start && (line[i] == '{' || line[i] == '[')) {
            depth++;
        } else if (!start && (line[i] == '}' || line[i] == ']')) {
            depth--;
            if (depth == 1)
                keys[1][0] = '\0';
        }
    }
    snprintf(out, n_out, "%s%s%s", keys[0], *keys[1] ? "." : "", keys[1]);
}

static bool compare(const struct journal_record *recorded, const struct journal_record *again, struct err *e)
{
    CLEANUP_BUF struct buf a = {0}, b = {0};
    char field[128];
    journal_encode(recorded, &a);
    journal_encode(again, &b);
    if (!buf_ok(&a, e) || !buf_ok(&b, e))
        return false;
    if (a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0)
        return true;
    size_t at = 0;
    while (at < a.len && at < b.len && a.bytes[at] == b.bytes[at])
        at++;
    name_field(a.bytes, at, field, sizeof field);
    size_t from = at > 12 ? at - 12 : 0;
    return err_set(e, ERR_NUMERIC, "%.100s: field '%s' comes out differently: recorded ...%.40s, now ...%.40s",
                   recorded->target.name, field, a.bytes + from, b.bytes + from);
}

static bool decide(struct replay *r, const struct journal_record *recorded, struct replay_report *report, struct err *e)
{
    static _Thread_local struct journal_record again;
    struct replayed *t = find(r, recorded->target.name);
    if (!t)
        return err_set(e, ERR_FORMAT, "%.100s: a decision without a state before it", recorded->target.name);
    report->n_untold -= t->intends;
    t->intends = false;
    struct given given;
    given_init(&given, recorded);
    bool anew = t->policy && !recorded->stood_in;
    struct control_deciders who = {.policy = anew ? t->policy : &given.policy,
                                   .stand_in = recorded->stood_in ? &given.policy : NULL};
    struct pod_record pod = {.cpu_request_percent = recorded->cpu_request_percent};
    struct sample sample = recorded->sample;
    sample.pods = recorded->cpu_request_percent > 0 ? &pod : NULL;
    sample.n_pods = recorded->cpu_request_percent > 0;
    t->state.target = recorded->target;
    t->state.orders = recorded->orders;
    memset(&again, 0, sizeof again);
    if (!control_plan(&t->control, &t->state, &sample, &who, &again, e))
        return err_wrap(e, "%.100s", recorded->target.name);
    control_commit(&t->state, recorded->outcome, &again);
    report->n_decisions++;
    report->n_proposals += anew;
    return compare(recorded, &again, e);
}

/* A decision follows with what came of it; a state, another intent or nothing: then nobody knows. */
static bool intend(struct replay *r, const struct journal_record *recorded, struct replay_report *report, struct err *e)
{
    struct replayed *t = find(r, recorded->target.name);
    if (!t)
        return err_set(e, ERR_FORMAT, "%.100s: a write without a state before it", recorded->target.name);
    t->intends = true;
    report->n_untold++;
    return true;
}

static bool take_line(struct replay *r, const struct journal_line *line, struct replay_report *report, struct err *e)
{
    switch (line->kind) {
    case JOURNAL_STATE:
        return begin(r, line, report, e);
    case JOURNAL_INTENT:
        return intend(r, &line->record, report, e);
    case JOURNAL_DECISION:
        break;
    }
    return decide(r, &line->record, report, e);
}

bool replay_file(struct replay *r, const char *path, struct replay_report *report, struct err *e)
{
    struct journal_reader *reader = NULL;
    struct journal_line *line = calloc(1, sizeof *line);
    bool end = false, done = true;
    if (!line)
        return err_set(e, ERR_IO, "replay: out of memory");
    if (!journal_read(path, &reader, e)) {
        free(line);
        return false;
    }
    while (done && (done = journal_next(reader, line, &end, e)) && !end) {
        done = take_line(r, line, report, e);
        if (!done)
            err_wrap(e, "%s:%d", path, journal_line_number(reader));
    }
    journal_reader_close(reader);
    free(line);
    return done || end;
}
