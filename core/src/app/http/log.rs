//! The EVE `http` record; what is beyond the basic form where the output asks for it (`extended`).

use super::{Tx, body, custom, text};
use crate::event::Fields;
use crate::pool::BytePool;

impl Tx {
    /// Writes the fields of the record.
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let [req, res] = &self.msg;
        if self.has_host {
            out.bytes("hostname", self.host.get(pool));
        }
        if let Some(p) = self.port {
            out.u64("http_port", u64::from(p));
        }
        let url = if self.unmatched { self.uri.get(pool) } else { req.second.get(&req.line, pool) };
        if !url.is_empty() {
            out.bytes("url", url);
        }
        if let Some((v, _)) = req.headers.get(pool, b"user-agent") {
            out.bytes("http_user_agent", v);
        }
        if let Some((v, _)) = res.headers.get(pool, b"content-type") {
            out.bytes("http_content_type", text::take_while(v, |c| c != b';').0);
        }
        if let Some((v, _)) = res.headers.get(pool, b"content-range") {
            out.begin_object("content_range");
            out.bytes("raw", v);
            if let Some((start, end, size)) = body::content_range(v) {
                for (key, n) in [("start", start), ("end", end), ("size", size)] {
                    if let Some(n) = n {
                        out.u64(key, n);
                    }
                }
            }
            out.end_object();
        }
        custom::write(self, pool, out);
        if out.wants("extended") {
            self.log_more(pool, out);
        }
        custom::dump(self, pool, out);
    }

    /// The fields of the extended form.
    fn log_more(&self, pool: &BytePool, out: &mut dyn Fields) {
        let [req, res] = &self.msg;
        if let Some((v, _)) = req.headers.get(pool, b"referer") {
            out.bytes("http_refer", v);
        }
        let method = req.first.get(&req.line, pool);
        if !method.is_empty() {
            out.bytes("http_method", method);
        }
        let protocol = req.third.get(&req.line, pool);
        if !protocol.is_empty() {
            out.bytes("protocol", protocol);
        }
        let code = res.second.get(&res.line, pool);
        if self.status != 0 {
            out.u64("status", u64::from(self.status));
        } else if !code.is_empty() {
            out.bytes("status_string", code);
        }
        if let Some((v, _)) = res.headers.get(pool, b"location") {
            out.bytes("redirect", v);
        }
        out.u64("length", res.body.wire);
    }
}
