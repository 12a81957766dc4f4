"""pods: what the processes of pods cost, as the kernel counts it. Finds a pod's processes by its uid in the names of
control groups, under version 1 and version 2, so that nothing has to run inside the pod."""
import os
import pathlib

HZ = os.sysconf("SC_CLK_TCK")
GROUPS = pathlib.Path("/sys/fs/cgroup")
COMPONENTS = {"maestro-autoscaler": "maestro", "maestro-serve": "maestro", "maestro-suggest": "maestro",
              "target-app": "demo", "prometheus": "monitoring"}


def roots(bed):
    """The bed's own groups: one for each controller, or the only one."""
    found = [path for path in (*GROUPS.glob(f"*/maestro-{bed}"), GROUPS / f"maestro-{bed}") if path.is_dir()]
    return found[:1]  # every process is in each of them


def pids(bed, uid):
    """Of a pod, without the one that only holds its network. Groups come and go meanwhile, which os.walk overlooks."""
    found = set()
    for root in roots(bed):
        for folder, _, files in os.walk(root):
            if f"pod{uid}" in folder.replace("_", "-") and "cgroup.procs" in files:
                found |= {int(line) for line in read(f"{folder}/cgroup.procs").split()}
    return sorted(pid for pid in found if name(pid) not in ("", "pause") and not name(pid).startswith("runc"))


def read(path):
    """Nothing of a file that is gone."""
    try:
        return pathlib.Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def name(pid):
    return read(f"/proc/{pid}/comm").strip()


def rss_kib(pid):
    """Resident memory, shared pages of libraries included."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def fields(pid):
    """Of /proc/PID/stat, behind the name."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def cpu_s(pid):
    stat = fields(pid)
    return (int(stat[11]) + int(stat[12])) / HZ if stat else 0.0


def started_s(pid):
    """Seconds since the machine's start."""
    stat = fields(pid)
    return int(stat[19]) / HZ if stat else 0.0


def of_component(api, component):
    """Its running pods as the API server has them."""
    path = f"/api/v1/namespaces/{COMPONENTS[component]}/pods?labelSelector=app.kubernetes.io%2Fname%3D{component}"
    found = api.get(path) or api.get(path) or api.get(path)  # no answer is not no pod
    return [pod for pod in (found or {"items": []})["items"]
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]]
