/* pool: policy texts to open policies. In: a text of the configuration or of an annotation. Out: the policy and the control
 * settings it brings. Decides what an annotation may ask for; knows nothing of targets. */
#include <maestro/pool.h>

#include <maestro/file.h>
#include <maestro/policyfile.h>
#include <maestro/registry.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_ENTRIES 256
#define POOL_TEXT 1024
#define POOL_FAILURES 64
#define POLICY_FILE_LIMIT ((size_t)64 << 20)

struct entry {
    struct pooled pooled;    /* first */
    char *text;              /* owned */
    char *path;              /* owned; NULL: no file */
    char *opened;            /* owned; what registry_open is given */
    struct file_stamp stamp; /* of the file, before it was last read */
};

/* Of this round: whoever asks for the same has the same answer, and waits for no server again. */
struct failure {
    char *text; /* owned */
    struct err why;
};

struct pool {
    char folder[POOL_TEXT], allowed[POOL_TEXT], policy[POOL_TEXT], breaker[POOL_TEXT];
    const char *section;
    double period_s, window_s;
    struct entry *entries[POOL_ENTRIES];
    int n;
    struct failure failures[POOL_FAILURES];
    int n_failures;
    struct pooled held;
};

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    policy_close(entry->pooled.shared);
    free(entry->text);
    free(entry->path);
    free(entry->opened);
    free(entry);
}

static bool copy_text(char out[POOL_TEXT], const char *text, struct err *e)
{
    size_t n = text ? strlen(text) : 0;
    if (n >= POOL_TEXT)
        return err_set(e, ERR_USAGE, "policies: '%.60s...' is longer than %d bytes", text, POOL_TEXT - 1);
    memcpy(out, text ? text : "", n + 1);
    return true;
}

static bool hold_act(struct policy *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)p;
    (void)in;
    (void)e;
    out->hold = true;
    snprintf(out->reason, sizeof out->reason, "its policy is refused: only orders are carried out");
    return true;
}

static const struct policy_ops HELD_OPS = {.name = "held", .kind = POLICY_STEP, .act = hold_act};
static struct policy held = {.ops = &HELD_OPS};

/* The settings that a policy without settings of its own runs with. */
static bool plain_control(const struct pool *p, struct control *out, struct err *e)
{
    static const struct config_list STEPS = {.n = 3, .v = {-1, 0, 1}};
    *out = (struct control){.guard = {.enabled = true}, .period_s = p->period_s, .masks = true};
    return observation_spec_parse(&out->observation, "raw5", p->period_s, p->window_s, e) &&
           action_set_init(&out->actions, &STEPS, e);
}

bool pool_open(const struct pool_config *config, struct pool **out, struct err *e)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "policies: out of memory");
    p->section = config->section;
    p->period_s = config->period_s;
    p->window_s = config->window_s;
    if (!copy_text(p->folder, config->folder, e) || !copy_text(p->allowed, config->allowed, e) ||
        !copy_text(p->policy, config->policy, e) || !copy_text(p->breaker, config->breaker, e) ||
        !plain_control(p, &p->held.control, e)) {
        free(p);
        return false;
    }
    p->held.text = HELD_OPS.name;
    p->held.shared = &held;
    *out = p;
    return true;
}

void pool_begin_round(struct pool *p)
{
    for (int i = 0; i < p->n_failures; i++)
        free(p->failures[i].text);
    p->n_failures = 0;
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        entry_free(p->entries[i]);
    pool_begin_round(p);
    free(p);
}

const struct pooled *pool_held(const struct pool *p)
{
    return &p->held;
}

static bool listed(const char *list, const char *text, size_t n)
{
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ",");
        if (length == n && memcmp(at, text, n) == 0)
            return true;
        at += length + (at[length] == ',');
    }
    return false;
}

/* Texts of the configuration itself. */
static bool is_own(const struct pool *p, const char *text)
{
    return strcmp(text, p->policy) == 0 || strcmp(text, p->breaker) == 0 || listed(p->allowed, text, strlen(text));
}

/* A kind that reaches out must be listed whole. */
static bool is_allowed(const struct pool *p, const char *text)
{
    size_t n_kind = strcspn(text, ":");
    bool reaches_out = n_kind == 6 && memcmp(text, "remote", 6) == 0;
    return is_own(p, text) || (!reaches_out && listed(p->allowed, text, n_kind));
}

static bool is_plain_name(const char *name)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return *name && *name != '.' && strspn(name, PLAIN) == strlen(name);
}

/* ppo:NAME becomes folder/NAME.safetensors; a path stands only in the configuration's own text. */
static bool find_path(const struct pool *p, const char *text, char out[PATH_MAX], struct err *e)
{
    const char *name = text + strlen("ppo:");
    int n;
    if (is_own(p, text) && strchr(name, '/'))
        n = snprintf(out, PATH_MAX, "%s", name);
    else if (!is_plain_name(name))
        return err_set(e, ERR_USAGE, "policy '%.100s': a policy file is given by its name, without a path", text);
    else if (!*p->folder)
        return err_set(e, ERR_USAGE, "policy '%.100s': %s.policies names no folder of policy files", text, p->section);
    else
        n = snprintf(out, PATH_MAX, "%s/%s%s", p->folder, name, strstr(name, ".safetensors") ? "" : ".safetensors");
    return (n > 0 && n < PATH_MAX) || err_set(e, ERR_USAGE, "policy '%.100s': its path is too long", text);
}

/* FNV-1a, 64 bit. */
static void hash_bytes(const struct buf *bytes, char out[JOURNAL_HASH])
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes->len; i++)
        hash = (hash ^ (unsigned char)bytes->bytes[i]) * 0x100000001b3u;
    snprintf(out, JOURNAL_HASH, "%016" PRIx64, hash);
}

bool pool_file_hash(const char *path, char out[JOURNAL_HASH], struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    if (!file_read(path, POLICY_FILE_LIMIT, &bytes, e))
        return false;
    hash_bytes(&bytes, out);
    return true;
}

/* What the file says beyond what the registry takes over. */
static bool read_file(struct entry *entry, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    struct policy_file *file = calloc(1, sizeof *file);
    if (!file)
        return err_set(e, ERR_IO, "policies: out of memory");
    bool done = file_read_still(entry->path, POLICY_FILE_LIMIT, &bytes, e) &&
                policyfile_parse(entry->path, bytes.bytes, bytes.len, file, e);
    if (done) {
        entry->pooled.from_file = true;
        entry->pooled.scrape_s = file->scrape_s;
        entry->pooled.window_s = file->window_s;
        entry->pooled.quantile = file->quantile;
        hash_bytes(&bytes, entry->pooled.hash);
        policyfile_finish(file);
    }
    free(file);
    return done;
}

static bool has_changed(const struct entry *entry)
{
    if (!entry->path)
        return false;
    struct file_stamp now = file_stamp(entry->path);
    return now.there && !file_stamp_same(&now, &entry->stamp);
}

static bool has_no_memory(const struct policy *policy)
{
    return policy->ops->reset == NULL && !policy->ops->wants_pods;
}

/* The file is read twice, for its hash and by the registry: both must have seen the same one. */
static bool open_policy(const struct pool *p, struct entry *fresh, struct policy **out, struct err *e)
{
    if ((fresh->path && !read_file(fresh, e)) || !plain_control(p, &fresh->pooled.control, e) ||
        !registry_open(fresh->opened, &fresh->pooled.control, out, e))
        return false;
    if (!has_changed(fresh))
        return true;
    policy_close(*out);
    return err_set(e, ERR_IO, "%s: was replaced while it was read", fresh->path);
}

/* Opens what entry->opened says into entry->pooled; on failure entry is as before but for the file's stamp. */
static bool entry_read(const struct pool *p, struct entry *entry, struct err *e)
{
    struct policy *policy = NULL;
    if (entry->path)
        entry->stamp = file_stamp(entry->path); // before reading: what changes meanwhile is seen at the next look
    struct entry fresh = *entry;
    if (!open_policy(p, &fresh, &policy, e))
        return false;
    fresh.pooled.sync_s = policy->sync_s;
    policy_close(entry->pooled.shared);
    fresh.pooled.shared = has_no_memory(policy) ? policy : NULL;
    if (!fresh.pooled.shared)
        policy_close(policy);
    fresh.pooled.generation++;
    entry->pooled = fresh.pooled;
    return true;
}

static bool entry_open(const struct pool *p, const char *text, struct entry **out, struct err *e)
{
    char path[PATH_MAX], opened[PATH_MAX + 8];
    bool is_file = strncmp(text, "ppo:", 4) == 0;
    if (is_file && !find_path(p, text, path, e))
        return false;
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return err_set(e, ERR_IO, "policies: out of memory");
    snprintf(opened, sizeof opened, is_file ? "ppo:%s" : "%s", is_file ? path : text);
    entry->text = strdup(text);
    entry->opened = strdup(opened);
    entry->path = is_file ? strdup(path) : NULL;
    entry->pooled.text = entry->text;
    if (!entry->text || !entry->opened || (is_file && !entry->path) || !entry_read(p, entry, e)) {
        entry_free(entry);
        return e->code ? false : err_set(e, ERR_IO, "policies: out of memory");
    }
    *out = entry;
    return true;
}

/* More than there is room for are tried again. */
static bool note_failure(struct pool *p, const char *text, const struct err *why, struct err *e)
{
    char *copy = p->n_failures < POOL_FAILURES ? strdup(text) : NULL;
    if (copy)
        p->failures[p->n_failures++] = (struct failure){copy, *why};
    return err_set(e, why->code, "%s", why->message);
}

static const struct err *find_failure(const struct pool *p, const char *text)
{
    for (int i = 0; i < p->n_failures; i++)
        if (strcmp(p->failures[i].text, text) == 0)
            return &p->failures[i].why;
    return NULL;
}

bool pool_find(struct pool *p, const char *text, const struct pooled **out, struct err *e)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->entries[i]->text, text) == 0) {
            *out = &p->entries[i]->pooled;
            return true;
        }
    if (!is_allowed(p, text))
        return err_set(e, ERR_USAGE, "policy '%.100s': not allowed; %s.allowed lists %.200s", text, p->section,
                       p->allowed);
    if (p->n == POOL_ENTRIES)
        return err_set(e, ERR_USAGE, "policy '%.100s': more than %d policies at once", text, POOL_ENTRIES);
    const struct err *before = find_failure(p, text);
    if (before)
        return err_set(e, before->code, "%s", before->message);
    struct err why = {0};
    if (!entry_open(p, text, &p->entries[p->n], &why))
        return note_failure(p, text, &why, e);
    *out = &p->entries[p->n++]->pooled;
    return true;
}

bool pool_instance(struct pool *p, const struct pooled *pooled, struct policy **out, struct err *e)
{
    const struct entry *entry = (const struct entry *)(const void *)pooled;
    struct control unused;
    return plain_control(p, &unused, e) && registry_open(entry->opened, &unused, out, e);
}

void pool_reload(struct pool *p, void (*told)(void *context, const char *text, const struct err *why), void *context)
{
    for (int i = 0; i < p->n; i++) {
        struct err why = {0};
        if (!has_changed(p->entries[i]))
            continue;
        if (entry_read(p, p->entries[i], &why))
            why = (struct err){0};
        if (told)
            told(context, p->entries[i]->text, &why);
    }
}
