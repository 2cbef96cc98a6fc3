#!/usr/bin/env python3
"""differential.py - compare this engine's alerts and flows with a reference, capture by capture.

    differential.py [--engine target/release/tidegate] [--shared ../shared] [--only TEXT] [--jobs 2]
                    [--min-recall 99.5] [--min-precision 99] [--min-raw 98] [--min-flows 99.5] [--min-protocols 99]
                    [--out out/differential]

The reference (SHARED/expected/*.jsonl, one line a capture) holds what Suricata said with the rules of
SHARED/rules/et-open and SHARED/rules/reference.yaml: alerts {sid: count}, flows, app_proto. Every capture
is read by an engine of its own with the same rules and configuration; counted are

    recall      (capture, sid) pairs of the reference that this engine found, among the rules it loaded
    precision   (capture, sid) pairs of this engine that the reference has too
    flows       captures with the same number of flows

The reference's capture library gives up in the middle of a pcapng file whose interfaces differ in link type or
snapshot length; this engine reads on. So that both see the same packets, such a file is copied to OUT/cut as far as
the reference read it, and the copy is what counts. How many there are and why is printed, and so are the figures
with the whole files instead ("raw"), and what was found in the rest of them.

The misses are printed. Exit status 1 when a floor is not reached. Standard library only.
"""
import argparse, collections, concurrent.futures, glob, json, os, re, shutil, struct, subprocess, sys, tempfile


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
    ran = subprocess.run([engine, "rules", "check", rules, "-c", config], stdout=subprocess.PIPE)
    # 3: some are refused.
    if ran.returncode not in (0, 3):
        raise RuntimeError(f"rules check: exit {ran.returncode}")
    text = ran.stdout.decode(errors="replace")
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
               # The reference looked into packets with wrong checksums.
               "-k", "none", "--memory", "64mb", "-q"]
        try:
            p = subprocess.run(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout)
            bad = None if p.returncode in (0, 1, 3) else f"exit {p.returncode}: {p.stderr.decode(errors='replace')[-400:]}"
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


# Of the link types that captures write, those that libpcap calls by another number once it has read them.
DLT = {100: 11, 101: 12}
# Kept bytes of a frame when an interface names no limit.
MAX_SNAPLEN = {231: 128 << 20, 249: 128 << 20, 279: 8 << 20}


def cut(path):
    """(offset, reason) of the block where the reference's capture library refuses a pcapng file, or None.

    libpcap knows one link type, one snapshot length and one byte order a file. It gives up at the first interface
    description, of any section, that differs from the file's first one; packets before that block were read.
    """
    with open(path, "rb") as f:
        data = f.read()
    at, order, first = 0, None, None
    while at + 12 <= len(data):
        if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            now = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            if order not in (None, now):
                return at, "a section of the other byte order"
            order = now
        elif order is None:
            return None
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind == 1 and at + 16 <= len(data):
            link, _, snap = struct.unpack_from(order + "HHI", data, at + 8)
            if first is None:
                first = DLT.get(link, link), snaplen(DLT.get(link, link), snap)
            elif link != first[0]:
                return at, f"an interface of link type {link} after {first[0]}"
            elif snaplen(link, snap) != first[1]:
                return at, f"an interface of snapshot length {snap} after {first[1]}"
        if size < 12 or size % 4:
            return None
        at += size
    return None


def snaplen(link, n):
    """a snapshot length as libpcap takes it"""
    return n if 0 < n < 1 << 31 else MAX_SNAPLEN.get(link, 262144)


# Differences that were looked into. They count like all others; the reason is printed beside them.
ACROSS = "the reference kept its thresholds from one capture to the next"
KNOWN = {
    ("wa_voice.pcap", "2027397"): ACROSS,
    ("whatsapp_login_chat.pcap", "2027397"): ACROSS,
    ("whatsapp_login_chat.pcap", "2012648"): ACROSS,
    ("webdav.pcap", "2002825"): "the reference's threads counted flows out of their order; with one thread it agrees",
    ("erspan-type-iii-ft-0.pcap", "2100366"): "the reference does not look into ERSPAN type III",
}


# Captures of links and headers that the reference does not decode, so that it knows no flow of them: told, and left out.
UNDECODED = {
    "80211http.pcap": "802.11",
    "ieee802.11_htc.pcap": "802.11",
    "ah.pcapng": "behind IPv4's authentication header",
    "icmp-frame-relay.pcap": "frame relay",
    "ipoib.pcap": "IP over InfiniBand",
    "nflog.pcap": "NFLOG",
    "nflogPacket.pcap": "NFLOG",
    "someip_sd_sample.pcap": "IP in frames of 802.3",
}

# Protocols that the reference does not know. It calls their flows unknown or failed.
OWN = ("redis", "nvme", "roce", "nccl")


def without_own(protos, want):
    """Flows by protocol, those of our own protocols as the reference would have to call them."""
    out = {k: v for k, v in protos.items() if k not in OWN}
    for _ in range(sum(protos[k] for k in OWN if k in protos)):
        short = next((k for k in ("failed", "unknown") if out.get(k, 0) < want.get(k, 0)), "failed")
        out[short] = out.get(short, 0) + 1
    return out


def percent(a, b):
    return 100.0 * a / b if b else 100.0


class Comparison:
    """What is expected of captures, beside what an engine said."""

    def __init__(self, want, have, sids):
        found = missed = extra = not_loaded = same_flows = same_protos = 0
        self.rows, self.faults = [], []
        for c, r in want.items():
            alerts, flows, protos, fault = have[c]
            if fault:
                self.faults.append(f"{c}: {fault}")
            for sid in r["alerts"]:
                if sid not in sids:
                    not_loaded += 1
                elif sid in alerts:
                    found += 1
                else:
                    missed += 1
                    self.rows.append(("missed", c, sid))
            for sid in alerts:
                if sid not in r["alerts"]:
                    extra += 1
                    self.rows.append(("extra", c, sid))
            if flows == r["flows"]:
                same_flows += 1
            else:
                self.rows.append(("flows", c, f"{flows} instead of {r['flows']}"))
            if without_own(protos, r["app_proto"]) == r["app_proto"]:
                same_protos += 1
            else:
                d = {k: (protos.get(k, 0), r["app_proto"].get(k, 0)) for k in set(protos) | set(r["app_proto"])}
                self.rows.append(("protocols", c, str({k: v for k, v in sorted(d.items()) if v[0] != v[1]})))
        across = sum(what == "extra" and KNOWN.get((os.path.basename(c), sid)) == ACROSS for what, c, sid in self.rows)
        self.recall, self.precision = percent(found, found + missed), percent(found, found + extra)
        # Suricata alerts so, too, when it reads nothing but that capture.
        self.alone = percent(found + across, found + extra)
        self.flows, self.protos = percent(same_flows, len(want)), percent(same_protos, len(want))
        self.pairs = f"{found} of {found + missed} pairs ({not_loaded} of rules that are not loaded)"
        self.known = f"{found} of {found + extra} pairs"
        self.equal = f"{same_flows} of {len(want)} captures", f"{same_protos} of {len(want)} captures"

    def print(self):
        print(f"recall    {self.recall:6.2f} %  {self.pairs}")
        print(f"precision {self.precision:6.2f} %  {self.known}; {self.alone:.2f} % with what Suricata says of a capture alone")
        print(f"flows     {self.flows:6.2f} %  {self.equal[0]}")
        print(f"protocols {self.protos:6.2f} %  {self.equal[1]}")
        print(f"faults    {len(self.faults)}")


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
    ap.add_argument("--min-recall", type=float, default=99.5)
    ap.add_argument("--min-precision", type=float, default=99, help="of alerts as Suricata gives them on a capture alone")
    ap.add_argument("--min-raw", type=float, default=98, help="precision against the reference as it is")
    ap.add_argument("--min-flows", type=float, default=99.5)
    ap.add_argument("--min-protocols", type=float, default=99)
    ap.add_argument("--out", default=os.path.join(here, "out/differential"),
                    help="folder of the cut captures and of differences.json")
    a = ap.parse_args()
    rules = a.rules or os.path.join(a.shared, "rules/et-open/et-open.rules")
    config = os.path.join(a.shared, "rules/reference.yaml")
    # The lists that the reference had come with the rules.
    want = reference(a.shared, a.only)
    if a.alerting:
        want = {c: r for c, r in want.items() if r["alerts"]}
    if not want:
        raise SystemExit("no reference found")
    apart = {c: UNDECODED[os.path.basename(c)] for c in want if os.path.basename(c) in UNDECODED}
    for c, why in apart.items():
        print(f"left out  {c}  ({why}: the reference does not decode it)")
    want = {c: r for c, r in want.items() if c not in apart}
    absent = [c for c in want if not os.path.exists(os.path.join(a.shared, "captures", c))]
    want = {c: r for c, r in want.items() if c not in absent}
    cuts = {c: at for c in want if (at := cut(os.path.join(a.shared, "captures", c)))}
    shutil.rmtree(os.path.join(a.out, "cut"), ignore_errors=True)
    paths = {c: os.path.join(a.shared, "captures", c) for c in want}
    whole = {c: paths[c] for c in cuts}
    for c, (size, _) in cuts.items():
        paths[c] = os.path.join(a.out, "cut", c)
        os.makedirs(os.path.dirname(paths[c]), exist_ok=True)
        with open(whole[c], "rb") as f, open(paths[c], "wb") as g:
            g.write(f.read(size))
    config = local_config(config, a.shared)
    sids = loaded_sids(a.engine, rules, config)

    every = list(paths.values()) + list(whole.values())
    parts = [every[i::a.jobs * 4] for i in range(a.jobs * 4)]
    have = {}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = [pool.submit(run, a.engine, rules, config, part, a.timeout) for part in parts if part]
        for job in jobs:
            have.update(job.result())
    os.unlink(config)

    same = Comparison(want, {c: have[p] for c, p in paths.items()}, sids)
    raw = Comparison(want, {c: have[whole.get(c, p)] for c, p in paths.items()}, sids)
    for what, capture, which in same.rows:
        why = KNOWN.get((os.path.basename(capture), which))
        print(f"{what:9} {capture}  {which}" + (f"  ({why})" if why else ""))
    for f in same.faults:
        print(f"fault     {f}")
    for row in raw.rows:
        if row not in same.rows:
            print("raw       %-9s %s  %s" % row)
    print(f"absent    {len(absent)} captures of the reference are not in the folder"
          + "".join(f"\n          {c}" for c in absent))
    reasons = collections.Counter(re.sub(r" \d+ after \d+", "", why) for _, why in cuts.values())
    print(f"cut       {len(cuts)} of {len(want)} captures, as far as the reference read them: "
          + ", ".join(f"{n} at {why}" for why, n in reasons.most_common()))
    same.print()
    print("with the whole files instead:")
    raw.print()
    with open(os.path.join(a.out, "differences.json"), "w") as f:
        json.dump({"rows": same.rows, "faults": same.faults, "raw": [r for r in raw.rows if r not in same.rows],
                   "cut": {c: why for c, (_, why) in cuts.items()}}, f, indent=1)
    ok = same.recall >= a.min_recall and same.alone >= a.min_precision and same.precision >= a.min_raw
    ok = ok and same.flows >= a.min_flows and same.protos >= a.min_protocols
    return 0 if ok and not same.faults else 1


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
