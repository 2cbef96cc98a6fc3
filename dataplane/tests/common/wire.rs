//! Traffic made by hand: conversations go in as bytes of either side, frames come out. Nothing here is a real host.

/// A frame with its time (ns).
#[derive(Clone, Debug)]
pub struct Packet {
    pub data: Vec<u8>,
    pub ts: u64,
}

/// What lies between Ethernet and the IP packet of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Plain,
    Vlan,
    QinQ,
    Mpls,
    Gre,
    Vxlan,
    Geneve,
    IpInIp,
    Pppoe,
    GtpU,
    /// Carries IPv6 only; IPv4 goes as it is.
    Teredo,
    Erspan,
}

impl Carrier {
    pub const ALL: [Carrier; 12] = [
        Carrier::Plain,
        Carrier::Vlan,
        Carrier::QinQ,
        Carrier::Mpls,
        Carrier::Gre,
        Carrier::Vxlan,
        Carrier::Geneve,
        Carrier::IpInIp,
        Carrier::Pppoe,
        Carrier::GtpU,
        Carrier::Teredo,
        Carrier::Erspan,
    ];
}

/// An end of a conversation: host number and port.
pub type End = (u8, u16);

pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const PSH: u8 = 8;
pub const ACK: u8 = 16;
pub const FIN: u8 = 1;

/// Who speaks (0 client, 1 server), and what.
pub type Line = (usize, Vec<u8>);

/// The capture being made.
pub struct Wire {
    pub frames: Vec<Packet>,
    pub now: u64,
    pub carrier: Carrier,
    pub v6: bool,
    /// What was said in whole conversations: the ends, and who spoke.
    pub talks: Vec<(End, End, Vec<Line>)>,
    id: u16,
}

fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut s: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum();
    while s >> 16 != 0 {
        s = (s & 0xffff) + (s >> 16);
    }
    !(s as u16)
}

pub fn v4(host: u8) -> [u8; 4] {
    [10, 1, 0, host]
}

fn v6(host: u8) -> [u8; 16] {
    let mut a = [0; 16];
    a[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    a[15] = host;
    a
}

/// An IPv4 packet. `frag` is the field of flags and offset.
pub fn ipv4(proto: u8, src: [u8; 4], dst: [u8; 4], id: u16, frag: u16, body: &[u8]) -> Vec<u8> {
    let mut h = vec![0x45, 0];
    h.extend(((20 + body.len()) as u16).to_be_bytes());
    h.extend(id.to_be_bytes());
    h.extend(frag.to_be_bytes());
    h.extend([64, proto, 0, 0]);
    h.extend(src);
    h.extend(dst);
    let c = sum(&[&h]);
    h[10..12].copy_from_slice(&c.to_be_bytes());
    h.extend(body);
    h
}

fn ipv6(next: u8, src: [u8; 16], dst: [u8; 16], body: &[u8]) -> Vec<u8> {
    let mut h = vec![0x60, 0, 0, 0];
    h.extend((body.len() as u16).to_be_bytes());
    h.extend([next, 64]);
    h.extend(src);
    h.extend(dst);
    h.extend(body);
    h
}

impl Wire {
    pub fn new() -> Wire {
        Wire {
            frames: Vec::new(),
            now: 1_767_603_600_000_000_000,
            carrier: Carrier::Plain,
            v6: false,
            talks: Vec::new(),
            id: 1,
        }
    }

    pub fn ethernet(&mut self, kind: u16, body: &[u8]) {
        let mut f = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        f.extend(kind.to_be_bytes());
        f.extend(body);
        self.raw(f);
    }

    pub fn raw(&mut self, data: Vec<u8>) {
        self.frames.push(Packet { data, ts: self.now });
        self.now += 170_000;
    }

    /// Sends an IP packet in the carrier.
    pub fn ip_packet(&mut self, ip: &[u8]) {
        let kind: u16 = if ip.first().is_some_and(|b| b >> 4 == 6) { 0x86dd } else { 0x800 };
        let inner = |f: &[u8]| [&[2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4][..], &kind.to_be_bytes(), f].concat();
        let (a, b) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        self.id = self.id.wrapping_add(1);
        let outer = |proto: u8, body: &[u8]| ipv4(proto, a, b, 7, 0, body);
        match self.carrier {
            Carrier::Plain => self.ethernet(kind, ip),
            Carrier::Vlan => self.ethernet(0x8100, &[&[0, 42], &kind.to_be_bytes()[..], ip].concat()),
            Carrier::QinQ => {
                let b = [&[0, 10, 0x81, 0, 0, 42], &kind.to_be_bytes()[..], ip].concat();
                self.ethernet(0x88a8, &b);
            }
            Carrier::Mpls => self.ethernet(0x8847, &[&[0, 1, 1, 64], ip].concat()),
            Carrier::Gre => {
                let g = [&[0x20, 0], &kind.to_be_bytes()[..], &[0, 0, 0, 9], ip].concat();
                self.ethernet(0x800, &outer(47, &g));
            }
            Carrier::Vxlan => {
                let v = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &inner(ip)].concat();
                self.ethernet(0x800, &outer(17, &datagram(50_000, 4789, &v)));
            }
            Carrier::Geneve => {
                let g = [&[1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0][..], &inner(ip)].concat();
                self.ethernet(0x800, &outer(17, &datagram(50_001, 6081, &g)));
            }
            Carrier::Pppoe => {
                let kind: u16 = if kind == 0x800 { 0x21 } else { 0x57 };
                let len = (ip.len() as u16 + 2).to_be_bytes();
                self.ethernet(0x8864, &[&[0x11, 0, 0, 7], &len[..], &kind.to_be_bytes(), ip].concat());
            }
            Carrier::GtpU => {
                let len = (ip.len() as u16).to_be_bytes();
                let g = [&[0x30, 0xff], &len[..], &[0, 0, 0, 9], ip].concat();
                self.ethernet(0x800, &outer(17, &datagram(2152, 2152, &g)));
            }
            Carrier::Teredo if kind == 0x800 => self.ethernet(kind, ip),
            Carrier::Teredo => self.ethernet(0x800, &outer(17, &datagram(50_002, 3544, ip))),
            Carrier::Erspan => {
                let g = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1][..], &[0x10, 42, 0, 5, 0, 0, 0, 9], &inner(ip)];
                self.ethernet(0x800, &outer(47, &g.concat()));
            }
            Carrier::IpInIp => {
                let b = outer(if kind == 0x800 { 4 } else { 41 }, ip);
                self.ethernet(0x800, &b);
            }
        }
    }

    /// The IP packet around `body` between two hosts, with the checksum at `check` of the body filled in.
    fn build(&mut self, proto: u8, src: u8, dst: u8, mut body: Vec<u8>, check: usize) -> Vec<u8> {
        let len = (body.len() as u32).to_be_bytes();
        let c = if self.v6 {
            sum(&[&v6(src), &v6(dst), &len, &[0, 0, 0, proto], &body])
        } else {
            sum(&[&v4(src), &v4(dst), &[0, proto], &len[2..], &body])
        };
        body[check..check + 2].copy_from_slice(&c.to_be_bytes());
        self.id = self.id.wrapping_add(1);
        if self.v6 {
            ipv6(proto, v6(src), v6(dst), &body)
        } else {
            ipv4(proto, v4(src), v4(dst), self.id, 0x4000, &body)
        }
    }

    pub fn udp(&mut self, src: End, dst: End, payload: &[u8]) {
        let p = self.build(17, src.0, dst.0, datagram(src.1, dst.1, payload), 6);
        self.ip_packet(&p);
    }

    /// One datagram in fragments of `size` bytes (a multiple of 8), in the given order of their numbers.
    pub fn udp_in_fragments(&mut self, src: End, dst: End, payload: &[u8], size: usize, backwards: bool) {
        let body = datagram(src.1, dst.1, payload);
        self.id = self.id.wrapping_add(1);
        let mut parts = Vec::new();
        for (i, part) in body.chunks(size).enumerate() {
            let more = (i + 1) * size < body.len();
            let at = (i * size / 8) as u16;
            parts.push(if self.v6 {
                let field = at << 3 | u16::from(more);
                let head = [&[17, 0][..], &field.to_be_bytes(), &[0, 0], &self.id.to_be_bytes()].concat();
                ipv6(44, v6(src.0), v6(dst.0), &[&head[..], part].concat())
            } else {
                ipv4(17, v4(src.0), v4(dst.0), self.id, at | if more { 0x2000 } else { 0 }, part)
            });
        }
        if backwards {
            parts.reverse();
        }
        for p in parts {
            self.ip_packet(&p);
        }
    }

    /// An ICMP (or ICMPv6) message.
    pub fn icmp(&mut self, src: u8, dst: u8, kind: u8, code: u8, rest: &[u8]) {
        let body = [&[kind, code, 0, 0][..], rest].concat();
        if self.v6 {
            let p = self.build(58, src, dst, body, 2);
            self.ip_packet(&p);
        } else {
            let mut b = body;
            let c = sum(&[&b]);
            b[2..4].copy_from_slice(&c.to_be_bytes());
            let p = ipv4(1, v4(src), v4(dst), self.id, 0, &b);
            self.ip_packet(&p);
        }
    }

    /// Opens a TCP conversation.
    pub fn tcp(&mut self, client: End, server: End) -> Tcp<'_> {
        let seed = u32::from(client.1) * 7919 + u32::from(server.1);
        let mut t = Tcp { wire: self, ends: [client, server], seq: [seed, seed ^ 0x5a5a_5a5a], mss: 1400 };
        t.segment(0, SYN, &[]);
        t.seq[0] = t.seq[0].wrapping_add(1);
        t.segment(1, SYN | ACK, &[]);
        t.seq[1] = t.seq[1].wrapping_add(1);
        t.segment(0, ACK, &[]);
        t
    }

    /// A SYN with data and a cookie of TCP Fast Open (RFC 7413), of which the server takes nothing: it is sent again.
    pub fn fast_open(&mut self, client: End, server: End, data: &[u8], answer: &[u8]) {
        let mut t = Tcp { wire: self, ends: [client, server], seq: [1000, 5000], mss: 1400 };
        let mut h = [client.1.to_be_bytes(), server.1.to_be_bytes()].concat();
        h.extend(t.seq[0].to_be_bytes());
        h.extend([0, 0, 0, 0, 0x70, SYN, 0xff, 0xff, 0, 0, 0, 0, 34, 6, 1, 2, 3, 4, 1, 1]);
        h.extend(data);
        let p = t.wire.build(6, client.0, server.0, h, 16);
        t.wire.ip_packet(&p);
        t.seq[0] = t.seq[0].wrapping_add(1);
        t.segment(1, SYN | ACK, &[]);
        t.seq[1] = t.seq[1].wrapping_add(1);
        t.send(0, data);
        t.send(1, answer);
        t.close();
    }

    /// A whole conversation: who speaks (0 client, 1 server), and what.
    pub fn talk(&mut self, client: End, server: End, lines: &[(usize, &[u8])]) {
        self.talks.push((client, server, lines.iter().map(|(from, data)| (*from, data.to_vec())).collect()));
        let mut t = self.tcp(client, server);
        for (from, data) in lines {
            t.send(*from, data);
        }
        t.close();
        self.now += 20_000_000;
    }
}

/// A UDP datagram without a checksum.
pub fn datagram(sp: u16, dp: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&sp.to_be_bytes()[..], &dp.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// A TCP conversation.
pub struct Tcp<'w> {
    pub wire: &'w mut Wire,
    ends: [End; 2],
    /// Next sequence number of either side.
    pub seq: [u32; 2],
    pub mss: usize,
}

impl Tcp<'_> {
    /// A segment at the sender's present sequence number, which stays.
    pub fn segment(&mut self, from: usize, flags: u8, data: &[u8]) {
        self.segment_at(from, 0, flags, data);
    }

    /// A segment `ahead` bytes ahead of the present sequence number.
    pub fn segment_at(&mut self, from: usize, ahead: u32, flags: u8, data: &[u8]) {
        let (src, dst) = (self.ends[from], self.ends[1 - from]);
        let ack = if flags & ACK != 0 { self.seq[1 - from] } else { 0 };
        let mut h = [src.1.to_be_bytes(), dst.1.to_be_bytes()].concat();
        h.extend(self.seq[from].wrapping_add(ahead).to_be_bytes());
        h.extend(ack.to_be_bytes());
        h.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        h.extend(data);
        let p = self.wire.build(6, src.0, dst.0, h, 16);
        self.wire.ip_packet(&p);
    }

    /// Moves on over `n` bytes, which the peer acknowledges.
    pub fn acknowledged(&mut self, from: usize, n: usize) {
        self.seq[from] = self.seq[from].wrapping_add(n as u32);
        self.segment(1 - from, ACK, &[]);
    }

    pub fn send(&mut self, from: usize, data: &[u8]) {
        for part in data.chunks(self.mss) {
            self.segment(from, ACK | PSH, part);
            self.acknowledged(from, part.len());
        }
    }

    pub fn close(mut self) {
        for from in [0, 1] {
            self.segment(from, FIN | ACK, &[]);
            self.seq[from] = self.seq[from].wrapping_add(1);
        }
        self.segment(0, ACK, &[]);
    }
}

/// A capture file of Ethernet frames.
pub fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut f = Vec::new();
    for n in [0xa1b2_3c4du32, 0x0004_0002, 0, 0, 262_144, 1] {
        f.extend(n.to_le_bytes());
    }
    for p in packets {
        for n in [p.ts / 1_000_000_000, p.ts % 1_000_000_000, p.data.len() as u64, p.data.len() as u64] {
            f.extend((n as u32).to_le_bytes());
        }
        f.extend(&p.data);
    }
    f
}
