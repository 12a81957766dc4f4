# shellcheck shell=bash disable=SC2154 # set by common.sh
# node_network: the network of a node bed beside what every bed has: a pair of links by which the host, and only the host,
# reaches the API server and nothing else; and how pods get theirs. Sourced behind common.sh.

# A network of two addresses that no route of this machine knows: the host's is the first, the bed's the second.
free_network() {
    local start=$((16#$(sha256sum <<<"$bed_name" | head -c 4))) i n address
    for ((i = 0; i < 16384; i++)); do
        n=$(((start + i) % 16384 * 4))
        address=10.253.$((n / 256)).$((n % 256 + 1))
        if ! ip -4 route show match "$address" table all | grep -v ^default | grep -q .; then
            echo "10.253.$((n / 256)) $((n % 256))"
            return
        fi
    done
    bed_die "no network in 10.253.0.0/16 is free for the bed's link to the host"
}

# Writes the bed's address to STATE/address. Whoever else makes a link waits, so that none takes the same network.
make_link() {
    local prefix last
    exec 7>"$testbed_state_root/.network.lock"
    flock -w 60 7 || bed_die "another bed has been making its network for a minute"
    read -r prefix last < <(free_network)
    ip link add "$bed_veth" type veth peer name host0 netns "$bed_netns"
    ip address add "$prefix.$((last + 1))/30" dev "$bed_veth"
    ip link set "$bed_veth" up
    exec 7>&-
    ip -n "$bed_netns" address add "$prefix.$((last + 2))/30" dev host0
    ip -n "$bed_netns" link set host0 up
    echo "$prefix.$((last + 2))" >"$bed_state/address"
    guard_link
}

guard_link() {
    bed_enter iptables -A INPUT -i host0 -p tcp --dport "$api_port" -j ACCEPT
    bed_enter iptables -A INPUT -i host0 -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP
    bed_enter iptables -A OUTPUT -o host0 -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP
    bed_enter iptables -A FORWARD -i host0 -j DROP
    bed_enter iptables -A FORWARD -o host0 -j DROP
}

# Each pod has a link of its own to the node, so that every packet is routed and the Services' rules see it.
prepare_pod_network() {
    bed_enter sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    mkdir "$bed_state/cni"
    cat >"$bed_state/cni/10-pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]],
    "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}
END
}
