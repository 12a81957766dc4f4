/* Page and chart: escaping in the three places where foreign text can stand, and thinning that keeps the extremes. */
#include "suite.h"

#include <maestro/chart.h>
#include <math.h>
#include <string.h>

START_TEST(text_is_escaped)
{
    CLEANUP_BUF struct buf out = {0};
    page_text(&out, "<b a=\"1\" c='2'>&amp;</b>");
    ck_assert_str_eq(out.bytes, "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;");
}
END_TEST

START_TEST(json_cannot_end_its_element)
{
    CLEANUP_BUF struct buf out = {0};
    page_json(&out, "{\"a\":\"</script><!-- & -->\"}");
    ck_assert_str_eq(out.bytes, "{\"a\":\"\\u003c/script\\u003e\\u003c!-- \\u0026 --\\u003e\"}");
}
END_TEST

START_TEST(script_cannot_end_its_element)
{
    CLEANUP_BUF struct buf out = {0};
    page_script(&out, "if (a < b) x = '</script>' + \"<!-- \";\n//# sourceMappingURL=far.js.map\n");
    ck_assert_str_eq(out.bytes, "if (a < b) x = '<\\/script>' + \"<\\!-- \";\n");
    buf_clear(&out);
    page_script(&out, "a <");
    ck_assert_str_eq(out.bytes, "a <");
}
END_TEST

START_TEST(page_is_closed_and_has_no_library_without_charts)
{
    struct page page = {0};
    page_open(&page, "a < b", "sub");
    page_section(&page, "one", "One");
    page_section(&page, "two", "Two");
    page_table(&page, "caption", (struct page_column[]){{"x", "the \"x\""}, {"y", NULL}}, 2);
    page_row(&page, "r", 3);
    page_cell(&page, "yes");
    page_table_end(&page);
    page_close(&page, "LIBRARY");
    const char *text = page.out.bytes;
    ck_assert_ptr_nonnull(strstr(text, "<title>a &lt; b</title>"));
    ck_assert_ptr_nonnull(strstr(text, "title=\"the &quot;x&quot;\""));
    ck_assert_ptr_nonnull(strstr(text, "<td class=\"good\">yes</td></tr>\n</tbody>"));
    ck_assert_ptr_null(strstr(text, "LIBRARY"));
    ck_assert_ptr_nonnull(strstr(text, "</section>\n</main>\n</body>\n</html>\n"));
    page_finish(&page);
}
END_TEST

START_TEST(thinning_keeps_ends_and_extremes)
{
    static double y[100000];
    size_t keep[64];
    for (size_t i = 0; i < 100000; i++)
        y[i] = sin((double)i / 500);
    y[31337] = 9;
    y[77777] = -9;
    size_t n = chart_thin(y, 100000, 64, keep);
    ck_assert_uint_le(n, 64);
    ck_assert_uint_eq(keep[0], 0);
    ck_assert_uint_eq(keep[n - 1], 99999);
    bool high = false;
    bool low = false;
    for (size_t i = 0; i < n; i++) {
        high = high || keep[i] == 31337;
        low = low || keep[i] == 77777;
        ck_assert(i == 0 || keep[i] > keep[i - 1]);
    }
    ck_assert(high && low);
}
END_TEST

START_TEST(thinning_leaves_short_series_alone)
{
    double y[5] = {1, (double)NAN, 3, 2, 5};
    size_t keep[8];
    ck_assert_uint_eq(chart_thin(y, 5, 8, keep), 5);
    ck_assert_uint_eq(keep[4], 4);
}
END_TEST

START_TEST(chart_writes_gaps_as_null)
{
    double x[3] = {0, 1, 2};
    double y[3] = {1.23456789, (double)NAN, (double)INFINITY};
    struct chart_series series = {.name = "</script>", .x = x, .y = y, .n = 3, .dashed = true};
    struct chart chart = {
        .title = "T", .x_title = "x", .y_title = "y", .series = &series, .n_series = 1, .kind = CHART_LINE};
    struct page page = {0};
    struct err e = {0};
    ck_assert_msg(chart_write(&page, &chart, &e), "%s", e.message);
    ck_assert_int_eq(page.n_charts, 1);
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "\"y\":[1.23457,null,null]"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "\\u003c/script\\u003e"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "\"dashed\":true"));
    page_finish(&page);
}
END_TEST

SUITE("page", text_is_escaped, json_cannot_end_its_element, script_cannot_end_its_element,
      page_is_closed_and_has_no_library_without_charts, thinning_keeps_ends_and_extremes,
      thinning_leaves_short_series_alone, chart_writes_gaps_as_null)
