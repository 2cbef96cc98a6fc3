//! Telnet (RFC 854): commands of the protocol, and lines of what is said between them.
//!
//! In: the bytes of a connection. Out: frames of them, and nothing else: it has no transactions. Owns nothing but where it
//! is in a direction.

use super::hosted::{Protocol, Transactions, make};
use super::plain::TELNET_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, Input, OVER_TCP, Outcome, ProtoDef, TxView, buffer_at,
    frame,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;

static BUFFERS: &[BufferDef] = &[
    frame("frame:telnet.pdu"),
    frame("frame:telnet.ctl"),
    frame("frame:telnet.data"),
    frame("frame:telnet.stream"),
];

/// A command or a line; then which of the two it is.
const F_PDU: u8 = buffer_at(BUFFERS, "frame:telnet.pdu");
const F_CONTROL: u8 = buffer_at(BUFFERS, "frame:telnet.ctl");
const F_DATA: u8 = buffer_at(BUFFERS, "frame:telnet.data");

/// Interpret as command; the end and the begin of a subnegotiation; the four that name an option.
const IAC: u8 = 0xff;
const SE: u8 = 0xf0;
const SB: u8 = 0xfa;
const WILL: u8 = 0xfb;

/// Longest line or subnegotiation that is waited for; what is longer goes by in pieces.
const LONGEST: usize = 16 << 10;

/// `telnet`.
pub static TELNET: ProtoDef = ProtoDef {
    name: "telnet",
    over: OVER_TCP,
    buffers: BUFFERS,
    recognise: TELNET_BEGINS,
    parser: Some(make::<Telnet>),
    ..ProtoDef::NONE
};

/// The parser.
struct Telnet;

/// Length of the command that `b` begins with, if all of it is there. The end of a subnegotiation is a command of its own.
fn command(b: &[u8]) -> Option<usize> {
    match *b.get(1)? {
        SB => memchr::memmem::find(b, &[IAC, SE]),
        WILL..=0xfe => (b.len() >= 3).then_some(3),
        _ => Some(2),
    }
}

/// Length of the line that `b` begins with, its end included. Commands in it are part of it, as in Suricata.
fn line(b: &[u8]) -> Option<usize> {
    Some(memchr::memchr(b'\n', b)? + 1)
}

impl Protocol for Telnet {
    type State = ();
    type Own = ();

    fn new(_: &AppConfig) -> Self {
        Telnet
    }

    fn parse(
        &mut self,
        (): &mut (),
        _: &mut Transactions<'_, ()>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        // No message ends the wait of rules on raw bytes, as in Suricata 8.
        cx.due = 0;
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        if !cx.frames.wanted() {
            return all;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let control = rest.first() == Some(&IAC);
            let found = if control { command(rest) } else { line(rest) };
            let n = match found {
                Some(n) => n,
                None if rest.len() >= LONGEST => rest.len(),
                None => return Outcome::Consumed { bytes: at, need: 0 },
            };
            cx.frames.begin(F_PDU, rest, Some(n as u64));
            cx.frames.begin(if control { F_CONTROL } else { F_DATA }, rest, Some(n as u64));
            at += n;
        }
        all
    }

    fn free((): &mut (), _: &mut BytePool) {}

    fn buffer<'a>(&'a self, _: &'a Tx<()>, _: BufferAt<'a>) -> Buffer<'a> {
        Buffer::Absent
    }

    fn log(&self, _: &Tx<()>, _: &TxView<'_>, _: Dir, _: &mut dyn Fields) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use crate::app::frames::What;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const SAID: &[u8] =
        b"\xff\xfb\x18\xff\xfa\x18\x00xterm\xff\xf0\xff\xf1login: \xff\xfe\x01me\r\nls\r\nrest";

    /// Kind, place and length of the frames, however the bytes are cut.
    fn frames(bytes: &[u8], cuts: &[usize]) -> Vec<(u8, usize, u64)> {
        let mut b = Bench::new(&TELNET);
        let (mut all, mut from, mut to) = (Vec::new(), 0, 0);
        for c in cuts.iter().cycle() {
            to = (to + c).min(bytes.len());
            let out = b.feed(Dir::ToServer, &bytes[from..to]);
            all.extend(b.notes.all().iter().map(|n| match n.what {
                What::Begin(Some(len)) => (n.local, from + n.at as usize, len),
                other => panic!("{other:?}"),
            }));
            match out {
                Outcome::Consumed { bytes, .. } => from += bytes,
                other => panic!("{other:?}"),
            }
            if to == bytes.len() {
                break;
            }
        }
        b.close();
        all
    }

    #[test]
    fn commands_and_lines() {
        let of =
            |kind| frames(SAID, &[SAID.len()]).into_iter().filter(move |f| f.0 == kind).collect::<Vec<_>>();
        let control = [(0, 3), (3, 9), (12, 2), (14, 2)].map(|(at, n)| (F_CONTROL, at, n));
        assert_eq!(of(F_CONTROL), control);
        assert_eq!(of(F_DATA), [(F_DATA, 16, 14), (F_DATA, 30, 4)]);
        assert_eq!(of(F_PDU).len(), 6);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..20, 1..8)) {
            prop_assert_eq!(frames(SAID, &cuts), frames(SAID, &[SAID.len()]));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in proptest::collection::vec(1usize..40, 1..4)) {
            if !bytes.is_empty() {
                frames(&bytes, &cuts);
            }
        }
    }
}
