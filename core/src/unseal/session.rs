//! One TLS session whose keys may be known: records of both directions in, the handshake as its parser may read it and the data
//! that was protected out.

use core::ops::Range;

use zeroize::Zeroize;

use super::cipher::{Cipher, Form, HEADER, V13};
use super::derive::{expand, key_block};
use super::secrets::{Bytes, Known, Label};
use super::suite::{Bulk, Hash, Suite};
use crate::Dir;
use crate::pool::{BytePool, PBuf};

/// Longest record: 2^14 bytes and what earlier versions let protection add.
pub(super) const LONGEST: usize = HEADER + (1 << 14) + 2048;
/// Records that may be of keys that are not known before those that are.
const PASSED_OVER: u16 = 256;

// Kinds of records.
const CHANGE: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
// Handshake messages.
const END_OF_EARLY: u8 = 5;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;

/// What the two hellos say of how records are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub client_random: [u8; 32],
    pub server_random: [u8; 32],
    /// What the server chose; 0: it did not say yet.
    pub suite: u16,
    pub version: u16,
    /// RFC 7366 was agreed on.
    pub mac_last: bool,
    /// The client may send data before it hears of the server.
    pub early: bool,
}

impl Hello {
    /// Drafts count as what they became.
    fn v13(&self) -> bool {
        self.version == V13 || self.version >> 8 == 0x7f
    }
}

/// Which keys a direction's records are protected with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Epoch {
    #[default]
    Clear,
    /// Of the client's early data, which the server may not take.
    Early,
    Handshake,
    Traffic,
}

/// Handshake messages over records: how much of the one at hand is to come.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; 4],
    head_len: u8,
    left: u32,
}

impl Messages {
    /// Calls `f` with the type of each message that ends in `b`.
    fn each(&mut self, mut b: &[u8], mut f: impl FnMut(u8)) {
        while !b.is_empty() {
            if self.head_len < 4 {
                self.head[usize::from(self.head_len)] = b[0];
                self.head_len += 1;
                b = &b[1..];
                if self.head_len < 4 {
                    continue;
                }
                let [_, x, y, z] = self.head;
                self.left = u32::from_be_bytes([0, x, y, z]);
            }
            let n = (self.left as usize).min(b.len());
            self.left -= n as u32;
            b = &b[n..];
            if self.left == 0 {
                self.head_len = 0;
                f(self.head[0]);
            }
        }
    }
}

/// One direction.
#[derive(Default)]
pub(super) struct Side {
    epoch: Epoch,
    cipher: Option<Cipher>,
    /// The traffic secret at hand: the next one follows from it (RFC 8446 7.2).
    secret: Bytes,
    /// Records for the handshake's parser, and data that was protected.
    pub(super) records: PBuf,
    pub(super) data: PBuf,
    messages: Messages,
    /// Its Finished was read.
    finished: bool,
    /// Nothing of it is read any more.
    pub(super) lost: bool,
    /// It said that nothing follows, or its stream ended.
    pub(super) ended: bool,
    /// Bytes that are missing behind `data`.
    pub(super) gap: u32,
    passed_over: u16,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    /// The server has not said yet how it is protected.
    Later,
    /// What it is read with is not known yet.
    Wait,
    /// It was not made with the keys that are known, or not of anything that is read here.
    Unfit,
    /// There is no memory for what it says.
    Full,
}

/// A session.
#[derive(Default)]
pub(super) struct Session {
    pub(super) hello: Hello,
    known: Known,
    pub(super) keyed: bool,
    pub(super) sides: [Side; 2],
    /// What is handed on is what was protected, not the handshake.
    pub(super) open: bool,
    /// Its records go to the handshake's parser as they are from now on.
    pub(super) given_up: bool,
    /// When keys were first missing, ns.
    pub(super) since: Option<u64>,
}

impl Session {
    /// The handshake is over as far as keys show it, and there is something to hand on.
    pub(super) fn opens(&self) -> bool {
        let [client, server] = &self.sides;
        let done = if self.hello.v13() {
            client.finished || self.known.get(Label::ClientHandshake).is_empty()
        } else {
            client.finished && server.finished
        };
        let some = |s: &Side| !s.data.is_empty();
        !self.open && done && (some(client) || some(server))
    }

    pub(super) fn free(&mut self, pool: &mut BytePool) {
        for s in &mut self.sides {
            s.records.free(pool);
            s.data.free(pool);
        }
        // Ciphers and secrets are wiped as they are dropped.
        *self = Session::default();
    }

    /// One whole record of `dir`; `room` is for opening it. `secrets`: what the store knows of the session by now.
    pub(super) fn record(
        &mut self,
        dir: Dir,
        record: &[u8],
        secrets: Option<&Known>,
        (pool, room): (&mut BytePool, &mut [u8]),
    ) -> Step {
        let Some(&kind) = record.first() else { return Step::Unfit };
        let v13 = self.hello.v13();
        let clear = self.sides[dir.ix()].epoch == Epoch::Clear;
        // In TLS 1.3 what is protected says that it is data, and a change of cipher means nothing.
        if kind == CHANGE && (v13 || self.hello.suite == 0) {
            return Step::Done;
        }
        let sealed = if v13 || self.hello.suite == 0 { kind == DATA } else { !clear };
        if !sealed {
            if !v13 && kind == CHANGE {
                self.sides[dir.ix()].epoch = Epoch::Traffic;
            }
            return self.pass(dir, record, pool);
        }
        if self.hello.suite == 0 {
            return Step::Later;
        }
        if let Some(k) = secrets.filter(|k| !self.keyed && k.serves(v13)) {
            self.known = k.clone();
            self.keyed = true;
        }
        if !self.keyed {
            return Step::Wait;
        }
        let Some(suite) = Suite::of(self.hello.suite) else { return Step::Unfit };
        let opened = if v13 {
            self.open13(dir, suite, record, (secrets, pool, room))
        } else {
            self.open12(dir, suite, record, room)
        };
        match opened {
            Ok(Some(at)) if v13 => self.said13(dir, suite, room.get(at).unwrap_or(&[]), pool),
            Ok(Some(at)) => self.said12(dir, record, room.get(at).unwrap_or(&[]), pool),
            Ok(None) => Step::Done,
            Err(step) => step,
        }
    }

    /// Hands a record on to the handshake's parser.
    fn pass(&mut self, dir: Dir, record: &[u8], pool: &mut BytePool) -> Step {
        let to = &mut self.sides[dir.ix()].records;
        if self.open || to.extend(pool, record).is_ok() { Step::Done } else { Step::Full }
    }

    /// Opens a record of TLS 1.3 in `room`. `None`: it is of keys that are not known, and is passed over.
    fn open13(
        &mut self,
        dir: Dir,
        suite: Suite,
        record: &[u8],
        (secrets, pool, room): (Option<&Known>, &mut BytePool, &mut [u8]),
    ) -> Result<Option<Range<usize>>, Step> {
        let [handshake, traffic] = match dir {
            Dir::ToServer => [Label::ClientHandshake, Label::ClientTraffic],
            Dir::ToClient => [Label::ServerHandshake, Label::ServerTraffic],
        };
        let i = dir.ix();
        if self.sides[i].epoch == Epoch::Clear {
            // Secrets are told one after the other: this side's may have come since the other's.
            if let Some(k) = secrets {
                self.known = k.clone();
            }
            if self.known.get(handshake).is_empty() && self.known.get(traffic).is_empty() {
                return Err(Step::Wait);
            }
            let early =
                dir == Dir::ToServer && self.hello.early && !self.known.get(Label::ClientEarly).is_empty();
            let (epoch, label) = match () {
                () if early => (Epoch::Early, Label::ClientEarly),
                () if !self.known.get(handshake).is_empty() => (Epoch::Handshake, handshake),
                () => (Epoch::Traffic, traffic),
            };
            self.enter(i, suite, epoch, label);
        }
        if self.sides[i].cipher.is_none() {
            // The secret that is next was not there when the last one ended.
            if let Some(k) = secrets {
                self.known = k.clone();
            }
            self.enter(i, suite, Epoch::Traffic, traffic);
        }
        let s = &mut self.sides[i];
        let Some(cipher) = &mut s.cipher else { return Err(Step::Wait) };
        if let Some(at) = copied(room, record).and_then(|r| cipher.open(r)) {
            s.passed_over = PASSED_OVER;
            return Ok(Some(at));
        }
        if s.epoch == Epoch::Early && !self.known.get(handshake).is_empty() {
            // The server did not take it, so the handshake goes on without its end being told.
            let next = Cipher::of_secret(suite, self.known.get(handshake));
            if let Some(mut c) = next
                && let Some(at) = copied(room, record).and_then(|r| c.open(r))
            {
                s.cipher = Some(c);
                s.epoch = Epoch::Handshake;
                // The client says it again.
                s.data.free(pool);
                return Ok(Some(at));
            }
        }
        // Records of the handshake when only the secrets of data are known, early data when its secret is not.
        let s = &mut self.sides[i];
        let early = self.hello.early && dir == Dir::ToServer && s.epoch != Epoch::Traffic;
        let maybe = early || self.known.get(handshake).is_empty();
        if maybe && s.passed_over < PASSED_OVER {
            s.passed_over += 1;
            return Ok(None);
        }
        Err(Step::Unfit)
    }

    fn enter(&mut self, i: usize, suite: Suite, epoch: Epoch, label: Label) {
        let s = &mut self.sides[i];
        s.epoch = epoch;
        s.secret = Bytes::of(self.known.get(label));
        s.cipher = Cipher::of_secret(suite, s.secret.get());
    }

    /// What a record of TLS 1.3 said: its kind stands behind it, before padding (RFC 8446 5.4).
    fn said13(&mut self, dir: Dir, suite: Suite, inner: &[u8], pool: &mut BytePool) -> Step {
        let Some(last) = inner.iter().rposition(|b| *b != 0) else { return Step::Unfit };
        let (kind, body) = (inner[last], &inner[..last]);
        match kind {
            DATA => self.said(dir, body, pool),
            HANDSHAKE => self.messages13(dir, suite, body, pool),
            ALERT => self.alert(dir, body, pool),
            _ => Step::Done,
        }
    }

    fn messages13(&mut self, dir: Dir, suite: Suite, body: &[u8], pool: &mut BytePool) -> Step {
        let i = dir.ix();
        let s = &mut self.sides[i];
        let (mut finished, mut early_over, mut update) = (false, false, false);
        s.messages.each(body, |kind| match kind {
            FINISHED => finished = true,
            END_OF_EARLY => early_over = true,
            KEY_UPDATE => update = true,
            _ => {}
        });
        let epoch = s.epoch;
        if update && epoch == Epoch::Traffic {
            let mut next = [0; 48];
            let n = s.secret.get().len();
            if expand(suite.hash, s.secret.get(), b"traffic upd", &mut next[..n]).is_some() {
                s.secret = Bytes::of(&next[..n]);
                s.cipher = Cipher::of_secret(suite, &next[..n]);
            }
            next.zeroize();
        }
        if early_over && epoch == Epoch::Early {
            self.enter(i, suite, Epoch::Handshake, Label::ClientHandshake);
            return Step::Done;
        }
        if finished && epoch == Epoch::Handshake {
            s.finished = true;
            let label = if dir == Dir::ToServer { Label::ClientTraffic } else { Label::ServerTraffic };
            self.enter(i, suite, Epoch::Traffic, label);
        }
        if epoch != Epoch::Handshake {
            return Step::Done;
        }
        self.pass_clear(dir, HANDSHAKE, body, pool)
    }

    /// Hands the contents of a record on as if nothing had protected them.
    fn pass_clear(&mut self, dir: Dir, kind: u8, body: &[u8], pool: &mut BytePool) -> Step {
        let [hi, lo] = (body.len() as u16).to_be_bytes();
        match self.pass(dir, &[kind, 3, 3, hi, lo], pool) {
            Step::Done => self.pass(dir, body, pool),
            other => other,
        }
    }

    fn alert(&mut self, dir: Dir, body: &[u8], pool: &mut BytePool) -> Step {
        // RFC 8446 6.1: close_notify. Whatever the others say, nothing follows either.
        let s = &mut self.sides[dir.ix()];
        s.ended |= matches!(body, [_, 0] | [2, _]);
        self.pass_clear(dir, ALERT, body, pool)
    }

    fn said(&mut self, dir: Dir, body: &[u8], pool: &mut BytePool) -> Step {
        if self.sides[dir.ix()].data.extend(pool, body).is_ok() { Step::Done } else { Step::Full }
    }

    /// Opens a record of TLS 1.2 or before in `room`.
    fn open12(
        &mut self,
        dir: Dir,
        suite: Suite,
        record: &[u8],
        room: &mut [u8],
    ) -> Result<Option<Range<usize>>, Step> {
        if record.first() == Some(&CHANGE) {
            // Keys are agreed on anew, by a handshake of its own.
            return Err(Step::Unfit);
        }
        if self.sides[dir.ix()].cipher.is_none() {
            self.sides[dir.ix()].cipher = self.cipher12(dir, suite);
        }
        let cipher = self.sides[dir.ix()].cipher.as_mut().ok_or(Step::Unfit)?;
        copied(room, record).and_then(|r| cipher.open(r)).map(Some).ok_or(Step::Unfit)
    }

    /// RFC 5246 6.3: the keys of both directions, one behind the other.
    fn cipher12(&self, dir: Dir, suite: Suite) -> Option<Cipher> {
        let h = &self.hello;
        let (mac, iv) = match suite.bulk {
            Bulk::Gcm128 | Bulk::Gcm256 => (0, 4),
            Bulk::ChaCha => (0, 12),
            Bulk::Cbc128(m) | Bulk::Cbc256(m) => (m.len(), 16),
        };
        let mut block = [0; 2 * (48 + 32 + 16)];
        let old = h.version < 0x0303;
        let hash = if old { Hash::Sha256 } else { suite.hash };
        key_block(
            (hash, old),
            self.known.get(Label::Master),
            (&h.client_random, &h.server_random),
            &mut block,
        )?;
        let key = suite.key_len();
        let at = |from: usize, len: usize| {
            let begin = from + dir.ix() * len;
            block.get(begin..begin + len)
        };
        let mut first = [0; 16];
        first[..iv].copy_from_slice(at(2 * (mac + key), iv)?);
        let form = Form { version: h.version, mac_last: h.mac_last };
        let c = Cipher::new(suite, form, at(2 * mac, key)?, (first, at(0, mac)?));
        block.zeroize();
        c
    }

    fn said12(&mut self, dir: Dir, record: &[u8], body: &[u8], pool: &mut BytePool) -> Step {
        match record.first() {
            Some(&DATA) => self.said(dir, body, pool),
            Some(&ALERT) => self.alert(dir, body, pool),
            Some(&HANDSHAKE) => {
                let mut finished = false;
                self.sides[dir.ix()].messages.each(body, |kind| finished |= kind == FINISHED);
                self.sides[dir.ix()].finished |= finished;
                // Its parser knows that it cannot read it.
                self.pass(dir, record, pool)
            }
            _ => self.pass(dir, record, pool),
        }
    }
}

/// A copy of the record to open.
fn copied<'a>(room: &'a mut [u8], record: &[u8]) -> Option<&'a mut [u8]> {
    let to = room.get_mut(..record.len())?;
    to.copy_from_slice(record);
    Some(to)
}
