# shellcheck shell=bash disable=SC2034 # what is set here is used by the scripts
# test: what the tests of the suite testbed share; sourced first. A bed of the test's own, up at once and down at the end, a
# folder that goes with it, a count of checks, and words for asking the API server.
# shellcheck source=tests/testbed/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bed_name_of_test=test-$(basename "$0" | tr '_' '-')-$$
bed_select "--bed=$bed_name_of_test"
room=$(mktemp -d)
for variable in ${!MAESTRO_*}; do # settings of whoever runs the tests must not shape them
    case $variable in MAESTRO_DATA | MAESTRO_SHARED | MAESTRO_CHART_JS | MAESTRO_TESTBED_STATE | MAESTRO_BED_*) ;; *) unset "$variable" ;; esac
done

test_end() {
    local status=$?
    trap - EXIT
    "$testbed_folder/down" "--bed=$bed_name_of_test" || status=1
    rm -rf -- "$room"
    exit "$status"
}

# Stands the bed up, in the small size; a machine that cannot ends the test as skipped.
test_up() {
    test_up_as --api
}

# The same in the full size: test_up_node [--no-images]
test_up_node() {
    test_up_as "$@"
}

test_up_as() {
    trap test_end EXIT
    trap 'exit 130' INT TERM HUP
    local status=0
    "$testbed_folder/up" "--bed=$bed_name_of_test" "$@" || status=$?
    [ "$status" -eq 0 ] || exit "$status"
    bed_size_read
}

inside() {
    "$testbed_folder/exec" "--bed=$bed_name_of_test" "$@"
}

# One kubectl for all: what is installed, else the API server's own release, built once (a minute).
test_kubectl() {
    command -v kubectl >/dev/null || "$testbed_folder/build" kubectl >/dev/null || exit $?
}

kubectl_inside() {
    inside kubectl --warnings-as-errors=false "$@"
}

not() {
    ! "$@"
}

# within SECONDS COMMAND...: polls until the command succeeds
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# Of what was just killed; its last threads may live on for a moment. Nobody need have taken note of its end.
is_dead() { # PID
    ! seen -vE '^[0-9]+ \(.*\) [ZX] ' < <(cat "/proc/$1"/task/*/stat 2>/dev/null)
}

# refuses_for REASON COMMAND...: it ends with 77 and says why
refuses_for() {
    local reason=$1 status=0 said
    shift
    said=$("$@" 2>&1) || status=$?
    if [ "$status" -ne 77 ] || ! grep -q "^SKIP .*$reason" <<<"$said"; then
        echo "status $status, said: $said"
        return 1
    fi
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# request TOKEN_FILE VERB PATH [BODY [TYPE]]: asks the API server as the holder of that token ("" is the administrator); prints the
# status, and leaves the answer in $room/answer.
request() {
    local who=$1 verb=$2 path=$3 body=${4:-} type=${5:-application/json}
    local -a as=(--cert "$bed_state/pki/admin.crt" --key "$bed_state/pki/admin.key") data=()
    [ -z "$who" ] || as=(-H "Authorization: Bearer $(cat "$who")")
    [ -z "$body" ] || data=(-H "Content-Type: $type" -d "$body")
    bed_enter curl -s --noproxy '*' -m 10 --cacert "$bed_state/pki/ca.crt" "${as[@]}" "${data[@]}" -X "$verb" \
        -o "$room/answer" -w '%{http_code}\n' "https://127.0.0.1:$api_port$path"
}
