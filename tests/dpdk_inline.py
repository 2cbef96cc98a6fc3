#!/usr/bin/env python3
"""dpdk_inline.py - two network namespaces joined only by `tidegate run --dpdk ... --inline 0:1`, or, without DPDK, by
`tidegate run --inline tc:ts`.

    dpdk_inline.py --engine BIN [--driver af_packet|af_xdp|interface] [--size MB] [--connections N]

Makes three namespaces and removes them. Through the program go: a file by HTTP (hash compared), many parallel connections,
DNS over UDP, ICMP, IPv6, VLAN tags, jumbo frames. Drop rules cut their flow and no other, reject rules reset, a block list cuts a network off; a fault of the
engine, a reload and a bad reload lose nothing; SIGTERM under load ends it in two seconds. The latency added is told beside
that of a kernel bridge in its place. Says so and exits 77 without the right to make namespaces. Standard library, ip,
ethtool, ping and curl only.
"""
import argparse, hashlib, json, os, re, signal, subprocess, sys, tempfile, time

from dpdk_common import ask

NS = {n: f"tg{n}{os.getpid() % 100000}" for n in "cms"}
RULES = """\
drop tcp any any -> any any (msg:"cut"; content:"EVILWORD"; sid:1;)
rejectboth tcp any any -> any any (msg:"reset"; content:"REJECTME"; sid:2;)
drop udp any any -> any any (msg:"cut datagram"; content:"EVILWORD"; sid:3;)
reject udp any any -> any any (msg:"unreachable"; content:"REJECTME"; sid:4;)
alert http any any -> any any (msg:"seen"; http.uri; content:"/file"; sid:5;)
"""


def sh(*cmd, ns=None, check=True, timeout=120):
    if ns:
        cmd = ("ip", "netns", "exec", NS[ns]) + cmd
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    if check and p.returncode:
        raise RuntimeError(f"{' '.join(cmd)}: exit {p.returncode}: {p.stdout.decode(errors='replace')}")
    return p.stdout.decode(errors="replace")


def links(mtu):
    for n in NS.values():
        sh("ip", "netns", "add", n)
    for side, host in (("c", "1"), ("s", "2")):
        sh("ip", "link", "add", f"e{side}", "netns", NS[side], "type", "veth", "peer", "name", f"t{side}", "netns", NS["m"])
        for ns, dev in ((side, f"e{side}"), ("m", f"t{side}")):
            sh("ip", "link", "set", dev, "mtu", mtu, "up", ns=ns)
            sh("ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off", "txvlan", "off",
               "rxvlan", "off", ns=ns, check=False)
        sh("ip", "link", "set", "lo", "up", ns=side)
        sh("ip", "addr", "add", f"10.9.0.{host}/24", "dev", f"e{side}", ns=side)
        sh("ip", "addr", "add", f"fd09::{host}/64", "dev", f"e{side}", "nodad", ns=side)


def unlink():
    for n in NS.values():
        subprocess.run(["ip", "netns", "del", n], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Engine:
    def __init__(self, binary, driver, tmp, extra=()):
        self.tmp, self.socket = tmp, os.path.join(tmp, "control")
        ring = "blocksz=16384,framesz=16384,framecnt=256"
        def dev(i, iface):
            return f"--vdev=net_{driver}{i},iface={iface}" + (f",{ring}" if driver == "af_packet" else "")
        eal = f"--no-huge --no-shconf --no-telemetry --no-pci {dev(0, 'tc')} {dev(1, 'ts')}"
        self.rules = os.path.join(tmp, "rules")
        with open(self.rules, "w") as f:
            f.write(RULES)
        where = ["-i", "tc", "-i", "ts", "--inline", "tc:ts"] if driver == "interface" else ["--dpdk", eal, "--inline", "0:1"]
        self.listed = os.path.join(tmp, "listed")
        open(self.listed, "w").close()
        self.log = open(os.path.join(tmp, "log"), "ab")
        # A network namespace whose /sys shows its interfaces, which `ip netns exec` gives.
        self.p = subprocess.Popen(["ip", "netns", "exec", NS["m"], binary, "run", *where, "-S", self.rules,
                                   "-l", tmp, "--control", self.socket, "--allow-faults", "-k", "none", "--block-list", self.listed,
                                   "--memory", "64mb", *extra], stdout=self.log, stderr=self.log)
        for _ in range(200):
            if os.path.exists(self.socket) or self.p.poll() is not None:
                break
            time.sleep(0.1)
        if self.p.poll() is not None:
            raise RuntimeError("the engine ended: " + open(os.path.join(tmp, "log")).read()[-2000:])
        time.sleep(0.3)

    def ask(self, **command):
        return ask(self.socket, **command)

    def counters(self):
        return {k[10:]: v for k, v in self.ask(command="stats")["counters"].items() if k.startswith("dataplane.")}

    def stop(self, sig=signal.SIGTERM):
        start = time.time()
        self.p.send_signal(sig)
        code = self.p.wait(timeout=20)
        return code, time.time() - start


# Programs that run in the namespaces.
SERVER = r"""
import socket, sys, threading, http.server, functools
got = {}
class H(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    address_family = socket.AF_INET6
    daemon_threads = True
threading.Thread(target=S(("::", 80), functools.partial(H, directory=sys.argv[1])).serve_forever, daemon=True).start()
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 53))
    while True:
        d, a = s.recvfrom(9000)
        if len(d) > 12: s.sendto(d[:2] + b"\x81\x80" + d[4:6] + d[4:6] + b"\0\0\0\0" + d[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3", a)
threading.Thread(target=udp, daemon=True).start()
l = socket.socket(socket.AF_INET6); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("::", 7)); l.listen(64)
def echo(c):
    try:
        while True:
            d = c.recv(65536)
            if not d: break
            print("got", d.decode(errors="replace"), flush=True)
            c.sendall(d)
    except OSError as e: print("error", type(e).__name__, flush=True)
while True:
    threading.Thread(target=echo, args=(l.accept()[0],), daemon=True).start()
"""
PARALLEL = r"""
import socket, sys, threading
ok = 0; lock = threading.Lock()
def one(i):
    global ok
    try:
        s = socket.create_connection(("10.9.0.2", 80), 30)
        s.sendall(b"GET /small%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (i % 4))
        d = b""
        while True:
            r = s.recv(65536)
            if not r: break
            d += r
        if d.endswith(b"%d" % (i % 4) * 20000):
            with lock: ok += 1
    except OSError as e: print(e)
t = [threading.Thread(target=one, args=(i,)) for i in range(int(sys.argv[1]))]
[x.start() for x in t]; [x.join() for x in t]
print("ok", ok)
"""
# Two connections; one says the word. Prints what became of each.
CUT = r"""
import socket, sys
word = sys.argv[1].encode(); where = sys.argv[2]
a = socket.create_connection((where, 7), 5); b = socket.create_connection((where, 7), 5)
def talk(s, d):
    s.settimeout(2)
    try:
        s.sendall(d); r = s.recv(65536); return r.decode() or "closed"
    except OSError as e: return type(e).__name__
print(talk(a, b"first"), talk(b, b"other")); print(talk(a, word + b" follows")); print(talk(b, b"still")); print(talk(a, b"after"))
"""
DATAGRAM = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect(("10.9.0.2", 53))
name = b"".join(bytes([len(x)]) + x for x in sys.argv[1].encode().split(b".")) + b"\0"
try:
    s.send(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"); r = s.recv(9000); print("answer", ".".join(str(b) for b in r[-4:]))
except OSError as e: print(type(e).__name__)
"""

# Tagged frames by raw sockets, as not every kernel has VLAN interfaces. The kernel takes the tag out on its way to a socket
# and tells it beside the frame (packet(7), PACKET_AUXDATA).
TAGGED = r"""
import socket, struct, sys
SOL_PACKET, AUXDATA = 263, 8
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind((sys.argv[2], 0)); s.settimeout(5)
if sys.argv[1] == "send":
    import time
    time.sleep(1)
    udp = struct.pack(">HHHH", 1111, 2222, 8 + 12, 0) + b"tagged frame"
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes([10, 5, 0, 1]), bytes([10, 5, 0, 2]))
    n = sum(struct.unpack(">10H", ip)); n = (n & 0xffff) + (n >> 16)
    ip = ip[:10] + struct.pack(">H", 0xffff ^ n) + ip[12:]
    s.send(b"\2\0\0\0\0\2\2\0\0\0\0\1" + struct.pack(">HHH", 0x8100, 0x6005, 0x800) + ip + udp)
else:
    s.setsockopt(SOL_PACKET, AUXDATA, 1)
    print("ready", flush=True)
    while True:
        d, aux, _, _ = s.recvmsg(9000, 1024)
        if not d.endswith(b"tagged frame"): continue
        tags = [struct.unpack("IIIHHHH", a[2][:20]) for a in aux if a[1] == AUXDATA]
        print("tag", hex(tags[0][5]) if tags and tags[0][0] & 16 else d[12:16].hex(), flush=True); break
"""

failures = []


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}{': ' + str(more) if more != '' and (not ok or True) else ''}", flush=True)
    if not ok:
        failures.append(what)


def rtt(out):
    m = re.search(r"= [\d.]+/([\d.]+)/", out)
    return float(m.group(1)) * 1000 if m else None


def ping(*args, ns="c", count=20, interval="0.02"):
    return sh("ping", "-q", "-c", str(count), "-i", interval, "-W", "2", *args, ns=ns, check=False)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--driver", default="af_packet", choices=["af_packet", "af_xdp", "interface"])
    a.add_argument("--size", type=int, default=200, help="MB of the file")
    a.add_argument("--connections", type=int, default=200)
    o = a.parse_args()
    if os.geteuid() != 0:
        print("not run: making network namespaces needs root")
        sys.exit(77)
    try:
        sh("ip", "netns", "add", NS["c"])
        sh("ip", "netns", "del", NS["c"])
    except (RuntimeError, OSError) as e:
        print(f"not run: no right to make network namespaces ({e})")
        sys.exit(77)
    tmp = tempfile.TemporaryDirectory(prefix="tidegate-inline-")
    os.chmod(tmp.name, 0o755)
    files = os.path.join(tmp.name, "www")
    os.mkdir(files)
    digest = hashlib.sha256()
    with open(os.path.join(files, "file"), "wb") as f:
        for _ in range(o.size):
            block = os.urandom(1 << 20)
            digest.update(block)
            f.write(block)
    for i in range(4):
        with open(os.path.join(files, f"small{i}"), "wb") as f:
            f.write(b"%d" % i * 20000)
    server = engine = None
    try:
        # With XDP an interface takes no longer frames than fit one page.
        links("1500" if o.driver == "af_xdp" else "9000")
        # What a bridge of the kernel costs, for comparison.
        bridge = None
        if "rror" not in sh("ip", "link", "add", "name", "br0", "type", "bridge", ns="m", check=False):
            sh("ip", "link", "set", "dev", "br0", "mtu", "9000", "up", ns="m")
            for d in ("tc", "ts"):
                sh("ip", "link", "set", "dev", d, "master", "br0", ns="m")
            ping("10.9.0.2", count=5)
            bridge = rtt(ping("10.9.0.2", count=200, interval="0.005"))
            sh("ip", "link", "del", "br0", ns="m")
        out = ping("10.9.0.2", count=3)
        check("without the engine nothing passes", " 0 received" in out)

        engine = Engine(o.engine, o.driver, tmp.name, ["--fail", "open"])
        server_log = open(os.path.join(tmp.name, "server"), "wb")
        server = subprocess.Popen(["ip", "netns", "exec", NS["s"], sys.executable, "-c", SERVER, files],
                                  stdout=server_log, stderr=subprocess.STDOUT)
        time.sleep(1)
        jumbo = [] if o.driver == "af_xdp" else [("jumbo frames", ("-M", "do", "-s", "8900", "10.9.0.2"))]
        for what, args in [("ICMP", ("10.9.0.2",)), ("IPv6", ("fd09::2",))] + jumbo:
            out = ping(*args)
            check(what, " 0% packet loss" in out, f"{rtt(out)} us" if rtt(out) else out)
        hear = subprocess.Popen(["ip", "netns", "exec", NS["s"], sys.executable, "-c", TAGGED, "hear", "es"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        sh(sys.executable, "-c", TAGGED, "send", "ec", ns="c")
        said = hear.communicate(timeout=20)[0].decode()
        check("VLAN", "tag 0x6005" in said or "tag 81006005" in said, said.strip().split("\n")[-1])
        inline = rtt(ping("10.9.0.2", count=200, interval="0.005"))
        if inline and not bridge:
            print(f"     round trip {inline:.0f} us; this kernel has no bridge to compare with")
        if inline and bridge:
            print(f"     round trip {inline:.0f} us, by a kernel bridge {bridge:.0f} us: {inline - bridge:+.0f} us there and back")
        start = time.time()
        p = subprocess.Popen(["ip", "netns", "exec", NS["c"], "curl", "-sS", "--max-time", "300", "http://10.9.0.2/file"],
                             stdout=subprocess.PIPE)
        seen = hashlib.sha256()
        while block := p.stdout.read(1 << 20):
            seen.update(block)
        took = time.time() - start
        check(f"{o.size} MB by HTTP, hash equal", p.wait() == 0 and seen.digest() == digest.digest(),
              f"{o.size * 8.388 / took:.0f} Mbit/s")
        out = sh(sys.executable, "-c", PARALLEL, str(o.connections), ns="c", check=False)
        check(f"{o.connections} connections at once", f"ok {o.connections}" in out, out.strip()[-200:])
        out = sh(sys.executable, "-c", DATAGRAM, "example.org", ns="c")
        check("DNS over UDP", "answer 10.1.2.3" in out, out.strip())
        for where in ("10.9.0.2", "fd09::2"):
            server_log.truncate(0)
            out = sh(sys.executable, "-c", CUT, "EVILWORD", where, ns="c").split("\n")
            said = open(os.path.join(tmp.name, "server")).read()
            check(f"drop cuts its flow only ({where})", out[:4] == ["first other", "TimeoutError", "still", "TimeoutError"]
                  and "EVIL" not in said and "after" not in said, out[:4])
            out = sh(sys.executable, "-c", CUT, "REJECTME", where, ns="c").split("\n")
            # The server has its own reset when the client has, but is a process of its own that has yet to write it down.
            until = time.time() + 10
            while True:
                said = open(os.path.join(tmp.name, "server")).read()
                if "error ConnectionResetError" in said or time.time() > until:
                    break
                time.sleep(0.05)
            check(f"reject resets both ends ({where})", out[1] == "ConnectionResetError" and out[2] == "still"
                  and "REJECTME" not in said and "error ConnectionResetError" in said, out[:4])
        out = sh(sys.executable, "-c", DATAGRAM, "EVILWORD.example", ns="c").strip()
        check("drop cuts a datagram", out == "TimeoutError", out)
        out = sh(sys.executable, "-c", DATAGRAM, "REJECTME.example", ns="c").strip()
        check("reject answers a datagram", out == "ConnectionRefusedError", out)

        before = engine.counters()
        pinger = subprocess.Popen(["ip", "netns", "exec", NS["c"], "ping", "-q", "-c", "300", "-i", "0.01", "10.9.0.2"],
                                  stdout=subprocess.PIPE)
        time.sleep(0.5)
        r = engine.ask(command="inject-fault", worker=0)
        time.sleep(0.5)
        r2 = engine.ask(command="reload-rules")
        with open(engine.rules, "a") as f:
            f.write("this is no rule\n")
        r3 = engine.ask(command="reload-rules")
        os.rename(engine.rules, engine.rules + ".away")
        r4 = engine.ask(command="reload-rules")
        os.rename(engine.rules + ".away", engine.rules)
        out = pinger.communicate()[0].decode()
        after = engine.counters()
        check("a fault costs its engine only, nothing is lost", " 0% packet loss" in out
              and after["faults"] == before["faults"] + 1, [out.split("\n")[-4:-2], after["faults"], after["uninspected"]])
        check("rules reload, a wrong line is left out, no file leaves the old", r2["return"] == "OK" and r3["return"] == "OK"
              and r3["rules_failed"] == 1 and r4["return"] == "NOK", [r2, r3, r4])
        out = sh(sys.executable, "-c", CUT, "EVILWORD", "10.9.0.2", ns="c").split("\n")
        check("the new engine has the rules", out[1] == "TimeoutError" and out[2] == "still", out)
        with open(engine.listed, "w") as f:
            f.write("fd09::2/127\n")
        r = engine.ask(command="reload-rules")
        # The reply says that workers have been told; they look between two bursts.
        time.sleep(0.2)
        six, four = ping("fd09::2", count=3), ping("10.9.0.2", count=3)
        b = engine.ask(command="offload")["blocklist"]
        open(engine.listed, "w").close()
        engine.ask(command="reload-rules")
        time.sleep(0.2)
        again = ping("fd09::2", count=3)
        check("a listed network is cut off until it is listed no more", r["return"] == "OK" and " 0 received" in six
              and " 0% packet loss" in four and " 0% packet loss" in again and b["software_packets"] >= 3
              and b["in_software"] == b["networks"] == 1, b)
        ports = engine.ask(command="ports")["ports"]
        check("ports are told", len([p for p in ports if p["driver"] == ("af_packet" if o.driver == "interface" else f"net_{o.driver}")]) == 2)
        flows = engine.ask(command="flows", max=5)
        check("flows are told", flows["return"] == "OK" and 0 < len(flows["flows"]) <= 5 and flows["live"] > 0)
        c = engine.counters()
        gone = c["forwarded"] + c["dropped"] + sum(c[k] for k in ("shed_tx", "shed_ring", "shed_closed"))
        check("every frame is accounted for", c["received"] == gone, c)
        load = subprocess.Popen(["ip", "netns", "exec", NS["c"], "curl", "-s", "-o", "/dev/null", "http://10.9.0.2/file"])
        time.sleep(0.5)
        code, took = engine.stop()
        engine = None
        load.kill()
        check("SIGTERM under load ends in two seconds", code == 0 and took < 2, f"exit {code} after {took:.2f} s")
        with open(os.path.join(tmp.name, "eve.json")) as f:
            kinds = [json.loads(l)["event_type"] for l in f]
        check("events are whole", {"alert", "flow", "http", "dns", "stats"} <= set(kinds), sorted(set(kinds)))
    finally:
        for p in (server, engine and engine.p):
            if p:
                p.kill()
        unlink()
        if failures:
            print(open(os.path.join(tmp.name, "log")).read()[-3000:])
    print(f"{'FAILED: ' + ', '.join(failures) if failures else 'all passed'}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
