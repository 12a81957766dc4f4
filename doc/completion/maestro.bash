# shellcheck shell=bash
# bash completion for maestro. Verbs and settings are asked of the program, so that they are never out of date.
_maestro() {
    local word=${COMP_WORDS[COMP_CWORD]}
    local program=${COMP_WORDS[0]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        local verbs
        verbs=$("$program" --help 2>/dev/null | sed -nE 's/^ +([a-z][a-z-]+) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "${verbs:-train evaluate report inspect bench doctor replay calibrate} --help --version" -- "$word")
    elif [[ $word == -* ]]; then
        local options
        options=$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9_.-]*=?' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        [[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
    fi
}

# The servers have no verbs.
_maestro_server() {
    local word=${COMP_WORDS[COMP_CWORD]} options
    COMPREPLY=()
    if [[ $word == -* ]]; then
        options=$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9_.-]*=?' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        [[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
    fi
}
complete -F _maestro maestro
complete -F _maestro_server maestro-serve maestro-suggest maestro-autoscaler maestro-target-app maestro-exporter
