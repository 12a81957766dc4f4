#!/usr/bin/env python3
"""soak: memory, descriptors, restarts and leases over hours. In: the API server, the kernel. Out: rows of
doc/results/soak.csv, one a minute and component; and whether they are flat.

    soak.py minutes ROWS.csv                           how many minutes there are already, and the next sitting's number
    soak.py watch ROWS.csv PORT PKI BED SITTING MINUTES    runs inside the bed
    soak.py judge ROWS.csv                             what is wrong, a line each

Flat, as stated before any run: in every sitting of at least 60 minutes, from its tenth minute on, the straight line
through resident memory rises by at most 1 MiB an hour and the one through descriptors by at most 1 an hour; in every
sitting no container of ours restarts or is away at a look, the Lease has one holder and no transition, and is never
older than the 10 s within which it must be renewed. Judged are the three servers: pods of the demo service come and
go, and Prometheus keeps what it scrapes.
"""
import datetime
import pathlib
import sys
import time

import pods
import results
from sampler import Api, restarts

COLUMNS = ("sitting", "minute", "component", "rss_kib", "fds", "restarts", "lease_holder", "lease_transitions",
           "lease_gap_s")
JUDGED = ("maestro-autoscaler", "maestro-serve", "maestro-suggest")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/maestro/leases/maestro-autoscaler"
SETTLED_MINUTES, LEAST_MINUTES = 10, 60
KIB_AN_HOUR, FDS_AN_HOUR, RENEW_S = 1024, 1, 10


class Lease:
    """Longest age of the Lease at any look since the last row."""

    def __init__(self):
        self.holder, self.transitions, self.gap_s = "", "", 0.0

    def look(self, found):
        if not found:
            return
        spec = found["spec"]
        self.holder, self.transitions = spec.get("holderIdentity", ""), spec.get("leaseTransitions", 0)
        renewed = datetime.datetime.fromisoformat(spec["renewTime"].replace("Z", "+00:00")).timestamp()
        self.gap_s = max(self.gap_s, time.time() - renewed)

    def take(self):
        row = {"lease_holder": self.holder, "lease_transitions": self.transitions, "lease_gap_s": f"{self.gap_s:.1f}"}
        self.gap_s = 0.0
        return row


def row_of(api, bed, component):
    """Of the costliest pod; None where there is none."""
    found = pods.of_component(api, component)
    processes = [pid for pod in found for pid in pods.pids(bed, pod["metadata"]["uid"])]
    if not processes:
        return None
    return {"component": component, "rss_kib": max(map(pods.rss_kib, processes)),
            "fds": max(map(pods.descriptors, processes)), "restarts": restarts(found)}


def watch(path, port, pki, bed, sitting, minutes):
    api, lease = Api(int(port), pki), Lease()
    began = time.monotonic()
    for minute in range(1, int(minutes) + 1):
        while time.monotonic() < began + 60 * minute:
            lease.look(api.get(LEASE))
            time.sleep(1)
        seen = {"sitting": sitting, "minute": minute, **lease.take()}
        rows = [row_of(api, bed, component) for component in pods.COMPONENTS]
        results.append(path, COLUMNS, [{**row, **seen} for row in rows if row])


def slope_an_hour(rows, column):
    """Least squares over the settled minutes."""
    points = [(int(row["minute"]) / 60, float(row[column])) for row in rows if int(row["minute"]) >= SETTLED_MINUTES]
    mean_x, mean_y = results.mean([x for x, _ in points]), results.mean([y for _, y in points])
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def judge_component(sitting, component, rows, minutes):
    where = f"sitting {sitting}, {component}"
    if len(rows) < minutes:
        yield f"{where}: not there in {minutes - len(rows)} of {minutes} minutes"
    if any(row["restarts"] != "0" for row in rows):
        yield f"{where}: restarted"
    if len(rows) < LEAST_MINUTES:
        return
    for column, limit in (("rss_kib", KIB_AN_HOUR), ("fds", FDS_AN_HOUR)):
        slope = slope_an_hour(rows, column)
        if slope > limit:
            yield f"{where}: {column} grows by {slope:.1f} an hour, more than {limit}"


def judge_lease(sitting, rows):
    """Every row of a minute says the same of it."""
    if len({(row["lease_holder"], row["lease_transitions"]) for row in rows}) != 1 or not rows[0]["lease_holder"]:
        yield f"sitting {sitting}: the Lease has not had one holder all the time"
    late = [row for row in rows if float(row["lease_gap_s"]) > RENEW_S]
    if late:
        oldest = max(late, key=lambda row: float(row["lease_gap_s"]))
        yield f"sitting {sitting}: the Lease was {oldest['lease_gap_s']} s old in minute {oldest['minute']}"


def judge(rows):
    for sitting in sorted({row["sitting"] for row in rows}, key=int):
        here = [row for row in rows if row["sitting"] == sitting]
        minutes = len({row["minute"] for row in here})
        for component in JUDGED:
            own = [row for row in here if row["component"] == component]
            yield from judge_component(sitting, component, own, minutes)
        yield from judge_lease(sitting, here)


def figures(rows):
    """A line for each judged component and sitting that is long enough."""
    for sitting in sorted({row["sitting"] for row in rows}, key=int):
        for component in JUDGED:
            own = [row for row in rows if row["sitting"] == sitting and row["component"] == component]
            if len(own) >= LEAST_MINUTES:
                yield (f"sitting {sitting}, {component}: {len(own)} minutes, {slope_an_hour(own, 'rss_kib'):+.0f} KiB "
                       f"and {slope_an_hour(own, 'fds'):+.2f} descriptors an hour, at most "
                       f"{max(int(row['rss_kib']) for row in own) / 1024:.1f} MiB")


def minutes(rows):
    """(minutes of the sittings that are long enough to be judged, the next sitting)"""
    there = {(int(row["sitting"]), row["minute"]) for row in rows}
    sittings = [sitting for sitting, _ in there]
    return sum(sittings.count(sitting) >= LEAST_MINUTES for sitting in sittings), 1 + max(sittings, default=0)


def main():
    verb, path, *words = sys.argv[1:]
    rows = results.read(pathlib.Path(path))
    if verb == "watch":
        watch(path, *words)
        return 0
    if verb == "minutes":
        print(*minutes(rows))
        return 0
    said = list(figures(rows))
    print(*said, sep="\n")
    wrong = list(judge(rows)) + ([] if said else [f"no sitting has {LEAST_MINUTES} minutes: nothing says it is flat"])
    print(*wrong, sep="\n")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
