# shellcheck shell=bash
# common: what tools/test, tools/demo and .ci/run share: the list of Debian packages, installing the missing ones,
# configuring, building, and counting test results. Source it from the repository root; it prints, it asks nothing.

# The one list of packages. Each program asks for the groups it needs.
# shellcheck disable=SC2034
packages_build=(gcc libc6-dev meson ninja-build pkg-config check libcjson-dev libopenblas-dev libyaml-dev libjs-chart.js
    libcurl4-openssl-dev libmicrohttpd-dev)
# shellcheck disable=SC2034
packages_test=(clang-format clang-tidy cppcheck shellcheck mandoc prometheus chromium curl jq wrk ca-certificates)
# shellcheck disable=SC2034
packages_ci=(clang libclang-rt-14-dev)
# shellcheck disable=SC2034
packages_testbed=(etcd-server prometheus openssl iproute2 util-linux curl jq containerd runc containernetworking-plugins iptables
    conntrack socat ethtool stress-ng gcc libc6-dev)

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Prints the packages among "$@" that are not installed. Nothing where dpkg is absent: meson then names what is missing.
packages_missing() {
    command -v dpkg-query >/dev/null || return 0
    local installed name
    # dpkg-query fails when it knows not one of them; that is the very case to be told of.
    installed=$({ dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null || true; } | sed -n 's/^ii *//p')
    for name in "$@"; do
        grep -qxF -- "$name" <<<"$installed" || printf '%s\n' "$name"
    done
}

# quietly COMMAND...: what it says on standard error is shown only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" 2>"$log" || status=$?
    [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
    rm -f -- "$log"
    return "$status"
}

# In a shell of its own, so that no signal leaves the policy behind; one that a SIGKILL left is known by its second line.
packages_unpack() (
    policy=/usr/sbin/policy-rc.d
    mark='# while the packages of maestro install'
    if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null >&2
)

# Daemons that come along (prometheus is here for its promtool) are neither started nor enabled: while the packages
# install, policy-rc.d refuses every start, unless the machine has a policy of its own.
packages_install_quietly() {
    local -a as_root=("$@")
    local daemon status=0
    packages_unpack || status=$?
    for daemon in prometheus etcd-server; do
        if [[ " ${missing[*]} " == *" $daemon "* ]] && command -v systemctl >/dev/null; then
            "${as_root[@]}" systemctl disable "${daemon%-server}.service" >/dev/null 2>&1 || true
        fi
    done
    return $status
}

# Installs what is missing among "$@". Touches no network if that is nothing.
packages_install() {
    local -a missing=() as_root=()
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env)
    elif command -v sudo >/dev/null; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || as_root=(sudo)
    else
        die "these packages are missing and neither root nor sudo is at hand: apt-get install ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q </dev/null >&2 || say "apt-get update failed; trying with the lists at hand"
    packages_install_quietly "${as_root[@]}" || die "apt-get could not install: ${missing[*]}"
}

# configure FOLDER [MESON OPTION...]: sets the build folder up, once.
configure() {
    local folder=$1
    shift
    if [ "${CI:-}" = true ]; then
        set -- -Dwerror=true "$@"
    fi
    if [ ! -f "$folder/build.ninja" ]; then
        meson setup "$folder" "$@" </dev/null >&2 || die "meson setup $folder failed"
    fi
}

# build FOLDER [NINJA TARGET...]
build() {
    local folder=$1
    shift
    ninja -C "$folder" "$@" </dev/null >&2 || die "the build in $folder failed"
}

# run_suites FOLDER COUNTS [MESON TEST OPTION...]: runs the tests, shows what failed or was skipped, and appends to the
# file COUNTS the line "passed failed skipped" and, from "FAILED" on, what failed. Its status is 0 only if nothing failed.
run_suites() {
    local folder=$1 counts=$2 status=0
    shift 2
    rm -f "$folder/meson-logs/testlog.json"
    meson test -C "$folder" --no-rebuild --print-errorlogs "$@" </dev/null >&2 || status=$?
    if [ ! -f "$folder/meson-logs/testlog.json" ]; then
        say "no test ran in $folder ($*)"
        printf '0 1 0\nFAILED: no test ran in %s (%s)\n' "$folder" "$*" >>"$counts"
        return 1
    fi
    python3 tools/count_tests "$folder/meson-logs/testlog.json" >>"$counts" || status=1
    return "$status"
}

# total COUNTS: prints what failed, then the last line, "N passed, N failed[, N skipped]". Its status is 0 only if something
# passed and nothing failed.
total() {
    awk '!/^[0-9]/ { print; next }
        { passed += $1; failed += $2; skipped += $3 }
        END {
            printf "%d passed, %d failed", passed, failed
            if (skipped > 0) printf ", %d skipped", skipped
            printf "\n"
            exit !(failed == 0 && passed > 0)
        }' "$1"
}
