#!/usr/bin/env python3
"""Debian's Suricata and this engine with Debian's configuration, rules and folders: settings that are not known, alerts that differ.

    debian.py --engine BIN --captures DIR… [--suricata suricata] [--config /etc/suricata/suricata.yaml] [--rules /etc/suricata/rules]
              [--count 300] [--seed 1] [--min-equal 93] [--examples 40]

Settings that the engine names as ignored must be in docs/settings.md. Rules: every *.rules file of the folder, in one file, as
suricata-update puts them together. Compared are the alerts {sid: number} of each capture. Exit code 1: a setting is not in the list, or fewer
captures are equal than --min-equal (percent).
"""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile

# Differences that are meant: sid -> why.
KNOWN = {}


def alerts(folder):
    out = collections.Counter()
    path = os.path.join(folder, "eve.json")
    if os.path.exists(path):
        with open(path, errors="replace") as f:
            for line in f:
                if '"event_type":"alert"' in line:
                    out[json.loads(line)["alert"]["signature_id"]] += 1
    return out


def run(command, timeout):
    with tempfile.TemporaryDirectory(prefix="tidegate-debian-") as tmp:
        try:
            p = subprocess.run(command + ["-l", tmp], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        return None if p.returncode < 0 else (alerts(tmp), p.stdout.decode(errors="replace"))


def unlisted(said):
    """Settings that were ignored and that the page does not name."""
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "settings.md")
    with open(page) as f:
        names = re.findall(r"`([\w.*-]+)`", f.read())
    listed = [re.compile(re.escape(n).replace(r"\*", r"[^.]+").replace("PROTOCOL", r"[^.]+") + r"(\..*)?$") for n in names]
    return [m[0] for m in re.finditer(r"(?m)^ignored setting: (\S+).*$", said) if not any(p.match(m[1]) for p in listed)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--engine", required=True)
    p.add_argument("--captures", nargs="+", required=True)
    p.add_argument("--suricata", default="suricata")
    p.add_argument("--config", default="/etc/suricata/suricata.yaml")
    p.add_argument("--rules", default="/etc/suricata/rules")
    p.add_argument("--count", type=int, default=300)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--largest", type=int, default=1_000_000)
    p.add_argument("--timeout", type=int, default=200)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--examples", type=int, default=40)
    p.add_argument("--min-equal", type=float, default=93)
    a = p.parse_args()
    found = sorted(c for d in a.captures for c in glob.glob(os.path.join(d, "**", "*.pcap*"), recursive=True)
                   if os.path.isfile(c) and 24 < os.path.getsize(c) < a.largest)
    random.Random(a.seed).shuffle(found)
    with tempfile.NamedTemporaryFile("w", suffix=".rules") as rules:
        for name in sorted(glob.glob(os.path.join(a.rules, "*.rules"))):
            with open(name) as f:
                rules.write(f.read() + "\n")
        rules.flush()
        common = ["-c", a.config, "-S", rules.name]

        def one(capture):
            theirs = run([a.suricata, "--runmode", "single", "-r", capture, *common], a.timeout)
            ours = run([a.engine, "run", "-v", "-v", "-r", capture, *common], a.timeout)
            return capture, theirs, ours

        equal = different = left = 0
        sids, faults = collections.Counter(), []
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            for capture, theirs, ours in pool.map(one, found[:a.count]):
                if theirs is None or ours is None:
                    left += 1
                    continue
                if equal + different == 0:
                    faults = [f"a setting that docs/settings.md does not list: {s}" for s in unlisted(ours[1])]
                    print("\n".join(re.findall(r"(?m)^refused: .*$", ours[1])))
                want, got = ({s: n for s, n in x[0].items() if s not in KNOWN} for x in (theirs, ours))
                rows = {s: (want.get(s, 0), got.get(s, 0)) for s in set(want) | set(got) if want.get(s, 0) != got.get(s, 0)}
                equal, different = equal + (not rows), different + bool(rows)
                for s in rows:
                    sids[s] += 1
                if rows and different <= a.examples:
                    print(f"{capture}\n    sid: (wanted, got) {rows}")
    share = 100.0 * equal / max(1, equal + different)
    print("sids that differ:", dict(sids.most_common(30)))
    print(f"{equal} of {equal + different} captures have the same alerts ({share:.1f} %); {left} were not taken by one of the two")
    if share < a.min_equal:
        faults.append(f"{share:.1f} % equal, at least {a.min_equal} %")
    for f in faults:
        print(f"FAIL: {f}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
