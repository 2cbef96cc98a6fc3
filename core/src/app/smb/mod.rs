//! SMB 1 to 3 (MS-CIFS, MS-SMB2): versions, shares, who signs in, files with their data, renames and deletions, and the
//! DCERPC in named pipes.
//!
//! In: the byte stream, records of the session service (RFC 1002). Out: a transaction a request with its answer, one a file
//! and direction, one a call through a pipe. Of a record the first [`MOST`] bytes are read, and all data of files. Owns what
//! a connection has open ([`session`]).

mod data;
mod log;
mod names;
mod ntlmssp;
mod one;
mod record;
mod session;
#[cfg(test)]
mod tests;
mod two;

use super::carried::Carried;
use super::counted::{self, Head, Part, Reader};
use super::dcerpc::{Call, INTERFACE, OPERATION, STUB_DATA};
use super::entries::Entries;
use super::frames::Notes;
use super::hosted::{Protocol, Transactions, make};
use super::plain::SMB_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, ProtoDef, TxView, buffer_at, event_at, frame,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;
use record::Fid;
use session::State;

/// Most bytes of a record that are looked at, but for the data of files.
const MOST: usize = 64 << 10;
/// Bytes of a record that say how much is to be read before the data of a file.
const PEEK: usize = 112;

const fn text(name: &'static str, aliases: &'static [&'static str]) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs: 1, progress: 0, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[
    text("smb.share", &["smb_share"]),
    text("smb.named_pipe", &["smb_named_pipe"]),
    text("smb.ntlmssp_user", &["smb_ntlmssp_user"]),
    text("smb.ntlmssp_domain", &["smb_ntlmssp_domain"]),
    INTERFACE,
    STUB_DATA,
    BufferDef { name: "file.data", aliases: &["file_data"], kind: BufferKind::Streaming, ..INTERFACE },
    BufferDef { name: "file.name", ..INTERFACE },
    frame("frame:smb.nbss.pdu"),
    frame("frame:smb.nbss.hdr"),
    frame("frame:smb.nbss.data"),
    frame("frame:smb.smb1.pdu"),
    frame("frame:smb.smb1.hdr"),
    frame("frame:smb.smb1.data"),
    frame("frame:smb.smb2.pdu"),
    frame("frame:smb.smb2.hdr"),
    frame("frame:smb.smb2.data"),
    frame("frame:smb.smb3.pdu"),
    frame("frame:smb.smb3.hdr"),
    frame("frame:smb.smb3.data"),
    frame("frame:smb.stream"),
];

/// The header before what is encrypted (MS-SMB2 2.2.41).
const TRANSFORM: usize = 52;
/// Commands of a message that are frames.
const COMMANDS_MAX: usize = 64;
/// The first of each three: a unit, its header, what follows that.
const F_NBSS: u8 = buffer_at(BUFFERS, "frame:smb.nbss.pdu");
const F_ONE: u8 = buffer_at(BUFFERS, "frame:smb.smb1.pdu");
const F_TWO: u8 = buffer_at(BUFFERS, "frame:smb.smb2.pdu");
const F_THREE: u8 = buffer_at(BUFFERS, "frame:smb.smb3.pdu");
const SHARE: u8 = buffer_at(BUFFERS, "smb.share");
const PIPE: u8 = buffer_at(BUFFERS, "smb.named_pipe");
const USER: u8 = buffer_at(BUFFERS, "smb.ntlmssp_user");
const DOMAIN: u8 = buffer_at(BUFFERS, "smb.ntlmssp_domain");
const STUB: u8 = buffer_at(BUFFERS, "dcerpc.stub_data");
const FILE: u8 = buffer_at(BUFFERS, "file.data");
const FILE_NAME: u8 = buffer_at(BUFFERS, "file.name");

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

static EVENTS: &[&str] = &[
    "malformed_data",
    "malformed_ntlmssp_request",
    "negotiate_malformed_dialects",
    "negotiate_max_read_size_too_large",
    "negotiate_max_write_size_too_large",
    "duplicate_negotiate",
    "file_overlap",
    "response_to_server",
    "request_to_client",
    "read_request_too_large",
    "read_response_too_large",
    "write_request_too_large",
    "read_queue_cnt_exceeded",
    "read_queue_size_exceeded",
    "write_queue_cnt_exceeded",
    "write_queue_size_exceeded",
    "too_many_transactions",
];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const EV_NTLMSSP: u8 = event_at(EVENTS, "malformed_ntlmssp_request");
const EV_DIALECTS: u8 = event_at(EVENTS, "negotiate_malformed_dialects");
const EV_MAX_READ: u8 = event_at(EVENTS, "negotiate_max_read_size_too_large");
const EV_MAX_WRITE: u8 = event_at(EVENTS, "negotiate_max_write_size_too_large");
const EV_AGAIN: u8 = event_at(EVENTS, "duplicate_negotiate");
const EV_OVERLAP: u8 = event_at(EVENTS, "file_overlap");
const EV_TO_SERVER: u8 = event_at(EVENTS, "response_to_server");
const EV_TO_CLIENT: u8 = event_at(EVENTS, "request_to_client");
const EV_READ: u8 = event_at(EVENTS, "read_request_too_large");
const EV_READ_ANSWER: u8 = event_at(EVENTS, "read_response_too_large");
const EV_WRITE: u8 = event_at(EVENTS, "write_request_too_large");
const EV_READS: u8 = event_at(EVENTS, "read_queue_cnt_exceeded");
const EV_READ_BYTES: u8 = event_at(EVENTS, "read_queue_size_exceeded");
const EV_WRITES: u8 = event_at(EVENTS, "write_queue_cnt_exceeded");
const EV_WRITE_BYTES: u8 = event_at(EVENTS, "write_queue_size_exceeded");
const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");

pub static SMB: ProtoDef = ProtoDef {
    name: "smb",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: SMB_BEGINS,
    parser: Some(make::<Smb>),
    record: "smb",
    bounded: true,
    families: &["dcerpc"],
    ..ProtoDef::NONE
};

/// Texts of a transaction.
mod tag {
    pub(super) const DIALECT: u8 = 1;
    pub(super) const OFFERED: u8 = 2;
    pub(super) const NAME: u8 = 3;
    pub(super) const TO: u8 = 4;
    pub(super) const SHARE: u8 = 5;
    pub(super) const SERVICE: u8 = 6;
    pub(super) const FOUND: u8 = 7;
    pub(super) const USER: u8 = 8;
    pub(super) const DOMAIN: u8 = 9;
    pub(super) const HOST: u8 = 10;
    pub(super) const VERSION: u8 = 11;
    pub(super) const REALM: u8 = 12;
    pub(super) const SNAME: u8 = 13;
    pub(super) const OS: u8 = 14;
    pub(super) const LM: u8 = 15;
    pub(super) const SERVER_OS: u8 = 16;
    pub(super) const SERVER_LM: u8 = 17;
}

/// What a transaction is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Generic,
    Negotiate,
    Setup,
    Tree,
    Create,
    File,
    Rename,
    Disposition,
    Pipe,
    Ioctl,
}

/// One request and its answer, a file, or a call.
#[derive(Debug, Default)]
pub struct Exchange {
    kind: Kind,
    version: u8,
    command: u16,
    /// What an answer shares with its request.
    id: u64,
    session: u64,
    tree: u32,
    /// The status, and whether it is a class and a code of DOS.
    status: Option<(u32, bool)>,
    dialect: u16,
    list: Entries,
    /// The share is that of pipes; the answer said which it is.
    pipe: bool,
    told: bool,
    /// A directory is opened; of a session: names lie where the version should be.
    flag: bool,
    delete: bool,
    /// Disposition, kind of the share, function, or how a file is to be changed.
    number: u32,
    fid: Fid,
    times: [u64; 4],
    size: u64,
    client: Option<[u8; 16]>,
    server: [u8; 16],
    max_read: u32,
    max_write: u32,
    /// Direction of the bytes of a file.
    dir: Dir,
    file: Carried,
    call: Call,
}

pub struct Smb;

type Flow<'a> = Transactions<'a, Exchange>;

/// Adds a text as UTF-8.
fn put(list: &mut Entries, tag: u8, text: record::Text<'_>, cx: &mut AppCx<'_>) {
    cx.scratch.clear();
    ntlmssp::text(text.bytes, text.wide, cx.scratch);
    // Without room a text is not there.
    list.push(cx.pool, tag, cx.scratch.as_slice());
}

impl Reader<Exchange> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.sides[dir.ix()].left
    }

    fn head(&mut self, rest: &[u8], dir: Dir) -> Head {
        let lost = self.sides[dir.ix()].lost;
        if lost {
            // After a gap the next bytes that look like a record are one.
            let at = memchr::memchr(0, rest).unwrap_or(rest.len());
            if at > 0 {
                return Head::Skip(at);
            }
            match rest.get(4..8) {
                None => return Head::More(8),
                Some([0xfd..=0xff, b'S', b'M', b'B']) => self.sides[dir.ix()].lost = false,
                Some(_) => return Head::Skip(1),
            }
        }
        let Some(head) = rest.first_chunk::<4>() else { return Head::More(4) };
        let len = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
        if head[0] != 0 {
            // Others of the session service have no message.
            return Head::Record { whole: 4 + len, first: 4 };
        }
        let need = 4 + len.min(PEEK);
        let Some(start) = rest.get(4..need) else { return Head::More(need) };
        let first = match record::before_data(start).filter(|_| !self.is_pipe(start, dir)) {
            Some(n) => n.min(len).min(MOST),
            None => len.min(MOST),
        };
        Head::Record { whole: 4 + len, first: 4 + first }
    }

    fn frames(rest: &[u8], whole: usize, notes: &mut Notes) {
        notes.parts(F_NBSS, rest, (whole, 4));
        let Some(mut m) = rest.get(4..).filter(|_| rest.first() == Some(&0)) else { return };
        let mut left = whole.saturating_sub(4);
        // Several commands of version 2 may follow each other in a message (MS-SMB2 2.2.1).
        for _ in 0..COMMANDS_MAX {
            let (first, head) = match m.get(..4) {
                Some(b"\xffSMB") => (F_ONE, record::ONE_HEAD),
                Some(b"\xfeSMB") => (F_TWO, record::TWO_HEAD),
                Some(b"\xfdSMB") => (F_THREE, TRANSFORM),
                _ => return,
            };
            let next = if first == F_TWO { record::le32(m, 20).unwrap_or(0) as usize } else { 0 };
            let len = if next >= head && next < left { next } else { left };
            notes.parts(first, m, (len, head));
            (left, m) = match m.get(len..) {
                Some(rest) if len < left => (left - len, rest),
                _ => return,
            };
        }
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        match part {
            Part::First { bytes, .. } => {
                self.sides[dir.ix()].file = None;
                if let (Some(0), Some(m)) = (bytes.first(), bytes.get(4..)) {
                    self.message(flow, m, dir, cx);
                }
            }
            Part::Rest { bytes, .. } => self.data(flow, bytes, 0, dir, cx),
            Part::Gap { bytes, .. } => self.data(flow, &[], bytes as u64, dir, cx),
        }
    }

    fn lost(&mut self, dir: Dir) -> bool {
        let side = &mut self.sides[dir.ix()];
        (side.lost, side.file) = (true, None);
        true
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
        let out = counted::read(s, flow, input, cx);
        if input.eof {
            s.end(flow, input.dir, cx);
        }
        if s.full { Outcome::Failed } else { out }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.list.free(pool);
        own.file.free(pool);
        own.call.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.free(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        if index > 0 {
            return Buffer::Absent;
        }
        let stored = |tag: u8| match own.list.nth(pool, tag, 0) {
            Some(v) if !v.is_empty() => Buffer::whole(v),
            _ => Buffer::Absent,
        };
        match local {
            SHARE | PIPE if own.kind != Kind::Tree => Buffer::Absent,
            SHARE | PIPE if !own.told => Buffer::NotYet,
            SHARE if !own.pipe => stored(tag::SHARE),
            PIPE if own.pipe => stored(tag::SHARE),
            SHARE | PIPE => Buffer::Absent,
            USER => stored(tag::USER),
            DOMAIN => stored(tag::DOMAIN),
            STUB if own.kind == Kind::Pipe => own.call.stub(dir, pool),
            FILE if own.kind == Kind::File && own.dir == dir => own.file.buffer(pool),
            FILE_NAME if own.kind == Kind::File && own.dir == dir => stored(tag::NAME),
            STUB | FILE | FILE_NAME => Buffer::Absent,
            _ => own.call.interface().map_or(Buffer::Absent, Buffer::whole),
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        if at.local == 0 { Some(u64::from(tx.own.version)) } else { tx.own.call.opnum.map(u64::from) }
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.version > 0 { LOG_WHOLE } else { 0 }
    }

    fn little(&self, tx: &Tx<Exchange>, dir: Dir) -> bool {
        tx.own.call.little[dir.ix()]
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        log::write(&tx.own, tx.common.id, view.pool, out);
    }
}
