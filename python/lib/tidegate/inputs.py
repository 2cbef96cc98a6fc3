"""What captures may be given as: paths, folders, patterns, bytes, open files."""

from __future__ import annotations

import glob
import os
import warnings
from pathlib import Path
from typing import IO, Iterable, Union

from ._tidegate import is_capture
from .errors import CaptureError, TidegateWarning
from .rules import PathLike, expanded

__all__ = ["Given", "Input", "inputs"]

#: A path (of a file, a folder, a pattern such as ``*.pcap``), the bytes of a capture, or an open file.
Given = Union[PathLike, bytes, bytearray, memoryview, IO[bytes]]
#: A file, or a name and bytes.
Input = Union[Path, "tuple[str, bytes]"]

#: Names in a message.
_NAMED = 5


def _names(paths: list[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(p.name for p in paths[:_NAMED]) + more


def _of_folder(folder: Path, recursive: bool) -> list[Path]:
    found = sorted(folder.rglob("*") if recursive else folder.iterdir())
    files = [p for p in found if p.is_file()]
    captures = [p for p in files if is_capture(p)]
    taken = set(captures)
    others = [p for p in files if p not in taken]
    folders = [] if recursive else [p for p in found if p.is_dir()]
    deeper = f"; its folders were not looked into: {_names(folders)} (recursive=True does)" if folders else ""
    if not captures:
        foreign = f", only {_names(others)}" if others else ""
        raise CaptureError(f"there are no captures in this folder{foreign}{deeper}", str(folder))
    if others:
        warnings.warn(f"{folder}: skipped, because they are no captures: {_names(others)}", TidegateWarning, stacklevel=5)
    if deeper:
        warnings.warn(f"{folder}{deeper}", TidegateWarning, stacklevel=5)
    return captures


def _of_path(given: PathLike, recursive: bool) -> tuple[list[Path], bool]:
    """Files, and whether they are those of a folder or a pattern."""
    path = Path(os.fspath(expanded(given)))
    if path.is_dir():
        return _of_folder(path, recursive), True
    if not path.exists() and glob.has_magic(str(path)):
        files = [p for p in map(Path, sorted(glob.glob(str(path), recursive=True))) if p.is_file()]
        if not files:
            raise CaptureError("no file has a name like this", str(path))
        return files, True
    return [path], False


def _of_one(given: Given, recursive: bool) -> tuple[list[Input], bool]:
    if isinstance(given, (str, os.PathLike)):
        paths, several = _of_path(given, recursive)
        return list(paths), several
    if isinstance(given, (bytes, bytearray, memoryview)):
        return [("bytes", bytes(given))], False
    read = getattr(given, "read", None)
    if read is None:
        raise TypeError(
            f"a capture is a path, a folder, a pattern ('*.pcap'), bytes or an open file, not {type(given).__name__}"
        )
    data = read()
    if not isinstance(data, bytes):
        raise TypeError("the file gives text: open it with mode 'rb'")
    name = getattr(given, "name", None)
    return [(name if isinstance(name, str) else "file", data)], False


def inputs(given: Given | Iterable[Given], recursive: bool) -> tuple[list[Input], bool]:
    """The captures one by one, and whether there are, or could be, several."""
    one = isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(given, "read")
    if not one and not hasattr(type(given), "__iter__"):
        # Says what it may be.
        _of_one(given, recursive)  # type: ignore[arg-type]
    out: list[Input] = []
    several = False
    for g in [given] if one else given:  # type: ignore[union-attr]
        found, more = _of_one(g, recursive)  # type: ignore[arg-type]
        out += found
        several |= more
    if not out:
        raise CaptureError("no capture is given")
    return out, several or len(out) > 1
