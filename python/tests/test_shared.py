"""With the shared captures beside the checkout: events equal the command's on 100 of them."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest

import tidegate
from support import ROOT, run

SHARED = Path(os.environ.get("TIDEGATE_SHARED", ROOT.parent / "shared"))
RULES = SHARED / "rules/et-open/et-open.rules"
CAPTURES = 100


def captures() -> list[Path]:
    found = [p for p in SHARED.rglob("*") if p.suffix in (".pcap", ".pcapng") and 0 < p.stat().st_size < 4 << 20]
    found.sort(key=lambda p: (p.name, str(p)))
    # From all of them, not the first in order.
    step = max(1, len(found) // CAPTURES)
    return found[::step][:CAPTURES]


@pytest.mark.skipif(not RULES.exists(), reason="the shared captures are not beside the checkout")
def test_events_equal_the_commands_on_100_captures(command: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "captures", tmp_path / "out"
    folder.mkdir()
    for i, path in enumerate(captures()):
        (folder / f"{i:03}{path.suffix}").symlink_to(path.resolve())
    done = run(command, "run", "-q", "--each", "-r", folder, "-l", out, "-S", RULES)
    assert done.returncode == 0, done.stderr
    rules = tidegate.Rules(RULES, errors="keep")
    compared = events = alerts = 0
    for path in sorted(folder.iterdir()):
        eve = out / path.name / "eve.json"
        want = []
        for line in eve.read_text().splitlines() if eve.exists() else []:
            event = json.loads(line)
            event.pop("pcap_filename", None)
            want.append(event)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", tidegate.TidegateWarning)
                got = [e.eve for e in tidegate.read(path, rules)]
        except tidegate.CaptureError:
            got = []
        assert got == [e for e in want if e["event_type"] != "stats"], os.readlink(path)
        compared += 1
        events += len(got)
        alerts += sum(e["event_type"] == "alert" for e in got)
    print(f"{compared} captures, {events} events, {alerts} alerts")
    assert compared == CAPTURES and alerts > 100
