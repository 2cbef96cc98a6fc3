"""What can go wrong: every exception of the package is a :class:`TidegateError`."""

from __future__ import annotations

from typing import Any, Sequence

__all__ = [
    "CaptureError",
    "ConfigError",
    "PatternError",
    "Refusal",
    "RuleError",
    "TidegateError",
    "TidegateWarning",
]


def _notes(e: BaseException) -> dict[str, Any] | None:
    """What was added to an exception (``add_note``) goes with its copies."""
    notes = getattr(e, "__notes__", None)
    return {"__notes__": notes} if notes else None


class TidegateError(Exception):
    """The root of all exceptions of the package."""


class TidegateWarning(UserWarning):
    """Something was done without, such as the end of a truncated capture."""


class ConfigError(TidegateError, ValueError):
    """A setting, an option or a file that belongs to the rules is wrong."""


class CaptureError(TidegateError, OSError):
    """A capture or an interface cannot be opened or read on; ``filename`` says which.

    >>> import tidegate
    >>> try:
    ...     list(tidegate.read("no-such.pcap"))
    ... except tidegate.CaptureError as e:
    ...     print(e.filename)
    no-such.pcap
    """

    def __init__(self, text: str, filename: str | None = None, errno: int | None = None) -> None:
        super().__init__(errno, text, filename)
        self.reason = text
        self._args = (text, filename, errno)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._args, _notes(self)

    def __str__(self) -> str:
        return f"{self.filename}: {self.reason}" if self.filename else self.reason


class PatternError(TidegateError, ValueError):
    """A pattern or a phrase is refused; ``index`` is its place in the list, from 0."""

    def __init__(self, reason: str, index: int) -> None:
        super().__init__(f"pattern {index}: {reason}")
        self.reason = reason
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.index), _notes(self)


class Refusal:
    """A rule that was not taken: where it is and why."""

    __slots__ = ("column", "file", "line", "reason", "sid")

    def __init__(self, file: str, line: int, column: int, sid: int | None, reason: str) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.sid = sid
        self.reason = reason

    def _key(self) -> tuple[object, ...]:
        return (self.file, self.line, self.column, self.sid, self.reason)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Refusal, self._key()

    def __str__(self) -> str:
        sid = "" if self.sid is None else f"sid {self.sid}: "
        return f"{self.file}:{self.line}:{self.column}: {sid}{self.reason}"

    def __repr__(self) -> str:
        return f"<Refusal {self}>"


class RuleError(TidegateError, ValueError):
    """A rule is refused: ``file``, ``line``, ``column``, ``sid`` and ``reason`` are those of the first one, ``refused``
    has all.

    >>> import tidegate
    >>> try:
    ...     tidegate.Rules(text='alert tcp any any -> any any (msg:"x"; contents:"y"; sid:1;)')
    ... except tidegate.RuleError as e:
    ...     print(e.line, e.column, e.reason)
    1 40 contents: is not a keyword
    """

    def __init__(self, refused: Sequence[Refusal]) -> None:
        first = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        super().__init__(f"{first}{more}")
        self.refused = list(refused)
        self.file = first.file
        self.line = first.line
        self.column = first.column
        self.sid = first.sid
        self.reason = first.reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.refused,), _notes(self)
