"""Text and bytes searched: patterns, phrases, rules."""

from __future__ import annotations

import os
from typing import Any, Iterable, NamedTuple, Sequence, Union

from ._tidegate import PatternSetHandle, PatternStream as _PatternStream, ScannerHandle, TextStream
from .engine import as_bytes
from .errors import ConfigError
from .rules import Rule, Rules

__all__ = ["Match", "PatternSet", "Scanner"]

Text = Union[str, bytes]

#: What hides a phrase from a machine but not from a reader, or from a model.
GUARD = ("case", "compatible", "lookalikes", "marks", "invisible", "spaces")


class Match(NamedTuple):
    """Where something matched. Places are characters of a ``str``, bytes of ``bytes`` and of streams."""

    start: int
    end: int
    #: Place in the list of patterns or phrases, from 0; the sid of a rule.
    id: int
    #: The pattern or phrase; ``msg`` of a rule.
    name: str
    #: The rule, if it is one.
    rule: Rule | None = None


def _threads(threads: int | None) -> int:
    return (os.cpu_count() or 1) if threads is None else max(1, threads)


def _text(text: Any) -> Text:
    return text if isinstance(text, str) else as_bytes(text)


class PatternSet:
    """Many literals and regular expressions, searched in bytes at once.

    ``patterns`` are ``str`` or ``bytes``; ``regexes`` are in PCRE's syntax and report the end of each match only. Their
    ids go on from those of the patterns.

    >>> import tidegate
    >>> patterns = tidegate.PatternSet(["needle", b"\\x90\\x90"], regexes=[r"key-[0-9]+"])
    >>> [(m.start, m.end, m.name) for m in patterns.scan("a needle, a key-7")]
    [(2, 8, 'needle'), (17, 17, 'key-[0-9]+')]
    >>> patterns.is_match(b"hay")
    False
    """

    def __init__(
        self, patterns: Iterable[Text] = (), *, regexes: Iterable[Text] = (), ignore_case: bool = False
    ) -> None:
        literals, expressions = list(patterns), list(regexes)
        self._names = [p if isinstance(p, str) else repr(p) for p in [*literals, *expressions]]
        self._made_of = (literals, expressions, ignore_case)
        both = [(p, False) for p in literals] + [(p, True) for p in expressions]
        self._set = PatternSetHandle(
            [(p.encode() if isinstance(p, str) else p, regex, ignore_case) for p, regex in both]
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _patterns, self._made_of

    def _match(self, hit: tuple[int, int, int]) -> Match:
        return Match(hit[1], hit[2], hit[0], self._names[hit[0]])

    def scan(self, data: Any, *, once: bool = False) -> list[Match]:
        """All matches, in order of their ends; with ``once`` the first of each pattern."""
        return [self._match(h) for h in self._set.scan(_text(data), once)]

    def scan_batch(
        self, data: Iterable[Any], *, once: bool = False, threads: int | None = 1
    ) -> list[list[Match]]:
        """The matches of each. ``threads=None``: as many as there are cores."""
        found = self._set.scan_batch([_text(d) for d in data], once, _threads(threads))
        return [[self._match(h) for h in hits] if hits else [] for hits in found]

    def is_match(self, data: Any) -> bool:
        """Whether anything matches."""
        return self._set.any(_text(data))

    def stream(self) -> PatternStream:
        """Bytes that come in pieces. Literals only."""
        return PatternStream(self)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<PatternSet: {self._set.describe()}>"


def _patterns(literals: list[Text], expressions: list[Text], ignore_case: bool) -> PatternSet:
    return PatternSet(literals, regexes=expressions, ignore_case=ignore_case)


class PatternStream:
    """Pieces of one stream, in order; matches go across them.

    >>> import tidegate
    >>> stream = tidegate.PatternSet(["needle"]).stream()
    >>> stream.feed(b"a nee"), stream.feed(b"dle")
    ([], [Match(start=2, end=8, id=0, name='needle', rule=None)])
    """

    def __init__(self, patterns: PatternSet) -> None:
        self._patterns = patterns
        self._stream = _PatternStream(patterns._set)

    def feed(self, piece: Text) -> list[Match]:
        """Matches that end in this piece."""
        data = piece.encode() if isinstance(piece, str) else as_bytes(piece)
        return [self._patterns._match(h) for h in self._stream.feed(data)]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a stream is in the middle of its bytes and cannot be copied or sent; send its patterns")

    def reset(self) -> None:
        """Begins another stream."""
        self._stream.reset()


class Scanner:
    """Phrases, or rules, in text: prompts, answers, documents.

    ``what`` is a list of phrases, or :class:`~tidegate.Rules` that look at payload (``alert ip any any -> any any
    (content:"…"; …)``). ``normalise`` says what is done to the text before it is compared: names of ``case``,
    ``compatible`` (full width, styled letters), ``lookalikes`` (а for a), ``marks`` (é for e), ``invisible``
    (zero-width characters) and ``spaces``; by default all of them, ``()`` for none. Rules are asked about the text as it
    is, too. With ``whole_words`` a phrase does not match inside of a longer word (``DAN`` in ``danger``).
    :data:`tidegate.PHRASES` is a list to begin with.

    >>> import tidegate
    >>> scanner = tidegate.Scanner(["ignore previous instructions"])
    >>> text = "Please IGNORE   prev\u200bious instructions!"
    >>> [match] = scanner.scan(text)
    >>> text[match.start:match.end]
    'IGNORE   prev\\u200bious instructions'
    """

    def __init__(
        self, what: Rules | Iterable[str], *, normalise: Sequence[str] = GUARD, whole_words: bool = False
    ) -> None:
        self._rules = what if isinstance(what, Rules) else None
        self._normalise = tuple(normalise)
        self._whole_words = whole_words
        if isinstance(what, Rules):
            if whole_words:
                raise ConfigError("whole_words is for phrases; a rule says \\b in a pcre")
            self._names: list[str] = []
            self._scanner = ScannerHandle(None, what._handle, list(normalise), False)
        else:
            if isinstance(what, str):
                raise TypeError("a list of phrases, not one phrase")
            self._names = list(what)
            self._scanner = ScannerHandle(self._names, None, list(normalise), whole_words)

    def __reduce__(self) -> tuple[Any, ...]:
        what = self._names if self._rules is None else self._rules
        return _scanner, (what, self._normalise, self._whole_words)

    def _match(self, hit: tuple[int, int, int]) -> Match:
        if self._rules is None:
            return Match(hit[1], hit[2], hit[0], self._names[hit[0]])
        rule = self._rules[hit[0]]
        return Match(hit[1], hit[2], rule.sid, rule.message, rule)

    def scan(self, text: Any) -> list[Match]:
        """All places of phrases, in order of their ends; each rule that matches, once."""
        return [self._match(h) for h in self._scanner.scan(_text(text))]

    def scan_batch(self, texts: Iterable[Any], *, threads: int | None = 1) -> list[list[Match]]:
        """The matches of each text. ``threads=None``: as many as there are cores."""
        found = self._scanner.scan_batch([_text(t) for t in texts], _threads(threads))
        return [[self._match(h) for h in hits] if hits else [] for hits in found]

    def stream(self) -> ScanStream:
        """A text that comes in pieces, such as the tokens of an answer."""
        return ScanStream(self)

    def __len__(self) -> int:
        return len(self._names) if self._rules is None else len(self._rules)

    def __repr__(self) -> str:
        return f"<Scanner: {len(self):,} {'phrases' if self._rules is None else 'rules'}>"


def _scanner(what: Rules | list[str], normalise: tuple[str, ...], whole_words: bool) -> Scanner:
    return Scanner(what, normalise=normalise, whole_words=whole_words)


class ScanStream:
    """Pieces of one text, in order. What lies within 4096 bytes is seen together, whatever the pieces.

    >>> import tidegate
    >>> stream = tidegate.Scanner(["secret key"]).stream()
    >>> [len(stream.feed(token)) for token in ("the se", "cret", " ke", "y is")]
    [0, 0, 0, 1]
    """

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._stream = TextStream(scanner._scanner)

    def feed(self, piece: Text) -> list[Match]:
        """What matches now and did not before. Places are bytes from the start of the text."""
        return [self._scanner._match(h) for h in self._stream.feed(_text(piece))]

    def finish(self) -> list[Match]:
        """What matches now that the text has ended: with ``whole_words`` only what follows tells whether a word at the
        end of a piece is a whole one."""
        return [self._scanner._match(h) for h in self._stream.finish()]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a stream is in the middle of a text and cannot be copied or sent; send its scanner")

    def reset(self) -> None:
        """Begins another text."""
        self._stream.reset()
