#!/usr/bin/env python3
"""response.py - what is blocked is cut off: two network namespaces joined only by `tidegate run --inline tc:ts --response FILE`.

    response.py --engine BIN [--rounds N]

Orders by the control socket and over HTTP, what strangers order, playbooks, a restart; then the time from an alert to the first
packet that is dropped, which is printed and is no condition. Needs root, ip and ethtool; says so and exits 77 without.
"""
import argparse, concurrent.futures, datetime, http.client, http.server, json, os, signal, socket, subprocess, sys, tempfile, threading, time

from dpdk_common import ask

NS = {n: f"tgr{n}{os.getpid() % 100000}" for n in "cms"}
failures = []

# Answers every datagram to port 9, and every connection to port 80.
SERVER = r"""
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 9))
def udp():
    while True:
        d, a = u.recvfrom(2000)
        if d != b"nothing of note": u.sendto(d, a)
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
# A datagram every 0.3 ms or so from each of the addresses in turn, one of which says the word.
FLOOD = r"""
import socket, sys, time
for src in sys.argv[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((src, 0)); s.setblocking(False)
    end = time.perf_counter() + 0.15; n = 0
    while time.perf_counter() < end:
        s.sendto(b"attack" if n == 100 else b"nothing of note", ("10.9.0.2", 9)); n += 1
        time.sleep(0.0002)
    s.close()
"""


def check(what, ok, more=""):
    more = str(more)
    print(f"{'ok  ' if ok else 'FAIL'} {what}{f': {more if not ok else more[:160]}' if more else ''}", flush=True)
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
            'alert http any any -> any any (msg:"seen"; http.uri; content:"/"; sid:2;)\n' \
            'alert udp any any -> any 9 (msg:"look"; content:"closely"; sid:3;)\n' \
            'alert udp any any -> any 9 (msg:"odd"; content:"knock"; sid:4;)\n'

    def __init__(self, engine, folder, response):
        self.folder, self.control = folder, os.path.join(folder, "control")
        with open(os.path.join(folder, "rules"), "w") as f:
            f.write(self.RULES)
        with open(os.path.join(folder, "response.yaml"), "w") as f:
            f.write(response.replace("FOLDER", folder))
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
listen: 127.0.0.1:9418
tokens: tokens
playbooks:
  - name: cut off attackers
    when: {event: alert, alert.signature_id: 1}
    do:
      - {block: src_ip, for: 10s}
      - {block: dest_ip, for: 10s}
    limit: {runs: 10000, within: 1m}
  - name: look closely
    when: {event: alert, alert.signature_id: 3}
    do:
      - {capture: src_ip, for: 2s}
      - {mark: src_ip, for: 1m}
      - {command: [/bin/sh, -c, "cat > FOLDER/said; id -u >> FOLDER/said; env >> FOLDER/said; echo $1 >> FOLDER/said", sh, "{src_ip} {alert.signature}"]}
      - {command: [/bin/sleep, "60"], timeout: 1s}
      - {command: [/bin/sh, -c, "cat /proc/net/dev | wc -l > FOLDER/net; ulimit -n >> FOLDER/net"]}
      - {webhook: "http://10.9.9.9:1/x", timeout: 1s}
  - name: only said
    when: {event: alert, alert.signature_id: 3}
    dry_run: yes
    do: {block: src_ip, for: 10s}
  - name: three times
    when: {event: alert, alert.signature_id: 4, count: 3, within: 10s}
    do: {block: src_ip, for: 1m}
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


def order(token, path="/v1/orders", method="POST", body=None, raw=None, **members):
    """an order over HTTP, from inside the sensor's namespace -> status, answer"""
    if body is None and method == "POST":
        body = json.dumps({"id": os.urandom(8).hex(), "time": int(time.time()), **members})
    r = sh(sys.executable, "-c", r"""
import http.client, json, sys
method, path, token, body = json.loads(sys.argv[1])
c = http.client.HTTPConnection("127.0.0.1", 9418, timeout=10)
try:
    c.request(method, path, body, {"Authorization": "Bearer " + token} if token is not None else {})
    r = c.getresponse(); print(json.dumps([r.status, r.read().decode()]))
except (OSError, http.client.HTTPException) as e: print(json.dumps([0, type(e).__name__]))
""", json.dumps([method, path, token, body]), ns="m")
    return tuple(json.loads(r))


def by_http(s, tokens):
    block = dict(do="block", kind="host", target="10.9.0.20", **{"for": "1m"})
    r = order(tokens["alice"], **block)
    check("a responder blocks over HTTP", r[0] == 200 and echo("10.9.0.20") == "TimeoutError", r)
    number = json.loads(r[1]).get("number")
    r = order(tokens["vera"], "/v1/blocks", "GET")
    check("a viewer sees it", r[0] == 200 and json.loads(r[1])["blocks"][-1]["by"] == "alice", r)
    r = [order(tokens["vera"], **block), order(tokens["vera"], do="undo", number=number)]
    check("and orders nothing", [x[0] for x in r] == [403, 403], r)
    r = order(tokens["bob"], do="undo", number=number)
    check("another responder does not undo it", r[0] == 403 and echo("10.9.0.20") == "TimeoutError", r)
    r = order(tokens["bob"], do="block", kind="host", target="10.9.0.21", **{"for": "2d"})
    check("more than a day is for admins", r[0] == 403, r)
    r = order(tokens["root"], do="undo", number=number)
    check("an admin undoes it", r[0] == 200 and echo("10.9.0.20") == "hello", r)
    # What was seen is not taken again.
    body = json.dumps({"id": "once-only-1", "time": int(time.time()), **block, "target": "10.9.0.22", "for": "1s"})
    first, second = order(tokens["alice"], body=body), order(tokens["alice"], body=body)
    time.sleep(1.2)
    third = order(tokens["alice"], body=body)
    check("an order counts once", (first[0], second[0], third[0]) == (200, 409, 409) and echo("10.9.0.22") == "hello", (second, third))
    r = order(tokens["alice"], body=json.dumps({"id": "too-old-1", "time": int(time.time()) - 90, **block}))
    check("an old one does not", r[0] == 409, r)
    r = order(tokens["root"], do="block", kind="network", target="10.9.0.0/24", **{"for": "1m"})
    check("the allow list holds over HTTP", r[0] == 403 and "allow list" in r[1], r)


def by_strangers(s, tokens):
    block = dict(do="block", kind="host", target="10.9.0.30", **{"for": "1h"})
    before = s.ask("blocks")["blocks"]
    size = sum(os.path.getsize(os.path.join(s.folder, f)) for f in ("eve.json", "audit.jsonl"))
    good = {"id": "stranger-1", "time": int(time.time()), **block}
    for what, want, r in [
            ("no token", 401, order(None, **block)), ("a wrong one", 401, order("tgr_" + "0" * 64, **block)),
            ("a digest for a token", 401, order(tokens["digest"], **block)),
            ("no JSON", 400, order(tokens["alice"], body="hello")), ("a list", 400, order(tokens["alice"], body="[1]")),
            ("a member twice", 400, order(tokens["alice"], body=json.dumps(good)[:-1] + ',"for":"1s"}')),
            ("an unknown one", 400, order(tokens["alice"], body=json.dumps({**good, "sudo": "1"}))),
            ("no number", 400, order(tokens["alice"], body=json.dumps({k: v for k, v in good.items() if k != "id"}))),
            ("no target", 400, order(tokens["alice"], body=json.dumps({**good, "target": "everybody"}))),
            ("too much", 400, order(tokens["alice"], body="{" + " " * 5000 + "}")),
            ("elsewhere", 404, order(tokens["alice"], path="/v1/else", body="{}"))]:
        check(f"a stranger's order changes nothing: {what}", r[0] == want, r)
    start = time.time()
    r = json.loads(sh(sys.executable, "-c", r"""
import collections, concurrent.futures, json, socket, sys
token, block = json.loads(sys.argv[1])
body = json.dumps(block).encode()
head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body)
kinds = [head + b"\r\n" + body, head + b"Authorization: Bearer tgr_%064x\r\n\r\n" % 1 + body, b"\0\1\2 nonsense\r\n\r\n",
         head + b"Authorization: Bearer " + token.encode() + b"\r\n\r\n" + body]
def one(i):
    try:
        with socket.create_connection(("127.0.0.1", 9418), 10) as s:
            s.sendall(kinds[i % 4]); return s.recv(100)[9:12].decode()
    except OSError as e: return type(e).__name__
with concurrent.futures.ThreadPoolExecutor(200) as p:
    print(json.dumps(collections.Counter(p.map(one, range(10000)))))
""", json.dumps([tokens["vera"], good]), ns="m"))
    took = time.time() - start
    check("10,000 at once change nothing", s.ask("blocks")["blocks"] == before and "200" not in r and echo("10.9.0.30") == "hello",
          f"{r} in {took:.1f} s")
    grown = sum(os.path.getsize(os.path.join(s.folder, f)) for f in ("eve.json", "audit.jsonl")) - size
    check("they are told, in few words", s.wait(lambda: sum(e.get("count", 0) for e in s.told("refused")) > 9000)
          and grown < 20000 + 6000 * took, f"{grown} bytes, {len(s.told('refused'))} events")
    r = order(tokens["alice"], do="block", kind="host", target="10.9.0.31", **{"for": "1s"})
    check("who has a token is still heard", r[0] == 200, r)


def by_playbooks(s, rounds):
    echo("10.9.0.249", "attack")
    r = s.wait(lambda: s.told("refused", why="never", by="playbook cut off attackers"))
    check("no playbook blocks what the allow list has", len(r) == 2 and echo("10.9.0.249") == "hello", r)
    for i in range(3):
        echo("10.9.0.40", f"knock {i}")
    check("three times are too many", s.wait(lambda: s.told("ordered", target="10.9.0.40")) and echo("10.9.0.40") == "TimeoutError")
    echo("10.9.0.41", "look closely")
    for i in range(20):
        echo("10.9.0.41", f"packet {i}")
    done = s.wait(lambda: (c := s.told("captured")) and len(s.told("ran")) == 2 and len(s.told("failed")) == 2 and c, 8)
    check("its packets are captured", done and done[0]["packets"] >= 4 and
          os.path.getsize(done[0]["file"]) == done[0]["bytes"], done)
    with open(os.path.join(s.folder, "said")) as f:
        said = f.read()
    check("a command has the event, its words, and next to no environment", '"signature":"look"' in said and "10.9.0.41 look" in said
          and "HOME=" not in said and "LANG=C.UTF-8" in said, said[-300:])
    with open(os.path.join(s.folder, "net")) as f:
        net = f.read().split()
    check("no network, and limits", net == ["3", "64"], net)
    check("one that hangs is ended, a webhook that is not there fails", {e["do"].split()[0] for e in s.told("failed")} == {"command", "webhook"},
          [e.get("error") for e in s.told("failed")])
    check("a dry run only says so", [e["do"] for e in s.told("dry_run")] == ["block host 10.9.0.41 for 10s"] and
          echo("10.9.0.41") == "hello", s.told("dry_run"))
    # From an alert to the first packet that is dropped: times of packets, as the sensor saw them.
    sources = [f"10.9.0.{100 + i}" for i in range(rounds)]
    sh(sys.executable, "-c", FLOOD, *sources, ns="c")
    at = lambda e: datetime.datetime.strptime(e["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    cut = lambda: {e["target"] for e in s.told("ordered", by="playbook cut off attackers")} & set(sources)
    s.wait(lambda: len(cut()) == rounds)
    alerts = {e["src_ip"]: at(e) for e in s.events("alert") if e["alert"]["signature_id"] == 1}
    drops = {}
    for e in s.events("response"):
        if e["response"]["action"] == "dropped":
            drops.setdefault(e["response"]["target"], at(e))
    took = sorted(1000 * (drops[a] - alerts[a]) for a in sources if a in drops and a in alerts)
    check("each attacker is cut off", len(cut()) == rounds and echo(sources[-1]) == "TimeoutError", f"{len(cut())} of {rounds}")
    if took:
        print(f"     from alert to first dropped packet: min {took[0]:.2f}, median {took[len(took) // 2]:.2f}, nine of ten below {took[len(took) * 9 // 10]:.2f}, max {took[-1]:.2f} ms "
              f"({len(took)} of {rounds} within 150 ms, a packet each 0.3 ms)", flush=True)


def by_tls(engine, folder, tokens):
    """orders from other machines, when the program was built with TLS"""
    with open(os.path.join(folder, "tls.yaml"), "w") as f:
        f.write("tls: {certificate: s.pem, key: s.key, clients: ca.pem}\nlisten: 10.9.1.1:9443\ntokens: tokens\n")
    said = subprocess.run([engine, "playbook", "check", f.name], capture_output=True, text=True).stderr
    if "built without TLS" in said:
        print("     without TLS (--features tls): orders from other machines are not tried")
        return
    make = lambda *a: sh("openssl", *a)
    for ca in ("ca", "other"):
        make("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={ca}",
             "-keyout", f"{folder}/{ca}.key", "-out", f"{folder}/{ca}.pem")
    for who, ca in (("s", "ca"), ("c", "ca"), ("x", "other")):
        make("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={who}", "-keyout", f"{folder}/{who}.key",
             "-out", f"{folder}/{who}.csr")
        with open(f"{folder}/ext", "w") as f:
            f.write("subjectAltName=IP:10.9.1.1\n")
        make("x509", "-req", "-in", f"{folder}/{who}.csr", "-CA", f"{folder}/{ca}.pem", "-CAkey", f"{folder}/{ca}.key", "-CAcreateserial",
             "-days", "2", "-extfile", f"{folder}/ext", "-out", f"{folder}/{who}.pem")
    sh("ip", "addr", "add", "10.9.1.1/32", "dev", "lo", ns="m")
    place = os.path.join(folder, "tls")
    os.mkdir(place)
    with open(os.path.join(folder, "tls.yaml")) as f:
        text = f.read()
    for name in ("s.pem", "s.key", "ca.pem", "tokens"):
        os.link(os.path.join(folder, name), os.path.join(place, name))
    s = Sensor(engine, place, text)
    ask = r"""
import http.client, json, ssl, sys, time
ca, cert, token, target = sys.argv[1:]
try:
    x = ssl.create_default_context(cafile=ca)
    if cert: x.load_cert_chain(cert + ".pem", cert + ".key")
    c = http.client.HTTPSConnection("10.9.1.1", 9443, timeout=5, context=x)
    c.request("POST", "/v1/orders", json.dumps({"id": "tls-" + target, "time": int(time.time()), "do": "block", "kind": "host", "target": target, "for": "1m"}),
              {"Authorization": "Bearer " + token})
    print(c.getresponse().status)
except OSError as e: print(type(e).__name__)
"""
    order = lambda cert, target, token: sh(sys.executable, "-c", ask, f"{folder}/ca.pem", cert and f"{folder}/{cert}", token, target, ns="m")
    r = [order("c", "10.9.0.60", tokens["alice"]), order("c", "10.9.0.61", "tgr_0"), order("x", "10.9.0.62", tokens["alice"]),
         order("", "10.9.0.63", tokens["alice"])]
    check("over TLS, only a client with a certificate and a token is heard", r[:2] == ["200", "401"] and "200" not in r[2:]
          and [b["target"] for b in s.ask("blocks")["blocks"]] == ["10.9.0.60"] and echo("10.9.0.60") == "TimeoutError", r)
    check("strangers are told", s.wait(lambda: sum(e["count"] for e in s.told("refused", why="stranger")) == 3), s.told("refused"))
    check("it ends well", s.stop() == 0)


def restarted(engine, folder):
    s = Sensor(engine, folder, RESPONSE)
    kept = [b["target"] for b in s.ask("blocks")["blocks"]]
    check("what was blocked survives a restart", "10.9.0.40" in kept and echo("10.9.0.40") == "TimeoutError", kept)
    check("it ends well", s.stop() == 0)
    # What a file says is an order like any other.
    until = int(time.time()) + 600
    entry = lambda kind, target, until=until: {"effect": "block", "kind": kind, "target": target, "until": until, "reason": "", "by": "x"}
    with open(os.path.join(folder, "state.json"), "w") as f:
        json.dump({"version": 1, "blocks": [entry("host", "10.9.0.50"), entry("network", "10.9.0.0/24"), entry("host", "10.9.0.51", 1),
                                            entry("host", "nobody"), entry("host", "10.9.0.52", until + 40 * 86400)]}, f)
    s = Sensor(engine, folder, RESPONSE)
    kept = [b["target"] for b in s.ask("blocks")["blocks"]]
    check("a state file is not trusted blindly", kept == ["10.9.0.50"], kept)
    check("it ends well", s.stop() == 0)
    with open(os.path.join(folder, "state.json"), "w") as f:
        f.write("{")
    try:
        Sensor(engine, folder, RESPONSE)
        check("one that cannot be read is refused", False)
    except RuntimeError as e:
        check("one that cannot be read is refused", "state.json" in str(e), str(e).strip().split("\n")[-1])


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
            engine, tokens = os.path.abspath(o.engine), {}
            with open(os.path.join(folder, "tokens"), "w") as f:
                for name, role in (("alice", "responder"), ("bob", "responder"), ("vera", "viewer"), ("root", "admin")):
                    p = subprocess.run([engine, "response", "token", name, role], capture_output=True, text=True, check=True)
                    tokens[name], tokens["digest"] = p.stdout.strip(), p.stderr.split(":")[-1].strip()
                    f.write(p.stderr)
            os.chmod(f.name, 0o600)
            sensor = Sensor(engine, folder, RESPONSE)
            by_socket(sensor)
            by_http(sensor, tokens)
            by_strangers(sensor, tokens)
            by_playbooks(sensor, o.rounds)
            check("it ends well", sensor.stop() == 0)
            restarted(engine, folder)
            by_tls(engine, folder, tokens)
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
