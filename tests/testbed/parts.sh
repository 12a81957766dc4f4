# shellcheck shell=bash disable=SC2154 # set by common.sh
# parts: how the parts that both sizes of bed have are started: the network, etcd, the API server; and Prometheus, which the
# small size has. Each start_PART may be called again for one that has ended: it goes on from what lies in the bed's folder.
# Sourced behind common.sh.

make_network() {
    ip netns add "$bed_netns"
    ip -n "$bed_netns" link set lo up
    # The API server advertises an address that is not loopback; an empty bridge carries it.
    ip -n "$bed_netns" link add node0 type bridge
    ip -n "$bed_netns" address add "$node_address/32" dev node0
    ip -n "$bed_netns" link set node0 up
    ip -n "$bed_netns" route add default dev node0
}

start_etcd() {
    bed_spawn etcd etcd --unsafe-no-fsync --data-dir "$bed_state/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" \
        --advertise-client-urls "http://127.0.0.1:$etcd_port" --listen-peer-urls http://127.0.0.1:2380
}

# The feature gate: etcd 3.4 has no progress notification, and the log would fill with complaints.
start_apiserver() {
    local pki=$bed_state/pki
    local -a more=()
    [ ! -e "$bed_state/audit.yaml" ] ||
        more+=(--audit-policy-file="$bed_state/audit.yaml" --audit-log-path="$bed_state/audit.jsonl")
    [ "$bed_size" = api ] || more+=(--allow-privileged --kubelet-preferred-address-types=InternalIP
        --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key"
        --requestheader-client-ca-file="$pki/front-ca.crt" --requestheader-username-headers=X-Remote-User
        --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra-
        --proxy-client-cert-file="$pki/front.crt" --proxy-client-key-file="$pki/front.key" --enable-aggregator-routing)
    bed_spawn apiserver "$kubernetes_bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" \
        --secure-port="$api_port" --bind-address=0.0.0.0 --advertise-address="$node_address" --cert-dir="$pki" \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
        --service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key" \
        --service-account-issuer=https://kubernetes.default.svc --authorization-mode=Node,RBAC \
        --service-cluster-ip-range=10.96.0.0/16 --feature-gates=SizeBasedListCostEstimate=false \
        "${more[@]}"
}

prepare_prometheus() {
    mkdir "$bed_state/targets"
    cat >"$bed_state/prometheus.yml" <<END
global:
  scrape_interval: ${MAESTRO_BED_SCRAPE_S:-5}s
  scrape_timeout: ${MAESTRO_BED_SCRAPE_S:-5}s
scrape_configs:
- job_name: bed
  honor_labels: true
  file_sd_configs:
  - files: ["$bed_state/targets/*.json"]
    refresh_interval: 1s
END
}

start_prometheus() {
    bed_spawn prometheus prometheus --config.file="$bed_state/prometheus.yml" --storage.tsdb.path="$bed_state/prometheus" \
        --web.listen-address="127.0.0.1:$prometheus_port" --storage.tsdb.retention.time=2h --log.level=warn
}

# end_part NAME: at once, as a crash would.
end_part() {
    bed_part_runs "$1" || return 0
    kill -KILL "$(cat "$bed_state/$1.pid")" 2>/dev/null || true
    while bed_part_runs "$1"; do sleep 0.05; done
}
