//! The `pgsql` record. Passwords are shown where the settings ask for them.

use super::{Exchange, Request, T_COMMAND, T_FINAL, T_MECHANISM, T_PARAMETER, T_PASSWORD, T_SASL, T_STATUS};
use crate::app::octets::key;
use crate::event::Fields;
use crate::pool::BytePool;

/// Parameters of one kind that are shown.
const LIST_MAX: usize = 64;

/// Names of the fields of errors and notices, by their code.
const ERROR: &[(u8, &str)] = &[
    (b'S', "severity_localizable"),
    (b'V', "severity_non_localizable"),
    (b'C', "code"),
    (b'M', "message"),
    (b'F', "file"),
    (b'L', "line"),
    (b'R', "routine"),
];

/// Names that the protocol writes in capitals.
fn name(parameter: &[u8]) -> Option<&str> {
    Some(match parameter {
        b"DateStyle" => "date_style",
        b"IntervalStyle" => "interval_style",
        b"TimeZone" => "time_zone",
        other => key(other)?,
    })
}

/// A list of objects of one parameter each.
fn parameters<'a>(out: &mut dyn Fields, list: &str, all: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    let mut begun = false;
    for (k, v) in all.take(LIST_MAX) {
        let Some(name) = name(k) else { continue };
        if !begun {
            out.begin_array(list);
            begun = true;
        }
        out.begin_object("");
        out.bytes(name, v);
        out.end_object();
    }
    if begun {
        out.end_array();
    }
}

/// A name and a value behind its zero.
fn pair(text: &[u8]) -> (&[u8], &[u8]) {
    let at = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    let value = text.get(at + 1..).unwrap_or(&[]);
    (text.get(..at).unwrap_or(text), value.strip_suffix(b"\0").unwrap_or(value))
}

impl Exchange {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        if self.request != Request::Broken {
            out.begin_object("request");
            self.asked(pool, out);
            out.end_object();
        }
        if self.is_answered(pool) {
            out.begin_object("response");
            self.answered(pool, out);
            out.end_object();
        }
    }

    fn text<'a>(&self, pool: &'a BytePool, tag: u8) -> Option<&'a [u8]> {
        self.texts.nth(pool, tag, 0)
    }

    fn asked(&self, pool: &BytePool, out: &mut dyn Fields) {
        match self.request {
            Request::Ssl => out.str("message", "SSL Request"),
            Request::Gss => out.str("message", "GSSENC Request"),
            Request::Startup => {
                out.fmt("protocol_version", format_args!("{}.{}", self.version[0], self.version[1]));
                let all = || self.texts.all(pool, T_PARAMETER).map(pair);
                out.begin_object("startup_parameters");
                if let Some((_, user)) = all().find(|p| p.0 == b"user") {
                    out.bytes("user", user);
                }
                parameters(out, "optional_parameters", all().filter(|p| p.0 != b"user"));
                out.end_object();
            }
            Request::Cancel => {
                out.str("message", "cancel_request");
                out.u64("process_id", u64::from(self.cancels[0]));
                out.u64("secret_key", u64::from(self.cancels[1]));
            }
            Request::Password if out.wants("passwords.yes") => {
                out.bytes("password", self.text(pool, T_PASSWORD).unwrap_or(&[]));
            }
            Request::Password => out.bool("password_redacted", true),
            Request::SaslInitial => {
                // Suricata has names of its own for those that PostgreSQL has.
                let mechanism: &[u8] = match self.text(pool, T_MECHANISM).unwrap_or(&[]) {
                    b"SCRAM-SHA-256" => b"scram_SHA256",
                    b"SCRAM-SHA-256-PLUS" => b"scram_SHA256_plus",
                    other => other,
                };
                out.bytes("sasl_authentication_mechanism", mechanism);
                if let Some(p) = self.text(pool, T_SASL) {
                    out.bytes("sasl_param", p);
                }
            }
            Request::SaslResponse => out.bytes("sasl_response", self.text(pool, T_SASL).unwrap_or(&[])),
            Request::Query => out.bytes("simple_query", self.query.get(pool)),
            Request::CopyIn => {
                if self.copied[0] > 0 {
                    out.begin_object("copy_data_in");
                    out.u64("msg_count", self.copied[0]);
                    out.u64("data_size", self.copied[1]);
                    out.end_object();
                }
                match self.copy_end {
                    b'c' => out.str("message", "copy_done"),
                    b'f' => out.str("message", "copy_fail"),
                    _ => {}
                }
            }
            Request::Terminate => out.str("message", "termination_message"),
            Request::Broken => {}
        }
    }

    fn is_answered(&self, pool: &BytePool) -> bool {
        let a = &self.answer;
        let numbers = a.ssl.is_some() || a.auth.is_some() || a.key.is_some() || a.fields.is_some();
        let copies = a.rows[0] > 0 || a.copy_in.is_some() || a.copy_out.is_some() || a.copied[0] > 0;
        let said = |tag: u8| self.text(pool, tag).is_some();
        numbers || copies || said(T_STATUS) || said(T_COMMAND) || ERROR.iter().any(|e| said(e.0))
    }

    fn answered(&self, pool: &BytePool, out: &mut dyn Fields) {
        let a = &self.answer;
        if let Some(ssl) = a.ssl {
            out.bool("ssl_accepted", ssl);
        }
        match a.auth {
            Some(0) => out.str("message", "authentication_ok"),
            Some(2) => out.str("message", "authentication_kerberos_v5"),
            Some(3) => out.str("message", "authentication_cleartext_password"),
            Some(5) => out.bytes("authentication_md5_password", &a.salt),
            Some(7) => out.str("message", "authentication_gss"),
            Some(8) => out.str("message", "authentication_gss_continue"),
            Some(9) => out.str("message", "authentication_sspi"),
            Some(10) => out.str("message", "authentication_sasl"),
            Some(11) => out.str("message", "authentication_sasl_continue"),
            _ => {}
        }
        if let Some(text) = self.text(pool, T_FINAL) {
            out.bytes("authentication_sasl_final", text);
        }
        for (code, key) in ERROR {
            // One key holds one text.
            let taken = *code == b'M' && a.auth.is_some_and(|n| n != 5);
            if let Some(text) = self.text(pool, *code).filter(|_| !taken) {
                out.bytes(key, text);
            }
        }
        parameters(out, "parameter_status", self.texts.all(pool, T_STATUS).map(pair));
        if let Some([process, secret]) = a.key {
            out.u64("process_id", u64::from(process));
            out.u64("secret_key", u64::from(secret));
        }
        if let Some(n) = a.fields {
            out.u64("field_count", u64::from(n));
        }
        if a.rows[0] > 0 {
            out.u64("data_rows", a.rows[0]);
            out.u64("data_size", a.rows[1]);
        }
        if let Some(n) = a.copy_in {
            out.begin_object("copy_in_response");
            out.u64("columns", u64::from(n));
            out.end_object();
        }
        if let Some(n) = a.copy_out {
            out.begin_object("copy_out_response");
            out.u64("columns", u64::from(n));
            out.end_object();
        }
        if a.copied[0] > 0 {
            out.begin_object("copy_data_out");
            out.u64("row_count", a.copied[0]);
            out.u64("data_size", a.copied[1]);
            out.end_object();
        }
        if let Some(text) = self.text(pool, T_COMMAND) {
            out.bytes("command_completed", text);
        }
    }
}
