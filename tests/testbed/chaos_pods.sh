# shellcheck shell=bash disable=SC2154 # set by test.sh
# chaos_pods: what test_chaos and chaos_reaction share: the demo service on a node's bed, chaos_mesh beside it, objects of chaos/
# and what becomes of them. Sourced behind test.sh.

# The demo service of the overlay one-node and nothing else of it, with so many replicas.
deploy_demo() { # REPLICAS
    kubectl_inside kustomize "$testbed_source/manifests/overlays/one-node" >"$room/overlay.yaml" &&
        kubectl_inside create --dry-run=client -o json -f "$room/overlay.yaml" | jq -s '{apiVersion: "v1", kind: "List", items:
            [.[] | (.items // [.])[] | select(.metadata.namespace == "demo" or (.kind == "Namespace" and .metadata.name == "demo"))]
            | sort_by(.kind != "Namespace")}' >"$room/demo.json" &&
        kubectl_inside apply -f "$room/demo.json" >/dev/null &&
        kubectl_inside -n demo scale deployment target-app --replicas="$1" >/dev/null && within 90 pods_are_ready "$1"
}

pods_are_ready() { # N: and no other is there
    pods | jq -e --argjson n "$1" 'length == $n and all(.ready)' >/dev/null
}

pods() { # [{name, uid, ip, ready}]
    kubectl_inside -n demo get pods -l app.kubernetes.io/name=target-app -o json | jq '[.items[] | {name: .metadata.name,
        uid: .metadata.uid, ip: .status.podIP, ready: any(.status.conditions[]?; .type == "Ready" and .status == "True")}]'
}

start_chaos_mesh() { # LOG: its pid is in $chaos_mesh
    (exec "$testbed_folder/exec" "--bed=$bed_name" "$testbed_folder/chaos_mesh") >"$1" 2>&1 &
    chaos_mesh=$!
    within 60 chaos_mesh_is_ready "$1"
}

chaos_mesh_is_ready() { # LOG
    grep -q 'chaos_mesh: ready' "$1" && return
    kill -0 "$chaos_mesh" 2>/dev/null || {
        local status=0
        wait "$chaos_mesh" || status=$?
        tail -n 3 "$1"
        exit "$status"
    }
    return 1
}

create_chaos() { # FILE [SED_SCRIPT]: an object of chaos/
    sed "${2:-}" "$testbed_source/chaos/$1.yaml" | kubectl_inside create -f - >/dev/null
}

chaos_object() { # KIND/NAME
    kubectl_inside -n demo get "$1" -o json
}

condition_holds() { # KIND/NAME CONDITION
    chaos_object "$1" | jq -e --arg type "$2" 'any(.status.conditions[]?; .type == $type and .status == "True")' >/dev/null
}

desired_is() { # KIND/NAME PHASE
    [ "$(chaos_object "$1" | jq -r '.status.experiment.desiredPhase')" = "$2" ]
}

is_injected() { # KIND/NAME
    condition_holds "$1" AllInjected
}

is_recovered() { # KIND/NAME: in the end, not before the start
    desired_is "$1" Stop && condition_holds "$1" AllRecovered
}

records() { # KIND/NAME: names of the pods it struck
    chaos_object "$1" | jq -r '.status.experiment.containerRecords[].id | split("/")[1]'
}

is_gone() { # KIND/NAME
    ! kubectl_inside -n demo get "$1" >/dev/null 2>&1
}

remove_chaos() { # KIND/NAME: and see it gone, in good time
    kubectl_inside -n demo delete "$1" --wait=false >/dev/null && within 15 is_gone "$1"
}
