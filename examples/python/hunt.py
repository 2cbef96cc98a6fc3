"""Hunts in a capture with Polars: who talks to whom, beacons, odd names, and what the rules say.

    python hunt.py CAPTURE [RULES [CONFIG]]
"""

from __future__ import annotations

import sys

import polars as pl

import tidegate


def talkers(flows: pl.DataFrame) -> pl.DataFrame:
    """Pairs by bytes."""
    return (
        flows.group_by("src_ip", "dest_ip", "app_proto")
        .agg(
            flows=pl.len(),
            bytes=(pl.col("bytes_toserver") + pl.col("bytes_toclient")).sum(),
            packets=(pl.col("pkts_toserver") + pl.col("pkts_toclient")).sum(),
        )
        .sort("bytes", descending=True)
    )


def beacons(flows: pl.DataFrame, least: int = 4) -> pl.DataFrame:
    """Pairs whose flows begin at regular times: the deviation of the gaps is small against their mean."""
    gaps = pl.col("start").sort().diff().drop_nulls().dt.total_nanoseconds() / 1e9
    return (
        flows.group_by("src_ip", "dest_ip", "dest_port")
        .agg(flows=pl.len(), every_s=gaps.mean(), jitter=gaps.std() / gaps.mean())
        .filter(pl.col("flows") >= least, pl.col("jitter") < 0.3)
        .sort("jitter")
    )


def odd_names(dns: pl.DataFrame) -> pl.DataFrame:
    """Questions whose first label is long: data that leaves by DNS looks like that."""
    label = pl.col("rrname").str.split(".").list.first()
    return (
        dns.filter(pl.col("type") == "request", label.str.len_bytes() > 20)
        .group_by("src_ip", domain=pl.col("rrname").str.split(".").list.slice(1).list.join("."))
        .agg(questions=pl.len(), longest=label.str.len_bytes().max())
        .sort("questions", descending=True)
    )


def main() -> None:
    path, *more = sys.argv[1:]
    rules = tidegate.Rules(more[0], config=more[1] if len(more) > 1 else None) if more else None
    capture = tidegate.read(path, rules)
    flows = capture.flows.to_polars()
    for title, frame in (
        ("Talkers", talkers(flows)),
        ("Beacons", beacons(flows)),
        ("Odd names", odd_names(capture.dns.to_polars())),
        ("Alerts", capture.alerts.to_polars().group_by("sid", "signature").len().sort("sid")),
    ):
        print(f"{title}\n{frame.head(10)}\n")


if __name__ == "__main__":
    main()
