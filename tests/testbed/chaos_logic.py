"""chaos_logic: what chaos_mesh decides without touching anything: which pods an object selects, whether it is to run or to stop
now, which conditions its records add up to. In: objects of Chaos Mesh and pods as the API server has them; out: plain values.
Asks nobody, changes nothing.
"""
import datetime
import math
import re

FINALIZER = "chaos-mesh/records"
PAUSE = "experiment.chaos-mesh.org/pause"
INJECTED, NOT_INJECTED = "Injected", "Not Injected"
EVENTS_KEPT = 10  # in a record
UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES = {"": 1, "B": 1, "KB": 10**3, "KIB": 2**10, "K": 2**10, "MB": 10**6, "MIB": 2**20, "M": 2**20, "GB": 10**9,
         "GIB": 2**30, "G": 2**30}
SELECTORS = {"namespaces", "labelSelectors", "expressionSelectors", "annotationSelectors", "fieldSelectors", "nodes", "pods",
             "podPhaseSelectors"}


class Refused(Exception):
    """Something that the stand-in cannot do; the text says what."""


def duration_s(text):
    """Of Go's "1h2m3.5s"."""
    if text in ("0", "+0", "-0"):
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+", text or ""):
        raise Refused(f"'{text}' is no duration")
    return sum(float(n) * UNIT_S[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)", text))


def size_bytes(text, whole):
    """Of "256MB", or of "50%" of a whole."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*|%)", text or "")
    if match and match[2] == "%":
        return int(whole * float(match[1]) / 100)
    if not match or match[2].upper() not in BYTES:
        raise Refused(f"'{text}' is no size")
    return int(float(match[1]) * BYTES[match[2].upper()])


def time_s(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def stamp(at_s):
    return datetime.datetime.fromtimestamp(at_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def expression_fits(expression, labels):
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) == (operator == "Exists")
    raise Refused(f"no operator '{operator}' in expressionSelectors")


def field(pod, path):
    value = pod
    for word in path.split("."):
        value = value.get(word, "") if isinstance(value, dict) else ""
    return value


def namespaces(chaos):
    """Those that the object selects in; its own where it names none."""
    selector = chaos["spec"].get("selector", {})
    return selector.get("namespaces") or sorted(selector.get("pods", {})) or [chaos["metadata"]["namespace"]]


def fits(selector, pod):
    """Whether one pod of a selected namespace is meant."""
    meta, labels = pod["metadata"], pod["metadata"].get("labels", {})
    named = selector.get("pods")
    return (all(labels.get(k) == v for k, v in selector.get("labelSelectors", {}).items())
            and all(expression_fits(e, labels) for e in selector.get("expressionSelectors", []))
            and all(meta.get("annotations", {}).get(k) == v for k, v in selector.get("annotationSelectors", {}).items())
            and all(field(pod, k) == v for k, v in selector.get("fieldSelectors", {}).items())
            and (not selector.get("nodes") or field(pod, "spec.nodeName") in selector["nodes"])
            and (not named or meta["name"] in named.get(meta["namespace"], []))
            and (not selector.get("podPhaseSelectors") or field(pod, "status.phase") in selector["podPhaseSelectors"]))


def lives(pod):
    """There to be struck: not on its way out, and its first container runs."""
    states = pod.get("status", {}).get("containerStatuses", [])
    return "deletionTimestamp" not in pod["metadata"] and bool(states) and "running" in states[0].get("state", {})


def how_many(mode, value, n, random):
    """Of n pods."""
    if mode == "all":
        return n
    if mode == "one":
        return min(n, 1)
    if mode == "fixed":
        return min(n, int(value))
    if mode == "fixed-percent":
        return math.floor(n * int(value) / 100)
    if mode == "random-max-percent":
        return math.floor(n * random.randint(0, int(value)) / 100)
    raise Refused(f"no mode '{mode}'")


def select(chaos, pods, random):
    """The pods that are struck, of all in the namespaces that may be."""
    selector = chaos["spec"].get("selector", {})
    unknown = sorted(key for key, value in selector.items() if value and key not in SELECTORS)
    if unknown:
        raise Refused(f"selector.{unknown[0]} is not known to the stand-in")
    found = [pod for pod in pods if pod["metadata"]["namespace"] in namespaces(chaos) and lives(pod) and fits(selector, pod)]
    mode = chaos["spec"].get("mode", "all")
    return random.sample(found, how_many(mode, chaos["spec"].get("value", "0"), len(found), random))


def is_one_shot(chaos):
    return chaos["kind"] == "PodChaos" and chaos["spec"].get("action") in ("pod-kill", "container-kill")


def is_paused(chaos):
    return chaos["metadata"].get("annotations", {}).get(PAUSE) == "true"


def desired_phase(chaos, now_s):
    """Run or Stop. What happens in an instant cannot be stopped: it runs until it is deleted."""
    if "deletionTimestamp" in chaos["metadata"]:
        return "Stop"
    if is_one_shot(chaos):
        return "Run"
    lasts = chaos["spec"].get("duration")
    if lasts and now_s >= time_s(chaos["metadata"]["creationTimestamp"]) + duration_s(lasts):
        return "Stop"
    return "Stop" if is_paused(chaos) else "Run"


def new_record(identity):
    return {"id": identity, "selectorKey": ".", "phase": NOT_INJECTED, "injectedCount": 0, "recoveredCount": 0, "events": []}


def note(record, operation, why, now_s):
    """Adds what was tried ("Apply", "Recover") to a record: why is None where it worked."""
    event = {"type": "Failed" if why else "Succeeded", "operation": operation, "timestamp": stamp(now_s)}
    last = record["events"][-1] if record.get("events") else {}
    if why:
        event["message"] = why
    else:
        record["phase"] = INJECTED if operation == "Apply" else NOT_INJECTED
        record["injectedCount" if operation == "Apply" else "recoveredCount"] += 1
    if not why or any(last.get(k) != event.get(k) for k in ("type", "operation", "message")):  # the same failure is told once
        record["events"] = [*record.get("events", []), event][-EVENTS_KEPT:]


def condition(kind, holds, reason=None):
    return {"type": kind, "status": "True" if holds else "False", **({"reason": reason} if reason else {})}


def status_of(chaos, records, phase, reason=None):
    """The status of an object. reason: why nothing is selected."""
    phases = [record["phase"] for record in records]
    conditions = [condition("Selected", bool(records), reason),
                  condition("AllInjected", bool(records) and all(p == INJECTED for p in phases)),
                  condition("AllRecovered", bool(records) and all(p == NOT_INJECTED for p in phases)),
                  condition("Paused", is_paused(chaos))]
    return {"conditions": conditions,
            "experiment": {"desiredPhase": phase, **({"containerRecords": records} if records else {})}}
