//! Names of commands and statuses, in the words of the NVM Express specifications.

use super::pdu::FABRICS;

pub const FABRICS_TYPES: &[(&str, u64)] = &[
    ("property_set", 0),
    ("connect", 1),
    ("property_get", 4),
    ("authentication_send", 5),
    ("authentication_receive", 6),
    ("disconnect", 8),
];

const ADMIN: &[(&str, u64)] = &[
    ("get_log_page", 2),
    ("identify", 6),
    ("abort", 8),
    ("set_features", 9),
    ("get_features", 0xa),
    ("async_event_request", 0xc),
    ("namespace_management", 0xd),
    ("firmware_commit", 0x10),
    ("firmware_download", 0x11),
    ("device_self_test", 0x14),
    ("namespace_attachment", 0x15),
    ("keep_alive", 0x18),
    ("format_nvm", 0x80),
    ("security_send", 0x81),
    ("security_receive", 0x82),
    ("sanitize", 0x84),
];

const IO: &[(&str, u64)] = &[
    ("flush", 0),
    ("write", 1),
    ("read", 2),
    ("write_uncorrectable", 4),
    ("compare", 5),
    ("write_zeroes", 8),
    ("dataset_management", 9),
    ("verify", 0xc),
    ("reservation_register", 0xd),
    ("reservation_report", 0xe),
    ("reservation_acquire", 0x11),
    ("reservation_release", 0x15),
    ("copy", 0x19),
    ("zone_management_send", 0x79),
    ("zone_management_receive", 0x7a),
    ("zone_append", 0x7d),
];

pub const STATUSES: &[(&str, u64)] = &[
    ("success", 0),
    ("invalid_opcode", 1),
    ("invalid_field", 2),
    ("data_transfer_error", 4),
    ("internal_error", 6),
    ("abort_requested", 7),
    ("invalid_namespace", 0xb),
    ("lba_out_of_range", 0x80),
    ("capacity_exceeded", 0x81),
    ("namespace_not_ready", 0x82),
    ("reservation_conflict", 0x83),
    ("connect_incompatible_format", 0x180),
    ("controller_busy", 0x181),
    ("connect_invalid_parameters", 0x182),
    ("connect_restart_discovery", 0x183),
    ("connect_invalid_host", 0x184),
    ("authentication_required", 0x191),
    ("write_fault", 0x280),
    ("unrecovered_read_error", 0x281),
    ("access_denied", 0x286),
];

pub fn of(list: &[(&'static str, u64)], value: u64) -> Option<&'static str> {
    list.iter().find(|n| n.1 == value).map(|n| n.0)
}

/// A command's name. Opcodes of the admin queue (`Some(0)`) and of others differ; without a queue only those of fabrics
/// are known.
pub fn command(opcode: u8, fabrics: u8, queue: Option<u16>) -> Option<&'static str> {
    match queue {
        _ if opcode == FABRICS => of(FABRICS_TYPES, u64::from(fabrics)),
        Some(0) => of(ADMIN, u64::from(opcode)),
        Some(_) => of(IO, u64::from(opcode)),
        None => None,
    }
}

/// Whether an I/O command has a range of blocks.
pub const fn has_range(opcode: u8) -> bool {
    matches!(opcode, 1 | 2 | 4 | 5 | 8 | 0xc | 0x7d)
}

/// Reads, writes and their like, of which there are thousands a second.
pub const fn is_traffic(opcode: u8) -> bool {
    matches!(opcode, 0 | 1 | 2 | 5 | 0xc | 0x7d)
}
