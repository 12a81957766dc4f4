"""campaign: the world that campaigns on the live path disturb. Inside a bed: the simulated cluster (maestro-exporter), a
Prometheus of its own, two maestro-autoscaler with a lease of two seconds, maestro-suggest and maestro-serve, each with its own
account; load on all of them, somebody who plays the controllers, and a table of results that a stopped campaign goes on with.
Disturbs and judges nothing: kill_driver and flap_driver do, with kill_checks.
"""
import base64
import csv
import http.client
import json
import os
import pathlib
import random
import signal
import ssl
import subprocess
import sys
import time

import kill_checks

HERE = pathlib.Path(__file__).resolve().parent
STATE = pathlib.Path(os.environ["MAESTRO_BED_STATE"])
LEASE_S = 2.0
READY_S = 20  # deadline of whatever was started again
TARGETS, LEAST, MOST = 12, 2, 8
EXPORTER_PORT, SUGGEST_PORT, SERVE_PORT, PROMETHEUS_PORT = 9400, 8081, 8080, 9090
AUTOSCALERS = {"a": 8082, "b": 8083}
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
PREDICTION = json.dumps({"cpu_usage": 50, "memory_usage": 40, "latency": 100, "rps": 100, "replicas": 3})


def ask(port, path, verb="GET", body=None):
    """Status and text; (0, "") without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(verb, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def api(verb, path, body=None):
    """The API server, as its administrator."""
    context = ssl.create_default_context(cafile=STATE / "pki/ca.crt")
    context.load_cert_chain(STATE / "pki/admin.crt", STATE / "pki/admin.key")
    connection = http.client.HTTPSConnection("127.0.0.1", 6443, context=context, timeout=10)
    try:
        kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        connection.request(verb, path, json.dumps(body) if body else None, {"Content-Type": kind})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def wait_for(what, deadline_s):
    """Seconds until it holds; None: it never did."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + deadline_s:
        if what():
            return time.monotonic() - began_s
        time.sleep(0.05)
    return None


class Life:
    """One process from its start to its end."""

    lease_s = LEASE_S

    def __init__(self, instance, port, command, log, environment=None):
        self.instance, self.port = instance, port
        with open(log, "ab") as file:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=file,
                                            stderr=subprocess.STDOUT, env=environment)

    def is_ready(self):
        return ask(self.port, "/-/ready" if self.instance == "prometheus" else "/readyz")[0] == 200

    def kill(self):
        self.process.kill()
        self.process.wait()


class World:
    """Everything that runs, and how each part is started."""

    def __init__(self, programs, policy, room):
        self.programs, self.policy, self.room = programs, policy, room
        self.serial = 0
        self.bounds = {f"demo/shop-{i}": (LEAST, MOST) for i in range(1, TARGETS + 1)}
        self.checks = kill_checks.Checks(STATE / "audit.jsonl", self.bounds)
        self.journals = {name: kill_checks.Journal(room / f"{name}.jsonl") for name in AUTOSCALERS}
        self.lives = {}

    def account(self, name):
        """A folder with a token that nobody had before, and that token's name in the audit log."""
        self.serial += 1
        folder = self.room / f"account-{name}-{self.serial}"
        bed = f"--bed={os.environ['MAESTRO_BED']}"
        subprocess.run([HERE / "account", bed, "maestro", f"maestro-{name}", folder], check=True)
        claims = (folder / "token").read_text().split(".")[1]
        return folder, "JTI=" + json.loads(base64.urlsafe_b64decode(claims + "=="))["jti"]

    def launch(self, instance, port, program, arguments):
        environment = {**os.environ, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443", "POD_NAMESPACE":
                       "maestro", "POD_NAME": instance}
        environment.pop("KUBECONFIG", None)
        command = [self.programs / f"maestro-{program}", f"--config={HERE.parent.parent}/manifests/base/config/{program}.yaml",
                   f"--{program}.port={port}", *arguments]
        self.lives[instance] = Life(instance, port, command, self.room / f"{instance}.log", environment)

    def start(self, instance):
        source = [f"--prometheus.url=http://127.0.0.1:{PROMETHEUS_PORT}", "--prometheus.scrape_s=1", "--prometheus.window_s=5"]
        if instance in AUTOSCALERS:
            folder, token = self.account("autoscaler")
            self.launch(instance, AUTOSCALERS[instance], "autoscaler", [
                *source, f"--kubernetes.account={folder}", f"--autoscaler.policy=ppo:{self.policy}",
                f"--autoscaler.policies={self.policy.parent}", f"--autoscaler.journal={self.room}/{instance}.jsonl",
                "--autoscaler.journal_limit_bytes=800000", "--autoscaler.journal_keep=3", "--autoscaler.tick_s=0.4",
                "--autoscaler.interval_s=1", "--autoscaler.start_hold_s=0.5", "--autoscaler.conflict_cooldown_s=2",
                "--autoscaler.flap_budget=0", "--autoscaler.ood_limit=0", f"--lease.duration_s={LEASE_S:g}",
                "--lease.renew_deadline_s=1.4", "--lease.retry_s=0.4", f"--lease.identity={instance}-{self.serial}"])
            self.checks.lives[token] = self.lives[instance]
        elif instance == "suggest":
            folder, _ = self.account("suggest")
            self.launch(instance, SUGGEST_PORT, "suggest", [
                *source, f"--kubernetes.account={folder}", f"--suggest.policy=ppo:{self.policy}",
                f"--suggest.policies={self.policy.parent}"])
        elif instance == "serve":
            self.launch(instance, SERVE_PORT, "serve", [f"--serve.policy={self.policy}"])
        else:
            self.lives[instance] = Life(instance, PROMETHEUS_PORT, [
                "prometheus", f"--config.file={STATE}/prometheus.yml", f"--storage.tsdb.path={STATE}/prometheus",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}", "--log.level=warn"], self.room / "prometheus.log")

    def start_all(self):
        """The bed's own Prometheus ends first: afterwards it is one of ours."""
        wishes = [word for name in self.bounds for word in ("-t", f"{name}=diurnal:20:400:600")]
        self.exporter = Life("exporter", EXPORTER_PORT, [
            self.programs / "maestro-exporter", "--exporter.address=127.0.0.1", f"--exporter.port={EXPORTER_PORT}",
            "--exporter.targets=0", "--exporter.speed=20", *wishes], self.room / "exporter.log")
        (STATE / "targets/exporter.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{EXPORTER_PORT}"]}]))
        os.kill(int((STATE / "prometheus.pid").read_text()), signal.SIGKILL)
        for name in self.bounds:
            create_deployment(name.split("/")[1])
        for instance in ("prometheus", *AUTOSCALERS, "suggest", "serve"):
            self.start(instance)
        for life in self.lives.values():
            if wait_for(life.is_ready, READY_S) is None:
                sys.exit(f"kill_driver: {life.instance} is not ready; its log is shown below")

    def leader(self):
        """The instance whose own figures say that it leads; None: none of them."""
        for name, port in AUTOSCALERS.items():
            if "\nmaestro_autoscaler_leader 1" in ask(port, "/metrics")[1]:
                return name
        return None

    def end(self):
        for life in [*self.lives.values(), self.exporter]:
            life.process.kill()


def create_deployment(name):
    labels = {"app": name}
    api("POST", DEPLOYMENTS, {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": {
            "maestro.dev/mode": "active", "maestro.dev/min-replicas": str(LEAST), "maestro.dev/max-replicas": str(MOST)}},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "app", "image": "none", "resources": {
                "requests": {"cpu": "500m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}}]}}}})


def play_controller(told):
    """The simulated cluster follows the Deployments, and their status follows it."""
    for item in api("GET", DEPLOYMENTS)["items"]:
        name, wanted = item["metadata"]["name"], item["spec"]["replicas"]
        status = {"observedGeneration": item["metadata"]["generation"], "replicas": wanted, "updatedReplicas": wanted,
                  "readyReplicas": wanted, "availableReplicas": wanted}
        if told.get(name) == status:
            continue
        ask(EXPORTER_PORT, f"/scale?namespace=demo&deployment={name}&replicas={wanted}", "POST")
        api("PATCH", f"{DEPLOYMENTS}/{name}/status", {"status": status})
        told[name] = status


def keep_under_load(ended):
    """Until told: requests to all that serve; half of the targets are wanted at ever other counts, also beyond their bounds."""
    told = {}
    dice = random.Random(1)
    while not ended.wait(0.3):
        try:
            play_controller(told)
            for _ in range(dice.randint(0, 2)):
                wish = {"metadata": {"annotations": {"maestro.dev/policy": f"fixed:{dice.randint(1, MOST + 2)}"}}}
                api("PATCH", f"{DEPLOYMENTS}/shop-{dice.randint(1, TARGETS // 2)}", wish)
        except (OSError, http.client.HTTPException, KeyError, ValueError):
            continue
        ask(SUGGEST_PORT, f"/suggest?namespace=demo&deployment=shop-{TARGETS}")
        ask(SERVE_PORT, "/predict", "POST", PREDICTION)


def revision():
    return subprocess.run(["git", "-C", HERE, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True,
                          check=False).stdout.strip()


def rows_of(path):
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(path, row, names):
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
