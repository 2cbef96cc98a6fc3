//! TLS sessions whose keys somebody gave: records of a stream in, what they protect out. It stands between the streams and the
//! application layer.
//!
//! While the handshake lasts its parser is given records as if none was protected, so that it reads the certificates of TLS 1.3
//! too. When there is data the engine changes the flow's protocol to what the data is, as after STARTTLS the other way round, and
//! every station behind sees plain bytes. Without keys, after a wait that is bounded in time and bytes, and with keys that do not
//! fit, the session is an encrypted one like any other.
//!
//! Owns the secrets, the sessions that are read, a pool for what was read of them and not taken yet, and the counters. All memory
//! is taken at construction; off (no sessions), it takes none and costs a flow nothing.

mod cipher;
mod derive;
mod secrets;
mod session;
mod suite;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use secrets::{BadLine, Label, TlsSecret};
pub use session::Hello;

use secrets::Secrets;
use session::{LONGEST, Session, Step};

use crate::Dir;
use crate::keyed::Secret;
use crate::pool::{BytePool, Slab};
use crate::stream::AppChunk;

/// Bytes of one direction that were read and not taken, beyond which no more are read.
const AHEAD: usize = 256 << 10;

/// Certificates of TLS 1.3, put into the form of TLS 1.2 for their parser.
const CERTIFICATES: usize = 128 << 10;

/// How much is kept for sessions with keys. All zero (the default): none is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnsealConfig {
    /// Sessions that are read at once.
    pub sessions: usize,
    /// Sessions whose secrets are remembered; the oldest gives way.
    pub secrets: usize,
    /// Bytes for what was read and not taken yet.
    pub bytes: usize,
    /// How long a session waits for its keys, ns of packet time, from the first record that needs them; 0: not at all.
    pub wait: u64,
    /// Bytes of one direction that wait for keys at most.
    pub wait_bytes: usize,
}

impl UnsealConfig {
    /// Shares out `bytes` of memory.
    pub fn within(bytes: usize, wait: u64) -> UnsealConfig {
        let bytes = bytes.saturating_sub(LONGEST + CERTIFICATES);
        let sessions = (bytes / 4 / (size_of::<Session>() + 4)).max(1);
        let secrets = (bytes / 4 / (Secrets::bytes(1024) / 1024 + 8)).max(1);
        UnsealConfig { sessions, secrets, bytes: BytePool::within(bytes / 2), wait, wait_bytes: 128 << 10 }
    }

    /// What it takes.
    pub fn takes(&self) -> usize {
        if self.sessions == 0 {
            return 0;
        }
        Slab::<Session>::bytes(self.sessions)
            + Secrets::bytes(self.secrets)
            + BytePool::bytes(self.bytes)
            + LONGEST
            + CERTIFICATES
    }
}

/// What was read, since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnsealCounters {
    /// Sessions whose hellos were seen, those whose data was read, that had no keys, and whose keys did not fit.
    pub sessions: u64,
    pub opened: u64,
    pub without_keys: u64,
    pub unfit: u64,
    /// Sessions for which there was no room.
    pub refused: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Secrets that were told, and sessions whose secrets gave way.
    pub secrets: u64,
    pub secrets_evicted: u64,
}

/// When bytes come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// Nothing follows them in their direction. Keys may still come.
    pub(crate) last: bool,
    /// The flow ends: nothing is waited for.
    pub(crate) over: bool,
    /// Packet time, ns.
    pub(crate) now: u64,
}

/// What became of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: usize,
    /// Keys did not fit: of an open session nothing more comes in that direction.
    pub(crate) unfit: bool,
}

/// The sessions of one engine.
pub(crate) struct Unsealer {
    cfg: UnsealConfig,
    secrets: Secrets,
    sessions: Slab<Session>,
    pool: BytePool,
    room: Vec<u8>,
    counters: UnsealCounters,
}

impl Unsealer {
    pub(crate) fn new(cfg: UnsealConfig, secret: Secret) -> Unsealer {
        let on = cfg.sessions > 0;
        Unsealer {
            cfg,
            secrets: Secrets::new(if on { cfg.secrets } else { 0 }, secret),
            sessions: Slab::new(cfg.sessions),
            pool: BytePool::new(if on { cfg.bytes } else { 0 }),
            room: alloc::vec![0; if on { LONGEST } else { 0 }],
            counters: UnsealCounters::default(),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.cfg.sessions > 0
    }

    pub(crate) fn counters(&self) -> UnsealCounters {
        UnsealCounters { secrets: self.secrets.told, secrets_evicted: self.secrets.evicted, ..self.counters }
    }

    pub(crate) fn tell(&mut self, secret: &TlsSecret) {
        self.secrets.put(secret);
    }

    /// A session begins; `None`: there is no room.
    pub(crate) fn begin(&mut self, hello: Hello) -> Option<u32> {
        self.counters.sessions += 1;
        let Some(id) = self.sessions.alloc() else {
            self.counters.refused += 1;
            return None;
        };
        self.sessions.get_mut(id).hello = hello;
        Some(id)
    }

    /// The server's hello is known by now?
    pub(crate) fn is_whole(&self, id: u32) -> bool {
        self.sessions.get(id).hello.suite != 0
    }

    pub(crate) fn know(&mut self, id: u32, hello: Hello) {
        self.sessions.get_mut(id).hello = hello;
    }

    pub(crate) fn end(&mut self, id: u32) {
        self.sessions.get_mut(id).free(&mut self.pool);
        self.sessions.free(id);
    }

    /// Bytes of a direction, in order. Takes whole records only.
    pub(crate) fn take(&mut self, id: u32, dir: Dir, data: &[u8], when: When) -> Taken {
        let When { last, over, now } = when;
        let mut out = Taken::default();
        // Something is left that may be read later.
        let mut stuck = false;
        while let Some(rest) = data.get(out.bytes..).filter(|r| !r.is_empty()) {
            let s = self.sessions.get_mut(id);
            let side = &s.sides[dir.ix()];
            if side.lost {
                out.bytes = data.len();
                break;
            }
            if s.given_up || side.records.len() + side.data.len() > AHEAD {
                stuck = true;
                break;
            }
            let Some(head) = rest.first_chunk::<5>() else { break };
            let len = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
            if !(20..=24).contains(&head[0]) || head[1] != 3 || len > LONGEST {
                // Its parser says what is wrong with it.
                out.unfit = s.open;
                self.fail(id, dir);
                break;
            }
            let Some(record) = rest.get(..len) else { break };
            let known = self.secrets.get(&s.hello.client_random);
            match s.record(dir, record, known, (&mut self.pool, &mut self.room)) {
                Step::Done => {
                    out.bytes += len;
                    s.since = None;
                }
                Step::Later => {
                    stuck = true;
                    break;
                }
                Step::Wait => {
                    stuck = true;
                    let since = *s.since.get_or_insert(now);
                    let patient =
                        now.saturating_sub(since) < self.cfg.wait && rest.len() < self.cfg.wait_bytes;
                    if !patient || over {
                        self.counters.without_keys += 1;
                        s.given_up = true;
                    }
                    break;
                }
                step @ (Step::Unfit | Step::Full) => {
                    out.unfit = step == Step::Unfit;
                    self.counters.refused += u64::from(step == Step::Full);
                    self.fail(id, dir);
                    break;
                }
            }
        }
        self.counters.unfit += u64::from(out.unfit);
        self.sessions.get_mut(id).sides[dir.ix()].ended |= last && !stuck;
        out
    }

    /// Nothing more of a direction can be read.
    fn fail(&mut self, id: u32, dir: Dir) {
        let s = self.sessions.get_mut(id);
        if s.open {
            let side = &mut s.sides[dir.ix()];
            (side.lost, side.ended) = (true, true);
        } else {
            s.given_up = true;
        }
    }

    /// Bytes of a direction are missing: records behind them cannot be told from each other.
    pub(crate) fn gap(&mut self, id: u32, dir: Dir, bytes: u32) {
        let s = self.sessions.get_mut(id);
        if !s.open {
            s.given_up = true;
            return;
        }
        let side = &mut s.sides[dir.ix()];
        if !side.lost {
            (side.lost, side.gap) = (true, bytes);
        }
    }

    /// What it has for the flow's parser.
    pub(crate) fn ready(&self, id: u32, dir: Dir) -> AppChunk<'_> {
        let s = self.sessions.get(id);
        let side = &s.sides[dir.ix()];
        let from = if s.open { &side.data } else { &side.records };
        let data = from.get(&self.pool);
        if data.is_empty() && side.gap > 0 {
            return AppChunk { data: &[], gap: side.gap, eof: false };
        }
        AppChunk { data, gap: 0, eof: side.ended && side.gap == 0 }
    }

    /// The parser is done with as many bytes, or with a gap.
    pub(crate) fn consume(&mut self, id: u32, dir: Dir, n: usize) {
        let s = self.sessions.get_mut(id);
        let side = &mut s.sides[dir.ix()];
        let from = if s.open { &mut side.data } else { &mut side.records };
        if from.is_empty() {
            side.gap = 0;
            return;
        }
        let n = n.min(from.len());
        if s.open {
            self.counters.bytes += n as u64;
        }
        from.drain_front(&mut self.pool, n);
        if from.is_empty() {
            from.free(&mut self.pool);
        }
    }

    /// The handshake was handed on to its end, and there is data: from now on that is handed on.
    pub(crate) fn opens(&mut self, id: u32, dir: Dir) -> bool {
        let s = self.sessions.get_mut(id);
        let opens = s.sides[dir.ix()].records.is_empty() && s.opens();
        if opens {
            s.open = true;
            self.counters.opened += 1;
        }
        opens
    }

    pub(crate) fn is_open(&self, id: u32) -> bool {
        self.sessions.get(id).open
    }

    /// It is an encrypted session like any other from now on, and the parser has taken all that was read of it.
    pub(crate) fn is_over(&self, id: u32, dir: Dir) -> bool {
        let s = self.sessions.get(id);
        s.given_up && s.sides[dir.ix()].records.is_empty()
    }

    /// Client and server were mistaken for each other.
    pub(crate) fn swap(&mut self, id: u32) {
        self.sessions.get_mut(id).sides.swap(0, 1);
    }
}
