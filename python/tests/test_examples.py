"""The examples run, and say what they should."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import DEMO_CONFIG, DEMO_RULES, ROOT, run

EXAMPLES = ROOT / "examples/python"


def example(name: str, *args: object, needs: str) -> str:
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, args)],
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_are_the_commands_to_the_letter(demo: Path, command: Path, tmp_path: Path) -> None:
    out = example("alerts.py", demo, DEMO_RULES, DEMO_CONFIG, needs="tidegate")
    done = run(command, "run", "-q", "-r", demo, "-S", DEMO_RULES, "-c", DEMO_CONFIG, "-l", tmp_path)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "eve.json").read_text().rstrip("\n").split("\n")
    want = [line for line in written if '"event_type":"alert"' in line]
    assert out.splitlines() == want and len(want) == 6
    wrong = tmp_path / "wrong.rules"
    wrong.write_text('alert tcp any any -> any any (msg:"x"; contents:"y"; sid:1;)\n')
    refused = subprocess.run(
        [sys.executable, str(EXAMPLES / "alerts.py"), str(demo), str(wrong)], text=True, capture_output=True, check=False
    )
    assert refused.returncode == 1 and f"{wrong}:1:40: contents: is not a keyword" in refused.stderr


def test_hunt(demo: Path) -> None:
    out = example("hunt.py", demo, DEMO_RULES, DEMO_CONFIG, needs="polars")
    assert "9100004" in out and "Odd names" in out


def test_features(demo: Path) -> None:
    out = example("features.py", demo, needs="sklearn")
    assert "19 flows" in out and "accuracy" in out


def test_plots(demo: Path, tmp_path: Path) -> None:
    example("plots.py", demo, tmp_path, DEMO_RULES, DEMO_CONFIG, needs="matplotlib")
    for name in ("traffic", "talkers", "alerts"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_notebook(demo: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    book = nbformat.read(EXAMPLES / "first_look.ipynb", as_version=4)
    env = {"CAPTURE": str(demo), "RULES": str(DEMO_RULES), "CONFIG": str(DEMO_CONFIG)}
    os.environ.update(env)
    try:
        nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    finally:
        for name in env:
            del os.environ[name]
    text = str(book)
    assert "9100002" in text and "signature" in text


def test_many_captures(demo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in ("a.pcap", "b.pcap", "c.pcap"):
        (folder / name).write_bytes(demo.read_bytes())
    out = example("many_captures.py", folder, tmp_path / "out", needs="ray")
    assert out.count("19 flows") == 3


def test_guarded_client() -> None:
    out = example("guarded_client.py", needs="openai")
    assert "answer: You said: hello" in out
    assert "blocked prompt: 'ignore all previous instructions'" in out and "blocked answer: 'sk-live-'" in out


def test_guardrails() -> None:
    out = example("guardrails/demo.py", needs="nemoguardrails")
    assert "Hello! How can I help?" in out
    assert "I cannot help with that request." in out and "I cannot show that answer." in out
    assert "sk-abcdefghij" not in out
