/* text: doubles that read back, UTF-8, JSON escapes, suggestions. */
#include <maestro/rng.h>
#include <maestro/text.h>

#include "suite.h"

#include <math.h>
#include <string.h>

START_TEST(doubles_are_short_and_read_back)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0.1, "0.1"},
                {3e-4, "0.0003"},
                {1.0 / 3, "0.3333333333333333"},
                {1e22, "1e+22"},
                {20480, "20480"},
                {-0.0, "-0"},
                {5e-324, "4.94065645841247e-324"},
                {0.1 + 0.2, "0.30000000000000004"},
                {HUGE_VAL, "inf"},
                {-HUGE_VAL, "-inf"},
                {(double)NAN, "nan"}};
    char out[TEXT_DOUBLE];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(text_double(out, rows[i].value), rows[i].text);
}
END_TEST

START_TEST(random_doubles_read_back_bit_for_bit)
{
    struct rng r;
    char out[TEXT_DOUBLE];
    rng_init(&r, 1, 1);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)rng_u32(&r) << 32 | rng_u32(&r);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        back = strtod(text_double(out, value), NULL);
        if (memcmp(&back, &value, sizeof back) != 0)
            ck_abort_msg("%s is not %a", out, value);
    }
}
END_TEST

START_TEST(utf8_by_the_book)
{
    static const struct {
        const char *bytes;
        size_t n;
        int length;
        uint32_t code;
    } rows[] = {
        {"a", 1, 1, 'a'},
        {"\xc3\xa9", 2, 2, 0xe9},
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"", 0, 0, 0},
        {"\xc3", 1, 0, 0},             // cut short
        {"\xc0\xaf", 2, 0, 0},         // overlong
        {"\xe0\x80\xaf", 3, 0, 0},     // overlong
        {"\xed\xa0\x80", 3, 0, 0},     // surrogate
        {"\xf4\x90\x80\x80", 4, 0, 0}, // beyond Unicode
        {"\x80", 1, 0, 0},             // continuation first
        {"\xe2\x28\xa1", 3, 0, 0},     // wrong continuation
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t code = 0;
        ck_assert_int_eq(text_utf8(rows[i].bytes, rows[i].n, &code), rows[i].length);
        ck_assert_uint_eq(code, rows[i].code);
    }
}
END_TEST

START_TEST(json_escapes)
{
    static const struct {
        const char *in, *out;
        size_t taken;
    } rows[] = {
        {"a", "a", 1},          {"\"", "\\\"", 1},           {"\\", "\\\\", 1},      {"\n", "\\n", 1},
        {"\x01", "\\u0001", 1}, {"\xc3\xa9", "\xc3\xa9", 2}, {"\xff", "\\ufffd", 1}, {"\xe2\x80\xa8", "\\u2028", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[TEXT_ESCAPE + 1] = "";
        size_t n = 0;
        ck_assert_uint_eq(text_json_char(rows[i].in, strlen(rows[i].in), out, &n), rows[i].taken);
        out[n] = '\0';
        ck_assert_str_eq(out, rows[i].out);
    }
}
END_TEST

START_TEST(distances)
{
    ck_assert_int_eq(text_distance("", ""), 0);
    ck_assert_int_eq(text_distance("", "abc"), 3);
    ck_assert_int_eq(text_distance("n_stepz", "n_steps"), 1);
    ck_assert_int_eq(text_distance("tahn", "tanh"), 1); // neighbours swapped
    ck_assert_int_eq(text_distance("kitten", "sitting"), 3);
    char far[80];
    memset(far, 'x', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    ck_assert_int_eq(text_distance(far, "x"), TEXT_FAR);
}
END_TEST

START_TEST(only_near_words_are_suggested)
{
    int best = TEXT_FAR;
    ck_assert(text_suggests("trian", "train", &best));
    ck_assert_int_eq(best, 1);
    ck_assert(!text_suggests("trian", "trial", &best)); // no nearer than the one before
    best = TEXT_FAR;
    ck_assert(!text_suggests("evaluate", "report", &best));
    ck_assert(!text_suggests("x", "y", &best)); // everything replaced is not "near"
}
END_TEST

static void expect_short(size_t n, const char *text, const char *wanted)
{
    char out[256];
    memset(out, 'x', sizeof out);
    ck_assert_ptr_eq(text_shorten(out, n, text), out);
    ck_assert_str_eq(out, wanted);
}

START_TEST(long_paths_lose_their_middle_and_never_the_name)
{
    expect_short(64, "", "");
    expect_short(64, "a plain sentence: /etc/passwd", "a plain sentence: /etc/passwd");
    expect_short(8, "a plain sentence", "a plain");
    expect_short(256,
                 "/var/lib/kubelet/pods/0123456789abcdef/volumes/kubernetes.io~configmap/policies/web-api.safetensors: "
                 "not a safetensors file",
                 "/var/lib/kubelet...es.io~configmap/policies/web-api.safetensors: not a safetensors file");
    expect_short(256,
                 "'/data/p/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"
                 "a-name-that-is-longer-by-itself-than-what-is-kept-of-a-path.safetensors' gone",
                 "'/data/p/aaaaaaaa..."
                 "a-name-that-is-longer-by-itself-than-what-is-kept-of-a-path.safetensors' gone");
    expect_short(256, "no-path-but-a-word-that-is-longer-than-any-word-should-be-in-a-sentence-of-this-length is kept",
                 "no-path-but-a-word-that-is-longer-than-any-word-should-be-in-a-sentence-of-this-length is kept");
}
END_TEST

SUITE("text", doubles_are_short_and_read_back, random_doubles_read_back_bit_for_bit, utf8_by_the_book, json_escapes,
      distances, only_near_words_are_suggested, long_paths_lose_their_middle_and_never_the_name)
