"""Flow extraction against nfstream, iterating against dpkt, memory on a longer capture, reading against the command.

    python flows.py CAPTURE COMMAND [RULES]

Every measurement is a process of its own, run in turn; the figures are medians of the processes' own times (importing
and compiling of rules left out) and peak memory as the kernel counts it.
"""

from __future__ import annotations

import json
import statistics as st
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 3

PRELUDE = """
import json, resource, sys, time
def done(start, **said):
    took = time.perf_counter() - start
    peak = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": took, "mib": peak / 1024, **said}))
path = sys.argv[1]
"""

RUNS = {
    "tidegate flows to Polars": """
import polars, tidegate
start = time.perf_counter()
frame = tidegate.read(path, progress=False).flows.to_polars()
done(start, flows=frame.height)
""",
    "tidegate flows with statistics": """
import polars, tidegate
start = time.perf_counter()
frame = tidegate.read(path, statistics=["sizes", "iat", "flags"], progress=False).flows.to_polars()
done(start, flows=frame.height)
""",
    "nfstream to pandas": """
from nfstream import NFStreamer
if __name__ == "__main__":
    start = time.perf_counter()
    frame = NFStreamer(source=path, n_dissections=0, statistical_analysis=False).to_pandas()
    done(start, flows=len(frame))
""",
    "nfstream with statistics": """
from nfstream import NFStreamer
if __name__ == "__main__":
    start = time.perf_counter()
    frame = NFStreamer(source=path, n_dissections=0, statistical_analysis=True).to_pandas()
    done(start, flows=len(frame))
""",
    "dpkt iterating": """
import dpkt
start = time.perf_counter()
n = 0
with open(path, "rb") as f:
    for ts, data in dpkt.pcap.Reader(f):
        n += 1
done(start, packets=n)
""",
    "dpkt iterating, Ethernet decoded": """
import dpkt
start = time.perf_counter()
n = 0
with open(path, "rb") as f:
    for ts, data in dpkt.pcap.Reader(f):
        dpkt.ethernet.Ethernet(data)
        n += 1
done(start, packets=n)
""",
    "tidegate events iterated": """
import tidegate
start = time.perf_counter()
n = sum(1 for _ in tidegate.read(path, progress=False))
done(start, events=n)
""",
    "tidegate packets to Parquet": """
import tidegate, tempfile
start = time.perf_counter()
with tempfile.NamedTemporaryFile(suffix=".parquet") as f:
    n = tidegate.read(path, progress=False).packets.to_parquet(f.name)
done(start, packets=n)
""",
    "tidegate flows to Parquet": """
import tidegate, tempfile
start = time.perf_counter()
with tempfile.NamedTemporaryFile(suffix=".parquet") as f:
    n = tidegate.read(path, progress=False, statistics=True).flows.to_parquet(f.name)
done(start, flows=n)
""",
}


def run(code: str, capture: str) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as f:
        f.write(PRELUDE + code)
        f.flush()
        out = subprocess.run([sys.executable, f.name, capture], capture_output=True, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


def main() -> None:
    capture = sys.argv[1]
    only = sys.argv[2].split(",") if len(sys.argv) > 2 else None
    names = [n for n in RUNS if only is None or any(n.startswith(o) for o in only)]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    Path(capture).read_bytes()  # into memory
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(run(RUNS[name], capture))
    for name, runs in found.items():
        seconds = st.median(r["seconds"] for r in runs)
        rest = {k: v for k, v in runs[0].items() if k not in ("seconds", "mib")}
        print(f"{name:36} {seconds:8.3f} s  {max(r['mib'] for r in runs):7.0f} MiB  {rest}")


if __name__ == "__main__":
    main()
