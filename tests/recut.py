#!/usr/bin/env python3
"""Cuts the traffic of a capture anew: the same bytes in other segments, so that an engine must find the same in it.

    recut.py HOW SEED IN.pcap OUT.pcap

HOW: tiny      TCP segments of 1 to 7 bytes
     odd       segments of 1 to 200 bytes, each sent again with bytes of the one before in front
     fragments IPv4 packets with payload in fragments of 8 to 64 bytes
     swap      neighbouring segments of a direction change places
     frames    segments end just before and within the nine bytes that begin each HTTP/2 frame

What is no TCP over IP in Ethernet (with VLAN tags) passes unchanged. Standard library only.
"""
import random
import struct
import sys


def packets(data):
    magic = data[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        sec, frac, caplen, length = struct.unpack(order + "IIII", data[at:at + 16])
        yield order, sec, frac, data[at + 16:at + 16 + caplen]
        at += 16 + caplen


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Frame:
    """An Ethernet frame with a TCP segment, taken apart; `ok` is false for anything else."""

    def __init__(self, raw):
        self.ok = False
        at, kind = 12, 0x8100
        while kind in (0x8100, 0x88a8):
            if len(raw) < at + 2:
                return
            kind = struct.unpack(">H", raw[at:at + 2])[0]
            at += 2
            if kind in (0x8100, 0x88a8):
                at += 2
        self.link, ip = raw[:at], raw[at:]
        if kind == 0x0800 and len(ip) >= 20 and ip[0] >> 4 == 4:
            ihl = (ip[0] & 15) * 4
            if ip[9] != 6 or struct.unpack(">H", ip[6:8])[0] & 0x3fff:
                return
            self.v6, self.ip, rest = False, ip[:ihl], ip[ihl:struct.unpack(">H", ip[2:4])[0]]
        elif kind == 0x86dd and len(ip) >= 40 and ip[6] == 6:
            self.v6, self.ip, rest = True, ip[:40], ip[40:40 + struct.unpack(">H", ip[4:6])[0]]
        else:
            return
        if len(rest) < 20:
            return
        offset = (rest[12] >> 4) * 4
        self.tcp, self.payload = rest[:offset], rest[offset:]
        self.seq, self.flags = struct.unpack(">I", rest[4:8])[0], rest[13]
        self.ok = True

    def key(self):
        return self.ip[-8:] if not self.v6 else self.ip[8:], self.tcp[:4]

    def build(self, payload, skip, last):
        """The segment with `payload`, `skip` bytes after where this one began."""
        flags = self.flags if last else self.flags & ~0x09
        tcp = bytearray(self.tcp)
        tcp[4:8] = struct.pack(">I", (self.seq + skip) & 0xffffffff)
        tcp[13] = flags
        tcp[16:18] = b"\0\0"
        ip = bytearray(self.ip)
        length = len(tcp) + len(payload)
        if self.v6:
            ip[4:6] = struct.pack(">H", length)
            pseudo = bytes(ip[8:40]) + struct.pack(">II", length, 6)
        else:
            ip[2:4] = struct.pack(">H", len(ip) + length)
            ip[10:12] = b"\0\0"
            ip[10:12] = struct.pack(">H", checksum(bytes(ip)))
            pseudo = bytes(ip[12:20]) + struct.pack(">HH", 6, length)
        tcp[16:18] = struct.pack(">H", checksum(pseudo + bytes(tcp) + payload))
        return self.link + bytes(ip) + bytes(tcp) + payload


def fragments(raw, rng, ident):
    """An IPv4 packet of an Ethernet frame in pieces."""
    f = Frame(raw)
    if not f.ok or f.v6 or not f.payload:
        return [raw]
    body, out, at = f.tcp + f.payload, [], 0
    while at < len(body):
        n = min(len(body) - at, 8 * rng.randint(1, 8))
        more = at + n < len(body)
        ip = bytearray(f.ip)
        ip[2:4] = struct.pack(">H", len(ip) + n)
        ip[4:6] = struct.pack(">H", ident)
        ip[6:8] = struct.pack(">H", at // 8 | (0x2000 if more else 0))
        ip[10:12] = b"\0\0"
        ip[10:12] = struct.pack(">H", checksum(bytes(ip)))
        out.append(f.link + bytes(ip) + body[at:at + n])
        at += n
    return out


def cuts(how, f, rng):
    """Ends of the pieces of a segment's payload."""
    n, at, ends = len(f.payload), 0, []
    if how == "frames":
        while at + 9 <= n:
            size = int.from_bytes(f.payload[at:at + 3], "big")
            ends += [e for e in (at, at + rng.randint(1, 8), at + 9) if 0 < e < n]
            if size > 1 << 16:
                break
            at += 9 + size
        return sorted(set(ends)) + [n]
    most = 7 if how == "tiny" else 200
    while at < n:
        at = min(n, at + rng.randint(1, most))
        ends.append(at)
    return ends


def recut(how, data, rng):
    out, held = [data[:24]], {}

    def put(order, sec, frac, raw):
        out.append(struct.pack(order + "IIII", sec, frac, len(raw), len(raw)) + raw)

    for number, (order, sec, frac, raw) in enumerate(packets(data)):
        f = Frame(raw)
        if how == "fragments":
            for piece in fragments(raw, rng, number & 0xffff):
                put(order, sec, frac, piece)
            continue
        if not f.ok or not f.payload or f.flags & 0x07 & ~0x01:
            for order_, s, c, r in held.pop("held", []):
                put(order_, s, c, r)
            put(order, sec, frac, raw)
            continue
        if how == "swap":
            pieces, at = [], 0
            for end in cuts("odd", f, rng):
                pieces.append(f.build(f.payload[at:end], at, end == len(f.payload)))
                at = end
            for i in range(0, len(pieces) - 1, 2):
                pieces[i], pieces[i + 1] = pieces[i + 1], pieces[i]
            for p in pieces:
                put(order, sec, frac, p)
            continue
        at = 0
        for end in cuts(how, f, rng):
            last = end == len(f.payload)
            back = rng.randint(0, at) if how == "odd" and rng.random() < 0.5 else at
            put(order, sec, frac, f.build(f.payload[back:end], back, last))
            at = end
    return b"".join(out)


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("tiny", "odd", "fragments", "swap", "frames"):
        sys.exit(__doc__)
    how, seed, source, target = sys.argv[1:]
    data = open(source, "rb").read()
    if data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
        sys.exit(f"{source}: no classic capture file (pcapng is not read)")
    open(target, "wb").write(recut(how, data, random.Random(int(seed))))


if __name__ == "__main__":
    main()
