"""Labelled detections: what the command exports, as a table and as Parquet."""

import json
import pathlib
import subprocess
import sys

import pytest
from support import DEMO, DEMO_CONFIG, DEMO_RULES

import tidegate
from tidegate import labels

pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("labels")
    run = [sys.executable, "-m", "tidegate"]
    subprocess.run([*run, "run", "-q", "-r", DEMO, "-S", DEMO_RULES, "-c", DEMO_CONFIG, "-l", folder], check=True)
    subprocess.run([*run, "export", "--labels", "--flows", "-o", folder / "rows.jsonl", folder], check=True, capture_output=True)
    return folder / "rows.jsonl"


def test_a_table_has_the_rows(rows: pathlib.Path) -> None:
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    t = labels.table(rows)
    assert t.num_rows == len(lines) and t.schema == labels.schema()
    assert t.column("label").to_pylist() == [r["label"] for r in lines]
    assert t.column("risk").to_pylist() == [r["labels"]["risk"] for r in lines]
    assert [json.loads(f) for f in t.column("features").to_pylist()] == [r["features"] for r in lines]
    assert {"prompt_injection", "secret_leak", "none"} <= set(t.column("label").to_pylist())


def test_parquet_is_whole_or_not_there(rows: pathlib.Path, tmp_path: pathlib.Path) -> None:
    import pyarrow.parquet as pq

    n = labels.to_parquet(rows, tmp_path / "rows.parquet")
    assert pq.read_table(tmp_path / "rows.parquet").equals(labels.table(rows)) and n > 0
    bad = tmp_path / "bad.jsonl"
    bad.write_text(rows.read_text() + "no row\n")
    with pytest.raises(ValueError, match=rf"bad.jsonl:{n + 1}"):
        labels.to_parquet(bad, tmp_path / "bad.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.jsonl", "rows.parquet"]
    assert tidegate.__version__
