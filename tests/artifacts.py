#!/usr/bin/env python3
"""Judges the model files of ../shared/artifacts by `tidegate artifact` and holds the result to floors.

    tests/artifacts.py [--tidegate target/release/tidegate] [--set ../shared/artifacts] [-v]

Prints how many files of each kind are found, and which are not. Malicious files count when they are malicious or
suspicious; a benign file must be neither. Exit code 1 when a floor is not held, 77 when the files are not there.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

FOUND = 0.98  # of malicious files
INERT = 0.85  # of those that run only when something else loads them
ROOT = pathlib.Path(__file__).resolve().parent.parent


def inert(kind):
    return (
        kind in ("pickle:nested_inert", "torch_zip:payload_in_storage", "torch_zip:hidden", "torch_zip:nested", "polyglot")
        or kind.endswith(":trailing")
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--tidegate", default=str(ROOT / "target/release/tidegate"))
    p.add_argument("--set", type=pathlib.Path, default=ROOT.parent / "shared/artifacts")
    p.add_argument("-v", action="store_true", help="print every verdict")
    args = p.parse_args()
    manifest = args.set / "manifest.json"
    if not manifest.is_file():
        print(f"{manifest} is not there: nothing judged")
        return 77
    rows = json.loads(manifest.read_text())
    ran = subprocess.run(
        [args.tidegate, "artifact", "--json", *(str(args.set / r["file"]) for r in rows)], capture_output=True, text=True
    )
    verdicts = [json.loads(line) for line in ran.stdout.splitlines()]
    ok = len(verdicts) == len(rows) and ran.returncode == 3
    if not ok:
        print(f"{len(verdicts)} verdicts on {len(rows)} files, exit code {ran.returncode}: {ran.stderr[-500:]}")

    total, found, wrong = collections.Counter(), collections.Counter(), []
    for r, v in zip(rows, verdicts):
        said = v["verdict"] in ("malicious", "suspicious")
        bad = r["label"] == "malicious"
        group = ("inert" if inert(r["kind"]) else "malicious") if bad else "benign"
        for key in (group, f"{r['label']} {r['kind'].split(':')[0]}"):
            total[key] += 1
            found[key] += said
        if said != bad:
            wrong.append((r, v))
        if args.v:
            print(f"{r['label']} {r['kind']} {r['file']}: {v['verdict']} {v['why']}")
    for key in sorted(total):
        print(f"{key:36} {found[key]:4} of {total[key]:4}")
    for r, v in wrong:
        print(f"wrong: {r['label']} {r['kind']} {r['file']}: {v['verdict']} {v['why']}")
    if found["malicious"] < FOUND * total["malicious"] or found["inert"] < INERT * total["inert"] or found["benign"]:
        ok = False
    print("floors are held" if ok else "FLOORS ARE NOT HELD")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
