//! Names that belong to other stations and occur in rules: decode and stream events, detection-level events,
//! states of protocols.

use crate::Dir;
use crate::app::AppProto;

pub use crate::packet::events::number as decode_event;
pub use crate::stream::events::by_name as stream_event;

/// Direction and progress of a named state of a protocol.
pub fn state(proto: AppProto, name: &str) -> Option<(Dir, u8)> {
    let found = proto.def().states.iter().find_map(|(dir, names)| {
        let at = names.iter().position(|n| *n == name)?;
        Some((*dir, at as u8))
    });
    found.or(match name {
        "request_started" => Some((Dir::ToServer, 0)),
        "response_started" => Some((Dir::ToClient, 0)),
        "request_complete" => Some((Dir::ToServer, 1)),
        "response_complete" => Some((Dir::ToClient, 1)),
        _ => None,
    })
}

/// Direction and progress of a hook that a header names.
pub fn hook(proto: AppProto, name: &str) -> Option<(Dir, u8)> {
    let (dir, at) = state(proto, name)?;
    let whole = matches!(name, "request_complete" | "response_complete");
    Some((dir, if whole { complete(proto, dir) } else { at }))
}

/// The last progress of a protocol's transactions in a direction.
fn complete(proto: AppProto, dir: Dir) -> u8 {
    let def = proto.def();
    let states = def.states.iter().find(|s| s.0 == dir);
    states.map_or(def.complete, |s| s.1.len().saturating_sub(1) as u8)
}

/// Whether a header may name that hook.
pub fn hook_exists(proto: AppProto, name: &str) -> bool {
    state(proto, name).is_some()
}
