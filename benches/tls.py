#!/usr/bin/env python3
"""What reading TLS with keys costs, beside the same bytes in clear and beside `openssl speed` of the cipher.

Makes one session of bulk data for each cipher (Python's ssl in memory, no socket), as a capture with its key log. Times the command on
it with the keys, without, and on a capture of the same data in clear; asserts that the body was read to its end. Ratios of medians of
--runs runs.
"""

import argparse
import json
import pathlib
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "tls"))
import run as tls  # noqa: E402
import traffic  # noqa: E402

V13, V12 = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
KINDS = [
    ("TLS 1.2 AES-128-GCM", traffic.Tls(V12, "ECDHE-RSA-AES128-GCM-SHA256"), "aes-128-gcm"),
    ("TLS 1.3 AES-256-GCM", traffic.Tls(V13), "aes-256-gcm"),
    ("TLS 1.2 ChaCha20-Poly1305", traffic.Tls(V12, "ECDHE-RSA-CHACHA20-POLY1305"), "chacha20-poly1305"),
    ("TLS 1.2 AES-128-CBC, SHA-256", traffic.Tls(V12, "ECDHE-RSA-AES128-SHA256"), "aes-128-cbc-hmac-sha256"),
]


def session(kind, folder, size):
    """What passes in a session that brings `size` bytes, and its keys."""
    keys = folder / "bench.log"
    keys.unlink(missing_ok=True)
    wires = [ssl.MemoryBIO() for _ in range(4)]
    client = kind.context(False, str(keys), folder).wrap_bio(wires[0], wires[1], server_hostname=traffic.HOST)
    server = kind.context(True, None, folder).wrap_bio(wires[2], wires[3], server_side=True)
    log = []

    def move():
        for up, a, b in ((True, wires[1], wires[2]), (False, wires[3], wires[0])):
            if data := a.read():
                log.append((up, data))
                b.write(data)

    for _ in range(6):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            move()
    ask = traffic.request("/bulk")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
    client.write(ask)
    move()
    plain, block = [(True, ask), (False, head)], bytes(range(256)) * 64
    server.write(head)
    for _ in range(size // len(block)):
        server.write(block)
        move()
        plain.append((False, block))
    return log, keys.read_text(), plain


def timed(command):
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def speed(cipher):
    """Bytes a second that OpenSSL does of it, in blocks of 16 KB."""
    out = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-decrypt", "-evp", cipher], capture_output=True, text=True)
    found = re.findall(r"([\d.]+)k\s*$", out.stdout, re.M)
    return float(found[-1]) * 1000 if found else None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--mb", type=int, default=256)
    ap.add_argument("--runs", type=int, default=5)
    a = ap.parse_args()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{a.mb} MB of a body in one session, {a.runs} runs; {cpu}\n")
    print("| protected by | with keys, MB/s | in clear | without keys | with keys : clear | openssl speed, MB/s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as t:
        folder = pathlib.Path(t)
        traffic.certificate(folder)
        for name, kind, cipher in KINDS:
            log, lines, plain = session(kind, folder, a.mb << 20)
            keys = folder / "given.log"
            keys.write_text(lines)
            tls.pcap(folder / "sealed.pcap", [log])
            tls.pcap(folder / "clear.pcap", [plain])
            out = folder / "out"
            base = [a.engine, "run", "-q", "-k", "none", "--set", "stream.reassembly.depth=0", "-l", str(out), "-r"]
            sealed = [*base, str(folder / "sealed.pcap")]
            times = {}
            for _ in range(a.runs):
                for what, command in (("keys", [*sealed, "--tls-keys", str(keys)]), ("clear", [*base, str(folder / "clear.pcap")]), ("none", sealed)):
                    times.setdefault(what, []).append(timed(command))
                    events = [json.loads(x) for x in open(out / "eve.json")]
                    lengths = [e["http"]["length"] for e in events if e["event_type"] == "http"]
                    assert lengths == ([] if what == "none" else [a.mb << 20]), (what, lengths)
            rate = {k: f"{a.mb / statistics.median(v) * 1.048576:.0f}" for k, v in times.items()}
            ratios = [k / c for k, c in zip(times["keys"], times["clear"])]
            peer = speed(cipher)
            print(
                f"| {name} | {rate['keys']} | {rate['clear']} | {rate['none']} | "
                f"{min(ratios):.2f} / {statistics.median(ratios):.2f} / {max(ratios):.2f} | {peer / 1e6:.0f} |" if peer else "| - |",
                flush=True,
            )


if __name__ == "__main__":
    main()
