#!/usr/bin/env python3
"""response.py - what is blocked is cut off: two network namespaces joined only by `tidegate run --inline tc:ts --response FILE`.

    response.py --engine BIN [--rounds N]

Orders by the control socket and over HTTP, what strangers order, playbooks, a restart; then the time from an alert to the first
packet that is dropped, which is printed and is no condition. Needs root, ip and ethtool; says so and exits 77 without.
"""
import argparse, json, os, signal, socket, subprocess, sys, tempfile, time

from dpdk_common import ask

NS = {n: f"tgr{n}{os.getpid() % 100000}" for n in "cms"}
failures = []

# Answers every datagram to port 9, and every connection to port 80.
SERVER = r"""
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 9))
def udp():
    while True:
        d, a = u.recvfrom(2000); u.sendto(d, a)
threading.Thread(target=udp, daemon=True).start()
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("", 80)); l.listen(64)
def http(c):
    try:
        d = b""
        while True:
            d += c.recv(4096) or exit()
            while b"\r\n\r\n" in d:
                d = d.split(b"\r\n\r\n", 1)[1]
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (OSError, SystemExit): pass
print("ready", flush=True)
while True:
    threading.Thread(target=http, args=(l.accept()[0],), daemon=True).start()
"""
# Asks from an address: ECHO FROM TEXT, or GET FROM HOST. Prints what came of it.
CLIENT = r"""
import socket, sys
what, src, text = sys.argv[1:4]
try:
    if what == "echo":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((src, 0)); s.settimeout(0.4)
        s.sendto(text.encode(), ("10.9.0.2", 9)); print(s.recv(2000).decode())
    else:
        s = socket.create_connection(("10.9.0.2", 80), 1, (src, 0)); s.settimeout(0.4)
        s.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % text.encode()); print(s.recv(4096).decode().split("\r\n")[0])
except OSError as e: print(type(e).__name__)
"""
# A datagram each 200 us from each of the addresses in turn, one of which says the word; whoever is cut off is done with.
FLOOD = r"""
import socket, sys, time
for src in sys.argv[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((src, 0)); s.setblocking(False)
    end = time.perf_counter() + 0.15; n = 0
    while time.perf_counter() < end:
        s.sendto(b"attack" if n == 100 else b"nothing of note", ("10.9.0.2", 9)); n += 1
        t = time.perf_counter() + 0.0002
        while time.perf_counter() < t: pass
    s.close()
"""


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}{f': {more}' if more != '' else ''}", flush=True)
    if not ok:
        failures.append(what)


def sh(*cmd, ns=None, may_fail=False):
    if ns:
        cmd = ("ip", "netns", "exec", NS[ns]) + cmd
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if p.returncode and not may_fail:
        raise RuntimeError(f"{' '.join(cmd)}: exit {p.returncode}: {p.stdout.decode(errors='replace')}")
    return p.stdout.decode(errors="replace").strip()


def links():
    for n in NS.values():
        sh("ip", "netns", "add", n)
    for side, host in (("c", "1"), ("s", "2")):
        sh("ip", "link", "add", f"e{side}", "netns", NS[side], "type", "veth", "peer", "name", f"t{side}", "netns", NS["m"])
        for ns, dev in ((side, f"e{side}"), ("m", f"t{side}")):
            sh("ip", "link", "set", dev, "up", ns=ns)
            sh("ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off", ns=ns, may_fail=True)
        sh("ip", "link", "set", "lo", "up", ns=side)
        sh("ip", "addr", "add", f"10.9.0.{host}/24", "dev", f"e{side}", ns=side)
    for host in range(10, 250):
        sh("ip", "addr", "add", f"10.9.0.{host}/24", "dev", "ec", ns="c")
    sh("ip", "link", "set", "lo", "up", ns="m")


class Sensor:
    RULES = 'alert udp any any -> any 9 (msg:"attack"; content:"attack"; sid:1;)\n' \
            'alert http any any -> any any (msg:"seen"; http.uri; content:"/"; sid:2;)\n'

    def __init__(self, engine, folder, response):
        self.folder, self.control = folder, os.path.join(folder, "control")
        with open(os.path.join(folder, "rules"), "w") as f:
            f.write(self.RULES)
        with open(os.path.join(folder, "response.yaml"), "w") as f:
            f.write(response)
        self.log = open(os.path.join(folder, "log"), "ab")
        self.p = subprocess.Popen(["ip", "netns", "exec", NS["m"], engine, "run", "--inline", "tc:ts", "-S", f"{folder}/rules",
                                   "-l", folder, "--control", self.control, "--response", f"{folder}/response.yaml",
                                   "-k", "none", "--memory", "32mb"], stdout=self.log, stderr=self.log)
        end = time.time() + 20
        while not os.path.exists(self.control) and self.p.poll() is None and time.time() < end:
            time.sleep(0.05)
        if self.p.poll() is not None:
            raise RuntimeError("the sensor ended: " + open(f"{folder}/log").read()[-2000:])
        time.sleep(0.3)

    def ask(self, command, **more):
        return ask(self.control, timeout=30, command=command, **more)

    def events(self, kind=None):
        with open(os.path.join(self.folder, "eve.json"), "rb") as f:
            # The last line may be on its way.
            all = [json.loads(l) for l in f.read().split(b"\n")[:-1]]
        return [e for e in all if kind in (None, e["event_type"])]

    def told(self, action, **fields):
        return [e["response"] for e in self.events("response")
                if e["response"]["action"] == action and all(e["response"].get(k) == v for k, v in fields.items())]

    def wait(self, f, seconds=5):
        end = time.time() + seconds
        while not (r := f()) and time.time() < end:
            time.sleep(0.05)
        return r

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        return self.p.wait(timeout=20)


def echo(src, text="hello"):
    return sh(sys.executable, "-c", CLIENT, "echo", src, text, ns="c")


def get(src, host):
    return sh(sys.executable, "-c", CLIENT, "get", src, host, ns="c")


RESPONSE = """\
never: {addresses: [10.9.0.2, 10.9.0.249], domains: [good.example]}
state: state.json
audit: audit.jsonl
"""


def by_socket(s):
    check("before, all is well", echo("10.9.0.10") == "hello")
    r = s.ask("block", kind="host", target="10.9.0.10", **{"for": "10m"}, reason="a test")
    check("a host is blocked", r["return"] == "OK" and echo("10.9.0.10") == "TimeoutError", r)
    check("no other is", echo("10.9.0.11") == "hello")
    r2 = s.ask("undo", number=r["number"])
    check("and comes back when that is undone", r2["return"] == "OK" and echo("10.9.0.10") == "hello", r2)
    # A connection that is there already is met by its next packet.
    c = subprocess.Popen(["ip", "netns", "exec", NS["c"], sys.executable, "-c", r"""
import socket, sys
s = socket.create_connection(("10.9.0.2", 80), 2, ("10.9.0.12", 0)); s.settimeout(0.5)
for l in sys.stdin:
    try: s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"); print(s.recv(4096)[:15].decode(), flush=True)
    except OSError as e: print(type(e).__name__, flush=True)
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    def say():
        c.stdin.write("x\n")
        return c.stdout.readline().strip()
    first = say()
    s.ask("block", kind="network", target="10.9.0.12/31", **{"for": "2s"})
    cut = say()
    time.sleep(2.2)
    check("a network cuts a living connection, and its end undoes itself", first.startswith("HTTP") and cut == "TimeoutError"
          and echo("10.9.0.13") == "hello", (first, cut))
    c.kill()
    s.ask("block", kind="domain", target="Evil.Example.", **{"for": "1m"})
    check("a domain is blocked where it is asked for", get("10.9.0.14", "www.evil.example:80") == "TimeoutError"
          and get("10.9.0.14", "notevil.example").startswith("HTTP/1.1 200"))
    for target in (("host", "10.9.0.2"), ("network", "10.0.0.0/8"), ("host", "::ffff:10.9.0.2"), ("domain", "example"),
                   ("domain", "WWW.Good.Example."), ("flow", "10.9.0.15:1 10.9.0.2:9 udp"), ("network", "::/0")):
        r = s.ask("block", kind=target[0], target=target[1], **{"for": "1m"})
        check(f"the allow list holds: {target[1]}", r["return"] == "NOK" and "allow list" in r["message"], r.get("message"))
    check("refused orders are told", s.wait(lambda: len(s.told("refused", why="never")) == 7))
    check("orders and ends are told", s.wait(lambda: len(s.told("ordered")) == 3 and len(s.told("undone")) == 1
                                             and len(s.told("expired")) == 1 and len(s.told("dropped")) >= 3),
          [e["response"] for e in s.events("response")])
    with open(os.path.join(s.folder, "audit.jsonl")) as f:
        lines = [json.loads(l) for l in f]
    check("the audit log has all of it", len(lines) == 11, len(lines))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--rounds", type=int, default=30)
    o = a.parse_args()
    if os.geteuid() != 0:
        print("not run: making network namespaces needs root")
        sys.exit(77)
    server = sensor = None
    with tempfile.TemporaryDirectory(prefix="tidegate-response-") as folder:
        try:
            links()
            server = subprocess.Popen(["ip", "netns", "exec", NS["s"], sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
            server.stdout.readline()
            sensor = Sensor(os.path.abspath(o.engine), folder, RESPONSE)
            by_socket(sensor)
            check("it ends well", sensor.stop() == 0)
        finally:
            for p in (server, sensor and sensor.p):
                if p and p.poll() is None:
                    p.kill()
            for n in NS.values():
                subprocess.run(["ip", "netns", "del", n], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{len(failures)} failed" if failures else "all fine")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
