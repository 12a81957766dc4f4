#!/usr/bin/env python3
"""costs: what each component takes. Runs inside the bed.

    costs.py start PORT PKI BED               component,start_ms of a pod made anew: from the start of its process to
                                              200 on /readyz
    costs.py taken PORT PKI BED SECONDS       component,rss_mib,cpu_m,fds over so long: highest resident memory and
                                              descriptors, mean CPU in thousandths of a core, of its costliest pod
    costs.py ask SECONDS SERVE SUGGEST FILE   asks serve ten times a second with FILE's body and suggest once, by their
                                              addresses
"""
import ctypes
import http.client
import os
import pathlib
import sys
import threading
import time

import pods
from sampler import Api

PORTS = {"maestro-autoscaler": 8082, "maestro-serve": 8080, "maestro-suggest": 8081, "target-app": 8000}
CLONE_NEWNET = 0x40000000
DEADLINE_S = 90


def wait_for(what, every_s=0.005):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(every_s)
    raise SystemExit(f"costs: nothing came within {DEADLINE_S} s")


def answers(port):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        line.request("GET", "/readyz")
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def ready_uptime_s(pid, port):
    """When it was ready, asked from within its pod's network, in seconds since the machine's start."""
    with open(f"/proc/{pid}/ns/net", "rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
            raise SystemExit(f"costs: the network of {pid} cannot be entered: {os.strerror(ctypes.get_errno())}")
    wait_for(lambda: answers(port))
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def own_process(bed, uid):
    return [pid for pid in pods.pids(bed, uid) if pods.name(pid).startswith("maestro-")]


def start(api, bed, component):
    """Ends one of its pods, in the way of kubectl delete pod, and times the successor."""
    path = f"/api/v1/namespaces/{pods.COMPONENTS[component]}/pods"

    def uids():
        found = (api.get(f"{path}?labelSelector=app.kubernetes.io%2Fname%3D{component}") or {"items": []})["items"]
        return {pod["metadata"]["uid"] for pod in found}

    before = uids()
    name = pods.of_component(api, component)[0]["metadata"]["name"]
    api.line.request("DELETE", f"{path}/{name}?gracePeriodSeconds=1")
    api.line.getresponse().read()

    def successor():
        return sorted(uids() - before)

    uid = wait_for(successor, 0.02)[0]
    pid = wait_for(lambda: own_process(bed, uid))[0]
    source, sink = os.pipe()
    if os.fork() == 0:  # a process of its own enters the pod's network
        os.write(sink, f"{ready_uptime_s(pid, PORTS[component]):.4f}".encode())
        os._exit(0)
    os.close(sink)
    text = os.read(source, 64)
    os.wait()
    if not text:
        raise SystemExit(f"costs: {component} was not ready")
    return 1000 * (float(text) - pods.started_s(pid))


def starts(api, bed):
    print("component,start_ms")
    for component in PORTS:
        print(f"{component},{start(api, bed, component):.0f}")


def taken(api, bed, seconds):
    watched = {}
    for component in pods.COMPONENTS:
        found = [pid for pod in pods.of_component(api, component) for pid in pods.pids(bed, pod["metadata"]["uid"])]
        watched[component] = {pid: {"cpu_s": pods.cpu_s(pid), "rss": 0, "fds": 0} for pid in found}
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(1)
        for pid, row in ((pid, row) for rows in watched.values() for pid, row in rows.items()):
            row["rss"] = max(row["rss"], pods.rss_kib(pid))
            row["fds"] = max(row["fds"], pods.descriptors(pid))
    spent = time.monotonic() - began
    print("component,rss_mib,cpu_m,fds")
    for component, rows in watched.items():
        cpu = [1000 * (pods.cpu_s(pid) - row["cpu_s"]) / spent for pid, row in rows.items()]
        print(f"{component},{max((r['rss'] for r in rows.values()), default=0) / 1024:.1f},{max(cpu, default=0):.1f},"
              f"{max((r['fds'] for r in rows.values()), default=0)}")


def ask(address, port, verb, path, body, every_s, until):
    """Answers that were 200, and others."""
    good = bad = 0
    while time.monotonic() < until:
        line = http.client.HTTPConnection(address, port, timeout=5)
        try:
            line.request(verb, path, body, {"Content-Type": "application/json"} if body else {})
            good, bad = (good + 1, bad) if line.getresponse().status == 200 else (good, bad + 1)
        except (OSError, http.client.HTTPException):
            bad += 1
        line.close()
        time.sleep(every_s)
    print(f"{path.split('?')[0]}: {good} answers, {bad} failures", file=sys.stderr)


def ask_all(seconds, serve, suggest, body):
    until = time.monotonic() + seconds
    asked = [(serve, 8080, "POST", "/predict", body, 0.1, until),
             (suggest, 8081, "GET", "/suggest?namespace=demo&deployment=target-app", None, 1, until)]
    threads = [threading.Thread(target=ask, args=one) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    verb, *words = sys.argv[1:]
    if verb == "ask":
        ask_all(float(words[0]), words[1], words[2], pathlib.Path(words[3]).read_text(encoding="utf-8"))
        return
    api = Api(int(words[0]), words[1])
    if verb == "start":
        starts(api, words[2])
    else:
        taken(api, words[2], float(words[3]))


if __name__ == "__main__":
    main()
