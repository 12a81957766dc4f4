/* http: requests side by side over one curl multi handle. In: requests; out: a response each. Here is decided when an attempt
 * starts, when it is worth another, and when the request's time is over; what one attempt is stands in http_transfer.c. */
#include <maestro/http.h>

#include "http_transfer.h"

#include <maestro/clock.h>
#include <maestro/rng.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_PAUSE_S 0.1 /* doubled with every further attempt */
#define LONGEST_PAUSE_S 5.0
#define LONGEST_POLL_S 1.0
#define SHORTEST_ATTEMPT_S 0.005 /* with less left a request is not started */

struct http {
    struct http_config config; /* without zeros */
    CURLM *multi;
    struct rng rng;
    CURL **idle; /* [n_idle], room for config.connections */
    int n_idle;
};

enum stage { STAGE_WAITING, STAGE_RUNNING, STAGE_DONE };

struct job {
    struct http_transfer transfer;
    enum stage stage;
    double start_s, deadline_s; /* monotonic */
};

struct batch {
    struct http *h;
    struct job *jobs; /* [n] */
    int n, n_running, n_done;
};

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct http_config with_defaults(const struct http_config *config)
{
    struct http_config c = *config;
    c.user_agent = c.user_agent ? c.user_agent : "maestro";
    c.connect_timeout_s = c.connect_timeout_s > 0 ? c.connect_timeout_s : 3.0;
    c.timeout_s = c.timeout_s > 0 ? c.timeout_s : 10.0;
    c.limit_bytes = c.limit_bytes ? c.limit_bytes : (size_t)16 << 20;
    c.retries = c.retries ? c.retries : 2;
    c.connections = c.connections > 0 ? c.connections : 8;
    return c;
}

bool http_open(const struct http_config *config, struct http **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, ERR_IO, "http: no memory");
    h->config = with_defaults(config);
    rng_init(&h->rng, h->config.seed, 0);
    h->idle = calloc((size_t)h->config.connections, sizeof *h->idle);
    h->multi = curl_multi_init();
    if (!h->idle || !h->multi) {
        http_close(h);
        return err_set(e, ERR_IO, "http: no memory");
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->config.connections);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->config.connections);
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *out = h;
    return true;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->n_idle; i++)
        curl_easy_cleanup(h->idle[i]);
    curl_multi_cleanup(h->multi);
    free(h->idle);
    free(h);
}

static CURL *take_handle(struct http *h)
{
    if (h->n_idle == 0)
        return curl_easy_init();
    CURL *easy = h->idle[--h->n_idle];
    curl_easy_reset(easy);
    return easy;
}

static void give_handle(struct http *h, CURL *easy)
{
    if (h->n_idle < h->config.connections)
        h->idle[h->n_idle++] = easy;
    else
        curl_easy_cleanup(easy);
}

static void end_job(struct batch *b, struct job *job)
{
    job->stage = STAGE_DONE;
    b->n_done++;
}

static void start_job(struct batch *b, struct job *job, double now_s)
{
    struct http_transfer *t = &job->transfer;
    CURL *easy = take_handle(b->h);
    if (!easy) {
        err_set(&t->response->why, ERR_IO, "http: no memory");
        end_job(b, job);
        return;
    }
    bool ready = http_transfer_begin(t, easy, job->deadline_s - now_s);
    if (ready && curl_multi_add_handle(b->h->multi, easy) == CURLM_OK) {
        job->stage = STAGE_RUNNING;
        b->n_running++;
        return;
    }
    if (ready)
        err_set(&t->response->why, ERR_IO, "%s: cannot start the request", t->host);
    http_transfer_release(t);
    give_handle(b->h, easy);
    end_job(b, job);
}

static void start_due(struct batch *b)
{
    double now_s = clock_monotonic_s();
    for (int i = 0; i < b->n && b->n_running < b->h->config.connections; i++) {
        struct job *job = &b->jobs[i];
        if (job->stage != STAGE_WAITING || job->start_s > now_s)
            continue;
        if (job->deadline_s > now_s + SHORTEST_ATTEMPT_S) {
            start_job(b, job, now_s);
            continue;
        }
        err_set(&job->transfer.response->why, ERR_IO, "%.200s: no free connection within the request's time",
                job->transfer.request->url);
        end_job(b, job);
    }
}

static bool asks_again(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Half of the doubled pause, and a random part of the other half; at least what the server asked for. */
static double pause_s(struct http *h, const struct http_response *r)
{
    double pause = fmin(ldexp(FIRST_PAUSE_S, r->attempts - 1), LONGEST_PAUSE_S);
    return fmax(rng_uniform(&h->rng, 0.5 * pause, pause), r->retry_after_s);
}

static void settle_job(struct batch *b, struct job *job, CURLcode code)
{
    struct http_transfer *t = &job->transfer;
    CURL *easy = t->easy;
    bool broken = http_transfer_end(t, code);
    curl_multi_remove_handle(b->h->multi, easy);
    http_transfer_release(t);
    give_handle(b->h, easy);
    b->n_running--;
    bool again = t->request->may_repeat && (broken || asks_again(t->response->status)) &&
                 t->response->attempts <= b->h->config.retries;
    double start_s = again ? clock_monotonic_s() + pause_s(b->h, t->response) : job->deadline_s;
    if (start_s >= job->deadline_s) {
        end_job(b, job);
        return;
    }
    job->stage = STAGE_WAITING;
    job->start_s = start_s;
}

static void settle_finished(struct batch *b)
{
    int left = 0;
    for (const CURLMsg *m; (m = curl_multi_info_read(b->h->multi, &left));) {
        void *transfer = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &transfer) != CURLE_OK)
            continue;
        settle_job(b, transfer, code); // a job begins with its transfer
    }
}

static int poll_ms(const struct batch *b)
{
    double now_s = clock_monotonic_s(), wait_s = LONGEST_POLL_S;
    if (b->n_running < b->h->config.connections)
        for (int i = 0; i < b->n; i++)
            if (b->jobs[i].stage == STAGE_WAITING)
                wait_s = fmin(wait_s, fmax(b->jobs[i].start_s - now_s, 0));
    return (int)ceil(wait_s * 1e3);
}

static void run_batch(struct batch *b)
{
    int running = 0;
    while (b->n_done < b->n) {
        start_due(b);
        curl_multi_perform(b->h->multi, &running);
        settle_finished(b);
        if (b->n_done < b->n)
            curl_multi_poll(b->h->multi, NULL, 0, poll_ms(b), NULL);
    }
}

/* A TLS library may write to a socket that its peer has closed; that must not end the process. Such a signal comes from the
 * process itself; one that another process sent meanwhile is passed on. */
static void run_batch_without_sigpipe(struct batch *b)
{
    static const struct timespec at_once = {0};
    siginfo_t info;
    bool meant = false;
    sigset_t only, before, pending;
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &only, &before);
    run_batch(b);
    if (!sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&only, &info, &at_once) == SIGPIPE)
            meant = meant || info.si_pid != getpid();
    if (meant)
        raise(SIGPIPE); // blocked still: comes when the mask is as it was
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void clear_response(struct http_response *r)
{
    buf_clear(&r->body);
    *r = (struct http_response){.body = r->body};
}

void http_do_all(struct http *h, const struct http_request *requests, struct http_response *out, int n)
{
    double now_s = clock_monotonic_s();
    struct batch b = {.h = h, .n = n, .jobs = calloc((size_t)n, sizeof *b.jobs)};
    for (int i = 0; i < n; i++) {
        clear_response(&out[i]);
        if (!b.jobs) {
            err_set(&out[i].why, ERR_IO, "http: no memory");
            continue;
        }
        double timeout_s = requests[i].timeout_s > 0 ? requests[i].timeout_s : h->config.timeout_s;
        b.jobs[i] = (struct job){.transfer = {.config = &h->config, .request = &requests[i], .response = &out[i]},
                                 .start_s = now_s,
                                 .deadline_s = now_s + timeout_s};
    }
    if (b.jobs)
        run_batch_without_sigpipe(&b);
    free(b.jobs);
}

bool http_do(struct http *h, const struct http_request *request, struct http_response *out, struct err *e)
{
    http_do_all(h, request, out, 1);
    return out->status || err_set(e, out->why.code, "%s", out->why.message);
}

void http_response_finish(struct http_response *r)
{
    if (!r)
        return;
    buf_finish(&r->body);
    *r = (struct http_response){0};
}
