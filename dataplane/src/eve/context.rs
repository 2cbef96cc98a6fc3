//! The object `context`: processes, containers and pods at the ends of a flow; and `context` records, for what hosts said
//! after events of their flow were written. Records of our own.

use std::net::IpAddr;

use tidegate_core::flow::FlowView;

use super::Output;
use crate::context::Late;

impl Output {
    /// What is known of the flow's ends, into the event that is being written.
    pub(super) fn context(&mut self, f: &FlowView<'_>) {
        if let Some(c) = &self.settings.context {
            c.write(&mut self.json, f);
        }
    }

    pub(super) fn late(&mut self, l: &Late) {
        if !self.settings.context_events {
            return;
        }
        let j = &mut self.json;
        j.open("");
        j.time("timestamp", l.time);
        j.uint("flow_id", l.flow);
        j.word("event_type", "context");
        for (ip, port, end) in [("src_ip", "src_port", l.client), ("dest_ip", "dest_port", l.server)] {
            address(j, ip, end.0);
            j.uint(port, u64::from(end.1));
        }
        super::header::proto(j, l.proto);
        j.uint("ip_v", if l.client.0.is_ipv6() { 6 } else { 4 });
        j.open("context");
        for (name, text) in ["client", "server"].into_iter().zip(&l.texts) {
            if let Some(t) = text {
                j.key(name);
                j.buf.extend_from_slice(t);
            }
        }
        j.close();
        self.end();
    }
}

/// As other events have addresses.
fn address(j: &mut super::Json, key: &str, ip: IpAddr) {
    match ip {
        IpAddr::V4(a) => j.addr(key, &tidegate_core::packet::Addr::v4(a.octets()), false),
        IpAddr::V6(a) => j.addr(key, &tidegate_core::packet::Addr(a.octets()), true),
    }
}
