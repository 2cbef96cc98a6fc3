//! `arp` records: a message of the address resolution protocol (RFC 826).

use tidegate_core::Dir;
use tidegate_core::packet::{Addr, Packet};

use super::Output;
use super::header::{About, Ends};

/// Kinds of messages by number, from 1 on (RFC 826, RFC 903).
const KINDS: [&str; 4] = ["request", "reply", "request_reverse", "reply_reverse"];

impl Output {
    /// Of Ethernet and IPv4, which is all that is decoded.
    pub(super) fn arp(&mut self, packet: &Packet<'_>) {
        let Some(m) = packet.l3_hdr.of(packet.data).first_chunk::<28>() else { return };
        if !self.settings.arp {
            return;
        }
        let about = About { packet: Some(packet), flow: None, dir: Dir::ToServer };
        self.header("arp", packet.ts, about, &Ends::of_packet(packet));
        self.options(about);
        let j = &mut self.json;
        let mac = |at: usize| [m[at], m[at + 1], m[at + 2], m[at + 3], m[at + 4], m[at + 5]];
        let ip = |at: usize| Addr::v4([m[at], m[at + 1], m[at + 2], m[at + 3]]);
        j.open("arp");
        j.word("hw_type", "ethernet");
        j.word("proto_type", "ipv4");
        let kind = usize::from(u16::from_be_bytes([m[6], m[7]]));
        j.word("opcode", KINDS.get(kind.wrapping_sub(1)).copied().unwrap_or("unknown"));
        j.mac("src_mac", mac(8));
        j.addr("src_ip", &ip(14), false);
        j.mac("dest_mac", mac(18));
        j.addr("dest_ip", &ip(24), false);
        j.close();
        self.end();
    }
}
