#!/usr/bin/env python3
"""TLS with keys: what is found in protected traffic must be what is found in the same traffic in clear.

Each exchange (HTTP/1, HTTP/2, WebSocket, calls of a model) is made in clear and over TLS 1.2 and 1.3 by real clients and servers
(Python's ssl, OpenSSL's s_server and s_client, Node, curl), with their key logs. Records and alerts of both must be equal but for
what says `tls`; also when the bytes are cut anew, when the keys come late, when they come inside the capture. With wrong keys
there is an event, and nothing that was protected.
"""

import argparse
import json
import pathlib
import ssl
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import traffic  # noqa: E402

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
V12_AEAD = "ECDHE-RSA-AES128-GCM-SHA256"
# What differs from run to run, or is about the connection and not about what passed in it.
VOLATILE = {"timestamp", "flow_id", "src_port", "pcap_cnt", "flow", "decrypted", "app_proto_orig", "timing", "community_id", "duration_ms", "ttft_ms", "since", "last", "window"}
# Numbers of transactions of HTTP/2 are up to the order in which settings of both ends arrive.
VOLATILE |= {"tx_id"}
VOLATILE |= {"app_proto_ts", "app_proto_tc", "app_proto_expected", "tls", "stream", "packet", "payload", "capture_file", "direction"}
# Of the rules below those on what is said in clear.
HANDSHAKE = {9008, 9009}
RULES = """
alert http any any -> any any (msg:"a path"; http.uri; content:"/v1/chat"; sid:9001;)
alert http any any -> any any (msg:"a body"; http.request_body; content:"previous instructions"; sid:9002;)
alert http any any -> any any (msg:"an answer"; file.data; content:"|3a 3b 3c 3d|"; sid:9003;)
alert http2 any any -> any any (msg:"http2"; http.uri; content:"/hello"; sid:9004;)
alert websocket any any -> any any (msg:"a message"; websocket.payload; content:"two"; sid:9005;)
alert tcp any any -> any any (msg:"keys do not fit"; app-layer-event:applayer_tls_keys_do_not_fit; sid:9007;)
alert tls any any -> any any (msg:"a hello"; ssl_state:server_hello; sid:9008;)
alert tls any any -> any any (msg:"a key exchange"; ssl_state:server_keyx; sid:9009;)
alert ai any any -> any any (msg:"a prompt"; ai.prompt; content:"system prompt"; sid:9006;)
"""


def pcap(path, connections, cut=None, secrets=None):
    """Writes connections as TCP. `cut`: bytes of a segment. `secrets`: (lines of a key log, before which packet), as pcapng."""
    packets = []
    at = 1_700_000_000_000_000

    def packet(c, up, flags, payload):
        nonlocal at
        seq, ack = c["seq"][up], c["seq"][not up]
        ports = (c["port"], 8080) if up else (8080, c["port"])
        tcp = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, 65535, 0, 0)
        ends = (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
        src, dst = ends if up else ends[::-1]
        total = 20 + len(tcp) + len(payload)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, len(packets) & 0xFFFF, 0, 64, 6, 0, src, dst)
        packets.append((at, b"\x02" * 6 + b"\x04" * 6 + b"\x08\x00" + ip + tcp + payload))
        at += 1000
        c["seq"][up] += len(payload) + (1 if flags & 3 else 0)

    for n, log in enumerate(connections):
        c = {"port": 40000 + n, "seq": {True: 1000, False: 5000}}
        packet(c, True, 2, b"")
        packet(c, False, 0x12, b"")
        packet(c, True, 0x10, b"")
        for up, data in log:
            step = cut or 1460
            for i in range(0, len(data), step):
                packet(c, up, 0x18, data[i : i + step])
                packet(c, not up, 0x10, b"")
        packet(c, True, 0x11, b"")
        packet(c, False, 0x11, b"")
        packet(c, True, 0x10, b"")
    with open(path, "wb") as f:
        if secrets is None:
            f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for ts, data in packets:
                f.write(struct.pack("<IIII", ts // 1000000, ts % 1000000, len(data), len(data)) + data)
            return

        def block(kind, body):
            body += b"\0" * (-len(body) % 4)
            f.write(struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12))

        lines, before = secrets
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        block(1, struct.pack("<HHI", 1, 0, 262144))
        for n, (ts, data) in enumerate(packets):
            if n == before:
                block(10, struct.pack("<II", 0x544C534B, len(lines)) + lines.encode())
            block(6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, len(data), len(data)) + data)


def strip(value):
    if isinstance(value, dict):
        return {k: strip(v) for k, v in sorted(value.items()) if k not in VOLATILE}
    if isinstance(value, list):
        return [strip(v) for v in value]
    return value.replace("https", "http") if isinstance(value, str) else value


class Runner:
    def __init__(self, engine, folder):
        self.engine, self.folder, self.runs = engine, folder, 0
        self.rules = folder / "test.rules"
        self.rules.write_text(RULES)

    def run(self, capture, *options):
        """Events of a capture, and the counters."""
        self.runs += 1
        out = self.folder / f"out{self.runs}"
        command = [self.engine, "run", "-q", "-r", str(capture), "-l", str(out), "-k", "none", *options]
        command += ["-S", str(self.rules), "-S", "builtin:ai"]
        subprocess.run(command, check=True)
        return [json.loads(line) for line in open(out / "eve.json")]


def found(events):
    """What was found in what was said, without what is about connections."""
    out = []
    for e in events:
        if e["event_type"] in ("tls", "flow", "stats") or e.get("app_proto") == "tls":
            continue
        if e.get("http", {}).get("http2", {}).get("stream_id") == 0:
            # Settings and goodbyes: how a connection ends is up to who closes it first.
            continue
        if e["event_type"] == "alert":
            # The rest says how far the transaction was when the rule matched, which is up to how bytes are cut.
            e = {k: e.get(k) for k in ("event_type", "alert", "app_proto", "tx_id")}
        out.append(json.dumps(strip(e), sort_keys=True))
    return sorted(out)


def flowless(lines):
    """Without what is told of addresses and not of flows, and of packets that were made up for the tunnel."""
    return [line for line in lines if '"event_type": "ai_' not in line]


def counters(events):
    return [e for e in events if e["event_type"] == "stats"][-1]["stats"].get("tls_keys", {})


class Checks:
    def __init__(self):
        self.done, self.wrong = 0, 0

    def equal(self, name, wanted, got):
        self.done += 1
        if wanted and wanted == got:
            return
        self.wrong += 1
        print(f"{name}: differs from what is found in clear ({len(wanted)} wanted, {len(got)} got)")
        for label, some in (("missing", set(wanted) - set(got)), ("more", set(got) - set(wanted))):
            for line in sorted(some)[:4]:
                print(f"  {label}: {line[:400]}")

    def true(self, name, holds, *seen):
        self.done += 1
        if not holds:
            self.wrong += 1
            print(f"{name}:", *seen)


def protections():
    yield "1.3 AES-256-GCM", traffic.Tls(V13)
    yield "1.3 AES-128-GCM", traffic.Tls(V13, "TLS_AES_128_GCM_SHA256")
    yield "1.3 ChaCha20", traffic.Tls(V13, "TLS_CHACHA20_POLY1305_SHA256")
    yield "1.2 AES-128-GCM", traffic.Tls(V12, V12_AEAD)
    yield "1.2 AES-256-GCM", traffic.Tls(V12, "ECDHE-RSA-AES256-GCM-SHA384")
    yield "1.2 ChaCha20", traffic.Tls(V12, "ECDHE-RSA-CHACHA20-POLY1305")
    yield "1.2 AES-128-CBC, SHA-1, MAC last", traffic.Tls(V12, "ECDHE-RSA-AES128-SHA")
    yield "1.2 AES-256-CBC, SHA-384, MAC last", traffic.Tls(V12, "ECDHE-RSA-AES256-SHA384")
    # OpenSSL's SSL_OP_NO_ENCRYPT_THEN_MAC has no name in Python.
    yield "1.2 AES-128-CBC, SHA-256", traffic.Tls(V12, "ECDHE-RSA-AES128-SHA256", 1 << 19)
    yield "1.2 AES-256-CBC, SHA-1", traffic.Tls(V12, "ECDHE-RSA-AES256-SHA", 1 << 19)


def wrong_keys(lines):
    """Every secret with its last digit changed."""
    out = []
    for line in lines.splitlines():
        if line.startswith("#"):
            continue
        label, random, secret = line.split()
        out.append(f"{label} {random} {secret[:-1]}{'0' if secret[-1] != '0' else '1'}")
    return "\n".join(out) + "\n"


def compare(name, runner, checks, folder, clear, log, lines):
    keys = folder / "given.log"
    keys.write_text(lines)
    pcap(folder / "tls.pcap", log)
    wanted = found(runner.run(write(folder / "clear.pcap", clear)))
    events = runner.run(folder / "tls.pcap", "--tls-keys", str(keys))
    checks.equal(name, wanted, found(events))
    marked = [e for e in events if e["event_type"] in ("http", "http2", "ai", "websocket")]
    checks.true(f"{name}: decrypted", marked and all(e.get("decrypted") for e in marked), len(marked))
    checks.true(f"{name}: a tls record", any(e["event_type"] == "tls" for e in events))
    return wanted, events


def reordered(made):
    log, lines, clear = made
    return clear, log, lines


def write(path, log, **how):
    pcap(path, log, **how)
    return path


def hard_cases(name, runner, checks, folder, wanted, log, lines):
    """Cut anew, keys that come late or inside the capture or not, wrong keys."""
    keys = folder / "given.log"
    for cut in (1, 7, 100, 20000):
        events = runner.run(write(folder / "cut.pcap", log, cut=cut), "--tls-keys", str(keys))
        checks.equal(f"{name}, cut by {cut}", wanted, found(events))
    # Keys change nothing of what is seen of the handshake.
    hellos = [sum(e.get("alert", {}).get("signature_id") in HANDSHAKE for e in runner.run(folder / "tls.pcap", *o)) for o in ((), ("--tls-keys", str(keys)))]
    checks.true(f"{name}, the state of the handshake", hellos[0] == hellos[1] > 0, hellos)
    # Inside the tunnel of a proxy, which was HTTP before.
    begin = [(True, b"CONNECT models.example:443 HTTP/1.1\r\nHost: models.example:443\r\n\r\n"), (False, b"HTTP/1.1 200 OK\r\n\r\n")]
    events = runner.run(write(folder / "tunnel.pcap", [begin + c for c in log]), "--tls-keys", str(keys))
    inside = [e for e in events if e.get("decrypted")]
    checks.equal(f"{name}, in a tunnel", flowless(wanted), flowless(found(inside)))
    events = runner.run(write(folder / "in.pcapng", log, secrets=(lines, 0)))
    checks.equal(f"{name}, keys in the capture", wanted, found(events))
    # Behind the handshake: they are waited for, or not.
    late = write(folder / "late.pcapng", log, secrets=(lines, 14))
    some = ["--tls-keys", "/dev/null", "--batch", "1"]
    events = runner.run(late, *some, "--set", "tls-keys.wait=2000")
    checks.equal(f"{name}, late keys", wanted, found(events))
    events = runner.run(late, *some)
    told = counters(events)
    # Sessions that begin after the keys came are read.
    known = {"without_keys": 1, "opened": len(log) - 1}
    checks.true(f"{name}, too late", known.items() <= told.items(), told)
    (folder / "wrong.log").write_text(wrong_keys(lines))
    events = runner.run(folder / "tls.pcap", "--tls-keys", str(folder / "wrong.log"))
    anomalies = [e["anomaly"]["event"] for e in events if e["event_type"] == "anomaly"]
    checks.true(f"{name}, wrong keys: an event", "APPLAYER_TLS_KEYS_DO_NOT_FIT" in anomalies, anomalies)
    alerts = {e["alert"]["signature_id"] for e in events if e["event_type"] == "alert"} - HANDSHAKE
    checks.true(f"{name}, wrong keys: a rule says so, and no other", alerts == {9007}, alerts)
    shown = [e["event_type"] for e in events if e["event_type"] in ("http", "http2", "ai", "websocket", "fileinfo")]
    checks.true(f"{name}, wrong keys: nothing else", not shown, shown)
    checks.true(f"{name}, wrong keys: a tls record", any(e["event_type"] == "tls" for e in events))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    ap.add_argument("--keep", type=pathlib.Path, help="folder for captures and events, kept")
    ap.add_argument("--only", default="", help="exchanges whose name begins with this")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as t:
        folder = a.keep or pathlib.Path(t)
        folder.mkdir(parents=True, exist_ok=True)
        traffic.certificate(folder)
        runner, checks = Runner(a.engine, folder), Checks()
        for name in ("python http", "python chat", "python ws", "curl h1", "curl h2", "node h2", "node-h1"):
            if not name.startswith(a.only):
                continue
            clear, _ = traffic.exchange(name, None, folder)
            for kind, tls in protections():
                if name != "python http" and kind not in ("1.3 AES-256-GCM", "1.2 AES-128-GCM"):
                    continue
                log, lines = traffic.exchange(name, tls, folder)
                title = f"{name} over TLS {kind}"
                wanted, events = compare(title, runner, checks, folder, clear, log, lines)
                if kind.startswith("1.3"):
                    subjects = [e["tls"].get("subject") for e in events if e["event_type"] == "tls"]
                    checks.true(f"{title}: the certificate", subjects[:1] == [f"CN={traffic.HOST}"], subjects)
                if kind in ("1.3 AES-256-GCM", "1.2 AES-128-GCM") and name in ("python http", "curl h2"):
                    hard_cases(title, runner, checks, folder, wanted, log, lines)
        if "openssl".startswith(a.only) or a.only.startswith("openssl"):
            for kind, tls in (("1.3", traffic.Tls(V13)), ("1.2", traffic.Tls(V12, V12_AEAD))):
                log, lines, clear = traffic.openssl(tls, folder)
                compare(f"openssl over TLS {kind}", runner, checks, folder, clear, log, lines)
            compare("openssl, keys updated", runner, checks, folder, *reordered(traffic.updated(folder)))
            compare("openssl, early data", runner, checks, folder, *reordered(traffic.resumed(folder)))
        if "starttls".startswith(a.only):
            log, lines = traffic.starttls(folder)
            pcap(folder / "mail.pcap", log)
            (folder / "given.log").write_text(lines)
            mails = [e for e in runner.run(folder / "mail.pcap", "--tls-keys", str(folder / "given.log")) if e["event_type"] == "smtp"]
            senders = [m["smtp"]["mail_from"] for m in mails if "mail_from" in m["smtp"] and m.get("decrypted")]
            checks.true("a mail after STARTTLS", senders == ["<a@b>"], mails)
        print(f"{checks.done} comparisons, {checks.wrong} wrong")
    return 1 if checks.wrong or not checks.done else 0


if __name__ == "__main__":
    sys.exit(main())
