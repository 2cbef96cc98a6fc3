#!/usr/bin/env python3
"""Live traffic on the loopback interface of a network namespace of its own: full disks, rights given up, moved logs, the
control socket. Needs root and a built command: live.py target/debug/tidegate"""

import hashlib
import http.server
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

RULE = 'alert udp any any -> any 9 (msg:"x"; content:"attack"; sid:1;)\n'
done = []


def ok(what, value):
    if not value:
        sys.exit(f"live: FAILED: {what}")
    done.append(what)
    print(f"  {what}")


def attack(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(n):
        s.sendto(b"attack %d" % i, ("127.0.0.1", 9))
        if i % 50 == 49:
            time.sleep(0.01)


def until(what, f, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        value = f()
        if value:
            return value
        time.sleep(0.05)
    sys.exit(f"live: FAILED: waited in vain for {what}")


class Sensor:
    def __init__(self, engine, folder, *args):
        self.control = os.path.join(folder, "control.sock")
        self.errors = open(os.path.join(folder, "stderr"), "w+")
        rules = os.path.join(folder, "r.rules")
        with open(rules, "w") as f:
            f.write(RULE)
        self.process = subprocess.Popen(
            [engine, "run", "-i", "lo", "-S", rules, "--memory", "32mb", "--control", self.control, *args],
            stdout=subprocess.DEVNULL, stderr=self.errors)
        until("the control socket", lambda: os.path.exists(self.control) or self.process.poll() is not None)
        time.sleep(0.3)

    def ask(self, command, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.control)
            s.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def counter(self, name):
        value = self.ask("stats")["counters"]
        return value[name]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.errors.seek(0)
        return code, self.errors.read()


def lines(path):
    with open(path, "rb") as f:
        return [json.loads(line) for line in f.read().splitlines()]


def full_disk(engine, folder):
    logs = os.path.join(folder, "logs")
    os.mkdir(logs)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", logs], check=True)
    s = Sensor(engine, folder, "-l", logs)
    attack(600)
    until("lost alerts", lambda: s.counter("dataplane.events_lost.alert") > 0)
    told = "eve.json: No space left on device (os error 28): events cannot be written"
    ok("a full disk is told at once", until("a message", lambda: told in open(s.errors.name).read(), 2))
    subprocess.run(["mount", "-o", "remount,size=64m", logs], check=True)
    attack(50)
    time.sleep(0.5)
    lost = s.counter("dataplane.events_lost.alert")
    code, said = s.end()
    ok("what is written again is told", "written again" in said)
    ok("exit code 1 after lost events", code == 1 and "events were lost" in said)
    alerts = sum(e["event_type"] == "alert" for e in lines(os.path.join(logs, "eve.json")))
    # lo brings every packet twice: out and in.
    ok("lines are whole, and written and lost are all", alerts + lost in (650, 1300))
    subprocess.run(["umount", logs], check=True)


def user(engine, folder):
    nobody = pwd.getpwnam("nobody")
    os.chmod(folder, 0o755)
    logs = os.path.join(folder, "new")
    s = Sensor(engine, folder, "-l", logs, "--user", "nobody")
    ok("the socket is the user's", os.stat(s.control).st_uid == nobody.pw_uid)
    ok("the folder of the log is the user's", os.stat(logs).st_uid == nobody.pw_uid)
    eve = os.path.join(logs, "eve.json")
    ok("so is the file", os.stat(eve).st_uid == nobody.pw_uid)
    attack(5)
    until("alerts", lambda: any(e["event_type"] == "alert" for e in lines(eve)))
    os.rename(eve, eve + ".1")
    s.process.send_signal(signal.SIGUSR1)
    until("the new file", lambda: os.path.exists(eve))
    attack(5)
    until("alerts in it", lambda: any(e["event_type"] == "alert" for e in lines(eve)))
    code, said = s.end()
    ok("moved logs are opened anew without root's rights", code == 0 or sys.exit(said))
    ok("the socket is removed from root's folder", not os.path.exists(s.control))

    logs = os.path.join(folder, "roots")
    os.mkdir(logs)
    s = Sensor(engine, folder, "-l", logs, "--user", "nobody")
    eve = os.path.join(logs, "eve.json")
    os.rename(eve, eve + ".1")
    reply = s.ask("reopen-logs")
    ok("a folder that is not the user's is told", reply["return"] == "NOK" and "cannot be opened anew" in reply["message"])
    attack(5)
    until("alerts in the old file", lambda: any(e["event_type"] == "alert" for e in lines(eve + ".1")))
    code, said = s.end()
    ok("and told at the start", "cannot make files there" in said and code == 1)


def reload(engine, folder):
    s = Sensor(engine, folder, "-l", os.path.join(folder, "reload"))
    reply = s.ask("reload-rules")
    ok("a reload says how many workers took it", reply["workers"] == 1 and reply["workers_changed"] == 1)
    with open(os.path.join(folder, "r.rules"), "w") as f:
        f.write("alert nonsense\n")
    reply = s.ask("reload-rules")
    ok("wrong rules leave the old ones", reply["return"] == "NOK" and s.ask("stats")["rules_loaded"] == 1)
    open(os.path.join(folder, "r.rules"), "w").close()
    reply = s.ask("reload-rules")
    ok("an empty file leaves the old ones", reply["return"] == "NOK" and s.ask("stats")["rules_loaded"] == 1)
    rule = 'alert http any any -> any any (msg:"r"; http.uri; content:"/some-%d"; sid:%d;)\n'
    with open(os.path.join(folder, "r.rules"), "w") as f:
        f.writelines(rule % (n, n + 1) for n in range(20_000))
    first = []
    asking = threading.Thread(target=lambda: first.append(s.ask("reload-rules")))
    asking.start()
    time.sleep(0.5)
    at_work = not first
    with open(os.path.join(folder, "r.rules"), "w") as f:
        f.writelines(rule % (n, n + 1) for n in range(3))
    reply = s.ask("reload-rules")
    asking.join()
    ok("a reload while another compiles comes after it", reply["rules_loaded"] == 3 and s.ask("stats")["rules_loaded"] == 3)
    # It may learn of the rules that took the place of its own.
    ok("and that one is answered, too", at_work and first[0]["return"] == "OK" and first[0]["rules_loaded"] in (20_000, 3))
    loaded = lambda: s.ask("stats")["rules_loaded"]
    for n, name in enumerate((signal.SIGUSR2, signal.SIGHUP)):
        with open(os.path.join(folder, "r.rules"), "w") as f:
            f.writelines(rule % (n, n + 1) for n in range(5 + n))
        s.process.send_signal(name)
        until("rules of a signal", lambda: loaded() == 5 + n)
    ok("SIGUSR2 and SIGHUP reload rules", s.process.poll() is None)
    ok("the pause is measured", "reload.pause_us" in s.ask("stats")["counters"])
    ok("and nothing is wrong at the end", s.end()[0] == 0)


def control(engine, folder):
    path = os.path.join(folder, "control.sock")
    with open(path, "w") as f:
        f.write("precious")
    s = Sensor(engine, folder, "-l", os.path.join(folder, "logs"))
    ok("a file is not replaced by a socket", s.process.wait(30) == 1 and open(path).read() == "precious")


def packets(engine, folder):
    """files of pcap-log that are moved and deleted, and outputs that are deleted"""
    config = os.path.join(folder, "packets.yaml")
    with open(config, "w") as f:
        f.write("%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, filename: eve.json, types: [alert]}\n"
                "  - pcap-log: {enabled: yes, filename: log.pcap}\n")
    logs = os.path.join(folder, "packets")
    names = lambda: sorted(n for n in os.listdir(logs) if n.startswith("log.pcap"))
    counted = lambda name: s.counter("pcap_log." + name)
    s = Sensor(engine, folder, "-c", config, "-l", logs)
    attack(5)
    until("packets", lambda: counted("packets") >= 5)
    first = names()[0]
    os.rename(os.path.join(logs, first), os.path.join(logs, "moved"))
    ok("files of packets are begun anew", s.ask("reopen-logs")["return"] == "OK")
    attack(5)
    second = until("the next file", names)[0]
    size = os.path.getsize(os.path.join(logs, "moved"))
    before = counted("packets")
    time.sleep(1.5)
    os.remove(os.path.join(logs, second))
    attack(5)
    until("lost packets", lambda: counted("lost") >= 5)
    attack(5)
    third = until("a file in place of the deleted one", names)[0]
    ok("one that was deleted as well", third not in (first, second))
    ok("and none goes into the one that was moved", os.path.getsize(os.path.join(logs, "moved")) == size)
    os.remove(os.path.join(logs, "eve.json"))
    attack(3)
    until("lost alerts", lambda: s.counter("dataplane.events_lost.alert") >= 3)
    code, said = s.end()
    ok("the exit code says so, and so do words", code == 1 and "pcap-log: " in said and "was deleted" in said)

    s = Sensor(engine, folder, "-l", os.path.join(folder, "gone"))
    attack(2)
    eve = os.path.join(folder, "gone", "eve.json")
    until("alerts", lambda: lines(eve))
    time.sleep(1.5)
    os.remove(eve)
    attack(3)
    code, said = s.end()
    lost = re.search(r"the file was deleted.*; (\d+) events were lost", said)
    kept = sum(e["event_type"] == "alert" for e in lines(eve))
    # A look may come between the deletion and the alerts; flows and statistics count, too.
    ok("events in a deleted file are counted at the end", code == 1 and lost and int(lost[1]) + kept >= 3)


STORIES = '''%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, types: [alert, flow, {incident: {idle: 1s}}]}
context: {window: 30s}
'''


def stored(engine, folder):
    """files of live traffic on disk, by a sensor without root's rights"""
    os.chmod(folder, 0o755)
    config = os.path.join(folder, "store.yaml")
    with open(config, "w") as f:
        f.write("%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, filename: eve.json, types: [files]}\n"
                "  - file-store: {version: 2, enabled: yes, force-filestore: yes, write-fileinfo: yes}\n"
                "stream: {reassembly: {depth: 0}}\n"
                "app-layer: {protocols: {http: {libhtp: {default-config: {response-body-limit: 0}}}}}\n")
    bodies = {f"/{i}": os.urandom(1 + 70_000 * i) for i in range(6)}

    class Serve(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = bodies[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8088), Serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logs = os.path.join(folder, "stored")
    s = Sensor(engine, folder, "-c", config, "-l", logs, "--user", "nobody", "-k", "none")
    for path, body in bodies.items():
        with urllib.request.urlopen("http://127.0.0.1:8088" + path) as r:
            assert r.read() == body
    until("stored files", lambda: s.counter("file_store.stored") >= len(bodies))
    ok("nothing of them is lost", s.counter("file_store.fs_errors") == 0)
    code, said = s.end()
    server.shutdown()
    ok("the sensor ends well", code == 0 or sys.exit(said))
    store = os.path.join(logs, "filestore")
    for body in bodies.values():
        name = hashlib.sha256(body).hexdigest()
        place = os.path.join(store, name[:2])
        with open(os.path.join(place, name), "rb") as f:
            assert f.read() == body, name
        assert any(n.startswith(name + ".") for n in os.listdir(place)), os.listdir(place)
    ok("files of live traffic are on disk, whole, with their records", not os.path.exists(os.path.join(store, "tmp")))


def stories(engine, folder):
    """incidents by the writer's thread, and hosts' words by a followed log, a pipe and a socket"""
    at = lambda name: os.path.join(folder, name)
    with open(at("c.yaml"), "w") as f:
        f.write(STORIES)
    open(at("log"), "w").close()
    os.mkfifo(at("pipe"))
    s = Sensor(engine, folder, "-l", at("out"), "-c", at("c.yaml"), "--context", at("log"), "--context", at("pipe"),
               "--context", "unix:" + at("words.sock"))

    def word(port, name):
        columns = {"pid": "7", "name": name, "local_address": "127.0.0.1", "local_port": str(port), "remote_address": "127.0.0.1",
                   "remote_port": "9", "protocol": "17"}
        return json.dumps({"hostIdentifier": "h", "unixTime": int(time.time()), "columns": columns, "action": "added"}) + "\n"

    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    ports = []
    for e in ends:
        e.bind(("127.0.0.1", 0))
        ports.append(e.getsockname()[1])
    with open(at("log"), "a") as f:
        f.write(word(ports[0], "by-log"))
    with open(at("pipe"), "w") as f:
        f.write(word(ports[1], "by-pipe"))
    until("two words", lambda: s.counter("context.connections") == 2)
    for e in ends:
        e.sendto(b"attack", ("127.0.0.1", 9))
    events = lambda kind: [e for e in lines(at("out/eve.json")) if e["event_type"] == kind]
    until("alerts", lambda: len(events("alert")) == 3)
    said = {e["src_port"]: e.get("context", {}).get("client", {}).get("process", {}).get("name") for e in events("alert")}
    ok("alerts say whose packet it was", said == {ports[0]: "by-log", ports[1]: "by-pipe", ports[2]: None})
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(at("words.sock"))
        c.sendall(word(ports[2], "by-socket").encode())
    late = until("a late word", lambda: events("context"))
    ok("what comes later has an event of its own",
       [(e["src_port"], e["context"]["client"]["process"]["name"]) for e in late] == [(ports[2], "by-socket")])
    told = until("a story", lambda: [e["incident"] for e in events("incident") if e["incident"]["told"] == "idle"])
    ok("silence ends a story", told[0]["events"] == 3 and told[0]["host"] == "127.0.0.1")
    ok("and both are counted", s.counter("context.joined_late") == 1 and s.counter("incident.opened") == 1)
    ok("without losses", s.end()[0] == 0)


def main():
    if os.geteuid() != 0:
        sys.exit("live: root is needed, for a network namespace and a small disk")
    engine = os.path.abspath(sys.argv[1])
    if os.environ.get("TIDEGATE_LIVE") != "inside":
        os.environ["TIDEGATE_LIVE"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, os.path.abspath(__file__), engine])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for part in (full_disk, user, reload, control, stored, packets, stories):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            part(engine, folder)
    print(f"live: {len(done)} checks passed")


main()
