#!/usr/bin/env python3
"""What is said of recorded AI traffic against its ground truth, as it is and cut anew.

    tests/ai.py --engine target/release/tidegate --shared ../shared [--quick]

Runs `ai_score.py` of the shared folder: records and alerts on the captures as they are, records and alerts again on the same
captures in other segments, fragments and orders (tests/recut.py). Fails when a figure is below its floor. Standard library
only. Exit code 1: a figure is too low; 2: the material is not there.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDS = {"calls": 99, "fields": 99, "usage": 99, "mcp": 99, "redis": 99, "rpc": 99, "prompt": 98, "completion": 98}
CUTS = ("tiny", "odd", "fragments", "swap", "frames")


def score(what, o, folder):
    tool = os.path.join(o.shared, "tools", "ai_score.py")
    r = subprocess.run([sys.executable, tool, what, f"{o.engine} run", folder], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{tool} {what}: {r.stderr[-400:]}")
    return json.loads(r.stdout.splitlines()[-1])


def low(what, s):
    """Figures below their floors, in words."""
    if what == "records":
        bad = [f"{k} {s[k]} < {n}" for k, n in RECORDS.items() if s[k] < n]
        return bad + ([f"foreign {s['foreign']}"] if s["foreign"] else [])
    bad = [f"recall {s['recall']} < 95"] if s["recall"] < 95 else []
    bad += [f"family {k}" for k in s["families_below_90"]]
    bad += [f"false requests {s['false_requests']}"] if s["false_requests"] > 0.5 else []
    return bad + ([f"false captures {s['false_captures']}"] if s["false_captures"] else [])


def recut(how, source, target):
    os.makedirs(target)
    for f in sorted(os.listdir(source)):
        name, ext = os.path.splitext(f)
        if ext != ".pcap":
            continue
        made = os.path.join(target, f)
        r = subprocess.run([sys.executable, os.path.join(HERE, "recut.py"), how, "1", os.path.join(source, f), made],
                           capture_output=True, text=True)
        if r.returncode == 0:
            shutil.copy(os.path.join(source, name + ".json"), target)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--shared", required=True)
    ap.add_argument("--quick", action="store_true", help="only one of the ways to cut")
    o = ap.parse_args()
    captures = os.path.join(o.shared, "ai-captures")
    if not os.path.isdir(captures):
        print(f"{captures}: not there", file=sys.stderr)
        sys.exit(2)
    wrong = []
    with tempfile.TemporaryDirectory() as d:
        for cut in ("as recorded",) + (CUTS[:1] if o.quick else CUTS):
            folder = captures
            if cut in CUTS:
                folder = os.path.join(d, cut)
                recut(cut, captures, folder)
            for what in ("records", "alerts"):
                s = score(what, o, folder)
                bad = low(what, s)
                print(f"{cut:12} {what:8} {json.dumps(s)}{'  LOW: ' + ', '.join(bad) if bad else ''}", flush=True)
                wrong += bad
            if folder != captures:
                shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
