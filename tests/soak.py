#!/usr/bin/env python3
"""Live traffic for a long time, with everything that goes wrong: rules exchanged for other rules, engines made to fail,
disks that are full. At the end every packet is accounted for and resident memory has not grown.

    soak.py --engine target/release/tidegate [--seconds 3600] [--rate 3000] [--shared ../shared]

Two interfaces of a network namespace of its own are joined by a veth pair. Frames of captures (those of `--shared`, else
the demo's) are sent into one end; `tidegate run -i` listens at the other. Every 10 s other rules are loaded (random
parts of the open rules, else made ones), every 60 s a fault is injected, every 90 s the log's disk is full for a while.
Needs root. Standard library only.
"""

import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time


def frames_of(path, limit=1514):
    """Ethernet frames of a classic pcap file."""
    with open(path, "rb") as f:
        data = f.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<"}.get(data[:4])
    if order is None or struct.unpack(order + "I", data[20:24])[0] != 1:
        return []
    out, at = [], 24
    while at + 16 <= len(data):
        n = struct.unpack(order + "I", data[at + 8 : at + 12])[0]
        frame = data[at + 16 : at + 16 + n]
        at += 16 + n
        if 14 <= n <= limit:
            out.append(frame)
    return out


def captures(shared):
    found = []
    for folder in ("ai-captures", "captures"):
        for base, _, names in os.walk(os.path.join(shared, folder)):
            found += [os.path.join(base, n) for n in sorted(names) if n.endswith((".pcap", ".cap"))]
    return [p for p in found if os.path.getsize(p) < 2 << 20]


def rule_sets(shared, r):
    """Endless different texts of about the same number of rules."""
    try:
        with open(os.path.join(shared, "rules/et-open/et-open.rules"), encoding="utf-8") as f:
            rules = [line for line in f if line.startswith("alert")]
    except OSError:
        rules = [
            f'alert http any any -> any any (msg:"made {i}"; http.uri; content:"/v{i % 97}"; flowbits:set,b{i}; sid:{i + 1};)\n'
            for i in range(2000)
        ]
    while True:
        yield "".join(r.sample(rules, min(1500, len(rules))))


class Sensor:
    def __init__(self, engine, folder, logs):
        self.control = os.path.join(folder, "control.sock")
        self.rules = os.path.join(folder, "now.rules")
        self.errors = open(os.path.join(folder, "stderr"), "w+")
        self.args = [engine, "run", "-i", "soak1", "-S", self.rules, "--memory", "128mb", "-l", logs, "--control", self.control, "--allow-faults"]

    def start(self):
        self.process = subprocess.Popen(self.args, stdout=subprocess.DEVNULL, stderr=self.errors)
        end = time.time() + 60
        while not os.path.exists(self.control):
            if time.time() > end or self.process.poll() is not None:
                self.errors.seek(0)
                sys.exit("soak: the sensor does not start: " + self.errors.read()[-2000:])
            time.sleep(0.1)
        time.sleep(0.5)

    def ask(self, command, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.control)
            s.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--engine", required=True)
    ap.add_argument("--seconds", type=int, default=3600)
    ap.add_argument("--rate", type=int, default=3000, help="packets a second")
    ap.add_argument("--shared", default="../shared")
    ap.add_argument("--grow", type=int, default=8192, help="KiB that resident memory may grow after the first quarter")
    a = ap.parse_args()
    if os.geteuid() != 0:
        sys.exit("soak: root is needed, for a network namespace and a small disk")
    if os.environ.get("TIDEGATE_SOAK") != "inside":
        os.environ["TIDEGATE_SOAK"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    for command in ("mount -t sysfs none /sys", "ip link add soak0 type veth peer name soak1", "ip link set soak0 up", "ip link set soak1 up",
                    "sysctl -qw net.ipv6.conf.all.disable_ipv6=1"):
        subprocess.run(command.split(), check=True)
    r = random.Random(1)
    texts = rule_sets(a.shared, r)
    pool = [f for p in captures(a.shared) for f in frames_of(p)][:400_000]
    if not pool:
        pool = frames_of("out/demo/ai-factory.pcap")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        logs = os.path.join(folder, "logs")
        os.mkdir(logs)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", logs], check=True)
        s = Sensor(os.path.abspath(a.engine), folder, logs)
        with open(s.rules, "w") as f:
            f.write(next(texts))
        s.start()
        run(a, s, logs, pool, texts)
        subprocess.run(["umount", logs])


def run(a, s, logs, pool, texts):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("soak0", 0))
    eve, filler = os.path.join(logs, "eve.json"), os.path.join(logs, "filler")
    start = time.time()
    sent = sent_bytes = reloads = faults = full = at = 0
    resident = []
    due = {"reload": start + 10, "fault": start + 60, "full": start + 90, "empty": None, "size": start + 15, "told": start + 60}
    while (now := time.time()) < start + a.seconds:
        for _ in range(max(1, a.rate // 100)):
            frame = pool[at % len(pool)]
            at += 1
            sent += wire.send(frame) > 0
        if now > due["reload"]:
            with open(s.rules, "w") as f:
                f.write(next(texts))
            reply = s.ask("reload-rules")
            assert reply["return"] == "OK" and reply["workers_changed"] == 1, reply
            reloads += 1
            due["reload"] = now + 10
            # What was written is of no use any more.
            if os.path.exists(eve) and os.path.getsize(eve) > 16 << 20:
                os.truncate(eve, 0)
        if now > due["fault"]:
            assert s.ask("inject-fault")["return"] == "OK"
            faults += 1
            due["fault"] = now + 60
        if now > due["full"]:
            try:
                with open(filler, "wb") as f:
                    while True:
                        f.write(bytes(1 << 20))
                        f.flush()
            except OSError:
                pass
            full += 1
            due["full"], due["empty"] = now + 90, now + 5
        if due["empty"] and now > due["empty"]:
            os.remove(filler)
            if os.path.exists(eve):
                os.truncate(eve, 0)
            due["empty"] = None
        if now > due["size"]:
            resident.append(s.resident())
            due["size"] = now + 15
        if now > due["told"]:
            print(f"{now - start:6.0f} s  {sent:,} packets, {reloads} reloads, {faults} faults, {full} full disks, "
                  f"resident {resident[-1]:,} KiB", flush=True)
            due["told"] = now + 60
        time.sleep(0.01)
    time.sleep(3)
    c = s.ask("stats")["counters"]
    port = s.ask("ports")["ports"][0]
    s.process.terminate()
    code = s.process.wait(60)
    s.errors.seek(0)
    said = s.errors.read()
    received, missed = c["dataplane.received"], port["rx_missed"]
    inspected = received - c["dataplane.uninspected"]
    print(f"sent {sent:,} = received {received:,} + missed by the ring {missed:,}; uninspected {c['dataplane.uninspected']:,}")
    print(f"reloads {c['dataplane.reloads']}, pause at most {c['reload.pause_us_max']} us; faults {c['dataplane.faults']}; "
          f"events lost {sum(v for k, v in c.items() if k.startswith('dataplane.events_lost')):,}")
    first = max(resident[: max(1, len(resident) // 4)])
    last = max(resident[-max(1, len(resident) // 4):])
    print(f"resident: first quarter at most {first:,} KiB, last quarter at most {last:,} KiB")
    wrong = []
    if sent != received + missed:
        wrong.append("packets are not accounted for")
    if c["dataplane.reloads"] < reloads or c["dataplane.faults"] < faults:
        wrong.append("reloads or faults are missing")
    if inspected < received * 0.9:
        wrong.append("too little was inspected")
    if last > first + a.grow:
        wrong.append(f"resident memory grew by {last - first:,} KiB")
    if full and (code != 1 or "No space left" not in said):
        wrong.append(f"full disks were not told (exit code {code})")
    if "panicked" in said and said.count("panicked") > faults:
        wrong.append("a panic that nobody asked for: " + said[-800:])
    if wrong:
        sys.exit("soak: FAILED: " + "; ".join(wrong))
    print("soak: passed")


main()
