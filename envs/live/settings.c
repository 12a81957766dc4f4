/* settings: the two sections of configuration that everything live shares, where Prometheus is and what to ask it, and which
 * Kubernetes objects are targets. Tables only. */
#include <maestro/live.h>

#include <stddef.h>

#define PROMETHEUS(field) offsetof(struct live_prometheus, field)
#define KUBERNETES(field) offsetof(struct live_kubernetes, field)

const struct config_key live_prometheus_keys[] = {
    {"url", CONFIG_STRING, PROMETHEUS(url), "http://prometheus:9090", 0, 0, NULL, NULL,
     "Where Prometheus answers; a path prefix is allowed."},
    {"timeout_s", CONFIG_DOUBLE, PROMETHEUS(timeout_s), "8s", 0.1, 120, "s", NULL, "Longest wait for an answer."},
    {"use_get", CONFIG_BOOL, PROMETHEUS(use_get), "off", 0, 0, NULL, NULL,
     "Ask with GET instead of POST, for proxies that forbid POST."},
    {"token_file", CONFIG_STRING, PROMETHEUS(token_file), "", 0, 0, NULL, NULL,
     "File with a bearer token, or with the whole value of the Authorization header; read anew once a minute."},
    {"ca_file", CONFIG_STRING, PROMETHEUS(ca_file), "", 0, 0, NULL, NULL,
     "Certificate authorities (PEM) to trust; empty: the system's."},
    {"certificate_file", CONFIG_STRING, PROMETHEUS(certificate_file), "", 0, 0, NULL, NULL,
     "Client certificate (PEM)."},
    {"key_file", CONFIG_STRING, PROMETHEUS(key_file), "", 0, 0, NULL, NULL, "Key of the client certificate (PEM)."},
    {"server_name", CONFIG_STRING, PROMETHEUS(server_name), "", 0, 0, NULL, NULL,
     "Name expected in Prometheus' certificate instead of the URL's."},
    {"insecure", CONFIG_BOOL, PROMETHEUS(insecure), "off", 0, 0, NULL, NULL, "Do not check Prometheus' certificate."},
    {"resources", CONFIG_CHOICE, PROMETHEUS(resources), "kubelet-resource", 0, 0, NULL, "kubelet-resource|cadvisor",
     "Source of CPU and memory: kubelet's /metrics/resource, or cAdvisor, whose pod-level rows stand in where it has "
     "no container rows."},
    {"traffic", CONFIG_CHOICE, PROMETHEUS(traffic), "app", 0, 0, NULL, "istio|app|nginx-ingress",
     "Source of requests and latency: Istio, the service's own http_requests_total and http_request_duration_seconds, "
     "or ingress-nginx."},
    {"window_s", CONFIG_DOUBLE, PROMETHEUS(window_s), "60s", 5, 3600, "s", NULL,
     "Window of every rate; at least four scrape intervals, and what the policy was trained with."},
    {"quantile", CONFIG_DOUBLE, PROMETHEUS(quantile), "0.95", 0.5, 0.999, "ratio", NULL,
     "Quantile of the latency signal, as the policy was trained."},
    {"scrape_s", CONFIG_DOUBLE, PROMETHEUS(scrape_s), "15s", 1, 600, "s", NULL,
     "Scrape interval; samples older than three of them, and than 60 s, are stale."},
    {"namespace_label", CONFIG_STRING, PROMETHEUS(namespace_label), "", 0, 0, NULL, NULL,
     "Label with the namespace on requests and latency; empty: the preset's."},
    {"deployment_label", CONFIG_STRING, PROMETHEUS(deployment_label), "", 0, 0, NULL, NULL,
     "Label with the Deployment's name on requests and latency; empty: the preset's; pod: the name is cut out of the "
     "pod's."},
    {"code_label", CONFIG_STRING, PROMETHEUS(code_label), "", 0, 0, NULL, NULL,
     "Label with the status code on requests; empty: the preset's."},
    {"pod_suffix", CONFIG_STRING, PROMETHEUS(pod_suffix), "-[b-df-hj-np-tv-z0-9]{1,10}-[b-df-hj-np-tv-z0-9]{5}", 0, 0,
     NULL, NULL,
     "Regular expression of what stands behind the Deployment's name in a pod's: no vowels, so that web-api-x2x4z of a "
     "DaemonSet is no pod of web."},
    {"cpu_query", CONFIG_STRING, PROMETHEUS(cpu_query), "", 0, 0, NULL, NULL,
     "PromQL instead of the preset's: percent of one core by namespace and deployment; ages labelled maestro=\"age\"."},
    {"memory_query", CONFIG_STRING, PROMETHEUS(memory_query), "", 0, 0, NULL, NULL,
     "PromQL instead of the preset's: bytes of working set."},
    {"p95_query", CONFIG_STRING, PROMETHEUS(p95_query), "", 0, 0, NULL, NULL,
     "PromQL instead of the preset's: latency in milliseconds."},
    {"rps_query", CONFIG_STRING, PROMETHEUS(rps_query), "", 0, 0, NULL, NULL,
     "PromQL instead of the preset's: requests per second; server errors apart, labelled maestro_code=\"5\"."},
    {"presence_query", CONFIG_STRING, PROMETHEUS(presence_query), "", 0, 0, NULL, NULL,
     "PromQL instead of the preset's: above 0 where a target is scraped, so that no requests means none."},
};
const int n_live_prometheus_keys = sizeof live_prometheus_keys / sizeof live_prometheus_keys[0];

const struct config_key live_kubernetes_keys[] = {
    {"kubeconfig", CONFIG_STRING, KUBERNETES(kubeconfig), "", 0, 0, NULL, NULL,
     "Path; empty: the service account inside a cluster, else $KUBECONFIG, else ~/.kube/config."},
    {"context", CONFIG_STRING, KUBERNETES(context), "", 0, 0, NULL, NULL,
     "Context of the kubeconfig; empty: its current one."},
    {"account", CONFIG_STRING, KUBERNETES(account), "", 0, 0, NULL, NULL,
     "Folder of the service account's token; empty: where kubelet puts it."},
    {"timeout_s", CONFIG_DOUBLE, KUBERNETES(timeout_s), "10s", 0.1, 120, "s", NULL, "Longest wait for an answer."},
    {"namespaces", CONFIG_TEXTS, KUBERNETES(namespaces), "", 0, 0, NULL, NULL,
     "Namespaces to look for targets in; empty: all."},
    {"selector", CONFIG_STRING, KUBERNETES(selector), "", 0, 0, NULL, NULL,
     "Label selector that targets must match; empty: any."},
    {"annotation_prefix", CONFIG_STRING, KUBERNETES(annotation_prefix), "maestro.dev/", 0, 0, NULL, NULL,
     "Prefix of the annotations that are ours."},
    {"annotated", CONFIG_BOOL, KUBERNETES(annotated), "on", 0, 0, NULL, NULL,
     "Only Deployments that carry an annotation under the prefix are targets."},
    {"conflicts_every", CONFIG_INT, KUBERNETES(conflicts_every), "6", 0, 10000, NULL, NULL,
     "Look for other scalers on the targets every so many refreshes; 0: never."},
    {"pod_metrics", CONFIG_CHOICE, KUBERNETES(pod_metrics), "metrics-server", 0, 0, NULL, "metrics-server|prometheus",
     "Source of each pod's CPU, for the HPA's rule."},
};
const int n_live_kubernetes_keys = sizeof live_kubernetes_keys / sizeof live_kubernetes_keys[0];
