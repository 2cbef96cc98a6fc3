"""The package itself: the command, types, stubs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tidegate
from support import DEMO_CONFIG, DEMO_RULES, run


def module(*args: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *map(str, args)], text=True, capture_output=True, check=False
    )


def test_the_module_is_the_command(demo: Path, command: Path, tmp_path: Path) -> None:
    for args in (["--version"], ["run", "--help"], ["run"], ["rules", "check", DEMO_RULES, "-c", DEMO_CONFIG], ["run", "-r", "absent", "-l", tmp_path]):
        mine, want = module(*args), run(command, *args)
        assert mine.returncode == want.returncode, (args, mine.stderr)
        assert mine.stdout.split(" in ")[0] == want.stdout.split(" in ")[0]
    done = module("run", "-r", demo, "-S", DEMO_RULES, "-c", DEMO_CONFIG, "-l", tmp_path)
    assert done.returncode == 0 and "alerts   6" in done.stdout
    assert (tmp_path / "eve.json").stat().st_size > 1000


def test_types_and_stubs_are_right(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    package = Path(tidegate.__file__).parent
    assert (package / "py.typed").exists()
    config = Path(__file__).parent.parent / "pyproject.toml"
    for args in (
        ["mypy", "--config-file", config, "--cache-dir", tmp_path, "-p", "tidegate"],
        ["mypy.stubtest", "tidegate._tidegate"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, args)], text=True, capture_output=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_exported_is_documented() -> None:
    for name in tidegate.__all__:
        if name not in ("__version__", "GUARD", "STATISTICS"):
            assert getattr(tidegate, name).__doc__, name
