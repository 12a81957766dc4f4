#!/usr/bin/env python3
"""measures: one run's figures from what k6 and the sampler wrote.

    measures.py FOLDER ABOUT.json ROWS.csv TIMELINE.csv

In: FOLDER/k6.csv (k6's own times of every request), FOLDER/summary.json (k6's totals), FOLDER/samples.csv
(sampler.py, once a second). Out: a row in ROWS and the course in TIMELINE. A request's latency is what its user
waits: for the connection and then for the answer (http_req_blocked + http_req_duration), by k6's clock; it belongs to
the moment at which it was sent. One that failed is over both limits, and counts in percentiles as no faster than the
service's time-out: failing fast must not look good.
"""
import bisect
import csv
import json
import math
import pathlib
import statistics
import sys

import plan
import results

STEP_S = 5  # of the course that is kept
HELD_S = 5  # of a sample
IDLE_PERCENT, STARVED_S = 10, 15  # the machine may be busier than that for so long in all


def percentile(ordered, share):
    """Nearest rank of a sorted list."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else float("nan")


def requests(lines):
    """(sent_s, latency_ms, ok) of every request in k6's CSV. The lines of one request stand together."""
    rows = csv.reader(lines)
    head = next(rows)
    name, stamp, value, status = (head.index(c) for c in ("metric_name", "timestamp", "metric_value", "status"))
    duration = None
    for row in rows:
        if row[name] == "http_req_duration":
            duration = row
        elif row[name] == "http_req_blocked" and duration:
            latency_ms = float(duration[value]) + float(row[value])
            yield int(duration[stamp]) / 1000 - latency_ms / 1000, latency_ms, duration[status] == "200"
            duration = None


def counted_ms(latency_ms, ok):
    return latency_ms if ok else max(latency_ms, plan.FAILED_MS)


def latencies(sent):
    """Of all requests of a run."""
    ordered = sorted(counted_ms(latency_ms, ok) for _, latency_ms, ok in sent)
    n = len(ordered)

    def over(limit):
        return 100 * (n - bisect.bisect_right(ordered, limit)) / n if n else float("nan")

    return {"requests": n, "failed": sum(not ok for _, _, ok in sent), "over_soft_percent": over(plan.SOFT_MS),
            "over_hard_percent": over(plan.HARD_MS), "p50_ms": percentile(ordered, 0.5),
            "p95_ms": percentile(ordered, 0.95), "p99_ms": percentile(ordered, 0.99)}


def by_window(sent, began_s, length_s, window_s):
    """Lists of requests, one a window."""
    windows = [[] for _ in range(math.ceil(length_s / window_s - 1e-9))]
    for one in sent:
        at = int((one[0] - began_s) // window_s)
        windows[min(max(at, 0), len(windows) - 1)].append(one)
    return windows


def p95_of(window):
    return percentile(sorted(counted_ms(latency_ms, ok) for _, latency_ms, ok in window), 0.95)


def violation(sent, began_s, length_s):
    """A window without a request has no p95, and violates nothing."""
    p95s = [p95_of(window) for window in by_window(sent, began_s, length_s, plan.WINDOW_S) if window]
    return {"violation_s": plan.WINDOW_S * sum(p95 > plan.SOFT_MS for p95 in p95s), "windows": len(p95s)}


def held(samples, column, began_s, ended_s):
    """(from, to, value): each sample holds until the next, but no longer than HELD_S: after that nobody looked."""
    for sample, after in zip(samples, [*samples[1:], None]):
        start = max(sample["t_s"], began_s)
        end = min(after["t_s"] if after else ended_s, sample["t_s"] + HELD_S, ended_s)
        if end > start and not math.isnan(sample[column]):
            yield start, end, sample[column]


def replicas(samples, began_s, length_s):
    """Cost counts pods that are there, starting and terminating ones too; scalings are changes of the count that is
    asked for."""
    ended_s = began_s + length_s
    pieces = list(held(samples, "pods", began_s, ended_s))
    area = sum((end - start) * n for start, end, n in pieces)
    covered = sum(end - start for start, end, _ in pieces)
    asked = [n for _, _, n in held(samples, "wanted", began_s, ended_s)]
    moves = [after - before for before, after in zip(asked, asked[1:]) if after != before]
    turns = sum((a > 0) != (b > 0) for a, b in zip(moves, moves[1:]))
    return {"replica_hours": area / 3600 * (length_s / covered if covered else 1),
            "mean_replicas": area / covered if covered else float("nan"),
            "max_replicas": max((n for _, _, n in pieces), default=float("nan")), "scalings": len(moves),
            "direction_changes": turns, "covered": covered / length_s}


def idle_percents(samples, began_s, length_s, span_s=5):
    """Of the machine, over spans of five seconds; time that a hypervisor took is not idle."""
    rows = [s for s in samples if began_s <= s["t_s"] <= began_s + length_s]
    found, first = [], 0
    for i, row in enumerate(rows):
        if row["t_s"] - rows[first]["t_s"] >= span_s - 0.5:
            ticks = row["cpu_ticks"] - rows[first]["cpu_ticks"]
            if ticks > 0:
                found.append(100 * (row["idle_ticks"] - rows[first]["idle_ticks"]) / ticks)
            first = i
    return found


def machine(samples, began_s, length_s):
    idle = idle_percents(samples, began_s, length_s)
    return {"idle_median_percent": statistics.median(idle) if idle else float("nan"),
            "idle_low_percent": min(idle, default=float("nan")), "starved_s": 5 * sum(i < IDLE_PERCENT for i in idle)}


def changed(samples, column, began_s, length_s):
    """last - first of a count during the run"""
    numbers = [s[column] for s in samples if began_s <= s["t_s"] <= began_s + length_s and not math.isnan(s[column])]
    return numbers[-1] - numbers[0] if numbers else float("nan")


def faults(row, samples, began_s, length_s, load):
    """Why the run measures nothing, in words; nothing where it does."""
    if row["dropped"]:
        yield f"k6 dropped {row['dropped']} requests"
    if not row["starved_s"] <= STARVED_S:
        yield f"the machine was under {IDLE_PERCENT} % idle for {row['starved_s']} s"
    if changed(samples, "others_restarts", began_s, length_s) or changed(samples, "others_names", began_s, length_s):
        yield "a pod of another kind came, went or restarted"
    if not row["covered"] >= 0.95:
        yield f"replicas were sampled for {100 * row['covered']:.0f} % of the time"
    expected = sum(seconds * (before[1] + after[1]) / 2 for before, after in zip(load.trace(), load.trace()[1:])
                   for seconds in [after[0] - before[0]])
    if not 0.97 * expected - 5 <= row["requests"] <= 1.03 * expected + 5:
        yield f"{row['requests']} requests where the load has {expected:.0f}"


def timeline(sent, samples, began_s, length_s):
    def at(column, t_s):
        return next((n for start, end, n in pieces[column] if start <= t_s < end), float("nan"))

    pieces = {column: list(held(samples, column, began_s, began_s + length_s)) for column in ("pods", "wanted")}
    for i, window in enumerate(by_window(sent, began_s, length_s, STEP_S)):
        middle = began_s + STEP_S * i + STEP_S / 2
        yield {"t_s": STEP_S * i, "rps": len(window) / STEP_S, "failed": sum(not ok for _, _, ok in window),
               "p95_ms": p95_of(window), "replicas": at("pods", middle), "wanted": at("wanted", middle)}


def rounded(row):
    """Empty where there is no number."""
    out = {}
    for name, value in row.items():
        if isinstance(value, float):
            value = "" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
        out[name] = value
    return out


def read_samples(path):
    return [{name: float(value or "nan") for name, value in row.items()} for row in results.read(path)]


def row_of(folder, about):
    """(row, course) of a finished run"""
    load = plan.Load(about["load"], about["scale"])
    began_s, length_s = about["began_s"], load.length_s
    with (folder / "k6.csv").open() as file:
        sent = list(requests(file))
    samples = read_samples(folder / "samples.csv")
    totals = json.loads((folder / "summary.json").read_text())["metrics"]
    row = {name: about[name] for name in (*results.KEY, "setting", "app_requests")}
    row.update(latencies(sent), **violation(sent, began_s, length_s), **replicas(samples, began_s, length_s),
               **machine(samples, began_s, length_s), length_s=length_s,
               dropped=int(totals.get("dropped_iterations", {}).get("count", 0)),
               target_restarts=changed(samples, "target_restarts", began_s, length_s))
    wrong = "; ".join(faults(row, samples, began_s, length_s, load))
    row.update(valid="no" if wrong else "yes", reason=wrong)
    run = {name: about[name] for name in results.KEY}
    course = [{**run, **step} for step in timeline(sent, samples, began_s, length_s)]
    return row, course


def main():
    folder, about, rows, course_file = map(pathlib.Path, sys.argv[1:5])
    row, course = row_of(folder, json.loads(about.read_text()))
    results.append(course_file, results.TIMELINE, map(rounded, course))
    row = {name: row[name] for name in results.ROW}
    results.append(rows, results.ROW, [rounded(row)])
    said = {name: value for name, value in rounded(row).items() if name not in results.KEY and value != ""}
    print(", ".join(f"{name} {value}" for name, value in said.items()))
    return 0 if row["valid"] == "yes" else 3


if __name__ == "__main__":
    sys.exit(main())
