"""What tests and the examples in docstrings have at hand: the demo's capture and rules, a frame."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import tidegate

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = Path(os.environ.get("TIDEGATE_DEMO", ROOT / "out/demo/ai-factory.pcap"))
DEMO_RULES = ROOT / "examples/rules/ai-factory.rules"
DEMO_CONFIG = ROOT / "examples/ai-factory.yaml"
COMMAND = Path(os.environ.get("TIDEGATE_COMMAND", ROOT / "target/release/tidegate"))

#: A question to a name server: Ethernet, IPv4, UDP, DNS.
DNS_FRAME = bytes.fromhex(
    "020000000002020000000001080045000039000140004011"
    "20a30a000001080808089c400035002500000001010000010000000000000765"
    "78616d706c6503636f6d0000010001"
)


@pytest.fixture
def demo() -> Path:
    return DEMO


@pytest.fixture
def rules() -> tidegate.Rules:
    return tidegate.Rules(DEMO_RULES, config=DEMO_CONFIG)


@pytest.fixture
def command() -> Path:
    return COMMAND


@pytest.fixture(autouse=True)
def names(doctest_namespace: dict[str, object]) -> None:
    from tidegate.events import make_event

    doctest_namespace.update(
        DEMO=DEMO, RULES=tidegate.Rules(DEMO_RULES, config=DEMO_CONFIG), DNS_FRAME=DNS_FRAME, make_event=make_event
    )


def run(command: Path, *args: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(command), *map(str, args)], text=True, capture_output=True, check=False)
