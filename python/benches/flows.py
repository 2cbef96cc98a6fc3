"""Flows, packets and events of a capture: speed beside nfstream and dpkt, where flows differ from nfstream's, and memory
on a capture ten times as long.

    python flows.py CAPTURE [speed|differences|memory ...]

Every measurement is a process of its own, and those that are compared run in turn; times are what a process takes from
the call to the finished result, imports left out (nfstream's include its worker processes, which it begins itself).
Memory is the peak as the kernel counts it, of the packets ten and a hundred times, each time later by the length of the
capture and an hour.
"""

from __future__ import annotations

import json
import os
import statistics as st
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "3"))

PRELUDE = """
import json, resource, sys, time
def done(start, **said):
    took = time.perf_counter() - start
    # Not ru_maxrss of this process, which begins with what its parent had.
    mine = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    peak = max(mine, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"seconds": took, "mib": peak / 1024, **said}))
path = sys.argv[1]
"""

TIDEGATE_FLOWS = """
import polars, tidegate
start = time.perf_counter()
frame = tidegate.read(path, statistics={statistics}, protocols={protocols}, progress=False).flows.to_polars()
done(start, flows=frame.height, columns=frame.width)
"""

NFSTREAM_FLOWS = """
from nfstream import NFStreamer
if __name__ == "__main__":
    start = time.perf_counter()
    frame = NFStreamer(source=path, n_dissections=0, statistical_analysis={statistics}).to_pandas()
    done(start, flows=len(frame), columns=len(frame.columns))
"""

RUNS = {
    "tidegate: flows to Polars": TIDEGATE_FLOWS.format(statistics=[], protocols=False),
    "tidegate: the same with protocols": TIDEGATE_FLOWS.format(statistics=[], protocols=True),
    "nfstream: flows to pandas": NFSTREAM_FLOWS.format(statistics=False),
    "tidegate: flows with statistics": TIDEGATE_FLOWS.format(statistics=["sizes", "iat", "flags"], protocols=False),
    "tidegate: these with protocols": TIDEGATE_FLOWS.format(statistics=["sizes", "iat", "flags"], protocols=True),
    "nfstream: flows with statistics": NFSTREAM_FLOWS.format(statistics=True),
    "tidegate: packets iterated": """
import tidegate
start = time.perf_counter()
n = sum(batch.num_rows for batch in tidegate.read(path, progress=False).packets.batches())
done(start, packets=n)
""",
    "tidegate: events iterated": """
import tidegate
start = time.perf_counter()
n = sum(1 for _ in tidegate.read(path, progress=False))
done(start, events=n)
""",
    "dpkt: iterating": """
import dpkt
start = time.perf_counter()
n = 0
with open(path, "rb") as f:
    for ts, data in dpkt.pcap.Reader(f):
        n += 1
done(start, packets=n)
""",
    "dpkt: iterating, frames decoded": """
import dpkt
start = time.perf_counter()
n = 0
with open(path, "rb") as f:
    for ts, data in dpkt.pcap.Reader(f):
        try:
            dpkt.ethernet.Ethernet(data)
        except dpkt.Error:
            pass
        n += 1
done(start, packets=n)
""",
}

#: What is compared with what, and how many times as fast it is to be. With `n_dissections=0` nfstream recognises no
#: protocols, so neither does the package; with protocols it is measured besides.
RATIOS = [
    ("tidegate: flows to Polars", "nfstream: flows to pandas", 20),
    ("tidegate: flows with statistics", "nfstream: flows with statistics", 20),
    ("tidegate: the same with protocols", "nfstream: flows to pandas", 0),
    ("tidegate: these with protocols", "nfstream: flows with statistics", 0),
    ("tidegate: flows to Polars", "dpkt: iterating", 3),
    ("tidegate: packets iterated", "dpkt: iterating, frames decoded", 3),
]

#: What is to need the same memory however long the capture is.
CONSTANT = {
    "flows, all statistics, to Parquet": """
import tidegate, tempfile
start = time.perf_counter()
with tempfile.NamedTemporaryFile(suffix=".parquet") as f:
    n = tidegate.read(path, progress=False, statistics=True).flows.to_parquet(f.name)
done(start, flows=n)
""",
    "packets to Parquet": """
import tidegate, tempfile
start = time.perf_counter()
with tempfile.NamedTemporaryFile(suffix=".parquet") as f:
    n = tidegate.read(path, progress=False).packets.to_parquet(f.name)
done(start, packets=n)
""",
    "DNS records in batches": """
import tidegate
start = time.perf_counter()
n = sum(batch.num_rows for batch in tidegate.read(path, progress=False).dns.batches())
done(start, records=n)
""",
    "events iterated": RUNS["tidegate: events iterated"],
}

#: Both tables of flows as (proto, ends in order) with packets; how often a key comes.
DIFFERENCES = """
import collections, polars, tidegate
from nfstream import NFStreamer
def key(proto, a, b):
    return (proto, *sorted((a, b)))
PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "IPv6-ICMP": 58, "SCTP": 132, "GRE": 47, "IGMP": 2, "ESP": 50, "AH": 51}
if __name__ == "__main__":
    mine, theirs, odd = collections.Counter(), collections.Counter(), collections.Counter()
    packets = [0, 0]
    for f in tidegate.read(path, progress=False).flows.to_polars().iter_rows(named=True):
        proto = PROTOCOLS.get(f["proto"]) or int(f["proto"]) if f["proto"] in PROTOCOLS or f["proto"].isdigit() else f["proto"]
        k = key(proto, (f["src_ip"], f["src_port"] or 0), (f["dest_ip"], f["dest_port"] or 0))
        mine[k] += 1
        packets[0] += f["pkts_toserver"] + f["pkts_toclient"]
        if f["tunnel"]:
            odd[k] = 1
    for f in NFStreamer(source=path, n_dissections=0).to_pandas().itertuples():
        ports = f.protocol in (6, 17, 132)
        k = key(f.protocol, (f.src_ip, f.src_port if ports else 0), (f.dst_ip, f.dst_port if ports else 0))
        theirs[k] += 1
        packets[1] += f.bidirectional_packets
    both = mine.keys() & theirs.keys()
    by = lambda ks: dict(collections.Counter(str(k[0]) for k in ks).most_common(6))
    only, lacking = mine.keys() - theirs.keys(), theirs.keys() - mine.keys()
    inner = [k for k in only if k in odd]
    print(json.dumps({
        "flows": [mine.total(), theirs.total()], "packets": packets, "keys": [len(mine), len(theirs)], "keys in both": len(both),
        "flows of those": [sum(mine[k] for k in both), sum(theirs[k] for k in both)],
        "keys only in tidegate": len(only), "of those in tunnels": len(inner), "by protocol": by(set(only) - set(inner)),
        "keys only in nfstream": len(lacking), "by protocol ": by(lacking),
    }))
"""


def run(code: str, capture: str) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as f:
        f.write(PRELUDE + code)
        f.flush()
        out = subprocess.run([sys.executable, f.name, capture], capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(out.stderr)
    said: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return said


def speed(capture: str) -> bool:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in RUNS}
    for _ in range(ROUNDS):
        for name in RUNS:
            found[name].append(run(RUNS[name], capture))
    for name, runs in found.items():
        seconds = st.median(r["seconds"] for r in runs)
        rest = ", ".join(f"{v:,} {k}" for k, v in runs[0].items() if k not in ("seconds", "mib"))
        print(f"{name:34} {seconds:8.3f} s  {max(r['mib'] for r in runs):6.0f} MiB  {rest}")
    good = True
    for fast, slow, least in RATIOS:
        ratios = [s["seconds"] / f["seconds"] for f, s in zip(found[fast], found[slow])]
        good &= st.median(ratios) >= least
        print(
            f"{fast} is {st.median(ratios):.1f} times as fast as {slow.partition(': ')[0]}'s {slow.partition(': ')[2]} "
            f"({min(ratios):.1f} to {max(ratios):.1f}{f'; to be {least}' if least else ''})"
        )
    return good


def differences(capture: str) -> bool:
    for name, value in run(DIFFERENCES, capture).items():
        print(f"{name.strip():24} {value}")
    return True


def longer(capture: Path, out: Path, times: int) -> None:
    """The packets of a classic capture again and again, each time later."""
    data = bytearray(capture.read_bytes())
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    stamp = struct.Struct(order + "I")
    places, at = [], 24
    while at + 16 <= len(data):
        places.append(at)
        at += 16 + stamp.unpack_from(data, at + 8)[0]
    seconds = [stamp.unpack_from(data, p)[0] for p in places]
    step = max(seconds) - min(seconds) + 3600
    with out.open("wb") as f:
        f.write(data[:24])
        for i in range(times):
            for p, s in zip(places, seconds):
                stamp.pack_into(data, p, s + i * step)
            f.write(memoryview(data)[24:at])


def memory(capture: str) -> bool:
    good = True
    with tempfile.TemporaryDirectory(dir=Path(capture).parent) as folder:
        # More than once: flows time out while others begin, and batches are full, as in the rest of a long capture.
        short, long = Path(folder) / "short.pcap", Path(folder) / "longer.pcap"
        longer(Path(capture), short, 10)
        longer(Path(capture), long, 100)
        for name, code in CONSTANT.items():
            one, ten = run(code, str(short)), run(code, str(long))
            # A tenth more is the spread of allocators and writers, not growth with the capture.
            good &= ten["mib"] <= one["mib"] * 1.1
            print(
                f"{name:34} {one['mib']:6.0f} MiB; ten times as long {ten['mib']:6.0f} MiB "
                f"({one['seconds']:.2f} s, {ten['seconds']:.2f} s)"
            )
    return good


def main() -> int:
    capture, parts = sys.argv[1], sys.argv[2:] or ["speed", "differences", "memory"]
    # Read once, so that all find it in memory.
    with open(capture, "rb") as f:
        while f.read(1 << 24):
            pass
    known = {"speed": speed, "differences": differences, "memory": memory}
    return 0 if all([known[part](capture) for part in parts]) else 1


if __name__ == "__main__":
    sys.exit(main())
