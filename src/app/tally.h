/* tally: requests counted by status code and by duration, as Prometheus wants them. */
#ifndef APP_TALLY_H
#define APP_TALLY_H

#include <maestro/buf.h>
#include <maestro/config.h>

#include <pthread.h>

#define TALLY_CODES 3

struct tally {
    pthread_mutex_t lock;
    struct config_list bounds_ms;
    double by_bucket[CONFIG_LIST + 1]; /* the last: above all bounds */
    double by_code[TALLY_CODES];
    double sum_s;
};

void tally_init(struct tally *t, const struct config_list *bounds_ms);
void tally_finish(struct tally *t);

/* status: 200, 500 or 503. */
void tally_add(struct tally *t, int status, double seconds);
void tally_expose(struct tally *t, struct buf *out);

#endif
