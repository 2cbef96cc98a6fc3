#!/usr/bin/env python3
"""What single rules mean, against the packets on which Suricata alerts: floors.

tests/rulediff.py --engine BIN --shared DIR [--min-equal 98] [--min-alerting 96.8] [--min-family 90]
                  [--max-refused 3] [--max-accepted 0]

DIR/rulediff has the rules, the captures' names and the comparison (rule_diff.py); DIR the captures. Its table is
printed; the exit code is 1 when a share (percent) is below its floor, or a capture was not compared.
"""
import argparse
import json
import os
import re
import subprocess
import sys


def families(table):
    """Share of equal rules by family: lines of a name, numbers or dots, and last a share with a dot."""
    for line in table.splitlines():
        m = re.fullmatch(r"(\S+)((?:\s+(?:\d+|\.))+)\s+(\d+\.\d)", line.rstrip())
        if m and m[1] != "TOTAL":
            yield m[1], float(m[3])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--engine", required=True)
    p.add_argument("--shared", required=True)
    p.add_argument("--min-equal", type=float, default=98)
    p.add_argument("--min-alerting", type=float, default=96.8)
    p.add_argument("--min-family", type=float, default=90)
    p.add_argument("--max-refused", type=int, default=3)
    p.add_argument("--max-accepted", type=int, default=0)
    a = p.parse_args()
    here = os.path.join(os.path.abspath(a.shared), "rulediff")
    command = [sys.executable, "rule_diff.py", os.path.abspath(a.engine), "rules", "--captures", "..", "--config", "config.yaml"]
    run = subprocess.run(command, cwd=here, capture_output=True, text=True)
    print(run.stdout, end="")
    if run.returncode:
        print(run.stderr, end="", file=sys.stderr)
        return 1
    r = json.loads(run.stdout.strip().splitlines()[-1])
    faults = [f"{name}: {share} % equal, at least {a.min_family} %" for name, share in families(run.stdout) if share < a.min_family]
    for name, value, least in (
        ("equal", r["equal_share"] * 100, a.min_equal),
        ("equal of those that alert", r["alerting_equal_share"] * 100, a.min_alerting),
    ):
        if value < least:
            faults.append(f"{name}: {value:.1f} %, at least {least} %")
    for name, most in (("wrongly_refused", a.max_refused), ("wrongly_accepted", a.max_accepted), ("failed", 0)):
        if r[name] > most:
            faults.append(f"{name}: {r[name]}, at most {most}")
    for f in faults:
        print(f"FAIL: {f}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
