#!/usr/bin/env python3
"""plan: what is compared, and which runs of it are missing. Loads, autoscalers, limits and the hash that tells one
setting from another; nothing is run here, no cluster is asked.

    plan.py missing RESULTS OPTIONS   the runs that have no valid row yet, a line each: load, autoscaler, run,
                                      seconds, hash of the settings, hash of the policy
    plan.py load LOAD [--scale=X]     a load as words for the shell: script=..., warm_rate=..., length_s=...,
                                      given=(-e A=B ...)
    plan.py trace LOAD [--scale=X]    the same load as t_seconds,rps, for the simulator
    plan.py hpa SCALER LOAD OPTIONS   the HorizontalPodAutoscaler as JSON
    plan.py constant NAME             a number of this file
"""
import argparse
import hashlib
import json
import math
import pathlib
import sys

import results

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 200  # requests per second at the height of every load: five to eight pods of the demo service
SOFT_MS, HARD_MS = 250, 1000
LEAST, MOST = 1, 10  # replicas
FAILED_MS = 5000  # the demo service's time-out: what a failed request counts as in percentiles
WINDOW_S = 15  # of p95
START = 1  # replicas before each run
WARM_UP_S = 45  # at the load's first rate, not judged, where that is not nothing
OVERHEAD_S = 100  # between two runs: fresh pods, fresh Prometheus, first metrics
# What makes the judged service what it is.
SERVICE = ("manifests/overlays/one-node/target-app.yaml", "manifests/overlays/one-node/config/app.yaml",
           "manifests/overlays/one-node/config/prometheus.yml", "manifests/target-app/target-app.yaml")

# And what makes Maestro what it is, but for the policy.
AUTOSCALER = ("manifests/base/autoscaler.yaml", "manifests/base/config/autoscaler.yaml",
              "manifests/overlays/one-node/kustomization.yaml")

# Defaults of Kubernetes; the controller's own period and the metrics' resolution (15 s) belong to the cluster.
HPA_WINDOW_S, HPA_PERIOD_S = 300, 15
HPA_TARGET = 60
SCALERS = ("hpa-60", "hpa-60-scaled", "hpa-tuned", "maestro")
UNTUNED = ("hpa-60", "hpa-60-scaled")


class Load:
    """A script of k6/ with its arguments. factor: by how much time is compressed, against the script's own default
    lengths, or against a real day for the diurnal one."""

    def __init__(self, name, scale=1.0):
        def at(seconds):
            return round(seconds * scale, 3)

        self.name = self.script = name
        self.warm_rate = 0
        if name == "ramp":  # 5 min up, 5 min there, 5 min down
            self.times = {"UP": at(120), "HOLD": at(120), "DOWN": at(120)}
            self.stages = [(at(120), RATE), (at(120), RATE), (at(120), 0)]
            self.factor = 300 / at(120)
        elif name == "spike":  # 2 min high, 5 min low around
            self.warm_rate = RATE // 5
            self.times = {"QUIET": at(95), "SPIKE": at(37.5)}
            high = [(0, RATE), (at(37.5), RATE), (0, self.warm_rate), (at(95), self.warm_rate)]
            self.stages = [(at(95), self.warm_rate), *high, *high]
            self.factor = 1140 / at(360)
        elif name == "onoff":  # 3 min on, 3 min off
            self.times = {"ON": at(60), "OFF": at(60), "CYCLES": 3}
            self.stages = [(0, RATE), (at(60), RATE), (0, 0), (at(60), 0)] * 3
            self.factor = 180 / at(60)
        elif name == "diurnal":  # a day
            self.warm_rate = RATE // 5
            self.times = {"DAY": at(600)}
            self.stages = [(at(600) / 48, RATE * (0.2 + 0.4 * (1 - math.cos(2 * math.pi * i / 48))))
                           for i in range(1, 49)]
            self.factor = 86400 / at(600)
        else:
            raise SystemExit(f"plan: '{name}' is none of {', '.join(LOADS)}")
        self.length_s = sum(seconds for seconds, _ in self.stages)

    def environment(self):
        times = {key: value if key == "CYCLES" else f"{value:g}s" for key, value in self.times.items()}
        return {"RATE": RATE, "SOFT_MS": SOFT_MS, "READY": 4 * RATE, **times}

    def trace(self):
        """Points (t_s, rps); a jump takes a millisecond."""
        t, points = 0.0, [(0.0, self.warm_rate)]
        for seconds, rate in self.stages:
            t += seconds or 0.001
            points.append((round(t, 3), rate))
        return points


LOADS = ("ramp", "spike", "onoff", "diurnal")


def scaled(default_s, factor):
    """A time of the HPA in a compressed load: default / factor in whole seconds, at least 1, Kubernetes' least."""
    return max(1, round(default_s / factor))


def hpa(scaler, load, target=HPA_TARGET, window_s=HPA_WINDOW_S):
    """The HPA's object. hpa-60 has no behavior at all; hpa-60-scaled the defaults spelt out, every time divided by
    the load's factor; hpa-tuned the target and window that the simulator found."""
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "target-app"},
            "minReplicas": LEAST, "maxReplicas": MOST, "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}}]}
    if scaler == "hpa-60-scaled":
        period = scaled(HPA_PERIOD_S, load.factor)
        percent = {"type": "Percent", "value": 100, "periodSeconds": period}
        spec["behavior"] = {
            "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                        "policies": [{"type": "Pods", "value": 4, "periodSeconds": period}, percent]},
            "scaleDown": {"stabilizationWindowSeconds": scaled(HPA_WINDOW_S, load.factor), "policies": [percent]}}
    elif scaler == "hpa-tuned":
        spec["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": window_s}}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "target-app", "namespace": "demo"}, "spec": spec}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:8]


def digest_of_files(names):
    return digest(b"".join((ROOT / name).read_bytes() for name in names))


def settings_of(scaler, load, tuned):
    """The hash of everything that shapes a run but the policy's file. None: the HPA is not tuned for this load yet."""
    about = {"load": load.trace(), "limits": [SOFT_MS, HARD_MS, LEAST, MOST, START, WARM_UP_S, WINDOW_S, FAILED_MS],
             "service": digest_of_files(SERVICE), "scaler": scaler}
    if scaler.startswith("hpa"):
        if scaler == "hpa-tuned" and load.name not in tuned:
            return None
        about["hpa"] = hpa(scaler, load, *tuned.get(load.name, ()) if scaler == "hpa-tuned" else ())
    else:
        about["autoscaler"] = digest_of_files(AUTOSCALER)
    return digest(json.dumps(about, sort_keys=True).encode())


def read_tuned(path, scale):
    """load -> (target, window) of the rows that were tuned for loads of this length."""
    rows = results.read(path) if path else []
    return {row["load"]: (int(row["target_percent"]), int(row["window_s"]))
            for row in rows if float(row["scale"]) == scale}


def order(scalers, run):
    """Who goes first changes from run to run, and with it who goes after whom."""
    turn = (run - 1) // 2 % len(scalers)
    turned = [*scalers[turn:], *scalers[:turn]]
    return turned if run % 2 else turned[::-1]


def wanted(options):
    """Every run: (load, scaler, run, settings, policy), a whole round of all loads before the next."""
    tuned = read_tuned(options.tuned, options.scale)
    policy = digest(pathlib.Path(options.policy).read_bytes()) if options.policy else "-"
    for run in range(1, options.runs + 1):
        for name in options.loads.split():
            load = Load(name, options.scale)
            for scaler in order(options.scalers.split(), run):
                yield (load, scaler, run, settings_of(scaler, load, tuned) or "untuned",
                       policy if scaler == "maestro" else "-")


def missing(options):
    done = {results.key(row) for row in results.read(options.results) if row["valid"] == "yes"}
    for load, scaler, run, settings, policy in wanted(options):
        if (load.name, scaler, str(run), settings, policy) not in done:
            seconds = round(load.length_s + OVERHEAD_S + (WARM_UP_S if load.warm_rate else 0))
            print(load.name, scaler, run, seconds, settings, policy)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, words in (("missing", ["results"]), ("load", ["load"]), ("trace", ["load"]), ("hpa", ["scaler", "load"]),
                        ("constant", ["name"])):
        one = verbs.add_parser(verb)
        for word in words:
            one.add_argument(word)
        one.add_argument("--scale", type=float, default=1.0)
        one.add_argument("--tuned", default="")
        if verb == "missing":
            one.add_argument("--runs", type=int, default=3)
            one.add_argument("--loads", default=" ".join(LOADS))
            one.add_argument("--scalers", default=" ".join(SCALERS))
            one.add_argument("--policy", default="")
    options = parser.parse_args()
    for scaler in getattr(options, "scalers", getattr(options, "scaler", "maestro")).split():
        if scaler not in SCALERS:
            parser.error(f"'{scaler}' is none of {', '.join(SCALERS)}")
    return options


def main():
    options = arguments()
    if options.verb == "missing":
        missing(options)
        return
    if options.verb == "constant":
        print(globals()[options.name])
        return
    load = Load(options.load, options.scale)
    if options.verb == "load":
        given = " ".join(f"-e {key}={value}" for key, value in load.environment().items())
        print(f"script={load.script} warm_rate={load.warm_rate} length_s={load.length_s:g} given=({given})")
    elif options.verb == "trace":
        print("t_seconds,rps", *(f"{t:g},{rps:g}" for t, rps in load.trace()), sep="\n")
    else:
        tuned = read_tuned(options.tuned, options.scale) if options.scaler == "hpa-tuned" else {}
        print(json.dumps(hpa(options.scaler, load, *tuned.get(load.name, ()))))


if __name__ == "__main__":
    sys.exit(main())
