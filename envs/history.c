/* history: the table of looks itself. In: rows. Out: rows, and values between them. Where they come from is the matter of
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

double history_at(const struct history *h, double time_s, double (*get)(const struct history_row *row))
{
    int low = 0, high = h->n - 1;
    if (h->n == 0)
        return 0;
    if (time_s <= h->rows[0].time_s)
        return get(&h->rows[0]);
    if (time_s >= h->rows[high].time_s)
        return get(&h->rows[high]);
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (h->rows[middle].time_s <= time_s)
            low = middle;
        else
            high = middle;
    }
    const struct history_row *a = &h->rows[low], *b = &h->rows[high];
    double part = (time_s - a->time_s) / (b->time_s - a->time_s);
    return get(a) + part * (get(b) - get(a));
}
