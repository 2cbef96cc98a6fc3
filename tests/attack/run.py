#!/usr/bin/env python3
"""Attacks on a stand-in for an AI factory, behind the sensor: what is seen of them, by family, and what is missed.

    tests/attack/run.py --engine target/release/tidegate [--json] [-v]

The attacks are of this project's own writing (attacks.py); so are the harmless requests beside them. Both go to a stand-in
(stand_in.py) on another host, a network namespace; `tidegate run -i` with `builtin:ai` watches the line. An attack is seen when an
alert is about one of its connections. Needs root. Exit code 1 when a harmless request is told, or an attack is missed that KNOWN does
not name.
"""
import argparse
import collections
import json
import os
import socket
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))
sys.path.insert(0, HERE)
import attacks  # noqa: E402
import net  # noqa: E402

# Each attack from outside has an address of its own: some alerts are told once an address.
OUTSIDE = [f"203.0.113.{i}" for i in range(1, 33)]
PORTS = (8000, 11434, 3000, 5000, 8265, 8001, 6379)
# Missed by design or so far, with the reason; every other one has to be seen, and one of these that is seen is no longer missed.
KNOWN = {
    "PyRIT converters: leet": "digits for letters in all words",
    "PyRIT converters: spaced": "a space behind each letter",
    "garak: a million tokens": "a limit of tokens is the operator's to set",
}
CONFIG = """%YAML 1.1
---
vars: {address-groups: {HOME_NET: "[10.9.0.0/24]", EXTERNAL_NET: "!$HOME_NET"}}
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert, ai, ai_service, artifact]}
"""


def sent(request, host):
    """The bytes of a request."""
    if "raw" in request:
        return request["raw"]
    head = [f"{request['method']} {request['path']} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(request['body'])}"]
    head += [f"{k}: {v}" for k, v in request["headers"].items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + request["body"]


def answered(s, raw):
    """Reads one answer."""
    data = b""
    s.settimeout(10)
    while True:
        more = s.recv(65536)
        data += more
        if not more or raw:
            return
        head, found, body = data.partition(b"\r\n\r\n")
        if found:
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length and len(body) >= int(length[0].split(b":")[1]):
                return


def play(step, n):
    """One connection; its client's port."""
    source = OUTSIDE[n % len(OUTSIDE)] if step["outside"] else net.CLIENT
    s = socket.create_connection((net.SERVER, step["port"]), 10, (source, 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with s:
        port = s.getsockname()[1]
        for request in step["requests"]:
            data, size = sent(request, net.SERVER), request.get("pieces") or 1 << 20
            for i in range(0, len(data), size):
                s.sendall(data[i : i + size])
            answered(s, "raw" in request)
    return port


def inside(o):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d, net.Hosts() as hosts:
        for a in OUTSIDE:
            net.sh("ip", "addr", "add", f"{a}/32", "dev", "line")
        net.sh(*hosts.there("ip", "route", "add", "203.0.113.0/24", "via", net.CLIENT))
        hosts.start([sys.executable, os.path.join(HERE, "stand_in.py"), net.SERVER], os.path.join(d, "stand_in.log"))
        for port in PORTS:
            net.until(f"the stand-in on {port}", lambda: hosts.listens(port), 30)
        sensor = net.Sensor(o.engine, d, CONFIG, "builtin:ai")
        began, played = time.time(), []
        for n, (family, manner, name, steps) in enumerate([*attacks.attacks(), *attacks.harmless()]):
            played.append((family, manner, name, [play(s, n) for s in steps]))
        took = time.time() - began
        sensor.end()
        return played, sensor.records(), took


def told(played, records, took, o):
    alerts = collections.defaultdict(list)
    for e in records:
        if e["event_type"] == "alert":
            port = next((p for p in (e["src_port"], e["dest_port"]) if p not in PORTS), 0)
            families = e["alert"].get("metadata", {}).get("ai_risk", ["?"])
            alerts[port] += families
    rows, wrong = collections.OrderedDict(), []
    for family, manner, name, ports in played:
        seen = [f for p in ports for f in alerts[p]]
        row = rows.setdefault(family, {"sent": 0, "seen": 0, "by_its_family": 0, "missed": []})
        row["sent"] += 1
        row["seen"] += bool(seen)
        row["by_its_family"] += family in seen
        if family == "harmless":
            wrong += [f"harmless {manner} {name}: {', '.join(seen)}"] if seen else []
        elif not seen:
            which = f"{manner}: {name}"
            row["missed"].append(f"{which} ({KNOWN[which]})" if which in KNOWN else which)
            wrong += [] if which in KNOWN else [f"{family}, {which} is missed"]
        elif f"{manner}: {name}" in KNOWN:
            wrong.append(f"{manner}: {name} is seen now: it has no place in KNOWN")
        if o.verbose:
            print(f"  {family:26} {manner:18} {name:36} {', '.join(sorted(set(seen))) or '-'}")
    if o.json:
        print(json.dumps(rows))
        return wrong
    print(f"{'family':26} {'sent':>5} {'seen':>5} {'as such':>8}   missed")
    for family, r in rows.items():
        print(f"{family:26} {r['sent']:5} {r['seen']:5} {r['by_its_family']:8}   {'; '.join(r['missed'])}")
    all_of = [r for f, r in rows.items() if f != "harmless"]
    print(f"{sum(r['seen'] for r in all_of)} of {sum(r['sent'] for r in all_of)} attacks seen, {rows['harmless']['seen']} of "
          f"{rows['harmless']['sent']} harmless ones told, in {took:.1f} s")
    for w in wrong:
        print(f"WRONG: {w}")
    return wrong


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--json", action="store_true")
    ap.add_argument("-v", "--verbose", action="store_true", help="a line for each attack")
    o = ap.parse_args()
    if os.geteuid() != 0:
        sys.exit("attack: root is needed, for network namespaces")
    o.engine = os.path.abspath(o.engine)
    if os.environ.get("TIDEGATE_ATTACK") != "inside":
        os.environ["TIDEGATE_ATTACK"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    wrong = told(*inside(o), o)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
