#!/usr/bin/env python3
"""robustness.py - read every capture there is, in batches of several sizes, and want the same events each time.

    robustness.py [--engine target/debug/tidegate] [--shared ../shared] [--batches 1,7,256] [--jobs 2] [--only TEXT]
                  [--rules FILE [--sample 500]] [--mutations N [--seed S]]

Captures are read folder by folder (`-r DIR`: the flows of one capture meet the next one's). For each folder
the event files of all batch sizes must be equal byte for byte, apart from the `stats` record, whose time is
the clock's. A panic, a signal, a timeout or a difference is a failure. Meant for a debug build, where
arithmetic is checked. With --mutations each capture is read N times over, changed each time: bytes of packets set to
others, packets cut, left out, repeated and put in another order. Standard library only.
"""
import argparse, concurrent.futures, hashlib, json, os, random, struct, subprocess, sys, tempfile

ENDINGS = (".pcap", ".pcapng", ".cap", ".trace", ".pcapng.gz", ".dmp", ".dump")


def folders(shared, only):
    """every folder below that holds captures"""
    for top in ("captures", "ai-captures", "conformance"):
        for path, _, files in sorted(os.walk(os.path.join(shared, top))):
            if any(f.endswith(ENDINGS) for f in files) and only in path:
                yield path, sorted(os.path.join(path, f) for f in files if f.endswith(ENDINGS))


def digest(path):
    """hash of the events, and how many there are"""
    h, n = hashlib.sha256(), 0
    with open(path, "rb") as f:
        for line in f:
            if b'"event_type":"stats"' not in line[:120]:
                h.update(line)
                n += 1
                json.loads(line)
    return h.hexdigest(), n


def sample(path, count):
    """`count` rules spread evenly over a file"""
    with open(path, encoding="utf-8", errors="replace") as f:
        rules = [line for line in f if line.strip() and not line.startswith("#")]
    return [rules[i * len(rules) // count] for i in range(min(count, len(rules)))]


def mutated(data, rng):
    """a capture with some of its packets changed; what is no pcap of microseconds has some of its bytes changed"""
    if data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4"):
        out = bytearray(data)
        for _ in range(1 + len(out) // 2000):
            out[rng.randrange(min(32, len(out) - 1), len(out))] = rng.randrange(256)
        return bytes(out)
    order = "<" if data[0] == 0xD4 else ">"
    packets, at = [], 24
    while at + 16 <= len(data):
        n = struct.unpack_from(order + "I", data, at + 8)[0]
        packets.append((data[at:at + 8], struct.unpack_from(order + "I", data, at + 12)[0], bytearray(data[at + 16:at + 16 + n])))
        at += 16 + n
    out = []
    for head, wire, p in packets:
        what = rng.random()
        if what < 0.05:
            continue
        if what < 0.35 and p:
            for _ in range(rng.randint(1, 4)):
                # Heads are where most is decided.
                p[rng.randrange(min(len(p), rng.choice((14, 60, 120, 1500))))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif what < 0.45:
            p = p[:rng.randint(0, len(p))]
        out.append((head, wire, p))
        if what > 0.95:
            out.append(out[rng.randrange(len(out))])
        if what > 0.9 and len(out) > 1:
            out[-1], out[-2] = out[-2], out[-1]
    return data[:24] + b"".join(h + struct.pack(order + "II", len(p), max(wire, len(p))) + p for h, wire, p in out)


def put(captures, inputs, mutations, seed):
    """the captures of a folder into another, as they are or changed"""
    for i, c in enumerate(captures):
        name = f"{i:05}-{os.path.basename(c)}"
        if not mutations:
            os.symlink(os.path.abspath(c), os.path.join(inputs, name))
            continue
        with open(c, "rb") as f:
            data = f.read()
        for n in range(mutations if data else 0):
            with open(os.path.join(inputs, f"{n}-{name}"), "wb") as f:
                f.write(mutated(data, random.Random(f"{seed} {n} {name}")))


def one(engine, captures, batches, timeout, extra, mutate):
    """-> (fault or None, events)"""
    seen, events = None, 0
    for batch in batches:
        with tempfile.TemporaryDirectory(prefix="tidegate-robust-") as tmp:
            inputs = os.path.join(tmp, "in")
            os.mkdir(inputs)
            put(captures, inputs, *mutate)
            cmd = [engine, "run", "-r", inputs, "-l", os.path.join(tmp, "out"), "--batch", str(batch), "-q",
                   "--set", "outputs.1.eve-log.pcap-file=no", "--memory", "64mb"] + extra
            try:
                p = subprocess.run(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout)
            except subprocess.TimeoutExpired:
                return f"batch {batch}: timeout after {timeout} s", events
            if p.returncode not in (0, 1, 3):
                return f"batch {batch}: exit {p.returncode}: {p.stderr.decode(errors='replace')[-400:]}", events
            try:
                got, events = digest(os.path.join(tmp, "out", "eve.json"))
            except (OSError, ValueError) as e:
                return f"batch {batch}: {e}", events
            if seen not in (None, got):
                return f"batch {batch} differs from batch {batches[0]}", events
            seen = got
    return None, events


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", default=os.path.join(here, "target/debug/tidegate"))
    ap.add_argument("--shared", default=os.path.join(here, "../shared"))
    ap.add_argument("--batches", default="1,7,256", type=lambda s: [int(x) for x in s.split(",")])
    ap.add_argument("--rules", help="rules to load; none without")
    ap.add_argument("--sample", type=int, default=0, help="only that many of the rules, spread over the file")
    ap.add_argument("--only", default="")
    ap.add_argument("--mutations", type=int, default=0, help="changed copies of each capture")
    ap.add_argument("--seed", default="1")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--timeout", type=float, default=1200, help="seconds per folder and batch size")
    a = ap.parse_args()
    own = None
    if a.rules and a.sample:
        own = tempfile.NamedTemporaryFile("w", suffix=".rules", prefix="tidegate-robust-")
        own.writelines(sample(a.rules, a.sample))
        own.flush()
    extra = ["-S", own.name if own else a.rules or "/dev/null"]
    work = list(folders(a.shared, a.only))
    if not work:
        raise SystemExit("no captures found")
    total = failed = events = 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = [(f, c, pool.submit(one, a.engine, c, a.batches, a.timeout, extra, (a.mutations, a.seed))) for f, c in work]
        for folder, captures, job in jobs:
            fault, n = job.result()
            total, events = total + len(captures), events + n
            if fault:
                failed += 1
                print(f"FAILED {folder}: {fault}")
    total *= max(a.mutations, 1)
    print(f"{total} captures in {len(work)} folders, {events} events, batches {a.batches}: {failed} folders failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
