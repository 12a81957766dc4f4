# shellcheck shell=bash disable=SC2154 # set by common.sh
# node_runtime: what runs pods: the bed's mounts and cgroup, containerd, kubelet. Sourced behind common.sh and remove.sh.
#
# A mount namespace of the bed's own gives it a /run, a /var/lib and a /var/log that lie in its folder, so that no program leaves
# a file or a mount on the host, and several nodes do not share the places that programs have fixed. The anchor keeps it.

node_cgroup() {
    local mount
    while read -r mount; do
        # The controllers of the second version are handed down level by level.
        [ ! -e "$mount/cgroup.controllers" ] || cgroup_hand_down "$mount"
        mkdir -p "$mount/$bed_cgroup"
        [ ! -e "$mount/cgroup.controllers" ] || cgroup_hand_down "$mount/$bed_cgroup"
        mkdir -p "$mount/$bed_cgroup/system"
        [ ! -e "$mount/cpuset.mems" ] || cgroup_copy_cpuset "$mount" "$bed_cgroup" "$bed_cgroup/system"
    done < <(cgroup_hierarchies)
}

cgroup_hand_down() { # FOLDER
    local controller
    for controller in cpu cpuset memory pids hugetlb; do
        { echo "+$controller" >"$1/cgroup.subtree_control"; } 2>/dev/null || true
    done
}

cgroup_copy_cpuset() { # HIERARCHY FOLDER...
    local folder name
    for folder in "${@:2}"; do
        for name in cpuset.cpus cpuset.mems; do
            cat "$1/$name" >"$1/$folder/$name"
        done
    done
}

# node_spawn NAME COMMAND...: as bed_spawn, in the bed's cgroup and among its mounts.
node_spawn() {
    local name=$1
    shift
    bed_spawn "$name" "$testbed_folder/node_enter" "$bed_cgroup" "/proc/$(cat "$bed_state/anchor.pid")/ns/mnt" "$@"
}

start_anchor() {
    rm -f "$bed_state/mounted"
    mkdir -p "$bed_state"/own/{run,lib,log} "$bed_state/own/run/netns"
    bed_spawn anchor "$testbed_folder/node_enter" "$bed_cgroup" "" unshare --mount --propagation private \
        "$testbed_folder/node_anchor" "$bed_state"
}

prepare_containerd() {
    mkdir -p "$bed_state/containerd"
    ln -sf ../own/run/containerd/containerd.sock "$bed_containerd" # as the host sees it
    cat >"$bed_state/containerd.toml" <<END
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$bed_state/cni"
END
}

start_containerd() {
    node_spawn containerd containerd --config "$bed_state/containerd.toml"
}

# CPU and memory of containers are counted every second, for whoever scrapes them as often; KubeletInUserNamespace lets it do
# without rights that a container or a small machine may not have.
prepare_kubelet() {
    : >"$bed_state/resolv.conf"
    cat >"$bed_state/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $bed_state/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$bed_cgroup
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
failCgroupV1: false
failSwapOn: false
featureGates: {KubeletInUserNamespace: true}
imageGCHighThresholdPercent: 100
resolvConf: $bed_state/resolv.conf
volumePluginDir: $bed_state/own/plugins
END
}

start_kubelet() {
    node_spawn kubelet "$kubernetes_bin/kubelet" --config="$bed_state/kubelet.yaml" --kubeconfig="$bed_state/node.kubeconfig" \
        --hostname-override=node1 --node-ip="$node_address" --root-dir=/var/lib/kubelet --cert-dir=/var/lib/kubelet/pki \
        --housekeeping-interval=1s
}
