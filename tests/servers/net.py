"""A network of two hosts, and a sensor on the line between them. Needs root, `ip` and `nsenter`.

Owns the namespace of the servers; the one this runs in is the clients'.
"""
import json
import os
import signal
import socket
import subprocess
import time

CLIENT, SERVER = "10.9.0.1", "10.9.0.2"
CONFIG = """%YAML 1.1
---
outputs:
  - eve-log:
      {enabled: yes, filetype: regular, filename: eve.json, types: [ai: {content: yes}, redis: {content: yes}, grpc, http: {extended: yes}, websocket: {payload-printable: yes}, flow]}
  - eve-log:
      {enabled: yes, filetype: regular, filename: hash.json, types: [ai: {content: hash}]}
stream:
  reassembly: {depth: 0}
app-layer:
  protocols:
    websocket: {enabled: yes, max-payload-size: 1mb}
    http:
      enabled: yes
      libhtp: {default-config: {request-body-limit: 0, response-body-limit: 0}}
"""


def sh(*command):
    subprocess.run(command, check=True)


def until(what, f, seconds):
    end = time.time() + seconds
    while time.time() < end:
        value = f()
        if value:
            return value
        time.sleep(0.1)
    raise SystemExit(f"servers: waited in vain for {what}")


class Hosts:
    """the servers' host; its processes end with it"""

    def __enter__(self):
        self.processes = []
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        mine = os.stat("/proc/self/ns/net").st_ino
        until("a namespace", lambda: os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino != mine, 10)
        # Interfaces are looked up there; the namespace of mounts is this run's own.
        sh("mount", "-t", "sysfs", "none", "/sys")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "line", "type", "veth", "peer", "name", "far", "netns", str(self.holder.pid))
        sh("ip", "addr", "add", f"{CLIENT}/24", "dev", "line")
        sh("ip", "link", "set", "line", "up")
        for command in (("addr", "add", f"{SERVER}/24", "dev", "far"), ("link", "set", "far", "up"), ("link", "set", "lo", "up")):
            sh(*self.there("ip", *command))
        return self

    def __exit__(self, *_):
        for p in self.processes:
            # What it started goes with it.
            try:
                os.killpg(p.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        for p in self.processes:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait(10)
        self.holder.kill()
        self.holder.wait(10)

    def there(self, *command):
        """a command on the servers' host"""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *command]

    def start(self, command, log, **more):
        out = open(log, "w")
        p = subprocess.Popen(self.there(*command), stdout=out, stderr=out, start_new_session=True, **more)
        self.processes.append(p)
        return p

    def listens(self, port):
        """whether somebody listens there; asked on the servers' host, so that the line stays quiet"""
        r = subprocess.run(self.there("ss", "-Hltn", f"sport = :{port}"), capture_output=True, text=True)
        return bool(r.stdout.strip())


class Sensor:
    """`tidegate run -i` on the clients' end of the line"""

    def __init__(self, engine, folder, settings=CONFIG, rules=os.devnull):
        self.folder = folder
        self.control = os.path.join(folder, "control.sock")
        config = os.path.join(folder, "config.yaml")
        with open(config, "w") as f:
            f.write(settings)
        self.log = os.path.join(folder, "sensor.log")
        out = open(self.log, "w")
        self.process = subprocess.Popen([engine, "run", "-i", "line", "-S", rules, "-c", config, "-l", folder,
                                         "--control", self.control], stdout=out, stderr=out)
        until("the sensor", lambda: os.path.exists(self.control) or self.process.poll() is not None, 30)
        try:
            until("its answer", lambda: self.ask("stats"), 10)
        except SystemExit as e:
            raise SystemExit(f"{e}: {open(self.log).read()[-2000:]}")

    def ask(self, command):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(10)
                s.connect(self.control)
                s.sendall(json.dumps({"command": command}).encode() + b"\n")
                return json.loads(s.makefile().readline())
        except OSError:
            return None

    def end(self):
        """its counters; its records are whole then"""
        time.sleep(1)
        counters = (self.ask("stats") or {}).get("counters", {})
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if code:
            raise SystemExit(f"servers: the sensor ended with {code}: {open(self.log).read()[-2000:]}")
        return counters

    def records(self, name="eve.json"):
        with open(os.path.join(self.folder, name), "rb") as f:
            return [json.loads(line) for line in f]
