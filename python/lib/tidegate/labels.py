"""Labelled detections as Arrow tables and Parquet files.

`tidegate export --labels FOLDER -o detections.jsonl` writes a row of JSON for each detection; this module reads such files. It
needs PyArrow (``pip install tidegate[arrow]``).

>>> import json, tempfile, os
>>> row = {"id": "a", "time": "2026-01-05T09:00:03.611200+0000", "kind": "alert", "flow_id": "7", "label": "recon",
...        "labels": {"risk": ["recon"], "attack": [], "atlas": ["AML.T0014"], "owasp": []}, "split": "train",
...        "features": {"http.length": 64}}
>>> path = os.path.join(tempfile.mkdtemp(), "rows.jsonl")
>>> with open(path, "w") as f:
...     _ = f.write(json.dumps(row) + "\\n")
>>> t = table(path)
>>> t.column("atlas").to_pylist(), t.column("features").to_pylist()
([['AML.T0014']], ['{"http.length":64}'])
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["schema", "table", "to_parquet"]

#: Columns that are texts, as the rows have them.
_TEXTS = (
    "id", "time", "kind", "flow_id", "src_ip", "dest_ip", "proto", "app_proto", "direction", "label", "what", "action",
    "split", "text",
)
_NUMBERS = ("src_port", "dest_port", "signature_id", "severity")
#: Lists below `labels`.
_LISTS = ("risk", "attack", "atlas", "owasp")
#: Objects whose members differ from row to row: JSON.
_OBJECTS = ("context", "features")
#: Rows that are read at a time.
_ROWS = 20_000


def schema() -> pyarrow.Schema:
    """The columns, in their order."""
    import pyarrow as pa

    fields = [pa.field(n, pa.string()) for n in _TEXTS]
    fields += [pa.field(n, pa.int64()) for n in _NUMBERS]
    fields += [pa.field(n, pa.list_(pa.string())) for n in _LISTS]
    fields += [pa.field(n, pa.string()) for n in _OBJECTS]
    return pa.schema(fields)


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    out = {n: row.get(n) for n in _TEXTS + _NUMBERS}
    labels = row.get("labels") or {}
    out.update({n: labels.get(n) or [] for n in _LISTS})
    for n in _OBJECTS:
        value = row.get(n)
        out[n] = None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return out


def _batches(source: str | os.PathLike[str]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow as pa

    columns = schema()
    with open(source, encoding="utf-8") as f:
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(f, 1):
            try:
                rows.append(_columns(json.loads(line)))
            except (ValueError, AttributeError, TypeError) as e:
                raise ValueError(f"{os.fspath(source)}:{number}: a row of `tidegate export --labels` is expected: {e}") from None
            if len(rows) == _ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=columns)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=columns)


def table(source: str | os.PathLike[str]) -> pyarrow.Table:
    """All rows of a file as one table."""
    import pyarrow as pa

    return pa.Table.from_batches(_batches(source), schema=schema())


def to_parquet(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> int:
    """Writes the rows of a file as Parquet, a part at a time; how many there were.

    The target is there when it is whole, and only then.
    """
    import pyarrow.parquet as pq

    part = f"{os.fspath(target)}.part"
    count = 0
    try:
        with pq.ParquetWriter(part, schema()) as w:
            for batch in _batches(source):
                w.write_batch(batch)
                count += batch.num_rows
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.remove(part)
    return count
