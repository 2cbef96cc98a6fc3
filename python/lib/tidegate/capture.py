"""Captures: typed events, and Arrow tables of flows, alerts, records and packets, read in constant memory."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Protocol

from ._tidegate import EventRun, Reading, TableRun, WriteRun, statistics as _groups
from .errors import CaptureError, TidegateWarning
from .events import Event, make
from .rules import PathLike, Rules, as_list, handle_of

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["STATISTICS", "Capture", "Table", "read"]

#: Statistics of flows that can be asked for: name, what it is, columns.
STATISTICS = {name: (about, columns) for name, about, columns in _groups()}

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
            self._bar.update(max(0, done - self._bar.n))
            self._bar.set_postfix_str(f"{packets:,} packets", refresh=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _tell(run: _Run) -> None:
    for text in run.damaged():
        warnings.warn(text, TidegateWarning, stacklevel=3)


class Table:
    """A table of a capture. It is made anew each time it is read, a batch of rows at a time.

    Whatever speaks Arrow's stream interface reads it: ``polars.DataFrame(table)``, ``pyarrow.table(table)``,
    ``duckdb.sql("from table")`` (by a ``pyarrow.RecordBatchReader``), ``pandas`` by :meth:`to_pandas`.

    >>> import tidegate
    >>> flows = tidegate.read(DEMO).flows
    >>> flows.columns[:4]
    ['flow_id', 'src_ip', 'src_port', 'dest_ip']
    >>> flows.to_arrow().num_rows
    19
    """

    def __init__(self, name: str, start: Callable[[], TableRun], total: int, progress: bool | None) -> None:
        #: flows, alerts, http, dns, tls or packets.
        self.name = name
        self._start = start
        self._total = total
        self._progress = progress

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._start().__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [name for name, _ in self._start().columns()]

    @property
    def types(self) -> dict[str, str]:
        """Arrow types of the columns."""
        return dict(self._start().columns())

    def _collect(self) -> TableRun:
        """Reads everything into memory, with a progress bar; an interrupt ends it."""
        run = self._start()
        bar = _Bar(self._progress, self._total, self.name)
        try:
            while run.advance():
                bar.at(run)
        finally:
            bar.close()
        _tell(run)
        return run

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Record batches of PyArrow, one after the other."""
        import pyarrow

        run = self._start()
        bar = _Bar(self._progress, self._total, self.name)
        try:
            for batch in pyarrow.RecordBatchReader.from_stream(run):
                bar.at(run)
                yield batch
        except OSError as e:
            raise CaptureError(str(e)) from None
        finally:
            bar.close()
        _tell(run)

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

        run = self._start()
        bar = _Bar(self._progress, self._total, self.name)
        rows = 0
        options.setdefault("compression", "zstd")
        try:
            reader = pyarrow.RecordBatchReader.from_stream(run)
            with pyarrow.parquet.ParquetWriter(os.fspath(path), reader.schema, **options) as out:
                group: list[pyarrow.RecordBatch] = []
                for batch in reader:
                    group.append(batch)
                    rows += batch.num_rows
                    if sum(b.nbytes for b in group) >= _ROW_GROUP:
                        out.write_table(pyarrow.Table.from_batches(group))
                        group = []
                    bar.at(run)
                if group:
                    out.write_table(pyarrow.Table.from_batches(group))
        except OSError as e:
            raise CaptureError(str(e)) from None
        finally:
            bar.close()
        _tell(run)
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
        paths: PathLike | Iterable[PathLike],
        rules: Rules | None = None,
        *,
        filter: str | None = None,
        statistics: bool | str | Iterable[str] = (),
        first: int = 20,
        memory: int = 256 << 20,
        inline: bool = False,
        ignore_checksums: bool | None = None,
        protocols: bool = True,
        progress: bool | None = None,
    ) -> None:
        given = as_list(paths)
        #: The captures, those of folders one by one.
        self.paths: list[Path] = []
        folders = False
        for path in map(Path, given):
            if path.is_dir():
                folders = True
                self.paths.extend(sorted(p for p in path.iterdir() if p.is_file()))
            else:
                self.paths.append(path)
        self.rules = rules
        if statistics is True:
            self._statistics = list(STATISTICS)
        elif isinstance(statistics, str):
            self._statistics = [statistics]
        else:
            self._statistics = list(statistics or ())
        self._first = first
        self._progress = progress
        folder = folders or len(self.paths) > 1
        self._reading = Reading(
            handle_of(rules), list(self.paths), folder, filter, memory, inline, ignore_checksums, protocols
        )
        #: Counters of the last complete reading of events, by EVE's names.
        self.stats: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all captures together."""
        return sum(p.stat().st_size for p in self.paths if p.exists())

    def __iter__(self) -> Iterator[Event]:
        """All events, in order: those that the command writes to ``eve.json``."""
        run = EventRun(self._reading)
        bar = _Bar(self._progress, self.size, "events")
        try:
            while (events := run.next(_EVENTS)) is not None:
                bar.at(run)
                for kind, line in events:
                    yield make(kind, line)
        finally:
            bar.close()
        self.stats = run.stats()
        _tell(run)

    def _table(self, name: str) -> Table:
        statistics = self._statistics if name == "flows" else []

        def start() -> TableRun:
            return TableRun(self._reading, name, statistics, self._first)

        return Table(name, start, self.size, self._progress)

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
    def tls(self) -> Table:
        """TLS handshakes."""
        return self._table("tls")

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
            f"<tr><td>{escape(str(p))}</td><td style='text-align:right'>{p.stat().st_size if p.exists() else 0:,}</td></tr>"
            for p in self.paths[:20]
        )
        return f"<b>{escape(repr(self)[1:-1])}</b><table><tr><th>capture</th><th>bytes</th></tr>{rows}</table>"


def read(
    paths: PathLike | Iterable[PathLike],
    rules: Rules | None = None,
    *,
    filter: str | None = None,
    statistics: bool | str | Iterable[str] = (),
    first: int = 20,
    memory: int = 256 << 20,
    inline: bool = False,
    ignore_checksums: bool | None = None,
    protocols: bool = True,
    progress: bool | None = None,
) -> Capture:
    """Captures (pcap, pcapng), or folders of them: iterate for events, or take its tables.

    ``filter`` is tcpdump's language; ``statistics`` are names of :data:`STATISTICS`, or ``True`` for all; ``first`` is
    how many first packets of a flow are kept for the statistics of that name. ``memory`` is for flows, streams and
    transactions, and does not grow with the capture. ``inline`` obeys verdicts as an inline sensor would;
    ``ignore_checksums`` inspects packets with wrong ones. Without ``protocols`` flows are made of headers alone, which is
    faster: nothing is said of applications, and there are no records of them. ``progress``: a bar if `tqdm` is there; by default for long
    captures on a terminal.

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
        progress=progress,
    )
