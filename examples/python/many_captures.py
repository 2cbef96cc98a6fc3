"""Many captures on many machines with Ray: each task reads one capture in constant memory and leaves a Parquet file
of its flows; the head only sees their names and sums.

    python many_captures.py FOLDER-OF-CAPTURES OUT
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import polars as pl
import ray

import tidegate


@ray.remote(num_cpus=1)
def flows_of(capture: str, out: str) -> dict[str, object]:
    """Reads a capture; what comes back is small."""
    path = Path(out) / (Path(capture).name + ".parquet")
    rows = tidegate.read(capture, memory=64 << 20, progress=False).flows.to_parquet(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"capture": capture, "flows": rows, "file": str(path), "peak_mib": peak >> 10}


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    # `ray.init(address="auto")` joins a cluster; without, a local one is started.
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    tasks = [flows_of.remote(str(p), str(out)) for p in sorted(folder.iterdir()) if p.is_file()]
    for done in ray.get(tasks):
        print(f"{done['flows']:>8} flows  {done['peak_mib']:>5} MiB  {done['capture']}")
    top = (
        pl.scan_parquet(out / "*.parquet")
        .group_by("app_proto")
        .agg(flows=pl.len(), bytes=(pl.col("bytes_toserver") + pl.col("bytes_toclient")).sum())
        .sort("bytes", descending=True)
        .collect()
    )
    print(top)
    ray.shutdown()


if __name__ == "__main__":
    main()
