/* journal: the file of decisions: append, rotate by size, read back line by line. In: encoded lines; out: files PATH,
 * PATH.1, ... What stands in a line is journal_encode's and journal_decode's business. */
#include <maestro/file.h>
#include <maestro/journal.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct journal {
    char *path; /* owned */
    uint64_t limit_bytes;
    int keep;
    uint64_t size;
    unsigned file; /* the present file's number, from 1; grows too where decisions were lost */
    bool rounds;   /* rotation is left to journal_begin_round */
    bool torn;     /* bytes behind size are no whole line */
    struct buf line;
};

/* Offset behind the last newline of a file of size bytes; read backwards, as a journal may be large. */
static bool whole_lines(FILE *f, uint64_t size, uint64_t *out)
{
    char block[4096];
    *out = 0;
    for (uint64_t end = size; end > 0;) {
        size_t n = end < sizeof block ? (size_t)end : sizeof block;
        if (fseeko(f, (off_t)(end - n), SEEK_SET) != 0 || fread(block, 1, n, f) != n)
            return false;
        for (size_t i = n; i > 0; i--)
            if (block[i - 1] == '\n') {
                *out = end - n + i;
                return true;
            }
        end -= n;
    }
    return true;
}

/* A kill may have left half a line: what follows the last newline is cut. */
static bool cut_torn(const char *path, uint64_t *size, struct err *e)
{
    uint64_t now = 0;
    *size = 0;
    if (!file_exists(path))
        return true;
    FILE *f = fopen(path, "rb");
    if (!f || !file_size(path, &now, e) || !whole_lines(f, now, size)) {
        if (f)
            fclose(f);
        return err_set(e, ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    }
    fclose(f);
    return *size == now || file_cut(path, *size, e);
}

bool journal_open(const char *path, uint64_t limit_bytes, int keep, struct journal **out, struct err *e)
{
    uint64_t size;
    if (!cut_torn(path, &size, e))
        return false;
    struct journal *j = calloc(1, sizeof *j);
    char *copy = strdup(path);
    if (!j || !copy) {
        free(j);
        free(copy);
        return err_set(e, ERR_IO, "journal: out of memory");
    }
    *j = (struct journal){.path = copy, .limit_bytes = limit_bytes, .keep = keep, .size = size, .file = 1};
    *out = j;
    return true;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    buf_finish(&j->line);
    free(j->path);
    free(j);
}

/* PATH.<n>, or PATH itself for 0. */
static void numbered(const struct journal *j, int n, struct buf *out)
{
    buf_clear(out);
    buf_text(out, j->path);
    if (n > 0)
        buf_printf(out, ".%d", n);
}

static bool rotate(struct journal *j, struct err *e)
{
    CLEANUP_BUF struct buf from = {0}, to = {0};
    for (int n = j->keep; n > 0; n--) {
        numbered(j, n - 1, &from);
        numbered(j, n, &to);
        if (!buf_ok(&from, e) || !buf_ok(&to, e))
            return false;
        if (rename(from.bytes, to.bytes) != 0 && errno != ENOENT)
            return err_set(e, ERR_IO, "%s: cannot rotate to %s: %s", from.bytes, to.bytes, strerror(errno));
    }
    if (j->keep <= 0 && remove(j->path) != 0 && errno != ENOENT)
        return err_set(e, ERR_IO, "%s: cannot start anew: %s", j->path, strerror(errno));
    j->size = 0;
    j->torn = false;
    j->file++;
    return true;
}

static bool is_due(const struct journal *j)
{
    return j->limit_bytes && j->size >= j->limit_bytes;
}

/* What a failed write left behind the last whole line goes before anything else is written. */
static bool mend(struct journal *j, struct err *e)
{
    uint64_t now = 0;
    if (!j->torn)
        return true;
    if (file_exists(j->path) && (!file_size(j->path, &now, e) || (now > j->size && !file_cut(j->path, j->size, e))))
        return false;
    j->torn = false;
    return true;
}

static bool append(struct journal *j, struct err *e)
{
    if (!buf_ok(&j->line, e) || !mend(j, e))
        return false;
    if (!file_append(j->path, j->line.bytes, j->line.len, e)) {
        j->torn = true;
        j->file++;
        return false;
    }
    j->size += j->line.len;
    return true;
}

bool journal_turn(struct journal *j, unsigned *file, double time_s, const struct journal_opening *opening,
                  struct err *e)
{
    if (opening->n_state > JOURNAL_STATE_LIMIT || opening->n_control > JOURNAL_CONTROL_LIMIT)
        return err_set(e, ERR_FORMAT, "journal: a state of %zu and settings of %zu bytes; at most %d and %d fit",
                       opening->n_state, opening->n_control, JOURNAL_STATE_LIMIT, JOURNAL_CONTROL_LIMIT);
    if (!j->rounds && is_due(j) && !rotate(j, e))
        return false;
    if (*file == j->file)
        return true;
    buf_clear(&j->line);
    journal_encode_state(time_s, opening, &j->line);
    if (!append(j, e))
        return false;
    *file = j->file;
    return true;
}

bool journal_begin_round(struct journal *j, struct err *e)
{
    j->rounds = true;
    return !is_due(j) || rotate(j, e);
}

bool journal_write(struct journal *j, const struct journal_record *record, struct err *e)
{
    buf_clear(&j->line);
    journal_encode(record, &j->line);
    return append(j, e);
}

bool journal_intend(struct journal *j, const struct journal_record *record, struct err *e)
{
    buf_clear(&j->line);
    journal_encode_intent(record, &j->line);
    return append(j, e);
}

struct journal_reader {
    char *path; /* owned */
    struct buf text;
    size_t at;
    int line;
};

bool journal_read(const char *path, struct journal_reader **out, struct err *e)
{
    struct journal_reader *r = calloc(1, sizeof *r);
    char *copy = strdup(path);
    if (!r || !copy || !file_read(path, BUF_LIMIT - 1, &r->text, e)) {
        bool failed_reading = r && copy;
        free(copy);
        journal_reader_close(r);
        return failed_reading ? false : err_set(e, ERR_IO, "journal: out of memory");
    }
    r->path = copy;
    *out = r;
    return true;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    buf_finish(&r->text);
    free(r->path);
    free(r);
}

bool journal_next(struct journal_reader *r, struct journal_line *out, bool *end, struct err *e)
{
    const char *line = r->text.bytes ? r->text.bytes + r->at : NULL;
    const char *stop = line ? memchr(line, '\n', r->text.len - r->at) : NULL;
    *end = !stop;
    if (!stop)
        return false;
    size_t n = (size_t)(stop - line);
    r->at += n + 1;
    r->line++;
    if (n > JOURNAL_LINE_LIMIT)
        return err_set(e, ERR_FORMAT, "%s:%d: a line of %zu bytes; at most %d are read", r->path, r->line, n,
                       JOURNAL_LINE_LIMIT);
    return journal_decode(line, n, out, e) || err_wrap(e, "%s:%d", r->path, r->line);
}

int journal_line_number(const struct journal_reader *r)
{
    return r->line;
}
