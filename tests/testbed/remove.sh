# shellcheck shell=bash disable=SC2154 # set by common.sh
# remove: the end of a bed, of either size and in any state: after half an up, after a kill of any part, where nothing is. Every
# process of a node lies in the bed's network or in its cgroup, also one that was frozen; mounts and the pods' networks belong
# to the bed's own mount namespace and go with its last process. Sourced behind common.sh.

# The bed's folder in each cgroup hierarchy, where there is one.
cgroup_folders() {
    local mount
    while read -r mount; do
        [ ! -d "$mount/$bed_cgroup" ] || echo "$mount/$bed_cgroup"
    done < <(cgroup_hierarchies)
}

cgroup_hierarchies() {
    awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts
}

cgroup_pids() {
    local folder
    while read -r folder; do
        find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(cgroup_folders)
}

# A frozen process takes no signal, in the first version of cgroups.
cgroup_thaw() {
    local folder file
    while read -r folder; do
        while read -r file; do
            { echo THAWED >"$file"; } 2>/dev/null || true
        done < <(find "$folder" -name freezer.state 2>/dev/null)
    done < <(cgroup_folders)
}

remove_processes() {
    local pids deadline=$((SECONDS + 20))
    while pids=$({ bed_pids; cgroup_pids; } | sort -un) && [ -n "$pids" ]; do
        cgroup_thaw
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2>/dev/null || true
        [ "$SECONDS" -lt "$deadline" ] || bed_die "processes of bed $bed_name do not end: ${pids//$'\n'/ }"
        sleep 0.05
    done
}

# Its folders last until the kernel has let go of the last process.
remove_cgroups() {
    local folder deadline=$((SECONDS + 20))
    while folder=$(cgroup_folders) && [ -n "$folder" ]; do
        while read -r folder; do
            find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done <<<"$folder"
        [ "$SECONDS" -lt "$deadline" ] || bed_die "cgroups of bed $bed_name cannot be removed: $(cgroup_folders)"
        [ -z "$(cgroup_folders)" ] || sleep 0.05
    done
}

bed_remove() {
    remove_processes
    if [ -e "/sys/class/net/$bed_veth" ]; then
        ip link del "$bed_veth" || bed_die "the link $bed_veth cannot be removed"
    fi
    if [ -e "/run/netns/$bed_netns" ]; then
        ip netns del "$bed_netns" || bed_die "the network namespace $bed_netns cannot be removed"
    fi
    remove_cgroups
    rm -rf -- "$bed_state"
}
