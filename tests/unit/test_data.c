/* data: the order of the places where shipped files are looked for. */
#include <maestro/data.h>
#include <maestro/file.h>

#include "folder.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The build's environment names it. */
static const char *source_folder(void)
{
    const char *folder = getenv("MAESTRO_SOURCE");
    ck_assert_msg(folder != NULL, "MAESTRO_SOURCE is not set");
    return folder;
}

static void expect_path(const char *name, const char *path)
{
    struct buf out = {0};
    struct err e = {0};
    ck_assert_msg(data_path(name, &out, &e), "%s", e.message);
    ck_assert_str_eq(out.bytes, path);
    buf_finish(&out);
}

START_TEST(given_then_variable_then_source)
{
    char folder[FOLDER_BYTES], own[128], source[4096];
    struct err e = {0};
    folder_make(folder);
    ck_assert_int_eq(unsetenv("MAESTRO_DATA"), 0);
    ck_assert_int_eq(chdir(folder), 0);
    snprintf(source, sizeof source, "%s/meson.build", source_folder());
    expect_path("meson.build", source);
    snprintf(own, sizeof own, "%s/data/meson.build", folder);
    ck_assert(file_make_folder("data", &e) && file_write_atomic(own, "x", 1, &e));
    ck_assert_int_eq(setenv("MAESTRO_DATA", "data", 1), 0);
    expect_path("meson.build", "data/meson.build");
    ck_assert(file_write_atomic("meson.build", "x", 1, &e));
    expect_path("meson.build", "meson.build");
    expect_path(own, own);
    ck_assert_int_eq(chdir("/"), 0);
    folder_remove(folder);
}
END_TEST

START_TEST(what_is_nowhere_is_listed_with_the_places)
{
    struct buf out = {0};
    struct err e = {0};
    ck_assert_int_eq(setenv("MAESTRO_DATA", "/nowhere", 1), 0);
    ck_assert(!data_path("envs/absent.yaml", &out, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    static const char start[] = "'envs/absent.yaml' does not exist; looked in the current folder, /nowhere, ";
    ck_assert_msg(strncmp(e.message, start, sizeof start - 1) == 0, "%s", e.message);
    ck_assert_ptr_nonnull(strstr(e.message, source_folder()));
    ck_assert_ptr_nonnull(strstr(e.message, "/maestro"));
    ck_assert(!data_path("/absent", &out, &e));
    ck_assert(!data_path("", &out, &e));
    ck_assert_uint_eq(out.len, 0);
    buf_finish(&out);
}
END_TEST

SUITE("data", given_then_variable_then_source, what_is_nowhere_is_listed_with_the_places)
