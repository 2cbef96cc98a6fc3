"""Everything that can be is copied, and sent to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from pathlib import Path

import pytest

import tidegate
from support import DNS_FRAME

TEXT = 'alert ip any any -> any any (msg:"a"; content:"secret"; sid:7;)'
WRONG = 'alert ip any any -> any any (msg:"a"; contents:"secret"; sid:7;)'


def exceptions() -> list[Exception]:
    out: list[Exception] = [tidegate.TidegateError("x"), tidegate.ConfigError("y")]
    for make in (
        lambda: tidegate.Rules(text=WRONG),
        lambda: tidegate.PatternSet(regexes=["(open"]),
        lambda: list(tidegate.read("/no/such.pcap")),
        lambda: tidegate.Engine(memory=1),
        lambda: tidegate.live("no-such-if0"),
    ):
        with pytest.raises(tidegate.TidegateError) as e:
            make()
        out.append(e.value)
    return out


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_the_same(demo: Path, way: object) -> None:
    assert callable(way)
    for e in exceptions():
        again = way(e)
        assert type(again) is type(e) and str(again) == str(e) and again.args == e.args, e
        for name in ("file", "line", "column", "sid", "reason", "refused", "index", "filename", "errno"):
            assert getattr(again, name, None) == getattr(e, name, None), name
    rules = way(tidegate.Rules(text=TEXT, settings={"stream.midstream": True}))
    assert [r.sid for r in rules] == [7]
    assert [m.id for m in way(tidegate.Scanner(rules)).scan("a secret")] == [7]
    phrases = way(tidegate.Scanner(["dan"], whole_words=True, normalise=["case"]))
    assert [m.start for m in phrases.scan("danger DAN")] == [7]
    assert way(tidegate.PatternSet(["a"], regexes=["b+"], ignore_case=True)).is_match("B")
    capture = tidegate.read(demo, rules, statistics=["sizes"], filter="udp", first=3)
    assert way(capture).flows.to_arrow().equals(capture.flows.to_arrow())
    of_bytes = tidegate.read(demo.read_bytes())
    assert len(way(of_bytes).flows) == 19
    event = next(iter(capture))
    assert way(event) == event and type(way(event)) is type(event)
    assert way(tidegate.decode(DNS_FRAME)).fields == tidegate.decode(DNS_FRAME).fields
    [match] = tidegate.Scanner(rules).scan("a secret")
    assert way(match) == match and way(tidegate.Verdict.DROP) is tidegate.Verdict.DROP


def test_what_cannot_be_sent_says_what_to_do(demo: Path) -> None:
    for thing in (tidegate.Engine(), tidegate.Scanner(["a"]).stream(), tidegate.PatternSet(["a"]).stream(), tidegate.read(demo).flows):
        with pytest.raises(TypeError, match="cannot be copied or sent"):
            pickle.dumps(thing)


def _count(capture: tidegate.Capture) -> int:
    return len(capture.alerts)


def _compile(text: str) -> int:
    return len(tidegate.Rules(text=text))


def _open(path: str) -> int:
    return len(list(tidegate.read(path)))


def test_pools_of_processes(demo: Path, rules: tidegate.Rules) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_count, [tidegate.read(demo, rules)] * 2) == [6, 6]
        with pytest.raises(tidegate.RuleError) as refused:
            pool.map_async(_compile, [TEXT, WRONG]).get(60)
        assert (refused.value.line, refused.value.sid) == (1, 7)
        with pytest.raises(tidegate.CaptureError) as absent:
            pool.map_async(_open, ["/no/such.pcap"]).get(60)
        assert absent.value.filename == "/no/such.pcap" and absent.value.errno == 2
