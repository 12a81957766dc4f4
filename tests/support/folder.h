/* folder: a temporary folder for one test, and its removal with all that lies in it. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_BYTES 64

static inline void folder_make(char folder[FOLDER_BYTES])
{
    snprintf(folder, FOLDER_BYTES, "/tmp/maestro-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void folder_remove(const char *path) // NOLINT(misc-no-recursion): as deep as the test made it
{
    struct stat st;
    ck_assert_int_eq(lstat(path, &st), 0);
    if (!S_ISDIR(st.st_mode)) {
        ck_assert_int_eq(unlink(path), 0);
        return;
    }
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char child[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int n = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        ck_assert_int_lt(n, (int)sizeof child);
        folder_remove(child);
    }
    closedir(dir);
    ck_assert_int_eq(rmdir(path), 0);
}

#endif
