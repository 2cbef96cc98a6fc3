"""The alerts of a capture, one EVE record a line: what the command writes to eve.json.

    python alerts.py CAPTURE RULES [CONFIG]
"""

from __future__ import annotations

import sys

import tidegate


def main() -> None:
    capture, rules = sys.argv[1:3]
    config = sys.argv[3] if len(sys.argv) > 3 else None
    try:
        compiled = tidegate.Rules(rules, config=config)
    except tidegate.RuleError as e:
        raise SystemExit(f"{e.file}:{e.line}:{e.column}: {e.reason}") from None
    for event in tidegate.read(capture, compiled):
        if isinstance(event, tidegate.Alert):
            print(event.line)


if __name__ == "__main__":
    main()
