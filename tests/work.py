#!/usr/bin/env python3
"""work.py - what a byte costs in instructions, ordinary and at worst, for each carrier.

    work.py --engine BIN [--bytes N] [--only NAME ...] [--most 8] [--json FILE]

Runs the engine under `valgrind --tool=callgrind` on captures of one flow that says ordinary things, and of flows that say
the smallest, the most nested and the most compressed things that the carrier allows, and divides instructions (less
those of an empty capture) by the bytes of payload. Exit status 1 when a byte costs more than `--most` times an ordinary
one of its carrier. Counted, not timed: the figures are the same on a busy machine.
"""
import argparse, functools, gzip, json, os, random, re, struct, subprocess, sys, tempfile, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from floods import ACK, FIN, PSH, SERVER, SYN, Pcap

SEGMENT = 1400


def flow(p, n, port, pieces):
    """One connection: `pieces` are (direction, bytes), each cut into segments."""
    a, sp = 0x0A030000 + n // 30000, 20000 + n % 30000
    seq = [1000, 5000]
    p.tcp(a, sp, SERVER, port, seq[0], 0, SYN)
    p.tcp(SERVER, port, a, sp, seq[1], seq[0] + 1, SYN | ACK)
    seq = [1001, 5001]
    p.tcp(a, sp, SERVER, port, seq[0], seq[1], ACK)
    sent = open_ = 0
    for d, data in pieces:
        sent += len(data)
        for at in range(0, len(data), SEGMENT):
            part = data[at:at + SEGMENT]
            ends = (a, sp, SERVER, port) if d == 0 else (SERVER, port, a, sp)
            p.tcp(*ends, seq[d], seq[1 - d], PSH | ACK, part)
            seq[d] = (seq[d] + len(part)) & 0xFFFFFFFF
            open_ += len(part)
            if open_ > 20_000:
                # What is beyond the window would not be read, and cost nothing.
                p.tcp(*(ends[2], ends[3], ends[0], ends[1]), seq[1 - d], seq[d], ACK)
                open_ = 0
        if open_:
            p.tcp(*(ends[2], ends[3], ends[0], ends[1]), seq[1 - d], seq[d], ACK)
            open_ = 0
    p.tcp(a, sp, SERVER, port, seq[0], seq[1], FIN | ACK)
    p.tcp(SERVER, port, a, sp, seq[1], seq[0] + 1, FIN | ACK)
    return sent


def turns(make, total, batch=4096):
    """Pieces of about `total` bytes: what `make(i)` gives, request and answer, gathered so that segments are full."""
    sides, i, done = [b"", b""], 0, 0
    while done < total:
        for d in (0, 1):
            sides[d] += make(i)[d]
        i += 1
        if len(sides[0]) + len(sides[1]) >= batch or done + len(sides[0]) + len(sides[1]) >= total:
            done += len(sides[0]) + len(sides[1])
            yield from ((d, s) for d, s in enumerate(sides) if s)
            sides = [b"", b""]


# HTTP/1: bodies.

def request(body, extra=b"", path=b"/v1/chat/completions"):
    head = b"POST %s HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
    return head % (path, extra, len(body)) + body


def answer(body, extra=b"", kind=b"application/json"):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n"
    return head % (kind, extra, len(body)) + body


def words(i, n):
    r = random.Random(i)
    return " ".join(r.choice("the model answers a question about rivers tides locks gates ships".split()) for _ in range(n))


def chat(i):
    ask = json.dumps({"model": "small", "messages": [{"role": "user", "content": words(i, 60)}]}).encode()
    said = {"id": f"c{i}", "model": "small", "choices": [{"message": {"role": "assistant", "content": words(-i, 80)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 60, "completion_tokens": 80}}
    return ask, json.dumps(said).encode()


GZ = b"Content-Encoding: gzip\r\n"


def http(i):
    return request(chat(i)[0]), answer(chat(i)[1])


def coded(i):
    return request(chat(i)[0]), answer(gzip.compress(chat(i)[1], 6), GZ)


BOMB = gzip.compress(b"\0" * (1 << 20), 9)
NESTED = gzip.compress(gzip.compress(b"\0" * (1 << 20), 9), 9)
TWICE = b"Content-Encoding: gzip, gzip\r\n"
OK = answer(b"{}")


def model(program, i):
    return b"GET /m%d.pkl HTTP/1.1\r\nHost: h\r\n\r\n" % i, answer(b"\x80\x02" + program, b"", b"application/octet-stream")


@functools.cache
def twice(data):
    return gzip.compress(gzip.compress(data, 9, mtime=0), 9, mtime=0)


def packed(program, i, ending=b"pkl", head=b"\x80\x02"):
    body = twice(head + program)
    get = b"GET /m%d.%s HTTP/1.1\r\nHost: h\r\n\r\n" % (i, ending)
    return get, answer(body, TWICE, b"application/octet-stream")


def weights(i):
    """A pickle of names, small containers and a long string of bytes."""
    data = random.Random(i).randbytes(20_000)
    names = b"".join(b"X" + struct.pack("<I", 14) + b"layers.%07d" % n + b"K\x01M\x00\x10\x86s" for n in range(40))
    return b"\x80\x02}(" + names + b"X\x04\0\0\0dataB" + struct.pack("<I", len(data)) + data + b"u."


# Keys of the memo that a table of 4096 places with a multiplicative hash would have in one run.
CLUSTER = b"".join(b"]r" + struct.pack("<I", 5 + 4096 * n) + b"0" for n in range(1, 3000))


# WebSocket (RFC 6455).

UPGRADE = (b"GET /v1/realtime?model=small HTTP/1.1\r\nHost: model\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
           b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%s\r\n")
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def frame(opcode, data, mask=True, fin=True, squeezed=False):
    first = (0x80 if fin else 0) | (0x40 if squeezed else 0) | opcode
    n, m = len(data), 0x80 if mask else 0
    head = bytes([first, m | n]) if n < 126 else struct.pack(">BBH", first, m | 126, n) if n < 65536 else struct.pack(">BBQ", first, m | 127, n)
    return head + (b"\0\0\0\0" if mask else b"") + data


def squeeze(data):
    c = zlib.compressobj(9, wbits=-15)
    return (c.compress(data) + c.flush(zlib.Z_SYNC_FLUSH))[:-4]


def said(i):
    ask = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words(i, 20)}]}}
    delta = {"type": "response.text.delta", "response_id": f"r{i}", "item_id": f"i{i}", "delta": words(i, 12)}
    return json.dumps(ask).encode(), json.dumps(delta).encode()


def socket(make, extra=b""):
    def pieces(total):
        yield 0, UPGRADE[0] % extra
        yield 1, UPGRADE[1] % extra
        yield from turns(make, total)
    return pieces


def talk(i):
    ask, delta = said(i)
    return frame(1, ask), frame(1, delta, mask=False)


# Redis (RESP2 and RESP3).

def resp(*parts):
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def cached(i):
    if i % 2:
        return resp(b"GET", b"session:%d" % i), b"$%d\r\n%s\r\n" % (40, b"v" * 40)
    return resp(b"SET", b"session:%d" % i, words(i, 8).encode()), b"+OK\r\n"


# HTTP/2 (RFC 9113) with literal fields (RFC 7541 6.2.2), and gRPC in it.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM, END_HEADERS = 1, 4


def h2(kind, flags, stream, data=b""):
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


def fields(**named):
    out = b""
    for name, value in named.items():
        name = name.replace("_", "-").replace("--", ":").encode()
        out += b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
    return out


def asked(kind, path=b"/v1/chat/completions"):
    return fields(__method=b"POST", __scheme=b"http", __path=path, __authority=b"model", content_type=kind)


def answered(kind):
    return fields(__status=b"200", content_type=kind)


def exchange(i, kind=b"application/json", bodies=None, path=b"/v1/chat/completions"):
    s, (ask, said) = 2 * i + 1, bodies or chat(i)
    return (h2(1, END_HEADERS, s, asked(kind, path)) + h2(0, END_STREAM, s, ask),
            h2(1, END_HEADERS, s, answered(kind)) + h2(0, END_STREAM, s, said))


def http2(make):
    def pieces(total):
        yield 0, PREFACE + h2(4, 0, 0)
        yield 1, h2(4, 0, 0) + h2(4, 1, 0)
        yield from turns(make, total)
    return pieces


def within(make, kind=b"application/json", path=b"/v1/chat/completions"):
    """One request and one answer that go on and on: `make(i)` gives frames of stream 1."""
    def pieces(total):
        yield 0, PREFACE + h2(4, 0, 0) + h2(1, END_HEADERS, 1, asked(kind, path))
        yield 1, h2(4, 0, 0) + h2(1, END_HEADERS, 1, answered(kind))
        yield from turns(make, total)
    return pieces


def grpc(message):
    return struct.pack(">BI", 0, len(message)) + message


GRPC, SERVICE = b"application/grpc", b"/inference.GRPCInferenceService/ModelInfer"


def infer(i):
    text = words(i, 30).encode()
    tensor = b"\x0a\x06prompt\x12\x05BYTES"
    message = b"\x0a\x05small" + b"\x2a" + bytes([len(tensor)]) + tensor + b"\x3a" + (bytes([len(text) & 127 | 128, len(text) >> 7]) if len(text) > 127 else bytes([len(text)])) + text
    return grpc(message), grpc(message)


# Event streams, lines, arrays.

def stream(make, kind=b"text/event-stream"):
    def pieces(total):
        yield 0, request(b'{"model":"small","stream":true,"messages":[{"role":"user","content":"go on"}]}')
        yield 1, b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % kind
        yield from turns(make, total)
    return pieces


def event(i):
    d = {"id": "c1", "model": "small", "choices": [{"index": 0, "delta": {"content": words(i, 3)}, "finish_reason": None}]}
    return b"", b"data: " + json.dumps(d).encode() + b"\n\n"


def pairs(make):
    return lambda total: turns(make, total)


# Carrier: port, ordinary, and the others.
CARRIERS = {
    "http": (8000, pairs(http), {
        "one byte bodies": pairs(lambda i: (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n}")),
        "shortest": pairs(lambda i: (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 304\r\n\r\n")),
    }),
    "coded bodies": (8000, pairs(coded), {
        "bombs": pairs(lambda i: (request(b"{}"), answer(BOMB, GZ))),
        "nested": pairs(lambda i: (request(b"{}"), answer(NESTED, TWICE))),
        "nested requests": pairs(lambda i: (request(NESTED, TWICE), OK)),
        "empty members": pairs(lambda i: (request(b"{}"), answer(gzip.compress(b"") * 40, GZ))),
    }),
    "websocket": (8000, socket(talk), {
        "one byte": socket(lambda i: (frame(1, b"x"), frame(1, b"y", mask=False))),
        "empty": socket(lambda i: (frame(1, b""), frame(1, b"", mask=False))),
        "pings": socket(lambda i: (frame(9, b""), frame(10, b"", mask=False))),
        "server pings": socket(lambda i: (b"", frame(9, b"", mask=False))),
        "fragments": socket(lambda i: (frame(0 if i else 1, b"x", fin=False), frame(0 if i else 1, b"y", mask=False, fin=False))),
        "empty fragments": socket(lambda i: (b"", frame(0 if i else 1, b"", mask=False, fin=False))),
        "unknown": socket(lambda i: (frame(3, b""), frame(11, b"", mask=False))),
    }),
    "websocket, compressed": (8000, socket(lambda i: tuple(frame(1, squeeze(x), d == 0, squeezed=True) for d, x in enumerate(said(i))), DEFLATE), {
        "one byte": socket(lambda i: (frame(1, squeeze(b"x"), squeezed=True), frame(1, squeeze(b"y"), False, squeezed=True)), DEFLATE),
        "bombs": socket(lambda i: (frame(1, squeeze(b"x" * 100_000), squeezed=True), b""), DEFLATE),
    }),
    "redis": (6379, pairs(cached), {
        "inline": pairs(lambda i: (b"PING\r\n", b"+PONG\r\n")),
        "shortest commands": pairs(lambda i: (b"*1\r\n$1\r\nA\r\n", b"-\r\n")),
        "empty lines": pairs(lambda i: (b"PING\r\n" if not i else b"\r\n", b"+PONG\r\n" if not i else b"")),
        "empty arrays": pairs(lambda i: (b"PING\r\n" if not i else b"*0\r\n", b"+PONG\r\n" if not i else b"")),
        "nested": pairs(lambda i: (b"PING\r\n" if not i else b"", b"+PONG\r\n" if not i else b"*1\r\n")),
        "answers to nothing": pairs(lambda i: (b"PING\r\n" if not i else b"", b"+PONG\r\n" if not i else b"+\r\n")),
        "pushes": pairs(lambda i: (b"PING\r\n" if not i else b"", b"+PONG\r\n" if not i else b">1\r\n+\r\n")),
        "many arguments": pairs(lambda i: (resp(b"MGET", *[b"k"] * 500), b"*500\r\n" + b"$-1\r\n" * 500)),
    }),
    # Files are bodies of HTTP; ordinary is what HTTP is ordinarily.
    "http, model files": (8000, pairs(http), {
        "weights": pairs(lambda i: (b"GET /m%d.pkl HTTP/1.1\r\nHost: h\r\n\r\n" % i, answer(weights(i), b"", b"application/octet-stream"))),
        "pops": pairs(lambda i: model(b"0" * 100_000, i)),
        "line feeds": pairs(lambda i: model(b"\n" * 100_000, i)),
        "names": pairs(lambda i: model(b"ca\nb\n0" * 16_000, i)),
        "names in weights": pairs(lambda i: model(b"B" + struct.pack("<I", 96_000) + b"cc\nb\nn" * 16_000, i)),
        "keys of one place": pairs(lambda i: model(CLUSTER + b"h\x050" * 30_000, i)),
    }),
    # In bodies that are coded twice; ordinary is what coded bodies are.
    "coded bodies, model files": (8000, pairs(coded), {
        "zeros": pairs(lambda i: packed(b"B" + struct.pack("<I", 900_000) + bytes(900_000), i)),
        "pops": pairs(lambda i: packed(b"0" * 900_000, i)),
        "line feeds": pairs(lambda i: packed(b"\n" * 900_000, i)),
        "names": pairs(lambda i: packed(b"ca\nb\n0" * 160_000, i)),
        "names in weights": pairs(lambda i: packed(b"B" + struct.pack("<I", 900_000) + b"cc\nb\nn" * 150_000, i)),
        "keys of one place": pairs(lambda i: packed(CLUSTER + b"h\x050" * 300_000, i)),
        "JSON": pairs(lambda i: packed(b'{"a":[' + b"1," * 450_000 + b"1]}", i, b"json", b"")),
    }),
    "http/2": (8000, http2(exchange), {
        "one byte data": within(lambda i: (h2(0, 0, 1, b"{"), h2(0, 0, 1, b"{"))),
        "empty data": within(lambda i: (h2(0, 0, 1), h2(0, 0, 1))),
        "pings": within(lambda i: (h2(6, 0, 0, b"12345678"), h2(6, 1, 0, b"12345678"))),
        "settings": within(lambda i: (h2(4, 0, 0), h2(4, 0, 0))),
        "windows": within(lambda i: (h2(8, 0, 1, b"\0\0\0\1"), h2(8, 0, 0, b"\0\0\0\1"))),
        "unknown": within(lambda i: (h2(99, 0, 1), h2(99, 0, 0))),
        "resets": http2(lambda i: (h2(1, END_HEADERS, 2 * i + 1, b"\x82\x86\x84") + h2(3, 0, 2 * i + 1, b"\0\0\0\0"), b"")),
        "shortest": http2(lambda i: (h2(1, END_HEADERS | END_STREAM, 2 * i + 1, b"\x82\x86\x84"), h2(1, END_HEADERS | END_STREAM, 2 * i + 1, b"\x88"))),
        "continuations": http2(lambda i: (h2(1, 0, 1, b"\x82\x86\x84") if not i else h2(9, 0, 1), b"")),
        "references": http2(lambda i: (h2(1, END_HEADERS | END_STREAM, 2 * i + 1, (b"\x40\x01x\x7f\x81\x1f" + b"v" * 4000 if not i else b"\x82\x86\x84") + b"\xbe" * 500), b"")),
        "references to much": http2(lambda i: (h2(4, 0, 0, b"\0\1\0\1\0\0") + h2(1, END_HEADERS, 1, b"\x3f\xe1\xff\x03\x40\x01x\x7f\x81\x75" + b"v" * 15000) if not i else h2(1, END_HEADERS | END_STREAM, 2 * i + 1, b"\x82\x86\x84" + b"\xbe" * 500), b"")),
        "indexed fields": http2(lambda i: (h2(1, END_HEADERS | END_STREAM, 2 * i + 1, b"\x82\x86\x84" + b"\x90" * 1000), b"")),
    }),
    "grpc": (8000, http2(lambda i: exchange(i, GRPC, infer(i), SERVICE)), {
        "empty messages": within(lambda i: (h2(0, 0, 1, grpc(b"") * 100), h2(0, 0, 1, grpc(b"") * 100)), GRPC, SERVICE),
        "messages of two bytes": within(lambda i: (h2(0, 0, 1, grpc(b"\x0a\0") * 100), h2(0, 0, 1, grpc(b"\x0a\0") * 100)), GRPC, SERVICE),
        "empty fields": within(lambda i: (h2(0, 0, 1, grpc(b"\x2a\0" * 500)), h2(0, 0, 1, grpc(b"\x3a\0" * 500))), GRPC, SERVICE),
    }),
    "lines": (8000, stream(lambda i: (b"", event(i)[1][6:-1]), b"application/x-ndjson"), {
        "empty lines": stream(lambda i: (b"", b"\n"), b"application/x-ndjson"),
        "empty objects": stream(lambda i: (b"", b"{}\n"), b"application/x-ndjson"),
        "no objects": stream(lambda i: (b"", b"1\n"), b"application/x-ndjson"),
    }),
    "array": (8000, stream(lambda i: (b"", (b"," if i else b"[") + event(i)[1][6:-2]), b"application/json"), {
        "empty objects": stream(lambda i: (b"", b",{}" if i else b"[{}"), b"application/json"),
        "nested": stream(lambda i: (b"", b"["), b"application/json"),
    }),
    "event stream": (8000, stream(event), {
        "empty lines": stream(lambda i: (b"", b"\n")),
        "empty data": stream(lambda i: (b"", b"data:\n\n")),
        "comments": stream(lambda i: (b"", b":\n")),
        "empty objects": stream(lambda i: (b"", b"data:{}\n\n")),
    }),
}


def instructions(engine, capture, folder, rules):
    cmd = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", engine, "run", "-r", capture, "-S", rules,
           "-l", folder, "-k", "none", "-q", "--memory", "64mb"]
    out = subprocess.run(cmd, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{capture}: exit status {out.returncode}\n{out.stderr[-2000:]}")
    return int(re.search(r"Collected : (\d+)", out.stderr).group(1))


def cost(args, folder, rules, port, pieces, empty):
    capture = os.path.join(folder, "work.pcap")
    with open(capture, "wb", buffering=1 << 20) as out:
        p = Pcap(out)
        sent = flow(p, 0, port, pieces(args.bytes)) if pieces else 1
    out = os.path.join(folder, "out")
    n = instructions(args.engine, capture, out, rules)
    eve = os.path.join(out, "eve.json")
    lines = sum(1 for _ in open(eve)) if os.path.exists(eve) else 0
    if os.path.exists(eve):
        os.unlink(eve)
    return (n - empty) / sent, lines


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--bytes", type=int, default=200_000)
    ap.add_argument("--only", nargs="+")
    ap.add_argument("--most", type=float, default=8.0)
    ap.add_argument("--json")
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rules = os.path.join(folder, "some.rules")
        with open(rules, "w") as f:
            f.write('alert ai any any -> any any (msg:"call"; ai.prompt; content:"prompt-known"; sid:6;)\n')
        empty = cost(args, folder, rules, 0, None, 0)[0]
        found, dear = {}, []
        for carrier, (port, ordinary, others) in CARRIERS.items():
            if args.only and carrier not in args.only:
                continue
            base, lines = cost(args, folder, rules, port, ordinary, empty)
            print(f"{carrier}: ordinary {base:.1f} instructions a byte, {lines} records", flush=True)
            found[carrier] = {"ordinary": base}
            for name, pieces in others.items():
                is_, lines = cost(args, folder, rules, port, pieces, empty)
                found[carrier][name] = is_
                times = is_ / base
                print(f"  {name:<22} {is_:8.1f}  {times:5.1f}x  {lines} records", flush=True)
                if times > args.most:
                    dear.append(f"{carrier}, {name}: {times:.1f} times")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(found, f, indent=1)
    for d in dear:
        print(f"costs more than {args.most:g} times an ordinary byte: {d}", file=sys.stderr)
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
