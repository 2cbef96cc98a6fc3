"""Captures: events are those of the command; tables agree with events and with each other."""

from __future__ import annotations

import json
import struct
import threading
import warnings
from collections import Counter
from pathlib import Path

import polars
import pyarrow
import pyarrow.parquet
import pytest

import tidegate
from support import DEMO_CONFIG, DEMO_RULES, run


def command_events(command: Path, capture: Path, out: Path, *options: object) -> list[dict[str, object]]:
    done = run(command, "run", "-q", "-r", capture, "-l", out, *options)
    assert done.returncode == 0, done.stderr
    lines = (out / "eve.json").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["event_type"] != "stats"]


def test_events_equal_the_commands(demo: Path, rules: tidegate.Rules, command: Path, tmp_path: Path) -> None:
    want = command_events(command, demo, tmp_path, "-S", DEMO_RULES, "-c", DEMO_CONFIG)
    got = [e.eve for e in tidegate.read(demo, rules)]
    assert got == want
    assert Counter(e["event_type"] for e in want)["alert"] == 6


def test_written_files_equal_the_commands(
    demo: Path, rules: tidegate.Rules, command: Path, tmp_path: Path
) -> None:
    want = command_events(command, demo, tmp_path / "a", "-S", DEMO_RULES, "-c", DEMO_CONFIG)
    stats = tidegate.read(demo, rules).write(tmp_path / "b")
    lines = (tmp_path / "b/eve.json").read_text().splitlines()
    assert [e for e in map(json.loads, lines) if e["event_type"] != "stats"] == want
    assert stats["decoder.pkts"] == 103


def test_folders_are_read_in_order_and_events_name_their_capture(
    demo: Path, command: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in ("a.pcap", "b.pcap"):
        (folder / name).write_bytes(demo.read_bytes())
    want = command_events(command, folder, tmp_path / "out")
    got = [e.eve for e in tidegate.read(folder)]
    assert got == want
    assert {Path(str(e["pcap_filename"])).name for e in got} == {"a.pcap", "b.pcap"}


def test_tables_agree_with_events(demo: Path, rules: tidegate.Rules) -> None:
    capture = tidegate.read(demo, rules)
    events = list(capture)
    for name in ("alerts", "http", "dns", "tls", "flows"):
        kind = {"alerts": "alert", "flows": "flow"}.get(name, name)
        table = getattr(capture, name).to_arrow()
        mine = [e for e in events if e.kind == kind]
        assert table.num_rows == len(mine), name
        assert table["flow_id"].to_pylist() == [e.flow_id for e in mine], name
        assert table["src_ip"].to_pylist() == [e.src_ip for e in mine], name
        assert table["dest_port"].to_pylist() == [e.dest_port for e in mine], name
        assert table["proto"].to_pylist() == [e.proto for e in mine], name
    alerts = capture.alerts.to_arrow()
    assert alerts["sid"].to_pylist() == [e.sid for e in events if isinstance(e, tidegate.Alert)]
    assert alerts["signature"].to_pylist() == [e.signature for e in events if isinstance(e, tidegate.Alert)]
    http = capture.http.to_arrow()
    of_http = [e for e in events if isinstance(e, tidegate.Http)]
    assert http["url"].to_pylist() == [e.url for e in of_http]
    assert http["status"].to_pylist() == [e.status for e in of_http]
    dns = capture.dns.to_arrow()
    of_dns = [e for e in events if isinstance(e, tidegate.Dns)]
    assert dns["rrname"].to_pylist() == [e.names[0] for e in of_dns]
    assert dns["answers"].to_pylist() == [[a["rdata"] for a in e.answers] for e in of_dns]


def test_flow_rows_are_the_flow_events(demo: Path) -> None:
    capture = tidegate.read(demo)
    flows = capture.flows.to_arrow().to_pylist()
    for row, event in zip(flows, (e for e in capture if isinstance(e, tidegate.Flow)), strict=True):
        assert (row["pkts_toserver"], row["pkts_toclient"]) == event.packets
        assert (row["bytes_toserver"], row["bytes_toclient"]) == event.bytes
        assert row["state"] == event.state and row["app_proto"] == event.app_proto


def test_flows_by_headers_alone_are_the_same_flows(demo: Path) -> None:
    of_all = tidegate.read(demo, statistics=True).flows.to_polars()
    plain = tidegate.read(demo, statistics=True, protocols=False)
    of_headers = plain.flows.to_polars()
    assert set(of_all["app_proto"]) > {"http", "dns"} and set(of_headers["app_proto"]) == {None}
    of_records = ["app_proto", *tidegate.STATISTICS["names"][1]]
    assert of_headers.drop(of_records).sort("first_packet").equals(of_all.drop(of_records).sort("first_packet"))
    assert plain.http.to_arrow().num_rows == 0 and not [e for e in plain if e.kind in ("http", "dns", "tls")]


def test_statistics_follow_from_packets(demo: Path) -> None:
    capture = tidegate.read(demo, statistics=True, first=5)
    flows = capture.flows.to_polars()
    assert set(tidegate.STATISTICS["sizes"][1]) <= set(flows.columns)
    packets = capture.packets.to_polars().filter(polars.col("tunnel") == 0)
    for row in flows.filter(polars.col("tunnel") == 0).iter_rows(named=True):
        mine = packets.filter(
            (
                (polars.col("src_ip") == row["src_ip"])
                & (polars.col("dest_ip") == row["dest_ip"])
                & (polars.col("src_port") == row["src_port"])
                & (polars.col("dest_port") == row["dest_port"])
            )
            | (
                (polars.col("src_ip") == row["dest_ip"])
                & (polars.col("dest_ip") == row["src_ip"])
                & (polars.col("src_port") == row["dest_port"])
                & (polars.col("dest_port") == row["src_port"])
            )
        )
        if mine.height != row["pkts_toserver"] + row["pkts_toclient"]:
            continue  # The ports were used twice.
        sizes = mine["size"]
        assert (row["size_min"], row["size_max"]) == (sizes.min(), sizes.max())
        assert row["size_mean"] == pytest.approx(sizes.mean())
        if mine.height > 1:
            assert row["size_std"] == pytest.approx(sizes.std())
            gaps = mine["timestamp"].diff().drop_nulls().dt.total_nanoseconds()
            assert (row["iat_min_ns"], row["iat_max_ns"]) == (gaps.min(), gaps.max())
            assert row["iat_mean_ns"] == pytest.approx(gaps.mean())
        assert row["first_sizes"] == sizes.head(5).to_list()
        there = (mine["src_ip"] == row["src_ip"]) & (mine["src_port"] == row["src_port"])
        assert row["first_directions"] == [1 if x else -1 for x in there.head(5)]
        assert row["payload_bytes_toserver"] == mine.filter(there)["payload_size"].sum()
        if row["proto"] == "TCP":
            flags = mine.filter(there)["tcp_flags"]
            assert row["syn_toserver"] == (flags & 2).cast(bool).sum()
            assert row["ack_toserver"] == (flags & 16).cast(bool).sum()
        for side in ("entropy_toserver", "entropy_toclient"):
            assert row[side] is None or 0 <= row[side] <= 8


def test_batches_and_statistics_stay_in_step(tmp_path: Path) -> None:
    """More flows than a batch has rows, each with its own sizes and number of packets."""

    def frame(flow: int, size: int) -> bytes:
        payload = bytes([flow & 0xFF]) * size
        udp = struct.pack(">HHHH", 1024 + flow, 9999, 8 + size, 0) + payload
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        return b"\2" * 6 + b"\4" * 6 + b"\x08\0" + ip + udp

    flows = 15_000
    capture = tmp_path / "many.pcap"
    with capture.open("wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(flows):
            for k in range(1 + i % 3):
                data = frame(i, i % 400 + k)
                f.write(struct.pack("<IIII", 1000 + i // 1000, i % 1000 * 1000 + k, len(data), len(data)) + data)
    read = tidegate.read(capture, statistics=True, ignore_checksums=True, first=2)
    batches = list(read.flows.batches())
    assert len(batches) > 1 and sum(b.num_rows for b in batches) == flows
    seen = set()
    for row in (r for b in batches for r in b.to_pylist()):
        i = row["src_port"] - 1024
        seen.add(i)
        sizes = [42 + i % 400 + k for k in range(1 + i % 3)]
        assert row["pkts_toserver"] == len(sizes) == row["payload_pkts_toserver"] + (i % 400 == 0)
        assert (row["size_min"], row["size_max"], row["size_max_toclient"]) == (sizes[0], sizes[-1], None)
        assert row["size_mean"] == pytest.approx(sum(sizes) / len(sizes))
        assert row["iat_max_ns"] == (1000 if len(sizes) > 1 else None)
        assert row["first_sizes"] == sizes[:2]
        assert row["payload_bytes_toserver"] == sum(s - 42 for s in sizes)
        assert row["entropy_toserver"] == (0 if sum(s - 42 for s in sizes) else None)
    assert len(seen) == flows


def test_readers_of_arrow(demo: Path, tmp_path: Path) -> None:
    table = tidegate.read(demo).flows
    arrow = pyarrow.table(table)
    assert arrow.equals(table.to_arrow())
    assert polars.DataFrame(table).equals(table.to_polars())
    frame = table.to_pandas()
    assert len(frame) == arrow.num_rows and str(frame["start"].dtype).startswith("datetime64[ns, UTC")
    assert table.to_parquet(tmp_path / "flows.parquet") == arrow.num_rows
    assert pyarrow.parquet.read_table(tmp_path / "flows.parquet").equals(arrow)
    assert [r["flow_id"] for r in table] == arrow["flow_id"].to_pylist()
    duckdb = pytest.importorskip("duckdb")
    reader = pyarrow.RecordBatchReader.from_stream(table)
    assert duckdb.sql("select count(*) from reader").fetchall() == [(arrow.num_rows,)]


def test_a_filter_leaves_packets_out(demo: Path) -> None:
    packets = tidegate.read(demo, filter="udp").packets.to_polars()
    assert set(packets.filter(polars.col("tunnel") == 0)["proto"]) == {"UDP"}
    with pytest.raises(tidegate.ConfigError):
        list(tidegate.read(demo, filter="udp and and"))


def test_damage_is_told_and_what_was_before_it_counts(demo: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(demo.read_bytes()[:-5])
    with pytest.warns(tidegate.TidegateWarning, match="truncated"):
        events = list(tidegate.read(cut))
    assert len(events) > 50
    with pytest.warns(tidegate.TidegateWarning, match="truncated"):
        assert tidegate.read(cut).packets.to_arrow().num_rows >= 102
    (tmp_path / "no.pcap").write_bytes(b"no capture at all")
    for reading in (list, lambda c: c.flows.to_arrow(), lambda c: list(c.flows.batches())):
        with pytest.raises(tidegate.CaptureError, match="not a pcap"):
            reading(tidegate.read(tmp_path / "no.pcap"))
    with pytest.raises(tidegate.TidegateError) as e:
        list(tidegate.read(tmp_path / "absent.pcap"))
    assert isinstance(e.value, OSError) and e.value.filename.endswith("absent.pcap") and e.value.errno == 2


def test_unknown_statistics_are_refused(demo: Path) -> None:
    with pytest.raises(tidegate.ConfigError, match="sizes"):
        tidegate.read(demo, statistics="sices").flows.to_arrow()


def test_threads_share_rules_and_captures(demo: Path, rules: tidegate.Rules) -> None:
    want = [e.line for e in tidegate.read(demo, rules)]
    got: list[list[str]] = []

    def work() -> None:
        for _ in range(5):
            got.append([e.line for e in tidegate.read(demo, rules)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 20 and all(g == want for g in got)


def test_shown_in_a_notebook(demo: Path, rules: tidegate.Rules) -> None:
    capture = tidegate.read(demo, rules)
    event = next(iter(capture))
    for thing in (capture, capture.flows, rules, event):
        assert "<" in thing._repr_html_() and repr(thing).startswith("<")


def test_a_progress_bar_if_wanted(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm's own, without a notebook
        list(tidegate.read(demo, progress=True))
    assert "events" in capsys.readouterr().err
