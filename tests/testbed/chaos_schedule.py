"""chaos_schedule: when an object Schedule of Chaos Mesh strikes next and what it makes then, for chaos_mesh. In: a Schedule,
the objects it has made, the time; out: the object to make, the objects to forget. Known are cron's five fields of numbers and
"@every 30s"; a minute that passed while nobody looked is missed. Asks nobody.
"""
import datetime

import chaos_logic as logic

OWNER = "managed-by"  # the label of what a Schedule has made, as in Chaos Mesh
LOWEST_HIGHEST = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def parse_field(text, low, high):
    """The numbers that "*/10", "1-5", "3,30" stand for."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        try:
            first, last, step = int(first), int(last or (high if step else first)), int(step or 1)
        except ValueError:
            raise logic.Refused(f"'{text}' in a schedule is not understood") from None
        if not (low <= first <= last <= high and step > 0):
            raise logic.Refused(f"'{text}' in a schedule is out of range")
        found.update(range(first, last + 1, step))
    return found


def cron_fits(text, at_s):
    """Whether the minute of that time (UTC) is one of the schedule. Two restricted days are alternatives, as in cron."""
    words = text.split()
    if len(words) != 5:
        raise logic.Refused(f"'{text}' is no schedule of five fields")
    minutes, hours, days, months, weekdays = (parse_field(w, *span) for w, span in zip(words, LOWEST_HIGHEST))
    now = datetime.datetime.fromtimestamp(at_s, datetime.timezone.utc)
    day, weekday = now.day in days, now.isoweekday() % 7 in {d % 7 for d in weekdays}
    both = day or weekday if words[2] != "*" and words[4] != "*" else day and weekday
    return now.minute in minutes and now.hour in hours and now.month in months and both


def is_due(schedule, now_s):
    """Whether it strikes now, given when it last did (or was made)."""
    text = schedule["spec"]["schedule"]
    last_s = logic.time_s(schedule.get("status", {}).get("time") or schedule["metadata"]["creationTimestamp"])
    if text.startswith("@every "):
        every_s = logic.duration_s(text[len("@every "):])
        return every_s > 0 and now_s >= last_s + every_s
    return now_s // 60 > last_s // 60 and cron_fits(text, now_s)


def make(schedule, word):
    """The object that it makes: its spec stands under the key of its kind. word makes the name its own."""
    kind, meta = schedule["spec"]["type"], schedule["metadata"]
    key = kind[0].lower() + kind[1:]
    if key not in schedule["spec"]:
        raise logic.Refused(f"spec.{key} is wanted")
    owner = {"apiVersion": schedule["apiVersion"], "kind": "Schedule", "name": meta["name"], "uid": meta["uid"],
             "controller": True, "blockOwnerDeletion": True}
    return {"apiVersion": schedule["apiVersion"], "kind": kind, "spec": schedule["spec"][key],
            "metadata": {"name": f"{meta['name'][:57]}-{word}", "namespace": meta["namespace"], "ownerReferences": [owner],
                         "labels": {**meta.get("labels", {}), OWNER: meta["name"]}}}


def is_over(chaos):
    """Whether what was made has had its effect."""
    holds = {c["type"]: c["status"] == "True" for c in chaos.get("status", {}).get("conditions", [])}
    stopped = chaos.get("status", {}).get("experiment", {}).get("desiredPhase") == "Stop"
    return holds.get("AllInjected", False) if logic.is_one_shot(chaos) else stopped and holds.get("AllRecovered", False)


def made_by(schedule, objects):
    """Oldest first."""
    uid = schedule["metadata"]["uid"]
    ours = [o for o in objects if any(owner["uid"] == uid for owner in o["metadata"].get("ownerReferences", []))]
    return sorted(ours, key=lambda o: (o["metadata"]["creationTimestamp"], o["metadata"]["name"]))


def may_strike(schedule, made):
    return schedule["spec"].get("concurrencyPolicy", "Forbid") == "Allow" or all(is_over(o) for o in made)


def to_forget(schedule, made):
    """Those over, but for the last few."""
    over = [o for o in made if is_over(o) and "deletionTimestamp" not in o["metadata"]]
    return over[:max(0, len(over) - int(schedule["spec"].get("historyLimit") or 1))]
