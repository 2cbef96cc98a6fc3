"""``python -m tidegate``: the command."""

from __future__ import annotations

import sys

from ._tidegate import command


def main() -> int:
    return command(["tidegate", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
