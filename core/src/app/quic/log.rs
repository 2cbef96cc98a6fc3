//! The `quic` record.

use super::Own;
use super::frames::Tags;
use super::hello::{Hello, names};
use crate::event::Fields;
use crate::pool::BytePool;

/// Names of TLS extensions (IANA's list, in lower case).
const EXTENSIONS: [(u16, &str); 34] = [
    (0, "server_name"),
    (1, "max_fragment_length"),
    (2, "client_certificate_url"),
    (3, "trusted_ca_keys"),
    (4, "truncated_hmac"),
    (5, "status_request"),
    (6, "user_mapping"),
    (7, "client_authz"),
    (8, "server_authz"),
    (9, "cert_type"),
    (10, "supported_groups"),
    (11, "ec_point_formats"),
    (12, "srp"),
    (13, "signature_algorithms"),
    (14, "use_srtp"),
    (15, "heartbeat"),
    (16, "alpn"),
    (17, "status_request_v2"),
    (18, "signed_certificate_timestamp"),
    (21, "padding"),
    (22, "encrypt_then_mac"),
    (23, "extended_master_secret"),
    (24, "token_binding"),
    (25, "cached_info"),
    (35, "session_ticket"),
    (41, "pre_shared_key"),
    (42, "early_data"),
    (43, "supported_versions"),
    (44, "cookie"),
    (45, "psk_key_exchange_modes"),
    (48, "oid_filters"),
    (49, "post_handshake_auth"),
    (51, "key_share"),
    (65281, "renegotiation_info"),
];

impl Own {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        out.bytes("version", self.version.get());
        if let Some(name) = self.sni(pool) {
            out.bytes("sni", name);
        }
        if let Some(name) = self.agent(pool) {
            out.bytes("ua", name);
        }
        if !self.cyu.is_empty() {
            out.begin_array("cyu");
            out.begin_object("");
            out.bytes("hash", &self.hash);
            out.bytes("string", self.cyu.get(pool));
            out.end_object();
            out.end_array();
        }
        if !self.ja3.is_empty() {
            out.begin_object(if self.from_client { "ja3" } else { "ja3s" });
            out.bytes("hash", &self.hash);
            out.bytes("string", self.ja3.get(pool));
            out.end_object();
        }
        if let Some(ja4) = &self.ja4 {
            out.bytes("ja4", ja4);
        }
        if let Some(hello) = self.hello(pool) {
            extensions(hello, out);
        }
    }

    /// The TLS hello.
    pub(super) fn hello<'p>(&self, pool: &'p BytePool) -> Option<Hello<'p>> {
        Hello::read(self.handshake.get(pool), self.dir())
    }

    /// Google's hello.
    pub(super) fn tags<'p>(&self, pool: &'p BytePool) -> Option<Tags<'p>> {
        Tags::hello(self.handshake.get(pool))
    }

    pub(super) fn sni<'p>(&self, pool: &'p BytePool) -> Option<&'p [u8]> {
        match self.tags(pool) {
            Some(tags) => tags.get(b"SNI"),
            None => self.hello(pool)?.sni(),
        }
    }

    pub(super) fn agent<'p>(&self, pool: &'p BytePool) -> Option<&'p [u8]> {
        self.tags(pool)?.get(b"UAID")
    }
}

fn extensions(hello: Hello<'_>, out: &mut dyn Fields) {
    if hello.extensions().next().is_none() {
        return;
    }
    out.begin_array("extensions");
    for (kind, body) in hello.extensions() {
        out.begin_object("");
        if let Some((_, name)) = EXTENSIONS.iter().find(|(n, _)| *n == kind) {
            out.str("name", name);
        }
        out.u64("type", kind.into());
        match kind {
            0 => {
                if let Some(name) = hello.sni() {
                    out.begin_array("values");
                    out.bytes("", name);
                    out.end_array();
                }
            }
            16 => {
                out.begin_array("values");
                names(body).for_each(|n| out.bytes("", n));
                out.end_array();
            }
            _ => {}
        }
        out.end_object();
    }
    out.end_array();
}
