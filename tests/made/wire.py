"""Made packets and sessions: what somebody says goes in, a capture comes out, in which each session has addresses of its own."""
import struct

ETHERNET = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0"
SYN, FIN, RST, PSH, ACK = 2, 1, 4, 8, 16


def checksum(b):
    if len(b) % 2:
        b += b"\0"
    s = sum(struct.unpack(f">{len(b) // 2}H", b))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF


class Capture:
    """A classic capture of Ethernet frames, a millisecond apart."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.now = 1_700_000_000_000_000

    def frame(self, b):
        self.now += 1000
        self.file.write(struct.pack("<IIII", self.now // 1_000_000, self.now % 1_000_000, len(b), len(b)) + b)

    def segment(self, n, side, port, seq, ack, flags, data=b"", stamp=None):
        """A segment of session number `n`; side 0 is the client's."""
        ends = [bytes([10, n >> 8 & 255, n & 255, e]) for e in (1, 2)]
        ports = [40000, port]
        options = b"" if stamp is None else b"\1\1\x08\x0a" + struct.pack(">II", stamp & 0xFFFFFFFF, 0)
        head = struct.pack(">HHIIBBHHH", ports[side], ports[1 - side], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                           (5 + len(options) // 4) << 4, flags, 65535, 0, 0) + options
        pseudo = ends[side] + ends[1 - side] + struct.pack(">BBH", 0, 6, len(head) + len(data))
        head = head[:16] + struct.pack(">H", checksum(pseudo + head + data)) + head[18:]
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(head) + len(data), 1, 0, 64, 6, 0, ends[side], ends[1 - side])
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        self.frame(ETHERNET + ip + head + data)

    def datagram(self, n, side, port, data):
        """A datagram of session number `n`."""
        ends = [bytes([10, n >> 8 & 255, n & 255, e]) for e in (1, 2)]
        ports = [40000, port]
        head = struct.pack(">HHHH", ports[side], ports[1 - side], 8 + len(data), 0)
        pseudo = ends[side] + ends[1 - side] + struct.pack(">BBH", 0, 17, 8 + len(data))
        head = head[:6] + struct.pack(">H", checksum(pseudo + head + data) or 0xFFFF)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0, ends[side], ends[1 - side])
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        self.frame(ETHERNET + ip + head + data)

    def talk(self, n, port, turns):
        """A whole session: `turns` are (side, bytes), each acknowledged."""
        at = [1000, 2000]

        def send(side, flags, data=b""):
            self.segment(n, side, port, at[side], at[1 - side] if flags & ACK else 0, flags, data)
            at[side] += len(data) + (flags & (SYN | FIN) != 0)
        send(0, SYN)
        send(1, SYN | ACK)
        send(0, ACK)
        for side, data in turns:
            for i in range(0, len(data), 1400):
                send(side, PSH | ACK, data[i:i + 1400])
                send(1 - side, ACK)
        send(0, FIN | ACK)
        send(1, FIN | ACK)
        send(0, ACK)

    def close(self):
        self.file.close()


def frames(path):
    """The frames of a classic capture of Ethernet, none of any other."""
    with open(path, "rb") as f:
        d = f.read()
    if d[:4] != b"\xd4\xc3\xb2\xa1" or len(d) < 24 or struct.unpack("<I", d[20:24])[0] != 1:
        return
    at = 24
    while at + 16 <= len(d):
        n = struct.unpack("<I", d[at + 8:at + 12])[0]
        yield d[at + 16:at + 16 + n]
        at += 16 + n
