//! The `ldap` record: a request with its answers.

use super::message::*;
use super::{Own, name_of, names};
use crate::event::Fields;
use crate::pool::BytePool;

/// Most answers of a record.
const MOST: usize = 64;

/// A list of values of a value that is a set.
fn texts(out: &mut dyn Fields, key: &str, list: &[u8]) {
    out.begin_array(key);
    values(list).for_each(|(_, v)| out.bytes("", v));
    out.end_array();
}

/// A name with the set that follows it.
fn attribute(out: &mut dyn Fields, (name, all): (&str, &str), pair: &[u8]) {
    let Some(((_, kind), rest)) = next(pair) else { return };
    out.bytes(name, kind);
    if let Some(((_, set), _)) = next(rest) {
        texts(out, all, set);
    }
}

fn attributes(out: &mut dyn Fields, names: (&str, &str), list: &[u8]) {
    out.begin_array("attributes");
    for (_, pair) in values(list) {
        out.begin_object("");
        attribute(out, names, pair);
        out.end_object();
    }
    out.end_array();
}

fn optional(out: &mut dyn Fields, key: &str, value: Option<&[u8]>) {
    if let Some(v) = value {
        out.bytes(key, v);
    }
}

fn bind(m: &Message<'_>, out: &mut dyn Fields) {
    let mut parts = values(m.operation);
    if let Some(version) = parts.next().and_then(|v| uint(v.1)) {
        out.u64("version", version);
    }
    if let Some((_, name)) = parts.next() {
        out.bytes("name", name);
    }
    // SASL; a password in the clear is not shown.
    if let Some((0xa3, sasl)) = parts.next() {
        out.begin_object("sasl");
        let mut parts = values(sasl);
        optional(out, "mechanism", parts.next().map(|v| v.1));
        optional(out, "credentials", parts.next().map(|v| v.1));
        out.end_object();
    }
}

fn search(m: &Message<'_>, out: &mut dyn Fields) {
    let Some(s) = m.search() else { return };
    out.bytes("base_object", s.base);
    for (key, n) in ["scope", "deref_alias", "size_limit", "time_limit"].into_iter().zip(s.numbers) {
        out.u64(key, n);
    }
    out.bool("types_only", s.types_only);
    texts(out, "attributes", s.attributes);
}

fn modify(m: &Message<'_>, out: &mut dyn Fields) {
    optional(out, "object", m.dn());
    out.begin_array("changes");
    for (_, change) in values(m.list().unwrap_or(&[])) {
        let Some(((_, kind), rest)) = next(change) else { break };
        out.begin_object("");
        let kinds = ["add", "delete", "replace", "increment"];
        let kind = uint(kind).and_then(|k| kinds.get(usize::try_from(k).ok()?)).copied();
        out.str("operation", kind.unwrap_or("unknown"));
        out.begin_object("modification");
        if let Some(((_, pair), _)) = next(rest) {
            attribute(out, ("attribute_type", "attribute_values"), pair);
        }
        out.end_object();
        out.end_object();
    }
    out.end_array();
}

fn rename(m: &Message<'_>, out: &mut dyn Fields) {
    let mut parts = values(m.operation);
    optional(out, "entry", parts.next().map(|v| v.1));
    optional(out, "new_rdn", parts.next().map(|v| v.1));
    if let Some((_, old)) = parts.next() {
        out.bool("delete_old_rdn", old != [0]);
    }
    optional(out, "new_superior", parts.next().map(|v| v.1));
}

fn compare(m: &Message<'_>, out: &mut dyn Fields) {
    optional(out, "entry", m.dn());
    out.begin_object("attribute_value_assertion");
    let mut parts = values(m.list().unwrap_or(&[]));
    optional(out, "description", parts.next().map(|v| v.1));
    optional(out, "value", parts.next().map(|v| v.1));
    out.end_object();
}

fn verdict(m: &Message<'_>, out: &mut dyn Fields) {
    let Some(r) = m.result() else { return };
    match name_of(names::RESULTS, r.code) {
        Some(name) => out.str("result_code", name),
        None => out.fmt("result_code", format_args!("unknown ({})", r.code)),
    }
    out.bytes("matched_dn", r.dn);
    out.bytes("message", r.message);
    let find = |tag| values(r.rest).find(|v| v.0 == tag).map(|v| v.1);
    match m.kind {
        BIND_RESPONSE => optional(out, "server_sasl_creds", find(0x87)),
        EXTENDED_RESPONSE => {
            optional(out, "name", find(0x8a));
            optional(out, "value", find(0x8b));
        }
        _ => {}
    }
}

/// The object of an operation, named after it.
fn operation(m: &Message<'_>, out: &mut dyn Fields) {
    out.u64("message_id", m.id);
    let Some(name) = name_of(names::OPERATIONS, u64::from(m.kind)) else {
        return out.str("operation", "unknown");
    };
    out.str("operation", name);
    if matches!(m.kind, UNBIND_REQUEST | SEARCH_REFERENCE) {
        return;
    }
    out.begin_object(name);
    match m.kind {
        BIND_REQUEST => bind(m, out),
        SEARCH_REQUEST => search(m, out),
        SEARCH_ENTRY => {
            optional(out, "base_object", m.dn());
            attributes(out, ("type", "values"), m.list().unwrap_or(&[]));
        }
        MODIFY_REQUEST => modify(m, out),
        ADD_REQUEST => {
            optional(out, "entry", m.dn());
            attributes(out, ("name", "values"), m.list().unwrap_or(&[]));
        }
        DEL_REQUEST => optional(out, "dn", m.dn()),
        MOD_DN_REQUEST => rename(m, out),
        COMPARE_REQUEST => compare(m, out),
        ABANDON_REQUEST => {
            if let Some(id) = uint(m.operation) {
                out.u64("message_id", id);
            }
        }
        EXTENDED_REQUEST | INTERMEDIATE => {
            let [name, value] = m.extended(0x80, 0x81);
            optional(out, "name", name);
            optional(out, "value", value);
        }
        _ => verdict(m, out),
    }
    out.end_object();
}

impl Own {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        if let Some(m) = self.request(pool) {
            out.begin_object("request");
            operation(&m, out);
            out.end_object();
        }
        let mut answers = self.answers(pool).filter_map(Message::read).take(MOST).peekable();
        if answers.peek().is_none() {
            return;
        }
        out.begin_array("responses");
        for m in answers {
            out.begin_object("");
            operation(&m, out);
            out.end_object();
        }
        out.end_array();
    }
}
