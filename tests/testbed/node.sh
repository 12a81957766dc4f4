# shellcheck shell=bash disable=SC2154 # set by common.sh and up
# node: the whole Kubernetes of one node, in the order in which its parts need each other. Sourced by up and restart behind
# common.sh, pki.sh, remove.sh and parts.sh.
# shellcheck source=tests/testbed/node_network.sh
. "$testbed_folder/node_network.sh"
# shellcheck source=tests/testbed/node_runtime.sh
. "$testbed_folder/node_runtime.sh"
# shellcheck source=tests/testbed/node_services.sh
. "$testbed_folder/node_services.sh"
# shellcheck source=tests/testbed/node_images.sh
. "$testbed_folder/node_images.sh"

needs_api() {
    bed_needs prometheus
}

build_api() {
    "$testbed_folder/build" kube-apiserver >/dev/null
}

# Ends with 77 and the reason if no node can stand on this machine.
needs_node() {
    local controller
    bed_needs containerd ctr runc iptables conntrack mount gcc tar
    [ -x /usr/lib/cni/ptp ] || bed_skip "the test bed's node needs the CNI plugins in /usr/lib/cni (containernetworking-plugins)"
    [ -n "$(cgroup_hierarchies)" ] || bed_skip "the test bed's node needs cgroups, and none are mounted"
    for controller in cpu cpuset memory pids; do
        grep -qE "^$controller\s.*\s1$" /proc/cgroups 2>/dev/null ||
            grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
            bed_skip "the test bed's node needs the cgroup controller $controller, which this machine does not have"
    done
    [ -w "$(cgroup_hierarchies | head -n 1)" ] || bed_skip "the test bed's node needs to make cgroups, which this machine refuses"
    grep -qw overlay /proc/filesystems || bed_skip "the test bed's node needs overlayfs, which this kernel does not have"
    [ "${#bed_containerd}" -lt 100 ] || bed_skip "the test bed's folder $bed_state has too long a name for a socket in it"
}

build_node() {
    "$testbed_folder/build" kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl coredns \
        metrics-server >/dev/null
    ! $images || "$testbed_folder/build" k6 prometheus >/dev/null
}

node_kubeconfigs() {
    local server name
    server=https://$(cat "$bed_state/address"):$api_port
    pki_kubeconfig "$bed_kubeconfig" "$server" "$bed_state/pki" admin
    for name in kube-controller-manager kube-scheduler kube-proxy node; do
        pki_kubeconfig "$bed_state/$name.kubeconfig" "$server" "$bed_state/pki" "$name"
    done
}

node_kubectl() {
    bed_enter "$kubernetes_bin/kubectl" --kubeconfig="$bed_kubeconfig" "$@" 9>&-
}

# The objects of the services lie in the API server's own namespaces, which it makes itself in its first second.
node_objects() {
    local deadline=$((SECONDS + 30))
    until node_kubectl get namespace kube-system >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
    node_kubectl apply -f "$testbed_folder/services.yaml" >/dev/null
}

# A pod can be made: there is a node for it, and the account that it has when it names none.
node_takes_pods() {
    node_kubectl wait --for=condition=Ready node/node1 --timeout=10s && node_kubectl -n default get serviceaccount default
}

node_ready() {
    local deadline=$((SECONDS + 120)) said
    until said=$(node_takes_pods 2>&1); do
        if [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 5 "$bed_state/kubelet.log" >&2
            node_kubectl get node node1 >&2 -o \
                jsonpath='{range .status.conditions[*]}{.type}={.status} {.message}{"\n"}{end}' || true
            bed_say "the node of bed $bed_name did not become ready: $said; what kubelet and the node say stands above"
            return 1
        fi
        sleep 0.2
    done
}

up_node() {
    make_network
    make_link
    pki_make "$bed_state/pki" "$node_address" "$(cat "$bed_state/address")"
    pki_make_node "$bed_state/pki"
    node_kubeconfigs
    node_cgroup
    start_anchor
    start_etcd
    start_apiserver
    prepare_pod_network
    prepare_containerd
    prepare_kubelet
    prepare_coredns
    echo "${MAESTRO_BED_HPA_S:-15}" >"$bed_state/hpa_s"
    bed_wait anchor
    start_containerd
    bed_wait containerd
    import_pause
    bed_wait etcd apiserver
    start_controller-manager
    start_scheduler
    start_kubelet
    start_kube-proxy
    start_coredns
    node_objects
    start_metrics-server
    bed_wait "${bed_parts[@]}"
    node_ready
}
