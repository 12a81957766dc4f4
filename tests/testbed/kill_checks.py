"""kill_checks: what kill_driver and flap_driver hold against a run. In: the API server's audit log and the journals. Out: counts of what
is wrong.

A write of replicas is wrong if it was not made by the process whose write of the Lease is the last before it (both are
ordered by the store's own revision, which the objects carry), or more than a lease after that; if it lies outside min..max;
if it is a decrease in a tick with a signal that is neither valid nor absent and no human ordered it; or if its writer's
journal has it neither as a decision nor as an intent (the line before a write, which is all that a kill in between leaves:
such a write counts as lost_lines, and is right). Kills nothing, starts nothing but `maestro`.

A client that dies, or gives up, in the middle of a write is answered by nobody: the log then says 504 ("context canceled"), and
now and then the store has the new count all the same; of 400 such writes on a quiet bed 30 did. So a write without success is
remembered, and once the Deployment is seen at its count, it was one. Without that the next write seems to start from a
count that no decision knows: the campaign's first rows 58 and 70 said not_in_journal for no other reason that could be found.
"""
import contextlib
import datetime
import json
import re
import subprocess

SETTLED_S = 1.5  # younger writes may still have earlier ones behind them in the log
TICK_S = 10  # between a tick's sample and its write, on a machine that is busy with other things; frozen time is not counted
COUNTS = ("writes", "decreases", "not_the_holder", "late", "outside", "blind", "not_in_journal", "lost_lines")
WRONG = ("not_the_holder", "late", "outside", "blind", "not_in_journal")


def seconds(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()


class Write:
    """One write, of a Lease or of a Deployment. Where it was not answered with success, what was asked for, and no revision."""

    def __init__(self, event):
        self.answered = event["responseStatus"]["code"] < 300
        made = event["responseObject"] if self.answered else asked_for(event)
        extra = event["user"].get("extra", {})
        self.resource = event["objectRef"]["resource"]
        self.target = event["objectRef"]["namespace"] + "/" + made["metadata"]["name"]
        self.revision = int(made["metadata"]["resourceVersion"])
        self.received_s = seconds(event["requestReceivedTimestamp"])
        self.done_s = seconds(event["stageTimestamp"])
        self.token = extra.get("authentication.kubernetes.io/credential-id", [""])[0]
        self.account = event["user"]["username"]
        self.holder = made["spec"].get("holderIdentity")
        self.replicas = made["spec"].get("replicas", 0)


def asked_for(event):
    """The object as a request would have had it."""
    wish = event.get("requestObject") or {}
    return {"metadata": {"name": event["objectRef"]["name"], "resourceVersion": "0"}, "spec": wish.get("spec") or {}}


class Journal:
    """The files of one instance."""

    def __init__(self, path):
        self.path = path

    def files(self):
        """Oldest first."""
        older = sorted(self.path.parent.glob(self.path.name + ".*"), key=lambda p: -int(p.suffix[1:]))
        return [*older, self.path] if self.path.exists() else older

    def is_torn(self):
        text = self.path.read_bytes() if self.path.exists() else b""
        return bool(text) and not text.endswith(b"\n")

    def marks(self):
        return [path.stat().st_ino for path in self.files()]

    def steadily(self, read):
        """What read(self) says of files that were not rotated meanwhile."""
        while True:
            with contextlib.suppress(FileNotFoundError):
                before = self.marks()
                result = read(self)
                if self.marks() == before:
                    return result

    def decisions(self):
        return [line for line in self.lines() if line["record"] == "decision"]

    def lines(self):
        """Decisions and intents; an intent's target is its name."""
        return self.steadily(Journal.read_lines)

    def read_lines(self):
        lines = []
        for path in self.files():
            lines += path.read_bytes().split(b"\n")[:-1]
        return [line for line in map(json.loads, lines) if line["record"] != "state"]

    def replay(self, programs, policies):
        """How many decisions came out the same; None: one did not, or a file could not be read."""
        return self.steadily(lambda journal: journal.replay_once(programs, policies))

    def replay_once(self, programs, policies):
        files = [str(path) for path in self.files()]
        if not files:
            return 0
        inspected = subprocess.run([programs / "maestro", "inspect", files[-1]], capture_output=True, text=True, check=False)
        replayed = subprocess.run([programs / "maestro", "replay", "--policies", policies, *files], capture_output=True, text=True,
                                  check=False)
        same = re.match(r"(\d+) decisions .* come out the same", replayed.stdout)
        if inspected.returncode != 0 or replayed.returncode != 0 or not same:
            print("journal:", inspected.stderr.strip(), replayed.stderr.strip(), flush=True)
            return None
        return int(same[1])


def is_blind(decision):
    return any(signal[2] not in ("valid", "absent") for signal in decision["signals"].values())


class Checks:
    """Follows the audit log; bounds of each target are (least, most)."""

    def __init__(self, log, bounds):
        self.log, self.bounds = log, bounds
        self.offset = 0
        self.leases, self.pending, self.unanswered = [], [], []
        self.replicas = {}
        self.decreases = []  # (write, its decision): judged scale-downs that no human ordered
        self.lives = {}  # token: the process that had it, see campaign
        self.frozen = []  # (from, to): times at which the API server stood still, and a request with it

    def follow(self):
        with open(self.log, "rb") as file:
            file.seek(self.offset)
            text = file.read()
        text = text[:text.rfind(b"\n") + 1]
        self.offset += len(text)
        for event in map(json.loads, text.splitlines()):
            code = event["responseStatus"]["code"]
            if 300 <= code < 500 or "dryRun" in event["requestURI"] or event["verb"] == "delete":
                continue
            write = Write(event)
            if not write.answered:
                if write.resource == "deployments" and write.replicas:
                    self.unanswered.append(write)
                continue
            (self.leases if write.resource == "leases" else self.pending).append(write)
        self.leases.sort(key=lambda w: w.revision)
        self.pending.sort(key=lambda w: w.revision)

    def settle(self, now_s, journals):
        """Judges what was written since the last time."""
        counts = dict.fromkeys(COUNTS, 0)
        self.follow()
        ripe = [w for w in self.pending if w.done_s < now_s - SETTLED_S]
        self.pending = [w for w in self.pending if w.done_s >= now_s - SETTLED_S]
        lines = {name: journal.lines() for name, journal in journals.items()}
        for write in ripe:
            before = self.stored_meanwhile(write, lines, counts)
            self.replicas[write.target] = write.replicas
            if before is not None and write.replicas != before:
                self.judge(write, before, lines, counts)
        return counts

    def stored_meanwhile(self, write, lines, counts):
        """The count before this write. An unanswered write that it shows to have been stored is judged as one."""
        before = self.replicas.get(write.target)
        earlier = [w for w in self.unanswered if w.target == write.target and w.received_s < write.done_s]
        if before is None or not earlier:
            return before
        self.unanswered = [w for w in self.unanswered if w not in earlier]
        starts = self.starts_of(write, lines)
        for silent in earlier:
            if silent.replicas != before and silent.replicas in starts and before not in starts:
                silent.revision = write.revision
                self.judge(silent, before, lines, counts)
                return silent.replicas
        return before

    def starts_of(self, write, lines):
        """Counts that this write can have started from: those of its lines; whoever does not scale leaves the count alone."""
        life = self.lives.get(write.token)
        return {line["from"] for line in self.matching(write, lines[life.instance])} if life else {write.replicas}

    def judge(self, write, before, lines, counts):
        life = self.lives.get(write.token)
        found = []
        counts["writes"] += 1
        counts["decreases"] += write.replicas < before
        last = [lease for lease in self.leases if lease.revision < write.revision and (
            write.answered or lease.received_s < write.received_s)][-1:]
        if not life or not last or last[0].token != write.token or not last[0].holder:
            found.append("not_the_holder")
        elif self.seconds_between(last[0].received_s, write.done_s) > life.lease_s:
            found.append("late")
        least, most = self.bounds[write.target]
        if not least <= write.replicas <= most:
            found.append("outside")
        if life:
            what, decision = self.look_up(write, before, lines[life.instance])
            counts["lost_lines"] += what == "lost_lines"
            found += [what] if what in WRONG else []
            if decision and write.replicas < before and not decision["reason"].startswith("human"):
                self.decreases.append((write, decision))
        for what in found:
            counts[what] += 1
            print(f"{what}: {write.target} {before} to {write.replicas} at {write.done_s:.3f} by {write.account} {write.token}",
                  flush=True)

    def decreases_without_source(self, from_s, to_s):
        """Scale-downs of ticks that began after from_s and that were received before to_s: they had nobody to ask in between. A
        tick's own time would not do for its end: it may begin before to_s and ask behind it.
        """
        found = [(w, d) for w, d in self.decreases if from_s < d["t"] and w.received_s < to_s]
        for write, decision in found:
            print(f"dark from {from_s:.3f} to {to_s:.3f}: received at {write.received_s:.3f}: {decision}", flush=True)
        return found

    def matching(self, write, lines):
        """Lines that tell of a write to this count at about this time."""
        return [line for line in lines if name_of(line) == write.target and line["replicas"] == write.replicas
                and self.seconds_between(*sorted((line["t"], write.received_s))) < TICK_S]

    def look_up(self, write, before, lines):
        """What is wrong with the line behind a write, if anything, and its decision, if there is one."""
        same = [line for line in self.matching(write, lines) if line["from"] == before]
        decisions = [line for line in same if line["record"] == "decision"]
        if not decisions:
            near = [(line["record"], line["t"], line["from"], line["replicas"]) for line in lines if name_of(line) == write.target]
            print("no decision of its own; lines of that target:", near[-12:], flush=True)
            return "lost_lines" if same else "not_in_journal", None
        decision = min(decisions, key=lambda line: abs(line["t"] - write.received_s))
        if write.replicas < before and is_blind(decision) and not decision["reason"].startswith("human"):
            return "blind", decision
        return "", decision

    def seconds_between(self, from_s, to_s):
        return to_s - from_s - sum(max(0, min(to_s, b) - max(from_s, a)) for a, b in self.frozen)


def name_of(line):
    return line["target"] if line["record"] == "intent" else line["target"]["name"]
