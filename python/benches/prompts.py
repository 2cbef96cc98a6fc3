"""10,000 prompts searched for 1,000 phrases: Scanner and PatternSet against `re`, pyahocorasick and Hyperscan.

    python prompts.py [SHARED]

The prompts are those of SHARED/prompts, and pairs of them until there are enough; the phrases are three to six words out
of the attacks among them. Without SHARED both are made up from a fixed seed. Case is ignored. All ways must find the same:
every phrase at every place, except `re`, whose alternation gives the first phrase at a place and goes on behind it; its
matches must be among the others', in the same prompts. The Scanner with all its normalisation is measured besides; it must
find all that, and may find more.
"""

from __future__ import annotations

import gc
import json
import random
import re
import statistics as st
import sys
import time
from pathlib import Path
from typing import Any, Callable

import ahocorasick
import hyperscan

import tidegate

ROUNDS = 5
PROMPTS, PHRASES = 10_000, 1_000
WORDS = (
    "ignore previous instructions system prompt reveal secret key password model answer please write story about the a "
    "of and to in that is for it with as on be at by this have from or one had not but what all were when we there can "
    "an your which their said if do will each how explain translate summarise code python function list table email "
    "customer report energy history music travel cooking science planet garden river market weather school"
).split()

#: Phrase and byte behind it, of one prompt.
Found = set[tuple[int, int]]


def made() -> tuple[list[str], list[str]]:
    """Phrases and prompts out of nothing."""
    r = random.Random(1)
    phrases = sorted({" ".join(r.choices(WORDS, k=r.randint(3, 6))) for _ in range(PHRASES + 100)})
    r.shuffle(phrases)
    phrases = phrases[:PHRASES]
    prompts = []
    for _ in range(PROMPTS):
        words = r.choices(WORDS, k=r.randint(20, 200))
        if r.random() < 0.05:
            words.insert(r.randrange(len(words)), r.choice(phrases).upper())
        prompts.append(" ".join(words))
    return phrases, prompts


def shared(folder: Path) -> tuple[list[str], list[str]]:
    """Phrases and prompts of the labelled ones."""
    r = random.Random(1)
    rows = [json.loads(line) for line in (folder / "prompts/labelled.jsonl").read_text().rstrip("\n").split("\n")]
    prompts = [row["text"] for row in rows]
    attacks = [row["text"].split() for row in rows if row["label"] == 1]
    phrases: dict[str, str] = {}
    while len(phrases) < PHRASES:
        words, n = r.choice(attacks), r.randint(3, 6)
        at = r.randrange(max(1, len(words) - n))
        phrase = " ".join(words[at : at + n])
        if len(phrase) >= 10 and phrase.isascii():
            phrases.setdefault(phrase.lower(), phrase)
    while len(prompts) < PROMPTS:
        prompts.append(r.choice(rows)["text"] + "\n" + r.choice(rows)["text"])
    return list(phrases.values()), prompts[:PROMPTS]


def main() -> None:
    phrases, prompts = shared(Path(sys.argv[1])) if len(sys.argv) > 1 else made()
    data = [p.encode() for p in prompts]

    scanner = tidegate.Scanner(phrases, normalise=["case"])
    guard = tidegate.Scanner(phrases)
    patterns = tidegate.PatternSet(phrases, ignore_case=True)
    alternation = re.compile("|".join(map(re.escape, phrases)), re.IGNORECASE | re.ASCII)
    automaton = ahocorasick.Automaton()
    for i, p in enumerate(phrases):
        automaton.add_word(p.lower(), i)
    automaton.make_automaton()
    database = hyperscan.Database()
    database.compile(
        expressions=[re.escape(p).encode() for p in phrases],
        ids=list(range(len(phrases))),
        flags=[hyperscan.HS_FLAG_CASELESS] * len(phrases),
    )

    def with_hyperscan() -> list[list[tuple[int, int]]]:
        out = []
        for p in data:
            found: list[tuple[int, int]] = []
            database.scan(p, match_event_handler=lambda i, start, end, flags, context: found.append((i, end)))
            out.append(found)
        return out

    def of_bytes(result: list[list[tidegate.Match]]) -> list[Found]:
        return [{(m.id, m.end) for m in matches} for matches in result]

    def of_automaton(result: list[list[tuple[int, int]]]) -> list[Found]:
        # It searches characters, and tells the last one.
        return [{(i, len(p[: end + 1].encode())) for end, i in ms} for p, ms in zip(prompts, result)]

    # What is timed, and what makes its result comparable.
    ways: dict[str, tuple[Callable[[], Any], Callable[[Any], list[Found]]]] = {
        "tidegate Scanner.scan_batch": (lambda: scanner.scan_batch(data), of_bytes),
        "tidegate Scanner.scan, one by one": (lambda: [scanner.scan(p) for p in data], of_bytes),
        "tidegate PatternSet.scan_batch": (lambda: patterns.scan_batch(data), of_bytes),
        "pyahocorasick": (lambda: [list(automaton.iter(p.lower())) for p in prompts], of_automaton),
        "hyperscan": (with_hyperscan, lambda result: [set(found) for found in result]),
    }
    others: dict[str, Callable[[], Any]] = {
        "tidegate Scanner, all normalisation": lambda: guard.scan_batch(data),
        "re, alternation": lambda: [[m.span() for m in alternation.finditer(p.decode())] for p in data],
    }

    times: dict[str, list[float]] = {name: [] for name in [*ways, *others]}
    results: dict[str, Any] = {}
    for i in range(ROUNDS):
        for name, way in [*((n, w[0]) for n, w in ways.items()), *others.items()]:
            if name.startswith("re,") and i > 0:
                continue  # It takes long, and always the same.
            # What was found before is not given back, nor looked through, on somebody's time.
            results.pop(name, None)
            gc.collect()
            start = time.perf_counter()
            results[name] = way()
            times[name].append(time.perf_counter() - start)

    found = {name: comparable(results[name]) for name, (_, comparable) in ways.items()}
    first = next(iter(found.values()))
    for name, theirs in found.items():
        assert theirs == first, (name, next((p, a, b) for p, a, b in zip(prompts, theirs, first) if a != b))
    for prompt, mine, all_of_it in zip(prompts, first, results["tidegate Scanner, all normalisation"]):
        assert mine <= {(m.id, m.end) for m in all_of_it}, prompt
    for prompt, mine, spans in zip(prompts, first, results["re, alternation"]):
        ends = {(len(phrases[i]), end) for i, end in mine}
        assert bool(spans) == bool(mine), prompt
        assert all((e - s, len(prompt[:e].encode())) in ends for s, e in spans), prompt

    size = sum(map(len, data))
    print(
        f"{len(prompts):,} prompts, {size / 1e6:.1f} MB, {len(phrases):,} phrases: {sum(map(bool, first)):,} prompts match, "
        f"{sum(map(len, first)):,} times; the same everywhere"
    )
    for name, t in sorted(times.items(), key=lambda x: st.median(x[1])):
        m = st.median(t)
        print(f"{name:38} {m * 1e3:10.1f} ms  {size / m / 1e6:9.1f} MB/s")


if __name__ == "__main__":
    main()
