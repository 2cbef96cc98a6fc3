//! Names that belong to other stations and occur in rules: decode and stream events, detection-level events,
//! states of protocols.

use crate::Dir;
use crate::app::AppProto;

pub use crate::packet::events::number as decode_event;
pub use crate::stream::events::by_name as stream_event;

/// `app-layer-event:applayer_…`: what protocol detection itself notices, in the order of their numbers.
pub const APPLAYER_EVENTS: &[&str] = &[
    "applayer_mismatch_protocol_both_directions",
    "applayer_wrong_direction_first_data",
    "applayer_detect_protocol_only_one_direction",
    "applayer_proto_detection_skipped",
    "applayer_no_tls_after_starttls",
    "applayer_unexpected_protocol",
];

/// States of protocols that rules can name in a hook or in `app-layer-state`: protocol, direction, names in the
/// order of their progress numbers.
const STATES: &[(&str, Dir, &[&str])] = &[
    (
        "tls",
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
        "tls",
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
    (
        "http",
        Dir::ToServer,
        &[
            "request_started",
            "request_line",
            "request_headers",
            "request_body",
            "request_trailer",
            "request_complete",
        ],
    ),
    (
        "http",
        Dir::ToClient,
        &[
            "response_started",
            "response_line",
            "response_headers",
            "response_body",
            "response_trailer",
            "response_complete",
        ],
    ),
    (
        "ssh",
        Dir::ToServer,
        &["request_in_progress", "request_banner_wait_eol", "request_banner_done", "request_finished"],
    ),
    (
        "ssh",
        Dir::ToClient,
        &["response_in_progress", "response_banner_wait_eol", "response_banner_done", "response_finished"],
    ),
];

/// Direction and progress of a named state of a protocol.
pub fn state(proto: AppProto, name: &str) -> Option<(Dir, u8)> {
    let found = STATES.iter().filter(|s| s.0 == proto.name()).find_map(|s| {
        let at = s.2.iter().position(|n| *n == name)?;
        Some((s.1, at as u8))
    });
    found.or(match name {
        "request_started" => Some((Dir::ToServer, 0)),
        "response_started" => Some((Dir::ToClient, 0)),
        "request_complete" => Some((Dir::ToServer, 1)),
        "response_complete" => Some((Dir::ToClient, 1)),
        _ => None,
    })
}

/// Whether a header may name that hook.
pub fn hook_exists(proto: AppProto, name: &str) -> bool {
    state(proto, name).is_some()
}
