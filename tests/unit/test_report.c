/* Report: a whole page from a made-up run and evaluation: every section, no address outside the page, foreign text escaped;
 * missing parts said, wrong files named; the verdict in its three outcomes. */
#include "suite.h"

#include <maestro/file.h>
#include <maestro/report.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static void put(const char *name, const char *text)
{
    char path[128];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_msg(file_write_atomic(path, text, strlen(text), &e), "%s", e.message);
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/test_report.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    static const char *const names[] = {"summary.csv",  "timeline.csv", "evaluation.json",  "monitor.csv",
                                        "progress.csv", "config.yaml",  "decision_map.csv", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (names[i][0])
            unlink(path);
        else
            rmdir(folder);
    }
}

#define HEAD                                                                                                           \
    "policy,kind,trace,fault,slo_holds,replica_hours,replica_hours_low,replica_hours_high,violation_time,reward_"      \
    "true\n"

static const char SUMMARY[] = HEAD "agent,ppo,t<i>,none,1,10,9,11,0.5,0.9\n"
                                   "agent,ppo,ALL,none,1,10,9,11,0.5,0.9\n"
                                   "agent,ppo,ALL,pod-kill,0,12,,,2.5,0.8\n"
                                   "hpa-60,hpa,t<i>,none,1,12,11,13,0.7,0.85\n"
                                   "hpa-60,hpa,ALL,none,1,12,11,13,0.7,0.85\n"
                                   "bound-slo,bound,ALL,none,1,8,,,1,0.95\n";

static void put_all(void)
{
    put("summary.csv", SUMMARY);
    put("timeline.csv",
        "t_s,policy,trace,fault,rps,replicas,p95_ms,soft_ms\n0,agent,t<i>,none,100,3,80,200\n"
        "15,agent,t<i>,none,110,4,,200\n0,hpa-60,t<i>,none,100,5,70,200\n15,hpa-60,t<i>,none,110,5,75,200\n");
    put("evaluation.json",
        "{\"protocol\": {\"profile\": \"<script>x</script>\", \"slo_budget\": 0.01}, \"paired\": ["
        "{\"policy\": \"agent\", \"baseline\": \"hpa-60\", \"trace\": \"ALL\", \"metric\": \"reward_true\","
        " \"mean\": 0.05, \"low\": 0.04, \"high\": 0.06, \"n\": 20},"
        "{\"policy\": \"agent\", \"baseline\": \"hpa-60\", \"trace\": \"ALL\", \"metric\": \"replica_hours\","
        " \"mean\": -2, \"low\": -3, \"high\": -1, \"n\": 20}]}");
    put("monitor.csv", "#{\"t_start\": 0.0, \"env_id\": \"m\"}\nr,l,t\r\n1.0,200,0.1\r\n2.0,200,0.2\r\n");
    put("progress.csv", "time/total_timesteps,rollout/cost_mean,slo/multiplier\n200,0.1,0.5\n400,0.05,0.6\n");
    put("config.yaml", "note: </pre><script>alert(1)</script>\n");
    put("decision_map.csv",
        "load_per_capacity,p95_over_soft,action_delta\n0.5,0.5,-1\n0.5,1.5,1\n1.0,0.5,0\n1.0,1.5,2\n");
}

static bool make(struct page *page, struct verdict *verdict, bool judged, struct err *e)
{
    struct report_source source = {.run = folder,
                                   .evaluation = judged ? folder : NULL,
                                   .library = "/* LIBRARY https://www.chartjs.org */",
                                   .command = "maestro report x",
                                   .version = "0"};
    return report_write(&source, page, verdict, e);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void check_sections(const char *text)
{
    static const char *const ids[] = {"verdict",   "learning",  "evaluation",    "plane",
                                      "timelines", "decisions", "configuration", "made"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char section[64];
        snprintf(section, sizeof section, "<section id=\"%s\">", ids[i]);
        ck_assert_msg(strstr(text, section) != NULL, "%s is missing", section);
    }
    ck_assert_int_eq(count(text, "<section"), count(text, "</section>"));
    ck_assert_int_eq(count(text, "<details>"), count(text, "</details>"));
}

START_TEST(whole_page)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    check_sections(page.out.bytes);
    // Reward, cost, plane (one trace: only ALL), replicas, latency, map.
    ck_assert_int_eq(page.n_charts, 6);
    ck_assert_int_eq(count(page.out.bytes, "<canvas"), 6);
    ck_assert_int_eq(count(page.out.bytes, "LIBRARY"), 1);
    ck_assert(verdict.better);
    page_finish(&page);
}
END_TEST

START_TEST(nothing_is_loaded_from_outside)
{
    struct page page = {0};
    struct verdict verdict;
    struct err e = {0};
    put_all();
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    static const char *const loads[] = {"src=",   "href=\"http",    "href='http", "href=\"//", "url(",   "@import",
                                        "fetch(", "XMLHttpRequest", "<iframe",    "<object",   "<embed", "import("};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        ck_assert_msg(strstr(page.out.bytes, loads[i]) == NULL, "the page has %s", loads[i]);
    page_finish(&page);
}
END_TEST

START_TEST(foreign_text_is_escaped)
{
    struct page page = {0};
    struct verdict verdict;
    struct err e = {0};
    put_all();
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert_ptr_null(strstr(page.out.bytes, "t<i>"));
    ck_assert_ptr_null(strstr(page.out.bytes, "<script>alert"));
    ck_assert_ptr_null(strstr(page.out.bytes, "<script>x"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "t&lt;i&gt;"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "&lt;/pre&gt;"));
    page_finish(&page);
}
END_TEST

START_TEST(missing_parts_are_said)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    ck_assert_msg(make(&page, &verdict, false, &e), "%s", e.message);
    check_sections(page.out.bytes);
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "There is no monitor.csv"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "There is no decision_map.csv"));
    ck_assert_ptr_nonnull(strstr(page.out.bytes, "No evaluation was given"));
    ck_assert_int_eq(page.n_charts, 0);
    page_finish(&page);
}
END_TEST

static const char *const WRONG[][3] = {
    {"summary.csv", "policy,kind\na,b\n", "summary.csv: column 'trace'"},
    {"timeline.csv", "t_s,policy\n0,a\n", "timeline.csv: column 'trace'"},
    {"evaluation.json", "{\"protocol\":", "evaluation.json"},
    {"monitor.csv", "a,b\n1,2\n", "monitor.csv: columns r and l"},
    {"progress.csv", "a,b\n1,2\n", "progress.csv: column 'time/total_timesteps'"},
    {"decision_map.csv", "load_per_capacity,p95_over_soft\n1,2\n", "decision_map.csv: column 'action_delta'"},
    {"decision_map.csv", "load_per_capacity,p95_over_soft,action_delta\n1,2,up\n", "decision_map.csv"},
};

START_TEST(wrong_files_are_named)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put(WRONG[_i][0], WRONG[_i][1]);
    ck_assert(!make(&page, &verdict, true, &e));
    ck_assert_msg(strstr(e.message, WRONG[_i][2]) != NULL, "message: %s", e.message);
    page_finish(&page);
}
END_TEST

START_TEST(verdict_states_its_reasons)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put("summary.csv", HEAD "agent,ppo,t,none,0,10,,,1.5,0.9\nagent,ppo,ALL,none,0,10,,,1.5,0.9\n"
                            "hpa-60,hpa,t,none,1,12,,,0.7,0.85\nhpa-60,hpa,ALL,none,1,12,,,0.7,0.85\n");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "misses the SLO on 1 of 1 traces"));
    ck_assert_ptr_nonnull(strstr(verdict.text[1], "16.7 % fewer"));
    ck_assert_ptr_nonnull(strstr(verdict.text[3], "not computed"));
    page_finish(&page);
}
END_TEST

START_TEST(verdict_wants_fewer_replica_hours)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put("summary.csv", HEAD "agent,ppo,t,none,1,13,,,0.5,0.9\nagent,ppo,ALL,none,1,13,,,0.5,0.9\n"
                            "hpa-60,hpa,t,none,1,12,,,0.7,0.85\nhpa-60,hpa,ALL,none,1,12,,,0.7,0.85\n");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "but not with fewer replica-hours"));
    ck_assert_ptr_nonnull(strstr(verdict.text[2], "a gain"));
    page_finish(&page);
}
END_TEST

/* Cheaper, and nothing lost to the baseline, because nobody holds anything. */
START_TEST(verdict_wants_the_slo_held_somewhere)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put("summary.csv", HEAD "agent,ppo,t,none,0,10,,,3,0.9\nagent,ppo,ALL,none,0,10,,,3,0.9\n"
                            "hpa-60,hpa,t,none,0,12,,,2,0.85\nhpa-60,hpa,ALL,none,0,12,,,2,0.85\n");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "neither it nor hpa-60 holds the SLO"));
    page_finish(&page);
}
END_TEST

/* Fewer replica-hours, but nobody compared them window by window. */
START_TEST(verdict_without_pairs_is_unproven)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put("evaluation.json", "{\"protocol\": {}, \"paired\": []}");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "not proven better"));
    page_finish(&page);
}
END_TEST

START_TEST(verdict_wants_proof)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    put_all();
    put("evaluation.json", "{\"paired\": [{\"policy\": \"agent\", \"baseline\": \"hpa-60\", \"trace\": \"ALL\","
                           " \"metric\": \"replica_hours\", \"mean\": -2, \"low\": -4.1, \"high\": 0.1, \"n\": 20}]}");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "not proven better"));
    page_finish(&page);
}
END_TEST

START_TEST(same_files_same_bytes)
{
    struct page pages[2] = {0};
    struct verdict verdict;
    struct err e = {0};
    put_all();
    for (int i = 0; i < 2; i++)
        ck_assert_msg(make(&pages[i], &verdict, true, &e), "%s", e.message);
    ck_assert_uint_eq(pages[0].out.len, pages[1].out.len);
    ck_assert_mem_eq(pages[0].out.bytes, pages[1].out.bytes, pages[0].out.len);
    page_finish(&pages[0]);
    page_finish(&pages[1]);
}
END_TEST

int main(void)
{
    TCase *group = tcase_create("report");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, whole_page);
    tcase_add_test(group, nothing_is_loaded_from_outside);
    tcase_add_test(group, foreign_text_is_escaped);
    tcase_add_test(group, missing_parts_are_said);
    tcase_add_loop_test(group, wrong_files_are_named, 0, (int)(sizeof WRONG / sizeof *WRONG));
    tcase_add_test(group, verdict_states_its_reasons);
    tcase_add_test(group, verdict_wants_fewer_replica_hours);
    tcase_add_test(group, verdict_without_pairs_is_unproven);
    tcase_add_test(group, verdict_wants_the_slo_held_somewhere);
    tcase_add_test(group, verdict_wants_proof);
    tcase_add_test(group, same_files_same_bytes);
    return suite_run("report", group);
}
