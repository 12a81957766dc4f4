/* track: observation states by target name, in a table of fixed size with a list in order of use. In: samples of any target,
 * in any order, from any thread. Out: features as if each target had been looked at once a period. */
#include <maestro/track.h>

#include <maestro/clock.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SAME_PERIOD 0.75 // of a period behind the first look of the present one: still the same
#define LATE_PERIODS 4   // so far behind the last look nothing comes late: a clock was set back

struct entry {
    char key[TARGET_NAME];
    int n_key;
    uint64_t hash;
    int next_in_bucket; // index or -1
    int newer, older;   // list of use, index or -1
    double period_began_s;
    bool has_before;
    struct observation_state before; // at the end of the last period
    struct observation_state now;
};

struct track {
    pthread_mutex_t lock;
    struct entry *entries; /* [limit] */
    int *buckets;          /* [n_buckets] index or -1; a power of two */
    int n_buckets, limit;
    int newest, oldest;
    uint64_t seed;
    struct track_counts counts;
};

bool track_open(int limit, struct track **out, struct err *e)
{
    struct track *t = calloc(1, sizeof *t);
    int n_buckets = 16;
    while (n_buckets < 2 * limit)
        n_buckets *= 2;
    if (t) {
        t->entries = calloc((size_t)limit, sizeof *t->entries);
        t->buckets = malloc((size_t)n_buckets * sizeof *t->buckets);
    }
    if (!t || !t->entries || !t->buckets) {
        if (t) {
            free(t->entries);
            free(t->buckets);
        }
        free(t);
        return err_set(e, ERR_IO, "out of memory for %d targets", limit);
    }
    memset(t->buckets, 0xff, (size_t)n_buckets * sizeof *t->buckets);
    pthread_mutex_init(&t->lock, NULL);
    t->limit = limit;
    t->n_buckets = n_buckets;
    t->newest = t->oldest = -1;
    t->seed = (uint64_t)(clock_wall_s() * 1e6);
    *out = t;
    return true;
}

void track_close(struct track *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t->entries);
    free(t->buckets);
    free(t);
}

static uint64_t hash_key(const struct track *t, const char *key, int n)
{
    uint64_t hash = 0xcbf29ce484222325u ^ t->seed;
    for (int i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static int *bucket_of(struct track *t, uint64_t hash)
{
    return &t->buckets[hash & (uint64_t)(t->n_buckets - 1)];
}

static int find(struct track *t, const struct track_input *in, uint64_t hash)
{
    int i = *bucket_of(t, hash);
    while (i >= 0) {
        const struct entry *x = &t->entries[i];
        if (x->hash == hash && x->n_key == in->n_key && memcmp(x->key, in->key, (size_t)in->n_key) == 0)
            break;
        i = x->next_in_bucket;
    }
    return i;
}

static void leave_list(struct track *t, int i)
{
    const struct entry *x = &t->entries[i];
    *(x->newer >= 0 ? &t->entries[x->newer].older : &t->newest) = x->older;
    *(x->older >= 0 ? &t->entries[x->older].newer : &t->oldest) = x->newer;
}

static void enter_list(struct track *t, int i)
{
    t->entries[i].newer = -1;
    t->entries[i].older = t->newest;
    *(t->newest >= 0 ? &t->entries[t->newest].newer : &t->oldest) = i;
    t->newest = i;
}

static int forget_oldest(struct track *t)
{
    int i = t->oldest;
    leave_list(t, i);
    for (int *link = bucket_of(t, t->entries[i].hash); *link >= 0; link = &t->entries[*link].next_in_bucket)
        if (*link == i) {
            *link = t->entries[i].next_in_bucket;
            break;
        }
    t->counts.n_forgotten++;
    return i;
}

static struct entry *add(struct track *t, const struct track_input *in, uint64_t hash)
{
    int i = t->counts.n_targets < t->limit ? t->counts.n_targets++ : forget_oldest(t);
    struct entry *x = &t->entries[i];
    int *bucket = bucket_of(t, hash);
    *x = (struct entry){.n_key = in->n_key, .hash = hash, .next_in_bucket = *bucket};
    memcpy(x->key, in->key, (size_t)in->n_key);
    *bucket = i;
    enter_list(t, i);
    return x;
}

static struct entry *entry_of(struct track *t, const struct track_input *in)
{
    uint64_t hash = hash_key(t, in->key, in->n_key);
    int i = find(t, in, hash);
    if (i < 0)
        return add(t, in, hash);
    if (i != t->newest) {
        leave_list(t, i);
        enter_list(t, i);
    }
    return &t->entries[i];
}

/* Once more in a period that was already looked at: the state before it, and the later look. */
static void look_again(struct entry *x, const struct track_input *in)
{
    if (!x->has_before) {
        observation_reset(in->spec, &x->now, in->target, in->sample);
        return;
    }
    x->now = x->before;
    observation_update(in->spec, &x->now, in->target, in->sample);
}

/* What was remembered belongs to another time. */
static void forget(struct entry *x)
{
    x->has_before = false;
    x->now.n_updates = 0;
}

static bool take(struct entry *x, const struct track_input *in)
{
    double time_s = in->sample->time_s;
    if (x->now.n_updates > 0 && time_s < x->now.time_s - LATE_PERIODS * in->spec->period_s)
        forget(x);
    if (x->now.n_updates > 0 && !(time_s > x->now.time_s))
        return false;
    if (x->now.n_updates > 0 && time_s < x->period_began_s + SAME_PERIOD * in->spec->period_s) {
        look_again(x, in);
        return true;
    }
    x->period_began_s = time_s;
    if (x->now.n_updates == 0) {
        observation_reset(in->spec, &x->now, in->target, in->sample);
        return true;
    }
    x->has_before = true;
    x->before = x->now;
    observation_update(in->spec, &x->now, in->target, in->sample);
    return true;
}

void track_take(struct track *t, const struct track_input *in, float *features, double *replicas)
{
    pthread_mutex_lock(&t->lock);
    struct entry *x = entry_of(t, in);
    t->counts.n_ignored += !take(x, in);
    observation_features(in->spec, &x->now, features);
    *replicas = x->now.signals[SIGNAL_REPLICAS].value;
    pthread_mutex_unlock(&t->lock);
}

void track_counts(struct track *t, struct track_counts *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->counts;
    pthread_mutex_unlock(&t->lock);
}
