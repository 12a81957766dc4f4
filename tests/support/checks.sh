# shellcheck shell=bash disable=SC2034 # what is counted here is printed by who sources it
# checks.sh: what shell scripts that test share: counted checks, skips, and the end of a pipe. Source it; it prints only failures.
passed=0
failed=0
skipped=0

# The end of a pipe: grep that reads all of it. Behind grep -q the writer may die of SIGPIPE, which pipefail takes for failure.
seen() {
    grep "$@" >/dev/null
}

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "failed: $name"
        failed=$((failed + 1))
    fi
}

skip() { # REASON
    echo "SKIP $1"
    skipped=$((skipped + 1))
}
