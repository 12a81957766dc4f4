# shellcheck shell=bash disable=SC2034 # what is set here is used by the scripts
# common: what the programs of the test bed share: places and names of a bed, what a machine must have (exit 77 with the reason
# where it has not), starting what runs inside and asking it whether it serves. Source it; it prints only where it says so.
#
# A bed is a network namespace of its own and a folder with everything they keep who run in it. It has one of two sizes: "api" is
# etcd, kube-apiserver and Prometheus; "node" is a whole Kubernetes of one node (node.sh). Beds have names, so several stand
# side by side; nothing of one is reached from outside its namespace but the API server of a node.
set -euo pipefail

# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
testbed_folder=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
testbed_source=$(realpath "$testbed_folder/../..")
testbed_cache_root=${XDG_CACHE_HOME:-${HOME:?}/.cache}/maestro-testbed
testbed_state_root=${MAESTRO_TESTBED_STATE:-${TMPDIR:-/tmp}/maestro-testbed-$(id -u)}
kubernetes_version=v1.34.4
api_port=6443
etcd_port=2379
prometheus_port=9090
node_address=10.254.0.1
api_parts=(etcd apiserver prometheus)
node_parts=(anchor etcd apiserver controller-manager scheduler containerd kubelet kube-proxy coredns metrics-server)

# Where the parts lie that are built from a Go module: a folder for each module, of its name and its go.mod's hash.
declare -A testbed_cache=()
while read -r hash path; do
    path=${path%/go.mod}
    testbed_cache[${path##*/}]=$testbed_cache_root/${path##*/}-${hash:0:16}
done < <(sha256sum "$testbed_folder"/*/go.mod)
testbed_path=${testbed_cache[kubernetes]}:${testbed_cache[k6]}
kubernetes_bin=${testbed_cache[kubernetes]}

bed_say() {
    printf 'testbed: %s\n' "$*" >&2
}

bed_die() {
    bed_say "$*"
    exit 1
}

# On standard error: what up prints on the other goes into a shell.
bed_skip() {
    echo "SKIP $*" >&2
    exit 77
}

# bed_select [--bed=NAME] ARGUMENT...: chooses the bed ("default"); what is left of the arguments is bed_arguments.
bed_select() {
    bed_name=${MAESTRO_BED:-default}
    if [[ ${1:-} == --bed=* ]]; then
        bed_name=${1#--bed=}
        shift
    fi
    bed_arguments=("$@")
    [[ $bed_name =~ ^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$ ]] || bed_die "'$bed_name' is no name for a bed (a-z, 0-9, -)"
    bed_netns=maestro-$bed_name
    bed_state=$testbed_state_root/$bed_name
    bed_kubeconfig=$bed_state/admin.kubeconfig
    bed_cgroup=maestro-$bed_name
    bed_veth=mtb-$(sha256sum <<<"$bed_name" | head -c 8) # a link's name has no room for the bed's
    bed_containerd=$bed_state/containerd/containerd.sock
    bed_size_read
}

# bed_size and bed_parts of what stands, or stood.
bed_size_read() {
    bed_size=$(cat "$bed_state/size" 2>/dev/null || echo api)
    bed_parts=("${api_parts[@]}")
    [ "$bed_size" = api ] || bed_parts=("${node_parts[@]}")
}

# Held by up, down and restart while they change a bed; what they start must not inherit it (9>&-).
bed_lock() {
    mkdir -p "$testbed_state_root"
    chmod 700 "$testbed_state_root"
    local file=$testbed_state_root/.$bed_name.lock
    while :; do
        exec 9>"$file"
        flock -w 300 9 || bed_die "bed $bed_name is being changed by another process"
        # Whoever held it may have taken the bed down, and the file with it.
        [ ! "$file" -ef /proc/self/fd/9 ] || return 0
    done
}

# go_of MODULE: the Go that this folder's module wants
go_of() {
    local word version
    while read -r word version; do
        [ "$word" != go ] || echo "$version"
    done <"$testbed_folder/$1/go.mod"
}

# go_suffices MODULE: whether this Go reads it: is new enough, or may fetch a newer one (GOTOOLCHAIN)
go_suffices() {
    command -v go >/dev/null && (cd "$testbed_folder/$1" && GOFLAGS=-mod=mod GOWORK=off go list -m >/dev/null 2>&1)
}

# bed_needs PROGRAM...: ends with 77 and the reason if beds cannot stand on this machine.
bed_needs() {
    local program
    [ "$(id -u)" -eq 0 ] || bed_skip "the test bed needs root, for a network namespace"
    for program in ip nsenter unshare flock setsid openssl curl jq etcd "$@"; do
        command -v "$program" >/dev/null || bed_skip "the test bed needs $program, which is not installed"
    done
    unshare --net --mount true 2>/dev/null || bed_skip "the test bed needs network namespaces, which this machine refuses"
    [ -x "$kubernetes_bin/kube-apiserver" ] || go_suffices kubernetes ||
        bed_skip "the test bed needs Go $(go_of kubernetes) or newer to build the API server, and go is older or absent"
}

# Pids of everything that runs in the bed's network.
bed_pids() {
    ip netns pids "$bed_netns" 2>/dev/null || true
}

bed_enter() {
    nsenter --net="/run/netns/$bed_netns" "$@"
}

# bed_spawn NAME COMMAND...: runs it inside for as long as the bed stands; its output is NAME.log, its pid NAME.pid.
bed_spawn() {
    local name=$1
    shift
    NO_PROXY='*' no_proxy='*' setsid nsenter --net="/run/netns/$bed_netns" "$@" >>"$bed_state/$name.log" 2>&1 </dev/null 9>&- &
    echo $! >"$bed_state/$name.pid"
    disown # it is not for this shell to tell how it ends
}

# bed_part_runs NAME: whether what bed_spawn started is still there, and is not another process of the same number. Of a killed
# one the first thread is dead while others may still hold its ports: it has no network to be known by, and is there.
bed_part_runs() {
    local pid
    pid=$(cat "$bed_state/$1.pid" 2>/dev/null) || return 1
    if readlink "/proc/$pid/ns/net" >/dev/null 2>&1; then
        [ "/proc/$pid/ns/net" -ef "/run/netns/$bed_netns" ]
    else
        [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ]
    fi
}

# bed_answers NAME: whether that part serves.
bed_answers() {
    local url
    case $1 in
    etcd) url=http://127.0.0.1:$etcd_port/health ;;
    apiserver) url=https://127.0.0.1:$api_port/readyz ;;
    prometheus) url=http://127.0.0.1:$prometheus_port/-/ready ;;
    controller-manager) url=https://127.0.0.1:10257/healthz ;;
    scheduler) url=https://127.0.0.1:10259/healthz ;;
    kubelet) url=http://127.0.0.1:10248/healthz ;;
    kube-proxy) url=http://127.0.0.1:10256/healthz ;;
    coredns) url=http://$node_address:8181/ready ;;
    metrics-server) url=https://127.0.0.1:4443/livez ;;
    anchor) [ -e "$bed_state/mounted" ]; return ;;
    containerd) ctr -a "$bed_containerd" --timeout 2s version >/dev/null 2>&1; return ;;
    *) return 1 ;;
    esac
    # Certificates that a part has made for itself are known to nobody, and who serves here is known anyway.
    bed_enter curl -sfk --noproxy '*' -m 2 --cert "$bed_state/pki/admin.crt" --key "$bed_state/pki/admin.key" \
        -o /dev/null "$url" 2>/dev/null
}

# Whether all of it is there and serves.
bed_is_up() {
    local part
    [ -f "$bed_state/up" ] || return 1
    for part in "${bed_parts[@]}"; do
        bed_part_runs "$part" && bed_answers "$part" || return 1
    done
}

# bed_wait PART...: until they serve; fails, with the part's last lines told, where one ends or is too late.
bed_wait() {
    local part deadline=$((SECONDS + 120))
    for part in "$@"; do
        until bed_answers "$part"; do
            if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$(cat "$bed_state/$part.pid")" 2>/dev/null; then
                tail -n 20 "$bed_state/$part.log" >&2
                bed_say "$part of bed $bed_name did not come up; its last lines stand above"
                return 1
            fi
            sleep 0.1
        done
    done
}
