"""kill_checks: what kill_driver holds against a run. In: the API server's audit log and the journals. Out: counts of what
is wrong.

A write of replicas is wrong if it was not made by the process whose write of the Lease is the last before it (both are
ordered by the store's own revision, which the objects carry), or more than a lease after that; if it lies outside min..max;
if it is a decrease in a tick with a signal that is neither valid nor absent and no human ordered it; or if no journal has
it, unless its writer was killed within moments, between write and line. Kills nothing, starts nothing but `maestro`.
"""
import contextlib
import datetime
import json
import re
import subprocess

SETTLED_S = 1.5  # younger writes may still have earlier ones behind them in the log
TICK_S = 10  # between a tick's sample and its write, on a machine that is busy with other things
MOMENT_S = 3  # between a write and the kill that took its line
COUNTS = ("writes", "decreases", "not_the_holder", "late", "outside", "blind", "not_in_journal", "lost_lines")
WRONG = ("not_the_holder", "late", "outside", "blind", "not_in_journal")


def seconds(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()


class Write:
    """One successful write, of a Lease or of a Deployment."""

    def __init__(self, event):
        made = event["responseObject"]
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
        return self.steadily(Journal.read_decisions)

    def read_decisions(self):
        lines = []
        for path in self.files():
            lines += path.read_bytes().split(b"\n")[:-1]
        return [line for line in map(json.loads, lines) if line["record"] == "decision"]

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
        self.leases, self.pending = [], []
        self.replicas = {}
        self.lives = {}  # token: the process that had it, see kill_driver

    def follow(self):
        with open(self.log, "rb") as file:
            file.seek(self.offset)
            text = file.read()
        text = text[:text.rfind(b"\n") + 1]
        self.offset += len(text)
        for event in map(json.loads, text.splitlines()):
            if event["responseStatus"]["code"] >= 300 or "dryRun" in event["requestURI"] or event["verb"] == "delete":
                continue
            write = Write(event)
            (self.leases if write.resource == "leases" else self.pending).append(write)
        self.leases.sort(key=lambda w: w.revision)
        self.pending.sort(key=lambda w: w.revision)

    def settle(self, now_s, journals):
        """Judges what was written since the last time."""
        counts = dict.fromkeys(COUNTS, 0)
        self.follow()
        ripe = [w for w in self.pending if w.done_s < now_s - SETTLED_S]
        self.pending = [w for w in self.pending if w.done_s >= now_s - SETTLED_S]
        decisions = {name: journal.decisions() for name, journal in journals.items()}
        for write in ripe:
            before = self.replicas.get(write.target)
            self.replicas[write.target] = write.replicas
            if before is not None and write.replicas != before:
                self.judge(write, before, decisions, counts)
        return counts

    def judge(self, write, before, decisions, counts):
        life = self.lives.get(write.token)
        found = []
        counts["writes"] += 1
        counts["decreases"] += write.replicas < before
        last = [lease for lease in self.leases if lease.revision < write.revision][-1:]
        if not life or not last or last[0].token != write.token or not last[0].holder:
            found.append("not_the_holder")
        elif write.done_s - last[0].received_s > life.lease_s:
            found.append("late")
        least, most = self.bounds[write.target]
        if not least <= write.replicas <= most:
            found.append("outside")
        if life:
            found += self.look_up(write, before, life, decisions[life.instance])
        for what in found:
            counts[what] += 1
            print(f"{what}: {write.target} {before} to {write.replicas} at {write.done_s:.3f} by {write.account} {write.token}",
                  flush=True)

    def look_up(self, write, before, life, decisions):
        """The decision behind a write."""
        same = [d for d in decisions if d["target"]["name"] == write.target and d["from"] == before
                and d["replicas"] == write.replicas and abs(d["t"] - write.received_s) < TICK_S]
        if not same:
            near = [(d["t"], d["from"], d["replicas"], d["outcome"]) for d in decisions if d["target"]["name"] == write.target]
            print("its decisions:", near[-12:], flush=True)
            return ["lost_lines" if life.killed_s and life.killed_s - write.done_s < MOMENT_S else "not_in_journal"]
        decision = min(same, key=lambda d: abs(d["t"] - write.received_s))
        if write.replicas < before and is_blind(decision) and not decision["reason"].startswith("human"):
            return ["blind"]
        return []
