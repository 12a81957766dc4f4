/* exposition: the text that Prometheus reads, character by character. */
#include <maestro/exposition.h>

#include <math.h>

#include "suite.h"

START_TEST(families_and_values)
{
    CLEANUP_BUF struct buf out = {0};
    exposition_family(&out, "maestro_requests_total", "counter", "Requests answered.");
    exposition_value(&out, "maestro_requests_total", NULL, 3.0);
    exposition_value(&out, "maestro_requests_total", "code=\"200\"", 0.1);
    ck_assert_str_eq(out.bytes, "# HELP maestro_requests_total Requests answered.\n"
                                "# TYPE maestro_requests_total counter\n"
                                "maestro_requests_total 3\n"
                                "maestro_requests_total{code=\"200\"} 0.1\n");
}
END_TEST

START_TEST(no_label_is_no_braces)
{
    CLEANUP_BUF struct buf out = {0};
    exposition_value(&out, "a", "", 1e300);
    exposition_value(&out, "a", NULL, -0.5);
    ck_assert_str_eq(out.bytes, "a 1e+300\na -0.5\n");
}
END_TEST

START_TEST(what_is_not_finite)
{
    CLEANUP_BUF struct buf out = {0};
    exposition_value(&out, "a", NULL, (double)NAN);
    exposition_value(&out, "a", NULL, (double)INFINITY);
    exposition_value(&out, "a", NULL, -(double)INFINITY);
    ck_assert_str_eq(out.bytes, "a NaN\na +Inf\na -Inf\n");
}
END_TEST

/* Quotes are escaped in label values and stay in help texts; backslash and line feed are escaped in both. */
START_TEST(escapes)
{
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_BUF struct buf labels = {0};
    exposition_label(&labels, "path", "C:\\a \"b\"\n");
    exposition_label(&labels, "empty", "");
    ck_assert_str_eq(labels.bytes, "path=\"C:\\\\a \\\"b\\\"\\n\",empty=\"\"");
    exposition_family(&out, "a", "gauge", "say \"x\" \\ y\nz");
    ck_assert_str_eq(out.bytes, "# HELP a say \"x\" \\\\ y\\nz\n# TYPE a gauge\n");
}
END_TEST

SUITE("exposition", families_and_values, no_label_is_no_braces, what_is_not_finite, escapes)
