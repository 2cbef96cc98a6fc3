//! DNP3 (IEEE 1815) over TCP: what stations are asked, and what they answer.
//!
//! In: frames of the data link. Out: a transaction a message, put together from the segments of the transport function. Owns
//! the message that is being put together, of each direction. Objects are read where they are asked for.

mod layout;
mod link;
mod log;
mod objects;
#[cfg(test)]
mod tests;

use super::counted::{self, Head, Part, Reader};
use super::hosted::{Protocol, Transactions, make};
use super::plain::DNP3_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, ProtoDef, TxView, event_at, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};
use link::Link;
use objects::{Stop, Visit};

/// Longest message: all numbers that segments can have, of the longest frames, as in Suricata.
const MOST: usize = 63 * 255;
/// Requests without an answer that are no flood yet.
const FLOOD: u32 = 500;

static BUFFERS: &[BufferDef] = &[BufferDef {
    name: "dnp3.data",
    aliases: &["dnp3_data"],
    modifiers: &[],
    dirs: 3,
    progress: 0,
    kind: BufferKind::Single,
}];

const fn number(name: &'static str, multi: bool, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: 3, progress: 0, multi, values }
}

/// Functions by the names of rules.
const FUNCTIONS: &[(&str, u64)] = &[
    ("confirm", 0),
    ("read", 1),
    ("write", 2),
    ("select", 3),
    ("operate", 4),
    ("direct_operate", 5),
    ("direct_operate_nr", 6),
    ("immed_freeze", 7),
    ("immed_freeze_nr", 8),
    ("freeze_clear", 9),
    ("freeze_clear_nr", 10),
    ("freeze_at_time", 11),
    ("freeze_at_time_nr", 12),
    ("cold_restart", 13),
    ("warm_restart", 14),
    ("initialize_data", 15),
    ("initialize_appl", 16),
    ("start_appl", 17),
    ("stop_appl", 18),
    ("save_config", 19),
    ("enable_unsolicited", 20),
    ("disable_unsolicited", 21),
    ("assign_class", 22),
    ("delay_measure", 23),
    ("record_current_time", 24),
    ("open_file", 25),
    ("close_file", 26),
    ("delete_file", 27),
    ("get_file_info", 28),
    ("authenticate_file", 29),
    ("abort_file", 30),
    ("activate_config", 31),
    ("authenticate_req", 32),
    ("authenticate_err", 33),
    ("response", 129),
    ("unsolicited_response", 130),
    ("authenticate_resp", 131),
];

/// Internal indications by the names of rules and records, the first byte as the high one.
const INDICATORS: &[(&str, u64)] = &[
    ("all_stations", 0x0100),
    ("class_1_events", 0x0200),
    ("class_2_events", 0x0400),
    ("class_3_events", 0x0800),
    ("need_time", 0x1000),
    ("local_control", 0x2000),
    ("device_trouble", 0x4000),
    ("device_restart", 0x8000),
    ("no_func_code_support", 0x0001),
    ("object_unknown", 0x0002),
    ("parameter_error", 0x0004),
    ("event_buffer_overflow", 0x0008),
    ("already_executing", 0x0010),
    ("config_corrupt", 0x0020),
    ("reserved_2", 0x0040),
    ("reserved_1", 0x0080),
];

static INTS: &[IntDef] = &[
    number("dnp3_func", false, FUNCTIONS),
    number("dnp3.indicators", false, INDICATORS),
    // Group and variation of each object, what `dnp3_obj` tests.
    number("dnp3.object", true, &[]),
];
const I_FUNCTION: u8 = int_at(INTS, "dnp3_func");
const I_INDICATORS: u8 = int_at(INTS, "dnp3.indicators");

static EVENTS: &[&str] = &[
    "flooded",
    "len_too_small",
    "bad_link_crc",
    "bad_transport_crc",
    "unknown_object",
    "too_many_points",
    "too_many_objects",
    "too_long_reassembly",
];
const EV_FLOODED: u8 = event_at(EVENTS, "flooded");
const EV_SMALL: u8 = event_at(EVENTS, "len_too_small");
const EV_LINK: u8 = event_at(EVENTS, "bad_link_crc");
const EV_TRANSPORT: u8 = event_at(EVENTS, "bad_transport_crc");
const EV_UNKNOWN: u8 = event_at(EVENTS, "unknown_object");
const EV_POINTS: u8 = event_at(EVENTS, "too_many_points");
const EV_OBJECTS: u8 = event_at(EVENTS, "too_many_objects");
const EV_LONG: u8 = event_at(EVENTS, "too_long_reassembly");

/// `dnp3`.
pub static DNP3: ProtoDef = ProtoDef {
    name: "dnp3",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: DNP3_BEGINS,
    parser: Some(make::<Dnp3>),
    record: "dnp3",
    shouts: true,
    ..ProtoDef::NONE
};

/// A message: the frame that began it, and its application data.
#[derive(Debug, Default)]
pub struct Message {
    dir: Dir,
    link: Link,
    data: PBuf,
    /// Group and variation of each object.
    kinds: PBuf,
    /// All of its objects can be read.
    complete: bool,
}

#[derive(Debug, Default)]
struct Side {
    left: usize,
    link: Link,
    /// What there is of the message, and the number of the last segment.
    data: PBuf,
    seq: Option<u8>,
}

#[derive(Debug, Default)]
pub struct State {
    sides: [Side; 2],
    unanswered: u32,
}

pub struct Dnp3;

type Flow<'a> = Transactions<'a, Message>;

/// Where the objects begin: behind control, function and, in answers, indications.
fn objects_of(data: &[u8]) -> (&[u8], bool) {
    let function = data.get(1).copied().unwrap_or(0);
    (data.get(if function >= 129 { 4 } else { 2 }..).unwrap_or(&[]), function == 1)
}

/// Notes group and variation of each object.
struct Kinds<'s>(&'s mut Scratch);

impl Visit for Kinds<'_> {
    fn object(&mut self, h: &objects::Head) {
        self.0.extend(&[h.group, h.variation]);
    }
}

/// Raises an event on the youngest message, or on a transaction without one, which exists in that direction alone.
fn raise(flow: &mut Flow<'_>, ev: u8, dir: Dir, now: u64) {
    let known = flow.last();
    let Some(tx) = known.or_else(|| flow.open(now)) else { return };
    let c = &mut flow.get(tx).common;
    if known.is_none() {
        c.advance_both(1);
        c.settle(dir.flip());
    }
    c.raise(ev, dir);
}

impl State {
    fn frame(&mut self, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let Some(link) = Link::read(b) else { return };
        if !link::head_is_sound(b) {
            return raise(flow, EV_LINK, dir, cx.now);
        }
        if !link.carries_data() {
            return;
        }
        if link.len < 6 {
            return raise(flow, EV_SMALL, dir, cx.now);
        }
        let side = &mut self.sides[dir.ix()];
        let mut first = true;
        for (block, sound) in link::blocks(b) {
            if !sound {
                raise(flow, EV_TRANSPORT, dir, cx.now);
                side.seq = None;
                side.data.truncate(0);
                return;
            }
            let mut block = block;
            if first {
                let Some((head, rest)) = block.split_first() else { return };
                if !Self::segment(side, *head, link) {
                    return;
                }
                (first, block) = (false, rest);
            }
            if side.data.len() + block.len() > MOST {
                side.seq = None;
                side.data.truncate(0);
                return raise(flow, EV_LONG, dir, cx.now);
            }
            // Without room the message is shorter.
            let _full = side.data.extend(cx.pool, block);
        }
        // The last segment.
        if b.get(link::HEAD).is_some_and(|head| head & 0x80 != 0) {
            self.message(flow, dir, cx);
        }
    }

    /// A segment's header: whether it begins the message, or is the next one.
    fn segment(side: &mut Side, head: u8, link: Link) -> bool {
        let seq = head & 0x3f;
        if head & 0x40 != 0 {
            side.data.truncate(0);
            side.link = link;
        } else if side.seq.is_none_or(|last| seq != (last + 1) & 0x3f) {
            side.seq = None;
            return false;
        }
        side.seq = Some(seq);
        true
    }

    fn message(&mut self, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        let side = &mut self.sides[dir.ix()];
        side.seq = None;
        // A confirmation is part of what was said before.
        if dir == Dir::ToServer && side.data.get(cx.pool).get(1) == Some(&0) {
            return;
        }
        let least = if dir == Dir::ToServer { 2 } else { 4 };
        if side.data.len() < least {
            return raise(flow, EV_SMALL, dir, cx.now);
        }
        let Some(tx) = flow.open(cx.now) else { return };
        let t = flow.get(tx);
        (t.own.dir, t.own.link) = (dir, side.link);
        t.own.data = core::mem::take(&mut side.data);
        let (b, read) = objects_of(t.own.data.get(cx.pool));
        cx.scratch.clear();
        let end = objects::walk(b, read, &mut Kinds(cx.scratch));
        // Without room rules do not see them.
        let _full = t.own.kinds.extend(cx.pool, cx.scratch.as_slice());
        t.own.complete = end.is_ok();
        let c = &mut t.common;
        match end {
            Err(Stop::Unknown) => c.raise(EV_UNKNOWN, dir),
            Err(Stop::Points) => c.raise(EV_POINTS, dir),
            Err(Stop::Objects) => c.raise(EV_OBJECTS, dir),
            Err(Stop::Short) | Ok(()) => {}
        }
        if dir == Dir::ToServer {
            self.unanswered = self.unanswered.saturating_add(1);
            if self.unanswered > FLOOD {
                c.raise(EV_FLOODED, dir);
            }
        } else {
            self.unanswered = 0;
        }
        c.advance_both(1);
        // The message exists in its own direction only.
        c.settle(dir.flip());
    }
}

impl Reader<Message> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.sides[dir.ix()].left
    }

    fn head(&mut self, rest: &[u8], _: Dir) -> Head {
        if rest.len() < link::HEAD {
            let begins = rest.iter().zip([0x05, 0x64]).all(|(b, m)| *b == m);
            return if begins { Head::More(link::HEAD) } else { Head::Skip(1) };
        }
        match Link::read(rest) {
            Some(l) => Head::Record { whole: l.whole(), first: l.whole() },
            // The next frame begins where its two bytes are.
            None => Head::Skip(rest.iter().skip(1).position(|b| *b == 0x05).map_or(rest.len(), |at| at + 1)),
        }
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        if let Part::First { bytes, .. } = part {
            self.frame(flow, bytes, dir, cx);
        }
    }

    fn lost(&mut self, dir: Dir) -> bool {
        self.sides[dir.ix()].seq = None;
        true
    }
}

impl Protocol for Dnp3 {
    type State = State;
    type Own = Message;

    fn new(_: &AppConfig) -> Self {
        Dnp3
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        counted::read(s, flow, input, cx)
    }

    fn free(own: &mut Message, pool: &mut BytePool) {
        own.data.free(pool);
        own.kinds.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.sides.iter_mut().for_each(|s| s.data.free(cx.pool));
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Message>, at: BufferAt<'a>) -> Buffer<'a> {
        if at.dir != tx.own.dir || at.index > 0 {
            return Buffer::Absent;
        }
        Buffer::whole(tx.own.data.get(at.pool))
    }

    fn int(&self, tx: &Tx<Message>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if at.dir != own.dir {
            return None;
        }
        let b = own.data.get(at.pool);
        match at.local {
            I_FUNCTION if at.index == 0 => b.get(1).map(|f| u64::from(*f)),
            I_INDICATORS if at.index == 0 => own.indications(b).map(u64::from),
            I_FUNCTION | I_INDICATORS => None,
            _ => {
                let kind = own.kinds.get(at.pool).get(at.index as usize * 2..)?.first_chunk::<2>()?;
                Some(u64::from(u16::from_be_bytes(*kind)))
            }
        }
    }

    fn log_due(&self, tx: &Tx<Message>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Message>) -> u8 {
        if !tx.own.data.is_empty() { LOG_WHOLE } else { 0 }
    }

    fn log(&self, tx: &Tx<Message>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }
}

impl Message {
    /// The indications of an answer.
    fn indications(&self, b: &[u8]) -> Option<u16> {
        match b {
            [_, function, high, low, ..] if *function >= 129 => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}
