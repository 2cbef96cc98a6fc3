"""Patterns, phrases and rules in text, against plain searching."""

from __future__ import annotations

import random
import re
import threading

import pytest

import tidegate


def naive(patterns: list[bytes], data: bytes) -> set[tuple[int, int, int]]:
    return {
        (m.start(), m.start() + len(p), i)
        for i, p in enumerate(patterns)
        for m in re.finditer(b"(?=" + re.escape(p) + b")", data)
    }


def test_patterns_are_where_a_plain_search_finds_them() -> None:
    r = random.Random(1)
    for _ in range(50):
        patterns = [bytes(r.choices(b"ab", k=r.randint(1, 6))) for _ in range(r.randint(1, 20))]
        data = bytes(r.choices(b"abc", k=r.randint(0, 200)))
        got = {(m.start, m.end, m.id) for m in tidegate.PatternSet(patterns).scan(data)}
        assert got == naive(patterns, data)
        stream = tidegate.PatternSet(patterns).stream()
        cut = r.randint(0, len(data))
        pieces = {(m.start, m.end, m.id) for piece in (data[:cut], data[cut:]) for m in stream.feed(piece)}
        assert pieces == got


def test_case_regexes_and_errors() -> None:
    s = tidegate.PatternSet(["Key"], regexes=["[0-9]{3}"], ignore_case=True)
    assert [(m.end, m.name) for m in s.scan("KEY 123")] == [(3, "Key"), (7, "[0-9]{3}")]
    assert s.is_match(memoryview(b"xxkey")) and not s.is_match(b"") and len(s) == 2
    with pytest.raises(tidegate.PatternError) as e:
        tidegate.PatternSet(["a", ""])
    assert e.value.index == 1
    with pytest.raises(tidegate.PatternError):
        tidegate.PatternSet(regexes=["(unclosed"])
    assert s.scan_batch([b"key", b"", "777"]) == [s.scan(b"key"), [], s.scan("777")]
    assert s.scan_batch([b"key"] * 100, threads=4) == [s.scan(b"key")] * 100


def test_phrases_are_found_as_a_reader_sees_them() -> None:
    s = tidegate.Scanner(["ignore all previous", "api key"])
    hidden = "ｉｇｎｏｒｅ  all\tprevi\u200dous"
    for text in ("ignore all previous", "IGNORE ALL PREVIOUS", hidden, "ignоre аll previous"):
        [m] = s.scan("äöü " + text + " end")
        assert ("äöü " + text + " end")[m.start : m.end] == text
        assert m.name == "ignore all previous" and m.id == 0
    assert s.scan("nothing here") == []
    assert tidegate.Scanner(["api key"], normalise=()).scan("API KEY") == []
    assert [m.name for m in tidegate.Scanner(["api key"], normalise=["case"]).scan(b"API KEY")] == ["api key"]
    with pytest.raises(tidegate.ConfigError):
        tidegate.Scanner(["x"], normalise=["upper"])
    with pytest.raises(TypeError):
        tidegate.Scanner("one phrase")


def test_batches_and_threads_say_the_same() -> None:
    s = tidegate.Scanner([f"phrase number {i}" for i in range(200)])
    texts = [f"this has PHRASE  number {i} in it, ä" for i in range(1000)]
    want = [s.scan(t) for t in texts]
    assert s.scan_batch(texts) == want and s.scan_batch(texts, threads=4) == want
    out: list[bool] = []
    work = [threading.Thread(target=lambda: out.append(s.scan_batch(texts) == want)) for _ in range(4)]
    for t in work:
        t.start()
    for t in work:
        t.join()
    assert out == [True] * 4


def test_streams_find_what_tokens_cut() -> None:
    s = tidegate.Scanner(["the secret key", "sk-"])
    text = "well, THE secret   kéy is sk-123, and the secret key again ünd so"
    want = [(m.name, m.start, m.end) for m in s.scan(text.encode())]
    assert len(want) == 3
    for size in (1, 2, 3, 7, 100):
        stream = s.stream()
        got = [
            (m.name, m.start, m.end)
            for i in range(0, len(text), size)
            for m in stream.feed(text[i : i + size])
        ]
        assert got == want, size
    stream.reset()
    assert stream.feed("key is") == []


def test_rules_on_text() -> None:
    rules = tidegate.Rules(
        text=(
            'alert ip any any -> any any (msg:"injection"; content:"ignore"; nocase; content:"instructions"; '
            'distance:0; nocase; classtype:trojan-activity; sid:11; rev:3;)\n'
            'alert ip any any -> any any (msg:"key"; pcre:"/sk-[a-z0-9]{8}/"; sid:12;)'
        )
    )
    s = tidegate.Scanner(rules)
    [m] = s.scan("please IGNORE all instructions")
    assert (m.id, m.name) == (11, "injection") and m.rule is not None and m.rule.rev == 3
    assert [m.id for m in s.scan("my key is sk-abcd1234")] == [12]
    assert [m.id for m in s.scan("ｉｇｎｏｒｅ the instructions")] == [11]
    stream = s.stream()
    assert [m.id for t in ("ign", "ore my inst", "ructions", " now") for m in stream.feed(t)] == [11]
    assert s.scan_batch(["x", "ignore instructions"])[1][0].id == 11


def test_whole_words() -> None:
    text = "danger, Jordan, DAN, dan's; dan_x predan éDAN DANé (dan) d\u200ban dan\u200bger"
    s = tidegate.Scanner(["DAN"], whole_words=True)
    assert [text[m.start : m.end] for m in s.scan(text)] == ["DAN", "dan", "dan", "d\u200ban"]
    assert len(tidegate.Scanner(["DAN"]).scan(text)) > 8
    assert s.scan_batch([text] * 3) == [s.scan(text)] * 3
    # An end that is no letter needs no boundary.
    assert len(tidegate.Scanner(["sk-"], whole_words=True).scan("sk-123 task-1")) == 1
    data = text.encode()
    want = [(m.start, m.end) for m in s.scan(data)]
    for size in (1, 2, 3, 5, 200):
        stream = s.stream()
        got = [m for i in range(0, len(data), size) for m in stream.feed(data[i : i + size])] + stream.finish()
        assert [(m.start, m.end) for m in got] == want, size
    stream = s.stream()
    assert not stream.feed("a dan") and not stream.feed("ger, dan") and len(stream.feed(".")) == 1
    assert not stream.feed(" dan") and len(stream.finish()) == 1 and not stream.finish()
    with pytest.raises(tidegate.ConfigError, match="pcre"):
        tidegate.Scanner(tidegate.Rules(text='alert ip any any -> any any (content:"a"; sid:1;)'), whole_words=True)


def test_the_list_of_phrases() -> None:
    s = tidegate.Scanner(tidegate.PHRASES, whole_words=True)
    assert len(set(tidegate.PHRASES)) == len(tidegate.PHRASES) > 50
    for phrase in tidegate.PHRASES:
        assert phrase in [m.name for m in s.scan(f"Please, {phrase.upper()}! Thanks.")]
    for text in (
        "Dan went to the garden; there was no danger.",
        "How do I ignore whitespace in a diff, and what is a system call?",
        "Please show me the instructions for the new dishwasher.",
        "Act as a translator. Developer tools are in the menu.",
    ):
        assert not s.scan(text), text
