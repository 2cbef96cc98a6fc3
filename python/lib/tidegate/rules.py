"""Rules in Suricata's language: read once, shared by engines, captures, scanners and threads."""

from __future__ import annotations

import functools
import os
import re
import warnings
from typing import Any, Iterable, Iterator, Literal, Mapping, NamedTuple, Union

from ._tidegate import RuleSetHandle, size
from .errors import ConfigError, Refusal, RuleError, TidegateWarning

__all__ = ["Rule", "Rules"]

PathLike = Union[str, "os.PathLike[str]"]

#: What a string of rules begins with.
_ACTIONS = re.compile(r"\s*(#[^\n]*\n\s*)*(alert|drop|pass|reject\w*|config)\s+[^\n]*\(")


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


def expanded(path: PathLike) -> PathLike:
    """``~`` as a shell understands it."""
    text = os.fspath(path)
    return os.path.expanduser(text) if isinstance(text, str) and text.startswith("~") else path


def memory_of(given: int | str) -> int:
    """Bytes of ``268435456`` or ``"256mb"``."""
    if isinstance(given, str):
        n = size(given)
        if n is None:
            raise ConfigError(f"memory={given!r}: a number of bytes, or one with a unit: '256mb', '1.5gb'")
        return n
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"memory is a number of bytes or a text such as '256mb', not {type(given).__name__}")
    if given < 0 or given >= 1 << 63:
        raise ConfigError(f"memory={given}: there is not so much")
    return int(given)


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
    has those that were not. A setting in ``settings`` that is not known is a :class:`ConfigError`. What the
    configuration or rules ask for and is not done here (``filestore``) is in ``without_effect`` and a warning; with
    ``strict`` an error.

    Rules go to other processes (``multiprocessing``) as the arguments they were made of, and are read again there.

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
        errors: Literal["raise", "keep"] = "raise",
        strict: bool = False,
    ) -> None:
        if errors not in ("raise", "keep"):
            raise ValueError(f"errors={errors!r}: 'raise' or 'keep'")
        paths = [expanded(p) for p in as_list(files)]
        for p in paths:
            if isinstance(p, str) and _ACTIONS.match(p):
                raise ConfigError(f"these are rules, not the name of a file: Rules(text={p[:40]!r}…)")
        settings = None if settings is None else dict(settings)
        variables = None if variables is None else dict(variables)
        #: Rules are copied and sent to other processes as what they were made of.
        self._made_of: dict[str, Any] = {
            "files": paths,
            "text": text,
            "variables": variables,
            "config": None if config is None else expanded(config),
            "settings": settings,
            "data_dir": None if data_dir is None else expanded(data_dir),
            "errors": errors,
            "strict": strict,
        }
        texts = [("text", text)] if text else []
        self._handle = RuleSetHandle(
            paths, texts, self._made_of["config"], assignments(settings, variables), self._made_of["data_dir"]
        )
        #: Rules that were not taken.
        self.refused = [Refusal(*r) for r in self._handle.refused]
        #: Rules that were taken, with something odd about them.
        self.warnings = [Refusal(*r) for r in self._handle.warnings]
        self._by_sid: dict[int, Rule] | None = None
        if self.refused and errors == "raise":
            raise RuleError(self.refused)
        own, others = self._handle.idle_settings
        if own:
            raise ConfigError(f"without effect: {'; '.join(own)}")
        #: What the configuration and the rules ask for and is not done here.
        self.without_effect: list[str] = list(others)
        self.without_effect += [f"{what} ({n} rule{'s' if n > 1 else ''})" for what, n in self._handle.idle_rules]
        if self.without_effect and strict:
            raise ConfigError(f"without effect, and strict: {'; '.join(self.without_effect)}")
        if self.without_effect:
            warnings.warn(f"without effect: {'; '.join(self.without_effect)}", TidegateWarning, stacklevel=2)
        for note in self._handle.notes:
            warnings.warn(note, TidegateWarning, stacklevel=2)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._made_of,)

    def __copy__(self) -> Rules:
        return self

    def __deepcopy__(self, memo: object) -> Rules:
        # It never changes.
        return self

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


def _again(made_of: dict[str, Any]) -> Rules:
    with warnings.catch_warnings():
        # They were told when the rules were made first.
        warnings.simplefilter("ignore", TidegateWarning)
        return Rules(**made_of)


@functools.cache
def _no_rules() -> RuleSetHandle:
    return RuleSetHandle([], [], None, [], None)


def handle_of(rules: Rules | None) -> RuleSetHandle:
    """The compiled rules; none are an empty set."""
    if rules is None:
        return _no_rules()
    if not isinstance(rules, Rules):
        how = "Rules(text=…) or Rules(FILE)" if isinstance(rules, (str, os.PathLike)) else "Rules"
        raise TypeError(f"rules are tidegate.{how}, not {type(rules).__name__}")
    return rules._handle
