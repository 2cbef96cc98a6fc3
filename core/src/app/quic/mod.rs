//! QUIC (RFC 9000, RFC 9001, RFC 9369, and Google's versions before it): versions, hellos, their names and fingerprints.
//!
//! In: datagrams. Out: a transaction for each packet up to a side's hello, with buffers, events and a record. Initial packets
//! are opened, as everyone on the way can; what lies in later ones is not read. Owns the pieces of a hello that comes in
//! several packets, until it is whole.

mod frames;
mod hello;
mod keys;
mod log;
mod packet;
#[cfg(test)]
mod tests;

use super::hosted::{Protocol, Transactions, make};
use super::plain::{QUIC_BEGINS, be32};
use super::tls::prints;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, LOG_REQUEST, LOG_RESPONSE, OVER_UDP,
    Outcome, ProtoDef, TxView, buffer_at, event_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};
use packet::{Kind, Packet};

pub static QUIC: ProtoDef = ProtoDef {
    name: "quic",
    over: OVER_UDP,
    buffers: BUFFERS,
    events: EVENTS,
    recognise: QUIC_BEGINS,
    parser: Some(make::<Quic>),
    record: "quic",
    by_message: true,
    ..ProtoDef::NONE
};

const BOTH: u8 = 3;
const CLIENT: u8 = 1;
const SERVER: u8 = 2;

const fn text(name: &'static str, dirs: u8) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[
    text("quic.version", BOTH),
    text("quic.sni", CLIENT),
    text("quic.ua", CLIENT),
    text("quic.cyu.hash", CLIENT),
    text("quic.cyu.string", CLIENT),
    BufferDef { aliases: &["ja3_hash"], ..text("ja3.hash", CLIENT) },
    BufferDef { aliases: &["ja3_string"], ..text("ja3.string", CLIENT) },
    text("ja3s.hash", SERVER),
    text("ja3s.string", SERVER),
    BufferDef { aliases: &["ja4_hash"], ..text("ja4.hash", CLIENT) },
];

const B_VERSION: u8 = buffer_at(BUFFERS, "quic.version");
const B_SNI: u8 = buffer_at(BUFFERS, "quic.sni");
const B_AGENT: u8 = buffer_at(BUFFERS, "quic.ua");
const B_CYU_HASH: u8 = buffer_at(BUFFERS, "quic.cyu.hash");
const B_CYU: u8 = buffer_at(BUFFERS, "quic.cyu.string");
const B_JA3_HASH: u8 = buffer_at(BUFFERS, "ja3.hash");
const B_JA3: u8 = buffer_at(BUFFERS, "ja3.string");
const B_JA3S_HASH: u8 = buffer_at(BUFFERS, "ja3s.hash");
const B_JA3S: u8 = buffer_at(BUFFERS, "ja3s.string");

static EVENTS: &[&str] = &["failed_decrypt", "error_on_data", "crypto_frag_too_long"];
const FAILED_DECRYPT: u8 = event_at(EVENTS, "failed_decrypt");
const ERROR_ON_DATA: u8 = event_at(EVENTS, "error_on_data");
const TOO_LONG: u8 = event_at(EVENTS, "crypto_frag_too_long");

/// Longest hello put together from pieces, bytes; and the most pieces.
const LONGEST: usize = 65_535;
const PIECES: usize = 128;

/// A version: for rules its four bytes, which are letters for Google's; in records others are in hexadecimal.
#[derive(Clone, Copy, Debug, Default)]
struct Version {
    bytes: [u8; 4],
    text: [u8; 8],
    len: u8,
}

impl Version {
    fn new(version: u32) -> Self {
        let mut v = Version { bytes: version.to_be_bytes(), ..Version::default() };
        if packet::is_google(version) {
            v.text[..4].copy_from_slice(&v.bytes);
            v.len = 4;
            return v;
        }
        let digits = (32 - version.leading_zeros()).div_ceil(4).max(1);
        for (i, b) in v.text.iter_mut().take(digits as usize).enumerate() {
            *b = b"0123456789abcdef"[(version >> (4 * (digits as usize - 1 - i)) & 15) as usize];
        }
        v.len = digits as u8;
        v
    }

    fn get(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// What a flow keeps.
#[derive(Debug, Default)]
struct State {
    /// What the client first called the connection: the keys of both sides come from it.
    id: [u8; 20],
    id_len: Option<u8>,
    /// The server made the client begin again; it does so once (RFC 9000 17.2.5.2).
    retried: bool,
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    /// Pieces of a hello, each behind its offset and its length (four bytes each), in the order in which they came.
    pieces: PBuf,
    count: usize,
    /// The hello was read: what follows is not for us.
    done: bool,
}

/// One packet.
#[derive(Debug, Default)]
struct Own {
    from_client: bool,
    version: Version,
    /// A whole hello, TLS' or Google's.
    handshake: PBuf,
    /// Text of JA3 or JA3S.
    ja3: PBuf,
    /// Google's version and tags.
    cyu: PBuf,
    /// MD5 of one of these.
    hash: [u8; 32],
    ja4: Option<[u8; 36]>,
}

impl Own {
    fn dir(&self) -> Dir {
        if self.from_client { Dir::ToServer } else { Dir::ToClient }
    }

    /// Keeps what is in the scratch, and its MD5.
    fn keep(&mut self, kept: fn(&mut Own) -> &mut PBuf, cx: &mut AppCx<'_>) {
        // Without room there is no fingerprint.
        if kept(self).extend(cx.pool, cx.scratch.as_slice()).is_ok() {
            prints::md5_of(cx.scratch);
            if let Ok(hash) = cx.scratch.as_slice().try_into() {
                self.hash = hash;
            }
        }
    }

    /// Computes the fingerprints of the hello.
    fn fingerprints(&mut self, version: u32, cx: &mut AppCx<'_>) {
        if let Some(tags) = self.tags(cx.pool) {
            // What is known by a fingerprint are the versions in the clear.
            if !packet::is_google(version) {
                return;
            }
            cx.scratch.clear();
            // Of the version only its two digits.
            let [_, _, digits @ ..] = version.to_be_bytes();
            cx.scratch.extend(&digits);
            for (i, (tag, _)) in tags.iter().enumerate() {
                cx.scratch.push(if i == 0 { b',' } else { b'-' });
                cx.scratch.extend(tag);
            }
            self.keep(|own| &mut own.cyu, cx);
            return;
        }
        let Some(hello) = self.hello(cx.pool) else { return };
        if self.from_client && cx.cfg.quic_ja4 {
            prints::ja4(&mut hello.seen(), b'q', cx.scratch);
            self.ja4 = cx.scratch.as_slice().try_into().ok();
        }
        if cx.cfg.quic_ja3 {
            prints::ja3(&hello.seen(), self.from_client, cx.scratch);
            self.keep(|own| &mut own.ja3, cx);
        }
    }
}

impl Side {
    /// Keeps a piece of the hello. `false`: there is more of it than any hello has.
    fn add(&mut self, offset: u64, bytes: &[u8], pool: &mut BytePool) -> bool {
        let fits = offset + bytes.len() as u64 <= LONGEST as u64 && self.count < PIECES;
        if !fits || self.pieces.len() + bytes.len() > 2 * LONGEST {
            return false;
        }
        let mut head = [0; 8];
        head[..4].copy_from_slice(&(offset as u32).to_be_bytes());
        head[4..].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
        // Without room the hello stays incomplete.
        if self.pieces.extend(pool, &head).is_ok() && self.pieces.extend(pool, bytes).is_ok() {
            self.count += 1;
        }
        true
    }

    /// Offset and bytes of each piece.
    fn pieces<'p>(&self, pool: &'p BytePool) -> impl Iterator<Item = (usize, &'p [u8])> + use<'p> {
        let mut rest = self.pieces.get(pool);
        core::iter::from_fn(move || {
            let offset = be32(rest, 0)? as usize;
            let len = be32(rest, 4)? as usize;
            let bytes = rest.get(8..8 + len)?;
            rest = rest.get(8 + len..)?;
            Some((offset, bytes))
        })
    }

    /// Writes the hello to `out` if all of it is there.
    fn put_together(&self, pool: &BytePool, out: &mut Scratch) -> bool {
        out.clear();
        loop {
            let at = out.len();
            // The message's header counts what follows it; its first byte is its type.
            let whole = be32(out.as_slice(), 0).map(|n| (n & 0x00ff_ffff) as usize + 4);
            if whole.is_some_and(|n| n <= at) {
                out.truncate(whole.unwrap_or(at));
                return true;
            }
            // Of the pieces that cover the next byte the one that goes furthest.
            let next = self
                .pieces(pool)
                .filter(|(offset, bytes)| *offset <= at && at < offset + bytes.len())
                .max_by_key(|(offset, bytes)| offset + bytes.len());
            let Some(more) = next.and_then(|(offset, bytes)| bytes.get(at - offset..)) else { return false };
            if !out.extend(more) {
                return false;
            }
        }
    }

    fn free(&mut self, pool: &mut BytePool) {
        self.pieces.free(pool);
        self.count = 0;
    }
}

/// The parser of one engine.
struct Quic;

/// What became of a packet.
enum Read {
    /// The next one begins there.
    Next(usize),
    /// Nothing more is read of the datagram.
    Last,
    /// It cannot be read, with an event.
    Failed(u8),
}

impl State {
    fn name(&mut self, id: &[u8]) {
        if let Some(to) = self.id.get_mut(..id.len()) {
            to.copy_from_slice(id);
            self.id_len = Some(id.len() as u8);
        }
    }

    /// Reads a packet whose header is known; a hello that is whole with it goes to `own`.
    fn packet(&mut self, b: &[u8], p: &Packet<'_>, own: &mut Own, cx: &mut AppCx<'_>) -> Read {
        let dir = own.dir();
        match p.kind {
            Kind::Negotiation => Read::Last,
            Kind::Sealed(end) => Read::Next(end),
            Kind::Retry if self.retried => Read::Last,
            Kind::Retry => {
                self.retried = true;
                // The client begins again, with another number that the server gave it.
                self.id_len = None;
                for side in &mut self.sides {
                    side.free(cx.pool);
                    side.done = false;
                }
                Read::Last
            }
            Kind::Clear(at) => {
                if let Some(stream) = b.get(at..).and_then(frames::google)
                    && frames::Tags::hello(stream).is_some()
                {
                    let _full = own.handshake.extend(cx.pool, stream);
                }
                Read::Last
            }
            Kind::Initial(at, end) => {
                if dir == Dir::ToServer && self.id_len.is_none() {
                    self.name(p.receiver);
                }
                if !keys::is_known(p.version) {
                    return Read::Next(end);
                }
                match self.initial(b.get(..end).unwrap_or(b), at, (p.version, dir), own, cx) {
                    Some(event) => Read::Failed(event),
                    None => Read::Next(end),
                }
            }
        }
    }

    /// Opens an Initial packet and reads its frames. What is wrong with it.
    fn initial(
        &mut self,
        b: &[u8],
        at: usize,
        (version, dir): (u32, Dir),
        own: &mut Own,
        cx: &mut AppCx<'_>,
    ) -> Option<u8> {
        cx.scratch.clear();
        if !cx.scratch.extend(b) {
            return None;
        }
        // A server that is heard before its client cannot be read.
        let id = self.id.get(..usize::from(self.id_len?))?;
        let Some(plain) = keys::open(cx.scratch.as_mut_slice(), at, (version, id, dir)) else {
            return Some(FAILED_DECRYPT);
        };
        if version == packet::Q050 {
            // Google's hello is in one packet, as in the versions before.
            let frames = cx.scratch.as_slice().get(plain).unwrap_or(&[]);
            if let Some((0, stream)) = frames::google_handshake(frames)
                && frames::Tags::hello(stream).is_some()
            {
                let _full = own.handshake.extend(cx.pool, stream);
            }
            return None;
        }
        let side = &mut self.sides[dir.ix()];
        let (scratch, pool) = (&*cx.scratch, &mut *cx.pool);
        let mut fits = true;
        let read = frames::standard(scratch.as_slice().get(plain).unwrap_or(&[]), |offset, bytes| {
            fits &= side.add(offset, bytes, pool);
        });
        if read.is_none() {
            return Some(ERROR_ON_DATA);
        }
        if !fits {
            side.free(cx.pool);
            return Some(TOO_LONG);
        }
        if side.count > 0 && side.put_together(cx.pool, cx.scratch) {
            side.done = true;
            side.free(cx.pool);
            let _full = own.handshake.extend(cx.pool, cx.scratch.as_slice());
        }
        None
    }
}

impl Protocol for Quic {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Quic
    }

    fn parse(
        &mut self,
        state: &mut State,
        flow: &mut Transactions<'_, Own>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let dir = input.dir;
        let mut rest = input.data;
        while let Some(p) = packet::read(rest) {
            if state.sides[dir.ix()].done {
                break;
            }
            let Some(tx) = flow.open(cx.now) else { break };
            let t = flow.get(tx);
            t.own.from_client = dir == Dir::ToServer;
            t.own.version = Version::new(p.version);
            let read = state.packet(rest, &p, &mut t.own, cx);
            if !t.own.handshake.is_empty() {
                t.own.fingerprints(p.version, cx);
            }
            let c = &mut t.common;
            c.advance_both(1);
            // The packet exists in its own direction only.
            c.settle(dir.flip());
            match read {
                Read::Next(end) => rest = rest.get(end..).unwrap_or(&[]),
                Read::Last => break,
                // Datagrams stand for themselves: the next is read all the same.
                Read::Failed(event) => {
                    c.raise(event, dir);
                    break;
                }
            }
        }
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.sides.iter_mut().for_each(|side| side.free(cx.pool));
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        for b in [&mut own.handshake, &mut own.ja3, &mut own.cyu] {
            b.free(pool);
        }
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let own = &tx.own;
        if at.dir != own.dir() || at.index > 0 {
            return Buffer::Absent;
        }
        let set = |b: &PBuf| (!b.is_empty()).then(|| b.get(at.pool));
        let value = match at.local {
            B_VERSION => Some(&own.version.bytes[..]),
            B_SNI => own.sni(at.pool),
            B_AGENT => own.agent(at.pool),
            B_CYU => set(&own.cyu),
            B_CYU_HASH => set(&own.cyu).map(|_| &own.hash[..]),
            B_JA3 | B_JA3S => set(&own.ja3),
            B_JA3_HASH | B_JA3S_HASH => set(&own.ja3).map(|_| &own.hash[..]),
            _ => own.ja4.as_ref().map(|j| &j[..]),
        };
        value.map_or(Buffer::Absent, Buffer::whole)
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        if tx.own.from_client { LOG_REQUEST } else { LOG_RESPONSE }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        self.log_due(tx)
    }
}
