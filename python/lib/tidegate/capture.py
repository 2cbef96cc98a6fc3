"""Captures: typed events, and Arrow tables of flows, alerts, records and packets, read in constant memory."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Literal, Protocol

from ._tidegate import (
    EventRun,
    Reading,
    TableRows,
    TableRun,
    WriteRun,
    columns as _columns,
    statistics as _groups,
    tables as _tables,
)
from .errors import CaptureError, ConfigError, TidegateError, TidegateWarning
from .events import Ai, AnyEvent, make
from .inputs import Given, Input, inputs
from .rules import PathLike, Rules, handle_of, memory_of

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["STATISTICS", "TABLES", "Capture", "Table", "demo", "read"]

#: Statistics of flows that can be asked for: name, what it is, columns.
STATISTICS = {name: (about, columns) for name, about, columns in _groups()}

#: Tables that captures have: name, what a row is.
TABLES = dict(_tables())

#: Events fetched at a time.
_EVENTS = 512


class _Run(Protocol):
    def progress(self) -> tuple[int, int]: ...
    def damaged(self) -> list[str]: ...


#: Bytes of a row group. The writer keeps a note of each group until the end, so there are not to be many.
_ROW_GROUP = 8 << 20


class _Bar:
    """A progress bar over bytes, if wanted and `tqdm` is there."""

    def __init__(self, wanted: bool | None, total: int, name: str) -> None:
        self._bar: Any = None
        # Short reads are over before a bar is drawn.
        if wanted is False or (wanted is None and total < 256 << 20):
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        self._bar = tqdm(total=total, unit="B", unit_scale=True, desc=name, disable=None if wanted is None else False)

    def at(self, run: _Run) -> None:
        if self._bar is not None:
            done, packets = run.progress()
            # Of what is compressed more comes out than there are bytes of files.
            self._bar.update(max(0, min(done, self._bar.total) - self._bar.n))
            self._bar.set_postfix_str(f"{packets:,} packets", refresh=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _tell(run: _Run) -> None:
    for text in run.damaged():
        warnings.warn(text, TidegateWarning, stacklevel=3)


#: Begins to make a table: all of it, or so many rows.
_Start = Callable[["int | None"], TableRun]


def _collect(run: TableRun, total: int, name: str, progress: bool | None) -> list[TableRows]:
    bar = _Bar(progress, total, name)
    try:
        while run.advance():
            bar.at(run)
    finally:
        bar.close()
    _tell(run)
    return run.take()


class Table:
    """A table of a capture. It is made anew each time it is read, a batch of rows at a time, unless it is kept: by
    :meth:`head`, :meth:`Capture.tables` or ``len()``.

    Whatever speaks Arrow's stream interface reads it: ``polars.DataFrame(table)``, ``pyarrow.table(table)``,
    ``duckdb.sql("from table")`` (by a ``pyarrow.RecordBatchReader``), ``pandas`` by :meth:`to_pandas`.

    >>> import tidegate
    >>> flows = tidegate.read(DEMO).flows
    >>> flows.columns[:4]
    ['flow_id', 'src_ip', 'src_port', 'dest_ip']
    >>> len(flows), len(flows.head(3))
    (19, 3)
    """

    def __init__(
        self,
        name: str,
        types: Callable[[], list[tuple[str, str]]],
        start: _Start,
        total: int,
        progress: bool | None,
        kept: TableRows | None = None,
    ) -> None:
        #: One of :data:`TABLES`.
        self.name = name
        self._types = types
        self._start = start
        self._total = total
        self._progress = progress
        self._kept = kept

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        source = self._start(None) if self._kept is None else self._kept
        return source.__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [name for name, _ in self._types()]

    @property
    def types(self) -> dict[str, str]:
        """Arrow types of the columns."""
        return dict(self._types())

    def _collect(self, rows: int | None = None) -> TableRows:
        """Reads everything, or so many rows, into memory, with a progress bar; an interrupt ends it."""
        if self._kept is not None and rows is None:
            return self._kept
        [kept] = _collect(self._start(rows), self._total, self.name, self._progress)
        return kept

    def head(self, rows: int = 5) -> Table:
        """The first rows, kept. No more is read than they need."""
        if rows < 0:
            raise ValueError(f"head({rows}): how many rows?")
        return Table(self.name, self._types, self._start, self._total, self._progress, self._collect(rows))

    def __len__(self) -> int:
        """How many rows there are. Reads the capture, and keeps the rows, so that what comes next need not read again."""
        self._kept = self._collect()
        return len(self._kept)

    def __bool__(self) -> bool:
        """Whether there are rows; no more is read than that needs."""
        return len(self._collect(1) if self._kept is None else self._kept) > 0

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Table cannot be copied or sent: send its Capture, or to_arrow()")

    def _batches(self) -> Iterator[tuple[pyarrow.RecordBatchReader, pyarrow.RecordBatch | None]]:
        """The reader first, then batches as they are made."""
        import pyarrow

        if self._kept is not None:
            reader = pyarrow.RecordBatchReader.from_stream(self._kept)
            yield reader, None
            for batch in reader:
                yield reader, batch
            return
        run = self._start(None)
        bar = _Bar(self._progress, self._total, self.name)
        try:
            reader = pyarrow.RecordBatchReader.from_stream(run)
            yield reader, None
            for batch in reader:
                bar.at(run)
                yield reader, batch
        except pyarrow.ArrowInvalid as e:
            raise TidegateError(str(e)) from None
        finally:
            bar.close()
        _tell(run)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Record batches of PyArrow, one after the other."""
        try:
            for _, batch in self._batches():
                if batch is not None:
                    yield batch
        except OSError as e:
            raise e if isinstance(e, CaptureError) else CaptureError(str(e)) from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as dicts, one after the other. Handy, and slow: prefer columns."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_arrow(self) -> pyarrow.Table:
        """A table of PyArrow."""
        import pyarrow

        return pyarrow.table(self._collect())

    def to_pandas(self) -> pandas.DataFrame:
        """A frame of pandas (by PyArrow)."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """A frame of Polars."""
        import polars

        return polars.DataFrame(self._collect())

    def to_parquet(self, path: PathLike, **options: Any) -> int:
        """Writes a Parquet file, a row group of some 8 MB at a time, in constant memory, and says how many rows it has.
        ``options`` are those of ``pyarrow.parquet.ParquetWriter``."""
        import pyarrow
        import pyarrow.parquet

        rows = 0
        out: Any = None
        group: list[pyarrow.RecordBatch] = []
        options.setdefault("compression", "zstd")

        def written() -> None:
            if group:
                out.write_table(pyarrow.Table.from_batches(group))
                group.clear()

        try:
            for reader, batch in self._batches():
                if batch is None:
                    out = pyarrow.parquet.ParquetWriter(os.fspath(path), reader.schema, **options)
                    continue
                group.append(batch)
                rows += batch.num_rows
                if sum(b.nbytes for b in group) >= _ROW_GROUP:
                    written()
            written()
        except OSError as e:
            raise e if isinstance(e, CaptureError) else CaptureError(str(e)) from None
        finally:
            if out is not None:
                out.close()
        return rows

    def __repr__(self) -> str:
        return f"<Table {self.name}: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(kind)}</td></tr>" for name, kind in self.types.items()
        )
        return f"<b>Table {self.name}</b><table><tr><th>column</th><th>type</th></tr>{rows}</table>"


class Capture:
    """Captures to be read; see :func:`read`. Nothing is read before it is asked for, and each time anew."""

    def __init__(
        self,
        paths: Given | Iterable[Given],
        rules: Rules | None = None,
        *,
        filter: str | None = None,
        statistics: bool | str | Iterable[str] = (),
        first: int = 20,
        memory: int | str = 256 << 20,
        inline: bool = False,
        ignore_checksums: bool | None = None,
        protocols: bool = True,
        risk: bool = False,
        progress: bool | None = None,
        recursive: bool = False,
        each: bool = False,
    ) -> None:
        self._set_up(
            inputs(paths, recursive),
            rules,
            {
                "filter": filter,
                "statistics": statistics if isinstance(statistics, (bool, str)) else list(statistics or ()),
                "first": first,
                "memory": memory,
                "inline": inline,
                "ignore_checksums": ignore_checksums,
                "protocols": protocols,
                "risk": risk,
                "progress": progress,
                "each": each,
            },
        )

    def _set_up(self, found: tuple[list[Input], bool], rules: Rules | None, options: dict[str, Any]) -> None:
        handle = handle_of(rules)
        self._inputs, self._several = found
        #: The captures, those of folders one by one.
        self.paths: list[Path] = [i if isinstance(i, Path) else Path(i[0]) for i in self._inputs]
        self.rules = rules
        self._options = options
        statistics = options["statistics"]
        if statistics is True:
            self._statistics = list(STATISTICS)
        elif isinstance(statistics, str):
            self._statistics = [statistics]
        else:
            self._statistics = list(statistics or ())
        self._first: int = options["first"]
        self._progress: bool | None = options["progress"]
        # Wrong names are told at once.
        _columns("flows", self._statistics, False)
        self._reading = Reading(
            handle,
            self._inputs,
            self._several,
            options["each"],
            options["filter"],
            memory_of(options["memory"]),
            options["inline"],
            options["ignore_checksums"],
            options["protocols"],
            options["risk"],
        )
        #: Counters of the last complete reading of events, by EVE's names.
        self.stats: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, ((self._inputs, self._several), self.rules, self._options)

    @property
    def size(self) -> int:
        """Bytes of all captures together."""
        return sum(map(_size, self._inputs))

    def __iter__(self) -> Iterator[AnyEvent]:
        """All events, in order: those that the command writes to ``eve.json``."""
        return self._events(EventRun(self._reading), "events")

    def _events(self, run: EventRun, name: str) -> Iterator[AnyEvent]:
        bar = _Bar(self._progress, self.size, name)
        try:
            while (events := run.next(_EVENTS)) is not None:
                bar.at(run)
                for kind, line in events:
                    yield make(kind, line)
        finally:
            bar.close()
        self.stats = run.stats()
        _tell(run)

    def calls(self, content: bool = False) -> Iterator[Ai]:
        """Calls of models, tools and AI services, when each is complete or its flow ends; whatever events the
        configuration asks for. With ``content`` they have their prompts, messages and answers, which stay out of records
        otherwise unless the configuration says ``- ai: {content: yes}``.

        >>> import tidegate
        >>> call = next(tidegate.demo().calls(content=True))
        >>> call.provider, call.model, call.status
        ('openai', 'factory-70b', 200)
        >>> call.prompt, call.completion
        ('Summarise the maintenance log of line 4.', 'Bearing 12 was replaced.')
        """
        for event in self._events(EventRun(self._reading, content), "calls"):
            if isinstance(event, Ai):
                yield event

    def _run(self, names: list[str], rows: int | None = None) -> TableRun:
        return TableRun(self._reading, names, self._statistics if "flows" in names else [], self._first, rows)

    def _table(self, name: str, kept: TableRows | None = None) -> Table:
        statistics = self._statistics if name == "flows" else []
        types = functools.partial(_columns, name, statistics, self._several)
        start = functools.partial(self._run, [name])
        return Table(name, types, start, self.size, self._progress, kept)

    def tables(self, *names: str) -> dict[str, Table]:
        """Several tables in one pass, kept in memory: names of :data:`tidegate.TABLES`.

        >>> import tidegate
        >>> tables = tidegate.demo().tables("flows", "alerts")
        >>> len(tables["flows"]), len(tables["alerts"])
        (19, 6)
        """
        asked = list(dict.fromkeys(names))
        rows = _collect(self._run(asked), self.size, ", ".join(asked), self._progress)
        return {name: self._table(name, kept) for name, kept in zip(asked, rows)}

    def features(self, names: Literal["nfstream", "cicflowmeter"]) -> pyarrow.Table:
        """Features of flows by the names of another extractor, with its units.

        >>> import tidegate
        >>> tidegate.demo().features("nfstream")["bidirectional_packets"].to_pylist()[:3]
        [2, 10, 10]
        """
        from .features import FLAVOURS, features

        if names not in FLAVOURS:
            raise ConfigError(f"features({names!r}): there is only {', '.join(FLAVOURS)}")
        import pyarrow

        [flows] = _collect(
            TableRun(self._reading, ["flows"], list(STATISTICS), self._first, None), self.size, "flows", self._progress
        )
        return features(pyarrow.table(flows), names)

    @property
    def flows(self) -> Table:
        """Flows, a row when each ends, with the ``statistics`` asked for."""
        return self._table("flows")

    @property
    def alerts(self) -> Table:
        """Alerts."""
        return self._table("alerts")

    @property
    def http(self) -> Table:
        """HTTP requests with their responses."""
        return self._table("http")

    @property
    def dns(self) -> Table:
        """DNS messages."""
        return self._table("dns")

    @property
    def mdns(self) -> Table:
        """Messages of multicast DNS."""
        return self._table("mdns")

    @property
    def tls(self) -> Table:
        """TLS handshakes."""
        return self._table("tls")

    @property
    def ftp(self) -> Table:
        """FTP commands with their replies."""
        return self._table("ftp")

    @property
    def ssh(self) -> Table:
        """SSH connections: versions, software, HASSH."""
        return self._table("ssh")

    @property
    def smtp(self) -> Table:
        """Mails."""
        return self._table("smtp")

    @property
    def ai(self) -> Table:
        """Calls of models, tools and AI services: who was asked for what, tokens, times; ``risk`` and ``families`` where
        ``risk=True`` or a rule asks for them. What was said is in :meth:`calls`."""
        return self._table("ai")

    @property
    def services(self) -> Table:
        """What AI services offer, each time that something about one is told (``told``, ``changed``): software, models, since when, how
        many clients, and ``exposed_to`` with its ``proof`` where a request without a credential was answered. The last row of an
        address and port has the sums."""
        return self._table("services")

    @property
    def telemetry(self) -> Table:
        """The figures of each server's model by windows of time, and what deviates from those learned before (``deviations``, ``causes``,
        ``why``). Windows are an hour long unless the configuration says otherwise (``ai_telemetry``)."""
        return self._table("telemetry")

    @property
    def files(self) -> Table:
        """Files that were seen to their ends; with hashes where the configuration asks for them (``force-hash``)."""
        return self._table("files")

    @property
    def anomalies(self) -> Table:
        """Traffic that is damaged or contradicts itself."""
        return self._table("anomalies")

    @property
    def flow_packets(self) -> Table:
        """Packets that belong to flows: as :attr:`packets`, with the flow's id, the direction and the payload."""
        return self._table("flow_packets")

    @property
    def packets(self) -> Table:
        """Decoded packets, those inside of tunnels too. No flows are tracked for it."""
        return self._table("packets")

    def write(self, directory: PathLike) -> dict[str, int]:
        """Writes ``eve.json`` and the other outputs of the configuration, as the command does, and gives the counters."""
        run = WriteRun(self._reading, directory)
        bar = _Bar(self._progress, self.size, "write")
        try:
            while run.advance():
                bar.at(run)
        finally:
            bar.close()
        self.stats = run.stats()
        _tell(run)
        return self.stats

    def _name(self) -> str:
        names = ", ".join(p.name for p in self.paths[:3])
        return names if len(self.paths) <= 3 else f"{names}, … {len(self.paths)} captures"

    def __repr__(self) -> str:
        rules = "no rules" if self.rules is None else f"{len(self.rules):,} rules"
        return f"<Capture {self._name()}: {self.size:,} bytes, {rules}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(str(p))}</td><td style='text-align:right'>{_size(i):,}</td></tr>"
            for p, i in zip(self.paths[:20], self._inputs)
        )
        return f"<b>{escape(repr(self)[1:-1])}</b><table><tr><th>capture</th><th>bytes</th></tr>{rows}</table>"


def _size(given: Input) -> int:
    if isinstance(given, tuple):
        return len(given[1])
    return given.stat().st_size if given.exists() else 0


def _again(found: tuple[list[Input], bool], rules: Rules | None, options: dict[str, Any]) -> Capture:
    capture = Capture.__new__(Capture)
    capture._set_up(found, rules, options)
    return capture


def read(
    paths: Given | Iterable[Given],
    rules: Rules | None = None,
    *,
    filter: str | None = None,
    statistics: bool | str | Iterable[str] = (),
    first: int = 20,
    memory: int | str = 256 << 20,
    inline: bool = False,
    ignore_checksums: bool | None = None,
    protocols: bool = True,
    risk: bool = False,
    progress: bool | None = None,
    recursive: bool = False,
    each: bool = False,
) -> Capture:
    """Captures (pcap, pcapng, also behind gzip, Zstandard or LZ4): iterate for events, or take its tables.

    ``paths`` is a file, a folder (with ``recursive`` its folders, too), a pattern such as ``"~/traffic/*.pcap"``, the
    bytes of a capture, an open file, or a list of such. Files of a folder that are no captures are skipped with a
    warning. Several captures are one stream of packets, in order, as for the command, and tables have a column
    ``capture``; with ``each`` every capture stands for itself: its flows end with it, and packets count from 1.

    ``filter`` is tcpdump's language; ``statistics`` are names of :data:`STATISTICS`, or ``True`` for all; ``first`` is
    how many first packets of a flow are kept for the statistics of that name. ``memory`` (bytes, or ``"256mb"``) is for
    flows, streams and transactions, and does not grow with the capture. ``inline`` obeys verdicts as an inline sensor
    would; ``ignore_checksums`` inspects packets with wrong ones. Without ``protocols`` flows are made of headers alone,
    which is faster: nothing is said of applications, and there are no records of them. With ``risk`` the texts of AI calls
    are judged, as :func:`classify` does it. ``progress``: a bar if `tqdm` is
    there; by default for long captures on a terminal.

    >>> import tidegate
    >>> capture = tidegate.read(DEMO, RULES)
    >>> sorted({event.sid for event in capture if event.kind == "alert"})[:2]
    [9100001, 9100002]
    >>> capture.http.to_polars()["method"].unique().sort().to_list()
    ['GET', 'POST']
    """
    return Capture(
        paths,
        rules,
        filter=filter,
        statistics=statistics,
        first=first,
        memory=memory,
        inline=inline,
        ignore_checksums=ignore_checksums,
        protocols=protocols,
        risk=risk,
        progress=progress,
        recursive=recursive,
        each=each,
    )


@functools.cache
def _demo_rules() -> Rules:
    data = Path(__file__).parent / "data"
    return Rules(data / "ai-factory.rules", config=data / "ai-factory.yaml")


def demo(**options: Any) -> Capture:
    """A small capture that comes with the package, with rules: an AI service that is attacked. ``options`` are those of
    :func:`read`.

    >>> import tidegate
    >>> tidegate.demo()
    <Capture ai-factory.pcap: 14,893 bytes, 5 rules>
    """
    options.setdefault("rules", _demo_rules())
    return Capture(Path(__file__).parent / "data" / "ai-factory.pcap", **options)
