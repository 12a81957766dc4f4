/* steps: keeps the last step of every copy and writes it as a row of steps.csv. In: the environment's account of a step, from
 * the thread that made it. Out: text, in the order in which the trainer asks. Opens no file. */
#include <maestro/steps.h>

#include <maestro/csv.h>

#include <stdlib.h>

/* What a row needs of a journal record, which is far larger. */
struct slot {
    int episode, step, delta;
    struct sample sample;
    int replicas_before, replicas_after;
    enum guard_reason reason;
    struct reward_terms measured, truth;
};

struct steps {
    int n_envs;
    struct slot slots[];
};

bool steps_open(int n_envs, struct steps **out, struct err *e)
{
    struct steps *s = calloc(1, sizeof *s + (size_t)n_envs * sizeof *s->slots);
    if (!s)
        return err_set(e, ERR_IO, "out of memory for the steps of %d copies", n_envs);
    s->n_envs = n_envs;
    *out = s;
    return true;
}

void steps_close(struct steps *s)
{
    free(s);
}

void steps_note(void *arg, const struct microservice_step *row)
{
    struct steps *s = arg;
    const struct journal_record *r = row->record;
    if (row->stream >= (uint64_t)s->n_envs)
        return;
    s->slots[row->stream] = (struct slot){.episode = row->episode,
                                          .step = row->step,
                                          .delta = row->delta,
                                          .sample = r->sample,
                                          .replicas_before = r->guard.from,
                                          .replicas_after = r->guard.replicas,
                                          .reason = r->guard.reason,
                                          .measured = *row->terms,
                                          .truth = *row->truth};
}

void steps_head(struct buf *out)
{
    buf_text(out, "stream,episode,step,time_s,cpu,cpu_validity,memory,memory_validity,replicas,replicas_validity,"
                  "p95_latency_ms,p95_latency_ms_validity,rps,rps_validity,ready,starting,terminating,delta,"
                  "replicas_before,replicas_after,reason,r1,r2,reward,cost,r1_true,r2_true,reward_true,cost_true\n");
}

static void put_number(struct buf *out, double value)
{
    char text[CSV_NUMBER];
    buf_text(out, ",");
    buf_text(out, csv_number(text, value));
}

static void put_reading(struct buf *out, const struct reading *r)
{
    static const char *const names[] = {[VALIDITY_NO_DATA] = "no_data",
                                        [VALIDITY_VALID] = "valid",
                                        [VALIDITY_ABSENT] = "absent",
                                        [VALIDITY_FAILED] = "failed",
                                        [VALIDITY_STALE] = "stale"};
    if (r->validity == VALIDITY_VALID || r->validity == VALIDITY_STALE)
        put_number(out, r->value);
    else
        buf_text(out, ",");
    buf_printf(out, ",%s", names[r->validity]);
}

static void put_terms(struct buf *out, const struct reward_terms *terms)
{
    put_number(out, terms->r1);
    put_number(out, terms->r2);
    put_number(out, terms->reward);
    put_number(out, terms->cost);
}

void steps_row(const struct steps *s, int stream, struct buf *out)
{
    const struct slot *slot = &s->slots[stream];
    const struct sample *sample = &slot->sample;
    buf_printf(out, "%d,%d,%d", stream, slot->episode, slot->step);
    put_number(out, sample->time_s);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        put_reading(out, &sample->signals[i]);
    buf_printf(out, ",%d,%d,%d,%d,", sample->ready, sample->starting, sample->terminating, slot->delta);
    if (slot->replicas_before >= 0)
        buf_printf(out, "%d,%d", slot->replicas_before, slot->replicas_after);
    else
        buf_text(out, ",");
    buf_printf(out, ",%s", guard_reason_name(slot->reason));
    put_terms(out, &slot->measured);
    put_terms(out, &slot->truth);
    buf_text(out, "\n");
}
