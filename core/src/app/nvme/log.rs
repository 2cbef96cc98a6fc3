//! The `nvme` record: a command with its completion, or a queue's connection with its totals.

use super::Own;
use super::names;
use crate::event::Fields;
use crate::pool::BytePool;

impl Own {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        if self.connection {
            return self.connection(out);
        }
        let c = &self.command;
        if let Some(name) = self.name() {
            out.str("command", name);
        }
        out.u64("opcode", u64::from(c.opcode));
        if let Some(q) = self.queue {
            out.u64("queue", u64::from(q));
        }
        out.u64("command_id", u64::from(c.id));
        if c.fabrics().is_none() {
            out.u64("nsid", u64::from(c.nsid));
        }
        if let Some((lba, blocks)) = self.range() {
            out.u64("lba", lba);
            out.u64("blocks", blocks);
        }
        if c.is_connect() {
            if !self.host.is_empty() {
                out.bytes("host_nqn", self.host.get(pool));
            }
            if !self.subsystem.is_empty() {
                out.bytes("subsystem_nqn", self.subsystem.get(pool));
            }
        }
        out.u64("data_length", self.data);
        let Some(done) = self.done else { return };
        if c.is_connect() && done.status == 0 {
            out.u64("controller", u64::from(done.result & 0xffff));
            out.bool("auth_required", done.result >> 16 != 0);
        } else if c.is_connect() && self.controller != 0xffff {
            out.u64("controller", u64::from(self.controller));
        }
        out.u64("status", u64::from(done.status));
        if let Some(name) = names::of(names::STATUSES, u64::from(done.status)) {
            out.str("status_name", name);
        }
    }

    fn connection(&self, out: &mut dyn Fields) {
        out.begin_object("connection");
        if let Some((version, digests, max)) = self.agreed {
            out.u64("pdu_version", u64::from(version));
            out.bool("header_digest", digests & 1 != 0);
            out.bool("data_digest", digests & 2 != 0);
            out.u64("max_data", u64::from(max));
        }
        let t = &self.totals;
        for (name, n) in [
            ("commands", t.commands),
            ("reads", t.reads),
            ("writes", t.writes),
            ("errors", t.errors),
            ("bytes_in", t.bytes_in),
            ("bytes_out", t.bytes_out),
            ("unrecorded", t.unrecorded),
        ] {
            out.u64(name, n);
        }
        if let Some(why) = self.fatal {
            out.u64("fatal_error", u64::from(why));
        }
        out.end_object();
    }
}
