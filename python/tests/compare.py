"""Events of captures as Python gives them against those that the command writes.

    python compare.py COMMAND SHARED [HOW_MANY]

Takes captures from SHARED/captures: those with most alerts in SHARED/expected, and as many others spread over all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Iterable, NamedTuple

import tidegate

#: No capture is longer than this many bytes, so that a comparison takes seconds.
LONGEST = 4 << 20


class Compared(NamedTuple):
    captures: int
    events: int
    alerts: int
    #: Captures whose events are not the same.
    different: list[str]

    def __str__(self) -> str:
        return (
            f"{self.captures} captures, {self.events:,} events, {self.alerts:,} alerts, "
            f"{len(self.different)} captures differ{': ' if self.different else ''}{', '.join(self.different)}"
        )


def chosen(shared: Path, many: int) -> list[Path]:
    """Captures of the shared ones: half by alerts, half spread."""
    known: dict[Path, int] = {}
    for said in sorted((shared / "expected").glob("*.jsonl")):
        for line in said.read_text().rstrip("\n").split("\n"):
            one = json.loads(line)
            path = shared / "captures" / one["capture"]
            if path.exists() and 0 < path.stat().st_size < LONGEST:
                known[path] = sum(one["alerts"].values())
    loud = sorted(known, key=lambda p: (-known[p], str(p)))[: many // 2]
    rest = sorted(set(known) - set(loud))
    step = max(1, len(rest) // max(1, many - len(loud)))
    return loud + rest[::step][: many - len(loud)]


def parsed(lines: Iterable[str]) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in lines if line]
    for e in events:
        # Only the command was given a folder.
        e.pop("pcap_filename", None)
    return [e for e in events if e["event_type"] != "stats"]


def compare(command: Path, captures: Iterable[Path], rules: Path, config: Path | None, scratch: Path) -> Compared:
    """Reads all captures with both and compares every event."""
    folder, out = scratch / "captures", scratch / "out"
    folder.mkdir(parents=True)
    links = {}
    for i, path in enumerate(captures):
        link = folder / f"{i:04}{path.suffix}"
        link.symlink_to(path.resolve())
        links[link] = path
    configured = [] if config is None else ["-c", str(config)]
    done = subprocess.run(
        [str(command), "run", "-q", "--each", "-r", str(folder), "-l", str(out), "-S", str(rules), *configured],
        check=False,
        capture_output=True,
    )
    # 3: a capture is damaged, and what comes before the damage was read.
    if done.returncode not in (0, 3):
        done.check_returncode()
    with warnings.catch_warnings():
        # Public sets test flowbits that none of their open rules sets, which is told and is no fault of the reading.
        warnings.simplefilter("ignore", tidegate.TidegateWarning)
        read = tidegate.Rules(rules, config=config, errors="keep")
    events = alerts = 0
    different = []
    for link, path in links.items():
        eve = out / link.name / "eve.json"
        want = parsed(eve.read_text().rstrip("\n").split("\n")) if eve.exists() else []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", tidegate.TidegateWarning)
                got = parsed(e.line for e in tidegate.read(link, read))
        except tidegate.CaptureError:
            got = []
        if got != want:
            different.append(path.name)
        events += len(want)
        alerts += sum(e["event_type"] == "alert" for e in want)
    return Compared(len(links), events, alerts, different)


def main() -> int:
    command, shared = Path(sys.argv[1]), Path(sys.argv[2])
    many = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    with tempfile.TemporaryDirectory() as scratch:
        result = compare(command, chosen(shared, many), shared / "rules/et-open/et-open.rules", None, Path(scratch))
    print(result)
    return 1 if result.different or result.captures < many else 0


if __name__ == "__main__":
    sys.exit(main())
