#!/usr/bin/env python3
"""page: the comparison as one HTML page that needs no other file. In: the results' rows and courses; style, script
and palette of the project's report page (src/report), and the chart library that page inlines. Out: text. Judges
nothing: results.py does.

    page.py summary RESULTS.csv OPTIONS                              the tables as text; options as for plan.py missing
    page.py page RESULTS.csv COURSE.csv OUT.html COMMAND OPTIONS
"""
import html
import json
import os
import pathlib
import sys

import plan
import results

SOFT, MUTED = 16, 8  # of the page's palette
COLOURS = {name: i for i, name in enumerate(plan.SCALERS)}
LIBRARIES = (os.environ.get("MAESTRO_CHART_JS", ""), "/usr/share/javascript/chart.js/chart.min.js",
             "/usr/share/javascript/chart.js/chart.js")
COLUMNS = (("over_soft_percent", "requests over soft, %", 2), ("over_hard_percent", "requests over hard, %", 2),
           ("p95_ms", "p95, ms", 0), ("p99_ms", "p99, ms", 0), ("violation_s", "violation time, s", 0),
           ("replica_hours", "replica-hours", 3), ("max_replicas", "most replicas", 1), ("scalings", "scalings", 1),
           ("direction_changes", "turns", 1), ("failed", "failed", 0))
TITLES = {"ramp": "Ramp", "spike": "Spike", "onoff": "On-off", "diurnal": "Diurnal"}


def library():
    path = next((p for p in LIBRARIES if p and pathlib.Path(p).exists()), None)
    if not path:
        raise SystemExit("page: the chart library is missing: install libjs-chart.js, or name it in MAESTRO_CHART_JS")
    return pathlib.Path(path).read_text(encoding="utf-8").split("//# sourceMappingURL=")[0]


def inlined(code):
    """Nothing in it may look like the end of its element, nor like the start of a comment."""
    return code.replace("</", "<\\/").replace("<!--", "<\\!--")


def number(text):
    return float(text) if text not in ("", "nan") else None


def series(name, colour, points, **more):
    return {"name": name, "colour": colour, **more, "x": [x for x, _ in points], "y": [y for _, y in points]}


class Figures:
    def __init__(self):
        self.count = 0

    def draw(self, title, spec, note=""):
        self.count += 1
        data = json.dumps(spec).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        words = f"<p>{html.escape(note)}</p>\n" if note else ""
        name = html.escape(title)
        return (f'<figure>\n<figcaption>{name}</figcaption>\n<div class="canvas"><canvas id="chart-{self.count}" '
                f'role="img" aria-label="{name}"></canvas></div>\n{words}'
                f'<script type="application/json" id="chart-{self.count}-data">{data}</script>\n</figure>\n')


def plane(figures, table, load):
    """A point a run."""
    shown = []
    for scaler in plan.SCALERS:
        rows = table.get((load, scaler), [])
        points = [(number(row["replica_hours"]), number(row["over_soft_percent"])) for row in rows]
        if points:
            shown.append(series(scaler, COLOURS[scaler], sorted(points)))
    spec = {"kind": "scatter", "x_title": "replica-hours", "y_title": "requests over soft limit, %", "y2_title": None,
            "y_from_zero": True, "series": shown}
    return figures.draw("Cost against violation, a point a run", spec, "Left is cheaper, down is safer.")


def courses(course, wanted, table, load):
    """scaler -> rows of its first valid run"""
    first = {}
    for scaler in plan.SCALERS:
        rows = table.get((load, scaler), [])
        if rows:
            first[results.key(min(rows, key=lambda row: int(row["run"])))] = scaler
    found = {}
    for row in course:
        scaler = first.get(results.key(row))
        if scaler and results.key(row) in wanted:
            found.setdefault(scaler, {})[float(row["t_s"])] = row  # of a repeated run the last
    return {scaler: [steps[t] for t in sorted(steps)] for scaler, steps in found.items()}


def points_of(rows, column):
    return [(float(row["t_s"]), number(row[column])) for row in rows]


def over_time(figures, found):
    replicas = [series(scaler, COLOURS[scaler], points_of(rows, "replicas"), stepped=True)
                for scaler, rows in found.items()]
    any_rows = next(iter(found.values()))
    replicas.append(series("load", MUTED, points_of(any_rows, "rps"), second_axis=True, filled=True, faint=True))
    latency = [series(scaler, COLOURS[scaler], points_of(rows, "p95_ms")) for scaler, rows in found.items()]
    ends = [(float(any_rows[0]["t_s"]), plan.SOFT_MS), (float(any_rows[-1]["t_s"]), plan.SOFT_MS)]
    latency.append(series("soft limit", SOFT, ends, dashed=True))
    axes = {"kind": "line", "x_title": "time, h:min", "x_is_time": True}
    return (figures.draw("Load and replicas, first run of each",
                         {**axes, "y_title": "replicas", "y2_title": "requests/s", "y_from_zero": True,
                          "series": replicas}) +
            figures.draw("95th percentile of latency, first run of each",
                         {**axes, "y_title": "p95, ms", "y2_title": None, "y_is_log": True, "series": latency},
                         "Logarithmic, over 5 s; a request that failed counts as a time-out."))


def table_of(table, load):
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for _, heading, _ in COLUMNS)
    text = (f'<div class="scroll">\n<table>\n<caption>{html.escape(TITLES[load])}: mean, and half of the range between '
            f'runs</caption>\n<thead>\n<tr><th scope="col">autoscaler</th><th scope="col">runs</th>{head}</tr>\n'
            "</thead>\n<tbody>\n")
    for scaler in plan.SCALERS:
        rows = table.get((load, scaler), [])
        mark = f'<span class="mark" style="background: var(--series-{COLOURS[scaler]})"></span>'
        setting = f'<small>{html.escape(rows[0]["setting"])}</small>' if rows else ""
        text += f'<tr><th scope="row">{mark}{scaler}{setting}</th><td>{len(rows)}</td>'
        for column, _, digits in COLUMNS:
            numbers = results.values(rows, column)
            spread = f"<small>±{results.half_range(numbers):.{digits}f}</small>" if len(numbers) > 1 else ""
            text += f"<td>{results.mean(numbers):.{digits}f}{spread}</td>" if numbers else "<td></td>"
        text += "</tr>\n"
    return text + "</tbody>\n</table>\n</div>\n"


def section(figures, table, wanted, course, load):
    _, _, sentence = results.judge(table, load, plan.UNTUNED)
    text = f'<section id="{load}">\n<h2>{html.escape(TITLES[load])}</h2>\n<p>{html.escape(sentence)}</p>\n'
    text += table_of(table, load) + '<div class="grid">\n' + plane(figures, table, load)
    found = courses(course, wanted, table, load)
    return text + (over_time(figures, found) if found else "") + "</div>\n</section>\n"


def invalid_runs(rows, wanted):
    bad = [row for row in rows if row["valid"] != "yes" and results.key(row) in wanted]
    lines = "\n".join(f"{row['load']} {row['scaler']} run {row['run']}: {row['reason']}" for row in bad)
    text = ('<section id="invalid">\n<h2>Runs that were thrown out</h2>\n'
            f"<p>{len(bad)} runs broke a rule of validity and had to be run again.</p>\n")
    if bad:
        text += f"<pre>{html.escape(lines)}</pre>\n"
    return text + "</section>\n"


def page(rows, wanted, course, loads, code, command):
    table, figures, report = results.usable(rows, wanted), Figures(), plan.ROOT / "src/report"
    judged = [(load, *results.judge(table, load, plan.UNTUNED)) for load in loads]
    verdict = "".join(f"<li><b>{html.escape(TITLES[load])}</b><span>{html.escape(words)}</span></li>\n"
                      for load, _, _, words in judged)
    closing = results.conclusion([verdict for _, verdict, _, _ in judged])
    better = " better" if "reached" in closing else ""
    sections = "".join(section(figures, table, wanted, course, load) for load in loads)
    rule = html.escape(results.__doc__.split("\n", 2)[2].strip())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Maestro and the Kubernetes HPA on real pods</title>
<style>
{(report / "page.css").read_text()}</style>
</head>
<body>
<header>
<h1>Maestro and the Kubernetes HPA on real pods</h1>
<p class="subtitle">The same k6 load on the same service, one autoscaler after the other; latency by k6's own clock.</p>
</header>
<noscript><p>The charts need JavaScript; every table and text can be read without.</p></noscript>
<main>
<section id="verdict">
<ul class="verdict{better}">
{verdict}<li><b>Sum</b><span>{html.escape(closing)}</span></li>
</ul>
</section>
{sections}{invalid_runs(rows, wanted)}<section id="rule">
<h2>The rule, stated before the runs</h2>
<pre>{rule}</pre>
</section>
<section id="made">
<h2>How this was made</h2>
<pre>{html.escape(command)}</pre>
</section>
</main>
<script>
{inlined(code)}
</script>
<script>
{inlined((report / "page.js").read_text())}</script>
</body>
</html>
"""


def main():
    verb, rows, *words = sys.argv[1:]
    paths = [words.pop(0) for _ in range(3)] if verb == "page" else []
    sys.argv[1:] = ["missing", rows, *words]
    options = plan.arguments()
    loads, scalers = options.loads.split(), options.scalers.split()
    wanted = {(load.name, scaler, str(run), *hashes) for load, scaler, run, *hashes in plan.wanted(options)}
    if verb == "summary":
        print(*results.summary(results.read(rows), wanted, loads, scalers, plan.UNTUNED), sep="\n")
        return
    course, out, command = paths
    text = page(results.read(rows), wanted, results.read(course), loads, library(), command)
    pathlib.Path(out).write_text(text, encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
