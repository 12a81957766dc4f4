/* calibrate: the verb that fits a service profile to a running service, and that puts a profile beside the service it was fitted
 * to. In: a live target, or a record of an earlier measuring. Out: PROFILE.yaml with every parameter's error; with --check, the
 * real service and its simulated twins side by side. */
#include "cmd.h"
#include "command_line.h"

#include "calibrate_measure.h"
#include "stop.h"

#include <maestro/file.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define RECORD_LIMIT ((size_t)64 << 20)

enum { TWINS = 5 };   /* runs that are averaged: what is compared with is the model, not its chance */
enum { CHANCE = 20 }; /* single runs, whose onsets show the chance */

static struct {
    const char *out, *record, *from, *check;
    bool force;
} given;

static const struct cli_option options[] = {
    {"out", 'o', CLI_TEXT, "FILE", "The profile [calibrated.yaml]; with --check, the table of windows as CSV",
     &given.out},
    {"record", 0, CLI_TEXT, "FILE", "Keep what was measured, to fit it again with --from", &given.record},
    {"from", 0, CLI_TEXT, "FILE", "Take this record instead of measuring", &given.from},
    {"check", 0, CLI_TEXT, "PROFILE", "Measure the service again and compare it with this profile in the simulator",
     &given.check},
    {"force", 'f', CLI_FLAG, NULL, "Write over files that exist", &given.force},
};

const struct cli_verb cmd_calibrate_verb = {
    .name = "calibrate",
    .summary = "fit a service profile to a running service, or check one against it",
    .words = "",
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

static struct calibrate_plan plan;
static struct settings_live live;
static struct live_prometheus prometheus;
static struct live_kubernetes kubernetes;
static struct disturb_load load;

static void tell(const char *what)
{
    fprintf(stderr, "maestro calibrate: %s\n", what);
}

static bool may_write(const char *path, struct err *e)
{
    return !path || given.force || !file_exists(path) ||
           err_set(e, ERR_USAGE, "%.200s: exists already; choose another, or --force", path);
}

static bool write_text(const char *path, const struct buf *text, struct err *e)
{
    return buf_ok(text, e) && file_write_atomic(path, text->bytes, text->len, e);
}

static bool keep_record(const struct history *h, const struct calibrate_facts *facts, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!given.record)
        return true;
    calibrate_write_record(h, facts, &text);
    return write_text(given.record, &text, e);
}

static bool measure(struct history *h, struct calibrate_facts *facts, struct err *e)
{
    char log[CONFIG_TEXT];
    snprintf(log, sizeof log, "%.400s-load.log", given.out ? given.out : "calibrate");
    const struct measure_wish wish = {.plan = &plan,
                                      .live = &live,
                                      .prometheus = &prometheus,
                                      .kubernetes = &kubernetes,
                                      .load = &load,
                                      .log = log,
                                      .out = given.out ? given.out : "calibrated.yaml",
                                      .check = given.check != NULL,
                                      .stop = stop_wish(),
                                      .tell = tell};
    stop_watch();
    return measure_target(&wish, h, facts, e);
}

/* From the target or from a record. */
static bool get_history(struct history *h, struct calibrate_facts *facts, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!given.from) {
        if (!measure(h, facts, e))
            return false;
        if (keep_record(h, facts, e))
            return true;
        history_finish(h);
        return false;
    }
    return file_read(given.from, RECORD_LIMIT, &text, e) &&
           calibrate_parse_record(given.from, text.bytes ? text.bytes : "", text.len, h, facts, e);
}

static void print_steps(const struct calibrate_fit *f)
{
    printf("%-6s%12s%12s%12s%12s%12s\n", "step", "offered/s", "served/s", "failed/s", "mean ms", "CPU cores");
    for (int i = 0; i < f->n_steps; i++) {
        const struct calibrate_step *s = &f->steps[i];
        printf("%-6d%12.4g%12.4g%12.4g%12.4g%12.4g%s\n", s->number, s->offered_rps, s->served_rps, s->failed_rps,
               s->mean_ms, s->cpu_cores, s->saturated ? "  saturated" : "");
    }
}

static void print_fit(const struct calibrate_fit *f)
{
    static const char *const states[] = {
        [CALIBRATE_UNKNOWN] = "not known", [CALIBRATE_MEASURED] = "", [CALIBRATE_BOUND] = "at least"};
    print_steps(f);
    printf("\n%-24s%10s %-10s%-12s%s\n", "parameter", "value", "+-", "unit", "from");
    for (int i = 0; i < CALIBRATE_PARAMETERS; i++) {
        const struct calibrate_value *v = &f->values[i];
        char error[32];
        snprintf(error, sizeof error, "%.2g", v->error);
        printf("%-24s%10.4g %-10s%-12s%s\n", calibrate_name((enum calibrate_parameter)i), v->value,
               v->state == CALIBRATE_MEASURED ? error : states[v->state], calibrate_unit((enum calibrate_parameter)i),
               v->source);
    }
    printf("\n%.1f %% of the requests below saturation lie in another latency bucket than the fit says\n",
           100 * f->misfit);
}

static bool fit_profile(const struct history *h, const struct calibrate_facts *facts, struct err *e)
{
    static struct calibrate_fit fit;
    static struct service_profile profile;
    CLEANUP_BUF struct buf text = {0};
    const char *path = given.out ? given.out : "calibrated.yaml";
    if (!calibrate_fit(h, facts, &fit, e))
        return err_wrap(e, "refused");
    calibrate_profile(&fit, "calibrated", &profile);
    if (!profile_check(&profile, e))
        return err_wrap(e, "refused");
    calibrate_write_profile(&fit, &text);
    if (!write_text(path, &text, e))
        return false;
    print_fit(&fit);
    printf("%s\n", path);
    return true;
}

static const char *const sides_named[CALIBRATE_SIDES] = {"real", "exact", "fast"};

/* Of the onsets of single runs; those of the real service are not looked at. */
struct scatter {
    struct calibrate_span of[CALIBRATE_SIDES][CALIBRATE_REPLICAS];
};

/* "40.1", or that p95 never passed. */
static const char *load_text(double rps, char text[32])
{
    if (isnan(rps))
        snprintf(text, 32, "never");
    else
        snprintf(text, 32, "%.4g", rps);
    return text;
}

static void print_onset(const struct calibrate_check *c, const struct scatter *s, int i)
{
    char mean[32], low[32], high[32];
    printf("%d pods: p95 passes %.4g ms at %s requests/s (real)", c->onset_replicas[i], c->onset_ms,
           load_text(c->onset_rps[i][0], mean));
    for (int k = 1; k < CALIBRATE_SIDES; k++)
        printf(", %s (%s; single runs %s to %s)", load_text(c->onset_rps[i][k], mean), sides_named[k],
               load_text(s->of[k][i].low, low), load_text(s->of[k][i].high, high));
    printf("\n");
}

static void print_check(const struct calibrate_check *c, const struct scatter *s)
{
    printf("%d windows, %d of them below saturation\n", c->n, c->n_below);
    printf("%-8s%16s%16s%16s\n", "", "p95 error", "CPU error", "rps error");
    for (int k = 1; k < CALIBRATE_SIDES; k++)
        printf("%-8s%14.1f %%%14.1f %%%14.1f %%\n", sides_named[k], 100 * c->p95_error[k], 100 * c->cpu_error[k],
               100 * c->rps_error[k]);
    for (int i = 0; i < c->n_onsets; i++)
        print_onset(c, s, i);
}

/* The profile as it stands in the file, under the load that the real service had. */
static bool compare(const struct history *h, const struct service_profile *profile, struct err *e)
{
    struct history exact = {0}, fast = {0};
    struct calibrate_check check = {0};
    struct scatter scatter;
    CLEANUP_BUF struct buf text = {0};
    const struct calibrate_twin twins[] = {{profile, true, 1, TWINS}, {profile, false, 1, TWINS}};
    const struct history *sides[CALIBRATE_SIDES] = {h, &exact, &fast};
    bool done = calibrate_run_twin(&twins[0], h, &exact, e) && calibrate_run_twin(&twins[1], h, &fast, e) &&
                calibrate_compare(sides, plan.window_s, 0, &check, e);
    for (int k = 1; k < CALIBRATE_SIDES && done; k++)
        done = calibrate_scatter(&twins[k - 1], h, CHANCE, &check, scatter.of[k], e);
    if (done) {
        calibrate_write_check(&check, &text);
        done = !given.out || write_text(given.out, &text, e);
    }
    if (done)
        print_check(&check, &scatter);
    calibrate_check_finish(&check);
    history_finish(&exact);
    history_finish(&fast);
    return done;
}

static bool run(struct err *e)
{
    static struct service_profile profile;
    struct history h = {0};
    struct calibrate_facts facts = {0};
    const char *out = given.out || given.check ? given.out : "calibrated.yaml";
    if (given.from && given.record)
        return err_set(e, ERR_USAGE, "--record keeps what is measured; --from measures nothing");
    if (!may_write(out, e) || !may_write(given.record, e) || (given.check && !profile_load(given.check, &profile, e)) ||
        !get_history(&h, &facts, e))
        return false;
    bool done = given.check ? compare(&h, &profile, e) : fit_profile(&h, &facts, e);
    history_finish(&h);
    return done;
}

static int show(const struct cli *cli, const struct config *config)
{
    CLEANUP_BUF struct buf text = {0};
    if (cli->decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (cli->decision == CLI_SHOW_HELP)
        cli_help("maestro", &cmd_calibrate_verb, config, &text);
    else if (cli->decision == CLI_PRINT_CONFIG)
        config_print(config, true, &text);
    fputs(text.bytes ? text.bytes : "", stdout);
    return CLI_EXIT_DONE;
}

int cmd_calibrate(int argc, char **argv)
{
    struct config_section sections[] = {
        {"calibrate", "What is measured, and for how long.", calibrate_plan_keys, n_calibrate_plan_keys, &plan},
        {"live", "The target.", settings_live_keys, n_settings_live_keys, &live},
        {"prometheus", "Where signals come from.", live_prometheus_keys, n_live_prometheus_keys, &prometheus},
        {"kubernetes", "Where replicas are read and set.", live_kubernetes_keys, n_live_kubernetes_keys, &kubernetes},
        {"load", "The load; k6/staircase.js. Without a script somebody else offers it.", disturb_load_keys,
         n_disturb_load_keys, &load},
    };
    struct cli cli;
    struct err e = {0};
    struct config config = {0};
    int status = CLI_EXIT_DONE;
    bool done = command_line_read(&cli, &cmd_calibrate_verb, argc, argv, &e) &&
                config_init(&config, sections, (int)(sizeof sections / sizeof *sections), &e) &&
                cli_configure(&cli, &cmd_calibrate_verb, &config, &e);
    if (done && cli.decision != CLI_RUN)
        status = show(&cli, &config);
    else if (!done || !run(&e)) {
        fprintf(stderr, "maestro calibrate: %s\n", e.message);
        status = cli_exit_status(&e);
    }
    config_finish(&config);
    return status;
}
