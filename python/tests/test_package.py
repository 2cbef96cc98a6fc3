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
        if name not in ("__version__", "AnyEvent", "GUARD", "PHRASES", "STATISTICS", "TABLES"):
            assert getattr(tidegate, name).__doc__, name


def test_kinds_tell_types(tmp_path: Path) -> None:
    """A type checker knows an event by its kind; so do users who have nothing but a line."""
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(
        "import tidegate\n"
        "for event in tidegate.demo():\n"
        "    if event.kind == 'alert':\n"
        "        print(event.sid, event.signature)\n"
        "    elif event.kind == 'http':\n"
        "        print(event.url)\n"
        "    elif event.kind == 'ssh' or event.kind == 'smtp':\n"
        "        print(event.fields)\n"
        "    elif event.kind == 'flow':\n"
        "        print(event.packets[0] + 1)\n"
    )
    (tmp_path / "wrong.py").write_text(
        "import tidegate\n"
        "for event in tidegate.demo():\n"
        "    if event.kind == 'alert':\n"
        "        print(event.url)\n"
        "    if event.kind == 'alarm':\n"
        "        print(event)\n"
    )
    for name, errors in (("user.py", 0), ("wrong.py", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(tmp_path / name)],
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.stdout.count(": error:") == errors, done.stdout + done.stderr


def test_every_record_has_its_kind() -> None:
    from typing import get_args, get_type_hints

    from tidegate._tidegate import records
    from tidegate.events import _CLASSES

    named = set(get_args(get_type_hints(tidegate.OtherRecord)["kind"]))
    own = {kind for kind, made in _CLASSES.items() if issubclass(made, tidegate.Record)}  # type: ignore[arg-type]
    assert named | own == set(records()) and not named & own
    for kind, made in _CLASSES.items():
        assert kind in get_args(get_type_hints(made)["kind"])


def test_properties_are_documented() -> None:
    for name in tidegate.__all__:
        thing = getattr(tidegate, name)
        if isinstance(thing, type) and issubclass(thing, (tidegate.Event, tidegate.Table, tidegate.Capture)):
            for member, what in vars(thing).items():
                assert member.startswith("_") or not isinstance(what, property) or what.__doc__, (name, member)
