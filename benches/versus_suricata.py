#!/usr/bin/env python3
"""versus_suricata.py - whole-program speed against Suricata: same capture, same rules, same outputs, one thread.

    versus_suricata.py [--engine target/release/tidegate] [--shared ../shared] [--pairs 5] [--mix FILE] [--no-rules]

What is run, in pairs, one after the other, the order alternating:
    tidegate run -r MIX -S RULES -c CONFIG -l DIR
    suricata --runmode single -r MIX -S RULES -c CONFIG -l DIR
with an event log of alert and flow records. Rules are loaded inside both programs. "Without loading" is the time each
program says it worked on the capture: the summary of the one, "time elapsed" of the other, both from the first packet
asked for until the last flow is written. (The whole time less that of a run on an empty capture swings with the
loading: a second more or less in 12 is a third of what is to be measured.) "With loading" is the whole process.
The capture is read once before each run, so that none waits for the
disk. Peak memory is the kernel's figure for the process. Alerts are compared by signature: equal, and of those that differ
how many.

The bias: one machine, one mix (real captures, replayed side by side with changed addresses), wall-clock time of a
process that shares the machine with whatever else runs; Suricata keeps its own helper threads in this run mode
(flow manager and recycler), this engine has none. Needs `suricata` in the path. Standard library only.
"""
import argparse, collections, json, os, re, shutil, statistics, struct, subprocess, sys, tempfile, time


# How long each program says it worked on the capture, seconds.
WORKED = {"tidegate": re.compile(r"^packets .* in ([0-9.]+) s", re.M), "suricata": re.compile(r"time elapsed ([0-9.]+)s")}


def run(which, cmd, cwd):
    """-> (seconds of the process, seconds it says it worked, peak resident MiB)"""
    start = time.monotonic()
    p = subprocess.Popen(cmd, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = p.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    worked = WORKED[which].search(said)
    if p.returncode or not worked:
        raise SystemExit(f"{' '.join(cmd)}: exit {p.returncode}\n{said[-2000:]}")
    return seconds, float(worked.group(1)), usage.ru_maxrss / 1024


def warm(path):
    """reads the capture once, so that neither program waits for the disk"""
    with open(path, "rb") as f:
        while f.read(1 << 22):
            pass


def alerts(path):
    """{sid: count} and the number of flow records"""
    count, flows = collections.Counter(), 0
    with open(path, errors="replace") as f:
        for line in f:
            e = json.loads(line)
            if e["event_type"] == "alert":
                count[e["alert"]["signature_id"]] += 1
            elif e["event_type"] == "flow":
                flows += 1
    return count, flows


def packets(path):
    """frames of a classic little-endian pcap"""
    n, size = 0, os.path.getsize(path)
    with open(path, "rb") as f:
        f.seek(24)
        at = 24
        while at + 16 <= size:
            head = f.read(16)
            cap = struct.unpack("<I", head[8:12])[0]
            f.seek(cap, 1)
            at += 16 + cap
            n += 1
    return n


def show(name, values, unit=""):
    print(f"{name:<34} min {min(values):10.2f}  median {statistics.median(values):10.2f}  max {max(values):10.2f} {unit}")


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", default=os.path.join(here, "target/release/tidegate"))
    ap.add_argument("--suricata", default="suricata")
    ap.add_argument("--shared", default=os.path.join(here, "../shared"))
    ap.add_argument("--pairs", type=int, default=5)
    ap.add_argument("--copies", type=int, default=10, help="of each capture in the mix")
    ap.add_argument("--mix", help="use this capture instead of making the mix")
    ap.add_argument("--no-rules", action="store_true", help="with an empty rule file")
    ap.add_argument("--json", help="write all figures here")
    a = ap.parse_args()
    a.engine = os.path.abspath(a.engine)
    if not shutil.which(a.suricata):
        raise SystemExit(f"{a.suricata} is not installed")
    rules = "/dev/null" if a.no_rules else os.path.abspath(os.path.join(a.shared, "rules/et-open/et-open.rules"))
    work = tempfile.mkdtemp(prefix="tidegate-bench-")
    try:
        mix = a.mix or os.path.join(work, "mix.pcap")
        if not a.mix:
            dirs = [os.path.join(a.shared, d) for d in
                    ("captures/nDPI", "captures/pcapplusplus", "captures/arkime", "ai-captures")]
            subprocess.run([sys.executable, os.path.join(a.shared, "tools/mkmix.py"), mix, *dirs,
                            "--copies", str(a.copies)], check=True)
        n = packets(mix)
        config = os.path.join(work, "config.yaml")
        with open(os.path.join(a.shared, "rules/reference.yaml")) as f:
            text = f.read()
        cls = os.path.abspath(os.path.join(a.shared, "rules/et-open/classification.config"))
        text = re.sub(r"^classification-file:.*$", f"classification-file: {cls}", text, flags=re.M)
        text = re.sub(r"^reference-config-file:.*$", "", text, flags=re.M)
        with open(config, "w") as f:
            f.write(text)

        def command(which, capture, out):
            os.makedirs(out, exist_ok=True)
            if which == "tidegate":
                return [a.engine, "run", "-r", capture, "-S", rules, "-c", config, "-l", out]
            return [a.suricata, "--runmode", "single", "-r", capture, "-S", rules, "-c", config, "-l", out, "-v"]

        figures = {w: {"whole": [], "load": [], "net": [], "rss": []} for w in ("tidegate", "suricata")}
        said = {}
        for i in range(a.pairs):
            order = ["tidegate", "suricata"] if i % 2 == 0 else ["suricata", "tidegate"]
            for w in order:
                f = figures[w]
                out = os.path.join(work, f"{w}-{i}")
                warm(mix)
                whole, worked, rss = run(w, command(w, mix, out), work)
                f["load"].append(whole - worked)
                f["whole"].append(whole)
                f["net"].append(n / worked)
                f["rss"].append(rss)
                said[w] = alerts(os.path.join(out, "eve.json"))
                shutil.rmtree(out)
            t, s = figures["tidegate"], figures["suricata"]
            print(f"pair {i + 1}: tidegate {t['net'][-1]:,.0f}/s, suricata {s['net'][-1]:,.0f}/s, "
                  f"ratio {t['net'][-1] / s['net'][-1]:.2f}", flush=True)
        t, s = figures["tidegate"], figures["suricata"]
        print(f"\n{n} packets, {os.path.getsize(mix)} bytes, rules: {rules}")
        for w in ("tidegate", "suricata"):
            f = figures[w]
            show(f"{w}: packets/s without loading", f["net"])
            show(f"{w}: packets/s with loading", [n / x for x in f["whole"]])
            show(f"{w}: loading, and the end", f["load"], "s")
            show(f"{w}: peak memory", f["rss"], "MiB")
        ratios = [x / y for x, y in zip(t["net"], s["net"])]
        show("ratio without loading", ratios)
        show("ratio with loading", [y / x for x, y in zip(t["whole"], s["whole"])])
        (ta, tf), (sa, sf) = said["tidegate"], said["suricata"]
        both = sum(min(ta[k], sa[k]) for k in set(ta) | set(sa))
        print(f"alerts: tidegate {sum(ta.values())}, suricata {sum(sa.values())}, in common {both}; "
              f"signatures {len(ta)} and {len(sa)}, in common {len(set(ta) & set(sa))}")
        for k in sorted(set(ta) | set(sa)):
            if ta[k] != sa[k]:
                print(f"  sid {k}: tidegate {ta[k]}, suricata {sa[k]}")
        print(f"flows: tidegate {tf}, suricata {sf}")
        if a.json:
            with open(a.json, "w") as f:
                json.dump({"packets": n, **figures, "ratios": ratios}, f, indent=1)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
