/* file: the only place that opens files for whole reading and writing. */
#include <maestro/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_LIMIT 40 // as Linux itself has it

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define CLEANUP_FD __attribute__((cleanup(close_fd)))

static bool fail(struct err *e, const char *path, const char *doing)
{
    return err_set(e, ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

static bool read_all(int fd, const char *path, size_t limit, struct buf *out, struct err *e)
{
    char chunk[16384];
    for (size_t total = 0;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(e, path, "read");
        if (n == 0)
            break;
        total += (size_t)n;
        if (total > limit)
            return err_set(e, ERR_FORMAT, "%s: larger than %zu bytes", path, limit);
        buf_append(out, chunk, (size_t)n);
    }
    buf_append(out, "", 0);
    return buf_ok(out, e) || err_wrap(e, "%s", path);
}

bool file_read(const char *path, size_t limit, struct buf *out, struct err *e)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? read_all(fd, path, limit, out, e) : fail(e, path, "open");
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A pipe has no state but its end. */
static bool was_written(const struct stat *before, const struct stat *after)
{
    return S_ISREG(after->st_mode) &&
           (before->st_size != after->st_size || !same_time(before->st_mtim, after->st_mtim));
}

bool file_read_still(const char *path, size_t limit, struct buf *out, struct err *e)
{
    struct stat before, after;
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &before) != 0)
        return fail(e, path, "open");
    if (!read_all(fd, path, limit, out, e))
        return false;
    if (fstat(fd, &after) != 0)
        return fail(e, path, "read");
    return !was_written(&before, &after) || err_set(e, ERR_IO, "%s: was written to while it was read", path);
}

struct file_stamp file_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct file_stamp){0};
    return (struct file_stamp){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
    if (!a->there || !b->there)
        return a->there == b->there;
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, PATH_MAX, ".");
    else if (slash == path)
        snprintf(folder, PATH_MAX, "/");
    else
        snprintf(folder, PATH_MAX, "%.*s", (int)(slash - path), path);
}

static bool sync_folder(const char *path, struct err *e)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    CLEANUP_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, folder, "open");
    // Some file systems cannot sync a folder; the rename itself has happened.
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        return fail(e, folder, "sync");
    return true;
}

static bool write_temporary(const char *temporary, const void *bytes, size_t n, const char *path, struct err *e)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(e, path, "create");
    bool done = write_all(fd, bytes, n) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && done) {
        done = false;
        reason = errno;
    }
    errno = reason;
    return done || fail(e, path, "write");
}

/* The descriptor of this process that path names (/proc/self/fd/1, /dev/fd/1), -1: none. Whoever holds a file open would go on
 * with the one that was replaced. */
static int descriptor_of(const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX], own[32];
    const char *slash = strrchr(path, '/');
    char *end = NULL;
    folder_of(path, folder);
    snprintf(own, sizeof own, "/proc/%ld/fd", (long)getpid());
    if (!slash || !realpath(folder, real) || strcmp(real, own) != 0)
        return -1;
    long fd = strtol(slash + 1, &end, 10);
    return end == slash + 1 || *end || fd < 0 || fd > INT_MAX ? -1 : (int)fd;
}

/* Something with nothing to replace: a terminal, a pipe, a device, an open descriptor. */
static bool is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || descriptor_of(path) >= 0);
}

static bool write_stream(const char *path, const void *bytes, size_t n, struct err *e)
{
    int own = descriptor_of(path);
    CLEANUP_FD int fd = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, path, "open");
    return write_all(fd, bytes, n) || fail(e, path, "write");
}

/* One link further: *path becomes what it points at; false where it is no link. */
static bool follow(char path[PATH_MAX])
{
    char target[PATH_MAX], folder[PATH_MAX], next[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    folder_of(path, folder);
    int length = target[0] == '/' ? snprintf(next, sizeof next, "%s", target)
                                  : snprintf(next, sizeof next, "%s/%s", folder, target);
    if (length < 0 || (size_t)length >= sizeof next)
        return false;
    memcpy(path, next, (size_t)length + 1);
    return true;
}

/* The file behind links, there or not, or the first of them that is a stream. */
static bool resolve(const char *path, char real[PATH_MAX], struct err *e)
{
    int length = snprintf(real, PATH_MAX, "%s", path);
    if (length < 0 || length >= PATH_MAX)
        return err_set(e, ERR_IO, "%.200s...: path too long", path);
    for (int links = 0; !is_stream(real) && follow(real); links++)
        if (links == LINKS_LIMIT)
            return err_set(e, ERR_IO, "%s: cannot write: too many links", path);
    return true;
}

bool file_write_atomic(const char *link, const void *bytes, size_t n, struct err *e)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    if (!resolve(link, path, e))
        return false;
    if (is_stream(path))
        return write_stream(path, bytes, n, e);
    int length = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof temporary)
        return err_set(e, ERR_IO, "%.200s...: path too long", path);
    if (!write_temporary(temporary, bytes, n, path, e)) {
        unlink(temporary);
        return false;
    }
    if (rename(temporary, path) != 0) {
        fail(e, path, "replace");
        unlink(temporary);
        return false;
    }
    return sync_folder(path, e);
}

/* name.PID.tmp, as file_write_atomic calls them. */
static bool is_temporary(const char *name)
{
    const char *end = strrchr(name, '.');
    if (!end || end == name || strcmp(end, ".tmp") != 0)
        return false;
    const char *digit = end;
    while (digit > name && digit[-1] >= '0' && digit[-1] <= '9')
        digit--;
    return digit < end && digit > name + 1 && digit[-1] == '.';
}

bool file_sweep(const char *folder, struct err *e)
{
    DIR *d = opendir(folder);
    if (!d)
        return fail(e, folder, "open");
    bool done = true;
    for (const struct dirent *entry; done && (entry = readdir(d));)
        if (is_temporary(entry->d_name) && unlinkat(dirfd(d), entry->d_name, 0) != 0)
            done = fail(e, entry->d_name, "remove");
    closedir(d);
    return done;
}

bool file_append(const char *path, const void *bytes, size_t n, struct err *e)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(e, path, "open");
    return write_all(fd, bytes, n) || fail(e, path, "write");
}

bool file_cut(const char *path, uint64_t size, struct err *e)
{
    uint64_t now = 0;
    if (!file_size(path, &now, e))
        return false;
    if (now < size)
        return err_set(e, ERR_FORMAT, "%s: %llu bytes long, the checkpoint knows %llu", path, (unsigned long long)now,
                       (unsigned long long)size);
    return truncate(path, (off_t)size) == 0 || fail(e, path, "cut");
}

bool file_size(const char *path, uint64_t *size, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(e, path, "stat");
    *size = (uint64_t)st.st_size;
    return true;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool ends_in_dots(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    return strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

void file_bare_name(const char *path, char *out, size_t size)
{
    char real[PATH_MAX];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(out, size, "%.*s", (int)n, path);
    if (ends_in_dots(out) && realpath(out, real))
        snprintf(out, size, "%s", real);
}

bool file_make_folder(const char *path, struct err *e)
{
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof part)
        return err_set(e, ERR_IO, "%.200s: not a usable folder name", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return fail(e, part, "create folder");
        *p = kept;
        if (kept == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_IO, "%s: exists and is not a folder", path);
    return true;
}

/* "1: FLOCK  ADVISORY  WRITE 708 00:13:4711 0 EOF": the process, where the line is of that inode; else 0. */
static long holder_in(const char *line, ino_t inode)
{
    if (!strstr(line, ": FLOCK "))
        return 0;
    for (int word = 0; word < 4; word++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    char *end;
    long holder = strtol(line, &end, 10);
    for (int number = 0; number < 2; number++) {
        end += strcspn(end, ":");
        end += *end != '\0';
    }
    return strtoull(end, NULL, 10) == inode && holder > 0 ? holder : 0;
}

/* The process that holds a lock on this inode, as the kernel lists it; 0: not known, as from another pod. */
static long lock_holder(ino_t inode)
{
    char line[256];
    long holder = 0;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && holder == 0 && fgets(line, sizeof line, locks))
        holder = holder_in(line, inode);
    if (locks)
        fclose(locks);
    return holder;
}

static bool refuse_locked(const char *folder, int fd, struct err *e)
{
    struct stat st;
    long holder = fstat(fd, &st) == 0 ? lock_holder(st.st_ino) : 0;
    if (holder > 0)
        return err_set(e, ERR_USAGE, "%s: in use by process %ld", folder, holder);
    return err_set(e, ERR_USAGE, "%s: in use by another process", folder);
}

bool file_lock_folder(const char *folder, int *lock, struct err *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, folder, "open");
    // Some file systems lock no folder; then nobody is kept out, and nobody is kept from working.
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        refuse_locked(folder, fd, e);
        close(fd);
        return false;
    }
    *lock = fd;
    return true;
}

bool file_check_folder(const char *path, struct err *e)
{
    char at[PATH_MAX], folder[PATH_MAX];
    struct stat st;
    int length = snprintf(at, sizeof at, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof at)
        return err_set(e, ERR_IO, "%.200s: not a usable folder name", path);
    while (stat(at, &st) != 0 && errno == ENOENT && strcmp(at, ".") != 0) {
        folder_of(at, folder);
        memcpy(at, folder, sizeof at);
    }
    if (stat(at, &st) != 0)
        return fail(e, path, "create folder");
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_IO, "%s: exists and is not a folder", at);
    return access(at, W_OK | X_OK) == 0 || fail(e, path, strcmp(at, path) == 0 ? "write into" : "create folder");
}

bool file_remove(const char *path, struct err *e)
{
    return unlink(path) == 0 || errno == ENOENT || fail(e, path, "remove");
}

bool file_make_parent(const char *path, struct err *e)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    if (slash - path >= PATH_MAX)
        return err_set(e, ERR_IO, "%.200s: not a usable path", path);
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return file_make_folder(folder, e);
}
