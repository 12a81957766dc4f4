/* run_files: keeps progress.csv, monitor.csv, the event file and, where asked for, steps.csv. In: text that others made. Out: appends in whole rows, and
 * marks that say how long each file is, so that a resumed run can cut away what a killed one wrote after its checkpoint. */
#include "run_files.h"

#include <maestro/clock.h>
#include <maestro/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Far more than the rows between two flushes; nothing is ever added in pieces over RELIEF_BYTES. */
enum { RESERVED_BYTES = 1 << 17, RELIEF_BYTES = 1 << 14 };

static const char *name_of(const struct run_files *f, int which)
{
    static const char *const names[RUN_FILE_COUNT] = {
        [RUN_PROGRESS] = "progress.csv", [RUN_MONITOR] = "monitor.csv", [RUN_STEPS] = "steps.csv"};
    return which == RUN_EVENTS ? f->marks.events_name : names[which];
}

static bool is_kept(const struct run_files *f, int which)
{
    return which != RUN_STEPS || f->has_steps;
}

void run_path(char out[RUN_PATH], const char *folder, const char *name)
{
    snprintf(out, RUN_PATH, "%s/%s", folder, name);
}

bool run_files_init(struct run_files *f, const char *folder, bool has_steps, struct err *e)
{
    static const char zeros[1024];
    *f = (struct run_files){.folder = folder, .has_steps = has_steps, .lock = -1};
    for (int i = 0; i < RUN_FILE_COUNT; i++) {
        if (!is_kept(f, i))
            continue;
        while (f->pending[i].len < RESERVED_BYTES && !f->pending[i].failed)
            buf_append(&f->pending[i], zeros, sizeof zeros);
        if (!buf_ok(&f->pending[i], e))
            return false;
        buf_clear(&f->pending[i]);
    }
    return true;
}

void run_files_finish(struct run_files *f)
{
    for (int i = 0; i < RUN_FILE_COUNT; i++)
        buf_finish(&f->pending[i]);
    if (f->folder && f->lock >= 0)
        close(f->lock);
}

bool run_files_create(struct run_files *f, bool deterministic, struct err *e)
{
    if (!f->folder[0])
        return err_set(e, ERR_USAGE, "train.out: name the folder that the run shall be written to");
    if (file_exists(f->folder))
        return err_set(e, ERR_USAGE,
                       "%.200s: exists already; choose another train.out, or go on with it: --resume %.200s", f->folder,
                       f->folder);
    if (!file_make_folder(f->folder, e) || !file_lock_folder(f->folder, &f->lock, e))
        return false;
    char host[64] = "maestro";
    if (!deterministic && gethostname(host, sizeof host) != 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    f->marks.t_start_s = deterministic ? 0.0 : clock_wall_s();
    snprintf(f->marks.events_name, sizeof f->marks.events_name, "events.out.tfevents.%010.0f.%s.%ld.0",
             f->marks.t_start_s, host, deterministic ? 0L : (long)getpid());
    return true;
}

bool run_files_cut(const struct run_files *f, struct err *e)
{
    for (int i = 0; i < RUN_FILE_COUNT; i++) {
        char path[RUN_PATH];
        if (!is_kept(f, i))
            continue;
        run_path(path, f->folder, name_of(f, i));
        if (!file_cut(path, f->marks.bytes[i], e))
            return false;
    }
    return true;
}

static bool sync_file(const char *path, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return done || err_set(e, ERR_IO, "%s: cannot sync: %s", path, strerror(reason));
}

static bool flush_one(struct run_files *f, enum run_file which, struct err *e)
{
    struct buf *b = &f->pending[which];
    if (!buf_ok(b, e))
        return false;
    if (b->len == 0)
        return true;
    char path[RUN_PATH];
    run_path(path, f->folder, name_of(f, (int)which));
    if (!file_append(path, b->bytes, b->len, e))
        return false;
    f->marks.bytes[which] += b->len;
    buf_clear(b);
    return true;
}

bool run_files_flush(struct run_files *f, bool safely, struct err *e)
{
    for (int i = 0; i < RUN_FILE_COUNT; i++) {
        char path[RUN_PATH];
        if (!is_kept(f, i))
            continue;
        if (!flush_one(f, (enum run_file)i, e))
            return false;
        run_path(path, f->folder, name_of(f, i));
        if (safely && !sync_file(path, e))
            return false;
    }
    return true;
}

bool run_files_relieve(struct run_files *f, enum run_file which, struct err *e)
{
    return f->pending[which].len < RESERVED_BYTES - RELIEF_BYTES || flush_one(f, which, e);
}
