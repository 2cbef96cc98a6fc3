"""10,000 prompts searched for 1,000 phrases: Scanner and PatternSet against `re`, pyahocorasick and Hyperscan.

    python prompts.py

Each searches for the phrases without regard to ASCII case and counts prompts with a match; all must count the same.
Prompts and phrases are made up from a fixed seed. The Scanner's full normalisation is measured besides.
"""

from __future__ import annotations

import random
import re
import statistics as st
import time
from typing import Callable

import tidegate

ROUNDS = 5
WORDS = (
    "ignore previous instructions system prompt reveal secret key password model answer please write story about the a "
    "of and to in that is for it with as on be at by this have from or one had not but what all were when we there can "
    "an your which their said if do will each how explain translate summarise code python function list table email "
    "customer report energy history music travel cooking science planet garden river market weather school"
).split()


def made(seed: int) -> tuple[list[str], list[str]]:
    r = random.Random(seed)
    phrases = sorted({" ".join(r.choices(WORDS, k=r.randint(3, 6))) for _ in range(1100)})
    r.shuffle(phrases)
    phrases = phrases[:1000]
    prompts = []
    for _ in range(10_000):
        words = r.choices(WORDS, k=r.randint(20, 200))
        if r.random() < 0.05:
            words.insert(r.randrange(len(words)), r.choice(phrases).upper())
        prompts.append(" ".join(words))
    return phrases, prompts


def main() -> None:
    phrases, prompts = made(1)
    data = [p.encode() for p in prompts]
    ways: dict[str, Callable[[], int]] = {}

    scanner = tidegate.Scanner(phrases, normalise=["case"])
    ways["tidegate Scanner.scan_batch"] = lambda: sum(map(bool, scanner.scan_batch(prompts)))
    ways["tidegate Scanner.scan, one by one"] = lambda: sum(bool(scanner.scan(p)) for p in prompts)
    guard = tidegate.Scanner(phrases)
    ways["tidegate Scanner, all normalisation"] = lambda: sum(map(bool, guard.scan_batch(prompts)))
    patterns = tidegate.PatternSet(phrases, ignore_case=True)
    ways["tidegate PatternSet.scan_batch"] = lambda: sum(map(bool, patterns.scan_batch(prompts)))

    pattern = re.compile("|".join(map(re.escape, phrases)), re.IGNORECASE)
    ways["re, alternation"] = lambda: sum(pattern.search(p) is not None for p in prompts)
    try:
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for i, p in enumerate(phrases):
            automaton.add_word(p.lower(), i)
        automaton.make_automaton()
        ways["pyahocorasick, all matches"] = lambda: sum(bool(list(automaton.iter(p.lower()))) for p in prompts)
    except ImportError:
        print("pyahocorasick is not installed")
    try:
        import hyperscan

        db = hyperscan.Database()
        db.compile(
            expressions=[re.escape(p).encode() for p in phrases],
            ids=list(range(len(phrases))),
            flags=[hyperscan.HS_FLAG_CASELESS] * len(phrases),
        )

        def with_hyperscan() -> int:
            n = 0
            for p in data:
                found: list[int] = []
                db.scan(p, match_event_handler=lambda i, *_: found.append(i))
                n += bool(found)
            return n

        ways["hyperscan, all matches"] = with_hyperscan
    except ImportError:
        print("hyperscan is not installed")

    size = sum(map(len, data))
    counts = {name: way() for name, way in ways.items() if not name.startswith("re,")}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(ROUNDS):
        for name, way in ways.items():
            if name.startswith("re,") and i > 0:
                continue  # It takes long, and always the same.
            start = time.perf_counter()
            counts[name] = way()
            times[name].append(time.perf_counter() - start)
    assert len(set(counts.values())) == 1, counts
    print(f"{len(prompts):,} prompts, {size / 1e6:.1f} MB, {len(phrases):,} phrases, {counts.popitem()[1]} prompts match")
    for name, t in sorted(times.items(), key=lambda x: st.median(x[1])):
        m = st.median(t)
        print(f"{name:38} {m * 1e3:10.1f} ms  {size / m / 1e6:9.1f} MB/s")


if __name__ == "__main__":
    main()
