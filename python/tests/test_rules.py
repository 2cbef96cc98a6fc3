"""Rules: from text and files, with variables; refusals say where."""

from __future__ import annotations

from pathlib import Path

import pytest

import tidegate

GOOD = 'alert tcp $OFFICE any -> any $WEB_PORTS (msg:"seven"; content:"x"; sid:7; rev:2;)'


def test_text_files_and_variables(tmp_path: Path) -> None:
    variables = {"OFFICE": "[10.1.0.0/16]", "WEB_PORTS": "[80,8080]"}
    (tmp_path / "a.rules").write_text(GOOD + "\n")
    of_text = tidegate.Rules(text=GOOD, variables=variables)
    of_file = tidegate.Rules(tmp_path / "a.rules", variables=variables)
    of_folder = tidegate.Rules([tmp_path], variables=variables)
    for rules in (of_text, of_file, of_folder):
        assert len(rules) == 1 and 7 in rules and rules[7].message == "seven" and rules[7].rev == 2
        assert [r.sid for r in rules] == [7]
    with pytest.raises(tidegate.RuleError):
        tidegate.Rules(text=GOOD)


def test_a_refusal_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "b.rules"
    path.write_text('# first\nalert ip any any -> any any (msg:"a"; sid:1;)\nalert ip any any -> any any (mgs:"b"; sid:2;)\n')
    with pytest.raises(tidegate.RuleError) as e:
        tidegate.Rules(path)
    assert (e.value.file, e.value.line, e.value.sid) == (str(path), 3, 2)
    assert e.value.column == 30 and "mgs" in e.value.reason
    assert isinstance(e.value, (tidegate.TidegateError, ValueError))
    kept = tidegate.Rules(path, errors="keep")
    assert len(kept) == 1 and len(kept.refused) == 1 and kept.refused[0].line == 3


def test_what_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(tidegate.ConfigError, match="none.rules"):
        tidegate.Rules(tmp_path / "none.rules")
    with pytest.raises(tidegate.ConfigError):
        tidegate.Rules(config=tmp_path / "none.yaml")
    with pytest.raises(ValueError, match="errors"):
        tidegate.Rules(errors="ignore")


def test_every_exception_has_one_root() -> None:
    for name in ("CaptureError", "ConfigError", "PatternError", "RuleError"):
        assert issubclass(getattr(tidegate, name), tidegate.TidegateError)
