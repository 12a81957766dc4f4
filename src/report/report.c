/* report: puts the page about a run together. In: a run folder and, if there is one, an evaluation folder. Out: one HTML page
 * in a buffer, and the verdict. The parts are drawn by the section files beside this one. */
#include <maestro/file.h>
#include <maestro/report.h>

#include "sections.h"

#include <stdio.h>
#include <string.h>

static const size_t CONFIG_LIMIT = (size_t)1 << 20;

static void verdict_section(struct page *p, const struct verdict *verdict)
{
    page_section(p, "verdict", "Verdict");
    buf_printf(&p->out, "<ul class=\"verdict%s\">\n", verdict->better ? " better" : "");
    for (int i = 0; i < VERDICT_LINES; i++) {
        buf_text(&p->out, "<li><b>");
        page_text(&p->out, verdict->topic[i]);
        buf_text(&p->out, "</b> ");
        page_text(&p->out, verdict->text[i]);
        buf_text(&p->out, "</li>\n");
    }
    buf_text(&p->out, "</ul>\n");
}

static void navigation(struct page *p)
{
    static const char *const parts[][2] = {
        {"verdict", "Verdict"},
        {"learning", "Learning"},
        {"evaluation", "Evaluation"},
        {"plane", "Cost"},
        {"timelines", "Timelines"},
        {"decisions", "Decisions"},
        {"configuration", "Configuration"},
        {"made", "How made"},
    };
    buf_text(&p->out, "<nav>\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_printf(&p->out, "<a href=\"#%s\">%s</a>\n", parts[i][0], parts[i][1]);
    buf_text(&p->out, "</nav>\n");
}

static bool judged_sections(struct page *p, const struct report_source *source, const struct evaluation *v,
                            struct verdict *verdict, struct err *e)
{
    verdict_make(v, verdict);
    verdict_section(p, verdict);
    if (!learning_section(p, source->run, e))
        return false;
    comparison_section(p, v);
    return plane_section(p, v, e) && timeline_section(p, v, e);
}

static void missing_section(struct page *p, const char *id, const char *heading)
{
    page_section(p, id, heading);
    page_paragraph(p, "No evaluation was given; maestro evaluate makes one.");
}

static bool unjudged_sections(struct page *p, const struct report_source *source, struct err *e)
{
    missing_section(p, "verdict", "Verdict");
    if (!learning_section(p, source->run, e))
        return false;
    missing_section(p, "evaluation", "Evaluation");
    missing_section(p, "plane", "Cost against violation");
    missing_section(p, "timelines", "Timelines");
    return true;
}

static bool configuration_section(struct page *p, const char *run, struct err *e)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/config.yaml", run);
    page_section(p, "configuration", "Configuration of the run");
    if (!file_exists(path)) {
        page_paragraph(p, "There is no config.yaml in %s.", run);
        return true;
    }
    CLEANUP_BUF struct buf text = {0};
    if (!file_read(path, CONFIG_LIMIT, &text, e) || !buf_ok(&text, e))
        return false;
    page_details_open(p, "config.yaml, every setting with its default");
    page_preformatted(p, text.bytes ? text.bytes : "");
    page_details_close(p);
    return true;
}

/* A leaf of the protocol as text; containers are left out. */
static void protocol_cell(struct page *p, const struct json *value)
{
    double number;
    const char *text;
    char shown[32];
    if (json_as_text(value, &text)) {
        page_cell(p, text);
    } else if (json_as_number(value, &number)) {
        snprintf(shown, sizeof shown, "%.10g", number);
        page_cell(p, shown);
    } else {
        CLEANUP_BUF struct buf list = {0};
        for (const struct json *item = json_first(value); item; item = json_next(item))
            if (json_as_text(item, &text))
                buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", text);
        page_cell(p, list.len > 0 ? list.bytes : "…");
    }
}

static void protocol_table(struct page *p, const struct json *protocol)
{
    static const struct page_column columns[] = {{"setting", NULL}, {"value", NULL}};
    page_table(p, "Protocol of the evaluation", columns, 2);
    for (const struct json *row = json_first(protocol); row; row = json_next(row)) {
        page_row(p, json_key(row) ? json_key(row) : "", -1);
        protocol_cell(p, row);
    }
    page_table_end(p);
}

/* The run's config.yaml names the run's own folder, which exists: another one is for what is made again. */
static void spell_training(const char *run, struct buf *out)
{
    size_t n = strlen(run);
    while (n > 1 && run[n - 1] == '/')
        n--;
    buf_printf(out, "maestro train --config %s/config.yaml --out %.*s-again\n", run, (int)n, run);
}

/* The command as the evaluation itself remembers it. */
static void spell_evaluation(const struct report_source *source, const struct evaluation *v, struct buf *out)
{
    const char *command;
    if (v && v->detail.root && json_as_text(json_find(v->detail.root, "command"), &command))
        buf_printf(out, "%s\n", command);
    else
        buf_printf(out, "maestro evaluate ...   # the protocol below; files in %s\n", source->evaluation);
}

static void made_section(struct page *p, const struct report_source *source, const struct evaluation *v)
{
    CLEANUP_BUF struct buf text = {0};
    page_section(p, "made", "How it was made");
    page_paragraph(
        p, "By maestro %s. The same files give the same page, byte for byte. To make them again:", source->version);
    spell_training(source->run, &text);
    if (source->evaluation)
        spell_evaluation(source, v, &text);
    buf_printf(&text, "%s\n", source->command);
    page_preformatted(p, text.bytes ? text.bytes : "");
    const struct json *protocol = v && v->detail.root ? json_find(v->detail.root, "protocol") : NULL;
    if (protocol)
        protocol_table(p, protocol);
}

static bool all_sections(struct page *p, const struct report_source *source, const struct evaluation *v,
                         struct verdict *verdict, struct err *e)
{
    char title[160];
    char subtitle[200];
    const char *name = strrchr(source->run, '/');
    snprintf(title, sizeof title, "Maestro: %.120s", name && name[1] ? name + 1 : source->run);
    snprintf(subtitle, sizeof subtitle, "What a policy learned, and how it compares. Made by maestro %s.",
             source->version);
    page_open(p, title, subtitle);
    navigation(p);
    if (!(v ? judged_sections(p, source, v, verdict, e) : unjudged_sections(p, source, e)))
        return false;
    if (!decisions_section(p, source->run, source->evaluation, e) || !configuration_section(p, source->run, e))
        return false;
    made_section(p, source, v);
    page_close(p, source->library);
    return buf_ok(&p->out, e);
}

bool report_write(const struct report_source *source, struct page *page, struct verdict *verdict, struct err *e)
{
    if (!source->evaluation)
        return all_sections(page, source, NULL, verdict, e);
    struct evaluation v;
    if (!evaluation_read(source->evaluation, &v, e))
        return false;
    bool done = all_sections(page, source, &v, verdict, e);
    evaluation_finish(&v);
    return done;
}
