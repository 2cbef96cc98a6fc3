"""Rules in Suricata's language: read once, shared by engines, captures, scanners and threads."""

from __future__ import annotations

import os
import warnings
from typing import Iterable, Iterator, Mapping, NamedTuple, Union

from ._tidegate import RuleSetHandle
from .errors import Refusal, RuleError, TidegateWarning

__all__ = ["Rule", "Rules"]

PathLike = Union[str, "os.PathLike[str]"]


class Rule(NamedTuple):
    """What is known of a rule."""

    sid: int
    gid: int
    rev: int
    action: str
    message: str
    classtype: str
    severity: int
    text: str


def as_list(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)


def assignments(settings: Mapping[str, object] | None, variables: Mapping[str, str] | None) -> list[str]:
    out: list[str] = []
    for name, value in (variables or {}).items():
        group = "port-groups" if "PORT" in name.upper() else "address-groups"
        out.append(f"vars.{group}.{name.lstrip('$')}={value}")
    for name, given in (settings or {}).items():
        out.append(f"{name}={str(given).lower() if isinstance(given, bool) else given}")
    return out


class Rules:
    """A set of rules. It never changes, and any number of engines and threads may share it.

    ``files`` are rule files, or folders whose ``*.rules`` files are read; ``text`` is rules themselves. ``variables``
    are what rules write as ``$HOME_NET``; those with PORT in their names are ports. ``config`` is a configuration in
    Suricata's YAML, ``settings`` are single values over it (``{"stream.midstream": True}``); both hold for what is done
    with the rules, too. ``data_dir`` is where files lie that rules name.

    A refused rule is a :class:`RuleError` with its place. With ``errors="keep"`` the others are taken, and ``refused``
    has those that were not.

    >>> import tidegate
    >>> rules = tidegate.Rules(
    ...     text='alert http any any -> any any (msg:"models"; http.uri; content:"/v1/models"; sid:1;)',
    ...     variables={"HOME_NET": "[10.0.0.0/8]"},
    ... )
    >>> rules
    <Rules: 1 loaded>
    >>> rules[1].message
    'models'
    """

    def __init__(
        self,
        files: PathLike | Iterable[PathLike] = (),
        *,
        text: str = "",
        variables: Mapping[str, str] | None = None,
        config: PathLike | None = None,
        settings: Mapping[str, object] | None = None,
        data_dir: PathLike | None = None,
        errors: str = "raise",
    ) -> None:
        if errors not in ("raise", "keep"):
            raise ValueError(f"errors={errors!r}: 'raise' or 'keep'")
        texts = [("text", text)] if text else []
        self._handle = RuleSetHandle(as_list(files), texts, config, assignments(settings, variables), data_dir)
        #: Rules that were not taken.
        self.refused = [Refusal(*r) for r in self._handle.refused]
        #: Rules that were taken, with something odd about them.
        self.warnings = [Refusal(*r) for r in self._handle.warnings]
        self._by_sid: dict[int, Rule] | None = None
        if self.refused and errors == "raise":
            raise RuleError(self.refused)
        for note in self._handle.notes:
            warnings.warn(note, TidegateWarning, stacklevel=2)

    @property
    def skipped(self) -> int:
        """Rules that say themselves that they do not apply here (``requires``)."""
        return self._handle.skipped

    @property
    def seconds(self) -> float:
        """How long reading and compiling took."""
        return self._handle.seconds

    def _rules(self) -> dict[int, Rule]:
        if self._by_sid is None:
            self._by_sid = {m[0]: Rule(*m) for m in self._handle.metas()}
        return self._by_sid

    def __len__(self) -> int:
        return len(self._handle)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules().values())

    def __getitem__(self, sid: int) -> Rule:
        return self._rules()[sid]

    def __contains__(self, sid: object) -> bool:
        return sid in self._rules()

    def __repr__(self) -> str:
        refused = f", {len(self.refused):,} refused" if self.refused else ""
        skipped = f", {self.skipped:,} skipped" if self.skipped else ""
        return f"<Rules: {len(self):,} loaded{refused}{skipped}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = [f"<tr><td>{r.sid}</td><td>{r.action}</td><td>{escape(r.message)}</td></tr>" for r in list(self)[:20]]
        refused = "".join(f"<li>{escape(str(r))}</li>" for r in self.refused[:10])
        return (
            f"<b>{escape(repr(self)[1:-1])}</b><table><tr><th>sid</th><th>action</th><th>message</th></tr>"
            f"{''.join(rows)}</table><ul>{refused}</ul>"
        )


def handle_of(rules: Rules | None) -> RuleSetHandle:
    """The compiled rules; none are an empty set."""
    return RuleSetHandle([], [], None, [], None) if rules is None else rules._handle
