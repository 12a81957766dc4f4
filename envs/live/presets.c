/* presets: how the usual sources of requests and latency name their series and labels. Facts only; query makes PromQL of
 * them. */
#include "query.h"

static const struct preset_traffic PRESETS[] = {
    [LIVE_ISTIO] = {.name = "istio",
                    .latency = "istio_request_duration_milliseconds",
                    .latency_ms = 1,
                    .requests = "istio_requests_total",
                    .matchers = "reporter=\"destination\",",
                    .space_label = "destination_workload_namespace",
                    .target_label = "destination_workload",
                    .code_label = "response_code",
                    .presence = "up"},
    [LIVE_APP] = {.name = "app",
                  .latency = "http_request_duration_seconds",
                  .latency_ms = 1000,
                  .requests = "http_requests_total",
                  .matchers = "",
                  .space_label = "namespace",
                  .target_label = "pod",
                  .code_label = "code",
                  .presence = "up"},
    /* The controller shows the Service's name, taken for the Deployment's, and Prometheus moves its namespace aside. */
    [LIVE_NGINX_INGRESS] = {.name = "nginx-ingress",
                            .latency = "nginx_ingress_controller_request_duration_seconds",
                            .latency_ms = 1000,
                            .requests = "nginx_ingress_controller_requests",
                            .matchers = "",
                            .space_label = "exported_namespace",
                            .target_label = "exported_service",
                            .code_label = "status",
                            .presence = "nginx_ingress_controller_config_last_reload_successful",
                            .presence_of_all = true},
};

struct preset_traffic preset_traffic(const struct live_prometheus *config)
{
    struct preset_traffic p = PRESETS[config->traffic];
    if (config->namespace_label[0])
        p.space_label = config->namespace_label;
    if (config->deployment_label[0])
        p.target_label = config->deployment_label;
    if (config->code_label[0])
        p.code_label = config->code_label;
    return p;
}
