"""Tables: several captures, several in one pass, all protocols, the first rows, wide values."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import polars
import pytest

import tidegate
from support import DEMO_RULES
from test_events import packets_of, pcap


def udp(size: int = 10, sp: int = 1000) -> bytes:
    payload = b"x" * size
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, (28 + size) & 0xFFFF, 1, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return b"\2" * 12 + b"\x08\0" + ip + struct.pack(">HHHH", sp, 9999, (8 + size) & 0xFFFF, 0) + payload


def test_gaps_and_sizes_are_not_clipped() -> None:
    second = 10**9
    packets = [(second * (1_700_000_000 + at), udp(100)) for at in (0, 7, 27)]
    flows = tidegate.read(pcap(packets, nano=True), statistics=["first", "iat"], ignore_checksums=True).flows.to_polars()
    assert flows["first_iat_ns"].to_list() == [[0, 7 * second, 20 * second]]
    assert flows["first_iat_ns"].dtype == polars.List(polars.UInt64)
    # A frame as segmentation offload makes them: longer than 65,535 bytes.
    large = udp(1000) + bytes(70_000)
    long = bytearray(pcap([(second, large)]))
    long[16:20] = struct.pack("<I", 262_144)
    flows = tidegate.read(long, statistics=["first", "sizes"], ignore_checksums=True).flows.to_polars()
    assert flows["first_sizes"].to_list() == [[len(large)]] and flows["size_max"].to_list() == [len(large)]


def test_rows_say_which_capture_they_are_of(demo: Path, rules: tidegate.Rules, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.pcap" for n in "abc"]
    # Hours apart, so that flows are others.
    for i, p in enumerate(paths):
        p.write_bytes(pcap([(ts + i * 3600 * 10**9, frame) for ts, frame in packets_of(demo)]))
    capture = tidegate.read(paths, rules)
    single = tidegate.read(demo, rules)
    for name in ("flows", "alerts", "http", "dns", "files", "packets", "flow_packets"):
        t = getattr(capture, name).to_polars()
        assert t.columns[-1] == "capture" and t["capture"].null_count() == 0, name
        assert set(t["capture"]) == {str(p) for p in paths}, name
        assert "capture" not in getattr(single, name).columns
        assert getattr(capture, name).columns == t.columns
    packets = capture.packets.to_polars()
    assert packets["packet"].max() == 309
    assert packets.filter(polars.col("packet") == 104)["capture"].to_list()[0] == str(paths[1])
    flows = capture.flows.to_polars()
    want = [str(paths[(n - 1) // 103]) for n in flows["first_packet"]]
    assert flows["capture"].to_list() == want


def test_each_capture_for_itself(demo: Path, rules: tidegate.Rules, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.pcap" for n in "abc"]
    for p in paths:
        p.write_bytes(demo.read_bytes())
    alone = tidegate.read(demo, rules, statistics=True)
    each = tidegate.read(paths, rules, each=True, statistics=True)
    for name in ("flows", "alerts", "http", "packets"):
        want = getattr(alone, name).to_polars()
        got = getattr(each, name).to_polars()
        assert got["capture"].unique().len() == 3
        for path in paths:
            assert got.filter(polars.col("capture") == str(path)).drop("capture").equals(want), name
    events = [e for e in each if e.kind != "stats"]
    assert len(events) == 3 * len(list(alone)) and each.stats["decoder.pkts"] == 309
    assert {e.packet for e in events if e.packet} == {e.packet for e in alone if e.packet}
    stats = tidegate.read(paths, rules, each=True).write(tmp_path / "out")
    assert stats["decoder.pkts"] == 309


def test_several_tables_in_one_pass(demo: Path, rules: tidegate.Rules) -> None:
    capture = tidegate.read(demo, rules, statistics=True)
    names = list(tidegate.TABLES)
    tables = capture.tables(*names)
    assert list(tables) == names
    for name, table in tables.items():
        want = getattr(capture, name).to_arrow()
        assert table.to_arrow().equals(want) and table.to_arrow().equals(want), name
        assert len(table) == want.num_rows and table.columns == want.column_names == getattr(capture, name).columns
        assert {n: str(t) for n, t in zip(want.column_names, want.schema.types)}.keys() == table.types.keys()
    with pytest.raises(tidegate.ConfigError, match="no such table, only flows"):
        capture.tables("flow")
    with pytest.raises(tidegate.ConfigError, match="no table"):
        capture.tables()


def test_schemas_need_no_engine(demo: Path) -> None:
    capture = tidegate.read(demo, statistics=True, memory=1 << 30)
    repr(capture.flows)
    start = time.perf_counter()
    for _ in range(20):
        for name in tidegate.TABLES:
            repr(getattr(capture, name)), getattr(capture, name).types
    assert time.perf_counter() - start < 20 * len(tidegate.TABLES) * 0.002
    # Nothing is opened: a capture that is not there has columns, too.
    assert "sid" in tidegate.read("absent.pcap").alerts.columns


def test_first_rows_and_length(demo: Path) -> None:
    flows = tidegate.read(demo).flows
    whole = flows.to_arrow()
    for n in (0, 1, 7, 19, 1000):
        assert flows.head(n).to_arrow().equals(whole.slice(0, n)), n
    assert len(flows.head()) == 5 and len(flows) == 19 and len(list(flows)) == 19
    assert flows and not tidegate.read(demo).mdns and len(tidegate.read(demo).mdns) == 0
    many = pcap([(10**18 + i, udp(10, 1 + i % 60_000)) for i in range(60_000)])
    packets = tidegate.read(many, ignore_checksums=True).packets
    assert packets.head(3).to_arrow().num_rows == 3 and len(packets) == 60_000
    assert sum(b.num_rows for b in packets.batches()) == 60_000


def test_packets_with_flow_and_payload(demo: Path) -> None:
    capture = tidegate.read(demo)
    packets, flows = capture.flow_packets.to_polars(), capture.flows.to_polars()
    assert set(packets["flow_id"]) == set(flows["flow_id"])
    for flow in flows.iter_rows(named=True):
        mine = packets.filter(polars.col("flow_id") == flow["flow_id"])
        assert (mine["direction"] == "to_server").sum() == flow["pkts_toserver"]
        assert (mine["direction"] == "to_client").sum() == flow["pkts_toclient"]
    assert [len(p) for p in packets["payload"]] == packets["payload_size"].to_list()
    assert any(b"POST /v1" in p for p in packets["payload"])


def test_tables_of_all_protocols(tmp_path: Path) -> None:
    """A little FTP, SSH and mail, and a damaged packet."""
    captures = tidegate.read(conversations(), ignore_checksums=True)
    tables = captures.tables("ftp", "ssh", "smtp", "anomalies", "files")
    events = list(tidegate.read(conversations(), tidegate.Rules(config=everything(tmp_path)), ignore_checksums=True))
    for name in ("ftp", "ssh", "smtp"):
        mine = [e for e in events if e.kind == name]
        rows = tables[name].to_arrow()
        assert rows.num_rows == len(mine) > 0, name
        assert rows["flow_id"].to_pylist() == [e.flow_id for e in mine]
    ftp = tables["ftp"].to_arrow().to_pylist()
    assert {"command": "USER", "data": "anna"}.items() <= next(r for r in ftp if r["command"] == "USER").items()
    [ssh] = tables["ssh"].to_arrow().to_pylist()
    assert (ssh["client_software"], ssh["server_software"]) == ("Client_1", "Server_2")
    [mail] = [r for r in tables["smtp"].to_arrow().to_pylist() if r["mail_from"]]
    assert mail["mail_from"] == "<a@example.org>" and mail["rcpt_to"] == ["<b@example.org>"]
    assert mail["subject"] == "Hello" and mail["helo"] == "me"
    anomalies = [e for e in events if isinstance(e, tidegate.Anomaly)]
    assert tables["anomalies"].to_arrow()["event"].to_pylist() == [e.event for e in anomalies] and anomalies
    demo_files = tidegate.demo().files.to_arrow()
    of_events = [e for e in tidegate.demo() if isinstance(e, tidegate.File)]
    assert demo_files["filename"].to_pylist() == [e.filename for e in of_events] and of_events
    assert demo_files["sha256"].to_pylist() == [e.eve["fileinfo"].get("sha256") for e in of_events]


def everything(folder: Path) -> Path:
    path = folder / "all.yaml"
    types = "[alert, http, dns, tls, ssh, smtp, ftp, files, flow, {anomaly: {types: {decode: yes, stream: yes, applayer: yes}}}]"
    path.write_text(f"%YAML 1.1\n---\noutputs:\n  - eve-log: {{enabled: yes, filename: eve.json, types: {types}}}\n")
    return path


def tcp(sp: int, dp: int, back: bool, flags: int, seq: int, ack: int, data: bytes) -> bytes:
    a, b = b"\x0a\0\0\1", b"\x0a\0\0\2"
    ports = (dp, sp) if back else (sp, dp)
    head = struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, flags, 65535, 0, 0)
    ends = (b, a) if back else (a, b)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, *ends)
    return b"\2" * 12 + b"\x08\0" + ip + head + data


def talk(port: int, lines: list[tuple[bool, bytes]], start: int) -> list[tuple[int, bytes]]:
    sp, seqs, out = 40_000 + port, [1000, 5000], []
    for back, flags in ((False, 2), (True, 18), (False, 16)):
        out.append(tcp(sp, port, back, flags, seqs[back], seqs[not back] if flags != 2 else 0, b""))
        seqs[back] += flags != 16
    for back, data in lines:
        out.append(tcp(sp, port, back, 24, seqs[back], seqs[not back], data))
        seqs[back] += len(data)
        out.append(tcp(sp, port, not back, 16, seqs[not back], seqs[back], b""))
    for back in (False, True):
        out.append(tcp(sp, port, back, 17, seqs[back], seqs[not back], b""))
        seqs[back] += 1
    return [(start + i * 10**6, f) for i, f in enumerate(out)]


def conversations() -> bytes:
    s, c = True, False
    ftp = [(s, b"220 hi\r\n"), (c, b"USER anna\r\n"), (s, b"331 password\r\n"), (c, b"QUIT\r\n"), (s, b"221 bye\r\n")]
    ssh = [(s, b"SSH-2.0-Server_2\r\n"), (c, b"SSH-2.0-Client_1\r\n")]
    mail = [
        (s, b"220 mail\r\n"), (c, b"HELO me\r\n"), (s, b"250 ok\r\n"), (c, b"MAIL FROM:<a@example.org>\r\n"),
        (s, b"250 ok\r\n"), (c, b"RCPT TO:<b@example.org>\r\n"), (s, b"250 ok\r\n"), (c, b"DATA\r\n"), (s, b"354 go\r\n"),
        (c, b"From: a@example.org\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nText\r\n.\r\n"), (s, b"250 ok\r\n"),
        (c, b"QUIT\r\n"), (s, b"221 bye\r\n"),
    ]  # fmt: skip
    t = 1_700_000_000 * 10**9
    packets = talk(21, ftp, t) + talk(22, ssh, t + 10**9) + talk(25, mail, t + 2 * 10**9)
    return pcap([*packets, (t + 3 * 10**9, tcp(1, 2, False, 16, 1, 1, b"")[:30])])


def test_the_demo_comes_with_the_package(demo: Path) -> None:
    capture = tidegate.demo()
    assert capture.paths[0].read_bytes() == demo.read_bytes()
    data = capture.paths[0].parent
    assert (data / "ai-factory.rules").read_bytes() == DEMO_RULES.read_bytes()
    assert (data / "ai-factory.yaml").read_bytes() == (DEMO_RULES.parent.parent / "ai-factory.yaml").read_bytes()
    assert len(capture.alerts) == 6 and len(tidegate.demo(statistics=True, rules=None).flows) == 19


def test_services_and_telemetry_of_models(tmp_path: Path) -> None:
    """What calls add up to, of the demo: one model server, which answers a client outside."""
    tables = tidegate.demo().tables("services", "telemetry", "ai")
    services = tables["services"].to_arrow().to_pylist()
    last = services[-1]
    assert (last["address"], last["port"], last["told"]) == ("10.20.1.10", 8000, "end")
    assert last["calls"] == tables["ai"].to_arrow().num_rows and last["models"] == ["factory-70b"]
    assert last["exposed_to"] == "outside" and "without a credential" in last["proof"]
    assert services[0]["changed"][0] == "new"
    windows = tables["telemetry"].to_arrow().to_pylist()
    assert windows and all(w["state"] == "learning" and w["deviations"] == [] for w in windows)
    assert sum(w["calls"] for w in windows) <= last["calls"]
    # They are there whatever the configuration asks for.
    config = tmp_path / "none.yaml"
    config.write_text("%YAML 1.1\n---\noutputs: []\n")
    assert tidegate.demo(rules=tidegate.Rules(config=config)).services.to_arrow().num_rows == len(services)
