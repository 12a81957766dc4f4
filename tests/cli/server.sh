# shellcheck shell=bash disable=SC2154 # $room is common.sh's
# server.sh: a server under test in the background; sourced before common.sh. Its log lies in $room/log, its port in $port.
server=
port=

# start COMMAND...: returns once the log names the port
start() {
    local until_s=$((SECONDS + 60))
    : >"$room/log"
    "$@" >"$room/log" 2>&1 &
    server=$!
    while [ "$SECONDS" -lt "$until_s" ]; do
        port=$(sed -n 's/.*event=listening .*port=\([0-9]*\).*/\1/p' "$room/log")
        [ -z "$port" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.02
    done
    cat "$room/log"
    kill -KILL "$server" 2>/dev/null
    wait "$server" || true
    return 1
}

# end SIGNAL [STATUS]: and the server ends, with this status
end() {
    local got=0
    kill -s "$1" "$server"
    wait "$server" || got=$?
    [ $# -eq 1 ] || [ "$got" -eq "$2" ] || {
        echo "ended with status $got"
        cat "$room/log"
        return 1
    }
}

# ask METHOD PATH: the whole answer
ask() {
    local stream
    exec {stream}<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf '%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&"$stream"
    cat <&"$stream"
    exec {stream}>&-
}
