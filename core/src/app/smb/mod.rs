//! SMB 1 to 3 (MS-CIFS, MS-SMB2): versions, shares, pipes, who signs in, and the DCERPC in named pipes.
//!
//! In: the byte stream, records of the session service (RFC 1002). Out: a transaction a request, with its answer. Of a record
//! the first [`MOST`] bytes are read. Owns what a session bound in its pipes.

mod ntlmssp;
mod record;
#[cfg(test)]
mod tests;

use super::dcerpc::{Bound, Call, INTERFACE, OPERATION, Pdu};
use super::hosted::{Protocol, Transactions, make};
use super::plain::SMB_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, Outcome,
    ProtoDef, TxIdx, TxView, buffer_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};
use record::{Record, What};

/// Most bytes of a record that are looked at.
const MOST: usize = 16 << 10;
/// Requests that wait for their answers.
const PENDING: usize = 256;

const fn text(name: &'static str, aliases: &'static [&'static str]) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs: 1, progress: 0, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[
    text("smb.share", &["smb_share"]),
    text("smb.named_pipe", &["smb_named_pipe"]),
    text("smb.ntlmssp_user", &["smb_ntlmssp_user"]),
    text("smb.ntlmssp_domain", &["smb_ntlmssp_domain"]),
    INTERFACE,
];

const SHARE: u8 = buffer_at(BUFFERS, "smb.share");
const PIPE: u8 = buffer_at(BUFFERS, "smb.named_pipe");
const USER: u8 = buffer_at(BUFFERS, "smb.ntlmssp_user");
const DOMAIN: u8 = buffer_at(BUFFERS, "smb.ntlmssp_domain");

static INTS: &[IntDef] = &[
    IntDef {
        name: "smb.version",
        aliases: &["smb_version"],
        dirs: 3,
        progress: 0,
        multi: false,
        values: &[],
    },
    OPERATION,
];

pub static SMB: ProtoDef = ProtoDef {
    name: "smb",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: SMB_BEGINS,
    parser: Some(make::<Smb>),
    families: &["dcerpc"],
    ..ProtoDef::NONE
};

/// One request and its answer.
#[derive(Debug, Default)]
pub struct Exchange {
    version: u8,
    /// Number of the request in its connection.
    id: u64,
    /// What was connected to: a share, or (`pipe`) the share of pipes.
    tree: PBuf,
    pipe: bool,
    /// The answer said which.
    told: bool,
    user: PBuf,
    domain: PBuf,
    call: Call,
}

#[derive(Debug, Default)]
pub struct State {
    bound: Bound,
    pending: usize,
    skip: [usize; 2],
}

pub struct Smb;

type Flow<'a> = Transactions<'a, Exchange>;

fn finish(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx) {
    flow.answered(tx);
    s.pending = s.pending.saturating_sub(1);
    let t = flow.get(tx);
    t.common.advance_both(1);
    t.common.touch_both();
}

impl Smb {
    fn record(s: &mut State, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let Some(r) = Record::read(b) else { return };
        match dir {
            Dir::ToServer if !r.response => Self::request(s, flow, &r, cx),
            Dir::ToClient if r.response => Self::answer(s, flow, &r, cx.now),
            _ => {}
        }
    }

    fn request(s: &mut State, flow: &mut Flow<'_>, r: &Record<'_>, cx: &mut AppCx<'_>) {
        if s.pending >= PENDING
            && let Some(old) = flow.waiting(|_| true)
        {
            finish(s, flow, old);
        }
        let Some(tx) = flow.open(cx.now) else { return };
        s.pending += 1;
        flow.wait(tx);
        let t = flow.get(tx);
        (t.own.version, t.own.id) = (r.version, r.id);
        // Without room a text is not there.
        match r.what {
            What::Tree { path, wide } => {
                cx.scratch.clear();
                ntlmssp::text(path, wide, cx.scratch);
                // The first of the two backslashes is not part of the name.
                let name = cx.scratch.as_slice();
                let _full = t.own.tree.extend(cx.pool, name.get(1..).unwrap_or(&[]));
                // What kind of share it is says the answer.
                return;
            }
            What::Setup(blob) => {
                if let Some(who) = ntlmssp::find(blob) {
                    for (to, part) in [(&mut t.own.user, who.user), (&mut t.own.domain, who.domain)] {
                        cx.scratch.clear();
                        ntlmssp::text(part, who.wide, cx.scratch);
                        let _full = to.extend(cx.pool, cx.scratch.as_slice());
                    }
                }
            }
            What::Pipe(data) => {
                if let Some(pdu) = Pdu::read(data).filter(|p| p.is_request()) {
                    t.own.call = s.bound.request(pdu, data);
                }
            }
            What::Answer { .. } | What::Other => {}
        }
        t.common.advance(Dir::ToServer, 1);
    }

    fn answer(s: &mut State, flow: &mut Flow<'_>, r: &Record<'_>, now: u64) {
        let found = flow.waiting(|t| t.own.id == r.id);
        let Some(tx) = found.or_else(|| flow.open(now)) else { return };
        let t = flow.get(tx);
        t.own.version = r.version;
        if let What::Answer { pipe } = r.what {
            (t.own.pipe, t.own.told) = (pipe, true);
        }
        s.pending += usize::from(found.is_none());
        finish(s, flow, tx);
    }
}

impl Protocol for Smb {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Smb
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        // No message ends the wait of rules on raw bytes, as in Suricata 8.
        cx.due = 0;
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
            let Some(head) = rest.first_chunk::<4>() else { return Outcome::Consumed { bytes: at, need: 4 } };
            let len = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
            let need = 4 + len.min(MOST);
            let Some(record) = rest.get(4..need) else { return Outcome::Consumed { bytes: at, need } };
            if head[0] == 0 {
                Self::record(s, flow, record, input.dir, cx);
            }
            at += need;
            s.skip[d] = len + 4 - need;
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.tree.free(pool);
        own.user.free(pool);
        own.domain.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, index, pool, .. } = at;
        let own = &tx.own;
        if index > 0 {
            return Buffer::Absent;
        }
        let stored = |b: &PBuf| if b.is_empty() { Buffer::Absent } else { Buffer::whole(b.get(pool)) };
        match local {
            SHARE | PIPE if !own.tree.is_empty() && !own.told => Buffer::NotYet,
            SHARE if !own.pipe => stored(&own.tree),
            PIPE if own.pipe => stored(&own.tree),
            SHARE | PIPE => Buffer::Absent,
            USER => stored(&own.user),
            DOMAIN => stored(&own.domain),
            _ => own.call.interface().map_or(Buffer::Absent, Buffer::whole),
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        if at.local == 0 { Some(u64::from(tx.own.version)) } else { tx.own.call.opnum.map(u64::from) }
    }

    fn log(&self, _: &Tx<Exchange>, _: &TxView<'_>, _: Dir, _: &mut dyn Fields) {}
}
