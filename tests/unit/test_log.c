/* log: both formats, escaping, limits, levels, lines of threads that do not mix, no allocation (malloc, calloc and
 * realloc are counted by the linker's --wrap). */
#include <maestro/json.h>
#include <maestro/log.h>

#include "suite.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define N_THREADS 4
#define N_LINES 500

static char text[1 << 20];

/* What the calls between open_log and close_log wrote. */
static FILE *open_log(enum log_level least, enum log_format format)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    log_setup(least, format, file);
    return file;
}

static const char *close_log(FILE *file)
{
    rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    log_setup(LOG_INFO, LOG_LOGFMT, NULL);
    return text;
}

/* Behind "ts=...Z ". */
static const char *after_time(const char *line)
{
    ck_assert_int_eq(strncmp(line, "ts=2", 4), 0);
    const char *space = strchr(line, ' ');
    ck_assert_ptr_nonnull(space);
    ck_assert_int_eq(space[-1], 'Z');
    return space + 1;
}

START_TEST(logfmt_quotes_what_needs_it)
{
    FILE *file = open_log(LOG_INFO, LOG_LOGFMT);
    bool on = true;
    float half = 0.5f;
    log_info("scale", kv("target", "web-api"), kv("from", 3), kv("to", 4u), kv("ok", on), kv("p95", 0.1),
             kv("h", half));
    log_warn("odd", kv("empty", ""), kv("space", "a b"), kv("quote", "a\"b"), kv("equals", "a=b"), kv("line", "a\nb"),
             kv("word", "null"), kv("none", (const char *)NULL), kv("nan", (double)NAN), kv("e", "\xc3\xa9\xff"));
    log_error("bare");
    const char *line = after_time(close_log(file));
    static const char first[] = "level=info event=scale target=web-api from=3 to=4 ok=true p95=0.1 h=0.5\n";
    ck_assert_int_eq(strncmp(line, first, sizeof first - 1), 0);
    line = after_time(line + sizeof first - 1);
    static const char second[] =
        "level=warn event=odd empty=\"\" space=\"a b\" quote=\"a\\\"b\" equals=\"a=b\" line=\"a\\nb\" "
        "word=\"null\" none=null nan=nan e=\"\xc3\xa9\\ufffd\"\n";
    ck_assert_msg(strncmp(line, second, sizeof second - 1) == 0, "%s", line);
    ck_assert_str_eq(after_time(line + sizeof second - 1), "level=error event=bare\n");
}
END_TEST

START_TEST(json_lines_are_json)
{
    struct json_document d;
    struct err e = {0};
    const char *value;
    double number;
    FILE *file = open_log(LOG_DEBUG, LOG_JSON);
    log_debug("a\"b", kv("text", "x\n\"\\\x02\xff"), kv("big", 18446744073709551615ull), kv("bad", (double)NAN),
              kv("n", -5LL));
    const char *line = close_log(file);
    ck_assert_msg(json_parse(&d, "line", line, strlen(line), &e), "%s: %s", e.message, line);
    ck_assert(json_text(d.root, "event", &value, &e));
    ck_assert_str_eq(value, "a\"b");
    ck_assert(json_text(d.root, "text", &value, &e));
    ck_assert_str_eq(value, "x\n\"\\\x02\xef\xbf\xbd");
    ck_assert(json_text(d.root, "level", &value, &e));
    ck_assert_str_eq(value, "debug");
    ck_assert(json_is_null(json_find(d.root, "bad")) && json_number(d.root, "n", &number, &e));
    ck_assert_double_eq(number, -5);
    ck_assert_ptr_nonnull(strstr(line, "\"big\":18446744073709551615,"));
    json_finish(&d);
}
END_TEST

START_TEST(levels_below_the_least_are_silent)
{
    FILE *file = open_log(LOG_WARN, LOG_LOGFMT);
    log_debug("no");
    log_info("no");
    log_warn("yes");
    ck_assert_str_eq(after_time(close_log(file)), "level=warn event=yes\n");
}
END_TEST

START_TEST(long_lines_are_cut_and_stay_whole)
{
    struct json_document d;
    struct err e = {0};
    char long_text[4000];
    const char *value;
    bool cut = false;
    memset(long_text, '\x01', sizeof long_text - 1); // each becomes six bytes
    long_text[sizeof long_text - 1] = '\0';
    FILE *file = open_log(LOG_INFO, LOG_JSON);
    log_info("cut", kv("a", "kept"), kv("b", long_text), kv("c", 1));
    const char *line = close_log(file);
    ck_assert_uint_le(strlen(line), LOG_LINE);
    ck_assert_msg(json_parse(&d, "line", line, strlen(line), &e), "%s: %s", e.message, line);
    ck_assert(json_flag(d.root, "truncated", &cut, &e) && cut);
    ck_assert(json_text(d.root, "a", &value, &e) && !json_find(d.root, "b") && !json_find(d.root, "c"));
    json_finish(&d);
    memset(long_text, 'x', sizeof long_text - 1);
    file = open_log(LOG_INFO, LOG_LOGFMT);
    log_info("cut", kv("b", long_text), kv("c", 1));
    line = close_log(file);
    ck_assert_ptr_nonnull(strstr(line, "x...\" c=1\n"));
    ck_assert_uint_lt(strlen(line), LOG_TEXT + 100);
}
END_TEST

static void *write_lines(void *arg)
{
    const int *id = arg;
    for (int i = 0; i < N_LINES; i++)
        log_info("line", kv("thread", *id), kv("i", i), kv("filler", "0123456789012345678901234567890123456789"));
    return NULL;
}

START_TEST(lines_of_threads_do_not_mix)
{
    pthread_t threads[N_THREADS];
    int ids[N_THREADS], next[N_THREADS] = {0}, n = 0;
    FILE *file = open_log(LOG_INFO, LOG_LOGFMT);
    for (int i = 0; i < N_THREADS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &ids[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    const char *line = close_log(file);
    for (const char *end; (end = strchr(line, '\n')); line = end + 1, n++) {
        int thread = -1, i = -1, used = 0;
        const char *body = strchr(line, ' ') + 1;
        sscanf(body, "level=info event=line thread=%d i=%d filler=0123456789012345678901234567890123456789%n", &thread,
               &i, &used);
        if (body + used != end || thread < 0 || thread >= N_THREADS || i != next[thread]++)
            ck_abort_msg("line %d is torn: %.*s", n, (int)(end - line), line);
    }
    ck_assert_int_eq(n, N_THREADS * N_LINES);
}
END_TEST

static int n_allocations;
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *old, size_t n);

void *__wrap_malloc(size_t n)
{
    n_allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    n_allocations++;
    return __real_calloc(count, n);
}

void *__wrap_realloc(void *old, size_t n)
{
    n_allocations++;
    return __real_realloc(old, n);
}

START_TEST(a_line_allocates_nothing)
{
    void *volatile probe = malloc(1);
    ck_assert_int_gt(n_allocations, 0); // the counter counts
    free(probe);
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        FILE *file = open_log(LOG_INFO, (enum log_format)format);
        int before = n_allocations;
        log_info("scale", kv("target", "a \"b\""), kv("p95", 0.1), kv("n", 3), kv("ok", (bool)true));
        int after = n_allocations;
        close_log(file);
        ck_assert_int_eq(after, before);
    }
}
END_TEST

SUITE("log", logfmt_quotes_what_needs_it, json_lines_are_json, levels_below_the_least_are_silent,
      long_lines_are_cut_and_stay_whole, lines_of_threads_do_not_mix, a_line_allocates_nothing)
