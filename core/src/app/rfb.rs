//! RFB, the protocol of VNC (RFC 6143): one transaction a connection, from the versions to the server's description of
//! its screen. What follows is pictures and input, which nothing here reads.
//!
//! In: the bytes of a connection. Out: its transaction. Keywords, events and record as in Suricata 8
//! (rules/rfb-keywords).

use super::hosted::{Protocol, Transactions, make};
use super::octets::Octets;
use super::plain::{be32, start_nocase};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, Outcome,
    Probe, ProtoDef, Recognise, TxView, Verdict, event_at, frame, int_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Longest name of a screen that is kept; more of it is passed over.
const NAME_MAX: usize = 4096;
/// A version (7.1.1), a challenge and its response (7.2.2), and a screen without its name (7.3.2).
const VERSION: usize = 12;
const CHALLENGE: usize = 16;
const SCREEN: usize = 24;

static BUFFERS: &[BufferDef] = &[
    BufferDef {
        name: "rfb.name",
        aliases: &[],
        modifiers: &[],
        dirs: Dir::ToClient.bit(),
        progress: 1,
        kind: BufferKind::Single,
    },
    // Each message of the handshake.
    frame("frame:rfb.pdu"),
    frame("frame:rfb.stream"),
];

const F_PDU: u8 = 1;

const fn int(name: &'static str, dirs: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: 1, multi: false, values }
}

const I_TYPE: u8 = int_at(INTS, "rfb.sectype");
/// The number for every other result.
const UNKNOWN: u64 = 3;

static INTS: &[IntDef] = &[
    int("rfb.sectype", Dir::ToServer.bit(), &[]),
    int(
        "rfb.secresult",
        Dir::ToClient.bit(),
        &[("ok", 0), ("fail", 1), ("toomany", 2), ("unknown", UNKNOWN)],
    ),
];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_message");
const EV_TYPE: u8 = event_at(EVENTS, "unimplemented_security_type");
const EV_RESULT: u8 = event_at(EVENTS, "unknown_security_result");
const EV_CONFUSED: u8 = event_at(EVENTS, "confused_state");

static EVENTS: &[&str] =
    &["unimplemented_security_type", "unknown_security_result", "malformed_message", "confused_state"];

/// `rfb`.
pub static RFB: ProtoDef = ProtoDef {
    name: "rfb",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        // On any port: nothing else begins so.
        patterns: &[start_nocase(b"RFB ", ToServer, OVER_TCP), start_nocase(b"RFB ", ToClient, OVER_TCP)],
        probes: &[Probe {
            over: OVER_TCP,
            ports: &[5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909],
            probe: probe_rfb,
            dirs: 3,
            min_bytes: 0,
        }],
        ..Recognise::NONE
    },
    parser: Some(make::<Rfb>),
    record: "rfb",
    ..ProtoDef::NONE
};

fn probe_rfb(b: &[u8], _: Dir) -> Verdict {
    let n = b.len().min(4);
    if b.get(..n) != b"RFB ".get(..n) {
        return Verdict::No;
    }
    if b.len() < VERSION {
        return Verdict::Unsure;
    }
    super::plain::yes_if(b.get(7) == Some(&b'.') && b.get(11) == Some(&b'\n'))
}

/// What is to come next, and from whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    ServerVersion,
    ClientVersion,
    /// Version 3.3: the server decides.
    Decision,
    Types,
    Choice,
    Challenge,
    Response,
    Result,
    Reason,
    ClientInit,
    ServerInit,
    /// Nothing that is read.
    Over,
}

impl Step {
    const fn by(self) -> Dir {
        match self {
            Step::ClientVersion | Step::Choice | Step::Response | Step::ClientInit => ToServer,
            _ => ToClient,
        }
    }
}

/// The connection.
#[derive(Debug, Default)]
pub struct Own {
    /// Digits of the versions, of server and client.
    versions: [Option<[u8; 6]>; 2],
    kind: Option<u32>,
    challenge: Option<[u8; CHALLENGE]>,
    response: Option<[u8; CHALLENGE]>,
    result: Option<u32>,
    shared: Option<bool>,
    screen: Option<[u8; SCREEN]>,
    name: PBuf,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    tx: Option<u64>,
    step: Step,
}

/// The parser.
pub struct Rfb;

type Flow<'a> = Transactions<'a, Own>;

/// What became of a message: bytes that are done with, bytes that are needed, or an event that ends the reading.
enum Read {
    Done(usize, Step),
    Need(usize),
    Broken(u8),
}

fn array<const N: usize>(b: &[u8]) -> Option<[u8; N]> {
    b.first_chunk::<N>().copied()
}

/// The digits of `RFB xxx.yyy\n`.
fn version(b: &[u8]) -> Option<[u8; 6]> {
    let [b'R', b'F', b'B', b' ', a, c, d, b'.', e, f, g, b'\n'] = array::<VERSION>(b)? else { return None };
    Some([a, c, d, e, f, g]).filter(|v| v.iter().all(u8::is_ascii_digit))
}

impl Own {
    /// Minor version that the client speaks.
    fn minor(&self) -> u32 {
        let digits = self.versions[1].unwrap_or(*b"003008");
        digits.iter().skip(3).fold(0, |n, d| n * 10 + u32::from(d - b'0'))
    }

    /// What follows a type of security; an event for one that is not known here.
    fn follows(&mut self, kind: u32) -> Result<Step, u8> {
        self.kind = Some(kind);
        match kind {
            // Version 3.3 says so that it gives a reason.
            0 => Ok(Step::Reason),
            1 if self.minor() >= 8 => Ok(Step::Result),
            1 => Ok(Step::ClientInit),
            2 => Ok(Step::Challenge),
            _ => Err(EV_TYPE),
        }
    }

    fn message(&mut self, step: Step, rest: &[u8], cx: &mut AppCx<'_>) -> Read {
        let done = |n, next| Read::Done(n, next);
        let n = match step {
            Step::ServerVersion | Step::ClientVersion => VERSION,
            Step::Decision | Step::Result | Step::Reason => 4,
            Step::Types | Step::Choice | Step::ClientInit | Step::Over => 1,
            Step::Challenge | Step::Response => CHALLENGE,
            Step::ServerInit => SCREEN,
        };
        if rest.len() < n {
            return Read::Need(n);
        }
        match step {
            Step::ServerVersion | Step::ClientVersion => {
                let Some(v) = version(rest) else { return Read::Broken(EV_MALFORMED) };
                let client = step == Step::ClientVersion;
                self.versions[usize::from(client)] = Some(v);
                let next = match (client, self.minor()) {
                    (false, _) => Step::ClientVersion,
                    (true, 7..) => Step::Types,
                    _ => Step::Decision,
                };
                done(n, next)
            }
            Step::Decision => match self.follows(be32(rest, 0).unwrap_or(0)) {
                Ok(next) => done(n, next),
                Err(ev) => Read::Broken(ev),
            },
            Step::Types => match rest.first() {
                Some(0) => done(n, Step::Reason),
                Some(count) if rest.len() > usize::from(*count) => {
                    done(n + usize::from(*count), Step::Choice)
                }
                count => Read::Need(1 + usize::from(count.copied().unwrap_or(0))),
            },
            Step::Choice => match self.follows(u32::from(rest.first().copied().unwrap_or(0))) {
                // Nothing was offered under that number.
                Ok(Step::Reason) => Read::Broken(EV_TYPE),
                Ok(next) => done(n, next),
                Err(ev) => Read::Broken(ev),
            },
            Step::Challenge => {
                self.challenge = array(rest);
                done(n, Step::Response)
            }
            Step::Response => {
                self.response = array(rest);
                done(n, Step::Result)
            }
            Step::Result => {
                let result = be32(rest, 0).unwrap_or(u32::MAX);
                self.result = Some(result);
                match result {
                    0 => done(n, Step::ClientInit),
                    1 | 2 => done(n, if self.minor() >= 8 { Step::Reason } else { Step::Over }),
                    _ => Read::Broken(EV_RESULT),
                }
            }
            // The text of a reason is shown nowhere.
            Step::Reason => done(n, Step::Over),
            Step::ClientInit => {
                self.shared = rest.first().map(|b| *b != 0);
                done(n, Step::ServerInit)
            }
            Step::ServerInit => {
                let len = be32(rest, SCREEN - 4).unwrap_or(0) as usize;
                let kept = len.min(NAME_MAX);
                let Some(name) = rest.get(SCREEN..SCREEN + kept) else { return Read::Need(SCREEN + kept) };
                self.screen = array(rest);
                // Without room there is no name to look at.
                let _full = self.name.extend(cx.pool, name);
                done(SCREEN + kept, Step::Over)
            }
            Step::Over => done(rest.len(), Step::Over),
        }
    }
}

impl Rfb {
    /// The end of what is read.
    fn complete(s: &mut State, flow: &mut Flow<'_>, now: u64) {
        s.step = Step::Over;
        if let Some(tx) = flow.only(&mut s.tx, now) {
            flow.get(tx).common.advance_both(1);
        }
    }
}

impl Protocol for Rfb {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Rfb
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        if s.step == Step::Over {
            return all;
        }
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if s.step == Step::Over {
                return all;
            }
            let Some(tx) = flow.only(&mut s.tx, cx.now) else { return Outcome::Failed };
            let read = if s.step.by() == input.dir {
                flow.get(tx).own.message(s.step, rest, cx)
            } else {
                Read::Broken(EV_CONFUSED)
            };
            match read {
                Read::Done(n, next) => {
                    cx.frames.begin(F_PDU, rest, Some(n as u64));
                    cx.frames.of_tx(flow.peek(tx).common.id);
                    at += n;
                    s.step = next;
                    if next == Step::Over {
                        Self::complete(s, flow, cx.now);
                    }
                }
                Read::Need(need) => return Outcome::Consumed { bytes: at, need },
                Read::Broken(ev) => {
                    flow.get(tx).common.raise(ev, input.dir);
                    Self::complete(s, flow, cx.now);
                    return if ev == EV_MALFORMED { Outcome::Failed } else { all };
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.name.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        if at.index == 0 && tx.own.screen.is_some() {
            return Buffer::whole(tx.own.name.get(at.pool));
        }
        if tx.common.progress(at.dir) > 0 { Buffer::Absent } else { Buffer::NotYet }
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        match at.local {
            I_TYPE => tx.own.kind.map(u64::from),
            _ => tx.own.result.map(|r| u64::from(r).min(UNKNOWN)),
        }
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let own = &tx.own;
        for (key, version) in [("server_protocol_version", 0), ("client_protocol_version", 1)] {
            if let Some([a, b, c, d, e, f]) = own.versions[version] {
                out.begin_object(key);
                out.bytes("major", &[a, b, c]);
                out.bytes("minor", &[d, e, f]);
                out.end_object();
            }
        }
        if let Some(kind) = own.kind {
            out.begin_object("authentication");
            out.u64("security_type", u64::from(kind));
            if let Some(challenge) = own.challenge {
                out.begin_object("vnc");
                out.hex("challenge", &challenge);
                if let Some(response) = own.response {
                    out.hex("response", &response);
                }
                out.end_object();
            }
            match own.result {
                Some(0) => out.str("security_result", "OK"),
                Some(1) => out.str("security_result", "FAIL"),
                Some(2) => out.str("security_result", "TOOMANY"),
                Some(n) => out.fmt("security_result", format_args!("UNKNOWN ({n})")),
                None => {}
            }
            out.end_object();
        }
        if let Some(shared) = own.shared {
            out.bool("screen_shared", shared);
        }
        if let Some(screen) = own.screen {
            framebuffer(&screen, own.name.get(view.pool), out);
        }
    }
}

/// `framebuffer` (7.3.2, 7.4).
fn framebuffer(screen: &[u8; SCREEN], name: &[u8], out: &mut dyn Fields) {
    let mut o = Octets(screen);
    let mut wide = || o.u16().map_or(0, u64::from);
    out.begin_object("framebuffer");
    out.u64("width", wide());
    out.u64("height", wide());
    out.bytes("name", name);
    out.begin_object("pixel_format");
    let mut byte = || o.u8().map_or(0, u64::from);
    out.u64("bits_per_pixel", byte());
    out.u64("depth", byte());
    out.bool("big_endian", byte() != 0);
    out.bool("true_color", byte() != 0);
    for key in ["red_max", "green_max", "blue_max"] {
        out.u64(key, o.u16().map_or(0, u64::from));
    }
    for key in ["red_shift", "green_shift", "blue_shift"] {
        out.u64(key, o.u8().map_or(0, u64::from));
    }
    out.end_object();
    out.end_object();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use crate::app::shown::{cut_is_whole, events, ints, mutated, record, values};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const SERVER_INIT: &[u8] =
        b"\x05\0\x03\x20\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04desk";

    fn talk(minor: &'static [u8; 3]) -> Vec<(Dir, Vec<u8>)> {
        let version = [b"RFB 003.", &minor[..], b"\n"].concat();
        alloc::vec![
            (ToClient, b"RFB 003.008\n".to_vec()),
            (ToServer, version),
            (ToClient, b"\x02\x01\x02".to_vec()),
            (ToServer, b"\x02".to_vec()),
            (ToClient, b"0123456789abcdef".to_vec()),
            (ToServer, b"fedcba9876543210".to_vec()),
            (ToClient, b"\0\0\0\0".to_vec()),
            (ToServer, b"\x01".to_vec()),
            (ToClient, [SERVER_INIT, b"pictures"].concat()),
            (ToServer, b"\x05input".to_vec()),
        ]
    }

    #[test]
    fn a_connection() {
        let mut b = Bench::new(&RFB);
        for (dir, bytes) in talk(b"007") {
            b.feed(dir, &bytes);
        }
        assert_eq!(
            record(&b, &RFB, 0),
            "server_protocol_version{ major=003 minor=008 } client_protocol_version{ major=003 minor=007 } authentication{ \
             security_type=2 vnc{ challenge=30313233343536373839616263646566 response=66656463626139383736353433323130 } \
             security_result=OK } screen_shared=true framebuffer{ width=1280 height=800 name=desk pixel_format{ \
             bits_per_pixel=32 depth=24 big_endian=false true_color=true red_max=255 green_max=255 blue_max=255 red_shift=16 \
             green_shift=8 blue_shift=0 } }"
        );
        assert_eq!(values(&mut b, &RFB, "rfb.name", ToClient), [(0, "desk".into())]);
        assert_eq!(ints(&b, &RFB, 0, "rfb.sectype", ToServer), [2]);
        assert_eq!(ints(&b, &RFB, 0, "rfb.secresult", ToClient), [0]);
        assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
        b.close();
    }

    /// Which messages follow depends on the version and the type.
    #[test]
    fn versions_and_types() {
        for (turns, last) in [
            (
                &[(ToServer, &b"RFB 003.003\n"[..]), (ToClient, b"\0\0\0\x01"), (ToServer, b"\x00")][..],
                SERVER_INIT,
            ),
            (&[(ToServer, b"RFB 003.007\n"), (ToClient, b"\x01\x01"), (ToServer, b"\x01\x00")], SERVER_INIT),
            (
                &[
                    (ToServer, b"RFB 003.008\n"),
                    (ToClient, b"\x01\x01"),
                    (ToServer, b"\x01"),
                    (ToClient, b"\0\0\0\0"),
                    (ToServer, b"\0"),
                ],
                SERVER_INIT,
            ),
            (&[(ToServer, b"RFB 003.008\n"), (ToClient, b"\x00")], b"\0\0\0\x04full"),
            (&[(ToServer, b"RFB 003.003\n"), (ToClient, b"\0\0\0\0")], b"\0\0\0\x04full"),
        ] {
            let mut b = Bench::new(&RFB);
            b.feed(ToClient, b"RFB 003.889\n");
            for (dir, bytes) in turns {
                b.feed(*dir, bytes);
            }
            assert_eq!(b.parser.common(b.tx(0)).steps(), [0, 0], "{turns:?}");
            b.feed(ToClient, last);
            assert_eq!((b.parser.common(b.tx(0)).steps(), b.events(0)), ([1, 1], 0), "{turns:?}");
            b.close();
        }
    }

    #[test]
    fn every_event() {
        for (turns, event) in [
            (&[(ToClient, &b"RFB 003.00x\n"[..])][..], "malformed_message"),
            (&[(ToServer, b"RFB 003.008\n")], "confused_state"),
            (
                &[
                    (ToClient, b"RFB 003.889\n"),
                    (ToServer, b"RFB 003.008\n"),
                    (ToClient, b"\x01\x1e"),
                    (ToServer, b"\x1e"),
                ],
                "unimplemented_security_type",
            ),
            (
                &[
                    (ToClient, b"RFB 003.008\n"),
                    (ToServer, b"RFB 003.008\n"),
                    (ToClient, b"\x01\x01"),
                    (ToServer, b"\x01"),
                    (ToClient, b"\0\0\0\x09"),
                ],
                "unknown_security_result",
            ),
        ] {
            let mut b = Bench::new(&RFB);
            for (dir, bytes) in turns {
                b.feed(*dir, bytes);
            }
            assert_eq!(events(&b, &RFB, 0), [event]);
            assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
            if event == "unknown_security_result" {
                assert_eq!(ints(&b, &RFB, 0, "rfb.secresult", ToClient), [UNKNOWN]);
                assert!(record(&b, &RFB, 0).contains("security_result=UNKNOWN (9)"));
            }
            b.close();
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..9, 1..8)) {
            let all = talk(b"008");
            let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
            cut_is_whole(&RFB, &turns, &cuts);
        }

        #[test]
        fn never_panics(
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
            gap in 0u32..3,
        ) {
            let all = talk(b"008");
            let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
            mutated(&RFB, &turns, &changes, gap, &tail);
        }
    }
}
