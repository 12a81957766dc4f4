# shellcheck shell=bash disable=SC2034 # what is set here is used by the scripts
# common: what the programs of the test bed share: places and names of a bed, what a machine must have (exit 77 with the reason
# where it has not), starting and ending what runs inside. Source it; it prints only where it says so.
#
# A bed is a network namespace of its own with a real etcd, kube-apiserver and Prometheus in it, and a folder with everything
# they keep. Beds have names, so several stand side by side; nothing of one is reached from outside its namespace.
set -euo pipefail

# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
testbed_folder=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
testbed_source=$(realpath "$testbed_folder/../..")
testbed_cache_root=${XDG_CACHE_HOME:-${HOME:?}/.cache}/maestro-testbed
testbed_cache=$testbed_cache_root/$(cat "$testbed_folder"/*/go.mod | sha256sum | head -c 16)
testbed_state_root=${MAESTRO_TESTBED_STATE:-${TMPDIR:-/tmp}/maestro-testbed-$(id -u)}
kubernetes_version=v1.34.4
api_port=6443
etcd_port=2379
prometheus_port=9090
node_address=10.254.0.1

bed_say() {
    printf 'testbed: %s\n' "$*" >&2
}

bed_die() {
    bed_say "$*"
    exit 1
}

bed_skip() {
    echo "SKIP $*"
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
}

# Held by up and down while they change a bed; what they start must not inherit it (9>&-).
bed_lock() {
    mkdir -p "$testbed_state_root"
    chmod 700 "$testbed_state_root"
    exec 9>"$testbed_state_root/.$bed_name.lock"
    flock -w 120 9 || bed_die "bed $bed_name is being changed by another process"
}

# Whether this Go is new enough for the module that wants the newest.
go_suffices() {
    command -v go >/dev/null || return 1
    local version
    version=$(go env GOVERSION 2>/dev/null) || return 1
    [[ $version =~ ^go([0-9]+)\.([0-9]+) ]] || return 1
    [ "${BASH_REMATCH[1]}" -gt 1 ] || [ "${BASH_REMATCH[2]}" -ge 24 ]
}

# Ends with 77 and the reason if beds cannot stand on this machine.
bed_needs() {
    local program
    [ "$(id -u)" -eq 0 ] || bed_skip "the test bed needs root, for a network namespace"
    for program in ip nsenter unshare flock setsid openssl curl jq etcd prometheus; do
        command -v "$program" >/dev/null || bed_skip "the test bed needs $program, which is not installed"
    done
    unshare --net --mount true 2>/dev/null || bed_skip "the test bed needs network namespaces, which this machine refuses"
    [ -x "$testbed_cache/kube-apiserver" ] || go_suffices ||
        bed_skip "the test bed needs Go 1.24 or newer to build the API server, and go is older or absent"
}

# Pids of everything that runs in the bed.
bed_pids() {
    ip netns pids "$bed_netns" 2>/dev/null || true
}

# bed_spawn NAME COMMAND...: runs it inside for as long as the bed stands; its output is NAME.log, its pid NAME.pid.
bed_spawn() {
    local name=$1
    shift
    setsid nsenter --net="/run/netns/$bed_netns" "$@" >"$bed_state/$name.log" 2>&1 </dev/null 9>&- &
    echo $! >"$bed_state/$name.pid"
}

bed_enter() {
    nsenter --net="/run/netns/$bed_netns" "$@"
}

# bed_part_runs NAME: whether what bed_spawn started is still there, and is not another process of the same number.
bed_part_runs() {
    local pid
    pid=$(cat "$bed_state/$1.pid" 2>/dev/null) || return 1
    grep -qxF "$pid" <<<"$(bed_pids)"
}

# bed_answers NAME: whether that part serves.
bed_answers() {
    local url
    case $1 in
    etcd) url=http://127.0.0.1:$etcd_port/health ;;
    apiserver) url=https://127.0.0.1:$api_port/readyz ;;
    prometheus) url=http://127.0.0.1:$prometheus_port/-/ready ;;
    *) return 1 ;;
    esac
    bed_enter curl -sf --noproxy '*' -m 2 --cacert "$bed_state/pki/ca.crt" --cert "$bed_state/pki/admin.crt" \
        --key "$bed_state/pki/admin.key" -o /dev/null "$url" 2>/dev/null
}

bed_parts=(etcd apiserver prometheus)

# Whether all of it is there and serves.
bed_is_up() {
    local part
    [ -f "$bed_state/up" ] || return 1
    for part in "${bed_parts[@]}"; do
        bed_part_runs "$part" && bed_answers "$part" || return 1
    done
}

# Ends every process of the bed and removes network and files. Works after any half of an up, and where nothing is.
bed_remove() {
    local pids deadline=$((SECONDS + 20))
    while pids=$(bed_pids) && [ -n "$pids" ]; do
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2>/dev/null || true
        [ "$SECONDS" -lt "$deadline" ] || bed_die "processes of bed $bed_name do not end: ${pids//$'\n'/ }"
        sleep 0.05
    done
    if [ -e "/run/netns/$bed_netns" ]; then
        ip netns del "$bed_netns" || bed_die "the network namespace $bed_netns cannot be removed"
    fi
    rm -rf -- "$bed_state"
}
