"""Engines: packets in hand, verdicts, events, threads; decoding; interfaces."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Iterable

import numpy
import pytest

import tidegate
from support import DNS_FRAME

BLOCK_DNS = 'drop udp any any -> any 53 (msg:"no dns"; sid:1;)'


def frames_of(capture: Path) -> tuple[list[bytes], list[int]]:
    dpkt = pytest.importorskip("dpkt")
    with capture.open("rb") as f:
        pairs = [(data, int(round(float(ts) * 1e6)) * 1000) for ts, data in dpkt.pcap.Reader(f)]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def test_packets_in_hand_give_the_events_of_the_capture(demo: Path, rules: tidegate.Rules) -> None:
    frames, times = frames_of(demo)
    # The hash tables of engines have secrets, and numbers of flows come from them.
    def lines(events: Iterable[tidegate.Event]) -> list[str]:
        seen: dict[str, str] = {}
        return [re.sub(r'"flow_id":(\d+)', lambda m: seen.setdefault(m[1], f"flow {len(seen)}"), e.line) for e in events]

    want = lines(tidegate.read(demo, rules))
    for size in (1, 7, 103):
        engine = tidegate.Engine(rules)
        for i in range(0, len(frames), size):
            verdicts = engine.process(frames[i : i + size], times[i : i + size])
            assert verdicts == [tidegate.Verdict.FORWARD] * len(frames[i : i + size])
        engine.finish()
        assert lines(engine.events()) == want
    assert engine.stats["decoder.pkts"] == len(frames)


def test_frames_of_every_kind() -> None:
    engine = tidegate.Engine(tidegate.Rules(text=BLOCK_DNS), inline=True)
    array = numpy.frombuffer(DNS_FRAME, dtype=numpy.uint8)
    kinds = [DNS_FRAME, bytearray(DNS_FRAME), memoryview(DNS_FRAME), array]
    assert engine.process(kinds) == [tidegate.Verdict.DROP] * len(kinds)
    assert [e.kind for e in engine.events()].count("alert") >= 1
    for wrong in ("text", 7):
        with pytest.raises(TypeError):
            engine.process([wrong])
    with pytest.raises(ValueError, match="times"):
        engine.process([DNS_FRAME], [1, 2])


def test_packets_of_scapy() -> None:
    scapy = pytest.importorskip("scapy.all")
    packet = scapy.Ether() / scapy.IP(dst="8.8.8.8") / scapy.UDP(dport=53) / scapy.DNS(qd=scapy.DNSQR(qname="x.org"))
    packet.time = 1_700_000_000.5
    engine = tidegate.Engine(tidegate.Rules(text=BLOCK_DNS), inline=True)
    assert engine.process([packet]) == [tidegate.Verdict.DROP]
    alert = next(e for e in engine.events() if e.kind == "alert")
    assert alert.timestamp.timestamp() == 1_700_000_000.5


def test_rules_change_and_flows_are_blocked() -> None:
    engine = tidegate.Engine(inline=True)
    assert engine.process([DNS_FRAME], 10**18) == [tidegate.Verdict.FORWARD]
    engine.swap_rules(tidegate.Rules(text=BLOCK_DNS))
    assert engine.process([DNS_FRAME], 10**18 + 1) == [tidegate.Verdict.DROP]
    engine.swap_rules(None)
    flow = next(e.flow_id for e in engine.events() if e.flow_id)
    assert engine.block_flow(flow) and not engine.block_flow(12345)
    assert engine.process([DNS_FRAME], 10**18 + 2) == [tidegate.Verdict.DROP]
    with pytest.raises(tidegate.ConfigError, match="inline"):
        tidegate.Engine().block_flow(1)


def test_what_is_blocked_is_dropped_until_its_time_is_over() -> None:
    engine = tidegate.Engine(inline=True)
    at = 10**18
    assert engine.process([DNS_FRAME], at) == [tidegate.Verdict.FORWARD]
    assert engine.set_blocks([("network", "0.0.0.0/0", at + 5 * 10**9)]) == []
    assert engine.process([DNS_FRAME], at + 1) == [tidegate.Verdict.DROP]
    assert [e.kind for e in engine.events()].count("response") == 1
    assert engine.process([DNS_FRAME], at + 5 * 10**9) == [tidegate.Verdict.FORWARD]
    refused = engine.set_blocks([("network", "0.0.0.0/0", at * 2)], never={"addresses": ["192.0.2.1"]})
    assert refused == [(0, "192.0.2.1 may never be blocked")]
    assert engine.process([DNS_FRAME], at + 5 * 10**9 + 1) == [tidegate.Verdict.FORWARD]
    for wrong in ([("host", "everybody", at)], [("hosts", "10.0.0.1", at)]):
        with pytest.raises(tidegate.ConfigError):
            engine.set_blocks(wrong)
    with pytest.raises(tidegate.ConfigError, match="inline"):
        tidegate.Engine().set_blocks([])


def test_events_go_to_a_callback() -> None:
    seen: list[tidegate.Event] = []
    engine = tidegate.Engine(tidegate.Rules(text=BLOCK_DNS), on_event=seen.append)
    engine.process([DNS_FRAME], 10**18)
    # One clock far ahead is not believed, three are.
    for i in range(3):
        engine.tick(10**18 + 10**12 + i)
    assert {"alert", "flow"} <= {e.kind for e in seen}


def test_threads_wait_for_each_other() -> None:
    engine = tidegate.Engine()
    work = [threading.Thread(target=lambda: [engine.process([DNS_FRAME] * 50) for _ in range(50)]) for _ in range(4)]
    for t in work:
        t.start()
    for t in work:
        t.join()
    assert engine.stats["decoder.pkts"] == 4 * 50 * 50


def test_the_interpreter_is_free_meanwhile(demo: Path) -> None:
    frames, times = frames_of(demo)
    many, stamps = frames * 400, [times[0]] * (len(frames) * 400)
    engine = tidegate.Engine()
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    t = threading.Thread(target=count)
    t.start()
    start = time.monotonic()
    engine.process(many, stamps)
    took = time.monotonic() - start
    done.set()
    t.join()
    assert took < 0.02 or ticks > 2


def test_decode() -> None:
    packet = tidegate.decode(DNS_FRAME)
    assert packet.layers == ["ethernet", "ipv4", "udp"] and packet.inner is None
    assert (packet.src_ip, packet.dest_ip, packet.src_port) == ("10.0.0.1", "8.8.8.8", 40000)
    assert packet.tcp is None and packet.src_mac == "02:00:00:00:00:01"
    assert "example" in repr(packet.payload) and "8.8.8.8:53" in repr(packet)
    with pytest.raises(AttributeError):
        packet.nothing
    # Any bytes give an answer.
    for end in range(len(DNS_FRAME)):
        tidegate.decode(DNS_FRAME[:end])


def test_decode_goes_into_tunnels() -> None:
    scapy = pytest.importorskip("scapy.all")
    vxlan = pytest.importorskip("scapy.layers.vxlan")
    inner = scapy.Ether() / scapy.IP(dst="192.0.2.9") / scapy.TCP(dport=443, flags="S")
    outer = scapy.Ether() / scapy.IP(dst="10.0.0.9") / scapy.UDP(dport=4789) / vxlan.VXLAN(vni=77) / inner
    packet = tidegate.decode(outer)
    assert packet.inner is not None and packet.inner.dest_ip == "192.0.2.9" and packet.inner.vni == 77
    assert packet.inner.tcp["flags"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="AF_PACKET needs CAP_NET_RAW")
def test_live_both_ways() -> None:
    rules = tidegate.Rules(text='alert udp any any -> any 9553 (msg:"here"; content:"marker"; sid:5;)')

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(20):
                s.sendto(b"a marker", ("127.0.0.1", 9553))
                time.sleep(0.05)

    try:
        listening = tidegate.live("lo", rules, seconds=3)
    except tidegate.CaptureError as e:
        pytest.skip(str(e))
    t = threading.Thread(target=send)
    t.start()
    found = False
    for event in listening:
        if isinstance(event, tidegate.Alert):
            found = True
            listening.stop()
    t.join()
    assert found

    async def look() -> bool:
        found = False
        source = tidegate.live("lo", rules, seconds=3)
        sender = asyncio.create_task(asyncio.to_thread(send))
        async for event in source:
            if isinstance(event, tidegate.Alert):
                found = True
                source.stop()
        await sender
        return found

    assert asyncio.run(look())


@pytest.mark.skipif(os.geteuid() != 0, reason="AF_PACKET needs CAP_NET_RAW")
def test_live_with_a_filter_and_an_end() -> None:
    rules = tidegate.Rules(text='alert udp any any -> any any (msg:"here"; content:"marker"; sid:5;)')
    try:
        listening = tidegate.live("lo", rules, filter="udp port 9554", seconds=3)
    except tidegate.CaptureError as e:
        pytest.skip(str(e))
    ports = set()
    with listening as events, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for port in (9555, 9554) * 5:
            s.sendto(b"a marker", ("127.0.0.1", port))
        for event in events:
            if event.kind == "alert":
                ports.add(event.dest_port)
                listening.stop()
    assert ports == {9554} and not list(listening)[:0]
    with pytest.raises(tidegate.ConfigError):
        tidegate.live("lo", filter="udp prot 9554")


def test_an_engine_ends_its_flows_with_its_block() -> None:
    with tidegate.Engine() as engine:
        engine.process([DNS_FRAME], 10**18)
        assert "flow" not in {e.kind for e in engine.events()}
    assert "flow" in {e.kind for e in engine.events()}


def test_an_interface_that_is_not_there() -> None:
    with pytest.raises(tidegate.CaptureError):
        tidegate.live("no-such-if0")
