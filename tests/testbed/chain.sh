# shellcheck shell=bash disable=SC2034,SC2154 # used by, and set by, the scripts
# chain: what the demonstration and the tests of the whole chain share: the minikube overlay on the bed's API server, the demo
# service as real processes by the stand-in, and Maestro's programs, each as its own account with its own token and with the
# configuration of the manifests, as they would run in pods. Sourced behind test.sh; $programs is the folder of the programs.

policy_file=$testbed_source/policies/pretrained/web-api.safetensors
service_port=8100
demo_deployment=/apis/apps/v1/namespaces/demo/deployments/target-app

# One request takes 15 ms of waiting and one at a time, so that a process serves some 60 a second on any machine; its little CPU is
# set against a request of as little, so that utilisation means what it means in a cluster.
service_arguments='["--app.wait_ms=15","--app.cpu_ms=0.5","--app.concurrency=1","--app.memory_base_mib=4","--app.start_s=1",
    "--app.linger_s=0","--app.grace_s=2"]'

# The overlay as in manifests/, but for what the bed has no room for: the demo service's arguments and its count.
chain_objects() { # REPLICAS
    kubectl kustomize "$testbed_source/manifests/overlays/minikube" >"$room/overlay.yaml" &&
        kubectl_inside create -f "$room/overlay.yaml" >/dev/null &&
        kubectl_inside -n demo patch deployment target-app --type=json -p "[
            {\"op\": \"add\", \"path\": \"/spec/replicas\", \"value\": $1},
            {\"op\": \"add\", \"path\": \"/spec/template/spec/containers/0/args\", \"value\": $service_arguments},
            {\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/resources\",
             \"value\": {\"requests\": {\"cpu\": \"12m\"}, \"limits\": {\"memory\": \"64Mi\"}}}]" >/dev/null
}

chain_stand_in() {
    inside "$testbed_folder/stand_in" "$programs" "demo/target-app=$service_port" >"$room/stand_in.log" 2>&1 &
    stand_in_pid=$!
    within 40 chain_ready 1
}

# chain_ready N: at least so many pods are ready
chain_ready() {
    local ready
    ready=$(kubectl_inside -n demo get deployment target-app -o jsonpath='{.status.readyReplicas}')
    [ "${ready:-0}" -ge "$1" ]
}

chain_replicas() {
    kubectl_inside -n demo get deployment target-app -o jsonpath='{.spec.replicas}'
}

annotate() { # KEY=VALUE...
    local pair
    local -a pairs=()
    for pair in "$@"; do
        pairs+=("maestro.dev/$pair")
    done
    kubectl_inside -n demo annotate --overwrite deployment target-app "${pairs[@]}" >/dev/null
}

# What kubelet mounts into a pod of this account.
chain_account() { # NAME
    "$testbed_folder/account" "--bed=$bed_name_of_test" maestro "maestro-$1" "$room/account-$1"
}

# chain_program NAME INSTANCE ARGUMENT...: starts maestro-NAME as its pod would be started; its pid is in $program_pid, its log in
# $room/INSTANCE.log. It is the program itself that has this pid: exec all the way.
chain_program() {
    local name=$1 instance=$2
    shift 2
    [ -d "$room/account-$name" ] || chain_account "$name" || return 1
    chain_launch "$name" "$instance" "$@" >"$room/$instance.log" 2>&1 &
    program_pid=$!
}

chain_launch() {
    local name=$1 instance=$2
    shift 2
    exec "$testbed_folder/exec" "--bed=$bed_name_of_test" env -u KUBECONFIG KUBERNETES_SERVICE_HOST=127.0.0.1 \
        KUBERNETES_SERVICE_PORT="$api_port" POD_NAME="$instance" POD_NAMESPACE=maestro "$programs/maestro-$name" \
        --config="$testbed_source/manifests/base/config/$name.yaml" "--$name.policy=ppo:$policy_file" "$@"
}

chain_suggest() { # ARGUMENT...
    chain_program suggest suggest --prometheus.url="http://127.0.0.1:$prometheus_port" \
        --kubernetes.account="$room/account-suggest" --suggest.policies="${policy_file%/*}" "$@"
}

chain_autoscaler() { # INSTANCE PORT ARGUMENT...
    local instance=$1 port=$2
    shift 2
    chain_program autoscaler "$instance" --prometheus.url="http://127.0.0.1:$prometheus_port" \
        --kubernetes.account="$room/account-autoscaler" --autoscaler.policies="${policy_file%/*}" \
        --autoscaler.port="$port" --autoscaler.journal="$room/$instance.jsonl" "$@"
}

get() { # PORT PATH
    inside curl -s -m 5 "http://127.0.0.1:$1$2"
}

answers() { # PORT PATH
    inside curl -sf -m 5 -o /dev/null "http://127.0.0.1:$1$2"
}

why() { # PORT
    get "$1" "/why?namespace=demo&deployment=target-app"
}
