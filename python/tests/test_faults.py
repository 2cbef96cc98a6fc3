"""After a panic inside of the engine nothing goes on as if it had not been: an error, then and from then on."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest

import tidegate
from support import DNS_FRAME
from tidegate._tidegate import EventRun, TableRun, WriteRun

STATIONS = ("decode", "flow", "detect")


def asked(thing: object, station: str) -> None:
    if not thing._fail_at(station):  # type: ignore[attr-defined]
        pytest.skip("this build makes no faults on request (feature `faults`)")


@pytest.mark.parametrize("station", STATIONS)
def test_an_engine_says_so_for_good(station: str) -> None:
    engine = tidegate.Engine(tidegate.Rules(text='alert udp any any -> any 53 (msg:"dns"; sid:1;)'))
    engine.process([DNS_FRAME], 10**18)
    assert [e.kind for e in engine.events()].count("alert") == 1
    asked(engine._engine, station)
    with pytest.raises(tidegate.TidegateError, match="a fault was asked for"):
        engine.process([DNS_FRAME], 10**18)
    for again in (
        lambda: engine.process([DNS_FRAME], 10**18),
        engine.events,
        engine.tick,
        engine.finish,
        lambda: engine.swap_rules(None),
        lambda: engine.stats,
        lambda: engine.block_flow(1),
        lambda: engine.bypass_flow(1),
    ):
        with pytest.raises(tidegate.TidegateError, match="make another one"):
            again()
    assert "broken" in repr(engine)


@pytest.mark.parametrize("station", STATIONS)
def test_runs_of_captures_say_so(demo: Path, rules: tidegate.Rules, tmp_path: Path, station: str) -> None:
    reading = tidegate.read(demo, rules)._reading
    events, files = EventRun(reading), WriteRun(reading, tmp_path)
    table = TableRun(reading, ["alerts"], [], 0)
    for run, step in ((events, lambda: events.next(1)), (files, files.advance), (table, table.advance)):
        asked(run, station)
        with pytest.raises(tidegate.TidegateError, match="a fault was asked for"):
            while step():
                pass
        with pytest.raises(tidegate.TidegateError, match="make another one"):
            step()


def test_a_consumer_of_a_table_hears_of_it(demo: Path, rules: tidegate.Rules) -> None:
    run = TableRun(tidegate.read(demo, rules)._reading, ["alerts"], [], 0)
    asked(run, "flow")
    with pytest.raises(pyarrow.ArrowInvalid, match="a fault was asked for"):
        pyarrow.table(run)
    with pytest.raises(tidegate.TidegateError, match="make another one"):
        run.advance()
