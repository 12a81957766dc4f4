# shellcheck shell=bash disable=SC2034,SC2154 # used by, and set by, the scripts
# node: what compare, soak and costs share: a full node of their own with the overlay one-node on it, the demo service
# brought back to the same beginning, autoscalers switched on and off, k6 against the Service, the sampler. Sourced
# behind test.sh; $build is the folder of the build.
e2e_folder=$testbed_source/tests/e2e
demo_service_name=target-app
metrics_path=/apis/metrics.k8s.io/v1beta1/namespaces/demo/pods
last_gasp_s=3 # from the last request to the last scrape of it

# A full node with everything on it, taken down at the end. A machine that cannot ends the script with 77.
node_up() {
    test_kubectl
    "$testbed_folder/build" k6 >/dev/null || exit $?
    test_up_node --no-images
    "$testbed_folder/images" "--bed=$bed_name_of_test" "$build" || exit $?
    kubectl_inside apply -k "$testbed_source/manifests/overlays/one-node" >"$room/apply.log" ||
        bed_die "the overlay one-node was not taken"
    within 180 node_ready ||
        bed_die "not all Deployments came up: $(kubectl_inside get pods -A --no-headers | grep -v Running)"
    node_check_limits || bed_die "limits of the overlay one-node are not those of tests/e2e/plan.py"
}

# Every Deployment has as many ready pods as it asks for.
node_ready() {
    kubectl_inside get deployments -A -o json |
        jq -e '.items | length > 3 and all((.status.readyReplicas // 0) == .spec.replicas)' >/dev/null
}

# What is judged by is what the service is annotated with.
node_check_limits() {
    local wanted name
    wanted=$(for name in SOFT_MS HARD_MS LEAST MOST; do python3 -B "$e2e_folder/plan.py" constant "$name"; done | paste -sd ' ')
    [ "$wanted" = "$(kubectl_inside -n demo get deployment target-app -o json | jq -r '.metadata.annotations |
        [.latencySoftConstraint, .latencyHardConstraint, .["maestro.dev/min-replicas"], .["maestro.dev/max-replicas"]] |
        join(" ")')" ]
}

demo_annotate() { # KEY=VALUE...
    kubectl_inside -n demo annotate --overwrite deployment target-app "$@" >/dev/null
}

address_of() { # NAMESPACE SERVICE
    kubectl_inside -n "$1" get service "$2" -o jsonpath='{.spec.clusterIP}'
}

pods_of() { # NAMESPACE APP: how many exist
    kubectl_inside -n "$1" get pods -l "app.kubernetes.io/name=$2" -o name | wc -l
}

pods_are() { # NAMESPACE APP COUNT
    [ "$(pods_of "$1" "$2")" -eq "$3" ]
}

demo_ready() { # COUNT
    [ "$(kubectl_inside -n demo get deployment target-app -o jsonpath='{.status.readyReplicas}')" = "$1" ]
}

# One number by Prometheus' query; nothing where there is none.
prometheus_number() { # QUERY
    inside curl -s -m 5 "http://$prometheus_address:9090/api/v1/query" --data-urlencode "query=$1" |
        jq -r '.data.result[0].value[1] // empty' 2>/dev/null
}

prometheus_sees() { # COUNT: so many pods of the demo service, and their requests
    [ "$(prometheus_number 'count(http_requests_total{namespace="demo",code="200"})')" = "$1" ]
}

metrics_see() { # COUNT: the metrics server has so many pods
    kubectl_inside get --raw "$metrics_path" 2>/dev/null | jq -e --argjson n "$1" '.items | length == $n' >/dev/null
}

# Requests that the demo service has answered with 200, by its own counters, pods that are gone included.
app_requests() {
    prometheus_number 'sum(max_over_time(http_requests_total{namespace="demo",code="200"}[2h]))'
}

scalers_off() {
    kubectl_inside -n demo delete hpa --all --wait=true >/dev/null
    demo_annotate maestro.dev/mode=off
    kubectl_inside -n maestro scale deployment --all --replicas=0 >/dev/null
    within 60 pods_are maestro maestro-autoscaler 0
}

# The same beginning for every run: no autoscaler, pods that nobody has used, a Prometheus that remembers nothing, a
# metrics server that knows the pods.
node_reset() { # REPLICAS
    scalers_off || return 1
    kubectl_inside -n demo scale deployment target-app --replicas=0 >/dev/null
    kubectl_inside -n monitoring delete pod -l app.kubernetes.io/name=prometheus --wait=false >/dev/null
    within 90 pods_are demo "$demo_service_name" 0 || return 1
    kubectl_inside -n monitoring rollout status deployment/prometheus --timeout=120s >/dev/null || return 1
    kubectl_inside -n demo scale deployment target-app --replicas="$1" >/dev/null
    within 60 demo_ready "$1" && prometheus_address=$(address_of monitoring prometheus) &&
        within 60 prometheus_sees "$1" && within 90 metrics_see "$1"
}

hpa_on() { # SCALER LOAD OPTION...
    python3 -B "$e2e_folder/plan.py" hpa "$@" | kubectl_inside apply -f - >/dev/null &&
        kubectl_inside -n demo wait hpa/target-app --for=condition=ScalingActive --timeout=120s >/dev/null
}

# A value of what a policy file says of its training.
policy_says() { # FILE NAME
    python3 -B - "$@" <<'EOF'
import json, struct, sys
with open(sys.argv[1], "rb") as file:
    head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
print(f'{json.loads(head["__metadata__"]["control"])[sys.argv[2]]:g}')
EOF
}

# The policy goes in as an operator would put it in; the autoscaler measures as the policy was trained, and Prometheus
# scrapes every second whatever the policy is told.
maestro_policy() { # FILE
    kubectl_inside -n maestro create configmap maestro-policy --dry-run=client -o yaml --from-file=policy.safetensors="$1" |
        kubectl_inside apply --server-side --force-conflicts -f - >/dev/null || return 1
    kubectl_inside -n maestro get deployment maestro-autoscaler -o json |
        jq --arg scrape "$(policy_says "$1" scrape_s)" --arg window "$(policy_says "$1" window_s)" '
            {spec: {template: {spec: {containers: [.spec.template.spec.containers[0] | {name, args: (
                [.args[] | select(test("^--prometheus[.](scrape|window)_s=") | not)] +
                ["--prometheus.scrape_s=\($scrape)s", "--prometheus.window_s=\($window)s"])}]}}}}' >"$room/autoscaler.json"
    kubectl_inside -n maestro patch deployment maestro-autoscaler --patch-file "$room/autoscaler.json" >/dev/null
}

maestro_on() { # POLICY_FILE
    maestro_policy "$1" || return 1
    demo_annotate maestro.dev/mode=active "maestro.dev/interval=$(policy_says "$1" period_s)s"
    kubectl_inside -n maestro scale deployment maestro-autoscaler --replicas=1 >/dev/null
    kubectl_inside -n maestro rollout status deployment/maestro-autoscaler --timeout=60s >/dev/null &&
        maestro_address=$(address_of maestro maestro-autoscaler) && within 60 maestro_decides
}

maestro_asks() { # PATH
    inside curl -sf -m 5 "http://$maestro_address:8082$1"
}

# It leads, and its last decision was one that may act.
maestro_decides() {
    maestro_asks /metrics | seen '^maestro_autoscaler_leader 1' &&
        maestro_asks '/why?namespace=demo&deployment=target-app' | jq -e '.decisions[0].mode == "active"' >/dev/null
}

# beside COMMAND...: inside the bed, in the background, as the very process whose number is in $beside_pid
beside() {
    (exec "$testbed_folder/exec" "--bed=$bed_name_of_test" "$@") &
    beside_pid=$!
}

sampler_on() { # FILE
    beside python3 -B "$e2e_folder/sampler.py" "$api_port" "$bed_state/pki" "$1"
    sampler_pid=$beside_pid
}

sampler_off() {
    kill "$sampler_pid"
    wait "$sampler_pid" 2>/dev/null || true
}

# k6 against the Service, its times of every request in FOLDER/k6.csv, its totals in FOLDER/summary.json. A limit that
# was crossed (status 99) is what is measured, and no failure.
k6_run() { # FOLDER SCRIPT OPTION...
    local folder=$1 script=$2 status=0
    shift 2
    K6_CSV_TIME_FORMAT=unix_milli inside k6 run --quiet --no-usage-report --summary-mode=compact --system-tags=status \
        --summary-export="$folder/summary.json" --out "csv=$folder/k6.csv" -e "TARGET=http://$demo_address" "$@" \
        "$testbed_source/k6/$script.js" >"$folder/k6.log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 99 ] || {
        tail -n 5 "$folder/k6.log" >&2
        return 1
    }
}
