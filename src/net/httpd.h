/* httpd.h: what the two halves of the HTTP server share: the daemon (httpd.c) and its requests (httpd_exchange.c). */
#ifndef NET_HTTPD_H
#define NET_HTTPD_H

#include <maestro/httpd.h>

#include <microhttpd.h>
#include <stdatomic.h>

struct exchange;

/* What one server thread has to itself; a cache line of its own. */
struct httpd_lane {
    _Alignas(64) _Atomic long started;
    _Atomic long finished;
    struct exchange *spare; /* list of exchanges to use again */
    int n_spare;
};

struct httpd {
    struct httpd_config config;
    struct MHD_Daemon *daemon;
    int port;
    _Atomic int n_lanes_taken;
    _Atomic long n_connections;
    _Atomic bool draining;
    struct httpd_lane *lanes; /* [n_threads] owned */
};

/* MHD_AccessHandlerCallback; context: struct httpd. */
enum MHD_Result exchange_access(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *n_upload, void **state);
/* MHD_RequestCompletedCallback; context: struct httpd. */
void exchange_completed(void *context, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code);
void exchange_free_spare(struct httpd_lane *lane);

#endif
