//! The record of a mail.

use super::{Letter, tag};
use crate::event::Fields;
use crate::pool::BytePool;

/// Addresses of a field, one by one.
fn addresses(m: &Letter, t: u8, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    let Some(v) = m.list.nth(pool, t, 0) else { return };
    out.begin_array(key);
    for a in v.split(|b| *b == b',') {
        out.bytes("", a.trim_ascii());
    }
    out.end_array();
}

/// Fields written when the configuration names them: tag, its option, its name in EVE.
const CUSTOM: &[(u8, &str, &str)] = &[
    (10, "custom.bcc", "bcc"),
    (9, "custom.reply-to", "reply_to"),
    (tag::SUBJECT, "custom.subject", "subject"),
    (tag::DATE, "custom.date", "date"),
    (tag::X_MAILER, "custom.x-mailer", "x_mailer"),
    (11, "custom.user-agent", "user_agent"),
    (12, "custom.x-originating-ip", "x_originating_ip"),
    (13, "custom.in-reply-to", "in_reply_to"),
    (14, "custom.references", "references"),
    (15, "custom.importance", "importance"),
    (16, "custom.priority", "priority"),
    (17, "custom.sensitivity", "sensitivity"),
    (18, "custom.organization", "organization"),
    (19, "custom.content-md5", "content_md5"),
    (tag::MESSAGE_ID, "custom.message-id", "message_id"),
];

pub(super) fn email(m: &Letter, pool: &BytePool, out: &mut dyn Fields) {
    out.str("status", m.stage.name());
    if let Some(v) = m.list.nth(pool, tag::FROM, 0) {
        out.bytes("from", v);
    }
    addresses(m, tag::TO, "to", pool, out);
    addresses(m, tag::CC, "cc", pool, out);
    m.list.log(pool, tag::ATTACHMENT, "attachment", out);
    m.list.log(pool, tag::URL, "url", out);
    if out.wants("custom.received") {
        m.list.log(pool, tag::RECEIVED, "received", out);
    }
    for (t, option, key) in CUSTOM {
        if out.wants(option)
            && let Some(v) = m.list.nth(pool, *t, 0)
        {
            out.bytes(key, v);
        }
    }
}
