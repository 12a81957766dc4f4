/* pool: files mended in place are read again, whatever of them changed, and what cannot be opened is tried once a round. */
#include <maestro/file.h>
#include <maestro/pool.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "fake_http.h"
#include "folder.h"
#include "suite.h"
#include "trained.h"

static struct pool *open_pool(const char *folder, const char *allowed)
{
    const struct pool_config config = {.section = "suggest",
                                       .folder = folder,
                                       .allowed = allowed,
                                       .policy = "fixed:1",
                                       .period_s = 15,
                                       .window_s = 60};
    struct pool *p = NULL;
    struct err e = {0};
    ck_assert_msg(pool_open(&config, &p, &e), "%s", e.message);
    return p;
}

/* In place, at a time of its own: only the state of the file says that something happened. */
static void overwrite(const char *path, const struct buf *bytes, struct timespec modified)
{
    const struct timespec times[2] = {modified, modified};
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes->bytes, 1, bytes->len, f), bytes->len);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void note(void *context, const char *text, const struct err *why)
{
    struct err *last = context;
    ck_assert_str_eq(text, "ppo:web");
    *last = *why;
}

/* As by chmod, which moves neither the time of writing nor the size. */
START_TEST(a_file_mended_without_being_written_is_read_again)
{
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 32];
    CLEANUP_BUF struct buf good = {0};
    struct stat st;
    const struct pooled *pooled = NULL;
    struct err e = {0}, last = {0};
    folder_make(folder);
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, "default", 3);
    ck_assert(file_read(path, 1 << 24, &good, &e));
    struct pool *p = open_pool(folder, "ppo");
    ck_assert_msg(pool_find(p, "ppo:web", &pooled, &e), "%s", e.message);
    ck_assert_int_eq(stat(path, &st), 0);
    struct timespec refused_at = {.tv_sec = st.st_mtim.tv_sec + 1};
    good.bytes[0] ^= 0x55;
    overwrite(path, &good, refused_at);
    pool_reload(p, note, &last);
    ck_assert_int_ne(last.code, ERR_NONE);
    unsigned generation = pooled->generation;
    good.bytes[0] ^= 0x55;
    struct file_stamp before = file_stamp(path), after = before;
    while (file_stamp_same(&before, &after)) { // the clock of files is coarse
        overwrite(path, &good, refused_at);
        after = file_stamp(path);
    }
    pool_reload(p, note, &last);
    ck_assert_msg(last.code == ERR_NONE, "%s", last.message);
    ck_assert_uint_eq(pooled->generation, generation + 1);
    pool_close(p);
    folder_remove(folder);
}
END_TEST

START_TEST(what_cannot_be_opened_is_tried_once_a_round)
{
    static const struct fake_reply script[] = {{.status = 500, .body = "{\"error\":\"out of order\"}"},
                                               {.status = 500, .body = "{\"error\":\"out of order\"}"},
                                               {.status = 404}};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 3});
    const struct pooled *pooled = NULL;
    struct err e = {0};
    char text[128];
    snprintf(text, sizeof text, "remote:%s/predict", fake_http_url(f));
    struct pool *p = open_pool("", text);
    for (int round = 1; round <= 2; round++) {
        pool_begin_round(p);
        for (int i = 0; i < 5; i++) {
            e = (struct err){0};
            ck_assert(!pool_find(p, text, &pooled, &e));
            ck_assert_msg(strstr(e.message, "out of order"), "%s", e.message);
        }
        ck_assert_int_eq(fake_http_requests(f), round);
    }
    ck_assert(!pool_find(p, text, &pooled, NULL)); // nobody need listen
    pool_begin_round(p);
    ck_assert_msg(pool_find(p, text, &pooled, &e), "%s", e.message);
    ck_assert_str_eq(pooled->text, text);
    pool_close(p);
    fake_http_close(f);
}
END_TEST

SUITE("pool", a_file_mended_without_being_written_is_read_again, what_cannot_be_opened_is_tried_once_a_round)
