/* config: every type and unit, every refusal with its place, layers and origins, printing that reads back, the manual. */
#include <maestro/config.h>

#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct ppo {
    double rate, kl, period_s, budget, delay_ms, cores, share, top;
    int n_steps, kind;
    long long total, bytes;
    bool on;
    struct config_list sizes, weights;
    char name[CONFIG_TEXT], traces[CONFIG_TEXT];
};

/* clang-format off */
#define AT(field) offsetof(struct ppo, field)
static const struct config_key PPO_KEYS[] = {
    {"learning_rate", CONFIG_DOUBLE, AT(rate), "3e-4", 0, 1, NULL, NULL, "Step size of Adam."},
    {"n_steps", CONFIG_INT, AT(n_steps), "2048", 1, 1e6, NULL, NULL, "Steps of a rollout."},
    {"target_kl", CONFIG_OFF_DOUBLE, AT(kl), "off", 0, HUGE_VAL, NULL, NULL, "Early stop."},
    {"total", CONFIG_LONG, AT(total), "1e6", 1, 1e15, NULL, NULL, "Steps in all."},
    {"activation", CONFIG_CHOICE, AT(kind), "tanh", 0, 0, NULL, "relu|tanh", "Between layers."},
    {"hidden", CONFIG_INTS, AT(sizes), "64,64", 1, 4096, NULL, NULL, "Layer widths."},
    {"weights", CONFIG_DOUBLES, AT(weights), "[0.3, 0.7]", 0, 1, NULL, NULL, "Weights."},
    {"normalise", CONFIG_BOOL, AT(on), "true", 0, 0, NULL, NULL, "Whether to."},
};
static const struct config_key RUN_KEYS[] = {
    {"period", CONFIG_DOUBLE, AT(period_s), "30s", 1, 3600, "s", NULL, "Control period."},
    {"delay", CONFIG_DOUBLE, AT(delay_ms), "5", 0, HUGE_VAL, "ms", NULL, "Delay."},
    {"slo_budget", CONFIG_DOUBLE, AT(budget), "1%", 0, 1, "ratio", NULL, "Share of periods."},
    {"cpu", CONFIG_DOUBLE, AT(share), "60", 1, 100, "percent", NULL, "Target."},
    {"request", CONFIG_DOUBLE, AT(cores), "500m", 0, 64, "cores", NULL, "Processor."},
    {"memory", CONFIG_LONG, AT(bytes), "512MiB", 0, 1e15, "bytes", NULL, "Memory."},
    {"name", CONFIG_STRING, AT(name), NULL, 0, 0, NULL, NULL, "Name."},
    {"traces", CONFIG_TEXTS, AT(traces), NULL, 0, 0, NULL, NULL, "Traces."},
    {"top", CONFIG_DOUBLE, AT(top), "0", -HUGE_VAL, HUGE_VAL, NULL, NULL, "Any number."},
};
/* clang-format on */

struct fixture {
    struct ppo v;
    struct config_section sections[2];
    struct config c;
    struct err e;
    struct buf text;
};

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->sections[0] =
        (struct config_section){"ppo", "The learner.", PPO_KEYS, sizeof PPO_KEYS / sizeof *PPO_KEYS, &f->v};
    f->sections[1] = (struct config_section){"run", "The run.", RUN_KEYS, sizeof RUN_KEYS / sizeof *RUN_KEYS, &f->v};
    ck_assert_msg(config_init(&f->c, f->sections, 2, &f->e), "%s", f->e.message);
}

static void close_fixture(struct fixture *f)
{
    config_finish(&f->c);
    buf_finish(&f->text);
}

static const char *get(struct fixture *f, const char *dotted)
{
    buf_clear(&f->text);
    ck_assert_msg(config_get(&f->c, dotted, &f->text), "%s", dotted);
    return f->text.bytes;
}

static bool read_text(struct fixture *f, const char *text)
{
    return config_text(&f->c, "a.yaml", text, strlen(text), &f->e);
}

START_TEST(defaults_are_read_like_any_value)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert_double_eq(f.v.rate, 3e-4);
    ck_assert(isnan(f.v.kl) && f.v.on);
    ck_assert_int_eq(f.v.total, 1000000);
    ck_assert_int_eq(f.v.kind, 1);
    ck_assert_int_eq(f.v.sizes.n, 2);
    ck_assert_double_eq(f.v.budget, 0.01);
    ck_assert_double_eq(f.v.cores, 0.5);
    ck_assert_int_eq(f.v.bytes, 512LL << 20);
    ck_assert_str_eq(f.v.name, "");
    ck_assert_str_eq(config_origin(&f.c, "ppo.total"), "default");
    ck_assert_ptr_null(config_origin(&f.c, "ppo.none"));
    ck_assert(!config_get(&f.c, "none.x", &f.text) && !config_get(&f.c, "ppo", &f.text));
    close_fixture(&f);
}
END_TEST

START_TEST(units_are_converted_within_their_family)
{
    static const struct {
        const char *key, *given, *stored;
    } rows[] = {
        {"run.period", "1500ms", "1.5"},
        {"run.period", "2min", "120"},
        {"run.period", "2m", "120"},
        {"run.period", "0.5 h", "1800"},
        {"run.delay", "0.25s", "250"},
        {"run.delay", "1d", "86400000"},
        {"run.delay", "7", "7"},
        {"run.slo_budget", "75%", "0.75"},
        {"run.slo_budget", "0.2", "0.2"},
        {"run.cpu", "75%", "75"},
        {"run.cpu", "0.5ratio", "50"},
        {"run.request", "250m", "0.25"},
        {"run.request", "2cores", "2"},
        {"run.memory", "1.5KiB", "1536"},
        {"run.memory", "2kB", "2000"},
        {"run.memory", "1Gi", "1073741824"},
        {"run.memory", "3", "3"},
        {"ppo.total", "20_480", "20480"},
        {"ppo.total", "9007199254740", "9007199254740"},
        {"ppo.total", "2.5e3", "2500"},
        {"ppo.target_kl", "0.01", "0.01"},
        {"ppo.target_kl", "off", "off"},
        {"ppo.target_kl", ".inf", ".inf"},
        {"ppo.normalise", "off", "false"},
        {"ppo.normalise", "yes", "true"},
        {"ppo.hidden", "[1, 2,3]", "[1, 2, 3]"},
        {"ppo.hidden", "8", "[8]"},
        {"ppo.hidden", "[]", "[]"},
        {"ppo.weights", "10e-1, .5", "[1, 0.5]"},
        {"run.traces", "a b , c", "[a b, c]"},
        {"run.name", "it's", "it's"},
        {"run.top", "-.inf", "-.inf"},
        {"run.top", "+1.", "1"},
        {"run.top", "7ms", NULL},
        {"ppo.activation", "relu", "relu"},
    };
    struct fixture f;
    open_fixture(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool done = config_set(&f.c, rows[i].key, rows[i].given, "--x", &f.e);
        ck_assert_msg(done == (rows[i].stored != NULL), "%s=%s: %s", rows[i].key, rows[i].given, f.e.message);
        if (done)
            ck_assert_str_eq(get(&f, rows[i].key), rows[i].stored);
    }
    close_fixture(&f);
}
END_TEST

/* 7 ms in seconds is the double nearest to 0.007, not 7 times the one nearest to 0.001. */
START_TEST(conversion_rounds_once)
{
    struct fixture f;
    char given[32], expected[32];
    open_fixture(&f);
    for (int i = 1000; i < 3000; i++) {
        snprintf(given, sizeof given, "%dms", i);
        snprintf(expected, sizeof expected, "%d.%03d", i / 1000, i % 1000);
        ck_assert(config_set(&f.c, "run.period", given, "--x", &f.e));
        if (f.v.period_s < strtod(expected, NULL) || f.v.period_s > strtod(expected, NULL))
            ck_abort_msg("%s gives %.17g", given, f.v.period_s);
    }
    close_fixture(&f);
}
END_TEST

START_TEST(wrong_values_say_what_would_be_right)
{
    static const struct {
        const char *key, *given, *message;
    } rows[] = {
        {"ppo.learning_rate", "fast", "--o: 'fast' is not a number"},
        {"ppo.learning_rate", "nan", "--o: 'nan' is not a number"},
        {"ppo.learning_rate", "1__0", "--o: '1__0' is not a number"},
        {"ppo.learning_rate", "0x1", "--o: '0x1' is not a number"},
        {"ppo.learning_rate", "", "--o: '' is not a number"},
        {"ppo.learning_rate", "1e999", "--o: '1e999' is not a number"},
        {"ppo.learning_rate", "inf", "--o: 'inf' is out of range: 0 to 1 is wanted"},
        {"ppo.n_steps", "1.5", "--o: '1.5' is not a whole number"},
        {"ppo.n_steps", "0", "--o: '0' is out of range: 1 to 1000000 is wanted"},
        {"ppo.n_steps", "3s", "--o: '3s': a bare number is wanted, without the unit 's'"},
        {"ppo.n_steps", "99999999999999999999", "--o: '99999999999999999999' is out of range: 1 to 1000000 is wanted"},
        {"ppo.target_kl", "-1", "--o: neither 'off' nor a number in range: '-1' is out of range: at least 0 is wanted"},
        {"ppo.activation", "tahn", "--o: 'tahn' is not one of relu, tanh; did you mean tanh?"},
        {"ppo.activation", "sigmoid", "--o: 'sigmoid' is not one of relu, tanh"},
        {"ppo.normalise", "2", "--o: '2' is neither true nor false"},
        {"ppo.hidden", "64,,64", "--o: an item of the list is empty"},
        {"ppo.hidden", "64,x", "--o: 'x' is not a whole number"},
        {"ppo.hidden", "64,0", "--o: '0' is out of range: 1 to 4096 is wanted"},
        {"ppo.hidden", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
         "--o: the list has more than 32 items"},
        {"run.period", "30MiB", "--o: '30MiB': unit 'MiB' measures bytes, not time; right are us, ms, s, m, min, h, d"},
        {"run.period", "3 apples", "--o: '3 apples': unknown unit 'apples'; right are us, ms,"},
        {"run.period", "0.5", "--o: '0.5' is out of range: 1 to 3600 s is wanted"},
        {"run.memory", "0.3", "--o: '0.3' is not a whole number of bytes"},
        {"run.name", "\xff", "--o: the text is not UTF-8 at byte 1"},
        {"run.traces", "a,\xff", "--o: the text is not UTF-8 at byte 3"},
    };
    struct fixture f;
    open_fixture(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(!config_set(&f.c, rows[i].key, rows[i].given, "--o", &f.e), "%s accepted", rows[i].given);
        ck_assert_int_eq(f.e.code, ERR_USAGE);
        ck_assert_msg(strncmp(f.e.message, rows[i].message, strlen(rows[i].message)) == 0, "%s", f.e.message);
    }
    ck_assert_double_eq(f.v.rate, 3e-4);
    close_fixture(&f);
}
END_TEST

START_TEST(texts_have_a_limit)
{
    struct fixture f;
    char text[CONFIG_TEXT + 1];
    open_fixture(&f);
    memset(text, 'x', sizeof text - 1);
    text[CONFIG_TEXT] = '\0';
    ck_assert(!config_set(&f.c, "run.name", text, "--o", &f.e));
    ck_assert(!config_set(&f.c, "run.traces", text, "--o", &f.e));
    text[CONFIG_TEXT - 1] = '\0';
    ck_assert(config_set(&f.c, "run.name", text, "--o", &f.e));
    ck_assert_str_eq(f.v.name, text);
    close_fixture(&f);
}
END_TEST

START_TEST(items_may_be_as_long_as_their_list)
{
    struct fixture f;
    char text[CONFIG_TEXT], digits[200];
    open_fixture(&f);
    memset(text, 'x', sizeof text - 1);
    text[CONFIG_TEXT - 1] = '\0';
    ck_assert_msg(config_set(&f.c, "run.traces", text, "--o", &f.e), "%s", f.e.message);
    ck_assert_str_eq(f.v.traces, text);
    text[500] = ',';
    ck_assert_msg(config_set(&f.c, "run.traces", text, "--o", &f.e), "%s", f.e.message);
    ck_assert_str_eq(f.v.traces, text);
    memset(digits, '1', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    ck_assert(!config_set(&f.c, "ppo.hidden", digits, "--o", &f.e));
    ck_assert_ptr_nonnull(strstr(f.e.message, "too long for a number"));
    close_fixture(&f);
}
END_TEST

START_TEST(unknown_names_get_a_suggestion)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert(!config_set(&f.c, "ppo.n_stepz", "3", "--ppo.n_stepz", &f.e));
    ck_assert_str_eq(f.e.message, "--ppo.n_stepz: unknown key; did you mean ppo.n_steps?");
    ck_assert(!config_set(&f.c, "pp.n_steps", "3", "--pp.n_steps", &f.e));
    ck_assert_str_eq(f.e.message, "--pp.n_steps: unknown section; did you mean ppo.n_steps?");
    ck_assert(!config_set(&f.c, "ppo.something_else", "3", "--ppo.something_else", &f.e));
    ck_assert_str_eq(f.e.message, "--ppo.something_else: unknown key");
    ck_assert(!config_set(&f.c, "n_steps", "3", "--n_steps", &f.e));
    close_fixture(&f);
}
END_TEST

START_TEST(files_name_their_lines)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"ppo:\n  n_steps: 5\n  learning_rate: fast\n", "a.yaml:3: ppo.learning_rate: 'fast' is not a number"},
        {"ppo:\n  n_stepz: 5\n", "a.yaml:2: ppo.n_stepz: unknown key; did you mean ppo.n_steps?"},
        {"pppo:\n  n_steps: 5\n", "a.yaml:1: pppo: unknown section; did you mean ppo?"},
        {"ppo: 3\n", "a.yaml:1: ppo: keys are wanted below a section"},
        {"- ppo\n", "a.yaml:1: sections with keys are wanted"},
        {"ppo:\n  n_steps:\n", "a.yaml:2: ppo.n_steps: has no value"},
        {"run:\n  name: ~\n", "a.yaml:2: run.name: has no value; an empty text is \"\""},
        {"ppo:\n  n_steps: [1]\n", "a.yaml:2: ppo.n_steps: one value is wanted, not a list"},
        {"ppo:\n  n_steps: {a: 1}\n", "a.yaml:2: ppo.n_steps: a value is wanted, not further keys"},
        {"ppo:\n  hidden: [[1]]\n", "a.yaml:2: ppo.hidden: the items of the list must be single values"},
        {"run:\n  traces: [\"a,b\"]\n", "a.yaml:2: run.traces: 'a,b': an item must not hold a comma"},
        {"ppo:\n  n_steps: 5\n  n_steps: 6\n", "a.yaml:3: key 'n_steps' stands already in line 2"},
        {"ppo:\n  n_steps: 5: 6\n", "a.yaml:2: mapping values are not allowed"},
    };
    struct fixture f;
    open_fixture(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(!read_text(&f, rows[i].text), "accepted: %s", rows[i].text);
        ck_assert_int_eq(f.e.code, ERR_USAGE);
        ck_assert_msg(strncmp(f.e.message, rows[i].message, strlen(rows[i].message)) == 0, "%s", f.e.message);
    }
    ck_assert_int_eq(f.v.n_steps, 2048); // a refused text changes nothing, not even what stood above the error
    close_fixture(&f);
}
END_TEST

START_TEST(an_absent_file_is_named)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert(!config_file(&f.c, "/nowhere/a.yaml", &f.e));
    ck_assert_ptr_nonnull(strstr(f.e.message, "/nowhere/a.yaml: cannot open"));
    ck_assert(read_text(&f, "") && read_text(&f, "ppo:\n"));
    close_fixture(&f);
}
END_TEST

START_TEST(later_layers_win_and_are_remembered)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert(read_text(&f, "ppo:\n  n_steps: 5\n  total: 7\n  hidden:\n    - 3\n    - 4\nrun: {period: 60}\n"));
    ck_assert_str_eq(config_origin(&f.c, "ppo.n_steps"), "a.yaml:2");
    ck_assert_str_eq(get(&f, "ppo.hidden"), "[3, 4]");
    ck_assert_int_eq(setenv("MAESTRO_PPO_N_STEPS", "6", 1), 0);
    ck_assert_int_eq(setenv("MAESTRO_DATA", "/x", 1), 0); // no section of this name: not ours
    ck_assert_msg(config_environment(&f.c, &f.e), "%s", f.e.message);
    ck_assert_int_eq(f.v.n_steps, 6);
    ck_assert_str_eq(config_origin(&f.c, "ppo.n_steps"), "MAESTRO_PPO_N_STEPS");
    ck_assert(config_set(&f.c, "ppo.n_steps", "8", "--ppo.n_steps", &f.e));
    ck_assert_int_eq(f.v.n_steps, 8);
    ck_assert_str_eq(config_origin(&f.c, "ppo.n_steps"), "--ppo.n_steps");
    ck_assert_int_eq(f.v.total, 7);
    close_fixture(&f);
}
END_TEST

START_TEST(wrong_variables_are_named)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert_int_eq(setenv("MAESTRO_PPO_N_STEPZ", "6", 1), 0);
    ck_assert(!config_environment(&f.c, &f.e));
    ck_assert_str_eq(f.e.message, "MAESTRO_PPO_N_STEPZ: ppo.n_stepz: unknown key; did you mean ppo.n_steps?");
    unsetenv("MAESTRO_PPO_N_STEPZ");
    ck_assert_int_eq(setenv("MAESTRO_RUN_PERIOD", "soon", 1), 0);
    ck_assert(!config_environment(&f.c, &f.e));
    ck_assert_str_eq(f.e.message, "MAESTRO_RUN_PERIOD: run.period: 'soon' is not a number");
    close_fixture(&f);
}
END_TEST

/* MAESTRO_A_B_C may mean a.b_c or a_b.c: the longest section wins. */
START_TEST(the_longest_section_takes_a_variable)
{
    static const struct config_key keys[] = {{"c", CONFIG_INT, AT(n_steps), "1", 0, 9, NULL, NULL, "C."},
                                             {"b-c", CONFIG_INT, AT(kind), "1", 0, 9, NULL, NULL, "B and C."}};
    struct ppo a = {0}, ab = {0};
    struct config_section sections[] = {{"a_b", "A and B.", keys, 2, &ab}, {"a", "A.", keys, 2, &a}};
    struct config c;
    struct err e = {0};
    ck_assert(config_init(&c, sections, 2, &e));
    ck_assert_int_eq(setenv("MAESTRO_A_B_C", "5", 1), 0);
    ck_assert_msg(config_environment(&c, &e), "%s", e.message);
    ck_assert_int_eq(ab.n_steps, 5);
    ck_assert_int_eq(a.kind, 1);
    config_finish(&c);
}
END_TEST

START_TEST(a_long_origin_keeps_its_end)
{
    struct fixture f;
    char name[400];
    open_fixture(&f);
    memset(name, 'd', sizeof name - 1);
    memcpy(name + sizeof name - 11, "/tail.yaml", 11);
    ck_assert(config_text(&f.c, name + 150, "ppo: {n_steps: 7}", 17, &f.e));
    const char *origin = config_origin(&f.c, "ppo.n_steps");
    ck_assert_ptr_nonnull(strstr(origin, "/tail.yaml:1"));
    ck_assert_int_eq(strncmp(origin, "...d", 4), 0);
    close_fixture(&f);
}
END_TEST

static void set_hard_values(struct fixture *f)
{
    f->v.rate = 0.1 + 0.2;
    f->v.budget = 5e-324;
    f->v.top = -HUGE_VAL;
    f->v.kl = 1.0 / 3;
    f->v.total = 999999999999999;
    f->v.sizes = (struct config_list){.n = 0};
    f->v.weights = (struct config_list){.n = 3, .v = {0.1, 1e-17, 1.0 / 7}};
    snprintf(f->v.name, sizeof f->v.name, "%s", "null: \"x\" # \\ \n\t \x01 \x7f \xc2\x85 \xe2\x80\xa8 \xc3\xa9 ~");
    snprintf(f->v.traces, sizeof f->v.traces, "%s", "[a],-b,c: d,null,\xc3\xa9");
}

START_TEST(printing_reads_back_exactly)
{
    struct fixture f, g;
    struct buf text = {0}, again = {0}, difference = {0};
    open_fixture(&f);
    open_fixture(&g);
    set_hard_values(&f);
    ck_assert(config_set(&f.c, "run.period", "77", "--a \n\"'#: \xff", &f.e));
    config_print(&f.c, true, &text);
    ck_assert_msg(config_text(&g.c, "p", text.bytes, text.len, &g.e), "%s in\n%s", g.e.message, text.bytes);
    config_difference(&f.c, &g.c, "", &difference);
    ck_assert_msg(difference.len == 0, "%s", difference.bytes);
    ck_assert_str_eq(f.v.name, g.v.name);
    ck_assert_str_eq(f.v.traces, g.v.traces);
    ck_assert_mem_eq(&f.v.weights, &g.v.weights, sizeof g.v.weights);
    buf_clear(&text);
    config_print(&f.c, false, &text);
    config_print(&g.c, false, &again);
    ck_assert_str_eq(text.bytes, again.bytes);
    buf_finish(&text);
    buf_finish(&again);
    close_fixture(&f);
    close_fixture(&g);
}
END_TEST

START_TEST(the_first_difference_is_named)
{
    struct fixture f, g;
    struct buf out = {0};
    open_fixture(&f);
    open_fixture(&g);
    g.v.n_steps = 3;
    g.v.period_s = 31;
    config_difference(&f.c, &g.c, NULL, &out);
    ck_assert_str_eq(out.bytes, "ppo.n_steps");
    buf_clear(&out);
    config_difference(&f.c, &g.c, "run.name,ppo.n_steps", &out);
    ck_assert_str_eq(out.bytes, "run.period");
    buf_clear(&out);
    config_difference(&f.c, &g.c, "ppo.n_steps,run.period", &out);
    ck_assert_uint_eq(out.len, 0);
    buf_finish(&out);
    close_fixture(&f);
    close_fixture(&g);
}
END_TEST

START_TEST(help_and_manual_name_every_key)
{
    struct fixture f;
    struct buf help = {0}, manual = {0};
    char name[96];
    open_fixture(&f);
    config_help(&f.c, &help);
    config_manual(&f.c, &manual);
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < f.sections[s].n_keys; k++) {
            snprintf(name, sizeof name, "--%s.%s=VALUE\n", f.sections[s].name, f.sections[s].keys[k].name);
            ck_assert_ptr_nonnull(strstr(help.bytes, name));
            snprintf(name, sizeof name, ".It Cm %s.%s\n", f.sections[s].name, f.sections[s].keys[k].name);
            ck_assert_ptr_nonnull(strstr(manual.bytes, name));
        }
    ck_assert_ptr_nonnull(strstr(help.bytes, "Control period. (default 30 s; 1 to 3600 s)\n"));
    ck_assert_ptr_nonnull(strstr(help.bytes, "(default tanh; one of relu, tanh)\n"));
    ck_assert_ptr_nonnull(strstr(help.bytes, "(default off; at least 0, or off)\n"));
    buf_finish(&help);
    buf_finish(&manual);
    close_fixture(&f);
}
END_TEST

START_TEST(help_is_wrapped)
{
    static const struct config_key keys[] = {
        {"x", CONFIG_INT, AT(n_steps), "1", 1, 5, NULL, NULL,
         "A sentence that is long enough to need a second line, because it goes on and "
         "on until it has passed the hundredth column, and then some."}};
    struct ppo v;
    struct config_section s = {"s", "S.", keys, 1, &v};
    struct config c;
    struct buf help = {0};
    int longest = 0, n_lines = 0;
    ck_assert(config_init(&c, &s, 1, NULL));
    config_help(&c, &help);
    for (const char *line = help.bytes, *end; (end = strchr(line, '\n')); line = end + 1, n_lines++)
        longest = end - line > longest ? (int)(end - line) : longest;
    ck_assert_int_eq(n_lines, 4);
    ck_assert_int_le(longest, 100);
    ck_assert_int_gt(longest, 80);
    ck_assert_ptr_nonnull(strstr(help.bytes, "(default 1; 1 to 5)\n"));
    buf_finish(&help);
    config_finish(&c);
}
END_TEST

START_TEST(a_bad_default_is_found_at_once)
{
    static const struct config_key bad[] = {{"x", CONFIG_INT, AT(n_steps), "9", 1, 5, NULL, NULL, "Bad."}};
    struct ppo v;
    struct config_section s = {"s", "S", bad, 1, &v};
    struct config c;
    struct err e = {0};
    ck_assert(!config_init(&c, &s, 1, &e));
    ck_assert_str_eq(e.message, "default: s.x: '9' is out of range: 1 to 5 is wanted");
    config_finish(&c);
    config_finish(NULL);
}
END_TEST

SUITE("config", defaults_are_read_like_any_value, units_are_converted_within_their_family, conversion_rounds_once,
      wrong_values_say_what_would_be_right, texts_have_a_limit, items_may_be_as_long_as_their_list,
      unknown_names_get_a_suggestion, files_name_their_lines, an_absent_file_is_named,
      later_layers_win_and_are_remembered, wrong_variables_are_named, the_longest_section_takes_a_variable,
      a_long_origin_keeps_its_end, printing_reads_back_exactly, the_first_difference_is_named,
      help_and_manual_name_every_key, help_is_wrapped, a_bad_default_is_found_at_once)
