#!/usr/bin/env python3
"""dpdk_card.py - what a card says of packets: checksums and hashes, by the test driver of tests/pmd.

    dpdk_card.py --engine BIN --driver out/pmd/libtgtest.so --file CAPTURE --rules FILE

Of a capture with some wrong checksums the events are the same whether the engine computes them, the card tells all, or
the card tells some; what a card calls wrong counts as wrong, and with `-k none` nothing does. Two workers behind one
queue give the events of one, by the card's hash and without it. Standard library only.
"""
import argparse, collections, json, os, struct, subprocess, sys, tempfile, time

from dpdk_common import ask, driver

EAL = "--no-huge --no-shconf --no-telemetry --no-pci --log-level=*:4"
CSUM = "".join(f'alert {p} any any -> any any (msg:"{k}"; {k}:invalid; sid:{900 + i};)\n' for i, (p, k) in enumerate(
    [("ip", "ipv4-csum"), ("tcp", "tcpv4-csum"), ("udp", "udpv4-csum")]))
failures = []


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {more}", flush=True)
    if not ok:
        failures.append(what)


def spoil(source, to):
    """a copy in which some packets of TCP and UDP, and some IPv4 headers, have a wrong checksum -> how many frames there are,
    of TCP, of TCP with a wrong one, of IP"""
    data = open(source, "rb").read()
    out, at, frames, ip, seen = bytearray(data[:24]), 24, 0, 0, {6: 0, 17: 0}
    wrong = 0
    while at + 16 <= len(data):
        n = struct.unpack("<I", data[at + 8:at + 12])[0]
        head, f = data[at:at + 16], bytearray(data[at + 16:at + 16 + n])
        at += 16 + n
        frames += 1
        l3 = 14
        while f[l3 - 2:l3] == b"\x81\x00":
            l3 += 4
        v4, v6 = f[l3 - 2:l3] == b"\x08\x00", f[l3 - 2:l3] == b"\x86\xdd"
        ip += v4 or v6
        proto, l4 = (f[l3 + 9], l3 + (f[l3] & 15) * 4) if v4 else (f[l3 + 6], l3 + 40) if v6 else (0, 0)
        if proto in seen:
            seen[proto] += 1
            if seen[proto] % 8 == 5:
                f[l4 + (16 if proto == 6 else 6)] ^= 0x5A
                wrong += proto == 6
            elif v4 and seen[proto] % 8 == 7:
                f[l3 + 10] ^= 0x5A
        out += head + f
    with open(to, "wb") as f:
        f.write(out)
    return frames, seen[6], wrong, ip


def run(o, tmp, name, frames, device, more):
    """-> events without their times, counters"""
    d = os.path.join(tmp, name)
    os.mkdir(d)
    control = os.path.join(d, "control")
    with open(os.path.join(d, "log"), "w+") as log:
        p = subprocess.Popen([o.engine, "run", "--dpdk", f"{EAL} -d {o.driver} --vdev=net_tgtest0,pcap={tmp}/c.pcap{device}", "-S",
                              f"{tmp}/rules", "-l", d, "--control", control, "--memory", "32mb", *more], stdout=log, stderr=log)
        stats, until = {}, time.time() + 30
        try:
            while time.time() < until and p.poll() is None and stats.get("dataplane.received", 0) < frames:
                time.sleep(0.1)
                if os.path.exists(control):
                    stats = ask(control, command="stats")["counters"]
            p.terminate()
            code = p.wait(timeout=10)
        finally:
            if p.poll() is None:
                p.kill()
        log.seek(0)
        if code != 0 or stats.get("dataplane.received") != frames:
            raise RuntimeError(f"{name}: exit {code}, {stats.get('dataplane.received')} of {frames} frames: {log.read()[-2000:]}")
    events, last = collections.Counter(), {}
    with open(os.path.join(d, "eve.json")) as f:
        for e in map(json.loads, f):
            if e["event_type"] == "stats":
                last = e["stats"]
                continue
            # Sums of one engine, with the times of packets in them.
            if e["event_type"] in ("ai_service", "ai_telemetry"):
                continue
            for k in ("timestamp", "flow_id"):
                e.pop(k, None)
            for k in ("start", "end", "age"):
                for part in ("flow", "netflow"):
                    e.get(part, {}).pop(k, None)
            events[json.dumps(e, sort_keys=True)] += 1
    # The answer may be of a moment when the last burst was received, but not inspected; the last event is of the end.
    final = dict(flat(last, ""))
    if final.get("dataplane.received", frames) != frames or "tcp.invalid_checksum" not in final:
        raise RuntimeError(f"{name}: the last statistics are not of all frames: {final}")
    return events, {**stats, **final}


def flat(tree, prefix):
    """nested counters -> dotted names with values"""
    for k, v in tree.items():
        if isinstance(v, dict):
            yield from flat(v, f"{prefix}{k}.")
        else:
            yield prefix + k, v


def differ(a, b):
    """events that only one side has, whole: a difference that comes once in many runs has to be told the first time"""
    return "; ".join(f"{n} {e}" for e, n in list(((a - b) + (b - a)).items())[:4]) or f"{sum(a.values())} events"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for x in ("engine", "driver", "file", "rules"):
        a.add_argument("--" + x, required=True)
    o = a.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-card-") as tmp, driver(o.driver) as o.driver:
        frames, tcp, wrong, ip = spoil(o.file, f"{tmp}/c.pcap")
        with open(f"{tmp}/rules", "w") as f:
            f.write(open(o.rules).read() + CSUM)
        bad = "tcp.invalid_checksum"
        computed, s = run(o, tmp, "computed", frames, "", ["-k", "all"])
        kinds = {json.loads(e)["alert"]["signature_id"] for e in computed if '"alert"' in e}
        check("wrong checksums are found", s[bad] == wrong > 3 and {900, 901, 902} <= kinds,
              f"{s[bad]} of {wrong} TCP packets, {sorted(k for k in kinds if k >= 900)}")
        told, s = run(o, tmp, "told", frames, ",sums=1", ["-k", "auto"])
        check("told by the card, nothing computed: the same events", told == computed and s[bad] == wrong, differ(told, computed))
        some, s = run(o, tmp, "some", frames, ",sums=2", ["-k", "all"])
        check("told of every other frame, computed of others: the same events", some == computed and s[bad] == wrong,
              differ(some, computed))
        plain, s = run(o, tmp, "plain", frames, "", ["-k", "auto"])
        check("nobody says, nobody computes", plain != computed and s[bad] == 0, f"{s[bad]} wrong")
        _, s = run(o, tmp, "wrong", frames, ",sums=3", ["-k", "auto"])
        check("what the card calls wrong is wrong", s[bad] == tcp, f"{s[bad]} of {tcp} TCP packets")
        ignored, s = run(o, tmp, "ignored", frames, ",sums=3", ["-k", "none"])
        check("-k none: the card is not asked", s[bad] == 0 and ignored == plain, differ(ignored, plain))
        for name, device in (("by hash", ",hash=1"), ("by addresses", "")):
            two, s = run(o, tmp, name.replace(" ", "-"), frames, device, ["-k", "auto", "--workers", "2"])
            hashed = s["dataplane.spread_by_hash"]
            check(f"two workers behind one queue, {name}: the same events", two == plain and s["dataplane.shed_ring"] == 0
                  and hashed == (ip if device else 0), f"{differ(two, plain)}, {hashed} of {ip} spread by hash")
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
