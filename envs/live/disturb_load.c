/* disturb_load: runs a load script. In: section "load"; out: k6 as a child process with the script and its environment, or a
 * Job made from a YAML file and deleted at the end. What the load looks like is the script's matter. */
#include "disturb_load.h"

#include <maestro/child.h>
#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/yaml_json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOAD_KEY(field) offsetof(struct disturb_load, field)

const struct config_key disturb_load_keys[] = {
    {"script", CONFIG_STRING, LOAD_KEY(script), "", 0, 0, NULL, NULL,
     "Load during the session: a k6 script (.js) to run beside it, or a Job (.yaml) for the cluster; empty: none."},
    {"command", CONFIG_STRING, LOAD_KEY(command), "k6", 0, 0, NULL, NULL, "Program that runs a script."},
    {"environment", CONFIG_TEXTS, LOAD_KEY(environment), "", 0, 0, NULL, NULL, "NAME=value settings of the script."},
    {"repeat", CONFIG_BOOL, LOAD_KEY(repeat), "on", 0, 0, NULL, NULL, "Start the load again when it has ended."},
};
const int n_disturb_load_keys = (int)(sizeof disturb_load_keys / sizeof *disturb_load_keys);

enum { VARIABLES_LIMIT = 32, DELETIONS_LIMIT = 20 };
static const double END_GRACE_S = 10, DELETE_WITHIN_S = 20, DELETE_EVERY_S = 1;

struct disturb_load_run {
    struct disturb_config config;
    struct child *child; /* of a script */
    char space[64];      /* of a Job */
    char name[128];
    bool missing; /* told: it could not be started again */
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* The variables, cut at the commas in room, as a list that ends with NULL. */
static bool split(const char *text, char room[CONFIG_TEXT], const char *out[VARIABLES_LIMIT + 1], struct err *e)
{
    int n = 0;
    snprintf(room, CONFIG_TEXT, "%s", text);
    for (char *rest = room; *rest;) {
        if (n == VARIABLES_LIMIT)
            return err_set(e, ERR_USAGE, "load.environment: more than %d variables", (int)VARIABLES_LIMIT);
        out[n++] = rest;
        size_t length = strcspn(rest, ",");
        if (!memchr(rest, '=', length) || rest[0] == '=')
            return err_set(e, ERR_USAGE, "load.environment: '%.*s' is not NAME=value", (int)length, rest);
        rest += length;
        if (*rest)
            *rest++ = '\0';
    }
    out[n] = NULL;
    return true;
}

static bool start_script(struct disturb_load_run *r, struct err *e)
{
    const struct disturb_load *load = r->config.load;
    char room[CONFIG_TEXT];
    const char *variables[VARIABLES_LIMIT + 1];
    const char *const argv[] = {load->command, "run", "--quiet", "--no-usage-report", load->script, NULL};
    if (!file_exists(load->script))
        return err_set(e, ERR_USAGE, "load.script: %s does not exist", load->script);
    if (r->config.log && !file_make_parent(r->config.log, e))
        return false;
    return split(load->environment, room, variables, e) && child_open(argv, variables, r->config.log, &r->child, e);
}

static const char *text_at(const struct yaml_node *root, const char *a, const char *b)
{
    const struct yaml_node *node = yaml_find(b ? yaml_find(root, a) : root, b ? b : a);
    return node && node->kind == YAML_SCALAR ? node->text : NULL;
}

static bool read_job(struct disturb_load_run *r, struct buf *body, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    const char *file = r->config.load->script;
    struct yaml document = {0};
    struct json_writer w = {.out = body};
    if (!file_read(file, YAML_BYTES_LIMIT, &text, e) ||
        !yaml_parse(&document, file, text.bytes ? text.bytes : "", text.len, e))
        return false;
    const char *kind = text_at(document.root, "kind", NULL), *name = text_at(document.root, "metadata", "name");
    const char *space = text_at(document.root, "metadata", "namespace");
    bool done = kind && strcmp(kind, "Job") == 0 && name && strlen(name) < sizeof r->name;
    if (!done)
        (void)err_set(e, ERR_FORMAT, "%s: is no Job with a name", file);
    if (done) {
        snprintf(r->name, sizeof r->name, "%s", name);
        snprintf(r->space, sizeof r->space, "%.63s", space ? space : r->config.space);
        done = yaml_json(document.root, file, &w, e) && json_write_end(&w, e);
    }
    yaml_finish(&document);
    return done;
}

static void tell(const struct disturb_load_run *r, const char *event, const char *what)
{
    if (r->config.tell)
        r->config.tell(r->config.arg, event, what);
}

static void put_jobs(const struct disturb_load_run *r, struct buf *out)
{
    buf_printf(out, "/apis/batch/v1/namespaces/%s/jobs", r->space);
}

/* settled: the refusal that says that it is so already. */
static bool call(struct disturb_load_run *r, const struct kube_call *call, enum kube_outcome settled,
                 enum kube_outcome *outcome, struct err *e)
{
    struct kube_answer answer = {0};
    bool done = kube_do(r->config.kube, call, &answer) || answer.outcome == settled;
    *outcome = answer.outcome;
    if (!done)
        (void)err_set(e, ERR_IO, "load.script: %.400s", answer.why.message);
    kube_answer_finish(&answer);
    return done;
}

/* A Job of that name that is there already, left by a killed session, is taken over. */
static bool start_job(struct disturb_load_run *r, struct err *e)
{
    CLEANUP_BUF struct buf body = {0}, path = {0};
    enum kube_outcome outcome = KUBE_DONE;
    if (!read_job(r, &body, e))
        return false;
    put_jobs(r, &path);
    const struct kube_call create = {.verb = KUBE_CREATE, .path = path.bytes, .body = body.bytes};
    bool done = buf_ok(&path, e) && buf_ok(&body, e) && call(r, &create, KUBE_CONFLICT, &outcome, e);
    if (done && outcome == KUBE_CONFLICT)
        tell(r, "load_taken_over", r->name);
    return done;
}

/* Its pods go with it. */
static bool delete_job(struct disturb_load_run *r, enum kube_outcome *outcome, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    put_jobs(r, &path);
    buf_printf(&path, "/%s?propagationPolicy=Background", r->name);
    const struct kube_call remove = {.verb = KUBE_DELETE, .path = path.bytes};
    return buf_ok(&path, e) && call(r, &remove, KUBE_NOT_FOUND, outcome, e);
}

bool disturb_load_start(const struct disturb_config *config, struct disturb_load_run **out, struct err *e)
{
    const char *script = config->load->script;
    if (!script[0])
        return true;
    bool job = ends_with(script, ".yaml") || ends_with(script, ".yml");
    if (!job && !ends_with(script, ".js"))
        return err_set(e, ERR_USAGE, "load.script: %s is neither a k6 script (.js) nor a Job (.yaml)", script);
    struct disturb_load_run *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_IO, "load: out of memory");
    r->config = *config;
    if (job ? !start_job(r, e) : !start_script(r, e)) {
        free(r);
        return false;
    }
    *out = r;
    return true;
}

/* Once a trouble, not once a step. */
static void start_again(struct disturb_load_run *r)
{
    struct err why = {0};
    bool started = r->name[0] ? start_job(r, &why) : start_script(r, &why);
    if (!started && !r->missing)
        tell(r, "load_not_started", why.message);
    if (started && r->missing)
        tell(r, "load_started", r->config.load->script);
    r->missing = !started;
}

static void tend_script(struct disturb_load_run *r)
{
    int status;
    char what[64];
    if (r->child && child_runs(r->child, &status))
        return;
    if (r->child) {
        child_close(r->child, 0);
        r->child = NULL;
        snprintf(what, sizeof what, "exit status %d%s", status, status == 99 ? ": a threshold was crossed" : "");
        tell(r, "load_ended", what);
    }
    if (r->config.load->repeat)
        start_again(r);
}

static bool job_is_over(const struct json *object)
{
    const struct json *status = json_find(object, "status");
    const struct json *conditions = json_find(status, "conditions");
    for (const struct json *c = json_first(conditions); c; c = json_next(c)) {
        const char *type = NULL, *value = NULL;
        bool read = json_text(c, "type", &type, NULL) && json_text(c, "status", &value, NULL);
        if (read && strcmp(value, "True") == 0 && (strcmp(type, "Complete") == 0 || strcmp(type, "Failed") == 0))
            return true;
    }
    return false;
}

/* A Job that is over is deleted, and once it is gone made again; one that cannot be asked about is left in peace. */
static void tend_job(struct disturb_load_run *r)
{
    CLEANUP_BUF struct buf path = {0};
    struct kube_answer answer = {0};
    put_jobs(r, &path);
    buf_printf(&path, "/%s", r->name);
    const struct kube_call get = {.verb = KUBE_GET, .path = path.bytes};
    bool seen = buf_ok(&path, NULL) && kube_do(r->config.kube, &get, &answer);
    bool over = seen && job_is_over(answer.object.root), gone = answer.outcome == KUBE_NOT_FOUND;
    kube_answer_finish(&answer);
    if (!r->config.load->repeat || (!over && !gone))
        return;
    if (gone) {
        start_again(r);
        return;
    }
    tell(r, "load_ended", r->name);
    struct err why = {0};
    enum kube_outcome outcome = KUBE_DONE;
    if (!delete_job(r, &outcome, &why))
        tell(r, "load_not_deleted", why.message);
}

void disturb_load_tend(struct disturb_load_run *r)
{
    if (r->name[0])
        tend_job(r);
    else
        tend_script(r);
}

static void pause_s(const struct disturb_load_run *r, double seconds)
{
    const struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (r->config.pause)
        r->config.pause(r->config.arg, seconds);
    else
        nanosleep(&t, NULL);
}

/* A refusal stands; what was not heard may be heard the next time. Counted as well, where pause takes no time. */
static bool delete_surely(struct disturb_load_run *r, struct err *e)
{
    double end_s = clock_monotonic_s() + DELETE_WITHIN_S;
    for (int n = 1;; n++) {
        enum kube_outcome outcome = KUBE_BROKEN;
        struct err why = {0};
        bool done = delete_job(r, &outcome, &why);
        bool refused = outcome == KUBE_FORBIDDEN || outcome == KUBE_INVALID;
        if (done || refused || n == DELETIONS_LIMIT || clock_monotonic_s() >= end_s)
            return done || err_set(e, why.code, "%s", why.message);
        pause_s(r, DELETE_EVERY_S);
    }
}

bool disturb_load_end(struct disturb_load_run *r, struct err *e)
{
    if (!r)
        return true;
    child_close(r->child, END_GRACE_S);
    bool done = !r->name[0] || delete_surely(r, e);
    free(r);
    return done;
}
