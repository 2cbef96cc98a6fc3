#!/usr/bin/env python3
"""floods.py - floods around known attacks: resident size, cost a packet, what gave way, what still alerts.

    floods.py --engine BIN [--packets N] [--memory SIZE] [--only NAME ...]

Makes each flood in a capture, with an HTTP request begun before it (rule 1) and attacks after it (rules 2 to 6), and
runs it. Exit status 1 when a known attack is missed or the resident size passes the memory given by more than 48 MB
(rules, outputs, the program). Costs are printed beside those of ordinary HTTP; they are not judged, as machines are
busy: `work_is_bounded` in the core counts the work.
"""
import argparse, collections, json, os, random, struct, subprocess, sys, tempfile

RULES = """
alert http any any -> any any (msg:"before"; flow:established,to_server; http.uri; content:"/before-known"; sid:1;)
alert http any any -> any any (msg:"after"; flow:established,to_server; http.uri; content:"/after-known"; sid:2;)
alert udp any any -> any any (msg:"udp"; content:"UDP-known-attack"; sid:3;)
alert udp any any -> any any (msg:"fragments"; content:"FRAG-known-attack"; sid:4;)
alert tcp any any -> any any (msg:"content"; flow:established; content:"after-known"; sid:5;)
alert ai any any -> any any (msg:"call"; ai.prompt; content:"prompt-known"; sid:6;)
"""
SYN, RST, PSH, ACK, FIN = 2, 4, 8, 16, 1
SERVER, RESOLVER = 0x0A000050, 0x0A000035


class Pcap:
    def __init__(self, out, step_ns=1000):
        self.out, self.t, self.step, self.n = out, 1_700_000_000 * 10**9, step_ns, 0
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))

    def frame(self, data):
        data = data.ljust(60, b"\0")
        self.out.write(struct.pack("<IIII", self.t // 10**9, self.t % 10**9, len(data), len(data)) + data)
        self.t += self.step
        self.n += 1

    def ip(self, src, dst, proto, body, ident=1, frag=0):
        h = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(body), ident & 0xFFFF, frag, 64, proto, 0, src, dst)
        s = sum(struct.unpack(">10H", h))
        s = (s & 0xFFFF) + (s >> 16)
        s = (s & 0xFFFF) + (s >> 16)
        h = h[:10] + struct.pack(">H", ~s & 0xFFFF) + h[12:]
        self.frame(b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + h + body)

    def tcp(self, src, sp, dst, dp, seq, ack, flags, data=b""):
        h = struct.pack(">HHIIBBHHH", sp, dp, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0)
        self.ip(src, dst, 6, h + data, frag=0x4000)

    def udp(self, src, sp, dst, dp, data):
        self.ip(src, dst, 17, struct.pack(">HHHH", sp, dp, 8 + len(data), 0) + data)

    def http(self, src, sp, request, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        x, y = 1000, 5000
        self.tcp(src, sp, SERVER, 80, x, 0, SYN)
        self.tcp(SERVER, 80, src, sp, y, x + 1, SYN | ACK)
        x, y = x + 1, y + 1
        self.tcp(src, sp, SERVER, 80, x, y, ACK)
        self.tcp(src, sp, SERVER, 80, x, y, PSH | ACK, request)
        x += len(request)
        self.tcp(SERVER, 80, src, sp, y, x, PSH | ACK, answer)
        y += len(answer)
        self.tcp(src, sp, SERVER, 80, x, y, FIN | ACK)
        self.tcp(SERVER, 80, src, sp, y, x + 1, FIN | ACK)
        self.tcp(src, sp, SERVER, 80, x + 1, y + 1, ACK)


def before(p):
    a, first = 0x0A010101, b"GET /before-kn"
    p.tcp(a, 1111, SERVER, 80, 1000, 0, SYN)
    p.tcp(SERVER, 80, a, 1111, 5000, 1001, SYN | ACK)
    p.tcp(a, 1111, SERVER, 80, 1001, 5001, ACK)
    p.tcp(a, 1111, SERVER, 80, 1001, 5001, PSH | ACK, first)
    p.tcp(SERVER, 80, a, 1111, 5001, 1001 + len(first), ACK)
    return a, 1001 + len(first)


def after(p, a, seq):
    rest = b"own HTTP/1.1\r\nHost: h\r\n\r\n"
    p.tcp(a, 1111, SERVER, 80, seq, 5001, PSH | ACK, rest)
    p.tcp(SERVER, 80, a, 1111, 5001, seq + len(rest), PSH | ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    p.http(0x0A020202, 2222, b"GET /after-known HTTP/1.1\r\nHost: h\r\n\r\n")
    p.http(0x0A050505, 5555, call(b"prompt-known\"}]}"))
    p.udp(0x0A030303, 3333, RESOLVER, 9999, b"UDP-known-attack")
    whole = struct.pack(">HHHH", 3333, 9999, 32, 0) + b"FRAG-known-attack-000000"
    p.ip(0x0A040404, RESOLVER, 17, whole[:16], 777, 0x2000)
    p.ip(0x0A040404, RESOLVER, 17, whole[16:], 777, 2)


def call(text, missing=0):
    """a request of a model, and how much of it is still to come"""
    body = b'{"model":"small","messages":[{"role":"user","content":"' + text
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (len(body) + missing) + body


def who(r):
    return r.getrandbits(32), r.getrandbits(16) | 1


def ordinary(p, n, r):
    for i in range(n // 8):
        p.http(0x0E000000 + i, 10000 + i % 50000, b"GET /page.html HTTP/1.1\r\nHost: www.example.com\r\n\r\n")


def syn(p, n, r):
    for i in range(n):
        p.tcp(*who(r), SERVER, 80, i, 0, SYN)


def half(p, n, r):
    for _ in range(n // 3):
        a, sp = who(r)
        p.tcp(a, sp, SERVER, 80, 100, 0, SYN)
        p.tcp(SERVER, 80, a, sp, 500, 101, SYN | ACK)
        p.tcp(a, sp, SERVER, 80, 101, 501, PSH | ACK, b"POST /".ljust(100, b"A"))


def holes(p, n, r):
    for _ in range(n // 5):
        a, sp = who(r)
        p.tcp(a, sp, SERVER, 80, 100, 0, SYN)
        p.tcp(SERVER, 80, a, sp, 500, 101, SYN | ACK)
        p.tcp(a, sp, SERVER, 80, 101, 501, ACK)
        for ahead in (100, 2100):
            p.tcp(a, sp, SERVER, 80, 101 + ahead, 501, PSH | ACK, b"A" * 1400)


def calls(p, n, r):
    """100,000 calls at once, whatever `--packets` says, each with a prompt that goes on and on"""
    seen = [who(r) for _ in range(100_000)]
    begun = call(b"a prompt of many ", 1 << 20)
    for a, sp in seen:
        p.tcp(a, sp, SERVER, 80, 100, 0, SYN)
        p.tcp(SERVER, 80, a, sp, 500, 101, SYN | ACK)
        p.tcp(a, sp, SERVER, 80, 101, 501, PSH | ACK, begun)
    at = 101 + len(begun)
    for _ in range(2):
        for a, sp in seen:
            p.tcp(a, sp, SERVER, 80, at, 501, PSH | ACK, b"that goes on " * 100)
        at += 1300


def udp(p, n, r):
    for _ in range(n):
        p.udp(*who(r), SERVER, 7, b"x" * 18)


def dns(p, n, r):
    # Under the 100 s after which a full table ends idle established flows (flow-timeouts, emergency).
    p.step = min(500_000, 90 * 10**9 // max(n, 1))
    for i in range(n):
        q = struct.pack(">HHHHHH", i & 0xFFFF, 0x100, 1, 0, 0, 0) + b"\x10" + b"%016x" % i + b"\3com\0\0\1\0\1"
        p.udp(*who(r), RESOLVER, 53, q)


def frag_first(p, n, r):
    for _ in range(n):
        p.ip(r.getrandbits(32), SERVER, 17, b"A" * 1400, r.getrandbits(16), 0x2000)


def frag_tiny(p, n, r):
    for i in range(n):
        p.ip(0x0B000000 + i // 8000, SERVER, 17, b"A" * 8, 1, 0x2000 | i % 8000)


def frag_alternate(p, n, r):
    for i in range(n):
        p.ip(0x0B000000 + i // 8000, SERVER, 17, b"A" * 8, 1, 0x2000 | ((i * 2) % 8000 + (i // 4000) % 2))


def frag_overlap(p, n, r):
    for i in range(n):
        p.ip(0x0B000000 + i // 20000, SERVER, 17, r.randbytes(8) + b"A" * 1392, 1, 0x2000 | r.randrange(8000))


def one_flow(p, n, r, place):
    a, request = 0x0C000001, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
    p.tcp(a, 4444, SERVER, 80, 100, 0, SYN)
    p.tcp(SERVER, 80, a, 4444, 500, 101, SYN | ACK)
    p.tcp(a, 4444, SERVER, 80, 101, 501, PSH | ACK, request)
    s = 101 + len(request)
    p.tcp(SERVER, 80, a, 4444, 501, s, ACK)
    for i in range(n):
        at, data = place(i)
        p.tcp(a, 4444, SERVER, 80, s + at, 501, PSH | ACK, data)


def reversed_bytes(p, n, r):
    one_flow(p, n, r, lambda i: ((i // 30000) * 30000 + 29999 - i % 30000, b"%c" % (97 + i % 26)))


def byte_holes(p, n, r):
    one_flow(p, n, r, lambda i: (60001 - 2 * (i % 30000), b"x"))


def overlaps(p, n, r):
    one_flow(p, n, r, lambda i: (1 + r.randrange(60000), r.randbytes(14) + b"A" * 1386))


def far(p, n, r):
    for i in range(n // 4):
        a, sp = who(r)
        p.tcp(a, sp, SERVER, 80, 100, 0, SYN)
        p.tcp(SERVER, 80, a, sp, 500, 101, SYN | ACK)
        p.tcp(a, sp, SERVER, 80, 101, 501, ACK)
        p.tcp(a, sp, SERVER, 80, 101 + 1_000_000, 501, PSH | ACK, b"x")


FLOODS = [ordinary, syn, half, holes, far, calls, udp, dns, frag_first, frag_tiny, frag_alternate, frag_overlap,
          reversed_bytes, byte_holes, overlaps]


def measure(engine, memory, flood, n, folder):
    capture = os.path.join(folder, "flood.pcap")
    with open(capture, "wb", buffering=1 << 20) as out:
        p = Pcap(out)
        begun = before(p)
        if flood is not None:
            flood(p, n, random.Random(7))
        after(p, *begun)
    rules = os.path.join(folder, "known.rules")
    with open(rules, "w") as f:
        f.write(RULES)
    events = os.path.join(folder, "out")
    child = subprocess.Popen([engine, "run", "-r", capture, "-S", rules, "-l", events, "-k", "none", "-q", "--memory", memory])
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{flood.__name__}: exit status {status}")
    alerts, stats = collections.Counter(), {}
    with open(os.path.join(events, "eve.json")) as f:
        for line in f:
            if '"event_type":"alert"' in line:
                alerts[json.loads(line)["alert"]["signature_id"]] += 1
            elif '"event_type":"stats"' in line:
                stats = json.loads(line)["stats"]
    os.unlink(os.path.join(events, "eve.json"))
    return p.n, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, sorted(alerts), stats


def gave_way(stats):
    m = stats.get("memory", {})
    of = {
        "flows": stats.get("flow", {}).get("evicted", 0),
        "parsers": m.get("records", {}).get("flows_evicted", 0),
        "stream bytes": m.get("stream", {}).get("evicted", 0),
        "datagrams": stats.get("defrag", {}).get("evicted", 0),
        "fragments ignored": stats.get("defrag", {}).get("max_frags_reached", 0),
        "fragments refused": stats.get("defrag", {}).get("overlaps_refused", 0),
        "decoders": m.get("decoders", {}).get("evicted", 0),
        "inflaters and pairs": m.get("shared", {}).get("evicted", 0),
        "refused": m.get("records", {}).get("refused", 0),
    }
    return ", ".join(f"{n} {what}" for what, n in of.items() if n) or "nothing"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--packets", type=int, default=240_000)
    ap.add_argument("--memory", default="64mb")
    ap.add_argument("--only", nargs="+")
    a = ap.parse_args()
    bound = int(a.memory.lower().rstrip("mb")) + 48
    bad, base = 0, None
    print(f"{'flood':16} {'packets':>9} {'us/packet':>9} {'ordinary':>8} {'MB':>5}  alerts          gave way")
    with tempfile.TemporaryDirectory() as folder:
        idle = measure(a.engine, a.memory, None, 0, folder)[1]
        for f in FLOODS:
            if a.only and f.__name__ not in a.only and f is not ordinary:
                continue
            n, cpu, rss, alerts, stats = measure(a.engine, a.memory, f, a.packets, folder)
            each = max(cpu - idle, 0) * 1e6 / n
            base = base or each
            wrong = alerts != [1, 2, 3, 4, 5, 6] or rss > bound
            bad += wrong
            print(f"{f.__name__:16} {n:9} {each:9.2f} {each / base:7.1f}x {rss:5.0f}  {str(alerts):15} {gave_way(stats)}"
                  + ("   <-- wrong" if wrong else ""), flush=True)
    if bad:
        sys.exit(f"{bad} floods went wrong")


if __name__ == "__main__":
    main()
