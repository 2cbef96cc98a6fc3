//! NCCL's sockets (github.com/NVIDIA/nccl, `src/misc/socket.cc` and `src/bootstrap.cc`): how the ranks of a job find each
//! other and, without RDMA, move their data. Nobody proves who he is: whoever reaches the port with the right eight bytes
//! is a rank.
//!
//! In: the first bytes of a client. Out: one transaction a connection: what it is for and, at a job's root, which rank
//! out of how many speaks. Only connections with one of the two constants that releases have are recognised (with
//! `NCCL_COMM_ID` in the environment, and the network of RAS); others begin with random bytes.

use super::hosted::{Protocol, Transactions, make};
use super::plain::{be16, le32, start, yes_if};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, ProtoDef, Recognise, Seen, TxView, Verdict, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;

/// Constants of `NCCL_COMM_ID` and of sockets without a job, little-endian.
const COMM_ID: &[u8; 8] = b"\x80\x02\x80\x02\x80\x02\x80\x02";
const SOCKET: &[u8; 8] = b"\x6c\x9d\x4b\xfc\xf2\xb9\x4a\x56";
/// Both sides agreed on what the connection is for.
const GREETED: u8 = 1;
const COMPLETE: u8 = 2;
/// Magic, kind, length of the first message, and as much of that as is read.
const GREETING: usize = 12;
const FIRST_MAX: usize = 48;
/// Most ranks of a job that are believed.
const RANKS_MAX: u32 = 1 << 20;

const KINDS: &[(&str, u64)] =
    &[("unknown", 0), ("bootstrap", 1), ("proxy", 2), ("net_socket", 3), ("net_ib", 4), ("ras", 5)];

static BUFFERS: &[BufferDef] = &[BufferDef {
    name: "nccl.magic",
    aliases: &[],
    modifiers: &[],
    dirs: 1,
    progress: GREETED,
    kind: BufferKind::Single,
}];

const I_KIND: u8 = int_at(INTS, "nccl.type");
const I_RANK: u8 = int_at(INTS, "nccl.rank");

const fn int(name: &'static str, progress: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: 1, progress, multi: false, values }
}

static INTS: &[IntDef] =
    &[int("nccl.type", GREETED, KINDS), int("nccl.rank", COMPLETE, &[]), int("nccl.ranks", COMPLETE, &[])];

/// `nccl`.
pub static NCCL: ProtoDef = ProtoDef {
    name: "nccl",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: Recognise {
        patterns: &[start(COMM_ID, Dir::ToServer, OVER_TCP), start(SOCKET, Dir::ToServer, OVER_TCP)],
        confirm: Some(confirm_nccl),
        ..Recognise::NONE
    },
    parser: Some(make::<Nccl>),
    record: "nccl",
    ours: true,
    ..ProtoDef::NONE
};

/// A kind of connection follows the constant.
fn confirm_nccl(b: &[u8], seen: &Seen) -> Verdict {
    match le32(b, 8) {
        None => Verdict::Unsure,
        Some(_) if seen.dir != seen.pattern.dir => Verdict::No,
        Some(kind) => yes_if(u64::from(kind) < KINDS.len() as u64),
    }
}

/// Where a rank listens: an address of 4 or 16 bytes, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listens {
    V4([u8; 4], u16),
    V6([u8; 16], u16),
}

/// A connection.
#[derive(Debug, Default)]
pub struct Connection {
    magic: [u8; 8],
    kind: u32,
    /// Number of the rank, and how many there are.
    rank: Option<(u32, u32)>,
    listens: Option<Listens>,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    tx: Option<u64>,
    done: bool,
}

/// The parser.
pub struct Nccl;

/// A socket address as Linux has it in memory.
fn address(b: &[u8]) -> Option<Listens> {
    let port = be16(b, 2)?;
    match b.first_chunk::<2>()? {
        [2, 0] => Some(Listens::V4(*b.get(4..)?.first_chunk()?, port)),
        [10, 0] => Some(Listens::V6(*b.get(8..)?.first_chunk()?, port)),
        _ => None,
    }
}

impl Connection {
    /// What a rank tells the root: its number, how many there are (from 2.23 on two numbers of roots), its address.
    fn rank(&mut self, message: &[u8]) {
        let (Some(rank), Some(ranks)) = (le32(message, 0), le32(message, 4)) else { return };
        let at = |n: usize| message.get(n..).and_then(address);
        let listens = at(8).or_else(|| at(16));
        if rank < ranks && ranks <= RANKS_MAX && listens.is_some() {
            self.rank = Some((rank, ranks));
            self.listens = listens;
        }
    }
}

impl Protocol for Nccl {
    type State = State;
    type Own = Connection;
    const COMPLETE: u8 = COMPLETE;

    fn new(_: &AppConfig) -> Self {
        Nccl
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Connection>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let b = input.data;
        let all = Outcome::Consumed { bytes: b.len(), need: 0 };
        if s.done || input.dir == Dir::ToClient {
            return all;
        }
        let Some(tx) = flow.only(&mut s.tx, cx.now) else { return all };
        let t = flow.get(tx);
        let end = |t: &mut Tx<Connection>, s: &mut State| {
            s.done = true;
            t.common.advance_both(COMPLETE);
            // The server's side has nothing to look at.
            t.common.settle(Dir::ToClient);
        };
        if input.gap > 0 {
            end(t, s);
            return all;
        }
        if t.common.progress(Dir::ToServer) < GREETED {
            let (Some(magic), Some(kind)) = (b.first_chunk::<8>(), le32(b, 8)) else {
                return Outcome::Consumed { bytes: 0, need: GREETING };
            };
            t.own.magic = *magic;
            t.own.kind = kind;
            t.common.advance(Dir::ToServer, GREETED);
            if kind != 1 {
                end(t, s);
                return all;
            }
        }
        // A bootstrap message: its length, then itself. The greeting stays until it is there, as it is short.
        let Some(len) = le32(b, GREETING) else {
            return Outcome::Consumed { bytes: 0, need: GREETING + 4 };
        };
        let wanted = GREETING + 4 + (len as usize).min(FIRST_MAX);
        let Some(message) = b.get(GREETING + 4..wanted) else {
            return Outcome::Consumed { bytes: 0, need: wanted };
        };
        t.own.rank(message);
        end(t, s);
        all
    }

    fn free(_: &mut Connection, _: &mut BytePool) {}

    fn buffer<'a>(&'a self, tx: &'a Tx<Connection>, at: BufferAt<'a>) -> Buffer<'a> {
        match (at.index, tx.common.progress(Dir::ToServer)) {
            (0, 0) => Buffer::NotYet,
            (0, _) => Buffer::whole(&tx.own.magic),
            _ => Buffer::Absent,
        }
    }

    fn int(&self, tx: &Tx<Connection>, at: IntAt<'_>) -> Option<u64> {
        if tx.common.progress(Dir::ToServer) < GREETED {
            return None;
        }
        match at.local {
            I_KIND => Some(u64::from(tx.own.kind)),
            I_RANK => tx.own.rank.map(|r| u64::from(r.0)),
            _ => tx.own.rank.map(|r| u64::from(r.1)),
        }
    }

    fn log(&self, tx: &Tx<Connection>, _: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let own = &tx.own;
        out.hex("magic", &own.magic);
        match KINDS.iter().find(|k| k.1 == u64::from(own.kind)) {
            Some((name, _)) => out.str("type", name),
            None => out.u64("type", u64::from(own.kind)),
        }
        if let Some((rank, ranks)) = own.rank {
            out.u64("rank", u64::from(rank));
            out.u64("ranks", u64::from(ranks));
        }
        match own.listens {
            Some(Listens::V4(a, port)) => {
                out.fmt("listens", format_args!("{}:{port}", core::net::Ipv4Addr::from(a)));
            }
            Some(Listens::V6(a, port)) => {
                out.fmt("listens", format_args!("[{}]:{port}", core::net::Ipv6Addr::from(a)));
            }
            None => {}
        }
    }

    fn log_due(&self, tx: &Tx<Connection>) -> u8 {
        if tx.common.both_reached(COMPLETE) { LOG_WHOLE } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TS: Dir = Dir::ToServer;

    /// A rank's greeting of the root; `roots`: as from 2.23 on.
    fn greeting(kind: u32, rank: u32, roots: bool) -> Vec<u8> {
        let mut m = [rank.to_le_bytes(), 8u32.to_le_bytes()].concat();
        if roots {
            m.extend([0; 8]);
        }
        m.extend([2, 0, 0x1f, 0x90, 10, 77, 0, 9]);
        m.extend([0; 48]);
        [&COMM_ID[..], &kind.to_le_bytes(), &(m.len() as u32).to_le_bytes(), &m].concat()
    }

    fn seen(b: &Bench) -> [Option<u64>; 3] {
        let int = |local| b.parser.int(b.st, b.tx(0), IntAt { local, dir: TS, index: 0, pool: &b.pool });
        [int(0), int(1), int(2)]
    }

    #[test]
    fn ranks_greet_the_root() {
        for roots in [false, true] {
            let mut b = Bench::new(&NCCL);
            b.feed(TS, &greeting(1, 3, roots));
            assert_eq!(seen(&b), [1, 3, 8].map(Some));
            assert_eq!(b.values(0, TS), [(0, COMM_ID.to_vec())]);
            assert_eq!(b.parser.common(b.tx(0)).steps(), [COMPLETE; 2]);
            b.close();
        }
        // One that is no rank of the job, and a connection for data.
        let mut b = Bench::new(&NCCL);
        b.feed(TS, &greeting(1, 8, false));
        assert_eq!(seen(&b), [Some(1), None, None]);
        b.close();
        let mut b = Bench::new(&NCCL);
        b.feed(TS, &[&SOCKET[..], &[5, 0, 0, 0]].concat());
        assert_eq!(seen(&b), [Some(5), None, None]);
        assert_eq!(b.parser.common(b.tx(0)).steps(), [COMPLETE; 2]);
        b.close();
    }

    #[test]
    fn recognised_by_constant_and_kind() {
        use crate::app::recognise::{Progress, Recogniser};
        let r = Recogniser::new(&AppConfig::default());
        let look = |bytes: &[u8]| {
            let unknown = crate::app::AppProto::UNKNOWN;
            r.look(OVER_TCP, bytes, TS, [40000, 33333], unknown, &mut Progress::default())
                .map(|f| f.proto.name())
        };
        assert_eq!(look(&greeting(1, 0, false)), Some("nccl"));
        assert_eq!(look(&greeting(1, 0, false)[..10]), None);
        assert_eq!(look(&greeting(6, 0, false)), None);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..30, 1..8), rank in 0u32..9) {
            let g = greeting(1, rank, true);
            let mut whole = Bench::new(&NCCL);
            whole.feed(TS, &g);
            let mut cut = Bench::new(&NCCL);
            prop_assert_eq!(cut.feed_cut(TS, &g, &cuts), 0);
            prop_assert_eq!(seen(&cut), seen(&whole));
            cut.close();
            whole.close();
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), at in 0usize..80, v in any::<u8>()) {
            let mut b = Bench::new(&NCCL);
            let mut g = greeting(1, 0, false);
            let n = g.len();
            g[at % n] = v;
            b.feed(TS, &g[..n / 2]);
            b.feed(TS, &g);
            b.feed(Dir::ToClient, &bytes);
            b.feed(TS, &bytes);
            b.everything(&NCCL);
            b.close();
        }
    }
}
