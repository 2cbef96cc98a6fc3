//! Settings of TCP tracking and reassembly: plain data, filled by the dataplane from `stream` and
//! `host-os-policy`.

use alloc::vec::Vec;

use super::policy::OsPolicy;
use crate::packet::Addr;

/// What is done with traffic that a policy names (Suricata's exception policies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ExceptionPolicy {
    #[default]
    Ignore,
    PassPacket,
    PassFlow,
    Bypass,
    DropPacket,
    DropFlow,
    Reject,
}

impl ExceptionPolicy {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// EVE `policy`, by number.
    pub const NAMES: [&str; Self::COUNT] =
        ["ignore", "pass_packet", "pass_flow", "bypass", "drop_packet", "drop_flow", "reject"];
}

/// `stream.reassembly.urgent.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UrgentPolicy {
    /// The urgent byte is not part of the stream.
    #[default]
    Oob,
    Inline,
    Drop,
    Gap,
}

/// Settings of TCP tracking and reassembly. Sizes are bytes.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Sessions reserved at construction.
    pub max_sessions: usize,
    /// Pick sessions up in the middle.
    pub midstream: bool,
    pub midstream_policy: ExceptionPolicy,
    /// Only one side is seen.
    pub async_oneside: bool,
    /// Data is inspected before it is acknowledged, and decided on at once.
    pub inline: bool,
    /// Packets with a wrong checksum are not for the stream.
    pub checksum_validation: bool,
    /// Checksums that no receiver has looked at are computed.
    pub checksum_compute: bool,
    /// The same, unless more than a tenth of the first 1,000 frames turn out wrong: then packets were captured before the
    /// sender's card filled their checksums in, and no checksum counts from there on.
    pub checksum_auto: bool,
    pub drop_invalid: bool,
    /// Most distinct SYN/ACKs remembered during a handshake.
    pub max_synack_queued: usize,
    /// A timestamp may be one older than the newest, whatever the receiver's system, as Linux has it.
    pub liberal_timestamps: bool,
    /// Bytes of each direction that are reassembled; 0 for all.
    pub depth: u64,
    /// Least bytes worth a raw inspection, to the server and to the client.
    pub chunk: [u32; 2],
    /// Most separate pieces of out-of-order data per direction.
    pub max_regions: u16,
    /// Most bytes buffered ahead of a hole, per direction.
    pub max_window: u32,
    /// Inspected bytes kept before the new ones in the raw inspection window.
    pub raw_tail: u32,
    pub check_overlap_different_data: bool,
    pub urgent: UrgentPolicy,
    /// Most urgent bytes taken out of band in one session before the limit's policy applies.
    pub urgent_limit: u16,
    pub memcap_policy: ExceptionPolicy,
    pub reassembly_memcap_policy: ExceptionPolicy,
    /// Receiving hosts: (network, prefix length, policy); the longest match wins, `Bsd` without one.
    pub host_os: Vec<(Addr, bool, u8, OsPolicy)>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig {
            max_sessions: 64 << 10,
            midstream: false,
            midstream_policy: ExceptionPolicy::Ignore,
            async_oneside: false,
            inline: false,
            checksum_validation: true,
            checksum_compute: false,
            checksum_auto: false,
            drop_invalid: true,
            max_synack_queued: 5,
            liberal_timestamps: true,
            depth: 1 << 20,
            chunk: [2560, 2560],
            max_regions: 8,
            max_window: 1 << 20,
            raw_tail: 1024,
            check_overlap_different_data: false,
            urgent: UrgentPolicy::Oob,
            urgent_limit: 32,
            memcap_policy: ExceptionPolicy::Ignore,
            reassembly_memcap_policy: ExceptionPolicy::Ignore,
            host_os: Vec::new(),
        }
    }
}

impl StreamConfig {
    /// The policy of the host `addr`.
    pub fn os_of(&self, addr: &Addr, v6: bool) -> OsPolicy {
        let mut best = (0u16, OsPolicy::Bsd);
        for &(net, six, prefix, policy) in &self.host_os {
            if six == v6 && u16::from(prefix) + 1 > best.0 && prefix_equal(&net.0, &addr.0, prefix) {
                best = (u16::from(prefix) + 1, policy);
            }
        }
        best.1
    }
}

fn prefix_equal(a: &[u8; 16], b: &[u8; 16], bits: u8) -> bool {
    let whole = usize::from(bits / 8).min(16);
    if a[..whole] != b[..whole] {
        return false;
    }
    let rest = bits % 8;
    rest == 0 || whole == 16 || (a[whole] ^ b[whole]) >> (8 - rest) == 0
}
