/* page: the parts of one self-contained HTML page: head with the style inlined, sections, tables, preformatted text, the
 * chart library at the end. Everything that comes from files goes through page_text, which escapes it. */
#ifndef MAESTRO_PAGE_H
#define MAESTRO_PAGE_H

#include <maestro/buf.h>
#include <maestro/err.h>

struct page {
    struct buf out; /* owned */
    int n_charts;   /* so far; numbers their ids */
    bool in_section;
    bool in_row;
};

void page_open(struct page *p, const char *title, const char *subtitle);
void page_section(struct page *p, const char *id, const char *heading); /* ends the one before */
void page_heading(struct page *p, const char *heading);                 /* below a section */
void page_paragraph(struct page *p, const char *format, ...) PRINTF(2, 3);
void page_preformatted(struct page *p, const char *text);

/* A block that the reader opens; its summary is the heading. */
void page_details_open(struct page *p, const char *heading);
void page_details_close(struct page *p);

/* Charts that stand side by side where there is room. */
void page_grid_open(struct page *p);
void page_grid_close(struct page *p);

struct page_column {
    const char *heading;
    const char *explanation; /* shown on hovering; may be NULL */
};

/* table, then rows of cells, then end. The first cell of a row is its heading. */
void page_table(struct page *p, const char *caption, const struct page_column *columns, int n);
void page_row(struct page *p, const char *heading, int colour); /* colour < 0: none */
void page_cell(struct page *p, const char *text);
void page_cell_range(struct page *p, const char *text, const char *range); /* a number with its interval below it */
void page_table_end(struct page *p);

/* The closing part with the chart library (its JavaScript text) inlined. */
void page_close(struct page *p, const char *library);

void page_text(struct buf *out, const char *text);   /* escaped for HTML text and quoted attributes */
void page_json(struct buf *out, const char *json);   /* JSON that cannot end the script element it stands in */
void page_script(struct buf *out, const char *code); /* JavaScript likewise; a link to a source map is dropped */

void page_finish(struct page *p); /* accepts NULL and zeroed */

#endif
