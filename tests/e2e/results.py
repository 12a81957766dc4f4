"""results: rows of a comparison's CSV, and what follows from them.

The rule of victory, stated before any run. For one load, over the valid runs of the present settings, at least three
of each:

    violation   share of requests over the soft limit, failed ones included, in percent; mean over the runs
    cost        replica-hours, terminating pods included; mean over the runs
    spread      of a measure between two autoscalers: the larger of their two half-ranges between runs,
                (highest - lowest) / 2, but at least 0.1 percentage points of violation and 1 % of the baseline's cost:
                what the measurement itself resolves
    baseline    of the two untuned HPAs the one with less violation; where they differ by no more than the spread, the
                cheaper
    not worse   Maestro's violation <= the baseline's + spread
    cheaper     Maestro's cost < the baseline's - spread
    as cheap    Maestro's cost <= the baseline's + spread
    fewer       Maestro's violation < the baseline's - spread

Maestro wins a load if it is not worse and cheaper, or as cheap with fewer violations. It draws if it is not worse and
as cheap. Else it loses. The goal is three of four loads.
"""
import csv
import os
import pathlib

KEY = ("load", "scaler", "run", "settings", "policy")
ROW = (*KEY, "valid", "reason", "length_s", "requests", "failed", "dropped", "app_requests", "over_soft_percent",
       "over_hard_percent", "p50_ms", "p95_ms", "p99_ms", "violation_s", "windows", "replica_hours", "mean_replicas",
       "max_replicas", "scalings", "direction_changes", "target_restarts", "idle_median_percent", "idle_low_percent",
       "starved_s", "setting")
TIMELINE = (*KEY, "t_s", "rps", "failed", "p95_ms", "replicas", "wanted")
LEAST_RUNS = 3
LEAST_SPREAD_PERCENT = 0.1
LEAST_SPREAD_COST = 0.01


def read(path):
    path = pathlib.Path(path)
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path, columns, rows):
    """Whole or not at all: the file is written anew beside itself."""
    path = pathlib.Path(path)
    before = read(path)
    room = path.with_name(path.name + ".new")
    with room.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(before)
        writer.writerows(rows)
    os.replace(room, path)


def key(row):
    return tuple(row[name] for name in KEY)


def usable(rows, wanted):
    """Valid rows of the present settings, the last one of each run, by (load, scaler)."""
    last = {key(row): row for row in rows if row["valid"] == "yes" and key(row) in wanted}
    table = {}
    for row in last.values():
        table.setdefault((row["load"], row["scaler"]), []).append(row)
    return table


def values(rows, column):
    return [float(row[column]) for row in rows if row[column] not in ("", "nan")]


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else float("nan")


def half_range(numbers):
    return (max(numbers) - min(numbers)) / 2 if numbers else float("nan")


def spread(a, b, least):
    return max(half_range(a), half_range(b), least)


def paired(a, b, column):
    """Differences a - b of runs of the same number."""
    other = {row["run"]: float(row[column]) for row in b}
    return [float(row[column]) - other[row["run"]] for row in a if row["run"] in other]


def baseline_of(table, load, untuned):
    """The better untuned HPA; None before all have their runs."""
    there = [name for name in untuned if len(table.get((load, name), [])) >= LEAST_RUNS]
    if not there or len(there) < len(untuned):
        return None
    violation = {name: values(table[load, name], "over_soft_percent") for name in there}
    best = min(there, key=lambda name: mean(violation[name]))

    def close(name):
        gap = mean(violation[name]) - mean(violation[best])
        return gap <= spread(violation[name], violation[best], LEAST_SPREAD_PERCENT)

    return min(filter(close, there), key=lambda name: mean(values(table[load, name], "replica_hours")))


def judge(table, load, untuned):
    """("win" | "draw" | "loss" | "open", baseline's name, sentence)"""
    own = table.get((load, "maestro"), [])
    name = baseline_of(table, load, untuned)
    if name is None or len(own) < LEAST_RUNS:
        return "open", name, f"open: {LEAST_RUNS} valid runs each are needed"
    other = table[load, name]
    violation = [values(rows, "over_soft_percent") for rows in (own, other)]
    cost = [values(rows, "replica_hours") for rows in (own, other)]
    v_spread = spread(*violation, LEAST_SPREAD_PERCENT)
    c_spread = spread(*cost, LEAST_SPREAD_COST * mean(cost[1]))
    v_gap = mean(violation[0]) - mean(violation[1])
    c_gap = mean(cost[0]) - mean(cost[1])
    not_worse, cheaper = v_gap <= v_spread, c_gap < -c_spread
    as_cheap, fewer = c_gap <= c_spread, v_gap < -v_spread
    verdict = "loss"
    if (not_worse and cheaper) or (as_cheap and fewer):
        verdict = "win"
    elif not_worse and as_cheap:
        verdict = "draw"
    return verdict, name, (f"{verdict} against {name}: violation {v_gap:+.2f} points (spread {v_spread:.2f}), "
                           f"replica-hours {c_gap:+.3f} (spread {c_spread:.3f})")


def conclusion(verdicts):
    wins = sum(verdict == "win" for verdict in verdicts)
    still_open = sum(verdict == "open" for verdict in verdicts)
    said = f"{wins} of {len(verdicts)} loads won" + (f", {still_open} open" if still_open else "")
    goal = "reached" if wins >= 3 else "open" if wins + still_open >= 3 else "missed"
    return said + (f"; the goal (3 of 4) is {goal}" if len(verdicts) == 4 else "")


SHOWN = (("over_soft_percent", "over soft %", 2), ("over_hard_percent", "over hard %", 2), ("p95_ms", "p95 ms", 0),
         ("p99_ms", "p99 ms", 0), ("violation_s", "violation s", 0), ("replica_hours", "replica-h", 3),
         ("scalings", "scalings", 1), ("direction_changes", "turns", 1))


def cell(rows, column, digits):
    """Mean and half-range of the runs; one run has none."""
    numbers = values(rows, column)
    spread = f" ±{half_range(numbers):.{digits}f}" if len(numbers) > 1 else ""
    return f"{mean(numbers):.{digits}f}{spread}" if numbers else "-"


def summary(rows, wanted, loads, scalers, untuned):
    """The table of each load, as lines."""
    table = usable(rows, wanted)
    invalid = sum(row["valid"] != "yes" and key(row) in wanted for row in rows)
    other = sum(key(row) not in wanted for row in rows)
    verdicts = []
    for load in loads:
        yield f"{load}"
        yield f"  {'':14}runs" + "".join(f"{heading:>16}" for _, heading, _ in SHOWN)
        for scaler in scalers:
            own = table.get((load, scaler), [])
            cells = "".join(f"{cell(own, column, digits):>16}" for column, _, digits in SHOWN)
            yield f"  {scaler:14}{len(own):4}" + cells
        verdict, name, sentence = judge(table, load, untuned)
        verdicts.append(verdict)
        if name and verdict != "open":
            for column in ("over_soft_percent", "replica_hours"):
                gaps = paired(table[load, "maestro"], table[load, name], column)
                if gaps:
                    yield (f"  maestro - {name}, run by run: {column} {mean(gaps):+.3f} "
                           f"({min(gaps):+.3f} to {max(gaps):+.3f})")
        yield f"  {sentence}"
    yield conclusion(verdicts)
    yield f"{invalid} invalid runs and {other} rows of other settings are in the file and not in these figures"
