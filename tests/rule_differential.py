#!/usr/bin/env python3
"""Fresh rules, made of what is in captures, as this engine and Suricata understand them.

    rule_differential.py --engine BIN --captures DIR… [--suricata suricata] [--seed N] [--rules 5000] [--per-capture 60]
                         [--families a,b] [--jobs 2] [--min-equal 98] [--min-alerting 96] [--min-family 0] [--out DIR] [--examples 3]

Captures are drawn by the seed; for each, rules are made by `rulegen` (families of keywords × values, payloads and headers that are really in
it, negations, transforms, relative conditions, wrong syntax). Both engines read the capture with the same rules and the same configuration.
Compared are which rules are refused, and for each rule the numbers of the packets it alerts on. A rule that differs is run once more alone
(with its group), so that interplay does not count. What Suricata 7 says otherwise than Suricata 8, whose meaning this engine follows, is in
rulegen/known.tsv with the reason; such rules count as equal, and are counted. The rest is printed by family with small examples, and written to
OUT/differences.jsonl. The same seed makes the same rules. Exit code 1: a share (percent) is below its floor.
"""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from rulegen.families import FAMILIES
from rulegen.material import HERE, Material

CONFIG = os.path.join(HERE, "config.yaml")


def captures(folders, r, most):
    """Small captures below the folders, in an order drawn by `r`."""
    found = [p for f in folders for p in glob.glob(os.path.join(f, "**", "*.pcap*"), recursive=True)]
    found = [p for p in sorted(found) if os.path.isfile(p) and 0 < os.path.getsize(p) < most]
    r.shuffle(found)
    return found


def rules_for(m, r, count, families, first):
    """`count` rules for a capture's material: [{sid, family, text, group}]."""
    out, weights = [], [FAMILIES[f][1] for f in families]
    for _ in range(count * 20):
        if len(out) >= count:
            break
        family = r.choices(families, weights)[0]
        made = FAMILIES[family][0](r, m)
        group = f"g{first + len(out)}" if made and len(made) > 1 else None
        for proto, options, ends in made or []:
            sid = first + len(out)
            text = f'alert {proto} {ends or "any any -> any any"} (msg:"{family}"; {options}sid:{sid}; rev:1;)'
            out.append({"sid": sid, "family": family, "text": text, "group": group})
    return out


def run(command, rules, timeout):
    """-> ({sid: [packet number or None]}, {sid: reason of refusal}), or None when the program did not end well."""
    shm = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="tidegate-rules-", dir=shm) as tmp:
        path = os.path.join(tmp, "test.rules")
        with open(path, "w") as f:
            f.writelines(r["text"] + "\n" for r in rules)
        try:
            p = subprocess.run(command(path, tmp), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        said, refused, alerts = p.stdout.decode(errors="replace"), {}, collections.defaultdict(list)
        if p.returncode < 0:
            return None
        for m in re.finditer(r"(?m)^refused: \S*?test\.rules:(\d+)(?::\d+)?: (.*)$", said):
            refused[rules[int(m[1]) - 1]["sid"]] = m[2]
        for m in re.finditer(r'(?s)error parsing signature ".*?" from file \S+ at line (\d+)', said):
            refused[rules[int(m[1]) - 1]["sid"]] = "refused"
        eve = os.path.join(tmp, "eve.json")
        if os.path.exists(eve):
            with open(eve, errors="replace") as f:
                for line in f:
                    e = json.loads(line)
                    if e["event_type"] == "alert":
                        alerts[e["alert"]["signature_id"]].append(e.get("pcap_cnt"))
        order = lambda n: (n is None, n or 0)
        return {s: sorted(v, key=order) for s, v in alerts.items()}, refused


def kind(want, got):
    if want == got:
        return "equal"
    named = lambda v: [n for n in v if n is not None]
    if named(want) == named(got):
        return "made_up"
    w, g = collections.Counter(want), collections.Counter(got)
    if len(want) == len(got) and set(w - g) == {None}:
        return "renamed"
    return "both" if w - g and g - w else "missing" if w - g else "extra"


class Pair:
    """Both engines on a capture."""

    def __init__(self, a):
        self.timeout = a.timeout
        self.ours = lambda capture: lambda rules, out: [a.engine, "run", "-v", "-v", "-r", capture, "-S", rules, "-c", CONFIG, "-l", out, "-k", "none"]
        self.theirs = lambda capture: lambda rules, out: [a.suricata, "--runmode", "single", "-v", "-r", capture, "-S", rules, "-c", CONFIG, "-l", out, "-k", "none"]

    def compare(self, capture, rules):
        """-> rows of the rules, or None when one of the two did not take the capture."""
        want, got = run(self.theirs(capture), rules, self.timeout), run(self.ours(capture), rules, self.timeout)
        if want is None or got is None:
            return None
        return [self.row(capture, r, rules, want, got) for r in rules]

    def row(self, capture, r, rules, want, got):
        s = r["sid"]
        d = dict(r, capture=capture, want=want[0].get(s, []), got=got[0].get(s, []))
        if (s in want[1]) != (s in got[1]):
            return dict(d, kind="wrongly_refused" if s in got[1] else "wrongly_accepted", why=got[1].get(s))
        d["kind"] = "equal" if s in want[1] else kind(d["want"], d["got"])
        if d["kind"] != "equal":
            own = [o for o in rules if o is r or (r["group"] and o["group"] == r["group"])]
            w, g = run(self.theirs(capture), own, self.timeout), run(self.ours(capture), own, self.timeout)
            if w and g:
                d["want"], d["got"] = w[0].get(s, []), g[0].get(s, [])
                d["kind"] = kind(d["want"], d["got"])
                d["kind"] = "interplay" if d["kind"] == "equal" else d["kind"]
        return d


def known(path):
    """Rows of the table: kinds of difference, a regex on the rule, a regex on the capture, the reason."""
    out = []
    with open(path) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                kinds, rule, capture, why = line.rstrip("\n").split("\t")
                out.append((set(kinds.split(",")), re.compile(rule), re.compile(capture), why))
    return out


KINDS = ("equal", "interplay", "known", "made_up", "renamed", "missing", "extra", "both", "wrongly_refused", "wrongly_accepted")
GOOD = ("equal", "interplay", "known")


def share(c, of=None):
    total = sum(c.values())
    return 100.0 * sum(c[k] for k in GOOD) / total if total else 100.0


def report(rows, a):
    table, alerting = collections.defaultdict(collections.Counter), collections.Counter()
    for d in rows:
        table[d["family"]][d["kind"]] += 1
        if d["want"] or d["got"]:
            alerting[d["kind"]] += 1
    print("family".ljust(12) + "rules".rjust(7) + "".join(k.rjust(17 if "wrong" in k else 10) for k in KINDS) + "   equal%")
    total = sum(table.values(), collections.Counter())
    for name, c in sorted(table.items()) + [("TOTAL", total)]:
        cells = "".join(str(c[k] or ".").rjust(17 if "wrong" in k else 10) for k in KINDS)
        print(name.ljust(12) + str(sum(c.values())).rjust(7) + cells + f"{share(c):9.1f}")
    print(f"of those that alert: {share(alerting):.1f} % of {sum(alerting.values())} equal")
    why = collections.Counter(d["known"] for d in rows if d["kind"] == "known")
    for reason, n in why.most_common():
        print(f"known     {n:5}  {reason}")
    for name in sorted(table):
        bad = sorted((d for d in rows if d["family"] == name and d["kind"] not in GOOD), key=lambda d: len(d["text"]))
        for d in bad[:a.examples]:
            print(f"{d['kind']:16} {d['capture']}\n    {d['text']}\n    wanted {str(d['want'])[:100]}\n    got    {str(d['got'])[:100]} {d.get('why') or ''}")
    faults = [f"{n}: {share(c):.1f} % equal, at least {a.min_family}" for n, c in table.items() if share(c) < a.min_family]
    faults += [f"{n}: {v:.1f} %, at least {least} %" for n, v, least in
               (("equal", share(total), a.min_equal), ("equal of those that alert", share(alerting), a.min_alerting)) if v < least]
    for f in faults:
        print(f"FAIL: {f}")
    return 1 if faults else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--engine", required=True)
    p.add_argument("--captures", nargs="+", required=True)
    p.add_argument("--suricata", default="suricata")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rules", type=int, default=5000)
    p.add_argument("--per-capture", type=int, default=60)
    p.add_argument("--families", default=",".join(FAMILIES))
    p.add_argument("--largest", type=int, default=400_000, help="largest capture, bytes")
    p.add_argument("--timeout", type=int, default=60)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--examples", type=int, default=3)
    p.add_argument("--min-equal", type=float, default=98)
    p.add_argument("--min-alerting", type=float, default=96)
    p.add_argument("--min-family", type=float, default=0)
    p.add_argument("--out", default="out/rule-differential")
    a = p.parse_args()
    if not shutil.which(a.suricata):
        print("suricata is needed: apt-get install -t bookworm-backports suricata")
        return 2
    r = random.Random(a.seed)
    pair, table, families = Pair(a), known(os.path.join(HERE, "known.tsv")), a.families.split(",")
    rows, left, made = [], 0, 0
    todo = captures(a.captures, r, a.largest)

    def one(job):
        capture, seed, first = job
        m = Material(a.engine, capture, a.timeout)
        if not m.packets:
            return None
        own = random.Random(seed)
        # Most captures of the folders are of packets that no parser knows; most keywords are not.
        if not m.apps - {"failed", "unknown"} and own.random() < 0.75:
            return []
        # What parsers read is in few of them.
        count = a.per_capture * (1 + min(2, len(m.values) // 6))
        rules = rules_for(m, own, count, families, first)
        return pair.compare(capture, rules) if rules else None

    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        while todo and made < a.rules:
            batch = [(todo.pop(), r.random(), 1_000_000 + (made + i * a.per_capture * 8)) for i in range(min(len(todo), a.jobs * 2))]
            for got in pool.map(one, batch):
                left += got is None
                rows += got or []
            made = len(rows)
    for d in rows:
        for kinds, rule, capture, why in table:
            if d["kind"] in kinds and rule.search(d["text"]) and capture.search(d["capture"]):
                d.update(known=why, was=d["kind"], kind="known")
                break
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "differences.jsonl"), "w") as f:
        f.writelines(json.dumps(d) + "\n" for d in rows if d["kind"] not in ("equal", "interplay"))
    print(f"seed {a.seed}: {len(rows)} rules on {len({d['capture'] for d in rows})} captures; {left} captures had no packets, or one of the two did not take them")
    return report(rows, a)


if __name__ == "__main__":
    sys.exit(main())
