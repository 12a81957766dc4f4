/* file: whole files that are either old or new, and appended files that may end torn but never lie. Every message names
 * the path and the operating system's reason. */
#ifndef MAESTRO_FILE_H
#define MAESTRO_FILE_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Appends the whole file to out; more than limit bytes is an error (ERR_FORMAT). */
MUST_CHECK bool file_read(const char *path, size_t limit, struct buf *out, struct err *e);

/* As file_read, for what must be whole: a file that is written to meanwhile is an error. */
MUST_CHECK bool file_read_still(const char *path, size_t limit, struct buf *out, struct err *e);

/* What tells one state of a file from another, its rights included. Zeroed: there is none, or it cannot be looked at. */
struct file_stamp {
    bool there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct file_stamp file_stamp(const char *path);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

/* path is afterwards the old file or the new one, whatever happens: temporary file beside it, fsync, rename, fsync of the
 * folder. On failure the temporary file is removed. Links are followed: what they point at is replaced, not they. What is no
 * file (a pipe, a device, /dev/stdout) is written to as it is. */
MUST_CHECK bool file_write_atomic(const char *path, const void *bytes, size_t n, struct err *e);

/* Removes the temporary files that killed writers left in a folder. Only for a folder that nobody else writes to now. */
MUST_CHECK bool file_sweep(const char *folder, struct err *e);

/* The bytes at the end of path, created if need be, in one write call, retried if cut short. */
MUST_CHECK bool file_append(const char *path, const void *bytes, size_t n, struct err *e);

/* Cuts path to size bytes (resume: back to the checkpoint). A shorter file is an error (ERR_FORMAT). */
MUST_CHECK bool file_cut(const char *path, uint64_t size, struct err *e);

MUST_CHECK bool file_size(const char *path, uint64_t *size, struct err *e);
bool file_exists(const char *path);
/* The path without slashes at its end (the root stays "/"), and the folder's own name where it ends in "." or "..", so that
 * what is named after it lies beside it. Cut to size bytes. */
void file_bare_name(const char *path, char *out, size_t size);
MUST_CHECK bool file_make_folder(const char *path, struct err *e); /* with its parents; existing is fine */
/* Whether file_make_folder could make it and files could be written there; makes nothing. */
MUST_CHECK bool file_check_folder(const char *path, struct err *e);
MUST_CHECK bool file_remove(const char *path, struct err *e); /* absent is fine */
/* Keeps every other process that asks out of a folder until *lock is closed, at the latest when this process ends, however it
 * ends. ERR_USAGE names who holds it. */
MUST_CHECK bool file_lock_folder(const char *folder, int *lock, struct err *e);
MUST_CHECK bool file_make_parent(const char *path,
                                 struct err *e); /* the folder that a file of this path would lie in */

#endif
