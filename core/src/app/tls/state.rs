//! What is remembered of one TLS session: a few numbers per side, and texts in one growing store per side.

use super::super::TxCommon;
use crate::Dir;
use crate::pool::{BytePool, PBuf, Scratch};

/// Bytes of a side's [`Side::store`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    at: u32,
    /// Length + 1; 0: never set.
    len: u32,
}

impl Span {
    pub fn is_set(self) -> bool {
        self.len > 0
    }
}

/// Largest handshake message put together from fragments; larger ones are passed over.
pub const MAX_MESSAGE: usize = 128 << 10;

/// One side of the session.
#[derive(Debug, Default)]
pub struct Side {
    /// Version spoken: of the records until a hello, then of the hello. 0: unknown.
    pub version: u16,
    /// Bytes of an opaque record that are still to come.
    pub skip: u32,
    /// Bytes of a handshake message's header of which the rest comes with a later record, and how many.
    pub hs_head: [u8; 3],
    pub hs_head_len: u8,
    /// A handshake message in fragments: its type, its length, what came of it.
    pub hs_type: u8,
    pub hs_len: u32,
    pub hs_got: u32,
    pub hs_open: bool,
    /// Part of it could not be kept: it is passed over.
    pub hs_lost: bool,
    pub hs: PBuf,
    /// Keeps the texts below.
    pub store: PBuf,
    pub sni: Span,
    pub random: Span,
    pub session_id: Span,
    /// Protocol names, each behind its length (one byte).
    pub alpns: Span,
    pub ja3: Span,
    /// 32 hexadecimal digits.
    pub ja3_hash: Span,
    pub ja4: Span,
    pub subject: Span,
    pub issuer: Span,
    pub serial: Span,
    pub fingerprint: Span,
    /// Names, each behind its length (two bytes).
    pub alt_names: Span,
    /// The certificates as on the wire, each behind its length (three bytes).
    pub certs: Span,
    pub chain_len: u32,
    pub not_before: i64,
    pub not_after: i64,
    /// A hello was read to its end: fingerprints are not computed again.
    pub fingerprinted: bool,
}

impl Side {
    /// Keeps `bytes`; nothing is kept when the pool is full.
    pub fn put(&mut self, pool: &mut BytePool, bytes: &[u8]) -> Span {
        let at = self.store.len() as u32;
        match self.store.extend(pool, bytes) {
            Ok(()) => Span { at, len: bytes.len() as u32 + 1 },
            Err(_) => Span::default(),
        }
    }

    /// Keeps what was written to `scratch`.
    pub fn put_scratch(&mut self, pool: &mut BytePool, scratch: &Scratch) -> Span {
        self.put(pool, scratch.as_slice())
    }

    /// The bytes of a span, when it was set.
    pub fn get<'p>(&self, pool: &'p BytePool, s: Span) -> Option<&'p [u8]> {
        let len = s.len.checked_sub(1)? as usize;
        self.store.get(pool).get(s.at as usize..s.at as usize + len)
    }

    /// Takes the header of the next handshake message (type and length), which may come over several records, off the
    /// front of `data`. `None`: `data` ends inside it; what there is is kept.
    pub fn message_head(&mut self, data: &mut &[u8]) -> Option<(u8, usize)> {
        let mut head = [0; 4];
        let kept = usize::from(self.hs_head_len);
        head[..kept].copy_from_slice(&self.hs_head[..kept]);
        let n = data.len().min(4 - kept);
        let (more, rest) = data.split_at(n);
        head[kept..kept + n].copy_from_slice(more);
        *data = rest;
        if kept + n < 4 {
            self.hs_head.copy_from_slice(&head[..3]);
            self.hs_head_len = (kept + n) as u8;
            return None;
        }
        self.hs_head_len = 0;
        let [kind, a, b, c] = head;
        Some((kind, u32::from_be_bytes([0, a, b, c]) as usize))
    }

    /// Adds a fragment to the open message.
    pub fn add_fragment(&mut self, pool: &mut BytePool, bytes: &[u8]) {
        self.hs_got += bytes.len() as u32;
        let fits = self.hs.len() + bytes.len() <= MAX_MESSAGE;
        if self.hs_lost || !fits || self.hs.extend(pool, bytes).is_err() {
            self.hs_lost = true;
            self.hs.free(pool);
        }
    }

    /// A certificate of this side was read.
    pub fn has_cert(&self) -> bool {
        self.subject.is_set() && self.issuer.is_set()
    }

    pub fn free(&mut self, pool: &mut BytePool) {
        self.hs.free(pool);
        self.store.free(pool);
    }
}

/// Entry `index` of a list whose entries stand behind lengths of `width` bytes.
pub fn entry(list: &[u8], width: usize, index: u32) -> Option<&[u8]> {
    let mut it = Entries { list, width };
    it.nth(index as usize)
}

/// Walks a list of length-prefixed entries; stops at one that is cut short.
#[derive(Clone)]
pub struct Entries<'a> {
    pub list: &'a [u8],
    pub width: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let head = self.list.get(..self.width)?;
        let len = head.iter().fold(0usize, |v, &b| v << 8 | b as usize);
        let body = self.list.get(self.width..self.width + len)?;
        self.list = &self.list[self.width + len..];
        Some(body)
    }
}

// Bits of `State::flags`.
pub const CLIENT_HELLO: u32 = 1;
pub const SERVER_HELLO: u32 = 1 << 1;
pub const CLIENT_KEYX: u32 = 1 << 2;
pub const SERVER_KEYX: u32 = 1 << 3;
pub const CHANGE_CIPHER: u32 = 1 << 4;
/// Change cipher spec of one side: bit by direction (5, 6).
pub const CHANGE_CIPHER_SIDE: u32 = 1 << 5;
pub const CHANGE_CIPHER_BOTH: u32 = CHANGE_CIPHER_SIDE | CHANGE_CIPHER_SIDE << 1;
/// A session ticket or the server's echo of the session id: maybe resumed.
pub const RESUMED: u32 = 1 << 7;
/// TLS 1.3: certificates are not visible, a record is due without.
pub const WITHOUT_CERT: u32 = 1 << 8;
pub const EARLY_DATA: u32 = 1 << 9;
pub const CLIENT_VERSIONS: u32 = 1 << 10;
pub const CLIENT_CERT_ASKED: u32 = 1 << 11;
/// A heartbeat is on its way, sent by the side of the bit (12, 13).
pub const HEARTBEAT: u32 = 1 << 12;
pub const APP_DATA: u32 = 1 << 14;
pub const V2_CLIENT: u32 = 1 << 15;
pub const V2_SERVER: u32 = 1 << 16;
/// Nothing more is read: the session is as known as it will be.
pub const OPAQUE: u32 = 1 << 17;
/// The server agreed to RFC 7366.
pub const MAC_LAST: u32 = 1 << 18;

// Progress of each side (Suricata's `tls:client_…` and `tls:server_…` states).
pub const HELLO: u8 = 1;
pub const CERT: u8 = 2;
pub const HANDSHAKE: u8 = 3;
pub const FINISHED: u8 = 4;

/// One session: the flow's state and its only transaction.
#[derive(Debug, Default)]
pub struct State {
    pub common: TxCommon,
    pub sides: [Side; 2],
    pub flags: u32,
    /// The newest hello or key exchange of what was read last; 0 if there was none.
    pub latest: u32,
    /// The cipher suite that the server chose; 0: it did not.
    pub suite: u16,
    /// Length of the last encrypted heartbeat request.
    pub heartbeat_len: u16,
    /// The last input was read as far as a hello: what follows belongs to it.
    pub paused: bool,
    /// The transaction was given back.
    pub done: bool,
    /// Queues it waits in ([`Queue::bit`](crate::app::Queue::bit)).
    pub queued: u8,
}

impl State {
    pub fn side(&self, dir: Dir) -> &Side {
        &self.sides[dir.ix()]
    }

    /// The server chose TLS 1.3.
    pub fn is_v13(&self) -> bool {
        let v = self.sides[1].version;
        self.flags & SERVER_HELLO != 0 && (v == 0x0304 || v >> 8 == 0x7f)
    }

    /// A message that `ssl_state` knows was read.
    pub fn saw(&mut self, message: u32) {
        self.flags |= message;
        self.latest = message;
    }

    /// Moves a side on; never back.
    pub fn advance(&mut self, dir: Dir, to: u8) {
        self.common.advance(dir, to);
    }

    pub fn advance_both(&mut self, to: u8) {
        self.common.advance_both(to);
    }
}
