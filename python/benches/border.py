"""What reading a capture from Python costs over the command: same capture, rules and outputs, in turn.

    python border.py CAPTURE COMMAND [RULES]

Two times each. Of the whole process: Python's has its own start, the imports and its end in it, about a tenth of a second
however long the capture is. Of the reading, from when the rules are there until all is written, making the engine
included: Python tells it, of the command it is the whole process less the loading of rules that it tells. For captures of
more than 64 MB the command allows itself large pages, by beginning anew with a tunable of the C library; a package cannot
do that to somebody else's process. So both are measured without them (TIDEGATE_LARGE_PAGES=no), and both with (the same
tunable given to Python).

The goal, at most 5 % more, is for the reading with and without large pages; the process is told beside it.
"""

from __future__ import annotations

import os
import re
import statistics as st
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "5"))
#: Outputs go to memory where there is such a folder: how soon a disk takes them is not what is compared.
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

CODE = """
import sys, time, tidegate
path, out, rules = sys.argv[1:4]
rules = tidegate.Rules(rules, errors="keep") if rules else None
start = time.perf_counter()
tidegate.read(path, rules, progress=False).write(out)
print(time.perf_counter() - start)
"""

#: Seconds of the process and of the reading.
Times = tuple[float, float]


def timed(args: list[str], env: dict[str, str]) -> tuple[str, float]:
    start = time.perf_counter()
    done = subprocess.run(args, capture_output=True, text=True, check=True, env={**os.environ, **env})
    return done.stdout, time.perf_counter() - start


def command(program: str, capture: str, rules: str, large: bool, out: str) -> Times:
    only = ["-S", rules] if rules else []
    text, whole = timed([program, "run", "-r", capture, "-l", out, *only], {} if large else {"TIDEGATE_LARGE_PAGES": "no"})
    found = re.search(r"^rules .* loaded in ([0-9.]+) s", text, re.M)
    assert found is not None or not rules, text
    return whole, whole - (float(found.group(1)) if found else 0.0)


def python(capture: str, rules: str, large: bool, out: str) -> Times:
    env = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"} if large else {}
    text, whole = timed([sys.executable, "-c", CODE, capture, out, rules], env)
    return whole, float(text)


def lines(folder: str) -> list[str]:
    """The events; statistics tell how long it took."""
    text = (Path(folder) / "eve.json").read_text(errors="replace")
    return [line for line in text.split("\n") if '"event_type":"stats"' not in line]


def main() -> int:
    capture, program = sys.argv[1:3]
    rules = sys.argv[3] if len(sys.argv) > 3 else ""
    good = True
    for large in (False, True):
        pairs: list[tuple[Times, Times]] = []
        for i in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=PLACE) as a, tempfile.TemporaryDirectory(dir=PLACE) as b:
                if i % 2:
                    theirs = python(capture, rules, large, b)
                    mine = command(program, capture, rules, large, a)
                else:
                    mine = command(program, capture, rules, large, a)
                    theirs = python(capture, rules, large, b)
                pairs.append((mine, theirs))
                if i == 0:
                    assert lines(a) == lines(b), "the outputs are not the same"
        for which, name in enumerate(("whole process", "reading")):
            ratios = [p[which] / c[which] for c, p in pairs]
            ratio = st.median(ratios)
            good &= ratio <= 1.05 or which == 0
            print(
                f"large pages {'yes' if large else 'no':3} {name:14} command {st.median(c[which] for c, _ in pairs):.3f} s  "
                f"python {st.median(p[which] for _, p in pairs):.3f} s  ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
