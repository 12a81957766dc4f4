/* Whole files are old or new whatever happens: refused folders, a full disk, SIGKILL in mid-write. */
#include <maestro/file.h>

#include "folder.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[FOLDER_BYTES];

static const char *at(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int count_entries(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

static void write_text(const char *path, const char *text)
{
    struct err e = {0};
    ck_assert_msg(file_write_atomic(path, text, strlen(text), &e), "%s", e.message);
}

static void expect_text(const char *path, const char *text)
{
    struct err e = {0};
    struct buf out = {0};
    ck_assert_msg(file_read(path, 1 << 20, &out, &e), "%s", e.message);
    ck_assert_str_eq(out.bytes, text);
    buf_finish(&out);
}

START_TEST(written_files_read_back_and_leave_no_traces)
{
    folder_make(folder);
    write_text(at("a"), "old");
    write_text(at("a"), "new");
    expect_text(at("a"), "new");
    write_text(at("a"), "");
    expect_text(at("a"), "");
    ck_assert_int_eq(count_entries(), 1);
    folder_remove(folder);
}
END_TEST

struct scribbler {
    int fd;
    _Atomic bool over;
};

static void *scribble(void *context)
{
    struct scribbler *s = context;
    for (unsigned char byte = 0; !atomic_load(&s->over); byte++)
        if (pwrite(s->fd, &byte, 1, byte) != 1)
            break;
    return NULL;
}

/* A reader that gets in between two halves must not take them for one file. */
START_TEST(a_file_written_to_meanwhile_is_refused)
{
    struct err e = {0};
    struct scribbler s = {0};
    pthread_t writer;
    bool refused = false;
    folder_make(folder);
    s.fd = open(at("big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_eq(ftruncate(s.fd, 64 << 20), 0);
    ck_assert_int_eq(pthread_create(&writer, NULL, scribble, &s), 0);
    for (time_t end = time(NULL) + 20; !refused && time(NULL) < end;) {
        struct buf out = {0};
        refused = !file_read_still(at("big"), 64 << 20, &out, &e);
        buf_finish(&out);
    }
    atomic_store(&s.over, true);
    pthread_join(writer, NULL);
    close(s.fd);
    ck_assert(refused);
    ck_assert_msg(strstr(e.message, "big: was written to while it was read"), "%s", e.message);
    struct buf out = {0};
    ck_assert_msg(file_read_still(at("big"), 64 << 20, &out, &e), "%s", e.message);
    buf_finish(&out);
    folder_remove(folder);
}
END_TEST

START_TEST(links_stay_links)
{
    struct stat st;
    folder_make(folder);
    write_text(at("file"), "old");
    ck_assert_int_eq(symlink("file", at("near")), 0);
    ck_assert_int_eq(symlink(at("near"), at("far")), 0);
    ck_assert_int_eq(symlink("later", at("ahead")), 0);
    write_text(at("far"), "new");
    write_text(at("ahead"), "made");
    expect_text(at("file"), "new");
    expect_text(at("later"), "made");
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"near", "far", "ahead"};
        ck_assert_int_eq(lstat(at(names[i]), &st), 0);
        ck_assert(S_ISLNK(st.st_mode));
    }
    ck_assert_int_eq(symlink("round", at("round")), 0);
    ck_assert(!file_write_atomic(at("round"), "", 0, NULL));
    folder_remove(folder);
}
END_TEST

START_TEST(streams_are_written_to_as_they_are)
{
    struct stat st;
    char name[64], read_back[8] = "";
    int ends[2];
    folder_make(folder);
    ck_assert_int_eq(symlink("/dev/null", at("nowhere")), 0);
    write_text(at("nowhere"), "lost");
    ck_assert_int_eq(stat(at("nowhere"), &st), 0);
    ck_assert(S_ISCHR(st.st_mode));
    ck_assert_int_eq(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    write_text(name, "through");
    ck_assert_int_eq(read(ends[0], read_back, 7), 7);
    ck_assert_str_eq(read_back, "through");
    close(ends[0]);
    close(ends[1]);
    int fd = open(at("log"), O_WRONLY | O_CREAT, 0644);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    write_text(name, "one ");
    ck_assert_int_eq(write(fd, "two", 3), 3);
    close(fd);
    expect_text(at("log"), "one two");
    folder_remove(folder);
}
END_TEST

START_TEST(a_sweep_takes_what_killed_writers_left)
{
    struct err e = {0};
    folder_make(folder);
    write_text(at("checkpoint.4711.tmp"), "half");
    write_text(at("best.safetensors.12.tmp"), "");
    write_text(at("best.safetensors"), "kept");
    write_text(at("notes.tmp"), "a person's own");
    write_text(at("12.tmp"), "a person's own");
    write_text(at("v1.12.tmp.gz"), "a person's own");
    ck_assert_msg(file_sweep(folder, &e), "%s", e.message);
    ck_assert_int_eq(count_entries(), 4);
    ck_assert(!file_exists(at("checkpoint.4711.tmp")) && !file_exists(at("best.safetensors.12.tmp")));
    ck_assert(!file_sweep(at("nowhere"), &e));
    ck_assert_ptr_nonnull(strstr(e.message, "nowhere"));
    folder_remove(folder);
}
END_TEST

START_TEST(reading_says_what_is_wrong)
{
    struct err e = {0};
    struct buf out = {0};
    folder_make(folder);
    ck_assert(!file_read(at("absent"), 10, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "/absent: cannot open: No such file"));
    ck_assert_int_eq(e.code, ERR_IO);
    write_text(at("long"), "12345678901");
    ck_assert(!file_read(at("long"), 10, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "larger than 10 bytes"));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert(!file_read(folder, 10, &out, &e)); // a folder is no file
    buf_finish(&out);
    folder_remove(folder);
}
END_TEST

START_TEST(append_and_cut)
{
    struct err e = {0};
    uint64_t size = 0;
    folder_make(folder);
    ck_assert(file_append(at("log"), "one\n", 4, &e) && file_append(at("log"), "two\ntor", 7, &e));
    ck_assert(file_size(at("log"), &size, &e));
    ck_assert_uint_eq(size, 11);
    ck_assert(file_cut(at("log"), 8, &e));
    expect_text(at("log"), "one\ntwo\n");
    ck_assert(!file_cut(at("log"), 9, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.message, "8 bytes long, the checkpoint knows 9"));
    expect_text(at("log"), "one\ntwo\n");
    folder_remove(folder);
}
END_TEST

START_TEST(folders_with_parents)
{
    struct err e = {0};
    folder_make(folder);
    ck_assert(file_make_folder(at("a/b/c"), &e) && file_make_folder(at("a/b/c"), &e));
    ck_assert(file_exists(at("a/b/c")));
    write_text(at("a/file"), "x");
    ck_assert(!file_make_folder(at("a/file"), &e));
    ck_assert(file_make_parent(at("d/e/file"), &e) && file_exists(at("d/e")) && !file_exists(at("d/e/file")));
    ck_assert(file_make_parent("file", &e) && file_make_parent("/file", &e));
    ck_assert(!file_make_parent(at("a/file/b"), &e));
    ck_assert(!file_make_folder(at("a/file/b"), &e));
    ck_assert(!file_make_folder("", &e));
    folder_remove(folder);
}
END_TEST

/* Root writes through permissions: give them up in a child first. */
static int in_child(int (*body)(void))
{
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(body());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int write_without_permission(void)
{
    struct err e = {0};
    if (geteuid() == 0 && seteuid(65534) != 0)
        return 2;
    if (file_write_atomic(at("kept"), "new", 3, &e) || e.code != ERR_IO)
        return 3;
    return strstr(e.message, "/kept: cannot create: Permission denied") ? 0 : 4;
}

START_TEST(a_locked_folder_names_its_holder)
{
    struct err e = {0};
    char holder[32];
    int lock = -1, other = -1;
    folder_make(folder);
    snprintf(holder, sizeof holder, "in use by process %ld", (long)getpid());
    ck_assert_msg(file_lock_folder(folder, &lock, &e), "%s", e.message);
    ck_assert(!file_lock_folder(folder, &other, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.message, holder), "%s", e.message);
    ck_assert_int_eq(other, -1);
    close(lock);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(file_lock_folder(folder, &lock, NULL) ? raise(SIGKILL) : 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_msg(file_lock_folder(folder, &lock, &e), "%s", e.message);
    close(lock);
    folder_remove(folder);
}
END_TEST

START_TEST(folders_are_checked_without_being_made)
{
    struct err e = {0};
    folder_make(folder);
    write_text(at("file"), "");
    ck_assert_msg(file_check_folder(folder, &e), "%s", e.message);
    ck_assert_msg(file_check_folder(at("a/b/c"), &e), "%s", e.message);
    ck_assert(file_check_folder("no-such-name-here", &e));
    ck_assert(!file_check_folder(at("file"), &e));
    ck_assert(strstr(e.message, "exists and is not a folder"));
    ck_assert(!file_check_folder(at("file/below"), &e));
    ck_assert(strstr(e.message, "Not a directory"));
    ck_assert(!file_check_folder("", &e));
    ck_assert_int_eq(count_entries(), 1);
    folder_remove(folder);
}
END_TEST

START_TEST(a_read_only_folder_keeps_the_old_file)
{
    folder_make(folder);
    write_text(at("kept"), "old");
    ck_assert_int_eq(chmod(folder, 0555), 0);
    ck_assert_int_eq(in_child(write_without_permission), 0);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    expect_text(at("kept"), "old");
    ck_assert_int_eq(count_entries(), 1);
    folder_remove(folder);
}
END_TEST

static char megabyte[1 << 20];

static int write_too_much(void)
{
    struct err e = {0};
    if (file_write_atomic(at("kept"), megabyte, sizeof megabyte, &e) || e.code != ERR_IO)
        return 3;
    return strstr(e.message, "/kept: cannot write: ") ? 0 : 4;
}

static int write_beyond_limit(void)
{
    struct rlimit limit = {65536, 65536};
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? write_too_much() : 2;
}

/* The file size limit stops a write half-way, as a full disk does, wherever the test runs. */
START_TEST(a_write_cut_short_keeps_the_old_file)
{
    folder_make(folder);
    write_text(at("kept"), "old");
    ck_assert_int_eq(in_child(write_beyond_limit), 0);
    expect_text(at("kept"), "old");
    ck_assert_int_eq(count_entries(), 1);
    folder_remove(folder);
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_file)
{
    folder_make(folder);
    if (mount("maestro-test", folder, "tmpfs", 0, "size=128k") != 0) {
        printf("SKIP a_full_disk_keeps_the_old_file: cannot mount a tmpfs: %s\n", strerror(errno));
        folder_remove(folder);
        return;
    }
    write_text(at("kept"), "old");
    int status = in_child(write_too_much);
    int n = count_entries();
    expect_text(at("kept"), "old");
    ck_assert_int_eq(umount(folder), 0);
    folder_remove(folder);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(n, 1);
}
END_TEST

static void overwrite_forever(void)
{
    for (int i = 0;; i++) {
        memset(megabyte, i % 2 ? 'a' : 'b', sizeof megabyte);
        if (!file_write_atomic(at("kept"), megabyte, sizeof megabyte, NULL))
            _exit(1);
    }
}

static void expect_whole(void)
{
    struct err e = {0};
    struct buf out = {0};
    ck_assert_msg(file_read(at("kept"), 2 * sizeof megabyte, &out, &e), "%s", e.message);
    if (out.len != 3) {
        ck_assert_uint_eq(out.len, sizeof megabyte);
        for (size_t i = 1; i < out.len; i++)
            if (out.bytes[i] != out.bytes[0])
                ck_abort_msg("byte %zu is of another version", i);
    }
    buf_finish(&out);
}

START_TEST(a_kill_leaves_the_old_file_or_the_new_one)
{
    folder_make(folder);
    write_text(at("kept"), "old");
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            overwrite_forever();
        struct timespec moment = {.tv_nsec = 700000L + 531000L * i}; // 0.7 to 11 ms: within one write or another
        nanosleep(&moment, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        expect_whole();
    }
    folder_remove(folder);
}
END_TEST

START_TEST(a_path_too_long_is_refused)
{
    struct err e = {0};
    char path[8192];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ck_assert(!file_write_atomic(path, "x", 1, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "path too long"));
}
END_TEST

static void bare(const char *path, const char *name)
{
    char found[PATH_MAX];
    file_bare_name(path, found, sizeof found);
    ck_assert_str_eq(found, name);
}

START_TEST(slashes_at_the_end_are_no_part_of_a_name)
{
    bare("runs/live", "runs/live");
    bare("runs/live/", "runs/live");
    bare("runs/live///", "runs/live");
    bare("/", "/");
    bare("//", "/");
    bare("", "");
    bare("runs/.hidden", "runs/.hidden");
}
END_TEST

START_TEST(dots_at_the_end_stand_for_a_folder_with_a_name)
{
    char here[PATH_MAX];
    char path[2 * PATH_MAX];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    bare(".", here);
    bare("./", here);
    snprintf(path, sizeof path, "%s/.", here);
    bare(path, here);
    snprintf(path, sizeof path, "%s/none/..", here); // does not exist: what it stands for is not known
    bare(path, path);
    *strrchr(here, '/') = '\0';
    bare("..", here[0] ? here : "/");
}
END_TEST

SUITE("file", written_files_read_back_and_leave_no_traces, a_file_written_to_meanwhile_is_refused, links_stay_links,
      streams_are_written_to_as_they_are, a_sweep_takes_what_killed_writers_left, reading_says_what_is_wrong,
      append_and_cut, folders_with_parents, a_locked_folder_names_its_holder, folders_are_checked_without_being_made,
      a_read_only_folder_keeps_the_old_file, a_write_cut_short_keeps_the_old_file, a_full_disk_keeps_the_old_file,
      a_kill_leaves_the_old_file_or_the_new_one, a_path_too_long_is_refused, slashes_at_the_end_are_no_part_of_a_name,
      dots_at_the_end_stand_for_a_folder_with_a_name)
