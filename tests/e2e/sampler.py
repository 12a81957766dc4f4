#!/usr/bin/env python3
"""sampler: once a second, what the cluster and the machine are. Runs inside the bed, until SIGTERM.

    sampler.py PORT PKI_FOLDER OUT.csv

t_s: Unix time. wanted: spec.replicas of demo/target-app; pods: its pods that exist, starting and terminating ones
too; ready: of those; target_restarts: of their containers. others_restarts, others_names: of all other pods but
Maestro's own, whose restarts are part of its result, every fifteen seconds; a number that changes when one comes or
goes. cpu_ticks, idle_ticks: of /proc/stat. What cannot be
asked is empty, never 0.
"""
import csv
import http.client
import json
import ssl
import sys
import time
import zlib

COLUMNS = ("t_s", "wanted", "pods", "ready", "target_restarts", "others_restarts", "others_names", "cpu_ticks",
           "idle_ticks")
OTHERS_EVERY = 15
ENDED = ("Succeeded", "Failed")


class Api:
    """One connection for as long as it holds."""

    def __init__(self, port, pki):
        self.port, self.line = port, None
        self.context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        self.context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")

    def get(self, path):
        """The object, or None."""
        try:
            if not self.line:
                self.line = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=3, context=self.context)
            self.line.request("GET", path)
            answer = self.line.getresponse()
            body = answer.read()
            return json.loads(body) if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            self.line = None
            return None


def is_target(pod):
    return (pod["metadata"]["namespace"] == "demo" and
            pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "target-app")


def restarts(pods):
    return sum(state["restartCount"] for pod in pods for state in pod["status"].get("containerStatuses", []))


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def target(api):
    deployment = api.get("/apis/apps/v1/namespaces/demo/deployments/target-app")
    answer = api.get("/api/v1/namespaces/demo/pods?labelSelector=app.kubernetes.io%2Fname%3Dtarget-app")
    row = {"wanted": deployment["spec"].get("replicas", 1)} if deployment else {}
    if answer:
        pods = [pod for pod in answer["items"] if pod["status"].get("phase") not in ENDED]
        row.update(pods=len(pods), ready=sum(map(is_ready, pods)), target_restarts=restarts(pods))
    return row


def others(api):
    answer = api.get("/api/v1/pods")
    if not answer:
        return {}
    pods = [pod for pod in answer["items"] if not is_target(pod) and pod["metadata"]["namespace"] != "maestro"]
    names = sorted(pod["metadata"]["uid"] for pod in pods)
    return {"others_restarts": restarts(pods), "others_names": zlib.crc32(" ".join(names).encode())}


def ticks():
    with open("/proc/stat", encoding="ascii") as file:
        numbers = [int(word) for word in file.readline().split()[1:9]]
    return {"cpu_ticks": sum(numbers), "idle_ticks": numbers[3] + numbers[4]}


def main():
    port, pki, path = sys.argv[1:4]
    api, n = Api(int(port), pki), 0
    with open(path, "w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        due_s = time.monotonic()
        while True:
            row = {"t_s": f"{time.time():.3f}", **ticks(), **target(api)}
            row.update(others(api) if n % OTHERS_EVERY == 0 else {})
            writer.writerow(row)
            file.flush()
            n += 1
            due_s = max(due_s + 1, time.monotonic() - 5)
            time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main()
