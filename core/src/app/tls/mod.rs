//! TLS and SSL over TCP: versions, names, certificates and fingerprints of a session, until it is encrypted.
//!
//! In: in-order bytes of both sides. Out: one transaction a session, with the buffers of `tls.*`, `ja3*` and
//! `ja4.hash`, and the EVE `tls` record. Owns the sessions' states; their texts lie in the engine's pool.
//!
//! Source of names and meanings: Suricata's "TLS/SSL keywords", "JA3/JA4 keywords" and "Eve JSON, TLS".

mod hello;
mod log;
pub(super) mod prints;
mod record;
mod state;
#[cfg(test)]
mod tests;
pub(super) mod x509;
pub(crate) use x509::civil;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::frames::Notes;
use super::*;
use crate::app::{Encrypted, buffer_at};
use crate::pool::Records;
use crate::unseal::Hello;
use record::Step;
use state::*;

/// App-layer events, by their bit.
pub mod events {
    /// Names as in `app-layer-event:tls.NAME`, in order of their bit.
    pub const NAMES: &[&str] = &[
        "invalid_sslv2_header",
        "invalid_tls_header",
        "invalid_record_version",
        "invalid_record_type",
        "invalid_record_length",
        "invalid_handshake_message",
        "heartbeat_message",
        "invalid_heartbeat_message",
        "overflow_heartbeat_message",
        "dataleak_heartbeat_mismatch",
        "handshake_invalid_length",
        "multiple_sni_extensions",
        "invalid_sni_type",
        "invalid_sni_length",
        "too_many_records_in_packet",
        "invalid_alert_message",
        "invalid_certificate",
        "certificate_invalid_length",
        "certificate_invalid_version",
        "certificate_invalid_serial",
        "certificate_invalid_algorithmidentifier",
        "certificate_invalid_x509name",
        "certificate_invalid_date",
        "certificate_invalid_extensions",
        "certificate_invalid_der",
        "certificate_invalid_subject",
        "certificate_invalid_issuer",
        "certificate_invalid_validity",
        "error_message_encountered",
        "invalid_ssl_record",
        "too_many_subject_alternative_names",
    ];
    pub const INVALID_SSLV2_HEADER: u8 = 0;
    pub const INVALID_RECORD_VERSION: u8 = 2;
    pub const INVALID_RECORD_TYPE: u8 = 3;
    pub const INVALID_RECORD_LENGTH: u8 = 4;
    pub const INVALID_HANDSHAKE_MESSAGE: u8 = 5;
    pub const INVALID_HEARTBEAT_MESSAGE: u8 = 7;
    pub const OVERFLOW_HEARTBEAT_MESSAGE: u8 = 8;
    pub const DATALEAK_HEARTBEAT_MISMATCH: u8 = 9;
    pub const HANDSHAKE_INVALID_LENGTH: u8 = 10;
    pub const MULTIPLE_SNI_EXTENSIONS: u8 = 11;
    pub const INVALID_SNI_TYPE: u8 = 12;
    pub const INVALID_SNI_LENGTH: u8 = 13;
    pub const INVALID_ALERT_MESSAGE: u8 = 15;
    pub const INVALID_CERTIFICATE: u8 = 16;
    pub const CERTIFICATE_INVALID_LENGTH: u8 = 17;
    pub const CERTIFICATE_INVALID_VERSION: u8 = 18;
    pub const CERTIFICATE_INVALID_SERIAL: u8 = 19;
    pub const CERTIFICATE_INVALID_ALGORITHMIDENTIFIER: u8 = 20;
    pub const CERTIFICATE_INVALID_X509NAME: u8 = 21;
    pub const CERTIFICATE_INVALID_DATE: u8 = 22;
    pub const CERTIFICATE_INVALID_EXTENSIONS: u8 = 23;
    pub const CERTIFICATE_INVALID_DER: u8 = 24;
    pub const ERROR_MESSAGE_ENCOUNTERED: u8 = 28;
    pub const INVALID_SSL_RECORD: u8 = 29;
    pub const TOO_MANY_SUBJECT_ALTERNATIVE_NAMES: u8 = 30;
}

const TS: u8 = Dir::ToServer.bit();
const TC: u8 = Dir::ToClient.bit();

// Local numbers of the buffers.
/// A record; after it its header, and what follows that.
const F_PDU: u8 = buffer_at(BUFFERS, "frame:tls.pdu");
const F_ALERT: u8 = buffer_at(BUFFERS, "frame:tls.alert");
const F_HEARTBEAT: u8 = buffer_at(BUFFERS, "frame:tls.heartbeat");
const F_TWO: u8 = buffer_at(BUFFERS, "frame:tls.ssl2.pdu");
const B_SNI: u8 = buffer_at(BUFFERS, "tls.sni");
const B_SUBJECT: u8 = buffer_at(BUFFERS, "tls.cert_subject");
const B_ISSUER: u8 = buffer_at(BUFFERS, "tls.cert_issuer");
const B_SERIAL: u8 = buffer_at(BUFFERS, "tls.cert_serial");
const B_FINGERPRINT: u8 = buffer_at(BUFFERS, "tls.cert_fingerprint");
const B_CERTS: u8 = buffer_at(BUFFERS, "tls.certs");
const B_ALT_NAMES: u8 = buffer_at(BUFFERS, "tls.subjectaltname");
const B_ALPN: u8 = buffer_at(BUFFERS, "tls.alpn");
const B_RANDOM: u8 = buffer_at(BUFFERS, "tls.random");
const B_RANDOM_TIME: u8 = buffer_at(BUFFERS, "tls.random_time");
const B_RANDOM_BYTES: u8 = buffer_at(BUFFERS, "tls.random_bytes");
const B_JA3_HASH: u8 = buffer_at(BUFFERS, "ja3.hash");
const B_JA3: u8 = buffer_at(BUFFERS, "ja3.string");
const B_JA3S_HASH: u8 = buffer_at(BUFFERS, "ja3s.hash");
const B_JA3S: u8 = buffer_at(BUFFERS, "ja3s.string");
const B_JA4: u8 = buffer_at(BUFFERS, "ja4.hash");

/// Notes the frames of a record that `b` begins with; `took`: bytes of it that were read.
fn frames(b: &[u8], took: usize, notes: &mut Notes) {
    let Some(&[kind, .., hi, lo]) = b.first_chunk::<5>() else { return };
    if kind & 0xc0 != 0 {
        // SSLv2.
        notes.begin(F_TWO, b, Some(took as u64));
        notes.begin(F_TWO + 1, b, Some(if kind & 0x80 != 0 { 2 } else { 3 }));
        return;
    }
    let whole = 5 + usize::from(u16::from_be_bytes([hi, lo]));
    notes.parts(F_PDU, b, (whole, 5));
    match (kind, b.get(5..)) {
        (21, Some(alert)) => notes.begin(F_ALERT, alert, Some((whole - 5) as u64)),
        (24, Some(beat)) => notes.begin(F_HEARTBEAT, beat, Some((whole - 5) as u64)),
        _ => {}
    }
}

const fn single(
    name: &'static str,
    aliases: &'static [&'static str],
    dirs: u8,
    progress: u8,
    kind: BufferKind,
) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs, progress, kind }
}

static BUFFERS: &[BufferDef] = &[
    single("tls.sni", &["tls_sni"], TS, HELLO, BufferKind::Single),
    single("tls.cert_subject", &["tls_cert_subject"], TS | TC, CERT, BufferKind::Single),
    single("tls.cert_issuer", &["tls_cert_issuer"], TS | TC, CERT, BufferKind::Single),
    single("tls.cert_serial", &["tls_cert_serial"], TS | TC, CERT, BufferKind::Single),
    single("tls.cert_fingerprint", &["tls_cert_fingerprint"], TS | TC, CERT, BufferKind::Single),
    single("tls.certs", &["tls_certs"], TS | TC, CERT, BufferKind::Multi),
    single("tls.subjectaltname", &[], TC, CERT, BufferKind::Multi),
    single("tls.alpn", &[], TS | TC, HELLO, BufferKind::Multi),
    single("tls.random", &[], TS | TC, HELLO, BufferKind::Single),
    single("tls.random_time", &[], TS | TC, HELLO, BufferKind::Single),
    single("tls.random_bytes", &[], TS | TC, HELLO, BufferKind::Single),
    single("ja3.hash", &["ja3_hash"], TS, HELLO, BufferKind::Single),
    single("ja3.string", &["ja3_string"], TS, HELLO, BufferKind::Single),
    single("ja3s.hash", &["ja3s_hash"], TC, HELLO, BufferKind::Single),
    single("ja3s.string", &["ja3s_string"], TC, HELLO, BufferKind::Single),
    single("ja4.hash", &["ja4_hash"], TS, HELLO, BufferKind::Single),
    frame("frame:tls.pdu"),
    frame("frame:tls.hdr"),
    frame("frame:tls.data"),
    frame("frame:tls.alert"),
    frame("frame:tls.heartbeat"),
    frame("frame:tls.ssl2.pdu"),
    frame("frame:tls.ssl2.hdr"),
    frame("frame:tls.stream"),
];

/// The certificate's time when the session began, by its dates.
static TIMES: &[(&str, u64)] = &[("valid", 0), ("expired", 1), ("future", 2)];

static INTS: &[IntDef] = &[
    IntDef { name: "tls.cert_chain_len", aliases: &[], dirs: TC, progress: CERT, multi: false, values: &[] },
    IntDef {
        name: "ssl_version",
        aliases: &[],
        dirs: TS | TC,
        progress: 0,
        multi: false,
        values: &[
            ("sslv2", 2),
            ("sslv3", 0x300),
            ("tls1.0", 0x301),
            ("tls1.1", 0x302),
            ("tls1.2", 0x303),
            ("tls1.3", 0x304),
        ],
    },
    IntDef {
        name: "tls.version",
        aliases: &[],
        dirs: TS | TC,
        progress: 0,
        multi: false,
        values: &[("1.0", 0x301), ("1.1", 0x302), ("1.2", 0x303), ("1.3", 0x304)],
    },
    // The newest of these messages in what was read last, as a bit; 0 if there was none.
    IntDef {
        name: "ssl_state",
        aliases: &[],
        dirs: TS | TC,
        progress: 0,
        multi: false,
        values: &[
            ("client_hello", 1),
            ("server_hello", 2),
            ("client_keyx", 4),
            ("server_keyx", 8),
            ("unknown", 16),
        ],
    },
    // Seconds since the epoch, as two's complement.
    IntDef { name: "tls_cert_notbefore", aliases: &[], dirs: TC, progress: CERT, multi: false, values: &[] },
    IntDef { name: "tls_cert_notafter", aliases: &[], dirs: TC, progress: CERT, multi: false, values: &[] },
    IntDef { name: "tls_cert_time", aliases: &[], dirs: TC, progress: CERT, multi: false, values: TIMES },
];

const fn start(bytes: &'static [u8], dir: Dir) -> Pattern {
    Pattern { bytes, caseless: false, offset: 0, depth: bytes.len() as u16, dir, over: OVER_TCP }
}

/// The protocol's description.
pub static TLS: ProtoDef = ProtoDef {
    name: "tls",
    aliases: &["ssl"],
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: events::NAMES,
    recognise: Recognise {
        patterns: &[
            // An SSLv2 hello for SSLv2 itself, behind its two bytes of length.
            Pattern {
                bytes: &[1, 0, 2],
                caseless: false,
                offset: 2,
                depth: 5,
                dir: Dir::ToServer,
                over: OVER_TCP,
            },
            start(&[1, 3, 0], Dir::ToServer),
            start(&[1, 3, 1], Dir::ToServer),
            start(&[1, 3, 2], Dir::ToServer),
            start(&[1, 3, 3], Dir::ToServer),
            start(&[22, 3, 0], Dir::ToServer),
            start(&[22, 3, 1], Dir::ToServer),
            start(&[22, 3, 2], Dir::ToServer),
            start(&[22, 3, 3], Dir::ToServer),
            start(&[21, 3, 0], Dir::ToClient),
            start(&[21, 3, 1], Dir::ToClient),
            start(&[21, 3, 2], Dir::ToClient),
            start(&[21, 3, 3], Dir::ToClient),
            start(&[22, 3, 0], Dir::ToClient),
            start(&[22, 3, 1], Dir::ToClient),
            start(&[22, 3, 2], Dir::ToClient),
            start(&[22, 3, 3], Dir::ToClient),
            start(&[23, 3, 0], Dir::ToClient),
            start(&[23, 3, 1], Dir::ToClient),
            start(&[23, 3, 2], Dir::ToClient),
            start(&[23, 3, 3], Dir::ToClient),
        ],
        probes: &[Probe { over: OVER_TCP, ports: &[443], probe: probe_v2, dirs: TS, min_bytes: 3 }],
        confirm: Some(confirm),
        first: TS,
    },
    parser: Some(make),
    record: "tls",
    states: &[
        (
            Dir::ToServer,
            &[
                "client_in_progress",
                "client_hello_done",
                "client_cert_done",
                "client_handshake_done",
                "client_finished",
            ],
        ),
        (
            Dir::ToClient,
            &[
                "server_in_progress",
                "server_hello",
                "server_cert_done",
                "server_hello_done",
                "server_handshake_done",
                "server_finished",
            ],
        ),
    ],
    shouts: true,
    // Not at a hello of SSLv2.
    due: |bytes, _| bytes.first().is_none_or(|b| b & 0x80 == 0),
    hides_apart: true,
    one: true,
    ..ProtoDef::NONE
};

/// Whether bytes are an SSLv2 hello.
fn probe_v2(bytes: &[u8], _dir: Dir) -> Verdict {
    match bytes {
        [len, _, kind, ..] if len & 0x80 != 0 && *kind == 1 => Verdict::Yes,
        [_, _, _, ..] => Verdict::No,
        _ => Verdict::Unsure,
    }
}

/// The pattern inside the bytes needs an SSLv2 header before it; those at the start are proof enough.
fn confirm(bytes: &[u8], seen: &Seen) -> Verdict {
    if seen.pattern.offset == 0 { Verdict::Yes } else { probe_v2(bytes, seen.dir) }
}

fn make(cfg: &AppConfig) -> Box<dyn Parser> {
    Box::new(Tls::new(cfg))
}

/// What the parts of the parser work with.
struct Cx<'a> {
    pool: &'a mut BytePool,
    scratch: &'a mut Scratch,
    /// Room for one handshake message.
    message: &'a mut Vec<u8>,
    /// Room for its certificates in the form of TLS 1.2.
    flat: &'a mut Vec<u8>,
    ja3: bool,
    ja4: bool,
    /// Keep the certificates themselves.
    certs: bool,
    /// Digest the certificates.
    digests: bool,
    /// Messages of TLS 1.3 behind the hellos may be read.
    keys: bool,
}

/// The sessions of one engine.
#[derive(Debug)]
pub struct Tls {
    states: Records<State>,
    message: Vec<u8>,
    flat: Vec<u8>,
}

impl Tls {
    /// Takes room for `cfg.max_states` sessions.
    pub fn new(cfg: &AppConfig) -> Self {
        Tls {
            states: Records::new(&cfg.arena(), cfg.max_states),
            message: Vec::with_capacity(MAX_MESSAGE),
            flat: Vec::with_capacity(if cfg.tls_keys { MAX_MESSAGE } else { 0 }),
        }
    }

    fn lend<'p>(
        &'p self,
        st: StateId,
        local: u8,
        dir: Dir,
        index: u32,
        pool: &'p BytePool,
    ) -> Option<&'p [u8]> {
        let s = self.states.get(st);
        let side = s.side(dir);
        let get = |span| side.get(pool, span);
        let listed = |span, width| get(span).and_then(|l| entry(l, width, index));
        match local {
            B_SNI => get(side.sni),
            B_SUBJECT => get(side.subject),
            B_ISSUER => get(side.issuer),
            B_SERIAL => get(side.serial),
            B_FINGERPRINT => get(side.fingerprint),
            B_CERTS => listed(side.certs, 3),
            B_ALT_NAMES => listed(side.alt_names, 2),
            B_ALPN => listed(side.alpns, 1),
            B_RANDOM => get(side.random),
            B_RANDOM_TIME => get(side.random).and_then(|r| r.get(..4)),
            B_RANDOM_BYTES => get(side.random).and_then(|r| r.get(4..)),
            B_JA3_HASH | B_JA3S_HASH => get(side.ja3_hash),
            B_JA3 | B_JA3S => get(side.ja3),
            B_JA4 => get(side.ja4),
            _ => None,
        }
    }
}

/// After a whole input: a side whose certificate is known has done its handshake, and so has the other, unless
/// the server asked for a certificate of the client's.
fn settle(s: &mut State) {
    let asked = s.flags & CLIENT_CERT_ASKED != 0;
    if s.sides[if asked { 0 } else { 1 }].has_cert() {
        s.advance_both(HANDSHAKE);
    }
}

/// Whether nothing of the session can be read any more. `whole_data`: a record of data was there to its end.
fn is_encrypted(s: &mut State, whole_data: bool) -> bool {
    let through = s.common.both_reached(HANDSHAKE);
    // In TLS 1.3 a record of data behind the server's hello is enough, whatever the client has said so far.
    let v13 = whole_data && s.flags & SERVER_HELLO != 0 && s.sides[1].version == 0x0304;
    // A session that goes on from an earlier one shows no certificate; both sides change to the keys all the same.
    let keyed = s.flags & CHANGE_CIPHER_BOTH == CHANGE_CIPHER_BOTH;
    let encrypted = (through || v13 || keyed) && s.flags & APP_DATA != 0;
    if encrypted && keyed {
        s.advance_both(HANDSHAKE);
    }
    encrypted
}

impl Parser for Tls {
    fn open(&mut self, cx: &mut AppCx<'_>) -> Option<StateId> {
        let st = self.states.alloc()?;
        self.states.get_mut(st).common = TxCommon::new(0, cx.now);
        Some(st)
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        let s = self.states.get_mut(st);
        s.common.release(cx.pool);
        s.sides.iter_mut().for_each(|side| side.free(cx.pool));
        self.states.free(st);
    }

    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let s = self.states.get_mut(st);
        // What is read with keys behind the hellos of TLS 1.3 would not be seen without them.
        let hidden = cx.cfg.tls_keys && s.is_v13() && s.flags & APP_DATA == 0;
        if !input.data.is_empty() && !core::mem::take(&mut s.paused) && !hidden {
            s.latest = 0;
        }
        Queue::ALL.iter().for_each(|q| s.queued |= q.bit());
        let (dir, data) = (input.dir, input.data);
        let wants = |b| cx.wanted.has(b);
        let mut tcx = Cx {
            ja3: cx.cfg.tls_ja3 || [B_JA3, B_JA3_HASH, B_JA3S, B_JA3S_HASH].into_iter().any(wants),
            ja4: cx.cfg.tls_ja4 || wants(B_JA4),
            certs: wants(B_CERTS),
            digests: cx.shown,
            keys: cx.cfg.tls_keys,
            pool: &mut *cx.pool,
            scratch: &mut *cx.scratch,
            message: &mut self.message,
            flat: &mut self.flat,
        };
        if input.gap > 0 {
            // Only what would have been passed over may be missing.
            let side = &mut s.sides[dir.ix()];
            if input.gap > side.skip {
                s.advance_both(FINISHED);
                return Outcome::Failed;
            }
            side.skip -= input.gap;
        }
        let (mut at, mut need) = (0, 0);
        let mut whole_data = false;
        while at < data.len() {
            let left = &mut s.sides[dir.ix()].skip;
            if *left > 0 {
                let n = (*left as usize).min(data.len() - at);
                *left -= n as u32;
                at += n;
                whole_data |= *left == 0 && s.flags & APP_DATA != 0;
                continue;
            }
            let hellos = s.flags & (CLIENT_HELLO | SERVER_HELLO);
            match record::step(s, dir, &data[at..], &mut tcx) {
                Step::Took(n) => {
                    if cx.frames.wanted() {
                        frames(&data[at..], n, cx.frames);
                    }
                    at += n;
                    whole_data |= s.flags & APP_DATA != 0 && s.sides[dir.ix()].skip == 0;
                    if cx.cfg.tls_keys && s.flags & (CLIENT_HELLO | SERVER_HELLO) != hellos {
                        // What comes behind a hello may be read by keys that somebody gave.
                        s.paused = at < data.len();
                        break;
                    }
                }
                Step::Need(n) => {
                    need = n;
                    break;
                }
                Step::Failed => {
                    s.advance_both(FINISHED);
                    return Outcome::Failed;
                }
            }
        }
        s.common.touch_both();
        settle(s);
        if input.eof {
            s.advance(dir, FINISHED);
        }
        if cx.cfg.tls_encrypted != Encrypted::Full && is_encrypted(s, whole_data) {
            s.flags |= OPAQUE;
            return Outcome::Opaque { bytes: data.len() };
        }
        Outcome::Consumed { bytes: at, need }
    }

    fn next_tx(&self, st: StateId, after: Option<TxIdx>) -> Option<TxIdx> {
        (after.is_none() && !self.states.get(st).done).then_some(st)
    }

    fn tx_count(&self, _: StateId) -> u64 {
        1
    }

    fn take_changed(&mut self, st: StateId, queue: Queue) -> Option<TxIdx> {
        let s = self.states.get_mut(st);
        let waits = s.queued & queue.bit() != 0 && !s.done;
        s.queued &= !queue.bit();
        waits.then_some(st)
    }

    fn requeue(&mut self, st: StateId, _: TxIdx, queue: Queue) {
        self.states.get_mut(st).queued |= queue.bit();
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.states.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.states.get_mut(tx).common
    }

    fn complete_progress(&self, _dir: Dir) -> u8 {
        FINISHED
    }

    fn free_tx(&mut self, st: StateId, _: TxIdx, cx: &mut AppCx<'_>) {
        let s = self.states.get_mut(st);
        if !s.done {
            s.done = true;
            s.common.release(cx.pool);
            s.sides.iter_mut().for_each(|side| side.store.free(cx.pool));
        }
    }

    fn buffer<'a>(&'a self, st: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let (due, multi) = match BUFFERS.get(usize::from(local)) {
            Some(b) => (b.progress, b.kind == BufferKind::Multi),
            None => return Buffer::Absent,
        };
        match self.lend(st, local, dir, index, pool) {
            Some(bytes) if multi || index == 0 => Buffer::whole(bytes),
            None if self.common(tx).progress(dir) < due => Buffer::NotYet,
            _ => Buffer::Absent,
        }
    }

    fn int(&self, st: StateId, _: TxIdx, at: IntAt<'_>) -> Option<u64> {
        let IntAt { local, dir, index, .. } = at;
        let s = self.states.get(st);
        let side = s.side(dir);
        if index > 0 {
            return None;
        }
        match local {
            0 => Some(u64::from(side.chain_len)),
            1 | 2 => match side.version {
                0 => None,
                // Drafts count as what they became.
                v if v >> 8 == 0x7f => Some(0x304),
                v => Some(u64::from(v)),
            },
            3 => Some(u64::from(s.latest)),
            4 => side.has_cert().then_some(side.not_before as u64),
            5 => side.has_cert().then_some(side.not_after as u64),
            6 => side.has_cert().then(|| {
                let now = (s.common.created / 1_000_000_000) as i64;
                u64::from(now > side.not_after) + 2 * u64::from(now < side.not_before)
            }),
            _ => None,
        }
    }

    fn hello(&self, st: StateId, pool: &BytePool) -> Option<Hello> {
        let s = self.states.get(st);
        let random = |side: &Side| side.get(pool, side.random).and_then(|r| <[u8; 32]>::try_from(r).ok());
        let early = s.flags & EARLY_DATA != 0;
        let known = s.flags & SERVER_HELLO != 0 && s.suite != 0;
        if s.done || !(known || early) {
            return None;
        }
        Some(Hello {
            client_random: random(&s.sides[0])?,
            server_random: random(&s.sides[1]).unwrap_or_default(),
            suite: if known { s.suite } else { 0 },
            version: s.sides[1].version,
            mac_last: s.flags & MAC_LAST != 0,
            early,
        })
    }

    fn log(&self, view: &TxView<'_>, _dir: Dir, out: &mut dyn Fields) {
        log::write(self.states.get(view.tx), view.pool, out);
        if view.before.is_known() && out.wants("extended") {
            out.str("from_proto", view.before.name());
        }
    }

    fn log_due(&self, tx: TxIdx) -> u8 {
        let s = self.states.get(tx);
        let through = s.common.both_reached(HANDSHAKE) || s.flags & OPAQUE != 0;
        let worth = s.sides[1].has_cert() || s.flags & (RESUMED | WITHOUT_CERT) != 0;
        if through && worth { LOG_WHOLE } else { 0 }
    }
}
