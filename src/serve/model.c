/* model: one policy file loaded for several threads, and the slot in which it is exchanged. In: a path. Out: an immutable
 * model for as long as a thread wants it. Watches nothing by itself: who calls model_refresh, and when, is the caller's. */
#include <maestro/model.h>

#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/json.h>
#include <maestro/json_write.h>
#include <maestro/number.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_LIMIT ((size_t)64 << 20)

struct mark {
    _Alignas(64) _Atomic(const struct model *) model;
};

struct model_slot {
    _Atomic(const struct model *) current;
    struct mark *marks; /* [n_threads] */
    int n_threads;
    char *path;
    struct file_stamp stamp; /* when it was last tried */
    pthread_mutex_t lock;    /* of status */
    struct model_status status;
};

static uint64_t hash_bytes(const char *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static void model_close(struct model *m)
{
    if (!m)
        return;
    policyfile_finish(&m->file);
    arena_finish(&m->arena);
    buf_finish(&m->brief);
    buf_finish(&m->text);
    free(m->greedy);
    free(m);
}

static void write_brief(struct model *m)
{
    struct json_writer w = {.out = &m->brief};
    char hash[OBSERVATION_HASH_BYTES];
    observation_hash(&m->file.control.observation, hash);
    json_begin_object(&w);
    json_put_key(&w, "id");
    json_put_text(&w, m->id);
    json_put_key(&w, "features");
    json_put_text(&w, hash);
    json_put_key(&w, "version");
    json_put_text(&w, m->file.version);
    json_end_object(&w);
}

static void put_floats(struct buf *out, const char *key, const float *values, int n)
{
    char text[NUMBER_FLOAT];
    buf_printf(out, ",\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        buf_text(out, i ? "," : "");
        buf_append(out, text, number_float(text, values[i]));
    }
    buf_text(out, "]");
}

/* The file's own words, where they are what they should be: another program may have written them. */
static void put_scores(struct buf *out, const char *scores)
{
    struct json_document d = {0};
    bool usable = scores && json_parse(&d, "scores", scores, strlen(scores), NULL) && json_is_object(d.root);
    json_finish(&d);
    buf_printf(out, ",\"scores\":%s", usable ? scores : "null");
}

static bool write_text(struct model *m, const char *path, struct err *e)
{
    const struct policy_file *f = &m->file;
    struct json_writer w = {.out = &m->text};
    CLEANUP_BUF struct buf features = {0};
    char when[CLOCK_TEXT];
    observation_spec_text(&f->control.observation, &features);
    buf_text(&m->text, "{\"model\":");
    buf_append(&m->text, m->brief.bytes, m->brief.len);
    buf_text(&m->text, ",\"path\":");
    json_put_text(&w, path);
    buf_printf(&m->text, ",\"loaded\":\"%s\",\"features\":\"%s\",\"control\":", clock_text(when, m->loaded_s),
               features.bytes);
    if (!policyfile_control_text(f, &m->text, e))
        return false;
    put_floats(&m->text, "obs_low", f->obs_low, f->actor.n_in);
    put_floats(&m->text, "obs_high", f->obs_high, f->actor.n_in);
    buf_printf(&m->text, ",\"seed\":\"%llu\",\"steps\":%lld", (unsigned long long)f->seed, f->steps);
    put_scores(&m->text, f->scores);
    buf_text(&m->text, "}\n");
    return buf_ok(&m->text, e) && buf_ok(&m->brief, e);
}

static bool prepare(struct model *m, int n_threads, struct err *e)
{
    struct arena plan = {0};
    m->greedy = calloc((size_t)n_threads, sizeof *m->greedy);
    if (!m->greedy)
        return err_set(e, ERR_IO, "out of memory");
    for (int i = 0; i < n_threads; i++)
        greedy_carve(&m->greedy[i], &m->file, &plan);
    if (!arena_init(&m->arena, plan.used, e))
        return false;
    for (int i = 0; i < n_threads; i++) {
        greedy_carve(&m->greedy[i], &m->file, &m->arena);
        if (!greedy_load(&m->greedy[i], e))
            return false;
    }
    return true;
}

static bool fill(struct model *m, const char *path, int n_threads, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    if (!file_read_still(path, FILE_LIMIT, &bytes, e) || !policyfile_parse(path, bytes.bytes, bytes.len, &m->file, e))
        return false;
    snprintf(m->id, sizeof m->id, "%016llx", (unsigned long long)hash_bytes(bytes.bytes, bytes.len));
    m->loaded_s = clock_wall_s();
    if (!prepare(m, n_threads, e))
        return err_wrap(e, "%s", path);
    write_brief(m);
    return write_text(m, path, e);
}

static const struct model *load(const char *path, int n_threads, struct err *e)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m) {
        (void)err_set(e, ERR_IO, "%s: out of memory", path);
        return NULL;
    }
    if (fill(m, path, n_threads, e))
        return m;
    model_close(m);
    return NULL;
}

const struct model *model_acquire(struct model_slot *s, int thread)
{
    const struct model *m;
    do {
        m = atomic_load(&s->current);
        atomic_store(&s->marks[thread].model, m);
    } while (m !=
             atomic_load(&s->current)); // it went between the two lines: whoever swapped it may not have seen the mark
    return m;
}

void model_release(struct model_slot *s, int thread)
{
    atomic_store(&s->marks[thread].model, NULL);
}

static void retire(struct model_slot *s, const struct model *old)
{
    const struct timespec nap = {.tv_nsec = 200 * 1000};
    for (int i = 0; i < s->n_threads; i++)
        while (atomic_load(&s->marks[i].model) == old)
            nanosleep(&nap, NULL);
    union {
        const struct model *shared;
        struct model *own;
    } last = {.shared = old}; // nobody else has it any more
    model_close(last.own);
}

static void note_loaded(struct model_slot *s, const struct model *m)
{
    pthread_mutex_lock(&s->lock);
    s->status.n_loaded++;
    s->status.why[0] = '\0';
    s->status.loaded_s = m->loaded_s;
    memcpy(s->status.id, m->id, sizeof m->id);
    pthread_mutex_unlock(&s->lock);
}

static void note_refused(struct model_slot *s, const struct err *why)
{
    pthread_mutex_lock(&s->lock);
    s->status.n_refused++;
    snprintf(s->status.why, sizeof s->status.why, "%s", why->message);
    pthread_mutex_unlock(&s->lock);
}

void model_reload(struct model_slot *s)
{
    struct err why = {0};
    s->stamp = file_stamp(s->path); // before reading: what changes meanwhile is seen at the next look
    const struct model *m = load(s->path, s->n_threads, &why);
    if (!m) {
        note_refused(s, &why);
        return;
    }
    note_loaded(s, m);
    retire(s, atomic_exchange(&s->current, m));
}

bool model_refresh(struct model_slot *s)
{
    struct file_stamp now = file_stamp(s->path);
    if (file_stamp_same(&now, &s->stamp))
        return false;
    model_reload(s);
    return true;
}

void model_status(struct model_slot *s, struct model_status *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->status;
    pthread_mutex_unlock(&s->lock);
}

bool model_slot_open(const char *path, int n_threads, struct model_slot **out, struct err *e)
{
    struct model_slot *s = calloc(1, sizeof *s);
    size_t bytes = (size_t)n_threads * sizeof *s->marks;
    if (!s)
        return err_set(e, ERR_IO, "%s: out of memory", path);
    pthread_mutex_init(&s->lock, NULL);
    s->n_threads = n_threads;
    s->path = strdup(path);
    s->marks = aligned_alloc(_Alignof(struct mark), bytes);
    s->stamp = file_stamp(path);
    const struct model *m = s->path && s->marks ? load(path, n_threads, e) : NULL;
    if (!m) {
        bool starved = !s->path || !s->marks;
        model_slot_close(s);
        return starved ? err_set(e, ERR_IO, "%s: out of memory", path) : false;
    }
    memset(s->marks, 0, bytes);
    atomic_store(&s->current, m);
    note_loaded(s, m);
    *out = s;
    return true;
}

void model_slot_close(struct model_slot *s)
{
    if (!s)
        return;
    const struct model *last = atomic_load(&s->current);
    s->n_threads = s->marks ? s->n_threads : 0;
    if (last)
        retire(s, last);
    pthread_mutex_destroy(&s->lock);
    free(s->marks);
    free(s->path);
    free(s);
}
