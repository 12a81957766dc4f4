/* tally: counters under a lock, printed as http_requests_total and http_request_duration_seconds. Every code stands there from
 * the start, so that rate() has a zero to start from. */
#include "tally.h"

#include <maestro/exposition.h>
#include <maestro/text.h>

#include <stdio.h>

static const int CODES[TALLY_CODES] = {200, 500, 503};

void tally_init(struct tally *t, const struct config_list *bounds_ms)
{
    *t = (struct tally){.bounds_ms = *bounds_ms};
    pthread_mutex_init(&t->lock, NULL);
}

void tally_finish(struct tally *t)
{
    pthread_mutex_destroy(&t->lock);
}

void tally_add(struct tally *t, int status, double seconds)
{
    int bucket = 0;
    while (bucket < t->bounds_ms.n && seconds * 1e3 > t->bounds_ms.v[bucket])
        bucket++;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < TALLY_CODES; i++)
        t->by_code[i] += CODES[i] == status;
    t->by_bucket[bucket] += 1;
    t->sum_s += seconds;
    pthread_mutex_unlock(&t->lock);
}

static void expose_histogram(const struct tally *t, struct buf *out)
{
    double so_far = 0;
    char bound[TEXT_DOUBLE], labels[64];
    exposition_family(out, "http_request_duration_seconds", "histogram", "Time from a request's head to its answer.");
    for (int i = 0; i <= t->bounds_ms.n; i++) {
        so_far += t->by_bucket[i];
        bool finite = i < t->bounds_ms.n;
        snprintf(labels, sizeof labels, "le=\"%s\"", finite ? text_double(bound, t->bounds_ms.v[i] / 1e3) : "+Inf");
        exposition_value(out, "http_request_duration_seconds_bucket", labels, so_far);
    }
    exposition_value(out, "http_request_duration_seconds_sum", NULL, t->sum_s);
    exposition_value(out, "http_request_duration_seconds_count", NULL, so_far);
}

void tally_expose(struct tally *t, struct buf *out)
{
    pthread_mutex_lock(&t->lock);
    exposition_family(out, "http_requests_total", "counter", "Requests answered.");
    for (int i = 0; i < TALLY_CODES; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "code=\"%d\"", CODES[i]);
        exposition_value(out, "http_requests_total", labels, t->by_code[i]);
    }
    expose_histogram(t, out);
    pthread_mutex_unlock(&t->lock);
}
