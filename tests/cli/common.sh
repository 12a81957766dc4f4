# shellcheck shell=bash disable=SC2034 # what is set here is used by the scripts
# common.sh MAESTRO: what the scripts of the suite share; sourced first. Works in an empty folder of its own that is removed at
# the end. Standard output of the program under test lies in $out, standard error in $err, both outside that folder.
set -euo pipefail
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
programs=()
for word in "$@"; do # before the folder changes
    if [ -e "$word" ]; then
        word=$(realpath "$word")
    fi
    programs+=("$word")
done
set -- "${programs[@]}"
maestro=$1
source_folder=${MAESTRO_SOURCE:-$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")}
room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT
mkdir "$room/work"
cd "$room/work"
out=$room/out
err=$room/err
for variable in ${!MAESTRO_*}; do # settings of whoever runs the tests must not shape them
    case $variable in MAESTRO_DATA | MAESTRO_SOURCE) ;; *) unset "$variable" ;; esac
done

# A training that takes a tenth of a second.
tiny=(--task.variants=1 --task.traces= --env.max_steps=20 --ppo.n_envs=4 --ppo.n_steps=32 --ppo.batch_size=64 --ppo.n_epochs=1
    --train.total_timesteps=1024 --train.eval_freq=512 --train.eval_episodes=2 --train.threads=1
    --train.deterministic_times=on --train.checkpoint_interval_s=0)
# A judgement as short.
brief=(--evaluate.windows=2 --evaluate.window_s=300 --evaluate.warm_up_s=60 --evaluate.threads=1)

# What lies in the folder: names and contents.
tree() {
    find . \( -type f -exec sha1sum {} + \) -o -printf '%y %p\n' 2>/dev/null | sort
}

# A server takes what it may have, however little it was given.
ulimit -Sn 256
has_all_descriptors() { # PID
    local soft hard
    read -r soft hard < <(awk '/^Max open files/ {print $4, $5}' "/proc/$1/limits")
    [ "$soft" = "$hard" ]
}

shown() {
    echo "standard output:"
    head -c 2000 "$out"
    echo "standard error:"
    head -c 2000 "$err"
}

# ends STATUS COMMAND...: the program ends with this status
ends() {
    local status=$1 got=0
    shift
    "$@" >"$out" 2>"$err" || got=$?
    [ "$got" -eq "$status" ] || {
        echo "$*: status $got, wanted $status"
        shown
        return 1
    }
}

# tells STATUS TEXT COMMAND...: ends with the status, says nothing on standard output and on standard error at last one line
# with the text
tells() {
    local status=$1 text=$2
    shift 2
    ends "$status" "$@" || return 1
    if [ -s "$out" ] || ! tail -n 1 "$err" | grep -qE '^maestro(-[a-z-]+| [a-z]+)?: ' || ! tail -n 1 "$err" | grep -qF -- "$text"; then
        echo "$*: wanted '$text' in the last line and nothing on standard output"
        shown
        return 1
    fi
}

# refuses STATUS TEXT COMMAND...: tells, in one line, and leaves every file as it was
refuses() {
    local before after
    before=$(tree)
    tells "$@" || return 1
    after=$(tree)
    if [ "$(wc -l <"$err")" -ne 1 ] || [ "$before" != "$after" ]; then
        echo "${*:3}: wanted one line, and no file touched"
        shown
        diff <(echo "$before") <(echo "$after")
        return 1
    fi
}

# Without what lets root read and write everything.
plainly() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    else
        setpriv --inh-caps=-all --bounding-set=-all -- "$@"
    fi
}

# The count that tools/count_tests adds up; the status of the script.
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
