"""What captures and rules may be given as, and what is said of what they may not."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
from pathlib import Path

import pytest

import tidegate
from support import DNS_FRAME


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    root = tmp_path / "traffic"
    (root / "deep/deeper").mkdir(parents=True)
    data = demo.read_bytes()
    (root / "a.pcap").write_bytes(data)
    (root / "b.pcap.gz").write_bytes(gzip.compress(data))
    (root / "INDEX.tsv").write_text("name\tsize\n")
    (root / "deep/deeper/c.pcap").write_bytes(data)
    return root


def names(c: tidegate.Capture) -> list[str]:
    return [p.name for p in c.paths]


def test_folders(folder: Path) -> None:
    with pytest.warns(tidegate.TidegateWarning) as told:
        capture = tidegate.read(folder)
    assert names(capture) == ["a.pcap", "b.pcap.gz"] and len(capture.packets) == 2 * 103
    text = " ".join(str(w.message) for w in told)
    assert "INDEX.tsv" in text and "deep" in text and "recursive" in text
    with pytest.warns(tidegate.TidegateWarning, match="INDEX.tsv"):
        assert names(tidegate.read(folder, recursive=True)) == ["a.pcap", "b.pcap.gz", "c.pcap"]
    with pytest.raises(tidegate.CaptureError, match="no captures in this folder.*deeper.*recursive=True"):
        tidegate.read(folder / "deep")
    (folder / "empty").mkdir()
    with pytest.raises(tidegate.CaptureError, match="no captures in this folder"):
        tidegate.read(folder / "empty")
    with pytest.raises(tidegate.CaptureError, match="no capture is given"):
        tidegate.read([])


def test_patterns_and_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert names(tidegate.read(f"{folder}/*.pcap*")) == ["a.pcap", "b.pcap.gz"]
    assert names(tidegate.read("~/**/*.pcap")) == ["a.pcap", "c.pcap"]
    assert names(tidegate.read("~/a.pcap")) == ["a.pcap"]
    with pytest.raises(tidegate.CaptureError, match="no file has a name like this"):
        tidegate.read(f"{folder}/*.cap")
    (folder / "[odd].pcap").write_bytes((folder / "a.pcap").read_bytes())
    assert names(tidegate.read(folder / "[odd].pcap")) == ["[odd].pcap"]


def test_bytes_files_and_compression(demo: Path, tmp_path: Path) -> None:
    want = [e.line for e in tidegate.read(demo)]
    data = demo.read_bytes()
    given: list[object] = [data, bytearray(data), memoryview(data), io.BytesIO(data), gzip.compress(data)]
    # Two members, as `cat a.gz b.gz` makes them.
    given.append(gzip.compress(data[:5000]) + gzip.compress(data[5000:]))
    for one in given:
        assert [e.line for e in tidegate.read(one)] == want, type(one)  # type: ignore[arg-type]
    with demo.open("rb") as f:
        assert [e.line for e in tidegate.read(f)] == want
    with demo.open(errors="replace") as text, pytest.raises(TypeError, match="rb"):
        tidegate.read(text)  # type: ignore[arg-type]
    assert len(tidegate.read([demo, data]).packets) == 2 * 103
    damaged = gzip.compress(data)[:-2000]
    with pytest.raises(tidegate.CaptureError):
        list(tidegate.read(damaged))


def test_zstandard(demo: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    data = demo.read_bytes()
    half = len(data) // 2
    codec = pyarrow.Codec("zstd")
    frames = b"".join(codec.compress(part).to_pybytes() for part in (data[:half], data[half:]))
    (tmp_path / "a.pcap.zst").write_bytes(frames)
    assert [e.line for e in tidegate.read(tmp_path / "a.pcap.zst")] == [e.line for e in tidegate.read(demo)]
    # A million frames of nothing are a loop, not a stack.
    nothing = codec.compress(b"").to_pybytes()
    assert len(list(tidegate.read(frames + nothing * 100_000))) == len(list(tidegate.read(demo)))


@pytest.mark.parametrize("wrong", [7, None, 1.5])
def test_what_is_no_capture_says_what_is(wrong: object) -> None:
    with pytest.raises(TypeError, match="a capture is a path, a folder, a pattern"):
        tidegate.read(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a capture is a path, a folder, a pattern"):
        tidegate.read([wrong])  # type: ignore[list-item]


def test_rules_given_wrongly(demo: Path) -> None:
    text = 'alert ip any any -> any any (msg:"a"; sid:1;)'
    for given in (text, "# mine\n" + text):
        with pytest.raises(tidegate.ConfigError, match=r"Rules\(text="):
            tidegate.Rules(given)
    with pytest.raises(TypeError, match=r"Rules\(text="):
        tidegate.read(demo, text)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Rules\(text="):
        tidegate.Engine("my.rules")  # type: ignore[arg-type]


def test_memory(demo: Path) -> None:
    assert len(tidegate.read(demo, memory="64mb").flows) == 19
    tidegate.Engine(memory="64 MiB")
    for wrong in ("lots", "256xb", ""):
        with pytest.raises(tidegate.ConfigError, match="256mb"):
            tidegate.read(demo, memory=wrong)
    for small in (1000, 0, "1kb"):
        with pytest.raises(tidegate.ConfigError, match="(?i)memory"):
            list(tidegate.read(demo, memory=small))
        with pytest.raises(tidegate.ConfigError, match="(?i)memory"):
            tidegate.Engine(memory=small)
    for much in (1 << 62, "99999999gb", 1 << 70, -1):
        with pytest.raises(tidegate.ConfigError, match="(?i)memory"):
            tidegate.Engine(memory=much)
    with pytest.raises(TypeError, match="256mb"):
        tidegate.Engine(memory=1.5)  # type: ignore[arg-type]


def test_settings_that_do_nothing(tmp_path: Path) -> None:
    with pytest.raises(tidegate.ConfigError, match="total"):
        tidegate.Rules(settings={"total.nonsense": 5})
    yaml = tmp_path / "c.yaml"
    yaml.write_text("%YAML 1.1\n---\ntotal: {nonsense: 5}\n")
    with pytest.warns(tidegate.TidegateWarning, match="total"):
        assert "total" in tidegate.Rules(config=yaml).without_effect[0]
    with pytest.raises(tidegate.ConfigError, match="total"):
        tidegate.Rules(config=yaml, strict=True)
    stores = 'alert http any any -> any any (msg:"a"; filestore; sid:1;)'
    with pytest.warns(tidegate.TidegateWarning, match="filestore"):
        assert len(tidegate.Rules(text=stores)) == 1
    with pytest.raises(tidegate.ConfigError, match="filestore"):
        tidegate.Rules(text=stores, strict=True)
    tidegate.Rules(settings={"stream.midstream": True}, strict=True)


def test_frames_given_wrongly() -> None:
    for wrong in ([1, 2, 3], 7, "aa", None, (1, 2)):
        with pytest.raises(TypeError, match="bytes are wanted"):
            tidegate.decode(wrong)
        with pytest.raises(TypeError, match="bytes are wanted"):
            tidegate.Engine().process([wrong])
    with pytest.raises(tidegate.ConfigError, match="link 999"):
        tidegate.decode(b"aa", link=999)
    with pytest.raises(tidegate.ConfigError, match="link 999"):
        tidegate.Engine().process([DNS_FRAME], link=999)
    assert tidegate.decode(DNS_FRAME[14:], link=101).layers == ["raw", "ipv4", "udp"]
