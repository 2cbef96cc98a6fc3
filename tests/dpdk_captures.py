#!/usr/bin/env python3
"""dpdk_captures.py - captures read through DPDK's net_pcap must give the events that reading them directly gives.

    dpdk_captures.py --engine target/dpdk/release/tidegate [--shared ../shared] [--count 200] [--workers 1,2] [--only TEXT]

For each of `--count` Ethernet captures (spread evenly over all there are): `run -r F`, then `run --dpdk
'--vdev=net_pcap0,rx_pcap=F'` with each number of workers. With one worker the lines must be the same in the same order;
with more, the same set, without the sums that each engine makes of its own flows. `stats` records hold the clock's time
and are left out. Known and allowed: nothing is said of captures that -r calls damaged, of pcapng options, of frames
longer than libpcap or the driver takes. Standard library only.
"""
import argparse, collections, json, os, re, shlex, struct, subprocess, sys, tempfile

EAL = "--no-huge --no-shconf --no-telemetry --no-pci --log-level=*:4"
MAGICS = {0xA1B2C3D4: "=", 0xA1B23C4D: "="}


def ethernet(path):
    """whether it is a classic capture of Ethernet frames, whole to the end"""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 40:
        return False
    for order in "<>":
        if struct.unpack(order + "I", data[:4])[0] in MAGICS:
            break
    else:
        return False
    if struct.unpack(order + "I", data[20:24])[0] & 0xFFFF != 1:
        return False
    snap = struct.unpack(order + "I", data[16:20])[0]
    at, n = 24, 0
    while at + 16 <= len(data):
        seconds, _, caplen, wire = struct.unpack(order + "IIII", data[at:at + 16])
        # libpcap takes seconds as a signed number.
        if seconds >> 31 or caplen == 0 or caplen > wire or caplen > min(snap or 65535, 9000):
            return False
        at += 16 + caplen
        n += 1
    return at == len(data) and n > 0


def captures(shared, only):
    for top in ("captures", "ai-captures", "conformance"):
        for path, _, files in sorted(os.walk(os.path.join(shared, top))):
            for f in sorted(files):
                full = os.path.join(path, f)
                # DPDK takes a comma for the end of an argument.
                if f.endswith((".pcap", ".cap", ".trace", ".dmp")) and "," not in full and only in full:
                    if os.path.getsize(full) < 8 << 20 and ethernet(full):
                        yield full


def events(cmd, out):
    p = subprocess.run(cmd + ["-l", out, "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
    if p.returncode not in (0,):
        raise RuntimeError(f"exit {p.returncode}: {p.stdout.decode(errors='replace')[-400:]}")
    with open(os.path.join(out, "eve.json"), "rb") as f:
        lines = [l for l in f if b'"event_type":"stats"' not in l[:120]]
    # One line an alert, for people: the same must be said there.
    with open(os.path.join(out, "fast.log"), "rb") as f:
        return lines + list(f)


def unordered(lines):
    """lines as a set that forgets what two engines cannot share: numbers of flows, and the sums of one engine over the
    flows that it was given (services, telemetry)"""
    def plain(l):
        l = re.sub(rb'"flow_id":\d+,?', b"", l)
        return re.sub(rb'"parent_id":\d+,?', b"", l)
    sums = (b'"event_type":"ai_service"', b'"event_type":"ai_telemetry"')
    return collections.Counter(plain(l) for l in lines if not any(k in l[:120] for k in sums))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--dpdk-engine", help="the command that reads by DPDK, if another (a build for another machine, emulated)")
    a.add_argument("--shared", default="../shared")
    a.add_argument("--rules", help="rules to load (default: a sample of the open rules there)")
    a.add_argument("--sample", type=int, default=500)
    a.add_argument("--count", type=int, default=200)
    a.add_argument("--workers", default="1,2")
    a.add_argument("--only", default="")
    a.add_argument("--config", help="configuration whose first output is fast.log")
    a.add_argument("--file", help="this capture only")
    o = a.parse_args()
    every = [o.file] if o.file else list(captures(o.shared, o.only))
    n = min(o.count, len(every))
    chosen = [every[i * len(every) // n] for i in range(n)]
    if not chosen:
        sys.exit("no captures")
    workers = [int(w) for w in o.workers.split(",")]
    wrong, total = collections.Counter(), 0
    with tempfile.TemporaryDirectory(prefix="tidegate-dpdk-") as tmp:
        rules = o.rules
        if not rules:
            with open(os.path.join(o.shared, "rules/et-open/et-open.rules"), encoding="utf-8", errors="replace") as f:
                all_rules = [l for l in f if l.strip() and not l.startswith("#")]
            rules = os.path.join(tmp, "sample.rules")
            with open(rules, "w") as f:
                f.writelines(all_rules[i * len(all_rules) // o.sample] for i in range(min(o.sample, len(all_rules))))
        options = ["run", "-S", rules, "--memory", "32mb", "--set", "outputs.0.fast.enabled=yes"] + (["-c", o.config] if o.config else [])
        base = [o.engine, *options]
        by_dpdk = [*shlex.split(o.dpdk_engine or o.engine), *options]
        for i, path in enumerate(chosen):
            d = os.path.join(tmp, str(i))
            real = os.path.realpath(path)
            try:
                want = events(base + ["-r", path], os.path.join(d, "r"))
                total += len(want)
                for w in workers:
                    got = events(by_dpdk + ["--workers", str(w), "--dpdk", f"{EAL} '--vdev=net_pcap0,rx_pcap={real}'"],
                                 os.path.join(d, str(w)))
                    if w == 1:
                        same = got == want
                    else:
                        same = unordered(got) == unordered(want)
                    if not same:
                        wrong[w] += 1
                        print(f"{path}: {w} workers: {len(want)} lines directly, {len(got)} by DPDK")
                        x, y = unordered(want), unordered(got)
                        for sign, diff in (("-", x - y), ("+", y - x)):
                            for l in list(diff)[:2]:
                                print(f"  {sign} {l[:600].decode(errors='replace').rstrip()}")
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as e:
                wrong[0] += 1
                print(f"{path}: {e}")
    print(f"{len(chosen)} captures, {total} lines; differ: "
          + (", ".join(f"{k or 'failed'} worker(s): {v}" for k, v in sorted(wrong.items())) or "none"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
