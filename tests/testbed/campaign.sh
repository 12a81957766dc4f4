# shellcheck shell=bash disable=SC2034,SC2154 # used by, and set by, the scripts
# campaign: what kill_campaign and flap share: their words, a bed with an audit log, and a driver inside it. Sourced behind chain.sh.

programs=$testbed_source/build/src/cmd
brief=no
wanted=

# campaign_words FILE [--brief] [--out=FILE] [N] [PROGRAMS]: $out, $brief, $wanted ("": not said), $programs
campaign_words() {
    local word
    out=$testbed_source/doc/results/$1
    shift
    for word in "$@"; do
        case $word in
        --brief)
            brief=yes
            out=$room/${out##*/}
            ;;
        --out=*) out=$(realpath "${word#--out=}") ;;
        *[!0-9]*) programs=$word ;;
        *) wanted=$word ;;
        esac
    done
    programs=$(realpath "$programs")
    local name
    for name in suggest serve autoscaler exporter; do
        [ -x "$programs/maestro-$name" ] || bed_die "$programs/maestro-$name is not built; ninja -C build"
    done
}

# campaign_run DRIVER N: until N; the status of the script
campaign_run() {
    local status=0
    test_kubectl
    export MAESTRO_BED_SCRAPE_S=1 MAESTRO_BED_AUDIT=$testbed_folder/audit.yaml
    test_up
    chain_objects 1 || bed_die "the API server did not take the overlay"
    kubectl_inside -n demo delete deployment target-app >/dev/null
    inside "$testbed_folder/$1" "$programs" "$policy_file" "$room" "$out" "$2" &
    driver=$!
    trap 'kill -TERM "$driver" 2>/dev/null; exit 130' INT TERM HUP
    wait "$driver" || status=$?
    [ "$status" -eq 0 ] || tail -n 2 "$room"/*.log
    exit "$status"
}
