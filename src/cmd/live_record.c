/* live_record: one line in a file, "UID REPLICAS": the Deployment and the count that it was found with. In: a session about to
 * change it; out: what a session that was killed has left undone. Looks at no cluster and scales nothing. */
#include "live_record.h"

#include <maestro/file.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_BYTES = 256 };

void live_record_name(struct live_record *r, const char *run, const char *target, const char *uid)
{
    const char *slash = strrchr(run, '/');
    int folder = slash ? (int)(slash - run) + 1 : 0;
    *r = (struct live_record){0};
    int used = snprintf(r->path, sizeof r->path, "%.*s%s.found", folder, run, target);
    snprintf(r->uid, sizeof r->uid, "%s", uid);
    if (used >= (int)sizeof r->path)
        r->path[0] = '\0';
    else if ((slash = strrchr(r->path, '/')) && slash >= r->path + folder)
        r->path[slash - r->path] = '.'; // between namespace and name
}

bool live_record_read(struct live_record *r, int *replicas, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    *replicas = 0;
    if (!r->path[0] || !file_exists(r->path))
        return true;
    if (!file_read(r->path, RECORD_BYTES, &text, e))
        return false;
    size_t n_uid = strlen(r->uid);
    if (text.len <= n_uid || strncmp(text.bytes, r->uid, n_uid) != 0 || text.bytes[n_uid] != ' ')
        return true;
    long count = strtol(text.bytes + n_uid, NULL, 10);
    *replicas = count > 0 && count < 1000000 ? (int)count : 0;
    r->written = *replicas > 0;
    return true;
}

bool live_record_write(struct live_record *r, int replicas, struct err *e)
{
    char line[96];
    int n = snprintf(line, sizeof line, "%s %d\n", r->uid, replicas);
    if (!r->path[0])
        return true;
    if (!file_make_parent(r->path, e) || !file_write_atomic(r->path, line, (size_t)n, e))
        return err_wrap(e, "the count to give back must be on disk before it is changed");
    r->written = true;
    return true;
}

bool live_record_drop(struct live_record *r, struct err *e)
{
    if (!r->written)
        return true;
    r->written = false;
    return unlink(r->path) == 0 || errno == ENOENT ||
           err_set(e, ERR_IO, "%.300s: cannot be removed: %s", r->path, strerror(errno));
}
