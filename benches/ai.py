#!/usr/bin/env python3
"""What reading AI traffic costs: the reader of JSON against others, and the whole command with and without records of calls.

    benches/ai.py json --bench BINARY [--engine BINARY] [--shared DIR]     the bodies of recorded AI traffic
    benches/ai.py run  --engine BINARY --shared DIR [--copies 40] [--pairs 5]

json  takes the bodies out of the captures of DIR with the engine's file store, and hands them to BINARY
      (benches/json); without DIR that makes bodies of its own.
run   plays the captures of DIR, many times over (mkmix.py), and reads them in turns with records of HTTP alone and with
      records of calls as well. Both have to write the same records of HTTP. Tells packets a second of processor time: the
      least, the median and the most of the ratios of the pairs. `ai off` is a third run that does not even look for calls.

Standard library only.
"""
import argparse
import collections
import hashlib
import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

STORE = """%YAML 1.1
---
outputs:
  - file-store: {version: 2, enabled: yes, force-filestore: yes, dir: files}
stream:
  reassembly: {depth: 0}
app-layer:
  protocols:
    http:
      enabled: yes
      libhtp: {default-config: {request-body-limit: 0, response-body-limit: 0}}
"""
RUN = """%%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [%s]}
app-layer:
  protocols:
    ai: {enabled: %s}
"""
KINDS = {"http": ("http", "yes"), "ai": ("http, ai", "yes"), "ai off": ("http", "no")}
# Keys of requests; what has none of them is an answer.
ASKED = {"messages", "prompt", "input", "inputs", "method", "params", "query_embeddings", "documents"}


def engine(binary, capture, config, folder, *more):
    """runs the command on a capture -> seconds of processor time"""
    path = os.path.join(folder, "config.yaml")
    with open(path, "w") as f:
        f.write(config)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    r = subprocess.run([binary, "run", "-r", capture, "-S", os.devnull, "-c", path, "-l", folder, *more],
                       capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{binary} {capture}: exit {r.returncode}: {r.stderr[-400:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, r.stdout


def cut(body):
    """a stored body -> (kind, JSON) of each value in it"""
    text = body.lstrip()
    if text.startswith((b"data:", b"event:", b":", b"id:")):
        for line in body.replace(b"\r", b"").split(b"\n"):
            if line.startswith(b"data:"):
                yield from whole(b"e", line[5:].strip())
        return
    if text.startswith(b"{"):
        found = list(whole(b"", text))
        if found:
            yield from found
            return
        for line in text.split(b"\n"):
            yield from whole(b"e", line.strip())


def whole(kind, text):
    try:
        value = json.loads(text)
    except ValueError:
        return
    if isinstance(value, dict):
        yield kind or (b"q" if ASKED & set(value) else b"a"), text


def bodies(o, path, folder):
    """writes the bodies of all captures as benches/json/src/bodies.rs reads them"""
    source = os.path.join(o.shared, "ai-captures")
    n = collections.Counter()
    with open(path, "wb") as f:
        for name in sorted(n for n in os.listdir(source) if n.endswith(".pcap")):
            out = os.path.join(folder, "files")
            engine(o.engine, os.path.join(source, name), STORE, folder)
            stored = [os.path.join(d, x) for d, _, files in os.walk(out) for x in files]
            for p in sorted(stored):
                for kind, text in cut(open(p, "rb").read()):
                    f.write(kind + struct.pack("<I", len(text)) + text)
                    n[kind.decode()] += 1
            shutil.rmtree(out, ignore_errors=True)
    return n


def run_json(o):
    with tempfile.TemporaryDirectory() as d:
        given = []
        if o.engine and os.path.isdir(os.path.join(o.shared, "ai-captures")):
            path = os.path.join(d, "bodies")
            n = bodies(o, path, d)
            print(f"bodies of ai-captures: {n['q']} requests, {n['a']} answers, {n['e']} events\n", flush=True)
            given = ["--bodies", path]
        return subprocess.run([o.bench, *given, "--pairs", str(o.pairs)]).returncode


def records(folder):
    """number of records by kind, and a digest of those of HTTP"""
    n, digest = collections.Counter(), hashlib.sha256()
    with open(os.path.join(folder, "eve.json")) as f:
        for line in f:
            e = json.loads(line)
            n[e["event_type"]] += 1
            if e["event_type"] == "http":
                # Flows have random numbers when a capture is read in several ways; the rest has to be the same.
                digest.update(json.dumps([e["timestamp"], e["src_ip"], e["src_port"], e["http"]]).encode())
    return n, digest.hexdigest()


def run_whole(o):
    with tempfile.TemporaryDirectory(dir=o.scratch) as d:
        mix = os.path.join(d, "mix.pcap")
        made = subprocess.run([sys.executable, os.path.join(o.shared, "tools", "mkmix.py"), mix,
                               os.path.join(o.shared, "ai-captures"), "--copies", str(o.copies)],
                              check=True, capture_output=True, text=True).stdout.strip()
        packets = int(made.split(": ")[1].split()[0])
        print(made, flush=True)
        rates = collections.defaultdict(list)
        seen = {}
        # The first round warms the file.
        for turn in range(o.pairs + 1):
            for kind, (types, on) in KINDS.items():
                out = os.path.join(d, kind)
                os.makedirs(out, exist_ok=True)
                spent, _ = engine(o.engine, mix, RUN % (types, on), out)
                if turn == 0:
                    seen[kind] = records(out)
                else:
                    rates[kind].append(packets / spent)
                shutil.rmtree(out)
        for kind, (n, digest) in seen.items():
            print(f"{kind}: {dict(n)}")
            if digest != seen["http"][1]:
                sys.exit(f"{kind}: records of HTTP differ")
        if not seen["ai"][0]["ai"]:
            sys.exit("no records of calls")
        print("\n| run | packets a second (median) | of the rate with `http` alone (least, median, most) | of `ai off` |\n|---|---|---|---|")
        for kind in KINDS:
            against = {}
            for base in ("http", "ai off"):
                ratios = [a / b for a, b in zip(rates[kind], rates[base])]
                against[base] = f"{min(ratios):.3f}, {statistics.median(ratios):.3f}, {max(ratios):.3f}"
            print(f"| {kind} | {statistics.median(rates[kind]):,.0f} | {against['http']} | {against['ai off']} |")
    return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("json", "run"))
    ap.add_argument("--engine")
    ap.add_argument("--bench")
    ap.add_argument("--shared", default="../shared")
    ap.add_argument("--copies", type=int, default=40)
    ap.add_argument("--pairs", type=int, default=7)
    ap.add_argument("--scratch", help="a folder with room for the capture")
    ap.add_argument("--bodies", help="write the bodies to that file and end")
    o = ap.parse_args()
    if o.bodies:
        with tempfile.TemporaryDirectory() as d:
            print(bodies(o, o.bodies, d))
        return
    sys.exit(run_json(o) if o.what == "json" else run_whole(o))


if __name__ == "__main__":
    main()
