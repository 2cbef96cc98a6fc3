"""Features of flows, against plain counting over the packets of each flow."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import polars
import pytest

import tidegate
from test_events import pcap
from test_tables import conversations, talk, udp

SECOND = 10**9


def four(values: list[int]) -> tuple[float, ...]:
    if not values:
        return (0, 0, 0, 0)
    return min(values), statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, max(values)


def naive(packets: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    times = [p["ns"] for p in packets]
    gaps = [b - a for a, b in zip(times, times[1:])]
    out["subflows"] = 1 + sum(g > SECOND for g in gaps)
    active, idle, since = [], [], times[0]
    for before, now in zip(times, times[1:]):
        if now - before > 5 * SECOND:
            active.append(before - since)
            idle.append(now - before)
            since = now
    if times[-1] > since:
        active.append(times[-1] - since)
    out["active"], out["idle"] = four(active), four(idle)
    out["payload"] = four([len(p["payload"]) for p in packets])
    for end, way in (("_toserver", "to_server"), ("_toclient", "to_client")):
        mine = [p for p in packets if p["direction"] == way]
        out["payload" + end] = four([len(p["payload"]) for p in mine])
        out["seen" + end] = (mine[0]["ns"], mine[-1]["ns"]) if mine else None
        # Runs of packets with payload, cut by silence and by payload of the other direction.
        runs: list[list[dict[str, Any]]] = []
        other = False
        for p in (p for p in packets if p["payload"]):
            if p["direction"] != way:
                other = True
                continue
            if not runs or other or p["ns"] - runs[-1][-1]["ns"] > SECOND:
                runs.append([])
            runs[-1].append(p)
            other = False
        bulks = [r for r in runs if len(r) >= 4]
        out["bulk" + end] = (
            len(bulks),
            sum(map(len, bulks)),
            sum(len(p["payload"]) for r in bulks for p in r),
            sum(r[-1]["ns"] - r[0]["ns"] for r in bulks),
        )
    return out


def bursts() -> bytes:
    """Silence of many lengths, bulks, answers between."""
    out, t = [], 1_700_000_000 * SECOND
    for i, gap in enumerate((0, 1, 1, 1, 1, 12, 1, 1, 20, 1, 1, 1, 1, 1, 15, 30, 1, 1, 62, 10, 10)):
        t += gap * SECOND // 10
        out.append((t, udp(10 + 7 * i)))
    return pcap([*out, *talk(80, [(i % 7 == 6, bytes([65]) * (i + 1)) for i in range(40)], t)], nano=True)


@pytest.mark.parametrize("source", ["demo", "conversations", "bursts"])
def test_features_are_what_plain_counting_says(demo: Path, source: str) -> None:
    data = {"demo": demo.read_bytes(), "conversations": conversations(), "bursts": bursts()}[source]
    capture = tidegate.read(data, statistics=True, ignore_checksums=True)
    tables = capture.tables("flows", "flow_packets")
    packets = tables["flow_packets"].to_polars().with_columns(ns=polars.col("timestamp").cast(polars.Int64))
    flows = tables["flows"].to_polars().with_columns(polars.col(polars.Datetime("ns", "UTC")).cast(polars.Int64))
    for f in flows.iter_rows(named=True):
        mine = packets.filter(polars.col("flow_id") == f["flow_id"])
        want = naive(list(mine.iter_rows(named=True)))
        got4 = lambda base, end="": tuple(f[f"{base}_{w}{end}"] or 0 for w in ("min", "mean", "std", "max"))  # noqa: E731
        assert f["subflows"] == want["subflows"]
        for base in ("active", "idle"):
            assert tuple(f[f"{base}_{w}_ns"] or 0 for w in ("min", "mean", "std", "max")) == pytest.approx(want[base]), base
        assert got4("payload_size") == pytest.approx(want["payload"])
        for end in ("_toserver", "_toclient"):
            assert got4("payload_size", end) == pytest.approx(want["payload" + end])
            assert tuple(f[f"bulk_{w}{end}"] for w in ("count", "pkts", "bytes", "ns")) == want["bulk" + end]
            assert (f["first" + end], f["last" + end]) == (want["seen" + end] or (None, None))
            size = {"UDP": 8, "TCP": 20}.get(f["proto"])
            pkts = f["pkts" + end]
            if size == 8 and pkts:
                assert (f["header_bytes" + end], f["header_min" + end]) == (8 * pkts, 8)
            elif size and pkts:
                assert f["header_bytes" + end] >= 20 * pkts and f["header_min" + end] >= 20
        first = mine.filter(polars.col("direction") == "to_server").head(1)
        if first.height and not f["tunnel"]:
            assert (f["src_mac"], f["dest_mac"]) == (first["src_mac"][0], first["dest_mac"][0])
        assert f["ip_version"] == (6 if ":" in f["src_ip"] else 4)
    if source == "bursts":
        assert flows["bulk_count_toserver"].sum() > 2 and flows["subflows"].max() > 5 and flows["idle_max_ns"].max()


def test_names_come_from_records(demo: Path) -> None:
    capture = tidegate.read(demo, statistics="names")
    flows = capture.flows.to_polars()
    for event in capture:
        if event.kind == "http":
            row = flows.filter(polars.col("flow_id") == event.flow_id)
            assert row["server_name"][0] and row["user_agent"].to_list().count(None) in (0, 1)
        if event.kind == "dns":
            assert flows.filter(polars.col("flow_id") == event.flow_id)["server_name"][0] is not None
    agents = {e.user_agent for e in capture if e.kind == "http" and e.user_agent}
    assert set(flows["user_agent"].drop_nulls()) == agents and agents
    ssh = tidegate.read(conversations(), statistics="names", ignore_checksums=True)
    assert len(ssh.flows) == 3


# The columns of nfstream 6.5 with statistics, early packets and nDPI, and the package's README says which are not there.
NFSTREAM = [
    "id", "expiration_id", "src_ip", "src_mac", "src_oui", "src_port", "dst_ip", "dst_mac", "dst_oui", "dst_port", "protocol",
    "ip_version", "vlan_id", "tunnel_id", "splt_direction", "splt_ps", "splt_piat_ms", "application_name",
    "application_category_name", "application_is_guessed", "application_confidence", "requested_server_name",
    "client_fingerprint", "server_fingerprint", "user_agent", "content_type", "system_process_pid", "system_process_name",
]  # fmt: skip
NFSTREAM += [
    f"{way}_{what}"
    for way in ("bidirectional", "src2dst", "dst2src")
    for what in (
        "first_seen_ms", "last_seen_ms", "duration_ms", "packets", "bytes",
        "min_ps", "mean_ps", "stddev_ps", "max_ps", "min_piat_ms", "mean_piat_ms", "stddev_piat_ms", "max_piat_ms",
        *(f"{f}_packets" for f in ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")),
    )
]  # fmt: skip
LACKING = {
    "expiration_id", "application_category_name", "application_is_guessed", "application_confidence", "system_process_pid",
    "system_process_name",
}  # fmt: skip


def test_every_column_of_nfstream_is_there_or_named(demo: Path) -> None:
    table = tidegate.read(demo).features("nfstream")
    assert set(table.column_names) == set(NFSTREAM) - LACKING
    n = polars.from_arrow(table)
    assert isinstance(n, polars.DataFrame)
    assert (n["src_oui"] == n["src_mac"].str.slice(0, 8)).all() and (n["dst_oui"].str.len_chars() == 8).all()
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in LACKING)


def test_names_of_other_extractors(demo: Path) -> None:
    capture = tidegate.read(demo)
    flows = capture.flows.to_polars()
    n = polars.from_arrow(capture.features("nfstream"))
    c = polars.from_arrow(capture.features("cicflowmeter"))
    assert isinstance(n, polars.DataFrame) and isinstance(c, polars.DataFrame)
    assert n.height == c.height == 19
    assert (n["bidirectional_packets"] == flows["pkts_toserver"] + flows["pkts_toclient"]).all()
    assert (n["dst2src_bytes"] == flows["bytes_toclient"]).all()
    assert (c["Flow Duration"] == flows["duration_ns"] // 1000).all()
    assert set(n["protocol"]) == {6, 17} == set(c["Protocol"])
    for name in (
        "src_mac", "ip_version", "src2dst_first_seen_ms", "dst2src_last_seen_ms", "bidirectional_stddev_piat_ms",
        "src2dst_syn_packets", "splt_piat_ms", "requested_server_name", "client_fingerprint", "user_agent",
    ):  # fmt: skip
        assert name in n.columns, name
    for name in (
        "Flow ID", "Fwd Header Len", "Active Mean", "Idle Min", "Fwd Byts/b Avg", "Bwd Blk Rate Avg", "Subflow Fwd Pkts",
        "Fwd Seg Size Avg", "Fwd Seg Size Min", "Pkt Len Var", "Fwd Act Data Pkts", "CWE Flag Count", "Init Bwd Win Byts",
    ):  # fmt: skip
        assert name in c.columns, name
    assert len(c.columns) >= 80 and c["Flow Pkts/s"].is_finite().all()
    with pytest.raises(tidegate.ConfigError, match="nfstream, cicflowmeter"):
        capture.features("zeek")  # type: ignore[arg-type]
    assert tidegate.read(pcap([])).features("nfstream").num_rows == 0
