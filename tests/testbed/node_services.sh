# shellcheck shell=bash disable=SC2154 # set by common.sh
# node_services: the rest of a node bed's control plane, and the services of the cluster, as processes: controller-manager, scheduler,
# kube-proxy, CoreDNS, metrics-server; services.yaml tells the cluster of the last two. Sourced behind common.sh and
# node_runtime.sh.

start_controller-manager() {
    node_spawn controller-manager "$kubernetes_bin/kube-controller-manager" \
        --kubeconfig="$bed_state/kube-controller-manager.kubeconfig" --root-ca-file="$bed_state/pki/ca.crt" \
        --service-account-private-key-file="$bed_state/pki/accounts.key" --use-service-account-credentials \
        --leader-elect=false --cert-dir="$bed_state/pki/controller-manager" \
        --horizontal-pod-autoscaler-sync-period="$(cat "$bed_state/hpa_s")s"
}

start_scheduler() {
    node_spawn scheduler "$kubernetes_bin/kube-scheduler" --kubeconfig="$bed_state/kube-scheduler.kubeconfig" \
        --leader-elect=false --cert-dir="$bed_state/pki/scheduler"
}

# It may not set the sysctls of conntrack everywhere, and need not.
start_kube-proxy() {
    node_spawn kube-proxy "$kubernetes_bin/kube-proxy" --kubeconfig="$bed_state/kube-proxy.kubeconfig" --hostname-override=node1 \
        --proxy-mode=iptables --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0 \
        --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}

prepare_coredns() {
    cat >"$bed_state/Corefile" <<END
.:53 {
    bind $node_address
    errors
    ready $node_address:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig $bed_state/admin.kubeconfig testbed
    }
    cache 5
}
END
}

start_coredns() {
    node_spawn coredns "${testbed_cache[coredns]}/coredns" -conf "$bed_state/Corefile"
}

start_metrics-server() {
    node_spawn metrics-server "${testbed_cache[metrics-server]}/metrics-server" --secure-port=4443 \
        --cert-dir="$bed_state/pki/metrics-server" --kubelet-insecure-tls --kubelet-preferred-address-types=InternalIP \
        --metric-resolution=15s --kubeconfig="$bed_kubeconfig" --authentication-kubeconfig="$bed_kubeconfig" \
        --authorization-kubeconfig="$bed_kubeconfig"
}
