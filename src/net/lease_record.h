/* lease_record: what a Lease object says, and how one is written. Shared by the election and its tests only. */
#ifndef NET_LEASE_RECORD_H
#define NET_LEASE_RECORD_H

#include <maestro/buf.h>
#include <maestro/json.h>

#define LEASE_HOLDER_BYTES 256

/* Zero: no object was seen. Owned by the caller; lease_record_finish. */
struct lease_record {
    struct buf metadata;             /* JSON of the object's, with its resourceVersion, without managedFields */
    struct buf spec;                 /* JSON, to see that it changed; empty: none */
    char holder[LEASE_HOLDER_BYTES]; /* "": free; cut if longer */
    char acquire_time[64];
    double duration_s;
    long long transitions;
};

/* out is replaced. A record that makes no sense (no resourceVersion, counts below zero) is ERR_FORMAT: it must not be
 * overwritten. */
MUST_CHECK bool lease_record_read(struct lease_record *out, const struct json *object, struct err *e);
bool lease_record_is_same(const struct lease_record *a, const struct lease_record *b);
void lease_record_finish(struct lease_record *r); /* accepts NULL and zeroed */

/* What a write says. holder "": given up. */
struct lease_claim {
    const char *metadata, *holder;
    const char *acquire_time; /* NULL: now */
    long long duration_s, transitions;
};

/* The body of a POST or PUT, renewed at wall_s, appended to out. */
MUST_CHECK bool lease_record_write(struct buf *out, const struct lease_claim *claim, double wall_s, struct err *e);

#endif
