/* real_prometheus: Debian's Prometheus on loopback for one test, on a port of its own choice, scraping what a configuration
 * says. Where it is not installed the test is skipped. */
#ifndef TESTS_REAL_PROMETHEUS_H
#define TESTS_REAL_PROMETHEUS_H

#include "folder.h"

#include <maestro/child.h>
#include <maestro/clock.h>
#include <maestro/file.h>

#include <time.h>

struct real_prometheus {
    char folder[FOLDER_BYTES];
    char url[64];
    struct child *child;
};

static inline bool real_prometheus_exists(void)
{
    return access("/usr/bin/prometheus", X_OK) == 0;
}

static inline void real_prometheus_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
}

/* Its address, once the log tells it. */
static inline bool real_prometheus_find(struct real_prometheus *p, const char *log)
{
    struct buf text = {0};
    int port = 0;
    if (file_exists(log) && file_read(log, (size_t)1 << 20, &text, NULL) && text.len) {
        const char *at = strstr(text.bytes, "msg=\"Listening on\" address=127.0.0.1:");
        const char *colon = at ? strstr(at, "127.0.0.1:") : NULL;
        port = colon ? (int)strtol(colon + strlen("127.0.0.1:"), NULL, 10) : 0;
    }
    buf_finish(&text);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d", port);
    return port > 0;
}

static inline void real_prometheus_open(struct real_prometheus *p, const char *configuration)
{
    char config[FOLDER_BYTES + 32], data[FOLDER_BYTES + 48], file[FOLDER_BYTES + 48], log[FOLDER_BYTES + 32];
    struct err e = {0};
    folder_make(p->folder);
    snprintf(config, sizeof config, "%s/prometheus.yml", p->folder);
    snprintf(file, sizeof file, "--config.file=%s", config);
    snprintf(data, sizeof data, "--storage.tsdb.path=%s/data", p->folder);
    snprintf(log, sizeof log, "%s/log", p->folder);
    ck_assert_msg(file_write_atomic(config, configuration, strlen(configuration), &e), "%s", e.message);
    const char *argv[] = {"prometheus", file, data, "--web.listen-address=127.0.0.1:0", NULL};
    ck_assert_msg(child_open(argv, (const char *const[]){NULL}, log, &p->child, &e), "%s", e.message);
    double until_s = clock_monotonic_s() + 30;
    while (!real_prometheus_find(p, log) && clock_monotonic_s() < until_s)
        real_prometheus_nap();
    ck_assert_msg(clock_monotonic_s() < until_s, "prometheus did not listen within 30 s");
}

static inline void real_prometheus_close(struct real_prometheus *p)
{
    child_close(p->child, 5);
    folder_remove(p->folder);
}

#endif
