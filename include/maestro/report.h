/* report: the page about a run: verdict, learning curve, evaluation tables, cost against violation, timelines, the map of the
 * policy's decisions, configuration, and how it was made. A part whose file is missing is left out with a sentence; a file
 * that is there but wrong is an error. Same files, same bytes. */
#ifndef MAESTRO_REPORT_H
#define MAESTRO_REPORT_H

#include <maestro/page.h>
#include <maestro/verdict.h>

struct report_source {
    const char *run;        /* run folder */
    const char *evaluation; /* folder of evaluation files; NULL: none */
    const char *library;    /* the chart library's JavaScript text */
    const char *command;    /* that makes this page */
    const char *version;    /* of the program */
};

/* verdict is filled where there is an evaluation. *page is the caller's to finish, also on failure. */
MUST_CHECK bool report_write(const struct report_source *source, struct page *page, struct verdict *verdict,
                             struct err *e);

#endif
