#!/usr/bin/env python3
"""run.py - made traffic before Debian's Suricata and this engine, with Debian's rules on events.

    run.py --engine BIN [--suricata suricata] [--config /etc/suricata/suricata.yaml] [--rules /etc/suricata/rules] [--out out/made]
           [--kinds http,smtp,tcp,frames,payloads] [--seed N] [--sessions 3000] [--packets 18000] [--captures DIR…] [--worst 2]
           [--protocols dns,quic,…]

`http` and `smtp`: exchanges with one thing out of the ordinary each. `tcp`: sessions that went wrong. `frames`: frames of the
captures in DIR, cut and changed. `payloads` (if it is asked for: some differences are not known yet): sessions of those captures with payloads changed, by protocol. Every rule on an event is on, those that Debian leaves off as well. Compared is which alerts each
session (frame) has, and how often. Differences that are meant, or between Suricata 7 and 8, are in `known.tsv`: kind, sid,
`missing` or `extra`, why. Exit code 1: more than --worst of a hundred alerts of a kind differ and are not known.
"""
import argparse
import collections
import glob
import json
import os
import random
import re
import subprocess
import sys

import exchanges
import mails
import payloads
import segments
import wire

HERE = os.path.dirname(os.path.abspath(__file__))


def sessions(kind, path):
    """Sessions of a protocol; the names of the cases."""
    names, c = [], wire.Capture(path)
    for n, (name, turns) in enumerate(kind.cases()):
        c.talk(n, kind.PORT, turns)
        names.append(name)
    c.close()
    return names


def broken_sessions(path, r, count):
    c = wire.Capture(path)
    for n in range(count):
        for side, seq, ack, flags, data, stamp in segments.cases(r):
            c.segment(n, side, segments.PORT, seq, ack, flags, data, stamp)
    c.close()


def broken_frames(path, r, folders, count):
    files = sorted(f for d in folders for f in glob.glob(os.path.join(d, "**", "*.pcap"), recursive=True) if os.path.isfile(f))
    c, made = wire.Capture(path), 0
    while files and made < count:
        some = [f for f in wire.frames(r.choice(files)) if 14 < len(f) < 1500][:60]
        for f in r.sample(some, min(12, len(some))):
            for _ in range(3):
                q, how = bytearray(f), r.randrange(4)
                if how == 0:
                    q = q[:r.randrange(14, len(q) + 1)]
                elif how == 1:
                    for _ in range(r.randrange(1, 4)):
                        q[r.randrange(12, min(len(q), 80))] = r.randrange(256)
                elif how == 2:
                    q[r.randrange(12, min(len(q), 60))] ^= 1 << r.randrange(8)
                else:
                    i = r.randrange(14, min(len(q), 70))
                    q[i:i + 2] = r.randbytes(2)
                    q = q[:len(f)]
                c.frame(bytes(q))
                made += 1
    c.close()


def changed_sessions(path, r, folders, protocols, count):
    """Sessions with changed payloads, as many of each protocol; the names of the cases."""
    names, c = [], wire.Capture(path)
    for protocol in protocols:
        for name, carrier, port, turns in payloads.cases(r, folders, protocol, count):
            if carrier == 6:
                c.talk(len(names), port, turns)
            else:
                for side, data in turns:
                    c.datagram(len(names), side, port, data)
            names.append(name)
    c.close()
    return names


def rules_of(folder, files, path):
    with open(path, "w") as out:
        for name in files:
            with open(os.path.join(folder, name)) as f:
                out.write("".join(re.sub(r"^#\s*(?=alert )", "", line) for line in f if re.match(r"#?\s*alert ", line)))


def alerts(folder, by_packet):
    """{session or packet: {sid: how often}}"""
    found = collections.defaultdict(collections.Counter)
    with open(os.path.join(folder, "eve.json"), errors="replace") as f:
        for line in f:
            if '"event_type":"alert"' not in line:
                continue
            e = json.loads(line)
            at = e.get("pcap_cnt") if by_packet else session_of(e)
            if at is not None:
                found[at][e["alert"]["signature_id"]] += 1
    return found


def session_of(e):
    octets = [int(x) for x in e["src_ip"].split(".")] if e.get("src_ip", "").count(".") == 3 else None
    return octets and octets[1] << 8 | octets[2]


def run(command, folder):
    subprocess.run(["rm", "-rf", folder], check=True)
    os.makedirs(folder)
    p = subprocess.run(command + ["-l", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    if not os.path.exists(os.path.join(folder, "eve.json")):
        sys.exit(f"{command[0]}: {p.stdout.decode(errors='replace')[-2000:]}")


def known():
    table = {}
    with open(os.path.join(HERE, "known.tsv")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                kind, sid, way, why = line.rstrip("\n").split("\t")
                table[kind, int(sid), way] = why
    return table


def compare(kind, theirs, ours, names, table):
    """Prints what differs; differences that are not known, and their alerts in all."""
    total, rows = sum(sum(c.values()) for c in theirs.values()), collections.defaultdict(list)
    for at in sorted(set(theirs) | set(ours)):
        for sid in set(theirs[at]) | set(ours[at]):
            if theirs[at][sid] != ours[at][sid]:
                rows[sid, "missing" if theirs[at][sid] > ours[at][sid] else "extra"].append(at)
    new = 0
    for (sid, way), places in sorted(rows.items(), key=lambda r: -len(r[1])):
        why = table.get((kind, sid, way))
        new += 0 if why else len(places)
        shown = [names[p] if names else str(p) for p in places[:3]]
        print(f"  {sid} {way} {len(places)}{': ' + why if why else ''}  e.g. {'; '.join(shown)}")
    print(f"{kind}: {total} alerts of Suricata, {sum(map(len, rows.values()))} differ, {new} of them not known")
    return new, total


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--suricata", default="suricata")
    a.add_argument("--config", default="/etc/suricata/suricata.yaml")
    a.add_argument("--rules", default="/etc/suricata/rules")
    a.add_argument("--out", default="out/made")
    a.add_argument("--kinds", default="http,smtp,tcp,frames")
    a.add_argument("--protocols", default=",".join(payloads.PROTOCOLS), help="of changed payloads")
    a.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    a.add_argument("--sessions", type=int, default=3000)
    a.add_argument("--packets", type=int, default=18000)
    a.add_argument("--captures", nargs="*", default=[])
    a.add_argument("--worst", type=float, default=2)
    o = a.parse_args()
    os.makedirs(o.out, exist_ok=True)
    print(f"seed {o.seed}")
    table, failed = known(), []
    for kind in o.kinds.split(","):
        if kind in ("frames", "payloads") and not o.captures:
            print(f"{kind}: no captures to change")
            continue
        r, names = random.Random(o.seed), None
        pcap, rules = (os.path.join(o.out, f"{kind}.{end}") for end in ("pcap", "rules"))
        if kind == "tcp":
            broken_sessions(pcap, r, o.sessions)
            files = ["stream-events.rules"]
        elif kind == "frames":
            broken_frames(pcap, r, o.captures, o.packets)
            files = ["decoder-events.rules"]
        elif kind == "payloads":
            names = changed_sessions(pcap, r, o.captures, o.protocols.split(","), o.sessions // 10)
            files = sorted(f for f in os.listdir(o.rules) if f.endswith("-events.rules") and not f.startswith(("decoder", "stream")))
        else:
            names = sessions({"http": exchanges, "smtp": mails}[kind], pcap)
            files = [f"{kind}-events.rules"]
        rules_of(o.rules, files, rules)
        common = ["-c", o.config, "-S", rules, "-r", pcap, "-k", "none"]
        run([o.suricata, "--runmode", "single", *common], os.path.join(o.out, "theirs"))
        run([o.engine, "run", "-q", *common], os.path.join(o.out, "ours"))
        by_packet = names is None
        theirs, ours = (alerts(os.path.join(o.out, d), by_packet) for d in ("theirs", "ours"))
        new, total = compare(kind, theirs, ours, names, table)
        if total == 0 or 100 * new > o.worst * total:
            failed.append(kind)
    if failed:
        sys.exit("FAIL: " + ", ".join(failed))


if __name__ == "__main__":
    main()
