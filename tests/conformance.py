#!/usr/bin/env python3
"""conformance.py - run the conformance suite and hold what was reached.

    conformance.py --verify DIR --engine BIN [--floors FILE] [--out DIR] [--list NAME ...]

DIR holds `conform.py` (the runner), `tests/`, lists of tests (`tier1.txt`, …) and `default.yaml`. Each line of
the floors file is a list's name and the number of its tests that must pass (`tier1 102`). Exit status 1 when a
list falls below its floor, or when the engine crashed or timed out anywhere.

Suricata ends with 0 after a capture of which it could read only a part, and so the tests expect it; the engine ends
with 3 then. A shell around the engine turns 3 into 0, and passes signals on.
"""
import argparse, json, os, shlex, subprocess, sys

AROUND = 'n="$1"; shift; "$n" "$@"; c=$?; [ $c -gt 128 ] && kill -$((c - 128)) $$; [ $c = 3 ] && c=0; exit $c'


def floors(path):
    out = {}
    with open(path) as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                out[words[0]] = int(words[1])
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--verify", required=True)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--floors", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "floors.txt"))
    ap.add_argument("--out", default="out/conformance")
    ap.add_argument("--list", action="append", help="only these lists")
    ap.add_argument("--jobs", type=int, default=2)
    a = ap.parse_args()
    verify, engine = os.path.abspath(a.verify), os.path.abspath(a.engine)
    os.makedirs(a.out, exist_ok=True)
    bad = 0
    for name, floor in floors(a.floors).items():
        if a.list and name not in a.list:
            continue
        result = os.path.join(os.path.abspath(a.out), name + ".json")
        cmd = [sys.executable, os.path.join(verify, "conform.py"), os.path.join(verify, "tests"),
               "--list", os.path.join(verify, name + ".txt"), "--jobs", str(a.jobs), "--json", result,
               "--engine", f"sh -c {shlex.quote(AROUND)} sh " + engine + " run -r {pcap} -S {rules} -l {outdir} -c {config} {args}",
               "--default-config", os.path.join(verify, "default.yaml"), "--rust-panic",
               "--work", os.path.join(os.path.abspath(a.out), name)]
        with open(os.path.join(a.out, name + ".log"), "w") as log:
            subprocess.run(cmd, stdout=log, stderr=subprocess.STDOUT)
        with open(result) as f:
            rows = json.load(f)
        passed = sum(r["verdict"] == "pass" for r in rows)
        failed = sum(r["verdict"] == "fail" for r in rows)
        crashed = [r["test"] for r in rows if r["detail"].startswith(("CRASH", "TIMEOUT"))]
        ok = passed >= floor and not crashed
        bad += not ok
        print(f"{name}: {passed} of {passed + failed} passed, floor {floor}, {len(crashed)} crashes or time-outs"
              + ("" if ok else "  <-- too few") + ("".join(f"\n  {t}" for t in crashed)), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
