//! FTP control connections (RFC 959, RFC 2428, RFC 4217): one transaction a command with its replies. Data
//! connections are announced with the file they carry.

use core::net::IpAddr;

use super::entries::Entries;
use super::expect::{Announce, WHAT_MAX};
use super::hosted::{Protocol, Transactions, make};
use super::plain::FTP_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP,
    Outcome, ProtoDef, TxView,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, int_at};
use crate::event::Fields;
use crate::packet::Addr;
use crate::pool::{BytePool, PBuf};

/// Longest line kept (`app-layer.protocols.ftp.max-line-length`).
const LINE_MAX: usize = 4096;
/// Commands that may wait for their reply (`app-layer.protocols.ftp.max-tx`).
const PENDING_MAX: u32 = 1024;

const B_COMMAND: u8 = buffer_at(BUFFERS, "ftp.command");
const B_DATA: u8 = buffer_at(BUFFERS, "ftp.command_data");
const B_REPLY: u8 = buffer_at(BUFFERS, "ftp.reply");

const fn buffer(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    // Replies are looked at when the last one is there.
    let progress = if dirs == 2 { 1 } else { 0 };
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress, kind }
}

static BUFFERS: &[BufferDef] = &[
    buffer("ftp.command", 1, BufferKind::Single),
    buffer("ftp.command_data", 1, BufferKind::Single),
    buffer("ftp.reply", 2, BufferKind::Multi),
    buffer("ftp.completion_code", 2, BufferKind::Multi),
];

const I_PORT: u8 = int_at(INTS, "ftp.dynamic_port");
const I_BOUNCE: u8 = int_at(INTS, "ftp.bounce");
const I_MODE: u8 = int_at(INTS, "ftp.mode");

const fn int(name: &'static str, dirs: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    let progress = if dirs == 2 { 1 } else { 0 };
    IntDef { name, aliases: &[], dirs, progress, multi: false, values }
}

static INTS: &[IntDef] = &[
    int("ftp.dynamic_port", 3, &[]),
    // `ftpbounce`.
    int("ftp.bounce", 1, &[]),
    int("ftp.mode", 3, &[("active", 0), ("passive", 1)]),
    int("ftp.reply_received", 2, &[("no", 0), ("off", 0), ("false", 0), ("yes", 1), ("on", 1), ("true", 1)]),
];

const EV_COMMAND: u8 = event_at(EVENTS, "request_command_too_long");
const EV_REPLY: u8 = event_at(EVENTS, "response_command_too_long");

const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_BEFORE: u8 = event_at(EVENTS, "file_before_port");
const EV_NAMELESS: u8 = event_at(EVENTS, "file_without_name");

static EVENTS: &[&str] = &[
    "request_command_too_long",
    "response_command_too_long",
    "too_many_transactions",
    "file_before_port",
    "file_without_name",
];

/// `ftp`.
pub static FTP: ProtoDef = ProtoDef {
    name: "ftp",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: FTP_BEGINS,
    parser: Some(make::<Ftp>),
    record: "ftp",
    bounded: true,
    ..ProtoDef::NONE
};

const COMMANDS: &[&str] = &[
    "ABOR", "ACCT", "ADAT", "ALLO", "APPE", "AUTH TLS", "AUTH", "CDUP", "CHMOD", "CWD", "DELE", "EPRT",
    "EPSV", "FEAT", "HELP", "LANG", "LIST", "MDTM", "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS",
    "PASS", "PASV", "PBSZ", "PORT", "PROT", "PWD", "QUIT", "REIN", "REST", "RETR", "RMD", "RNFR", "RNTO",
    "SITE", "SIZE", "SMNT", "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE", "UMASK", "USER",
];

const T_REPLY: u8 = 0;
const T_CODE: u8 = 1;

/// A command and its replies.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Name in [`COMMANDS`] + 1; 0 for replies to no command, or a command of no known name.
    command: u8,
    /// The line after the command.
    data: PBuf,
    replies: Entries,
    port: u16,
    /// 1 active, 2 passive.
    mode: u8,
    /// The command names another host than the client's.
    bounce: bool,
    cut: bool,
    reply_cut: bool,
    replied: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    skipping: [bool; 2],
    /// Port of the next data connection.
    port: u16,
    auth_tls: bool,
    pending: usize,
    /// Too many commands wait.
    full: bool,
}

/// The parser.
pub struct Ftp {
    pending: usize,
    announce: Option<Announce>,
    data: Option<AppProto>,
    tls: Option<AppProto>,
}

impl Ftp {
    fn command(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Exchange>,
        line: &[u8],
        cut: bool,
        cx: &mut AppCx<'_>,
    ) {
        let known = COMMANDS
            .iter()
            .position(|c| line.get(..c.len()).is_some_and(|l| l.eq_ignore_ascii_case(c.as_bytes())));
        // As Suricata: what begins like no command begins no transaction, and needs no blank behind it.
        if known.is_none() {
            return;
        }
        if s.pending >= self.pending
            && let Some(old) = flow.waiting(|_| true)
        {
            // It is the last that is read.
            flow.get(old).common.raise(EV_MANY, Dir::ToServer);
            s.full = true;
        }
        let Some(tx) = flow.open(cx.now) else { return };
        s.pending += 1;
        flow.wait(tx);
        let t = flow.get(tx);
        t.common.advance(Dir::ToServer, 1);
        let own = &mut t.own;
        own.command = known.map_or(0, |i| i as u8 + 1);
        own.cut = cut;
        let name = known.and_then(|i| COMMANDS.get(i)).copied().unwrap_or("");
        let args = line.get(name.len() + 1..).unwrap_or(&[]);
        let _ = own.data.extend(cx.pool, args);
        match name {
            "PORT" => own.port = comma_port(args),
            "EPRT" => own.port = bar_port(args, 3),
            "AUTH TLS" => s.auth_tls = true,
            _ => {}
        }
        // A file is asked for, and there is no connection for it yet, or no name.
        let file = matches!(name, "RETR" | "STOR");
        let wrong = [(EV_BEFORE, s.port == 0), (EV_NAMELESS, args.trim_ascii().is_empty())];
        match name {
            "PORT" | "EPRT" => {
                own.bounce = names_another(name, args, cx.client);
                own.mode = 1;
                s.port = own.port;
            }
            "PASV" | "EPSV" => own.mode = 2,
            "RETR" | "STOR" | "LIST" | "NLST" if s.port != 0 => {
                let mut what = [0u8; WHAT_MAX];
                what[0] = match name {
                    "RETR" => 1,
                    "STOR" => 2,
                    "LIST" => 3,
                    _ => 4,
                };
                let n = args.len().min(WHAT_MAX - 1);
                if let (Some(to), Some(from)) = (what.get_mut(1..1 + n), args.get(..n)) {
                    to.copy_from_slice(from);
                }
                self.announce =
                    self.data.map(|proto| Announce { proto, port: s.port, what, what_len: n as u16 + 1 });
                s.port = 0;
            }
            _ => {}
        }
        if cut {
            t.common.raise(EV_COMMAND, Dir::ToServer);
        }
        for (event, _) in wrong.into_iter().filter(|w| file && w.1) {
            t.common.raise(event, Dir::ToServer);
        }
    }

    /// Returns whether TLS begins.
    fn reply(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Exchange>,
        line: &[u8],
        cut: bool,
        cx: &mut AppCx<'_>,
    ) -> bool {
        // The greeting, and whatever else nobody asked for, belongs to no transaction.
        let Some(tx) = flow.waiting(|_| true) else { return false };
        let t = flow.get(tx);
        let own = &mut t.own;
        own.replied = true;
        own.reply_cut |= cut;
        let code = line.get(..3).filter(|c| c.iter().all(u8::is_ascii_digit));
        let text = match (code, line.get(3)) {
            (Some(_), Some(b' ' | b'-')) => line.get(4..).unwrap_or(&[]),
            (Some(_), None) => &[],
            _ => line,
        };
        if let Some(code) = code {
            own.replies.push(cx.pool, T_CODE, code);
        }
        own.replies.push(cx.pool, T_REPLY, text);
        t.common.touch_both();
        if cut {
            t.common.raise(EV_REPLY, Dir::ToClient);
        }
        let own = &mut t.own;
        match code {
            Some(b"227") => {
                own.port = comma_port(text);
                (own.mode, s.port) = (2, own.port);
            }
            Some(b"229") => {
                own.port = bar_port(text, 3);
                (own.mode, s.port) = (2, own.port);
            }
            _ => {}
        }
        // 1xx announces a further reply; a dash, further lines.
        let last = code.is_none_or(|c| c[0] != b'1' && line.get(3) != Some(&b'-'));
        if last {
            finish(t);
            flow.answered(tx);
            s.pending = s.pending.saturating_sub(1);
        }
        let secure = s.auth_tls && code == Some(b"234");
        if code.is_some() && last {
            s.auth_tls = false;
        }
        secure
    }
}

fn finish(t: &mut Tx<Exchange>) {
    t.common.advance_both(1);
    t.common.touch_both();
}

/// `(192,168,0,1,234,10)`: the port of the last two numbers.
fn comma_port(text: &[u8]) -> u16 {
    comma_numbers(text).map_or(0, |[.., high, low]| (high & 255) << 8 | low & 255)
}

/// Whether the host in the argument of PORT or EPRT is another than the client: then the server is to send data to a third
/// (RFC 2577 2).
fn names_another(command: &str, args: &[u8], client: Addr) -> bool {
    if command == "PORT" {
        let Some([a, b, c, d, ..]) = comma_numbers(args) else { return false };
        return Addr::v4([a, b, c, d].map(|n| n as u8)) != client;
    }
    let host = args.split(|b| *b == b'|').nth(2).and_then(|h| core::str::from_utf8(h).ok());
    host.and_then(|h| h.parse::<IpAddr>().ok()).is_some_and(|ip| match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()) != client,
        IpAddr::V6(ip) => Addr(ip.octets()) != client,
    })
}

/// The six numbers between commas.
fn comma_numbers(text: &[u8]) -> Option<[u16; 6]> {
    let mut numbers = [0u16; 6];
    let mut n = 0;
    let mut inside = false;
    let from = text.iter().position(|b| *b == b'(').map_or(0, |i| i + 1);
    for &b in text.get(from..).unwrap_or(&[]) {
        match b {
            b'0'..=b'9' => {
                inside = true;
                if let Some(v) = numbers.get_mut(n) {
                    *v = v.wrapping_mul(10).wrapping_add(u16::from(b - b'0'));
                }
            }
            b',' if inside => {
                n += 1;
                inside = false;
            }
            b' ' if !inside => {}
            _ if n == 5 => break,
            _ => return None,
        }
    }
    (n == 5).then_some(numbers)
}

/// `|1|10.0.0.1|6275|` or `(|||6275|)`: the port between the bars, the `bar`th.
fn bar_port(text: &[u8], bar: usize) -> u16 {
    let Some(from) = text.iter().position(|b| *b == b'|') else { return 0 };
    let field = text.get(from..).unwrap_or(&[]).split(|b| *b == b'|').nth(bar).unwrap_or(&[]);
    field
        .iter()
        .try_fold(0u16, |n, b| {
            b.is_ascii_digit().then(|| n.wrapping_mul(10).wrapping_add(u16::from(b - b'0')))
        })
        .unwrap_or(0)
}

impl Protocol for Ftp {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        let pending = cfg.waiting_or("ftp", PENDING_MAX) as usize;
        Ftp { pending, announce: None, data: AppProto::by_name("ftp-data"), tls: AppProto::by_name("tls") }
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Exchange>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        cx.due = 0;
        let d = input.dir.ix();
        if input.gap > 0 {
            s.skipping[d] = true;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let window = rest.get(..LINE_MAX).unwrap_or(rest);
            let (line, used, cut) = match memchr::memchr(b'\n', window) {
                Some(n) => (window.get(..n).unwrap_or(&[]), n + 1, false),
                None if window.len() == LINE_MAX => (window, LINE_MAX, true),
                None => break,
            };
            at += used;
            let skip = core::mem::replace(&mut s.skipping[d], cut);
            if skip {
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match input.dir {
                Dir::ToServer => {
                    self.command(s, flow, line, cut, cx);
                    if s.full {
                        return Outcome::Failed;
                    }
                }
                Dir::ToClient => {
                    if self.reply(s, flow, line, cut, cx) {
                        return Outcome::Change { bytes: at, to: self.tls };
                    }
                }
            }
            if self.announce.is_some() {
                // Announced before the next command can overwrite it.
                return Outcome::Consumed { bytes: at, need: 0 };
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.data.free(pool);
        own.replies.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        match (local, dir) {
            (B_COMMAND, Dir::ToServer) if index == 0 => {
                name(own).map_or(Buffer::Absent, |n| Buffer::whole(n.as_bytes()))
            }
            (B_DATA, Dir::ToServer) if index == 0 && !own.data.is_empty() => {
                Buffer::whole(own.data.get(pool))
            }
            (B_COMMAND | B_DATA, _) | (_, Dir::ToServer) => Buffer::Absent,
            (n, _) => {
                let tag = if n == B_REPLY { T_REPLY } else { T_CODE };
                own.replies.nth(pool, tag, index).map_or(Buffer::Absent, Buffer::whole)
            }
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        let IntAt { local, .. } = at;
        let own = &tx.own;
        match local {
            I_PORT => (own.port != 0).then_some(u64::from(own.port)),
            I_BOUNCE => Some(u64::from(own.bounce)),
            I_MODE => (own.mode != 0).then(|| u64::from(own.mode) - 1),
            _ => Some(u64::from(own.replied)),
        }
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let own = &tx.own;
        if let Some(n) = name(own) {
            out.str("command", n);
            if !own.data.is_empty() {
                out.bytes("command_data", own.data.get(view.pool));
                out.bool("command_truncated", own.cut);
            }
        }
        own.replies.log(view.pool, T_CODE, "completion_code", out);
        own.replies.log(view.pool, T_REPLY, "reply", out);
        if own.port != 0 {
            out.u64("dynamic_port", u64::from(own.port));
        }
        if own.mode != 0 {
            out.str("mode", if own.mode == 1 { "active" } else { "passive" });
        }
        out.str("reply_received", if own.replied { "yes" } else { "no" });
        out.bool("reply_truncated", own.reply_cut);
    }

    fn announced(&mut self) -> Option<Announce> {
        self.announce.take()
    }
}

fn name(own: &Exchange) -> Option<&'static str> {
    COMMANDS.get(usize::from(own.command).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use proptest::prelude::*;

    const CLIENT: &[u8] =
        b"USER anonymous\r\nPASS x\r\nPORT 192,168,0,13,234,10\r\nRETR temp.txt\r\nEPSV\r\nQUIT\r\n";
    const SERVER: &[u8] =
        b"220 (vsFTPd 3.0)\r\n331 Please specify the password.\r\n230 ok\r\n200 PORT ok\r\n\
150 Opening\r\n226 Transfer complete.\r\n229 Entering (|||58612|).\r\n221 Goodbye.\r\n";

    #[test]
    fn commands_and_replies_meet() {
        let mut b = Bench::new(&FTP);
        b.feed(Dir::ToClient, SERVER.get(..18).unwrap());
        let n = CLIENT.len();
        let mut at = 0;
        while at < n {
            let Outcome::Consumed { bytes, .. } = b.feed(Dir::ToServer, &CLIENT[at..]) else { panic!() };
            at += bytes;
        }
        let a = b.with(|p, _| p.announced()).unwrap();
        assert_eq!((a.port, &a.what[..a.what_len as usize]), (234 * 256 + 10, &b"\x01temp.txt"[..]));
        b.feed(Dir::ToClient, SERVER.get(18..).unwrap());
        let codes = b.values(3, Dir::ToClient);
        // The greeting answers nothing.
        assert_eq!(codes[0], (0, b"331".to_vec()));
        assert_eq!(codes[3..5], [(3, b"150".to_vec()), (3, b"226".to_vec())]);
        assert_eq!(
            b.parser.int(b.st, b.tx(4), IntAt { local: I_PORT, dir: Dir::ToServer, index: 0, pool: &b.pool }),
            Some(58612)
        );
        assert_eq!(b.values(0, Dir::ToServer)[5], (5, b"QUIT".to_vec()));
        b.close();
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..60, 1..8)) {
            let mut whole = Bench::new(&FTP);
            whole.feed_cut(Dir::ToServer, CLIENT, &[CLIENT.len()]);
            let mut cut = Bench::new(&FTP);
            let text = &CLIENT[..CLIENT.len() - 12];
            let mut short = Bench::new(&FTP);
            short.feed_cut(Dir::ToServer, text, &[1]);
            cut.feed_cut(Dir::ToServer, text, &cuts);
            let (a, b) = (cut.values(0, Dir::ToServer), short.values(0, Dir::ToServer));
            prop_assert!(b.starts_with(&a));
            for x in [whole, cut, short] {
                x.close();
            }
        }

        #[test]
        fn never_panics(lines in proptest::collection::vec((any::<bool>(), "[A-Z]{3,4} ?[0-9,|()]{0,20}\r?\n?"), 0..12), raw in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut b = Bench::new(&FTP);
            for (ts, l) in &lines {
                b.feed(if *ts { Dir::ToServer } else { Dir::ToClient }, l.as_bytes());
            }
            b.feed(Dir::ToClient, &raw);
            b.feed(Dir::ToServer, &raw);
            b.everything(&FTP);
            b.close();
        }
    }

    #[test]
    fn a_third_host_is_told_from_the_client() {
        let client = Addr::v4([10, 0, 0, 7]);
        for (command, args, another) in [
            ("PORT", "10,0,0,7,4,1", false),
            ("PORT", "10,0,0,8,4,1", true),
            ("PORT", "10,0,0", false),
            ("EPRT", "|1|10.0.0.7|1025|", false),
            ("EPRT", "|1|10.0.0.9|1025|", true),
            ("EPRT", "|2|::1|1025|", true),
            ("EPRT", "|1|x|1025|", false),
        ] {
            assert_eq!(names_another(command, args.as_bytes(), client), another, "{command} {args}");
        }
    }

    #[test]
    fn files_without_a_name_or_a_connection() {
        let mut b = Bench::new(&FTP);
        b.feed(Dir::ToServer, b"RETR a\r\nPORT 10,0,0,7,4,1\r\nRETR\r\nPORT 10,0,0,7,4,1\r\nRETR b\r\n");
        let raised: alloc::vec::Vec<u128> = b
            .live()
            .into_iter()
            .map(|tx| b.parser.common(tx).events & (1 << EV_BEFORE | 1 << EV_NAMELESS))
            .filter(|e| *e != 0)
            .collect();
        assert_eq!(raised, [1 << EV_BEFORE, 1 << EV_NAMELESS]);
    }
}
