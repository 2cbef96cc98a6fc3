"""What reading a capture from Python costs over the command: same capture, rules and outputs, in turn.

    python border.py CAPTURE COMMAND [RULES]

Times are those that either says it worked on the capture. The command allows itself large pages for long captures, which
a library cannot ask for in somebody else's process; it is measured without them (TIDEGATE_LARGE_PAGES=no), and with.
"""

from __future__ import annotations

import os
import re
import statistics as st
import subprocess
import sys
import tempfile

ROUNDS = 5

CODE = """
import sys, time, tidegate
path, out, rules = sys.argv[1:4]
rules = tidegate.Rules(rules, errors="keep") if rules else None
start = time.perf_counter()
tidegate.read(path, rules, progress=False).write(out)
print(time.perf_counter() - start)
"""


def command(program: str, capture: str, rules: str, large: bool) -> float:
    with tempfile.TemporaryDirectory() as out:
        only = ["-S", rules] if rules else []
        env = {**os.environ, **({} if large else {"TIDEGATE_LARGE_PAGES": "no"})}
        done = subprocess.run(
            [program, "run", "-r", capture, "-l", out, *only], capture_output=True, text=True, check=True, env=env
        )
    return float(re.search(r"^packets .* in ([0-9.]+) s", done.stdout, re.M).group(1))  # type: ignore[union-attr]


def python(capture: str, rules: str, large: bool) -> float:
    env = {**os.environ, **({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"} if large else {})}
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, "-c", CODE, capture, out, rules], capture_output=True, text=True, check=True, env=env
        )
    return float(done.stdout)


def main() -> None:
    capture, program = sys.argv[1:3]
    rules = sys.argv[3] if len(sys.argv) > 3 else ""
    for large in (False, True):
        pairs = [(command(program, capture, rules, large), python(capture, rules, large)) for _ in range(ROUNDS)]
        ratio = st.median(p / c for c, p in pairs)
        print(
            f"large pages {'yes' if large else 'no ':3}  command {st.median(c for c, _ in pairs):.3f} s  "
            f"python {st.median(p for _, p in pairs):.3f} s  ratio {ratio:.3f} "
            f"({min(p / c for c, p in pairs):.3f} to {max(p / c for c, p in pairs):.3f})"
        )


if __name__ == "__main__":
    main()
