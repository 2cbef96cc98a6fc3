"""Pictures of a capture: traffic over time, talkers, alerts over time.

    python plots.py CAPTURE FOLDER RULES [CONFIG]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import polars as pl

import tidegate


def main() -> None:
    path, folder = sys.argv[1], Path(sys.argv[2])
    rules = tidegate.Rules(sys.argv[3], config=sys.argv[4] if len(sys.argv) > 4 else None)
    folder.mkdir(parents=True, exist_ok=True)
    capture = tidegate.read(path, rules)

    packets = capture.packets.to_polars().filter(pl.col("tunnel") == 0)
    per_second = (
        packets.group_by(pl.col("timestamp").dt.truncate("1s")).agg(bytes=pl.col("size").sum()).sort("timestamp")
    )
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.plot(per_second["timestamp"].to_list(), per_second["bytes"].to_list(), drawstyle="steps-post")
    axes.set_ylabel("bytes a second")
    axes.set_title("Traffic over time")
    figure.savefig(folder / "traffic.png", dpi=120)

    flows = capture.flows.to_polars()
    top = (
        flows.group_by("src_ip")
        .agg(bytes=(pl.col("bytes_toserver") + pl.col("bytes_toclient")).sum())
        .sort("bytes", descending=True)
        .head(10)
        .reverse()
    )
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.barh(top["src_ip"].to_list(), top["bytes"].to_list())
    axes.set_xlabel("bytes of its flows")
    axes.set_title("Talkers")
    figure.savefig(folder / "talkers.png", dpi=120)

    alerts = capture.alerts.to_polars()
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.scatter(alerts["timestamp"].to_list(), alerts["signature"].to_list(), c=alerts["severity"].to_list())
    axes.set_title("Alerts")
    figure.savefig(folder / "alerts.png", dpi=120)


if __name__ == "__main__":
    main()
