/* pod: one pod, request by request. In: requests at their arrival times. Out: the same requests at their ends, CPU seconds
 * used, requests inside. Processor sharing runs in virtual time, so that an arrival or a completion costs one heap operation
 * and nothing is ever updated for all requests. It draws nothing but demands and balances nothing. */
#include <maestro/pod.h>

#include <assert.h>
#include <float.h>
#include <maestro/profile.h>
#include <math.h>
#include <stdlib.h>

/* fmin and fmax without their care for NaN, which costs a call each: a third of all time here. */
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

enum event_kind {
    EVENT_NONE,
    EVENT_CPU_DONE,
    EVENT_QUOTA_SPENT,
    EVENT_NEW_PERIOD,
    EVENT_WAIT_OVER,
    EVENT_PLACE_DEADLINE,
    EVENT_QUEUE_DEADLINE,
};

struct event {
    double time_s;
    enum event_kind kind;
};

bool pod_config_from(const struct service_model *s, struct pod_config *out, struct err *e)
{
    if (!(s->cpu_ms > 0.0) || !(s->node_cores > 0.0) || s->concurrency < 1 || s->backlog < 0)
        return err_set(e, ERR_USAGE, "service: cpu_ms, node_cores and concurrency must be positive");
    if (!(s->timeout_ms > s->cpu_ms + s->wait_ms))
        return err_set(e, ERR_USAGE, "service: timeout_ms %g is below the mean request (%g ms)", s->timeout_ms,
                       s->cpu_ms + s->wait_ms);
    *out = (struct pod_config){
        .cpu_s = s->cpu_ms / 1000.0,
        .cpu_cv = s->cpu_cv,
        .cpu_exponential = s->exponential,
        .wait_s = s->wait_ms / 1000.0,
        .wait_cv = s->wait_cv,
        .concurrency = s->concurrency,
        .backlog = s->backlog,
        .timeout_s = s->timeout_ms / 1000.0,
        .cores = s->node_cores,
        .limit_cores = s->cpu_limit_cores,
    };
    return true;
}

static double draw(struct rng *r, double mean, double cv)
{
    return cv > 0.0 && mean > 0.0 ? rng_lognormal(r, mean, cv) : mean;
}

void pod_draw(const struct pod_config *c, struct rng *r, struct pod_request *out)
{
    out->cpu_s = c->cpu_exponential ? rng_exponential(r, c->cpu_s) : draw(r, c->cpu_s, c->cpu_cv);
    out->wait_s = draw(r, c->wait_s, c->wait_cv);
}

bool pod_open(struct pod *p, const struct pod_config *config, double now_s, double phase_s, struct err *e)
{
    assert(config->concurrency >= 1 && config->backlog >= 0 && config->cores > 0.0 && config->cpu_s > 0.0);
    *p = (struct pod){.config = *config, .now_s = now_s, .speed = 1.0, .place_deadline_s = HUGE_VAL};
    p->limited = config->limit_cores > 0.0 && config->limit_cores < config->cores;
    p->period_end_s = now_s + POD_QUOTA_PERIOD_S - phase_s;
    p->quota_left_s = config->limit_cores * POD_QUOTA_PERIOD_S;
    size_t places = (size_t)config->concurrency;
    p->busy = malloc(places * sizeof *p->busy);
    p->waits = malloc(places * sizeof *p->waits);
    p->queue = malloc(((size_t)config->backlog + 1) * sizeof *p->queue);
    if (p->busy && p->waits && p->queue)
        return true;
    pod_close(p);
    return err_set(e, ERR_IO, "pod: no memory for %zu places", places);
}

void pod_close(struct pod *p)
{
    free(p->busy);
    free(p->waits);
    free(p->queue);
    p->busy = p->waits = NULL;
    p->queue = NULL;
}

static void heap_push(struct pod_slot *heap, int *n, struct pod_slot slot)
{
    int i = (*n)++;
    while (i > 0) {
        int parent = (i - 1) / 2;
        if (heap[parent].key <= slot.key)
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = slot;
}

static void heap_sift_down(struct pod_slot *heap, int last, int i, struct pod_slot moved)
{
    for (;;) {
        int child = 2 * i + 1;
        if (child >= last)
            break;
        if (child + 1 < last && heap[child + 1].key < heap[child].key)
            child++;
        if (moved.key <= heap[child].key)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static struct pod_slot heap_pop(struct pod_slot *heap, int *n)
{
    struct pod_slot top = heap[0];
    int last = --*n;
    heap_sift_down(heap, last, 0, heap[last]);
    return top;
}

/* Removes entry i, wherever it is. */
static struct pod_slot heap_remove(struct pod_slot *heap, int *n, int i)
{
    struct pod_slot out = heap[i];
    struct pod_slot last = heap[--*n];
    if (i == *n)
        return out;
    while (i > 0 && heap[(i - 1) / 2].key > last.key) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap_sift_down(heap, *n, i, last);
    return out;
}

/* CPU seconds per second that all requests on the CPU use together. */
static double cpu_rate(const struct pod *p)
{
    return smaller((double)p->n_busy, p->config.cores);
}

static bool throttled(const struct pod *p)
{
    return p->limited && p->quota_left_s <= 0.0;
}

static void refresh_quota(struct pod *p)
{
    if (!p->limited || p->now_s < p->period_end_s)
        return;
    double periods = floor((p->now_s - p->period_end_s) / POD_QUOTA_PERIOD_S) + 1.0;
    p->period_end_s += periods * POD_QUOTA_PERIOD_S;
    p->quota_left_s = p->config.limit_cores * POD_QUOTA_PERIOD_S;
}

static struct event earlier(struct event a, double time_s, enum event_kind kind)
{
    return time_s < a.time_s ? (struct event){time_s, kind} : a;
}

/* So few are on the CPU that the quota lasts through this period and every later one: its periods need no events. */
static bool quota_lasts(const struct pod *p, double rate)
{
    return rate <= p->config.limit_cores && p->quota_left_s >= rate * (p->period_end_s - p->now_s);
}

/* The next thing that happens if nobody arrives, at until_s at the latest. */
static struct event next_event(const struct pod *p, double until_s)
{
    struct event next = {until_s, EVENT_NONE};
    next = earlier(next, p->place_deadline_s, EVENT_PLACE_DEADLINE);
    if (p->n_queue > 0)
        next = earlier(next, p->queue[p->queue_first].arrival_s + p->config.timeout_s, EVENT_QUEUE_DEADLINE);
    if (p->n_waits > 0)
        next = earlier(next, p->waits[0].key, EVENT_WAIT_OVER);
    if (p->n_busy == 0)
        return next;
    if (throttled(p))
        return earlier(next, p->period_end_s, EVENT_NEW_PERIOD);
    double rate = cpu_rate(p);
    double work_per_s = rate / (double)p->n_busy * p->speed;
    next = earlier(next, p->now_s + larger(0.0, p->busy[0].key - p->virtual_s) / work_per_s, EVENT_CPU_DONE);
    if (!p->limited || quota_lasts(p, rate))
        return next;
    next = earlier(next, p->now_s + p->quota_left_s / rate, EVENT_QUOTA_SPENT);
    return earlier(next, p->period_end_s, EVENT_NEW_PERIOD);
}

/* Moves the clock to t, before which nothing happens. What t was chosen for is then forced by the caller, so that the
 * rounding of the sums here can neither lose nor repeat an event. */
static void pass_time(struct pod *p, double t)
{
    double dt = t - p->now_s;
    p->inside_s += dt * (double)pod_inside(p);
    p->now_s = t;
    if (p->n_busy == 0 || throttled(p))
        return;
    double used = dt * cpu_rate(p);
    p->virtual_s += used / (double)p->n_busy * p->speed;
    p->cpu_used_s += used;
    if (p->limited && t > p->period_end_s) {
        p->period_end_s += POD_QUOTA_PERIOD_S * (floor((t - p->period_end_s) / POD_QUOTA_PERIOD_S) + 1.0);
        p->quota_left_s = p->config.limit_cores * POD_QUOTA_PERIOD_S;
        used = smaller(used, cpu_rate(p) * (t - (p->period_end_s - POD_QUOTA_PERIOD_S)));
    }
    p->quota_left_s = larger(p->quota_left_s - used, DBL_MIN);
}

static void enter_place(struct pod *p, const struct pod_request *request)
{
    if (p->n_busy == 0)
        p->virtual_s = 0.0; // a fresh start keeps the sums small, hence exact
    heap_push(p->busy, &p->n_busy, (struct pod_slot){p->virtual_s + request->cpu_s, *request});
    p->place_deadline_s = smaller(p->place_deadline_s, request->arrival_s + p->config.timeout_s);
}

static struct pod_request queue_take(struct pod *p)
{
    struct pod_request first = p->queue[p->queue_first];
    p->queue_first = p->queue_first == p->config.backlog ? 0 : p->queue_first + 1;
    p->n_queue--;
    return first;
}

static void leave_place(struct pod *p, const struct pod_request *request, const struct pod_sink *sink,
                        enum pod_outcome outcome)
{
    if (p->n_queue > 0) {
        struct pod_request next = queue_take(p);
        enter_place(p, &next);
    }
    sink->ended(sink->context, request, p->now_s, outcome);
}

static void end_cpu_part(struct pod *p, const struct pod_sink *sink)
{
    struct pod_slot slot = heap_pop(p->busy, &p->n_busy);
    p->virtual_s = slot.key;
    if (slot.request.wait_s > 0.0)
        heap_push(p->waits, &p->n_waits, (struct pod_slot){p->now_s + slot.request.wait_s, slot.request});
    else
        leave_place(p, &slot.request, sink, POD_SERVED);
}

static void end_wait(struct pod *p, const struct pod_sink *sink)
{
    struct pod_slot slot = heap_pop(p->waits, &p->n_waits);
    leave_place(p, &slot.request, sink, POD_SERVED);
}

static void give_up_queued(struct pod *p, const struct pod_sink *sink)
{
    struct pod_request first = queue_take(p);
    sink->ended(sink->context, &first, p->now_s, POD_GIVEN_UP);
}

static int oldest(const struct pod_slot *heap, int n)
{
    int found = 0;
    for (int i = 1; i < n; i++)
        if (heap[i].request.arrival_s < heap[found].request.arrival_s)
            found = i;
    return found;
}

/* The deadline kept is a bound: those who left since have moved the true one back. Looks for it, and gives up the oldest
 * request in place if its time has come. Rare: about once per time-out while the pod keeps up. */
static void meet_place_deadline(struct pod *p, const struct pod_sink *sink)
{
    int busy = oldest(p->busy, p->n_busy);
    int wait = oldest(p->waits, p->n_waits);
    double busy_s = p->n_busy > 0 ? p->busy[busy].request.arrival_s : HUGE_VAL;
    double wait_s = p->n_waits > 0 ? p->waits[wait].request.arrival_s : HUGE_VAL;
    p->place_deadline_s = smaller(busy_s, wait_s) + p->config.timeout_s;
    if (p->place_deadline_s > p->now_s)
        return;
    struct pod_slot slot =
        busy_s <= wait_s ? heap_remove(p->busy, &p->n_busy, busy) : heap_remove(p->waits, &p->n_waits, wait);
    leave_place(p, &slot.request, sink, POD_GIVEN_UP);
}

void pod_run(struct pod *p, double until_s, const struct pod_sink *sink)
{
    for (;;) {
        refresh_quota(p);
        struct event next = next_event(p, until_s);
        pass_time(p, larger(next.time_s, p->now_s));
        switch (next.kind) {
        case EVENT_NONE:
            return;
        case EVENT_CPU_DONE:
            end_cpu_part(p, sink);
            break;
        case EVENT_WAIT_OVER:
            end_wait(p, sink);
            break;
        case EVENT_PLACE_DEADLINE:
            meet_place_deadline(p, sink);
            break;
        case EVENT_QUEUE_DEADLINE:
            give_up_queued(p, sink);
            break;
        case EVENT_QUOTA_SPENT:
            p->quota_left_s = 0.0;
            break;
        case EVENT_NEW_PERIOD:
            break; // refresh_quota sees the clock
        }
    }
}

bool pod_offer(struct pod *p, const struct pod_request *request)
{
    if (p->n_busy + p->n_waits < p->config.concurrency) {
        enter_place(p, request);
        return true;
    }
    if (p->n_queue >= p->config.backlog)
        return false;
    int size = p->config.backlog + 1;
    int end = p->queue_first + p->n_queue;
    p->queue[end >= size ? end - size : end] = *request;
    p->n_queue++;
    return true;
}

void pod_clear(struct pod *p, const struct pod_sink *sink)
{
    for (int i = 0; i < p->n_busy; i++)
        sink->ended(sink->context, &p->busy[i].request, p->now_s, POD_LOST);
    for (int i = 0; i < p->n_waits; i++)
        sink->ended(sink->context, &p->waits[i].request, p->now_s, POD_LOST);
    for (int i = 0; i < p->n_queue; i++)
        sink->ended(sink->context, &p->queue[(p->queue_first + i) % (p->config.backlog + 1)], p->now_s, POD_LOST);
    p->n_busy = p->n_waits = p->n_queue = 0;
    p->place_deadline_s = HUGE_VAL;
}
