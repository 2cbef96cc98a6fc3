//! The `mqtt` record: an object for each packet of the transaction, named after its type.

use core::fmt;

use super::Exchange;
use super::message::{
    CLEAN_SESSION, CONNACK, CONNECT, Connect, DISCONNECT, Message, PASSWORD, PUBLISH, Properties, Rest,
    SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, USERNAME, Value, WILL, WILL_RETAIN,
};
use crate::app::octets::key;
use crate::event::Fields;
use crate::pool::BytePool;

/// Bytes of a text that are shown unless the settings say otherwise (`string-log-limit`; 0: all).
const TEXT_MAX: u64 = 1024;
/// Topics, codes and properties of a packet that are shown.
const LIST_MAX: usize = 256;

/// A text of which the rest is left out.
struct Cut<'a> {
    shown: &'a [u8],
    left: usize,
}

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.shown.utf8_chunks() {
            f.write_str(c.valid())?;
            c.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
        }
        write!(f, "[truncated {} additional bytes]", self.left)
    }
}

fn most(out: &dyn Fields) -> usize {
    match out.limit("string-log-limit").unwrap_or(TEXT_MAX) {
        0 => usize::MAX,
        n => usize::try_from(n).unwrap_or(usize::MAX),
    }
}

fn text(out: &mut dyn Fields, key: &str, value: &[u8]) {
    let most = most(out);
    text_within(out, key, value, most);
}

fn text_within(out: &mut dyn Fields, key: &str, value: &[u8], most: usize) {
    match value.split_at_checked(most) {
        Some((shown, rest)) if !rest.is_empty() => {
            out.fmt(key, format_args!("{}", Cut { shown, left: rest.len() }));
        }
        _ => out.bytes(key, value),
    }
}

/// A user may give one name to several pairs, or one that the protocol has itself: their values are a list then, where the name stands first.
fn properties(out: &mut dyn Fields, p: Properties<'_>) {
    if p.0.is_empty() {
        return;
    }
    let mut all = [("", Value::Number(0)); LIST_MAX];
    let mut count = 0;
    for (slot, (name, value)) in all.iter_mut().zip(p.all()) {
        *slot = (shown(name, value), value);
        count += 1;
    }
    out.begin_object("properties");
    let mut rest = all.get(..count).unwrap_or_default();
    let mut before: &[(&str, Value<'_>)] = &[];
    while let [(name, value), after @ ..] = rest {
        let same = |other: &&(&str, Value<'_>)| other.0 == *name;
        if before.iter().any(|b| same(&b)) {
            // In the list of its first.
        } else if after.iter().any(|a| same(&a)) {
            out.begin_array(name);
            property(out, "", *value);
            after.iter().filter(same).for_each(|(_, v)| property(out, "", *v));
            out.end_array();
        } else {
            property(out, name, *value);
        }
        before = all.get(..=before.len()).unwrap_or_default();
        rest = after;
    }
    out.end_object();
}

/// The key of a property: users' own names stand beside the others.
fn shown<'a>(name: &'static str, value: Value<'a>) -> &'a str {
    match value {
        Value::Pair(k, _) => key(k).unwrap_or(name),
        Value::Number(_) | Value::Text(_) => name,
    }
}

fn property(out: &mut dyn Fields, key: &str, value: Value<'_>) {
    match value {
        Value::Number(n) => out.u64(key, u64::from(n)),
        Value::Text(t) | Value::Pair(_, t) => text(out, key, t),
    }
}

impl Exchange {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let mut told = 0u16;
        for m in self.messages(pool) {
            // Repeated packets say nothing new.
            let bit = 1 << m.head.kind;
            if m.head.kind == 0 || told & bit != 0 {
                continue;
            }
            told |= bit;
            packet(out, &m);
        }
    }
}

fn packet(out: &mut dyn Fields, m: &Message<'_>) {
    out.begin_object(m.head.name());
    out.u64("qos", u64::from(m.head.qos()));
    out.bool("retain", m.head.retain());
    out.bool("dup", m.head.dup());
    if m.truncated {
        out.bool("truncated", true);
        out.u64("skipped_length", (m.head.size + m.head.len) as u64);
    } else if m.head.kind == CONNECT {
        if let Some(c) = m.connect() {
            connect(out, &c);
        }
    } else if let Some(r) = m.rest() {
        rest(out, m, &r);
    }
    out.end_object();
}

fn connect(out: &mut dyn Fields, c: &Connect<'_>) {
    text(out, "protocol_string", c.protocol);
    out.u64("protocol_version", u64::from(c.version));
    out.begin_object("flags");
    for (name, bit) in [
        ("username", USERNAME),
        ("password", PASSWORD),
        ("will_retain", WILL_RETAIN),
        ("will", WILL),
        ("clean_session", CLEAN_SESSION),
    ] {
        out.bool(name, c.flags & bit != 0);
    }
    out.end_object();
    text(out, "client_id", c.client_id);
    if let Some(user) = c.username {
        text(out, "username", user);
    }
    if let Some(password) = c.password
        && !out.wants("passwords.no")
    {
        text(out, "password", password);
    }
    if let (Some(topic), Some(message)) = (c.will_topic, c.will_message) {
        out.begin_object("will");
        text(out, "topic", topic);
        text(out, "message", message);
        properties(out, c.will_properties);
        out.end_object();
    }
    properties(out, c.properties);
}

fn rest(out: &mut dyn Fields, m: &Message<'_>, r: &Rest<'_>) {
    if let Some(topic) = r.topic {
        text(out, "topic", topic);
    }
    if let Some(id) = r.id {
        out.u64("message_id", u64::from(id));
    }
    if let Some(there) = r.session_present {
        out.bool("session_present", there);
    }
    if let Some(code) = r.code {
        out.u64(if m.head.kind == CONNACK { "return_code" } else { "reason_code" }, u64::from(code));
    }
    match m.head.kind {
        PUBLISH => text(out, "message", r.payload),
        SUBSCRIBE => {
            out.begin_array("topics");
            within(out, m, |out, topic, qos, most| {
                out.begin_object("");
                text_within(out, "topic", topic, most);
                out.u64("qos", u64::from(qos));
                out.end_object();
            });
            out.end_array();
        }
        UNSUBSCRIBE => {
            out.begin_array("topics");
            within(out, m, |out, topic, _, most| text_within(out, "", topic, most));
            out.end_array();
        }
        SUBACK | UNSUBACK if m.head.kind == SUBACK || m.version == 5 => {
            out.begin_array(if m.head.kind == SUBACK { "qos_granted" } else { "reason_codes" });
            m.codes().take(LIST_MAX).for_each(|c| out.u64("", u64::from(c)));
            out.end_array();
        }
        _ => {}
    }
    // Records of the others have no place for them.
    if matches!(m.head.kind, CONNACK | PUBLISH | DISCONNECT) {
        properties(out, r.properties);
    }
}

/// The topics of a packet, for which the limit of texts holds together: `f` is told what is left of it.
fn within(out: &mut dyn Fields, m: &Message<'_>, mut f: impl FnMut(&mut dyn Fields, &[u8], u8, usize)) {
    let mut left = most(out);
    for (topic, qos) in m.topics().take(LIST_MAX) {
        if left == 0 {
            break;
        }
        f(out, topic, qos, left);
        left -= topic.len().min(left);
    }
}
