"""Events equal the command's: on captures made here, and on a hundred of the shared ones where those are."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from compare import chosen, compare
from support import DEMO_CONFIG, DEMO_RULES, ROOT

SHARED = Path(os.environ.get("TIDEGATE_SHARED", ROOT.parent / "shared"))

Packets = list[tuple[int, bytes]]


def packets_of(path: Path) -> Packets:
    """Nanoseconds and bytes of the packets of a little-endian capture with microseconds."""
    data = path.read_bytes()
    assert data[:4] == b"\xd4\xc3\xb2\xa1"
    out, at = [], 24
    while at < len(data):
        sec, micro, size, _ = struct.unpack_from("<IIII", data, at)
        out.append((sec * 10**9 + micro * 1000, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return out


def pcap(packets: Packets, order: str = "<", nano: bool = False) -> bytes:
    """A capture of another byte order or resolution."""
    magic, unit = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack(order + "IIII", ts // 10**9, ts % 10**9 // unit, len(p), len(p)) + p for ts, p in packets
    )


def pcapng(packets: Packets) -> bytes:
    """The newer format, with nanoseconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack("<HHI", 1, 0, 65535) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0))
    for ts, p in packets:
        out += block(6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, len(p), len(p)) + p)
    return out


def tagged(frame: bytes) -> bytes:
    """In a VLAN."""
    return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]


def test_events_equal_the_commands_on_captures_made_here(demo: Path, command: Path, tmp_path: Path) -> None:
    packets = packets_of(demo)
    made = {
        "again.pcap": pcap(packets),
        "big-endian.pcap": pcap(packets, ">"),
        "nanoseconds.pcap": pcap([(ts + 123, p) for ts, p in packets], nano=True),
        "newer.pcapng": pcapng(packets),
        "gaps.pcap": pcap([x for i, x in enumerate(packets) if i % 5 != 4]),
        "swapped.pcap": pcap([x for i in range(0, len(packets), 2) for x in reversed(packets[i : i + 2])]),
        "backwards.pcap": pcap(packets[::-1]),
        "cut.pcap": pcap([(ts, p[: 60 + i % 40]) for i, (ts, p) in enumerate(packets)]),
        "vlan.pcap": pcap([(ts, tagged(p)) for ts, p in packets]),
        "late.pcap": pcap([(ts + i * 40 * 10**9, p) for i, (ts, p) in enumerate(packets)]),
        "empty.pcap": pcap([]),
        "damaged.pcap": pcap(packets)[:-3],
    }
    captures = []
    for name, data in made.items():
        captures.append(tmp_path / name)
        captures[-1].write_bytes(data)
    result = compare(command, captures, DEMO_RULES, DEMO_CONFIG, tmp_path / "compared")
    print(result)
    assert not result.different and result.events > 500 and result.alerts > 20, str(result)


@pytest.mark.skipif(not (SHARED / "expected").exists(), reason="the shared captures are not beside the checkout")
def test_events_equal_the_commands_on_100_captures(command: Path, tmp_path: Path) -> None:
    rules = SHARED / "rules/et-open/et-open.rules"
    result = compare(command, chosen(SHARED, 100), rules, None, tmp_path)
    print(result)
    assert result.captures == 100 and not result.different and result.alerts > 500, str(result)
