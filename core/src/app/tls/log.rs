//! The record of a session.

use super::state::*;
use super::x509;
use crate::event::Fields;
use crate::pool::BytePool;

/// EVE name of a version.
fn version_name(v: u16) -> Option<&'static str> {
    Some(match v {
        0 => "UNDETERMINED",
        2 => "SSLv2",
        0x300 => "SSLv3",
        0x301 => "TLSv1",
        0x302 => "TLS 1.1",
        0x303 => "TLS 1.2",
        0x304 => "TLS 1.3",
        0x7f01 => "TLS 1.3 draft-<16",
        _ => return None,
    })
}

fn time_field(out: &mut dyn Fields, key: &str, t: i64) {
    let (y, mo, d, h, mi, s) = x509::civil(t);
    out.fmt(key, format_args!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}"));
}

/// The optional fields of `custom` lists.
const CUSTOM: &[&str] = &[
    "custom.subject",
    "custom.issuer",
    "custom.subjectaltname",
    "custom.session_resumed",
    "custom.serial",
    "custom.fingerprint",
    "custom.sni",
    "custom.version",
    "custom.not_before",
    "custom.not_after",
    "custom.certificate",
    "custom.chain",
    "custom.ja3",
    "custom.ja3s",
    "custom.ja4",
    "custom.client",
    "custom.client_certificate",
    "custom.client_chain",
    "custom.client_alpns",
    "custom.server_alpns",
];

/// Writes the EVE record. `basic` fields are always there, others with `extended: yes`; a `custom` list replaces
/// both.
pub(super) fn write(s: &State, pool: &BytePool, out: &mut dyn Fields) {
    let custom = CUSTOM.iter().any(|o| out.wants(o));
    let extended = out.wants("extended");
    let on = |out: &dyn Fields, basic: bool, option: &str| {
        if custom { out.wants(option) } else { basic || extended }
    };
    let optional = |out: &dyn Fields, option: &str| custom && out.wants(option);
    let (client, server) = (&s.sides[0], &s.sides[1]);
    let text = |out: &mut dyn Fields, key: &str, side: &Side, span: Span| {
        if let Some(v) = side.get(pool, span) {
            out.bytes(key, v);
        }
    };
    if on(out, true, "custom.subject") {
        text(out, "subject", server, server.subject);
    }
    if on(out, true, "custom.issuer") {
        text(out, "issuerdn", server, server.issuer);
    }
    if on(out, true, "custom.subjectaltname") {
        list(out, "subjectaltname", server.get(pool, server.alt_names), 2);
    }
    let resumed = s.flags & RESUMED != 0 && s.flags & SERVER_HELLO != 0;
    if on(out, true, "custom.session_resumed") && resumed && !server.has_cert() && s.flags & WITHOUT_CERT == 0
    {
        out.bool("session_resumed", true);
    }
    if on(out, false, "custom.serial") {
        text(out, "serial", server, server.serial);
    }
    if on(out, false, "custom.fingerprint") {
        text(out, "fingerprint", server, server.fingerprint);
    }
    if on(out, false, "custom.sni") {
        text(out, "sni", client, client.sni);
    }
    if on(out, false, "custom.version") {
        // Of a session whose server said nothing it is what the client can do best.
        let version = if server.version == 0 { s.sides[0].version } else { server.version };
        log_version(version, out);
    }
    if server.has_cert() {
        if on(out, false, "custom.not_before") {
            time_field(out, "notbefore", server.not_before);
        }
        if on(out, false, "custom.not_after") {
            time_field(out, "notafter", server.not_after);
        }
    }
    let (one, all) = (optional(out, "custom.certificate"), optional(out, "custom.chain"));
    log_chain(server, pool, out, one, all);
    for (key, side, option) in [("ja3", client, "custom.ja3"), ("ja3s", server, "custom.ja3s")] {
        if on(out, false, option) && side.ja3_hash.is_set() {
            out.begin_object(key);
            text(out, "hash", side, side.ja3_hash);
            text(out, "string", side, side.ja3);
            out.end_object();
        }
    }
    if on(out, false, "custom.ja4") {
        text(out, "ja4", client, client.ja4);
    }
    if client.has_cert() && on(out, false, "custom.client") {
        let (one, all) = (optional(out, "custom.client_certificate"), optional(out, "custom.client_chain"));
        log_client(client, pool, out, one, all);
    }
    if on(out, false, "custom.client_alpns") {
        list(out, "client_alpns", client.get(pool, client.alpns), 1);
    }
    if on(out, false, "custom.server_alpns") {
        list(out, "server_alpns", server.get(pool, server.alpns), 1);
    }
}

/// The client's own certificate.
fn log_client(c: &Side, pool: &BytePool, out: &mut dyn Fields, certificate: bool, chain: bool) {
    out.begin_object("client");
    for (key, span) in
        [("subject", c.subject), ("issuerdn", c.issuer), ("fingerprint", c.fingerprint), ("serial", c.serial)]
    {
        if let Some(v) = c.get(pool, span) {
            out.bytes(key, v);
        }
    }
    time_field(out, "notbefore", c.not_before);
    time_field(out, "notafter", c.not_after);
    log_chain(c, pool, out, certificate, chain);
    out.end_object();
}

fn log_chain(side: &Side, pool: &BytePool, out: &mut dyn Fields, certificate: bool, chain: bool) {
    let Some(certs) = side.get(pool, side.certs) else { return };
    let mut all = Entries { list: certs, width: 3 };
    if certificate && let Some(first) = all.clone().next() {
        out.base64("certificate", first);
    }
    if chain {
        out.begin_array("chain");
        all.by_ref().for_each(|c| out.base64("", c));
        out.end_array();
    }
}

fn log_version(v: u16, out: &mut dyn Fields) {
    match (v >> 8, version_name(v)) {
        (_, Some(name)) => out.str("version", name),
        (0x7f, None) => out.fmt("version", format_args!("TLS 1.3 draft-{}", v & 0xff)),
        (0xfb, None) => out.fmt("version", format_args!("TLS 1.3 draft-{}-fb", v & 0xff)),
        _ => out.fmt("version", format_args!("0x{v:04x}")),
    }
}

fn list(out: &mut dyn Fields, key: &str, list: Option<&[u8]>, width: usize) {
    let Some(list) = list else { return };
    out.begin_array(key);
    Entries { list, width }.for_each(|e| out.bytes("", e));
    out.end_array();
}
