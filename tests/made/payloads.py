"""Sessions of real captures with payloads changed: bits flipped, bytes set, taken out and put in. Out: (name, carrier, port, turns)
with the client's and the server's bytes as they travelled; retransmissions and holes are left out."""
import glob
import os
import re
import struct

import wire

# Protocol: carrier, ports of its servers.
PROTOCOLS = {
    "dns": (17, {53}), "dns-tcp": (6, {53}), "quic": (17, {443, 4433, 8443}), "tls": (6, {443, 8443, 993}), "ssh": (6, {22}), "smb": (6, {445, 139}),
    "nfs": (6, {2049}), "nfs-udp": (17, {2049}), "krb5": (6, {88}), "krb5-udp": (17, {88}), "snmp": (17, {161}), "dhcp": (17, {67}), "ntp": (17, {123}),
    "ftp": (6, {21}), "rdp": (6, {3389}), "mqtt": (6, {1883}), "ike": (17, {500}), "tftp": (17, {69}), "sip": (17, {5060}), "rfb": (6, {5900}),
}
MOST_TURNS, MOST_BYTES = 40, 20000


def payload(frame):
    """Carrier, ends and payload of a frame of IPv4: (carrier, (source, port), (destination, port), sequence number, flags, payload)."""
    at, kind = 14, frame[12:14]
    while kind in (b"\x81\0", b"\x88\xa8") and len(frame) > at + 4:
        kind, at = frame[at + 2:at + 4], at + 4
    ip = frame[at:]
    if kind != b"\x08\0" or len(ip) < 20 or ip[0] >> 4 != 4 or struct.unpack(">H", ip[6:8])[0] & 0x3FFF:
        return None
    ip, l4 = ip[:struct.unpack(">H", ip[2:4])[0]], (ip[0] & 15) * 4
    seg = ip[l4:] if len(ip) >= 20 else b""
    if len(seg) >= 8 and ip[9] == 17:
        body, seq, flags = seg[8:struct.unpack(">H", seg[4:6])[0]], 0, 0
    elif len(seg) >= 20 and ip[9] == 6:
        body, seq, flags = seg[(seg[12] >> 4) * 4:], struct.unpack(">I", seg[4:8])[0], seg[13]
    else:
        return None
    sp, dp = struct.unpack(">HH", seg[:4])
    return ip[9], (ip[12:16], sp), (ip[16:20], dp), seq, flags, body


def sessions(path, carrier, ports):
    """Turns of the sessions in a capture."""
    found = {}
    for f in wire.frames(path):
        p = payload(f)
        if p is None or p[0] != carrier or not {p[1][1], p[2][1]} & ports:
            continue
        _, a, b, seq, flags, body = p
        side = 0 if b[1] in ports else 1
        turns, want = found.setdefault((a, b) if side == 0 else (b, a), ([], [None, None]))
        if carrier == 6:
            if flags & wire.SYN:
                want[side] = seq + 1 & 0xFFFFFFFF
            if not body or (want[side] is not None and seq != want[side]):
                continue
            want[side] = seq + len(body) & 0xFFFFFFFF
        if body and len(turns) < MOST_TURNS and sum(len(t[1]) for t in turns) < MOST_BYTES:
            turns.append((side, body))
    for (_, (_, port)), (turns, _) in found.items():
        # A session that was picked up in its middle has no beginning to be recognised by.
        if turns and turns[0][0] == 0:
            yield port, turns


def changed(r, turns):
    turns = [[side, bytearray(b)] for side, b in turns]
    said = []
    for _ in range(r.randrange(1, 4)):
        n = r.randrange(len(turns))
        b = turns[n][1]
        if not b:
            continue
        # The beginning of a payload means most.
        i = min(int(r.expovariate(1 / 24)), len(b) - 1) if r.random() < 0.6 else r.randrange(len(b))
        how = r.choice(["flip", "set", "zero", "ones", "cut", "drop", "insert"])
        if how == "flip":
            b[i] ^= 1 << r.randrange(8)
        elif how == "set":
            b[i] = r.randrange(256)
        elif how in ("zero", "ones"):
            for j in range(i, min(i + r.randrange(1, 5), len(b))):
                b[j] = 0 if how == "zero" else 255
        elif how == "cut":
            del b[max(i, 1):]
        elif how == "drop":
            del b[i:i + r.randrange(1, 9)]
        else:
            b[i:i] = r.randbytes(r.randrange(1, 9))
        said.append(f"{how} {n}:{i}")
    return [(side, bytes(b)) for side, b in turns if b], ", ".join(said)


def cases(r, folders, protocol, count):
    carrier, ports = PROTOCOLS[protocol]
    word = re.compile(r"[a-z]+").match(protocol)[0]
    files = sorted(f for d in folders for f in glob.glob(os.path.join(d, "**", "*.pcap"), recursive=True)
                   if os.path.isfile(f) and os.path.getsize(f) < 4_000_000)
    # Those that are named after the protocol first, so that few sessions are found soon.
    r.shuffle(files)
    files.sort(key=lambda f: word not in os.path.basename(f).lower())
    real = []
    for f in files:
        real += [(f"{os.path.basename(f)}:{i}", port, turns) for i, (port, turns) in enumerate(sessions(f, carrier, ports)) if i < 12]
        if len(real) >= count / 3:
            break
    for _ in range(count if real else 0):
        name, port, turns = r.choice(real)
        turns, how = changed(r, turns)
        yield f"{protocol} {name} {how}", carrier, port, turns
