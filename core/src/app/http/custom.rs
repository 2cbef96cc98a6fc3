//! Header fields that a record has on request: those that the output names (`custom`), and all (`dump-all-headers`).
//!
//! In: the fields of both messages. Out: members of the record, as Suricata names them.

use super::Tx;
use super::table::Table;
use crate::event::Fields;
use crate::pool::BytePool;

/// Where a field of `custom` is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Request,
    Response,
}
use In::{Request, Response};

/// A field: the option that asks for it, its name in the message, its name in the record.
#[derive(Clone, Copy, Debug)]
struct Custom {
    option: &'static str,
    key: &'static str,
    of: In,
}

const fn field(option: &'static str, key: &'static str, of: In) -> Custom {
    Custom { option, key, of }
}

/// Bytes before the field's name in an option.
const PREFIX: usize = "custom.".len();

/// All of them. What the extended form has as well is written once.
const CUSTOM: &[Custom] = &[
    field("custom.accept", "accept", Request),
    field("custom.accept-charset", "accept_charset", Request),
    field("custom.accept-encoding", "accept_encoding", Request),
    field("custom.accept-language", "accept_language", Request),
    field("custom.accept-datetime", "accept_datetime", Request),
    field("custom.authorization", "authorization", Request),
    field("custom.cache-control", "cache_control", Request),
    field("custom.cookie", "cookie", Request),
    field("custom.from", "from", Request),
    field("custom.max-forwards", "max_forwards", Request),
    field("custom.origin", "origin", Request),
    field("custom.pragma", "pragma", Request),
    field("custom.proxy-authorization", "proxy_authorization", Request),
    field("custom.range", "range", Request),
    field("custom.te", "te", Request),
    field("custom.via", "via", Request),
    field("custom.x-requested-with", "x_requested_with", Request),
    field("custom.dnt", "dnt", Request),
    field("custom.x-forwarded-proto", "x_forwarded_proto", Request),
    field("custom.x-authenticated-user", "x_authenticated_user", Request),
    field("custom.x-flash-version", "x_flash_version", Request),
    field("custom.true-client-ip", "true_client_ip", Request),
    field("custom.org-src-ip", "org_src_ip", Request),
    field("custom.x-bluecoat-via", "x_bluecoat_via", Request),
    field("custom.accept-range", "accept_range", Response),
    field("custom.age", "age", Response),
    field("custom.allow", "allow", Response),
    field("custom.connection", "connection", Response),
    field("custom.content-encoding", "content_encoding", Response),
    field("custom.content-language", "content_language", Response),
    field("custom.content-length", "content_length", Response),
    field("custom.content-location", "content_location", Response),
    field("custom.content-md5", "content_md5", Response),
    field("custom.content-range", "content_range", Response),
    field("custom.content-type", "content_type", Response),
    field("custom.date", "date", Response),
    field("custom.etag", "etag", Response),
    field("custom.expires", "expires", Response),
    field("custom.last-modified", "last_modified", Response),
    field("custom.link", "link", Response),
    field("custom.location", "location", Response),
    field("custom.proxy-authenticate", "proxy_authenticate", Response),
    field("custom.referer", "referer", Request),
    field("custom.refresh", "refresh", Response),
    field("custom.retry-after", "retry_after", Response),
    field("custom.server", "server", Response),
    field("custom.set-cookie", "set_cookie", Response),
    field("custom.trailer", "trailer", Response),
    field("custom.transfer-encoding", "transfer_encoding", Response),
    field("custom.upgrade", "upgrade", Response),
    field("custom.vary", "vary", Response),
    field("custom.warning", "warning", Response),
    field("custom.www-authenticate", "www_authenticate", Response),
];

/// Whether `custom` can name that field, in lower case with dashes.
pub fn is_custom(name: &str) -> bool {
    CUSTOM.iter().any(|c| c.option.get(PREFIX..) == Some(name))
}

/// The fields that the output names.
pub(super) fn write(tx: &Tx, pool: &BytePool, out: &mut dyn Fields) {
    if !out.wants("custom") {
        return;
    }
    for c in CUSTOM {
        // The basic form has a member of this name, with more in it.
        if c.key == "content_range" || !out.wants(c.option) {
            continue;
        }
        let table = &tx.msg[usize::from(c.of == Response)].headers;
        let name = c.option.get(PREFIX..).unwrap_or("");
        if let Some((value, _)) = table.get(pool, name.as_bytes()) {
            out.bytes(c.key, value);
        }
    }
}

/// All fields, where the output wants them.
pub(super) fn dump(tx: &Tx, pool: &BytePool, out: &mut dyn Fields) {
    let all =
        [("dump-all-headers.request", "request_headers"), ("dump-all-headers.response", "response_headers")];
    for (m, (option, key)) in tx.msg.iter().zip(all) {
        if out.wants(option) && m.headers.count > 0 {
            list(&m.headers, key, pool, out);
        }
    }
}

fn list(table: &Table, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    out.begin_array(key);
    for e in table.entries(pool) {
        out.begin_object("");
        out.bytes("name", table.name(pool, e));
        out.bytes("value", table.value(pool, e));
        out.end_object();
    }
    out.end_array();
}
