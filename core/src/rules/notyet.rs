//! Parts of Suricata's rule language that are read and do nothing here yet. A rule that could never match without them, or would match
//! wrongly, is refused; one that says the same without them loads, and the part is named. Nothing of it is silent.

use alloc::format;
use alloc::string::String;

use super::build::Builder;
use super::refuse::{Fault, RefusalKind, Res};

/// One such part.
#[derive(Debug, Clone, Copy)]
pub struct NotYet {
    /// As rules write it.
    pub part: &'static str,
    /// What is missing.
    pub why: &'static str,
    /// The rule loads all the same, without it.
    pub loads: bool,
}

const fn named(part: &'static str, why: &'static str) -> NotYet {
    NotYet { part, why, loads: true }
}

const fn refused(part: &'static str, why: &'static str) -> NotYet {
    NotYet { part, why, loads: false }
}

/// All of them; `docs/rules.md` is made of it.
pub const NOT_YET: &[NotYet] = &[
    refused("config:tracking", "packets always have flows"),
    named("event", "nothing raises this event, so the rule never matches by it"),
];

/// Events that rules can name and that nothing raises: what stands before the dot in rules, and the names.
pub const UNRAISED: &[(&str, &[&str])] = &[
    (
        "decoder",
        &[
            "ipv4.opt_unknown",
            "ipv6.exthdr_dupl_eh",
            "udp.hlen_invalid",
            "gre.version1_malformed_sre_hdr",
            "afpacket.trunc_pkt",
        ],
    ),
    (
        "stream",
        &[
            "3whs_synack_resend_with_diff_seq",
            "wrong_thread",
            "reassembly_no_segment",
            "reassembly_insert_invalid",
        ],
    ),
    (
        "http",
        &[
            "unknown_error",
            "invalid_transfer_encoding_value_in_response",
            "invalid_server_port_in_request",
            "invalid_authority_port",
            "request_line_invalid",
            "request_server_port_tcp_port_mismatch",
            "protocol_contains_extra_data",
            "parser_state_error",
            "missing_outbound_transaction_data",
            "missing_inbound_transaction_data",
            "zero_length_data_chunks",
            "lzma_decompression_disabled",
            "lzma_memlimit_reached",
            "too_many_warnings",
        ],
    ),
    (
        "tls",
        &[
            "invalid_tls_header",
            "heartbeat_message",
            "too_many_records_in_packet",
            "certificate_invalid_subject",
            "certificate_invalid_issuer",
            "certificate_invalid_validity",
        ],
    ),
    ("http2", &["invalid_frame_header"]),
    (
        "smtp",
        &[
            "unable_to_match_reply_with_request",
            "max_command_line_len_exceeded",
            "max_reply_line_len_exceeded",
            "mime_parse_failed",
            "failed_protocol_change",
        ],
    ),
];

/// Events of protocols that Suricata's parsers raise and that have no number here, because nothing reads so much of them.
pub const UNREAD: &[(&str, &[&str])] =
    &[("http", &["compression_bomb_limit_reached"]), ("smb", &["internal_error", "record_overflow"])];

/// The number of an event that nothing raises.
pub const NEVER: u8 = 127;

/// Whether a protocol of Suricata's has an event that has no number here.
pub fn unread(of: &str, name: &str) -> bool {
    UNREAD.iter().any(|(group, names)| *group == of && names.contains(&name))
}

/// Whether nothing raises an event.
pub fn unraised(of: &str, name: &str) -> bool {
    UNRAISED.iter().any(|(group, names)| *group == of && names.contains(&name))
}

/// What is said of a part.
fn text(n: &NotYet) -> String {
    format!("{} is not supported yet: {}", n.part, n.why)
}

impl Builder<'_, '_> {
    /// The rule has a part of [`NOT_YET`]: refused, or named.
    pub fn not_yet(&mut self, part: &str) -> Res {
        let Some(n) = NOT_YET.iter().find(|n| n.part == part) else { return Ok(()) };
        if !n.loads {
            return Err(Fault::new(RefusalKind::Unsupported, text(n)));
        }
        let said = (RefusalKind::Unsupported, text(n));
        if !self.warnings.contains(&said) {
            self.warnings.push(said);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppProto;
    use crate::rules::names;

    #[test]
    fn unraised_events_are_events() {
        for (of, names) in UNRAISED {
            for name in *names {
                let known = match *of {
                    "decoder" => names::decode_event(name).is_some(),
                    "stream" => names::stream_event(name).is_some(),
                    p => AppProto::by_name(p).is_some_and(|p| p.def().events.contains(name)),
                };
                assert!(known, "{of}.{name}");
            }
        }
    }

    fn page() -> String {
        let mut t = String::from(
            "# Parts of rules that do nothing yet\n\nMade from `core/src/rules/notyet.rs` (`UPDATE=1 cargo test -p tidegate-core \
             rules_page`); a test compares it.\n`tidegate rules check` names them in your rules.\n\n| part | what is missing | a rule with \
             it |\n|---|---|---|\n",
        );
        for n in NOT_YET {
            t +=
                &format!("| `{}` | {} | {} |\n", n.part, n.why, if n.loads { "loads" } else { "is refused" });
        }
        t += "\n## Events that nothing raises\n\n";
        for (of, names) in UNRAISED.iter().chain(UNREAD) {
            t += &format!("* `{of}`: {}\n", names.join(", "));
        }
        t
    }

    #[cfg(feature = "std")]
    #[test]
    fn rules_page() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/rules.md is not what the code says: UPDATE=1 cargo test -p tidegate-core rules_page"
        );
    }
}
