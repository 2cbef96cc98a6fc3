//! EVE record of multicast DNS (RFC 6762), which Suricata writes in a form of its own.

use super::Message;
use super::log::{Name, texts};
use super::message;
use crate::event::Fields;
use crate::pool::BytePool;

/// Bits of the second word that have a name (RFC 1035 4.1.1, RFC 4035 3.1.6).
const FLAGS: [(u16, &str); 7] =
    [(0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x40, "z"), (0x20, "ad"), (0x10, "cd")];

pub(super) fn write(m: &Message, pool: &BytePool, out: &mut dyn Fields) {
    out.str("type", if m.response { "response" } else { "request" });
    if m.header.id != 0 {
        out.u64("id", u64::from(m.header.id));
    }
    if FLAGS.iter().any(|(bit, _)| m.header.flags & bit != 0) {
        out.begin_array("flags");
        FLAGS.iter().filter(|(bit, _)| m.header.flags & bit != 0).for_each(|(_, name)| out.str("", name));
        out.end_array();
    }
    if m.header.opcode() != 0 {
        out.u64("opcode", u64::from(m.header.opcode()));
    }
    let rcode = m.header.flags & 15;
    if rcode != 0 {
        out.u64("rcode", u64::from(rcode));
    }
    questions(m, pool, out);
    for (section, key) in [(1, "answers"), (2, "authorities"), (3, "additionals")] {
        records(m, section, key, pool, out);
    }
}

fn name(n: &Name, out: &mut dyn Fields) {
    out.bytes("rrname", n.get());
    if n.cut() {
        out.bool("rrname_truncated", true);
    }
}

fn questions(m: &Message, pool: &BytePool, out: &mut dyn Fields) {
    if m.found[0] == 0 {
        return;
    }
    let msg = m.raw(pool);
    out.begin_array("queries");
    for i in 0..u32::from(m.found[0]) {
        let Some(at) = m.at(0, i, pool) else { break };
        out.begin_object("");
        name(&Name::read(msg, at), out);
        kind(message::question_kind(msg, at).unwrap_or(0), out);
        out.end_object();
    }
    out.end_array();
}

/// The kind of record that is asked for, in small letters. Its highest bit asks for an answer to the asker alone
/// (RFC 6762 5.4) or is about caches, and does not belong to it.
fn kind(kind: u16, out: &mut dyn Fields) {
    let Some(known) = message::kind_name(kind) else { return out.fmt("rrtype", format_args!("{kind}")) };
    let mut small = [0; 16];
    let Some(to) = small.get_mut(..known.len()) else { return out.str("rrtype", known) };
    to.copy_from_slice(known.as_bytes());
    to.make_ascii_lowercase();
    out.bytes("rrtype", to);
}

fn records(m: &Message, section: usize, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    let msg = m.raw(pool);
    let mut open = false;
    for i in 0..u32::from(m.found[section]) {
        let Some(r) = m.record(section, i, pool) else { break };
        if !open {
            out.begin_array(key);
            open = true;
        }
        out.begin_object("");
        name(&Name::read(msg, r.at), out);
        match r.kind {
            message::PTR if section != 2 => {
                if let Some(at) = r.name_at() {
                    out.bytes("ptr", Name::read(msg, at).get());
                }
            }
            message::TXT if section != 2 => {
                let mut some = false;
                texts(r.bytes(msg), |t| {
                    if !some {
                        out.begin_array("txt");
                        some = true;
                    }
                    out.bytes("", t);
                });
                if some {
                    out.end_array();
                }
            }
            _ => {}
        }
        out.end_object();
    }
    if open {
        out.end_array();
    }
}
