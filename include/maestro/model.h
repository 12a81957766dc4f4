/* model: the policy file that a server answers with, exchanged under it while it answers. Readers never wait: a thread marks
 * the model it uses, a new one is swapped in with one pointer, and the old one goes when no thread has it marked. A file
 * that cannot be loaded changes nothing but the status. */
#ifndef MAESTRO_MODEL_H
#define MAESTRO_MODEL_H

#include <maestro/buf.h>
#include <maestro/greedy.h>

#define MODEL_ID_BYTES 17

/* Immutable once loaded. */
struct model {
    struct policy_file file;
    struct greedy *greedy;   /* [n_threads], one for each thread */
    char id[MODEL_ID_BYTES]; /* 64-bit hash of the file's bytes, hexadecimal */
    double loaded_s;         /* wall clock */
    struct buf brief;        /* {"id":...}: how answers name it */
    struct buf text;         /* what GET /v1/model answers */
    struct arena arena;
};

struct model_slot;

/* Loads path for n_threads threads that are numbered from 0. */
MUST_CHECK bool model_slot_open(const char *path, int n_threads, struct model_slot **out, struct err *e);
void model_slot_close(struct model_slot *s); /* no thread may hold a model; accepts NULL */

/* The model now, until model_release of the same thread. Wait-free but for a swap in the same instant. Not nested. */
const struct model *model_acquire(struct model_slot *s, int thread);
void model_release(struct model_slot *s, int thread);

/* Looks at the file and takes it over where it is another one than at the last look (also behind a symbolic link, as a
 * ConfigMap's). Returns whether anything happened: a new model, or a new reason why not. One thread at a time. */
bool model_refresh(struct model_slot *s);

/* Takes the file over even if it looks as before. */
void model_reload(struct model_slot *s);

struct model_status {
    long n_loaded;  /* times a file was taken over, the first included */
    long n_refused; /* times it was not */
    char why[512];  /* the last refusal, if it came after the last success; else empty */
    char id[MODEL_ID_BYTES];
    double loaded_s;
};
void model_status(struct model_slot *s, struct model_status *out);

#endif
