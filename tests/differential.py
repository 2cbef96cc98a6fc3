#!/usr/bin/env python3
"""differential.py - compare this engine's alerts and flows with a reference, capture by capture.

    differential.py [--engine target/release/tidegate] [--shared ../shared] [--only TEXT] [--jobs 2]
                    [--min-recall 97] [--min-precision 97] [--min-flows 95] [--json OUT]

The reference (SHARED/expected/*.jsonl, one line a capture) holds what Suricata said with the rules of
SHARED/rules/et-open and SHARED/rules/reference.yaml: alerts {sid: count}, flows, app_proto. Every capture
is read by an engine of its own with the same rules and configuration; counted are

    recall      (capture, sid) pairs of the reference that this engine found, among the rules it loaded
    precision   (capture, sid) pairs of this engine that the reference has too
    flows       captures with the same number of flows

Left out, and counted apart, are pcapng files whose interfaces differ in link type or snapshot length: the
reference's capture library stops at the second interface of such a file, this engine reads on.

The misses are printed. Exit status 1 when a floor is not reached. Standard library only.
"""
import argparse, collections, concurrent.futures, glob, json, os, re, struct, subprocess, sys, tempfile


def reference(shared, only):
    """capture -> what is expected of it"""
    out = {}
    for path in sorted(glob.glob(os.path.join(shared, "expected", "*.jsonl"))):
        with open(path, encoding="utf-8") as f:
            for line in f:
                row = json.loads(line)
                if not only or only in row["capture"]:
                    out[row["capture"]] = row
    return out


def loaded_sids(engine, rules, config):
    """sids the engine loads: those of the rules without the refused ones"""
    text = subprocess.run([engine, "rules", "check", rules, "-c", config], stdout=subprocess.PIPE,
                          check=True).stdout.decode(errors="replace")
    sids, on = set(), False
    for line in text.splitlines():
        if line.startswith("fast patterns"):
            on = True
        elif on and (m := re.match(r"\s*(\d+) ", line)):
            sids.add(m[1])
    return sids


def read_events(path):
    """-> (alerts {sid: count}, flows, app_proto {name: count}, fault or None)"""
    alerts, protos, flows, fault = collections.Counter(), collections.Counter(), 0, None
    if not os.path.exists(path):
        return alerts, flows, protos, "no events were written"
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            try:
                e = json.loads(line)
            except ValueError:
                fault = fault or f"not JSON: {line[:120]!r}"
                continue
            if e["event_type"] == "alert":
                alerts[str(e["alert"]["signature_id"])] += 1
            elif e["event_type"] == "flow":
                flows += 1
                protos[e.get("app_proto", "unknown")] += 1
    return alerts, flows, protos, fault


def run(engine, rules, config, captures, timeout):
    """Read captures with one process, an engine each -> {path: what read_events says}."""
    out = {}
    with tempfile.TemporaryDirectory(prefix="tidegate-diff-") as tmp:
        inputs = os.path.join(tmp, "in")
        os.mkdir(inputs)
        names = {c: f"{i:05}" for i, c in enumerate(captures)}
        for c, n in names.items():
            os.symlink(os.path.abspath(c), os.path.join(inputs, n))
        cmd = [engine, "run", "--each", "-r", inputs, "-S", rules, "-c", config, "-l", os.path.join(tmp, "out"),
               "--memory", "64mb", "-q"]
        try:
            p = subprocess.run(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout)
            bad = None if p.returncode in (0, 1) else f"exit {p.returncode}: {p.stderr.decode(errors='replace')[-400:]}"
        except subprocess.TimeoutExpired:
            bad = f"timeout after {timeout} s"
        for c, n in names.items():
            path = os.path.join(tmp, "out", n, "eve.json")
            got = read_events(path)
            # A capture that no reader takes has no events in the reference either.
            if bad is None and got[3] == "no events were written":
                got = got[:3] + (None,)
            out[c] = got
    if bad and len(captures) > 1:
        # Find the one: halves, each by itself.
        half = len(captures) // 2
        out = {**run(engine, rules, config, captures[:half], timeout), **run(engine, rules, config, captures[half:], timeout)}
    elif bad:
        out[captures[0]] = out[captures[0]][:3] + (bad,)
    return out


def readable_by_reference(path):
    """False for a pcapng file whose interfaces differ (see above)"""
    with open(path, "rb") as f:
        data = f.read()
    at, order, first = 0, "<", None
    while at + 12 <= len(data):
        kind, = struct.unpack_from(order + "I", data, at)
        if kind == 0x0A0D0D0A:
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            first = None
        elif at == 0:
            return True
        size, = struct.unpack_from(order + "I", data, at + 4)
        if kind == 1 and at + 16 <= len(data):
            link, _, snap = struct.unpack_from(order + "HHI", data, at + 8)
            if first not in (None, (link, snap)):
                return False
            first = (link, snap)
        if size < 12 or size % 4:
            return True
        at += size
    return True


def percent(a, b):
    return 100.0 * a / b if b else 100.0


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", default=os.path.join(here, "target/release/tidegate"))
    ap.add_argument("--shared", default=os.path.join(here, "../shared"))
    ap.add_argument("--rules", help="default: SHARED/rules/et-open/et-open.rules")
    ap.add_argument("--only", default="", help="captures whose name contains this")
    ap.add_argument("--alerting", action="store_true", help="only captures that alert in the reference")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--timeout", type=float, default=900)
    ap.add_argument("--min-recall", type=float, default=0)
    ap.add_argument("--min-precision", type=float, default=0)
    ap.add_argument("--min-flows", type=float, default=0)
    ap.add_argument("--json", help="write every difference here")
    a = ap.parse_args()
    rules = a.rules or os.path.join(a.shared, "rules/et-open/et-open.rules")
    config = os.path.join(a.shared, "rules/reference.yaml")
    # The lists that the reference had come with the rules.
    want = reference(a.shared, a.only)
    if a.alerting:
        want = {c: r for c, r in want.items() if r["alerts"]}
    if not want:
        raise SystemExit("no reference found")
    want = {c: r for c, r in want.items() if os.path.exists(os.path.join(a.shared, "captures", c))}
    apart = [c for c in want if not readable_by_reference(os.path.join(a.shared, "captures", c))]
    want = {c: r for c, r in want.items() if c not in apart}
    config = local_config(config, a.shared)
    sids = loaded_sids(a.engine, rules, config)

    paths = {c: os.path.join(a.shared, "captures", c) for c in want}
    parts = [list(paths)[i::a.jobs * 4] for i in range(a.jobs * 4)]
    have = {}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = [pool.submit(run, a.engine, rules, config, [paths[c] for c in part], a.timeout) for part in parts if part]
        for job in jobs:
            have.update(job.result())
    have = {c: have[p] for c, p in paths.items()}

    found = missed = extra = not_loaded = same_flows = same_protos = 0
    rows, faults = [], []
    for c, r in want.items():
        alerts, flows, protos, fault = have[c]
        if fault:
            faults.append(f"{c}: {fault}")
        for sid in r["alerts"]:
            if sid not in sids:
                not_loaded += 1
            elif sid in alerts:
                found += 1
            else:
                missed += 1
                rows.append(("missed", c, sid))
        for sid in alerts:
            if sid not in r["alerts"]:
                extra += 1
                rows.append(("extra", c, sid))
        if flows == r["flows"]:
            same_flows += 1
        else:
            rows.append(("flows", c, f"{flows} instead of {r['flows']}"))
        if dict(protos) == r["app_proto"]:
            same_protos += 1
        else:
            d = {k: (protos.get(k, 0), r["app_proto"].get(k, 0)) for k in set(protos) | set(r["app_proto"])}
            rows.append(("protocols", c, str({k: v for k, v in sorted(d.items()) if v[0] != v[1]})))
    for row in rows:
        print("%-9s %s  %s" % row)
    for f in faults:
        print(f"fault     {f}")
    recall, precision = percent(found, found + missed), percent(found, found + extra)
    flows = percent(same_flows, len(want))
    print(f"left out  {len(apart)} captures with differing interfaces: {' '.join(sorted(apart))}")
    print(f"recall    {recall:6.2f} %  {found} of {found + missed} pairs ({not_loaded} of rules that are not loaded)")
    print(f"precision {precision:6.2f} %  {found} of {found + extra} pairs")
    print(f"flows     {flows:6.2f} %  {same_flows} of {len(want)} captures")
    print(f"protocols {percent(same_protos, len(want)):6.2f} %  {same_protos} of {len(want)} captures")
    print(f"faults    {len(faults)}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"rows": rows, "faults": faults}, f, indent=1)
    os.unlink(config)
    ok = recall >= a.min_recall and precision >= a.min_precision and flows >= a.min_flows and not faults
    return 0 if ok else 1


def local_config(path, shared):
    """The reference's configuration with its classification file replaced by the one beside the rules."""
    with open(path) as f:
        text = f.read()
    text = re.sub(r"^classification-file:.*$", "classification-file: " +
                  os.path.abspath(os.path.join(shared, "rules/et-open/classification.config")), text, flags=re.M)
    text = re.sub(r"^reference-config-file:.*$", "", text, flags=re.M)
    fd, out = tempfile.mkstemp(suffix=".yaml", prefix="tidegate-diff-")
    with os.fdopen(fd, "w") as f:
        f.write(text)
    return out


if __name__ == "__main__":
    sys.exit(main())
