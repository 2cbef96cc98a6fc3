//! Settings that have an effect up to a value: what goes beyond is named, as what has no effect is.
//!
//! In: the tree, after everything was read. Out: what the user is told. `docs/settings.md` has the table.

use super::yaml::{Node, size};

/// Payloads, messages and dictionaries are kept in memory that all flows share.
pub const DICTIONARY: u64 = 64 << 20;
pub const WEBSOCKET: u64 = 1 << 20;
pub const MQTT: u64 = 1 << 20;
/// Bytes in a record.
pub const RECORD: u64 = 1 << 20;
pub const LAYERS: u32 = u8::MAX as u32;
pub const URGENT: u32 = u16::MAX as u32;

/// A setting (`*` stands for one part of the path), and the largest value that is done.
pub const MOST: &[(&str, u64)] = &[
    ("app-layer.protocols.*.max-tx", tidegate_core::app::MOST_WAITING as u64),
    ("app-layer.protocols.http.libhtp.default-config.lzma-memlimit", DICTIONARY),
    (
        "app-layer.protocols.http.libhtp.default-config.response-body-decompress-layer-limit",
        tidegate_core::app::bodies::decode::MAX_LAYERS as u64,
    ),
    ("app-layer.protocols.mqtt.max-msg-length", MQTT),
    ("app-layer.protocols.websocket.max-payload-size", WEBSOCKET),
    ("decoder.max-layers", LAYERS as u64),
    ("outputs.*.eve-log.types.*.alert.payload-buffer-size", RECORD),
    ("outputs.*.eve-log.types.*.frame.payload-buffer-size", RECORD),
    ("stream.reassembly.urgent.oob-limit", URGENT as u64),
];

/// What of the settings is more than is done.
pub(super) fn find(root: &Node) -> Vec<String> {
    let mut leaves = Vec::new();
    root.leaves(&mut leaves);
    let beyond = |n: &&Node| {
        let (_, most) = MOST.iter().find(|m| super::unheeded::meets(m.0, &n.path))?;
        let value = size(n.val.as_deref()?).filter(|v| n.is_used() && v > most)?;
        Some(n.odd(&format!("{value} is more than {most}, which holds")))
    };
    leaves.iter().filter_map(beyond).collect()
}
