/* Report: a whole page from a made-up run and evaluation: every section, no address outside the page, foreign text escaped;
 * missing parts said, wrong files named; the verdict in its outcomes, and against whom and where it compares. */
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

/* The configuration names the run's own folder, over which nothing can be trained. */
START_TEST(training_again_needs_another_folder)
{
    struct page page = {0};
    struct verdict verdict;
    struct err e = {0};
    char command[256];
    ck_assert_msg(make(&page, &verdict, false, &e), "%s", e.message);
    snprintf(command, sizeof command, "maestro train --config %s/config.yaml --out %s-again\n", folder, folder);
    ck_assert_ptr_nonnull(strstr(page.out.bytes, command));
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

/* In real time the policies cannot meet the same requests, and nobody knows more than was measured. */
START_TEST(a_live_evaluation_claims_no_truth)
{
    static const char *const simulated[] = {"the same load with the same seeds", "Judged by what truly happened",
                                            "the same load for every policy"};
    static const char *const live[] = {"one after another on a live target", "Judged by what was measured",
                                       "each at its own time"};
    static const char *const clusters[] = {"fast", "exact", "live"};
    const char *cluster = clusters[_i];
    bool is_live = strcmp(cluster, "live") == 0;
    struct page page = {0};
    struct verdict verdict;
    struct err e = {0};
    char text[64];
    put_all();
    snprintf(text, sizeof text, "{\"protocol\": {\"cluster\": \"%s\"}}", cluster);
    put("evaluation.json", text);
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(count(page.out.bytes, live[i]), is_live);
        ck_assert_int_eq(count(page.out.bytes, simulated[i]), !is_live);
    }
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
    put("evaluation.json", "{\"paired\": [{\"policy\": \"agent\", \"baseline\": \"hpa-60\", \"trace\": \"ALL\","
                           " \"metric\": \"reward_true\", \"mean\": 0.05, \"low\": 0.04, \"high\": 0.06, \"n\": 20},"
                           " {\"policy\": \"agent\", \"baseline\": \"hpa-60\", \"trace\": \"ALL\","
                           " \"metric\": \"replica_hours\", \"mean\": 1, \"low\": 0.5, \"high\": 1.5, \"n\": 20}]}");
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert(!verdict.better);
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "but not with fewer replica-hours beyond chance, though"));
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
    ck_assert_ptr_nonnull(strstr(verdict.text[4], "paired difference in replica-hours is not known."));
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

#define FEWER "\"mean\": -2, \"low\": -3, \"high\": -1"
#define MORE "\"mean\": 1, \"low\": 0.5, \"high\": 1.5"
#define UNKNOWN "\"mean\": null, \"low\": null, \"high\": null"

/* Differences in replica-hours over all traces and over those that the baseline holds, as evaluate writes them. */
static void put_pairs(const char *baseline, const char *all, const char *held)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"paired\": [{\"policy\": \"agent\", \"baseline\": \"%s\", \"trace\": \"ALL\","
             " \"metric\": \"replica_hours\", %s}, {\"policy\": \"agent\", \"baseline\": \"%s\","
             " \"trace\": \"HELD\", \"metric\": \"replica_hours\", %s}]}",
             baseline, all, baseline, held);
    put("evaluation.json", text);
}

/* What the page concludes has these words. */
static void check_verdict(bool better, const char *words)
{
    struct page page = {0};
    struct verdict verdict = {0};
    struct err e = {0};
    ck_assert_msg(make(&page, &verdict, true, &e), "%s", e.message);
    ck_assert_msg(strstr(verdict.text[4], words) != NULL, "verdict: %s", verdict.text[4]);
    ck_assert_int_eq(verdict.better, better);
    page_finish(&page);
}

/* calm and wild: on which of them the policy holds the SLO. */
#define ON_TWO(policy, calm, wild)                                                                                     \
    policy ",calm,none," calm ",10,,,0.5,0.9\n" policy ",wild,none," wild ",10,,,0.5,0.9\n" policy                     \
           ",ALL,none,0,10,,,0.5,0.9\n"

/* Being cheaper while both break the SLO makes up for nothing. */
START_TEST(costs_are_compared_where_the_baseline_holds)
{
    put("summary.csv", HEAD ON_TWO("agent,ppo", "1", "0") ON_TWO("hpa-60,hpa", "1", "0"));
    put_pairs("hpa-60", FEWER, MORE);
    check_verdict(false, "but not with fewer replica-hours beyond chance there.");
    put_pairs("hpa-60", MORE, FEWER);
    check_verdict(true, "it holds the SLO wherever hpa-60 does, with fewer replica-hours there.");
    put_pairs("hpa-60", FEWER, UNKNOWN);
    check_verdict(false, "their paired difference in replica-hours is not known there.");
}
END_TEST

/* Nothing is cheap for the wrong reason where all is held. */
START_TEST(who_holds_all_is_compared_on_all)
{
    put_pairs("hpa-60", FEWER, UNKNOWN);
    put("summary.csv", HEAD ON_TWO("agent,ppo", "1", "1") ON_TWO("hpa-60,hpa", "0", "0"));
    check_verdict(true, "with fewer replica-hours.");
    put("summary.csv", HEAD ON_TWO("agent,ppo", "1", "0") ON_TWO("hpa-60,hpa", "0", "0"));
    check_verdict(false, "is not known there.");
}
END_TEST

START_TEST(lost_traces_are_counted_among_those_held)
{
    put("summary.csv", HEAD ON_TWO("agent,ppo", "0", "1") ON_TWO("hpa-60,hpa", "1", "0"));
    put_pairs("hpa-60", FEWER, MORE);
    check_verdict(false, "misses the SLO on 1 of 1 traces where hpa-60 holds it.");
}
END_TEST

/* evaluate --baseline other, which is not the first HPA. */
START_TEST(the_baseline_is_the_one_that_was_paired)
{
    put("summary.csv",
        HEAD ON_TWO("hpa-60,hpa", "1", "1") ON_TWO("other,fixed", "1", "1") ON_TWO("agent,ppo", "1", "1"));
    put_pairs("other", FEWER, FEWER);
    check_verdict(true, "agent is better: it holds the SLO wherever other does, with fewer replica-hours.");
    put_pairs("gone", FEWER, FEWER); // the summary does not know it
    check_verdict(false, "wherever hpa-60 does, but their paired difference in replica-hours is not known.");
    put("evaluation.json", "{\"paired\": [{\"policy\": \"other\", \"baseline\": \"agent\"}]}");
    check_verdict(false, "wherever hpa-60 does, but their paired difference in replica-hours is not known.");
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
    tcase_add_test(group, training_again_needs_another_folder);
    tcase_add_test(group, nothing_is_loaded_from_outside);
    tcase_add_test(group, foreign_text_is_escaped);
    tcase_add_test(group, missing_parts_are_said);
    tcase_add_loop_test(group, wrong_files_are_named, 0, (int)(sizeof WRONG / sizeof *WRONG));
    tcase_add_loop_test(group, a_live_evaluation_claims_no_truth, 0, 3);
    tcase_add_test(group, verdict_states_its_reasons);
    tcase_add_test(group, verdict_wants_fewer_replica_hours);
    tcase_add_test(group, verdict_without_pairs_is_unproven);
    tcase_add_test(group, verdict_wants_the_slo_held_somewhere);
    tcase_add_test(group, verdict_wants_proof);
    tcase_add_test(group, costs_are_compared_where_the_baseline_holds);
    tcase_add_test(group, who_holds_all_is_compared_on_all);
    tcase_add_test(group, lost_traces_are_counted_among_those_held);
    tcase_add_test(group, the_baseline_is_the_one_that_was_paired);
    tcase_add_test(group, same_files_same_bytes);
    return suite_run("report", group);
}
