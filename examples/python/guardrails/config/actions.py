"""The action of the rails: rules of Tidegate on what users and models say."""

from __future__ import annotations

from pathlib import Path

from nemoguardrails.actions import action

import tidegate

HERE = Path(__file__).parent
#: One scanner for each rail; they are shared by all requests and threads.
SCANNERS = {
    rail: tidegate.Scanner(tidegate.Rules(HERE / f"{rail}.rules")) for rail in ("input", "output")
}


@action(name="tidegate_scan")
async def tidegate_scan(text: str | None = None, rail: str = "input") -> list[str]:
    """Messages of the rules that match ``text``; nothing when all is well."""
    return [match.name for match in SCANNERS[rail].scan(text or "")]
