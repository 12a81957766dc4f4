"""chaos_effects: what chaos_mesh does to pods and undoes: kills through the API server, stress-ng inside a container's cgroups,
and the demo service's own switch in place of netem, which the kernel may lack. In: an object of Chaos Mesh, a pod and a record
of it; out: effects on real pods, or Failed with the reason. Which pods and when is decided elsewhere.

Every process that is started carries MAESTRO_CHAOS=BED/UID/RECORD in its environment, so that what a killed stand-in left is
found and ended.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

from chaos_logic import Refused, duration_s, size_bytes

CGROUPS = pathlib.Path("/sys/fs/cgroup")
MARK = "MAESTRO_CHAOS"
CONTROLLERS = ("cpu", "cpuacct", "memory")  # of cgroup v1; in v2 there is one hierarchy
STARTS_S, ENDS_S, SWITCH_S = 0.3, 5.0, 3.0
FIELDS = {"StressChaos": {"selector", "mode", "value", "duration", "stressors", "containerNames"},
          "NetworkChaos": {"selector", "mode", "value", "duration", "action", "delay", "direction"},
          "PodChaos": {"selector", "mode", "value", "duration", "action", "gracePeriod"}}


class Failed(Exception):
    """An effect that did not come about, or could not be ended; it is tried again."""


def container_id(pod, name):
    """Of the running container; None where it does not run."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == name and "running" in status.get("state", {}):
            return status["containerID"].rsplit("/", 1)[-1]
    return None


def cgroup_folders(identity):
    """Of one container, by controller."""
    unified = (CGROUPS / "cgroup.controllers").exists()
    roots = {name: CGROUPS for name in CONTROLLERS} if unified else {name: CGROUPS / name for name in CONTROLLERS}
    found = {}
    for name, root in roots.items():
        folder = next((pathlib.Path(place) for place, _, _ in os.walk(root) if identity in pathlib.Path(place).name), None)
        if folder is None:
            raise Failed(f"container {identity[:12]} has no cgroup of {name} on this node")
        found[name] = folder
    return found


def memory_limit_bytes(folder):
    """That of a container, or all memory of the machine."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return min(machine, int((folder / name).read_text()))
    return machine


def marked(mark):
    """Pids of the processes whose mark begins so."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(word.startswith(wanted) for word in (place / "environ").read_bytes().split(b"\0")):
                found.append(int(place.name))
    return found


def end_marked(mark):
    """Kills them, and sees them gone."""
    deadline = time.monotonic() + ENDS_S
    while pids := marked(mark):
        if time.monotonic() > deadline:
            raise Failed(f"stress-ng does not end: {pids}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


class Effect:
    """What one sort of object does. Undone and done again by a stand-in that was started anew, unless it is an instant."""

    instant = False

    def refuse(self, chaos):
        """Raises Refused for what such an object may ask for and this one cannot do."""
        unknown = sorted(k for k, v in chaos["spec"].items() if v not in (None, "", {}, []) and k not in FIELDS[chaos["kind"]])
        if unknown:
            raise Refused(f"spec.{unknown[0]} is not known to the stand-in")
        duration_s(chaos["spec"].get("duration") or "0")

    def identities(self, chaos, pod):
        """Of the records that one pod gets."""
        return [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"]

    def tend(self, chaos, pod, record):
        """While it lasts: pod is None once it is gone."""


class Kill(Effect):
    """PodChaos pod-kill."""

    instant = True

    def __init__(self, api):
        self.api = api

    def apply(self, chaos, pod, record):
        grace_s = int(chaos["spec"].get("gracePeriod") or 0)
        space, name = record["id"].split("/")[:2]
        status, answer = self.api.ask("DELETE", f"/api/v1/namespaces/{space}/pods/{name}?gracePeriodSeconds={grace_s}")
        if status not in (200, 202, 404):
            raise Failed(answer.get("message", str(status)))

    def recover(self, chaos, pod, record):
        """Nothing to undo: its ReplicaSet made a new one."""


class Stress(Effect):
    """StressChaos: stress-ng in all cgroups of the container, which therefore shares its quota, its limit and its account."""

    def __init__(self, bed):
        self.bed = bed
        self.processes = {}  # by mark: process, id of the container

    def refuse(self, chaos):
        super().refuse(chaos)
        stressors = chaos["spec"].get("stressors") or {}
        if not stressors.get("cpu") and not stressors.get("memory"):
            raise Refused("a stressor of cpu or memory is wanted")
        size_bytes((stressors.get("memory") or {}).get("size") or "100%", 1)
        if (stressors.get("memory") or {}).get("oomScoreAdj"):
            raise Refused("stressors.memory.oomScoreAdj is not known to the stand-in")

    def identities(self, chaos, pod):
        containers = chaos["spec"].get("containerNames") or [pod["spec"]["containers"][0]["name"]]
        return [f"{super(Stress, self).identities(chaos, pod)[0]}/{name}" for name in containers]

    def mark(self, chaos, record):
        return f"{self.bed}/{chaos['metadata']['uid']}/{record['id']}"

    def command(self, chaos, folders):
        """Chaos Mesh's memory stressor takes its memory and holds it still; so does this one."""
        stressors = chaos["spec"]["stressors"]
        words = ["stress-ng", "--quiet", "--keep-name", "--temp-path", "/tmp"]
        if cpu := stressors.get("cpu"):
            words += ["--cpu", str(cpu.get("workers", 1)), "--cpu-load", str(cpu.get("load", 100)), "--cpu-load-slice", "10",
                      "--cpu-method", "sqrt", *cpu.get("options", [])]
        if memory := stressors.get("memory"):
            limit = memory_limit_bytes(folders["memory"])
            workers = memory.get("workers", 1)
            size = size_bytes(memory.get("size") or "100%", limit) // workers
            words += ["--vm", str(workers), "--vm-bytes", str(size), "--vm-keep", "--vm-hang", "0", "--vm-method", "write64",
                      *memory.get("options", [])]
        return words

    def apply(self, chaos, pod, record):
        mark = self.mark(chaos, record)
        if self.runs(mark):
            return
        identity = container_id(pod, record["id"].rsplit("/", 1)[-1])
        if not identity:
            raise Failed("the container does not run")
        folders = cgroup_folders(identity)
        process = self.start(self.command(chaos, folders), folders, mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=STARTS_S)
            raise Failed(f"stress-ng ended: {said[:200].decode(errors='replace').strip()}")
        self.processes[mark] = process, identity

    def start(self, command, folders, mark):
        def join():  # in the child, before it becomes stress-ng: all that it uses counts from the first byte
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for folder in folders.values():
                (folder / "cgroup.procs").write_text(str(os.getpid()))
        try:
            return subprocess.Popen(command, preexec_fn=join, start_new_session=True, env={**os.environ, MARK: mark},
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except (OSError, subprocess.SubprocessError) as e:
            raise Failed(f"stress-ng cannot be started in the container's cgroups: {e}") from e

    def runs(self, mark):
        return mark in self.processes and self.processes[mark][0].poll() is None

    def tend(self, chaos, pod, record):
        """In Chaos Mesh it lives in the container's process namespace and ends with it."""
        mark = self.mark(chaos, record)
        if mark in self.processes:
            name = record["id"].rsplit("/", 1)[-1]
            if pod is None or container_id(pod, name) != self.processes[mark][1]:
                self.recover(chaos, pod, record)

    def recover(self, chaos, pod, record):
        mark = self.mark(chaos, record)
        end_marked(mark)
        if mark in self.processes:
            process, _ = self.processes.pop(mark)
            process.wait()
            process.stdout.close()


class Delay(Effect):
    """NetworkChaos delay, by the demo service's switch: POST /fault?delay_ms=N to the pod. It delays answers, not packets."""

    def __init__(self):
        self.delays_ms = {}  # by pod's record id: by object's uid
        self.told = {}       # by pod's record id: id of the container that was told

    def refuse(self, chaos):
        super().refuse(chaos)
        delay = chaos["spec"].get("delay") or {}
        if not delay.get("latency"):
            raise Refused("delay.latency is wanted")
        if duration_s(delay.get("jitter") or "0") or float(delay.get("correlation") or 0):
            raise Refused("the demo service's switch has neither jitter nor correlation")
        if chaos["spec"].get("direction", "to") not in ("", "to"):
            raise Refused("the demo service's switch delays one direction")

    def apply(self, chaos, pod, record):
        ours = self.delays_ms.setdefault(record["id"], {})
        ours[chaos["metadata"]["uid"]] = duration_s(chaos["spec"]["delay"]["latency"]) * 1e3
        self.switch(pod, record["id"])

    def switch(self, pod, identity):
        container = pod["spec"]["containers"][0]
        there = container_id(pod, container["name"])
        if not there:
            raise Failed("the container does not run")
        ports = container.get("ports", [])
        address = f"{pod['status'].get('podIP')}:{ports[0]['containerPort'] if ports else 80}"
        wanted_ms = sum(self.delays_ms.get(identity, {}).values())
        request = urllib.request.Request(f"http://{address}/fault?delay_ms={wanted_ms:g}", method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SWITCH_S) as answer:
                set_ms = json.load(answer)["delay_ms"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise Failed(f"{address} has no fault switch that answers: {e}") from e
        if abs(set_ms - wanted_ms) > 0.001:
            raise Failed(f"{address} delays by {set_ms} ms, wanted {wanted_ms:g}")
        self.told[identity] = there

    def tend(self, chaos, pod, record):
        """A container that was started anew has forgotten it; netem would not have."""
        container = pod and container_id(pod, pod["spec"]["containers"][0]["name"])
        if container and self.told.get(record["id"]) != container:
            self.apply(chaos, pod, record)

    def recover(self, chaos, pod, record):
        self.delays_ms.get(record["id"], {}).pop(chaos["metadata"]["uid"], None)
        if pod and container_id(pod, pod["spec"]["containers"][0]["name"]):
            self.switch(pod, record["id"])
        if not self.delays_ms.get(record["id"]):
            self.delays_ms.pop(record["id"], None)
            self.told.pop(record["id"], None)


class Effects:
    """All that there are."""

    def __init__(self, api, bed):
        self.bed = bed
        self.known = {("PodChaos", "pod-kill"): Kill(api), ("StressChaos", None): Stress(bed),
                      ("NetworkChaos", "delay"): Delay()}

    def of(self, chaos):
        """The one for an object; raises Refused."""
        sort = chaos["kind"], chaos.get("spec", {}).get("action")
        if sort not in self.known:
            raise Refused(f"the stand-in cannot do {' '.join(word for word in sort if word)}")
        try:
            self.known[sort].refuse(chaos)
        except (ValueError, TypeError) as e:
            raise Refused(f"spec: {e}") from e
        return self.known[sort]

    @staticmethod
    def prepare():
        """Whether there is a stress-ng. Asked here, its pages are in memory and count for nobody who is stressed later."""
        try:
            return subprocess.run(["stress-ng", "--version"], stdout=subprocess.DEVNULL, check=False).returncode == 0
        except OSError:
            return False

    def sweep(self):
        """Ends the stress that a killed stand-in left in this bed."""
        end_marked(f"{self.bed}/")
