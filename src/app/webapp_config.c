/* webapp_config: the table of the demo service's settings. */
#include <maestro/webapp.h>

#include <stddef.h>

#define APP(field) offsetof(struct webapp_config, field)

// clang-format off
static const struct config_key KEYS[] = {
    {"address", CONFIG_STRING, APP(address), "0.0.0.0", 0, 0, NULL, NULL, "Address to listen on."},
    {"port", CONFIG_INT, APP(port), "8000", 0, 65535, NULL, NULL, "Port to listen on; 0: any free one."},
    {"cpu_ms", CONFIG_DOUBLE, APP(cpu_ms), "1.2", 0, 60000, "ms", NULL, "Mean CPU time of a request."},
    {"cpu_cv", CONFIG_DOUBLE, APP(cpu_cv), "0.8", 0, 5, NULL, NULL, "Coefficient of variation of the CPU time, log-normal."},
    {"wait_ms", CONFIG_DOUBLE, APP(wait_ms), "2", 0, 600000, "ms", NULL, "Mean time of a request without CPU, such as downstream calls."},
    {"wait_cv", CONFIG_DOUBLE, APP(wait_cv), "0.5", 0, 5, NULL, NULL, "Coefficient of variation of that time, log-normal."},
    {"concurrency", CONFIG_INT, APP(concurrency), "512", 1, 4096, NULL, NULL, "Requests at work at once."},
    {"backlog", CONFIG_INT, APP(backlog), "511", 0, 8192, NULL, NULL, "Requests that may wait for a place; more are turned away with 503."},
    {"timeout_ms", CONFIG_DOUBLE, APP(timeout_ms), "10000", 10, 600000, "ms", NULL, "Longest wait for a place; failed requests enter the histogram at this value."},
    {"memory_base_mib", CONFIG_DOUBLE, APP(memory_base_mib), "60", 0, 100000, NULL, NULL, "Memory held from the start, MiB."},
    {"memory_per_request_mib", CONFIG_DOUBLE, APP(memory_per_request_mib), "0.05", 0, 10000, NULL, NULL, "Memory held by a request at work, MiB."},
    {"leak_kib", CONFIG_DOUBLE, APP(leak_kib), "0", 0, 1000000, NULL, NULL, "Memory lost with every request, KiB."},
    {"start_s", CONFIG_DOUBLE, APP(start_s), "2", 0, 600, "s", NULL, "Time until ready; scheduling and start of the container come on top."},
    {"start_cpu_cores", CONFIG_DOUBLE, APP(start_cpu_cores), "0.2", 0, 64, "cores", NULL, "CPU burned while getting ready."},
    {"warm_up_s", CONFIG_DOUBLE, APP(warm_up_s), "0", 0, 600, "s", NULL, "Time after ready in which requests cost more CPU."},
    {"warm_up_speed", CONFIG_DOUBLE, APP(warm_up_speed), "1", 0.1, 1, "ratio", NULL, "Speed at ready; rises to 1."},
    {"linger_s", CONFIG_DOUBLE, APP(linger_s), "3", 0, 600, "s", NULL, "After SIGTERM: serving on, but not ready, until the endpoints know."},
    {"grace_s", CONFIG_DOUBLE, APP(grace_s), "25", 0, 600, "s", NULL, "Longest time for requests at work after that."},
    {"seed", CONFIG_LONG, APP(seed), "0", 0, 0, NULL, NULL, "Of the requests' costs; 0: another one in every process."},
    {"buckets_ms", CONFIG_DOUBLES, APP(buckets_ms), "[1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000]", 0.001, 1e7, "ms", NULL, "Finite upper bounds of the latency histogram, rising."},
};
// clang-format on

struct config_section webapp_section(struct webapp_config *c)
{
    return (struct config_section){"app", "The demo service.", KEYS, (int)(sizeof KEYS / sizeof *KEYS), c};
}
