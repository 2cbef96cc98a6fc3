//! NFS versions 2 and 3 (RFC 1094, RFC 1813) over ONC RPC (RFC 5531): procedures; of version 3 names and data of files.
//!
//! In: datagrams, or records of a stream. Out: a transaction a call, with its reply. Owns the names of the last handles, by
//! which reads and writes are told apart. Of a record at most [`MOST`] bytes are read.

use super::hosted::{Protocol, Transactions, make};
use super::plain::{NFS_BEGINS, be32};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, OVER_UDP,
    Outcome, ProtoDef, TxIdx, TxView, buffer_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

const PROGRAM: u32 = 100_003;
/// Most bytes of a record, and of a file's data in it.
const MOST: usize = 64 << 10;
/// Calls that wait for their replies.
const PENDING: usize = 256;
/// Writes that wait for their commit; the oldest has its data looked at before.
const UNCLOSED: usize = 256;
/// Handles whose names are known.
const NAMES: usize = 32;

// Procedures of version 3.
const LOOKUP: u32 = 3;
const READ: u32 = 6;
const WRITE: u32 = 7;
const CREATE: u32 = 8;
const COMMIT: u32 = 21;

static BUFFERS: &[BufferDef] = &[
    BufferDef {
        name: "file.name",
        aliases: &[],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "file.data",
        aliases: &["file_data"],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Streaming,
    },
];
const NAME: u8 = buffer_at(BUFFERS, "file.name");

static INTS: &[IntDef] = &[
    IntDef { name: "nfs_procedure", aliases: &[], dirs: 1, progress: 0, multi: false, values: &[] },
    IntDef {
        name: "nfs.version",
        aliases: &["nfs_version"],
        dirs: 1,
        progress: 0,
        multi: false,
        values: &[],
    },
];

pub static NFS: ProtoDef = ProtoDef {
    name: "nfs",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: NFS_BEGINS,
    parser: Some(make::<Nfs>),
    ..ProtoDef::NONE
};

/// A call and its reply.
#[derive(Debug, Default)]
pub struct Exchange {
    xid: u32,
    version: u32,
    procedure: u32,
    /// The file that is read or written, or the name that is looked up.
    handle: u64,
    name: PBuf,
    data: PBuf,
    /// No more data belong to a write.
    closed: bool,
    done: bool,
}

impl Exchange {
    /// A write whose data may go on.
    fn writes(&self) -> bool {
        self.version == 3 && self.procedure == WRITE && !self.closed
    }
}

#[derive(Debug, Default)]
pub struct State {
    names: [(u64, PBuf); NAMES],
    next: usize,
    pending: usize,
    /// Writes whose data may go on.
    unclosed: usize,
    skip: [usize; 2],
}

pub struct Nfs;

type Flow<'a> = Transactions<'a, Exchange>;

/// An opaque value of variable length (RFC 4506 4.10) and what follows it.
fn opaque(b: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = be32(b, 0)? as usize;
    let end = len.checked_add(4)?;
    Some((b.get(4..end)?, b.get(end.checked_add(3)? & !3..).unwrap_or(&[])))
}

/// What follows a credential or verifier.
fn after_auth(b: &[u8]) -> Option<&[u8]> {
    Some(opaque(b.get(4..)?)?.1)
}

/// Handles are told apart by FNV-1a.
fn hash(handle: &[u8]) -> u64 {
    handle.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)).max(1)
}

impl State {
    fn remember(&mut self, handle: u64, name: &[u8], pool: &mut BytePool) {
        let known = self.names.iter().position(|n| n.0 == handle);
        let place = known.unwrap_or(self.next);
        if known.is_none() {
            self.next = (self.next + 1) % NAMES;
        }
        if let Some(slot) = self.names.get_mut(place) {
            slot.0 = handle;
            slot.1.free(pool);
            let _full = slot.1.extend(pool, name);
        }
    }
}

impl Nfs {
    /// One message of RPC.
    fn message(s: &mut State, flow: &mut Flow<'_>, m: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        match (be32(m, 4), dir) {
            (Some(0), Dir::ToServer) => {
                let _other = Self::call(s, flow, m, cx);
            }
            (Some(1), Dir::ToClient) => {
                let Some(xid) = be32(m, 0) else { return };
                let Some(tx) = flow.waiting(|t| !t.own.done && t.own.xid == xid) else { return };
                let _refused = Self::results(s, flow, tx, m, cx);
                finish(s, flow, tx);
            }
            _ => {}
        }
    }

    fn call(s: &mut State, flow: &mut Flow<'_>, m: &[u8], cx: &mut AppCx<'_>) -> Option<()> {
        let (xid, program, version, procedure) = (be32(m, 0)?, be32(m, 12)?, be32(m, 16)?, be32(m, 20)?);
        if program != PROGRAM {
            return None;
        }
        if s.pending >= PENDING
            && let Some(old) = flow.waiting(|t| !t.own.done)
        {
            finish(s, flow, old);
        }
        let writes = version == 3 && procedure == WRITE;
        if writes
            && s.unclosed >= UNCLOSED
            && let Some(old) = flow.waiting(|t| t.own.writes())
        {
            close(s, flow, old);
        }
        let tx = flow.open(cx.now)?;
        s.pending += 1;
        s.unclosed += usize::from(writes);
        flow.wait(tx);
        let t = flow.get(tx);
        (t.own.xid, t.own.version, t.own.procedure) = (xid, version, procedure);
        if !writes {
            t.common.advance(Dir::ToServer, 1);
        }
        if version != 3 {
            return None;
        }
        let args = after_auth(after_auth(m.get(24..)?)?)?;
        let (handle, rest) = opaque(args)?;
        let handle = hash(handle);
        t.own.handle = handle;
        match procedure {
            LOOKUP | CREATE => {
                let _full = t.own.name.extend(cx.pool, opaque(rest)?.0);
            }
            READ | WRITE => {
                if let Some((_, name)) = s.names.iter().find(|n| n.0 == handle) {
                    cx.scratch.clear();
                    cx.scratch.extend(name.get(cx.pool));
                    let _full = t.own.name.extend(cx.pool, cx.scratch.as_slice());
                }
                if writes {
                    // Offset, count, and how it is to be kept: what is not unstable needs no commit.
                    let _full = t.own.data.extend(cx.pool, opaque(rest.get(16..)?)?.0);
                    if be32(rest, 12)? != 0 {
                        close(s, flow, tx);
                    }
                }
            }
            COMMIT => {
                while let Some(w) = flow.waiting(|t| t.own.writes() && t.own.handle == handle) {
                    close(s, flow, w);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn results(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx, m: &[u8], cx: &mut AppCx<'_>) -> Option<()> {
        let t = flow.get(tx);
        let rest = after_auth(m.get(12..)?)?;
        if be32(m, 8)? != 0 || be32(rest, 0)? != 0 || be32(rest, 4)? != 0 || t.own.version != 3 {
            return None;
        }
        let body = rest.get(8..)?;
        match t.own.procedure {
            LOOKUP | CREATE => {
                let skip = if t.own.procedure == CREATE { 4 } else { 0 };
                let handle = hash(opaque(body.get(skip..)?)?.0);
                cx.scratch.clear();
                cx.scratch.extend(t.own.name.get(cx.pool));
                s.remember(handle, cx.scratch.as_slice(), cx.pool);
            }
            READ => {
                // Attributes are there or not; count and end of file come before the data.
                let attributes = if be32(body, 0)? == 0 { 4 } else { 88 };
                let _full = t.own.data.extend(cx.pool, opaque(body.get(attributes + 8..)?)?.0);
            }
            _ => {}
        }
        Some(())
    }

    fn stream(s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let d = input.dir.ix();
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if s.skip[d] > 0 {
                let n = s.skip[d].min(rest.len());
                s.skip[d] -= n;
                at += n;
                continue;
            }
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let Some(head) = be32(rest, 0) else { return Outcome::Consumed { bytes: at, need: 4 } };
            let len = (head & 0x7fff_ffff) as usize;
            let need = 4 + len.min(MOST);
            let Some(record) = rest.get(4..need) else { return Outcome::Consumed { bytes: at, need } };
            Self::message(s, flow, record, input.dir, cx);
            at += need;
            s.skip[d] = len + 4 - need;
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }
}

/// A write's data are whole.
fn close(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx) {
    let t = flow.get(tx);
    t.own.closed = true;
    s.unclosed = s.unclosed.saturating_sub(1);
    t.common.advance(Dir::ToServer, 1);
    t.common.touch(Dir::ToServer);
    if t.own.done {
        flow.answered(tx);
    }
}

fn finish(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx) {
    let t = flow.get(tx);
    t.own.done = true;
    s.pending = s.pending.saturating_sub(1);
    if !t.own.writes() {
        flow.answered(tx);
    }
    let t = flow.get(tx);
    t.common.advance(Dir::ToClient, 1);
    t.common.touch(Dir::ToClient);
}

impl Protocol for Nfs {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Nfs
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            return Self::stream(s, flow, input, cx);
        }
        Self::message(s, flow, input.data, input.dir, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.name.free(pool);
        own.data.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        for (_, name) in &mut s.names {
            name.free(cx.pool);
        }
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        // A file is written by the client and read by it.
        let of = match own.procedure {
            WRITE => Dir::ToServer,
            READ => Dir::ToClient,
            _ => return Buffer::Absent,
        };
        let whole = if of == Dir::ToServer { own.closed } else { own.done };
        match local {
            _ if own.version != 3 || index > 0 || dir != of => Buffer::Absent,
            NAME if own.name.is_empty() => Buffer::Absent,
            NAME if of == Dir::ToServer || whole => Buffer::whole(own.name.get(pool)),
            _ if !whole => Buffer::NotYet,
            _ if own.data.is_empty() => Buffer::Absent,
            _ => Buffer::whole(own.data.get(pool)),
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        Some(u64::from(if at.local == 0 { tx.own.procedure } else { tx.own.version }))
    }

    fn log(&self, _: &Tx<Exchange>, _: &TxView<'_>, _: Dir, _: &mut dyn Fields) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use alloc::vec::Vec;

    fn words(w: &[u32]) -> Vec<u8> {
        w.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    fn record(m: &[u8]) -> Vec<u8> {
        [&(0x8000_0000 | m.len() as u32).to_be_bytes()[..], m].concat()
    }

    fn call(xid: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
        record(&[words(&[xid, 0, 2, PROGRAM, 3, procedure, 0, 0, 0, 0]).as_slice(), args].concat())
    }

    fn reply(xid: u32, results: &[u8]) -> Vec<u8> {
        record(&[words(&[xid, 1, 0, 0, 0, 0]).as_slice(), results].concat())
    }

    #[test]
    fn a_written_file_has_the_name_that_was_looked_up() {
        let mut b = Bench::new(&NFS);
        let (dir, file) = (words(&[4, 1]), words(&[4, 2]));
        b.feed(Dir::ToServer, &call(1, LOOKUP, &[&dir[..], &words(&[2]), b"ab\0\0"].concat()));
        b.feed(Dir::ToClient, &reply(1, &[&words(&[0])[..], &file].concat()));
        b.feed(
            Dir::ToServer,
            &call(2, WRITE, &[&file[..], &words(&[0, 0, 5, 0, 5]), b"hello\0\0\0"].concat()),
        );
        assert_eq!(b.values(NAME, Dir::ToServer), [(1, b"ab".to_vec())]);
        // The data are whole when they are committed.
        assert!(b.values(1, Dir::ToServer).is_empty());
        b.feed(Dir::ToServer, &call(3, COMMIT, &[&file[..], &words(&[0, 0, 0])].concat()));
        assert_eq!(b.values(1, Dir::ToServer), [(1, b"hello".to_vec())]);
        let get = |b: &Bench, n| {
            b.parser.int(b.st, b.tx(2), IntAt { local: n, dir: Dir::ToServer, index: 0, pool: &b.pool })
        };
        assert_eq!((get(&b, 0), get(&b, 1)), (Some(21), Some(3)));
        b.close();
    }

    #[test]
    fn no_bytes_panic() {
        let whole = call(7, READ, &[0xff; 40]);
        for n in 0..whole.len() {
            let mut b = Bench::new(&NFS);
            b.feed(Dir::ToServer, &whole[..n]);
            b.feed(Dir::ToClient, &reply(7, &whole[..n]));
            b.everything(&NFS);
            b.close();
        }
    }

    /// Writes that are never committed are looked at nevertheless, and cost no walk of all before them.
    #[test]
    fn many_writes_without_commits() {
        let cfg = AppConfig { max_states: 4, max_txs: 80_000, ..AppConfig::default() };
        let mut b = Bench::of(NFS.parser.unwrap()(&cfg), cfg);
        b.pool = BytePool::new(64 << 20);
        let file = words(&[4, 2]);
        let args = [&file[..], &words(&[0, 0, 5, 0, 5]), b"hello\0\0\0"].concat();
        let mut time = |from: u32, n: u32| {
            let calls: Vec<u8> = (from..from + n).flat_map(|i| call(i, WRITE, &args)).collect();
            let replies: Vec<u8> = (from..from + n).flat_map(|i| reply(i, &words(&[0]))).collect();
            let begun = std::time::Instant::now();
            for (c, r) in
                calls.chunks(calls.len() / n as usize).zip(replies.chunks(replies.len() / n as usize))
            {
                b.feed(Dir::ToServer, c);
                b.feed(Dir::ToClient, r);
            }
            begun.elapsed()
        };
        let (first, last) =
            ((0..8).map(|i| time(i * 1000, 1000)).min(), (8..20).map(|i| time(i * 1000, 1000)).max());
        assert!(last.unwrap() < first.unwrap() * 20, "{first:?} {last:?}");
        assert_eq!(b.values(1, Dir::ToServer).len(), 20_000 - 256);
        b.feed(Dir::ToServer, &call(40_000, COMMIT, &[&file[..], &words(&[0, 0, 0])].concat()));
        assert_eq!(b.values(1, Dir::ToServer).len(), 20_000);
        b.close();
    }
}
