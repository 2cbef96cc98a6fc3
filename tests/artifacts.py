#!/usr/bin/env python3
"""Judges the model files of ../shared/artifacts by `tidegate artifact` and holds the result to floors.

    tests/artifacts.py [--tidegate target/release/tidegate] [--set ../shared/artifacts] [-v]

Prints how many files of each kind are found, and which are not. Malicious files count when they are malicious or
suspicious; a benign file must be neither. Then the same files pass over HTTP, in pieces of 1 to 4096 bytes, and must be
judged as at rest. Exit code 1 when a floor is not held, 77 when the files are not there.
"""

import argparse
import collections
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import urllib.parse

FOUND = 0.98  # of malicious files
INERT = 0.85  # of those that run only when something else loads them
ROOT = pathlib.Path(__file__).resolve().parent.parent


def inert(kind):
    return (
        kind in ("pickle:nested_inert", "torch_zip:payload_in_storage", "torch_zip:hidden", "torch_zip:nested", "polyglot")
        or kind.endswith(":trailing")
    )


class Capture:
    """TCP over Ethernet without anything else."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1))
        self.ticks = 0

    def packet(self, src, dst, flags, seq, ack, data=b""):
        tcp = struct.pack("!HHIIBBHHH", src[1], dst[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, src[0], dst[0])
        words = sum(struct.unpack("!10H", ip))
        words = (words & 0xFFFF) + (words >> 16)
        ip = ip[:10] + struct.pack("!H", ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF) + ip[12:]
        pseudo = src[0] + dst[0] + struct.pack("!HH", 6, 20 + len(data)) + tcp + data + b"\0" * (len(data) & 1)
        total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        tcp = tcp[:16] + struct.pack("!H", ~total & 0xFFFF) + tcp[18:]
        frame = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + tcp + data
        self.ticks += 7
        self.out.write(struct.pack("<IIII", 1_700_000_000 + self.ticks // 1_000_000, self.ticks % 1_000_000, len(frame), len(frame)))
        self.out.write(frame)

    def flow(self, port, request, answer, cut):
        """One connection; `cut` gives the sizes of the answer's segments."""
        client, server = (b"\x0a\0\0\x05", port), (b"\x0a\x01\0\x09", 80)
        self.packet(client, server, 0x02, 0, 0)
        self.packet(server, client, 0x12, 0, 1)
        self.packet(client, server, 0x10, 1, 1)
        self.packet(client, server, 0x18, 1, 1, request)
        at, ack = 0, 1 + len(request)
        while at < len(answer):
            n = cut()
            self.packet(server, client, 0x18, 1 + at, ack, answer[at : at + n])
            self.packet(client, server, 0x10, ack, 1 + min(at + n, len(answer)))
            at += n
        self.packet(server, client, 0x11, 1 + len(answer), ack)
        self.packet(client, server, 0x11, ack, 2 + len(answer))
        self.packet(server, client, 0x10, 2 + len(answer), ack + 1)


def over_http(engine, folder, rows):
    """Verdicts by file name, as `artifact` records tell them, and the alerts on each. Both names are the request's."""
    rng = random.Random(17)
    with tempfile.TemporaryDirectory() as tmp:
        capture = Capture(f"{tmp}/files.pcap")
        for i, r in enumerate(rows):
            body = (folder / r["file"]).read_bytes()
            least = max(1, len(body) // 20_000)  # a capture of single bytes only where files are small
            request = f"GET /{urllib.parse.quote(r['file'])} HTTP/1.1\r\nHost: hub\r\n\r\n".encode()
            answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
            most = rng.choice([least, least * 7, 4096])
            capture.flow(2000 + i, request, answer + body, lambda: rng.randint(least, max(least, most)))
        capture.out.close()
        command = [engine, "run", "-r", f"{tmp}/files.pcap", "-S", "builtin:ai", "-l", tmp, "-q"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        verdicts, alerts = {}, collections.Counter()
        for line in open(f"{tmp}/eve.json"):
            e = json.loads(line)
            if e["event_type"] == "artifact":
                verdicts[e["artifact"]["file"].lstrip("/")] = e["artifact"]
            elif e["event_type"] == "alert":
                alerts[e["http"]["url"].lstrip("/")] += 1
    return verdicts, alerts


def compare_http(engine, folder, rows, at_rest):
    verdicts, alerts = over_http(engine, folder, rows)
    wrong = []
    for r, v in zip(rows, at_rest):
        passed = verdicts.get(r["file"], {"verdict": "not told", "why": ""})
        bad = v["verdict"] in ("malicious", "suspicious")
        same = passed["verdict"] == v["verdict"] and (not bad or passed["why"] == v["why"])
        if bad != (alerts[r["file"]] > 0) or (bad and not same) or (not bad and passed["verdict"] in ("malicious", "suspicious")):
            wrong.append(f"{r['label']} {r['kind']} {r['file']}: at rest {v['verdict']} {v['why']}; over HTTP {passed['verdict']} "
                         f"{passed['why']}, {alerts[r['file']]} alerts")
    told = sum(1 for v in verdicts.values() if v["verdict"] in ("malicious", "suspicious"))
    print(f"over HTTP: {len(verdicts)} verdicts told, {told} of malicious or suspicious files, {len(wrong)} differ from those at rest")
    for w in wrong:
        print(f"differs: {w}")
    return not wrong


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--tidegate", default=str(ROOT / "target/release/tidegate"))
    p.add_argument("--set", type=pathlib.Path, default=ROOT.parent / "shared/artifacts")
    p.add_argument("-v", action="store_true", help="print every verdict")
    args = p.parse_args()
    manifest = args.set / "manifest.json"
    if not manifest.is_file():
        print(f"{manifest} is not there: nothing judged")
        return 77
    rows = json.loads(manifest.read_text())
    ran = subprocess.run(
        [args.tidegate, "artifact", "--json", *(str(args.set / r["file"]) for r in rows)], capture_output=True, text=True
    )
    verdicts = [json.loads(line) for line in ran.stdout.splitlines()]
    ok = len(verdicts) == len(rows) and ran.returncode == 3
    if not ok:
        print(f"{len(verdicts)} verdicts on {len(rows)} files, exit code {ran.returncode}: {ran.stderr[-500:]}")

    total, found, wrong = collections.Counter(), collections.Counter(), []
    for r, v in zip(rows, verdicts):
        said = v["verdict"] in ("malicious", "suspicious")
        bad = r["label"] == "malicious"
        group = ("inert" if inert(r["kind"]) else "malicious") if bad else "benign"
        for key in (group, f"{r['label']} {r['kind'].split(':')[0]}"):
            total[key] += 1
            found[key] += said
        if said != bad:
            wrong.append((r, v))
        if args.v:
            print(f"{r['label']} {r['kind']} {r['file']}: {v['verdict']} {v['why']}")
    for key in sorted(total):
        print(f"{key:36} {found[key]:4} of {total[key]:4}")
    for r, v in wrong:
        print(f"wrong: {r['label']} {r['kind']} {r['file']}: {v['verdict']} {v['why']}")
    if found["malicious"] < FOUND * total["malicious"] or found["inert"] < INERT * total["inert"] or found["benign"]:
        ok = False
    ok &= compare_http(args.tidegate, args.set, rows, verdicts)
    print("floors are held" if ok else "FLOORS ARE NOT HELD")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
