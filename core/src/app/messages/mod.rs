//! Protocols of which each message is a transaction of its own direction: SIP, SNMP, DHCP, NTP, TFTP.
//!
//! In: datagrams, for SIP also a stream of messages. Out: a transaction for each, with buffers and numbers for rules and a
//! record. A transaction keeps the message as it came, bounded by [`MOST`]; a [`Format`] finds fields in it when they are
//! asked for.

mod dhcp;
mod ntp;
mod sdp;
mod sip;
mod snmp;
#[cfg(test)]
mod tests;
mod tftp;

use core::marker::PhantomData;

use super::frames::Notes;
use super::hosted::{Protocol, Transactions, make};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_REQUEST,
    LOG_RESPONSE, MakeParser, Outcome, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

pub use dhcp::DHCP;
pub use ntp::NTP;
pub use sip::SIP;
pub use snmp::SNMP;
pub use tftp::TFTP;

/// Longest message kept, bytes: more than a datagram holds.
const MOST: usize = 256 << 10;

pub(super) const BOTH: u8 = 3;
pub(super) const REQUESTS: u8 = 1;
pub(super) const RESPONSES: u8 = 2;

/// Where a message of a stream ends.
pub(super) enum Ends {
    At(usize),
    /// So many bytes are needed to say more; 0: more than there are.
    More(usize),
    Never,
}

/// How a protocol's messages are read.
pub(super) trait Format: Send + 'static {
    /// Looks at a whole message. `None`: it is none. Otherwise the events that it raises, a bit each.
    fn read(msg: &[u8], dir: Dir) -> Option<u128>;
    /// Value `index` of buffer `local`.
    fn text(msg: &[u8], local: u8, index: u32) -> Option<&[u8]>;
    /// Value `index` of number `local`.
    fn number(_msg: &[u8], _local: u8, _index: u32) -> Option<u64> {
        None
    }
    /// Notes the frames of a message.
    fn frames(_msg: &[u8], _dir: Dir, _notes: &mut Notes) {}
    /// Where the first message of a stream ends.
    fn ends(_bytes: &[u8]) -> Ends {
        Ends::Never
    }
    /// Whether the message has a record.
    fn is_recorded(_msg: &[u8], _dir: Dir) -> bool {
        true
    }
    /// Writes the record's fields.
    fn log(msg: &[u8], dir: Dir, out: &mut dyn Fields);
    /// Event for a message that cannot be read, noted on the transaction before it.
    const BROKEN: Option<u8> = None;
}

/// One message.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: PBuf,
    dir: Dir,
    /// Its record is to be written.
    recorded: bool,
}

/// The parser of a [`Format`].
pub(super) struct Messages<F>(PhantomData<F>);

pub(super) const fn parser<F: Format>() -> Option<MakeParser> {
    Some(make::<Messages<F>>)
}

/// A buffer with one value, or (`several`) with some.
pub(super) const fn field(name: &'static str, dirs: u8, several: bool) -> BufferDef {
    let kind = if several { BufferKind::Multi } else { BufferKind::Single };
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind }
}

pub(super) const fn number(name: &'static str, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: BOTH, progress: 0, multi: false, values }
}

impl<F: Format> Messages<F> {
    fn message(flow: &mut Transactions<'_, Message>, msg: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> bool {
        let Some(events) = F::read(msg, dir) else {
            if let (Some(ev), Some(tx)) = (F::BROKEN, flow.last()) {
                flow.get(tx).common.raise(ev, dir);
            }
            return false;
        };
        let Some(tx) = flow.open(cx.now) else { return true };
        let t = flow.get(tx);
        if cx.frames.wanted() {
            F::frames(msg, dir, cx.frames);
            cx.frames.of_tx(t.common.id);
        }
        t.own.dir = dir;
        t.own.recorded = F::is_recorded(msg, dir);
        // Without room the message has no fields.
        let _full = t.own.bytes.extend(cx.pool, msg.get(..MOST).unwrap_or(msg));
        let c = &mut t.common;
        c.advance_both(1);
        // The message exists in its own direction only.
        c.settle(dir.flip());
        for ev in (0..128).filter(|ev| events >> ev & 1 == 1) {
            c.raise(ev, dir);
        }
        true
    }

    fn stream(flow: &mut Transactions<'_, Message>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            match F::ends(rest) {
                Ends::At(n) => {
                    if !Self::message(flow, rest.get(..n).unwrap_or(rest), input.dir, cx) {
                        return Outcome::Failed;
                    }
                    at += n.max(1);
                }
                Ends::More(need) if rest.len() < MOST => return Outcome::Consumed { bytes: at, need },
                _ => return Outcome::Failed,
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }
}

impl<F: Format> Protocol for Messages<F> {
    type State = ();
    type Own = Message;

    fn new(_: &AppConfig) -> Self {
        Messages(PhantomData)
    }

    fn parse(
        &mut self,
        (): &mut (),
        flow: &mut Transactions<'_, Message>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        if !input.datagram {
            return Self::stream(flow, input, cx);
        }
        Self::message(flow, input.data, input.dir, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(m: &mut Message, pool: &mut BytePool) {
        m.bytes.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Message>, at: BufferAt<'a>) -> Buffer<'a> {
        if at.dir != tx.own.dir {
            return Buffer::Absent;
        }
        F::text(tx.own.bytes.get(at.pool), at.local, at.index).map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Message>, at: IntAt<'_>) -> Option<u64> {
        if at.dir != tx.own.dir || at.index > 0 {
            return None;
        }
        F::number(tx.own.bytes.get(at.pool), at.local, at.index)
    }

    fn log(&self, tx: &Tx<Message>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        F::log(tx.own.bytes.get(view.pool), tx.own.dir, out);
    }

    fn log_due(&self, tx: &Tx<Message>) -> u8 {
        match (tx.own.recorded, tx.own.dir) {
            (false, _) => 0,
            (true, Dir::ToServer) => LOG_REQUEST,
            (true, Dir::ToClient) => LOG_RESPONSE,
        }
    }

    fn log_at_end(&self, tx: &Tx<Message>) -> u8 {
        self.log_due(tx)
    }
}
