/* history: the table of looks itself. In: rows. Out: rows. Where they come from is the matter of
 * envs/live/history_read.c and of whoever runs the simulator. */
#include <maestro/history.h>

#include <stdlib.h>

bool history_add(struct history *h, const struct history_row *row, struct err *e)
{
    if (h->n == h->capacity) {
        int capacity = h->capacity ? 2 * h->capacity : 256;
        struct history_row *rows = realloc(h->rows, (size_t)capacity * sizeof *rows);
        if (!rows)
            return err_set(e, ERR_IO, "history: no memory for %d rows", capacity);
        h->rows = rows;
        h->capacity = capacity;
    }
    h->rows[h->n++] = *row;
    return true;
}

void history_finish(struct history *h)
{
    if (!h)
        return;
    free(h->rows);
    *h = (struct history){0};
}
