//! SSH (RFC 4253) up to the first encrypted packet: the banners and, as HASSH fingerprints, the algorithms both
//! sides offer. One transaction a connection.

use md5::{Digest, Md5};

use super::hosted::{Protocol, Transactions, make};
use super::plain::SSH_BEGINS;
use super::skip::Skip;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, LOG_WHOLE, OVER_TCP, Outcome, ProtoDef,
    TxView,
};
use crate::Dir;
use crate::app::{Encrypted, buffer_at, event_at, frame};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

const BANNER_DONE: u8 = 2;
const FINISHED: u8 = 3;
/// Longest banner line (RFC 4253 4.2).
const BANNER_MAX: usize = 255;
/// Longest packet before encryption that is waited for.
const PACKET_MAX: usize = 35_000;

const fn single(name: &'static str, aliases: &'static [&'static str], dirs: u8, progress: u8) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs, progress, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[
    single("ssh.proto", &["ssh_proto"], 3, BANNER_DONE),
    single("ssh.software", &["ssh_software"], 3, BANNER_DONE),
    single("ssh.hassh", &[], 1, BANNER_DONE),
    single("ssh.hassh.string", &[], 1, BANNER_DONE),
    single("ssh.hassh.server", &[], 2, BANNER_DONE),
    single("ssh.hassh.server.string", &[], 2, BANNER_DONE),
    frame("frame:ssh.record.hdr"),
    frame("frame:ssh.record.data"),
    frame("frame:ssh.record.pdu"),
    frame("frame:ssh.stream"),
];

/// The first buffer of the fingerprints.
const B_HASSH: u8 = buffer_at(BUFFERS, "ssh.hassh");
const F_HEAD: u8 = buffer_at(BUFFERS, "frame:ssh.record.hdr");
const F_DATA: u8 = buffer_at(BUFFERS, "frame:ssh.record.data");
const F_PDU: u8 = buffer_at(BUFFERS, "frame:ssh.record.pdu");
/// A record's length, its padding, and the kind of its message.
const HEAD: usize = 6;

const EV_INVALID_BANNER: u8 = event_at(EVENTS, "invalid_banner");
const EV_LONG_BANNER: u8 = event_at(EVENTS, "long_banner");
const EV_INVALID_RECORD: u8 = event_at(EVENTS, "invalid_record");
const EV_LONG_KEX: u8 = event_at(EVENTS, "long_kex_record");

static EVENTS: &[&str] = &["invalid_banner", "long_banner", "invalid_record", "long_kex_record"];

/// `ssh`.
pub static SSH: ProtoDef = ProtoDef {
    name: "ssh",
    over: OVER_TCP,
    buffers: BUFFERS,
    events: EVENTS,
    recognise: SSH_BEGINS,
    parser: Some(make::<Ssh>),
    record: "ssh",
    one: true,
    states: &[
        (
            Dir::ToServer,
            &["request_in_progress", "request_banner_wait_eol", "request_banner_done", "request_finished"],
        ),
        (
            Dir::ToClient,
            &[
                "response_in_progress",
                "response_banner_wait_eol",
                "response_banner_done",
                "response_finished",
            ],
        ),
    ],
    ..ProtoDef::NONE
};

/// One side of the connection.
#[derive(Debug, Default)]
struct Side {
    proto: PBuf,
    software: PBuf,
    /// HASSH: the algorithms as text, and their MD5 as hexadecimal text.
    algorithms: PBuf,
    hash: [u8; 32],
}

/// What the transaction keeps.
#[derive(Debug, Default)]
pub struct Connection {
    sides: [Side; 2],
    /// Fingerprints are asked for: the record waits for both.
    prints: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    tx: Option<u64>,
    /// Bytes of a packet still to be skipped, per direction.
    skip: Skip,
    done: [bool; 2],
}

/// What was made of the bytes at hand.
enum Step {
    Used(usize),
    /// Bytes that say nothing more.
    Skip(usize),
    /// So many are needed; 0: any more.
    Need(usize),
    /// An event; nothing more is read of the direction.
    Broken(u8),
    /// What follows is encrypted.
    Encrypted,
}

/// The parser.
pub struct Ssh {
    hassh: bool,
}

impl Ssh {
    /// A packet before encryption (RFC 4253 6).
    fn packet(&self, t: &mut Tx<Connection>, rest: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> Step {
        let Some(len) = super::plain::be32(rest, 0) else { return Step::Need(0) };
        let len = len as usize;
        if len < 2 {
            return Step::Broken(EV_INVALID_RECORD);
        }
        let Some(kind) = rest.get(5) else { return Step::Need(0) };
        if *kind != 20 || len > PACKET_MAX || rest.len() >= len + 4 {
            frames(t, rest, len, cx);
        }
        match kind {
            20 if len > PACKET_MAX => {
                t.common.raise(EV_LONG_KEX, dir);
                Step::Skip(len + 4)
            }
            20 => {
                let Some(packet) = rest.get(..len + 4) else { return Step::Need(len + 4) };
                let (text, hash) = if dir == Dir::ToServer { (3, 2) } else { (5, 4) };
                if self.hassh || cx.wanted.has(text) || cx.wanted.has(hash) {
                    offer(t, packet, dir, cx);
                }
                Step::Used(packet.len())
            }
            21 => Step::Encrypted,
            _ => Step::Skip(len + 4),
        }
    }
}

/// A line before the packets (RFC 4253 4.2).
fn line(t: &mut Tx<Connection>, rest: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> Step {
    let window = rest.get(..BANNER_MAX + 2).unwrap_or(rest);
    let Some(n) = memchr::memchr(b'\n', window) else {
        return if window.len() == BANNER_MAX + 2 { Step::Broken(EV_LONG_BANNER) } else { Step::Need(0) };
    };
    let line = window.get(..n).unwrap_or(&[]);
    if line.starts_with(b"SSH-") {
        banner(t, line, dir, cx);
    } else if dir == Dir::ToServer {
        return Step::Broken(EV_INVALID_BANNER);
    }
    Step::Used(n + 1)
}

impl Protocol for Ssh {
    type State = State;
    type Own = Connection;
    const COMPLETE: u8 = FINISHED;

    fn new(cfg: &AppConfig) -> Self {
        Ssh { hassh: cfg.ssh_hassh }
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Connection>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        let (dir, d) = (input.dir, input.dir.ix());
        let Some(tx) = flow.only(&mut s.tx, cx.now) else { return all };
        if input.gap > 0 {
            s.done[d] = true;
        }
        // Rules see the banner; what follows when a chunk of the stream is full.
        cx.due = 0;
        if s.done[d] {
            return all;
        }
        let t = flow.get(tx);
        t.own.prints = self.hassh || (B_HASSH..F_HEAD).any(|b| cx.wanted.has(b));
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let passed = s.skip.take(dir, rest.len());
            if passed > 0 {
                at += passed;
                continue;
            }
            let step = if t.common.progress(dir) < BANNER_DONE {
                let step = line(t, rest, dir, cx);
                if t.common.progress(dir) >= BANNER_DONE {
                    cx.due = dir.bit();
                }
                step
            } else {
                self.packet(t, rest, dir, cx)
            };
            match step {
                Step::Used(n) => at += n,
                Step::Skip(n) => s.skip.over(dir, n),
                Step::Need(need) => return Outcome::Consumed { bytes: at, need },
                Step::Broken(ev) => {
                    t.common.raise(ev, dir);
                    t.common.advance(dir, FINISHED);
                    s.done[d] = true;
                    return all;
                }
                Step::Encrypted => {
                    t.common.touch_both();
                    s.done[d] = true;
                    // The session goes on, unread; it is over with its flow.
                    if cx.cfg.ssh_encrypted == Encrypted::Full {
                        t.common.advance(dir, FINISHED);
                    }
                    // What follows is encrypted in both directions.
                    let over = s.done[1 - d] && cx.cfg.ssh_encrypted != Encrypted::Full;
                    return if over { Outcome::Opaque { bytes: input.data.len() } } else { all };
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Connection, pool: &mut BytePool) {
        for s in &mut own.sides {
            s.proto.free(pool);
            s.software.free(pool);
            s.algorithms.free(pool);
        }
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Connection>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        if index > 0 {
            return Buffer::Absent;
        }
        let s = &tx.own.sides[dir.ix()];
        let over = tx.common.progress(dir) >= FINISHED;
        let missing = if over { Buffer::Absent } else { Buffer::NotYet };
        let text = match local {
            0 => &s.proto,
            1 => &s.software,
            2 | 4 if s.algorithms.is_empty() => return missing,
            2 | 4 => return Buffer::whole(&s.hash),
            _ => &s.algorithms,
        };
        if text.is_empty() { missing } else { Buffer::whole(text.get(pool)) }
    }

    fn log(&self, tx: &Tx<Connection>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        for (s, key) in tx.own.sides.iter().zip(["client", "server"]) {
            if s.proto.is_empty() {
                continue;
            }
            out.begin_object(key);
            out.bytes("proto_version", s.proto.get(view.pool));
            if !s.software.is_empty() {
                out.bytes("software_version", s.software.get(view.pool));
            }
            if !s.algorithms.is_empty() {
                out.begin_object("hassh");
                out.bytes("hash", &s.hash);
                out.bytes("string", s.algorithms.get(view.pool));
                out.end_object();
            }
            out.end_object();
        }
    }

    fn log_due(&self, tx: &Tx<Connection>) -> u8 {
        let prints = !tx.own.prints || tx.own.sides.iter().all(|s| !s.algorithms.is_empty());
        let ready = tx.common.both_reached(BANNER_DONE) && (prints || tx.common.both_reached(FINISHED));
        if ready { LOG_WHOLE } else { 0 }
    }
}

/// Notes a record whole, its front, what follows; its length says `len`.
fn frames(t: &Tx<Connection>, record: &[u8], len: usize, cx: &mut AppCx<'_>) {
    cx.frames.begin(F_HEAD, record, Some(HEAD as u64));
    if let Some(data) = record.get(HEAD..).filter(|_| len + 4 > HEAD) {
        cx.frames.begin(F_DATA, data, Some((len + 4 - HEAD) as u64));
    }
    cx.frames.begin(F_PDU, record, Some((len + 4) as u64));
    cx.frames.of_tx(t.common.id);
}

/// `SSH-2.0-OpenSSH_9.0 comment`
fn banner(t: &mut Tx<Connection>, line: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = line.get(4..).unwrap_or(&[]);
    let c = &mut t.common;
    c.advance(dir, BANNER_DONE);
    c.touch_both();
    let side = &mut t.own.sides[dir.ix()];
    let Some(dash) = text.iter().position(|b| *b == b'-') else {
        c.raise(EV_INVALID_BANNER, dir);
        return;
    };
    let (proto, software) = text.split_at(dash);
    let software = software.get(1..).unwrap_or(&[]).split(|b| *b == b' ').next().unwrap_or(&[]);
    let _ = side.proto.extend(cx.pool, proto);
    let _ = side.software.extend(cx.pool, software);
}

/// The algorithms of a KEXINIT packet (RFC 4253 7.1): key exchange, then encryption, authentication and compression
/// of the sender's direction.
fn offer(t: &mut Tx<Connection>, packet: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
    let mut lists = [&[][..]; 8];
    let mut at = 22;
    for l in &mut lists {
        let Some(n) = super::plain::be32(packet, at) else { return };
        let Some(list) = packet.get(at + 4..(at + 4).saturating_add(n as usize)) else { return };
        *l = list;
        at += 4 + list.len();
    }
    let [kex, _, enc_c, enc_s, mac_c, mac_s, comp_c, comp_s] = lists;
    let mine = if dir == Dir::ToServer { [kex, enc_c, mac_c, comp_c] } else { [kex, enc_s, mac_s, comp_s] };
    let side = &mut t.own.sides[dir.ix()];
    if !side.algorithms.is_empty() {
        return;
    }
    let mut md5 = Md5::new();
    for (i, list) in mine.into_iter().enumerate() {
        let sep: &[u8] = if i > 0 { b";" } else { b"" };
        md5.update(sep);
        md5.update(list);
        let _ = side.algorithms.extend(cx.pool, sep);
        let _ = side.algorithms.extend(cx.pool, list);
    }
    for (to, b) in side.hash.chunks_exact_mut(2).zip(md5.finalize()) {
        to[0] = b"0123456789abcdef"[usize::from(b >> 4)];
        to[1] = b"0123456789abcdef"[usize::from(b & 15)];
    }
    t.common.touch(dir);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn kex() -> Vec<u8> {
        let lists: [&[u8]; 10] = [
            b"curve25519-sha256",
            b"ssh-rsa",
            b"aes128-ctr",
            b"aes256-ctr",
            b"hmac-sha1",
            b"hmac-md5",
            b"none",
            b"zlib",
            b"",
            b"",
        ];
        let mut body = alloc::vec![4u8, 20];
        body.extend([7; 16]);
        for l in lists {
            body.extend((l.len() as u32).to_be_bytes());
            body.extend(l);
        }
        body.extend([0; 9]);
        let mut p = (body.len() as u32).to_be_bytes().to_vec();
        p.extend(body);
        p
    }

    fn client() -> Vec<u8> {
        let mut c = b"SSH-2.0-OpenSSH_9.0 Debian\r\n".to_vec();
        c.extend(kex());
        c.extend([0, 0, 0, 12, 10, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        c.extend([0x55; 40]);
        c
    }

    #[test]
    fn banners_and_algorithms() {
        let mut b = Bench::new(&SSH);
        b.feed(Dir::ToServer, &client());
        b.feed(Dir::ToClient, b"hello\r\nSSH-1.99-Srv\r\n");
        b.feed(Dir::ToClient, &kex());
        assert_eq!(b.values(0, Dir::ToServer), [(0, b"2.0".to_vec())]);
        assert_eq!(b.values(1, Dir::ToServer), [(0, b"OpenSSH_9.0".to_vec())]);
        assert_eq!(b.values(1, Dir::ToClient), [(0, b"Srv".to_vec())]);
        assert_eq!(
            b.values(3, Dir::ToServer),
            [(0, b"curve25519-sha256;aes128-ctr;hmac-sha1;none".to_vec())]
        );
        assert_eq!(b.values(5, Dir::ToClient), [(0, b"curve25519-sha256;aes256-ctr;hmac-md5;zlib".to_vec())]);
        assert_eq!(b.values(2, Dir::ToServer)[0].1.len(), 32);
        assert_eq!(b.parser.common(b.tx(0)).steps(), [BANNER_DONE, BANNER_DONE]);
        b.close();
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..60, 1..8)) {
            let c = client();
            let mut whole = Bench::new(&SSH);
            whole.feed(Dir::ToServer, &c);
            let mut cut = Bench::new(&SSH);
            prop_assert_eq!(cut.feed_cut(Dir::ToServer, &c, &cuts), 0);
            prop_assert_eq!(cut.everything(&SSH), whole.everything(&SSH));
            cut.close();
            whole.close();
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200, v in any::<u8>()) {
            let mut b = Bench::new(&SSH);
            let mut c = client();
            let n = c.len();
            c[at % n] = v;
            b.feed(Dir::ToServer, &c);
            b.feed(Dir::ToClient, &bytes);
            b.everything(&SSH);
            b.close();
        }
    }
}
