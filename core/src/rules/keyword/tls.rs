//! The keywords for certificates that came before sticky buffers: `tls.subject`, `tls.issuerdn`, `tls.fingerprint`.

use super::content::{plain, unescape};
use super::{Arg, Keyword};
use crate::rules::build::Builder;
use crate::rules::ir::{Match, Num};
use crate::rules::refuse::{Res, unsupported};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("tls.subject", |b, a| text(b, a, "tls.cert_subject", false)).quotable().negatable(),
    Keyword::new("tls.issuerdn", |b, a| text(b, a, "tls.cert_issuer", false)).quotable().negatable(),
    Keyword::new("tls.fingerprint", |b, a| text(b, a, "tls.cert_fingerprint", true)).quotable().negatable(),
];

/// A content of the buffer, or all of it.
fn text(b: &mut Builder<'_, '_>, a: &Arg<'_>, buffer: &str, whole: bool) -> Res {
    let index = b.index;
    let Some(info) = index.buffer(buffer) else { return unsupported(buffer) };
    let mut c = plain(unescape(a.bytes)?, a.negated);
    if whole {
        (c.startswith, c.endswith) = (true, true);
        (c.offset, c.depth) = (Some(Num::Const(0)), Some(Num::Const(c.bytes.len() as i64)));
    }
    let list = b.list_of(info)?;
    b.push_to(list, Match::Content(c));
    Ok(())
}
