//! The `roce` record: a packet that asks for memory or is refused, or a flow's totals.

use super::{NAKS, Own, nak};
use crate::event::Fields;
use crate::packet::roce_opcode_name;

impl Own {
    pub(super) fn log(&self, out: &mut dyn Fields) {
        if self.flow {
            return self.totals(out);
        }
        let h = &self.headers;
        out.str("operation", roce_opcode_name(h.opcode));
        out.u64("opcode", u64::from(h.opcode));
        out.u64("queue_pair", u64::from(h.dest_qp));
        out.u64("partition", u64::from(h.pkey));
        out.u64("psn", u64::from(h.psn));
        if let Some((address, key, len)) = self.memory {
            out.u64("virtual_address", address);
            out.u64("remote_key", u64::from(key));
            if let Some(len) = len {
                out.u64("length", u64::from(len));
            }
        }
        if let Some((_, qp)) = h.deth {
            out.u64("source_queue_pair", u64::from(qp));
        }
        if let Some((syndrome, msn)) = h.aeth {
            out.u64("syndrome", u64::from(syndrome));
            out.u64("message", u64::from(msn));
            match nak(syndrome) {
                Some(code) => match NAKS.iter().find(|n| n.1 == code) {
                    Some((name, _)) => out.str("nak", name),
                    None => out.fmt("nak", format_args!("{code}")),
                },
                None if syndrome >> 5 == 1 => out.str("nak", "receiver_not_ready"),
                None => {}
            }
        }
        if self.gap > 0 {
            out.u64("psn_gap", u64::from(self.gap));
        }
        if self.new_source {
            out.bool("new_source", true);
        }
    }

    fn totals(&self, out: &mut dyn Fields) {
        let t = &self.totals;
        out.begin_object("totals");
        for (name, n) in [
            ("packets", t.packets),
            ("bytes", t.bytes),
            ("sends", t.sends),
            ("writes", t.writes),
            ("reads", t.reads),
            ("atomics", t.atomics),
            ("acks", t.acks),
            ("naks", t.naks),
            ("not_ready", t.not_ready),
            ("congestion", t.congestion),
            ("remote_keys", t.remote_keys),
            ("psn_gaps", t.psn_gaps),
            ("unrecorded", t.unrecorded),
        ] {
            out.u64(name, n);
        }
        out.end_object();
    }
}
