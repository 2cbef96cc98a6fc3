#!/usr/bin/env python3
"""What the model of risk finds in labelled texts, and what it takes for attacks.

    tests/risk.py --engine target/release/tidegate --shared ../shared [--trainer target/release/examples/train_risk]

Judges the texts of the shared folder by `tidegate classify` as it ships. It has seen these texts, so that says whether the
engine and the weights belong together, not what the model is worth. With --trainer (a minute) models are trained without each
source and measured on it, at one threshold for all: that does. Fails when a figure is below its floor. Standard library only.
Exit code 1: a figure is too low; 2: the material is not there.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys

# Percent of the attacks of a source.
SEEN = {"garak": 95, "deepset": 90, "cyberseceval_pi": 87, "cyberseceval_pi_multi": 85, "bipia": 60, "bastioncorpus": 85}
UNSEEN = {"garak": 85, "deepset": 60, "cyberseceval_pi": 60, "cyberseceval_pi_multi": 42, "bipia": 40, "bastioncorpus": 65}
# Percent of the harmless texts, in all and of NotInject.
FALSE = {"all": 1.0, "notinject": 5.0}
ABOUT = 10.0
ATTACK = 40


def name(source, attack):
    """The list of a source: some have several."""
    if source.startswith("cyberseceval") and attack:
        return source
    return source.split("_")[0]


def judge(found, floors):
    """`found`: by source and label, how many of how many are taken for attacks. What is too low or too high, in words."""
    bad, all_false = [], [0, 0]
    by = collections.defaultdict(lambda: [0, 0])
    for (source, attack), (n, of) in found.items():
        to = by[name(source, attack), attack]
        to[0], to[1] = to[0] + n, to[1] + of
        if not attack:
            all_false = [all_false[0] + n, all_false[1] + of]
    by["all", 0] = all_false
    for (source, attack), (n, of) in sorted(by.items()):
        part = 100 * n / of
        print(f"  {source:24} {'found' if attack else 'false'} {n:5} of {of:5} {part:6.2f} %")
        if attack and part < floors.get(source, 0):
            bad.append(f"{source} {part:.1f} < {floors[source]}")
        # A threshold is such that at most so many are above.
        if not attack and part > FALSE.get(source, 100):
            bad.append(f"{source} {part:.2f} > {FALSE[source]}")
    return bad


def classify(engine, file):
    with open(file, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    asked = "".join(json.dumps({"id": i, "text": r["text"]}) + "\n" for i, r in enumerate(rows))
    r = subprocess.run([engine, "classify", "--jsonl"], input=asked, capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{engine} classify: {r.stderr[-400:]}")
    found = collections.defaultdict(lambda: [0, 0])
    for line in r.stdout.splitlines():
        v = json.loads(line)
        row = rows[int(v["id"])]
        n = found[row["source"], row["label"]]
        n[0], n[1] = n[0] + (v["score"] >= ATTACK), n[1] + 1
    return found


def left_out(trainer, files):
    r = subprocess.run([trainer, "leave-one-out", *files], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{trainer}: {r.stderr[-400:]}")
    rows = re.findall(r"^(\S+) +(found|false) +(\d+) of +(\d+)", r.stderr, re.M)
    return {(s, int(what == "found")): (int(n), int(of)) for s, what, n, of in rows}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--shared", required=True)
    ap.add_argument("--trainer", help="the example train_risk; without it only texts that the model has seen")
    o = ap.parse_args()
    files = [os.path.join(o.shared, "prompts", f"{f}.jsonl") for f in ("labelled", "train_more", "about_attacks")]
    if not all(map(os.path.isfile, files)):
        print(f"{files[0]}: not there", file=sys.stderr)
        sys.exit(2)
    print("as it ships")
    bad = judge(classify(o.engine, files[0]), SEEN)
    about = [sum(x) for x in zip(*classify(o.engine, files[2]).values())]
    part = 100 * about[0] / about[1]
    print(f"  {'about attacks':24} false {about[0]:5} of {about[1]:5} {part:6.2f} %")
    bad += [f"about attacks {part:.1f} > {ABOUT}"] if part > ABOUT else []
    if o.trainer:
        print("without the source that is tested")
        bad += judge(left_out(o.trainer, files), UNSEEN)
    if bad:
        print("LOW: " + ", ".join(bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
