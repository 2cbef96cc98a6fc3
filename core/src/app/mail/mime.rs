//! Mail messages (RFC 5322, RFC 2045-2047, RFC 2183): lines go in; header fields, URLs of text parts and the
//! decoded bytes of attachments come out. Owns the state of one message being read.

use super::{Letter, Raised, tag};
use crate::Dir;
use crate::app::file::NewFile;
use crate::app::{AppCx, event_at};
use crate::pool::PBuf;

/// Nested multiparts followed.
const DEPTH: usize = 5;
/// Bytes of a header field kept.
const FIELD_MAX: usize = 4000;
/// A header field's name and value of more bytes raise an event.
const HEADER_NAME_LONG: usize = 75;
const HEADER_VALUE_LONG: usize = 2000;
/// Longest file name and boundary (as Suricata).
const NAME_MAX: usize = 255;
/// Text of one line searched for URLs.
const TEXT_MAX: usize = 2000;
/// Line lengths beyond which an event is due (RFC 5322 2.1.1, RFC 2045 6.7 and 6.8).
const LINE_MAX: usize = 998;
const CODED_LINE_MAX: usize = 76;

/// Where a message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Headers,
    Body,
    Done,
}

impl Stage {
    /// EVE `email.status`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Headers => "HEADER_STARTED",
            Stage::Body => "BODY_STARTED",
            Stage::Done => "PARSE_DONE",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Plain,
    Base64,
    Quoted,
}

/// A message being read.
#[derive(Debug, Default)]
pub struct Mime {
    pub stage: Stage,
    /// Header field being unfolded.
    field: PBuf,
    /// Boundaries of the open multiparts, outermost first.
    boundaries: [PBuf; DEPTH],
    depth: usize,
    /// A part began and its boundary's end did not come.
    within: bool,
    /// In the header of a part or of an embedded message.
    inner: bool,
    coding: Coding,
    html_or_text: bool,
    embedded: bool,
    name: PBuf,
    boundary: PBuf,
    /// File + 1 that the part is written to.
    file: u32,
    /// Line end that belongs to the file unless a boundary follows.
    eol: u8,
    bits: u32,
    held: u8,
    /// Padding behind them.
    pads: u8,
    text: PBuf,
    /// The line's beginning came before (it was too long).
    partial: bool,
}

/// Where a message goes.
pub struct Place<'a> {
    pub letter: &'a mut Letter,
    /// The files of its transaction in its direction, and the transaction's number.
    pub files: &'a mut u32,
    pub id: u64,
    pub dir: Dir,
    /// Rules look at the bytes of attachments.
    pub inspected: bool,
}

const BAD_BASE64: u8 = event_at(super::ODD, "mime_invalid_base64");
const BAD_QP: u8 = event_at(super::ODD, "mime_invalid_qp");
const LONG_LINE: u8 = event_at(super::ODD, "mime_long_line");
const LONG_ENC_LINE: u8 = event_at(super::ODD, "mime_long_enc_line");
const MALFORMED: u8 = event_at(super::ODD, "mime_malformed_msg");
const LONG_NAME: u8 = event_at(super::ODD, "mime_long_header_name");
const LONG_VALUE: u8 = event_at(super::ODD, "mime_long_header_value");
const LONG_BOUNDARY: u8 = event_at(super::ODD, "mime_long_boundary");
const LONG_FILENAME: u8 = event_at(super::ODD, "mime_long_filename");

impl Mime {
    /// Gives back what it holds.
    pub fn free(&mut self, cx: &mut AppCx<'_>) {
        for b in &mut self.boundaries {
            b.free(cx.pool);
        }
        for b in [&mut self.field, &mut self.name, &mut self.boundary, &mut self.text] {
            b.free(cx.pool);
        }
        *self = Mime::default();
    }

    /// Takes a line without its end. `eol`: bytes of the line end, 0 when the line goes on. Returns what it raised, and
    /// whether there is more for rules to look at.
    pub fn line(&mut self, line: &[u8], eol: u8, mail: &mut Place<'_>, cx: &mut AppCx<'_>) -> (Raised, bool) {
        let before = mail.letter.mark();
        let mut raised = Raised::default();
        let goes_on = core::mem::replace(&mut self.partial, eol == 0);
        if line.len() > LINE_MAX {
            raised.set(LONG_LINE);
        }
        match self.stage {
            Stage::Headers => self.header_line(line, goes_on, mail, cx, &mut raised),
            Stage::Body => self.body_line((line, goes_on, eol), mail, cx, &mut raised),
            Stage::Done => {}
        }
        mail.letter.stage = self.stage;
        (raised, before != mail.letter.mark())
    }

    /// The message ended, or was cut off (`truncated`). Gives back what was held for it.
    pub fn end(&mut self, truncated: bool, mail: &mut Place<'_>, cx: &mut AppCx<'_>) -> Raised {
        let mut raised = Raised::default();
        if self.stage == Stage::Headers {
            self.field_done(mail, cx, &mut Raised::default());
        }
        self.part_done(truncated, mail, cx);
        if !truncated {
            self.stage = Stage::Done;
            if self.within {
                raised.set(MALFORMED);
            }
        }
        mail.letter.stage = self.stage;
        self.free(cx);
        raised
    }

    fn header_line(
        &mut self,
        line: &[u8],
        goes_on: bool,
        mail: &mut Place<'_>,
        cx: &mut AppCx<'_>,
        raised: &mut Raised,
    ) {
        if line.is_empty() && !goes_on {
            self.field_done(mail, cx, raised);
            self.header_done(mail, cx);
            return;
        }
        let folded = matches!(line.first(), Some(b' ' | b'\t')) && !self.field.is_empty();
        if goes_on || folded {
            let room = FIELD_MAX.saturating_sub(self.field.len());
            let text = if goes_on { line } else { line.trim_ascii_start() };
            if folded && !goes_on && room > 0 {
                let _ = self.field.push(cx.pool, b' ');
            }
            let _ = self.field.extend(cx.pool, text.get(..room.saturating_sub(1)).unwrap_or(text));
            return;
        }
        if self.boundary_line(line, mail, cx) {
            return;
        }
        self.field_done(mail, cx, raised);
        let _ = self.field.extend(cx.pool, line.get(..FIELD_MAX).unwrap_or(line));
    }

    /// A header field is complete.
    fn field_done(&mut self, mail: &mut Place<'_>, cx: &mut AppCx<'_>, raised: &mut Raised) {
        let field = core::mem::take(&mut self.field);
        // Worked on in scratch, as the pool is written to meanwhile.
        cx.scratch.clear();
        cx.scratch.extend(field.get(cx.pool));
        let mut field = field;
        field.free(cx.pool);
        let text = cx.scratch.as_slice();
        let Some(colon) = text.iter().position(|b| *b == b':') else { return };
        let (name, value) = text.split_at(colon);
        let value = value.get(1..).unwrap_or(&[]).trim_ascii();
        let name = name.trim_ascii();
        if name.len() > HEADER_NAME_LONG {
            raised.set(LONG_NAME);
        }
        if value.len() > HEADER_VALUE_LONG {
            raised.set(LONG_VALUE);
        }
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        if is("content-transfer-encoding") {
            self.coding = if value.eq_ignore_ascii_case(b"base64") {
                Coding::Base64
            } else if value.eq_ignore_ascii_case(b"quoted-printable") {
                Coding::Quoted
            } else {
                Coding::Plain
            };
        } else if is("content-type") {
            let kind = value.split(|b| *b == b';').next().unwrap_or(&[]).trim_ascii();
            self.html_or_text = starts(kind, b"text/");
            self.embedded = kind.eq_ignore_ascii_case(b"message/rfc822");
            if starts(kind, b"multipart/")
                && let Some(b) = parameter(value, b"boundary")
            {
                if b.len() > NAME_MAX {
                    raised.set(LONG_BOUNDARY);
                }
                self.boundary.free(cx.pool);
                let _ = self.boundary.extend(cx.pool, b.get(..NAME_MAX).unwrap_or(b));
            }
            if let Some(n) = parameter(value, b"name")
                && self.name.is_empty()
            {
                keep_name(&mut self.name, n, cx.pool, raised);
            }
        } else if is("content-disposition") {
            let mut whole = [0; 2 * NAME_MAX];
            let pieces = continued(value, b"filename", &mut whole);
            if let Some(n) = parameter(value, b"filename").or(pieces.and_then(|n| whole.get(..n))) {
                self.name.free(cx.pool);
                keep_name(&mut self.name, n, cx.pool, raised);
            }
        }
        if !self.inner
            && let Some((t, _)) = tag::FIELDS.iter().find(|(_, n)| is(n))
        {
            mail.letter.list.push(cx.pool, *t, value);
        }
    }

    /// The empty line after a header.
    fn header_done(&mut self, mail: &mut Place<'_>, cx: &mut AppCx<'_>) {
        self.inner = true;
        if !self.boundary.is_empty() {
            if let Some(slot) = self.boundaries.get_mut(self.depth) {
                slot.free(cx.pool);
                *slot = core::mem::take(&mut self.boundary);
                self.depth += 1;
            } else {
                self.boundary.free(cx.pool);
            }
        }
        if self.embedded {
            self.embedded = false;
            self.reset_part(cx);
            return;
        }
        self.stage = Stage::Body;
        if self.name.is_empty() {
            return;
        }
        cx.scratch.clear();
        cx.scratch.extend(self.name.get(cx.pool));
        let name = cx.scratch.as_slice();
        mail.letter.list.push(cx.pool, tag::ATTACHMENT, name);
        let new = NewFile { name, dir: mail.dir, tx_id: mail.id, window: false, range: None, of: None };
        if let Some(f) = cx.files.open(cx.pool, mail.files, new) {
            self.file = f + 1;
            mail.letter.bodies = mail.letter.bodies.saturating_add(1);
        }
    }

    fn reset_part(&mut self, cx: &mut AppCx<'_>) {
        self.coding = Coding::Plain;
        self.html_or_text = false;
        self.embedded = false;
        self.name.free(cx.pool);
        self.boundary.free(cx.pool);
        self.text.free(cx.pool);
        (self.file, self.eol, self.bits, self.held) = (0, 0, 0, 0);
        self.stage = Stage::Headers;
    }

    fn part_done(&mut self, truncated: bool, mail: &mut Place<'_>, cx: &mut AppCx<'_>) {
        if self.held > 0 && self.coding == Coding::Base64 {
            self.flush_base64(mail, cx);
        }
        self.text_line_done(mail, cx);
        if let Some(f) = self.file.checked_sub(1) {
            cx.files.close(cx.pool, f, truncated);
            mail.letter.closed = mail.letter.closed.max(mail.letter.bodies);
        }
        self.file = 0;
    }

    /// Whether the line is a boundary; if so the part before it is over.
    fn boundary_line(&mut self, line: &[u8], mail: &mut Place<'_>, cx: &mut AppCx<'_>) -> bool {
        let Some(rest) = line.strip_prefix(b"--") else { return false };
        for d in (0..self.depth).rev() {
            let (ends, n) = {
                let b = self.boundaries.get(d).map_or(&[][..], |b| b.get(cx.pool));
                match rest.strip_prefix(b) {
                    Some(after) if !b.is_empty() => (after.starts_with(b"--"), d),
                    _ => continue,
                }
            };
            self.part_done(false, mail, cx);
            self.reset_part(cx);
            self.depth = n + 1;
            self.within = !ends;
            if ends {
                self.depth = n;
                self.stage = Stage::Body;
            }
            self.field.free(cx.pool);
            return true;
        }
        false
    }

    fn body_line(
        &mut self,
        (line, goes_on, eol): (&[u8], bool, u8),
        mail: &mut Place<'_>,
        cx: &mut AppCx<'_>,
        raised: &mut Raised,
    ) {
        if !goes_on && self.boundary_line(line, mail, cx) {
            return;
        }
        if self.coding != Coding::Plain && line.len() > CODED_LINE_MAX {
            raised.set(LONG_ENC_LINE);
        }
        match self.coding {
            Coding::Plain => {
                let pending = core::mem::replace(&mut self.eol, eol);
                self.out(eol_bytes(pending), mail, cx);
                self.out(line, mail, cx);
                if self.file == 0 && eol > 0 {
                    self.text_line_done(mail, cx);
                }
            }
            Coding::Base64 => self.base64(line, mail, cx, raised),
            Coding::Quoted => {
                let pending = core::mem::replace(&mut self.eol, eol);
                self.out(eol_bytes(pending), mail, cx);
                let mut rest = line;
                while let Some(at) = rest.iter().position(|b| *b == b'=') {
                    self.out(rest.get(..at).unwrap_or(&[]), mail, cx);
                    rest = rest.get(at + 1..).unwrap_or(&[]);
                    match (rest.first().copied().and_then(hex), rest.get(1).copied().and_then(hex)) {
                        (Some(a), Some(b)) => {
                            self.out(&[a << 4 | b], mail, cx);
                            rest = rest.get(2..).unwrap_or(&[]);
                        }
                        _ if rest.trim_ascii().is_empty() => {
                            // A soft line break: the line goes on.
                            self.eol = 0;
                            rest = &[];
                        }
                        _ => {
                            raised.set(BAD_QP);
                            self.out(b"=", mail, cx);
                        }
                    }
                }
                self.out(rest, mail, cx);
                if self.file == 0 && self.eol > 0 {
                    self.text_line_done(mail, cx);
                }
            }
        }
    }

    fn base64(&mut self, line: &[u8], mail: &mut Place<'_>, cx: &mut AppCx<'_>, raised: &mut Raised) {
        let mut out = [0u8; 768];
        let mut n = 0;
        for &c in line {
            let v = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    // Padding that fills a group ends it, wherever lines end; another may follow.
                    self.pads = self.pads.saturating_add(1);
                    if self.held >= 2 && self.held.saturating_add(self.pads) == 4 {
                        self.out(out.get(..n).unwrap_or(&[]), mail, cx);
                        n = 0;
                        self.flush_base64(mail, cx);
                    }
                    continue;
                }
                b' ' | b'\t' | b'\r' => continue,
                _ => {
                    raised.set(BAD_BASE64);
                    continue;
                }
            };
            self.pads = 0;
            self.bits = self.bits << 6 | u32::from(v);
            self.held += 1;
            if self.held == 4 {
                let [_, a, b, c] = self.bits.to_be_bytes();
                if let Some(to) = out.get_mut(n..n + 3) {
                    to.copy_from_slice(&[a, b, c]);
                }
                n += 3;
                (self.bits, self.held) = (0, 0);
                if n == out.len() {
                    self.out(&out, mail, cx);
                    n = 0;
                }
            }
        }
        self.out(out.get(..n).unwrap_or(&[]), mail, cx);
    }

    /// The last, incomplete group.
    fn flush_base64(&mut self, mail: &mut Place<'_>, cx: &mut AppCx<'_>) {
        let b = (self.bits << (6 * (4 - u32::from(self.held.min(4))))).to_be_bytes();
        let n = usize::from(self.held.saturating_sub(1));
        (self.bits, self.held, self.pads) = (0, 0, 0);
        self.out(b.get(1..1 + n).unwrap_or(&[]), mail, cx);
    }

    /// Decoded bytes of the part.
    fn out(&mut self, bytes: &[u8], mail: &mut Place<'_>, cx: &mut AppCx<'_>) {
        if bytes.is_empty() {
            return;
        }
        if let Some(f) = self.file.checked_sub(1) {
            cx.files.append(cx.pool, f, bytes);
            if mail.inspected {
                mail.letter.body(bytes, cx);
            }
        } else if self.html_or_text || !self.inner || self.depth == 0 {
            let mut rest = bytes;
            while let Some(at) = rest.iter().position(|b| *b == b'\n') {
                self.text_add(rest.get(..at).unwrap_or(&[]), cx);
                self.text_line_done(mail, cx);
                rest = rest.get(at + 1..).unwrap_or(&[]);
            }
            self.text_add(rest, cx);
        }
    }

    fn text_add(&mut self, bytes: &[u8], cx: &mut AppCx<'_>) {
        let room = TEXT_MAX.saturating_sub(self.text.len());
        let _ = self.text.extend(cx.pool, bytes.get(..room).unwrap_or(bytes));
    }

    /// A line of text is whole: looks for URLs in it.
    fn text_line_done(&mut self, mail: &mut Place<'_>, cx: &mut AppCx<'_>) {
        if self.text.is_empty() {
            return;
        }
        cx.scratch.clear();
        cx.scratch.extend(self.text.get(cx.pool));
        self.text.truncate(0);
        let text = cx.scratch.as_slice();
        // The last of a line is the first of the list, as in Suricata.
        let mut end = text.len();
        while let Some(colon) = memchr::memrchr(b':', text.get(..end).unwrap_or(&[])) {
            end = colon;
            for begin in &cx.cfg.smtp.links {
                let Some(scheme) = begin.find(':') else { continue };
                let from = colon.saturating_sub(scheme);
                let Some(link) = text.get(from..).filter(|l| colon >= scheme && starts(l, begin.as_bytes()))
                else {
                    continue;
                };
                let rest = link.get(begin.len()..).unwrap_or(&[]);
                let len = rest.iter().position(|b| !url_byte(*b)).unwrap_or(rest.len());
                let part =
                    if cx.cfg.smtp.whole_links { link.get(..begin.len() + len) } else { rest.get(..len) };
                if let Some(part) = part.filter(|_| len > 0) {
                    mail.letter.list.push(cx.pool, tag::URL, part);
                }
                break;
            }
        }
    }
}

fn keep_name(to: &mut PBuf, name: &[u8], pool: &mut crate::pool::BytePool, raised: &mut Raised) {
    if name.len() > NAME_MAX {
        raised.set(LONG_FILENAME);
    }
    let _ = to.extend(pool, name.get(..NAME_MAX).unwrap_or(name));
}

fn starts(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with))
}

fn eol_bytes(n: u8) -> &'static [u8] {
    match n {
        2 => b"\r\n",
        1 => b"\n",
        _ => b"",
    }
}

fn hex(b: u8) -> Option<u8> {
    (b as char).to_digit(16).map(|d| d as u8)
}

/// Bytes of a URL (RFC 3986).
fn url_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"%;/?:@&=+$,-_.!~*'()#".contains(&b)
}

/// The value of parameter `name` in a field such as `attachment; filename="a b"`.
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut at = value.iter().position(|b| *b == b';')? + 1;
    while at < value.len() {
        let rest = value.get(at..)?.trim_ascii_start();
        let eq = rest.iter().position(|b| *b == b'=' || *b == b';')?;
        let key = rest.get(..eq)?.trim_ascii();
        let mut v = rest.get(eq + 1..)?;
        if rest.get(eq) == Some(&b';') {
            at = value.len() - v.len();
            continue;
        }
        v = v.trim_ascii_start();
        let (got, after) = match v.strip_prefix(b"\"") {
            Some(q) => {
                let end = q.iter().position(|b| *b == b'"').unwrap_or(q.len());
                let after = q.get(end..).unwrap_or(&[]);
                (q.get(..end)?, after)
            }
            None => {
                let end = v.iter().position(|b| *b == b';').unwrap_or(v.len());
                (v.get(..end)?.trim_ascii(), v.get(end..).unwrap_or(&[]))
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(got);
        }
        at = match after.iter().position(|b| *b == b';') {
            Some(n) => value.len() - after.len() + n + 1,
            None => value.len(),
        };
    }
    None
}

/// A parameter in pieces or with a character set (RFC 2231 3, 4): `name*0=a; name*1=b`, `name*=UTF-8''a%20b`. As much of it as
/// fits into `out`; how much that is.
fn continued(value: &[u8], name: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut key = [0u8; 16];
    let mut len = 0;
    // Not in pieces, but coded; then the pieces, of which each may be coded.
    let mut put = |key: &[u8], coded: bool, first: bool| -> bool {
        let Some(mut v) = parameter(value, key) else { return false };
        if coded && first {
            // Character set and language stand before.
            v = v.splitn(3, |b| *b == b'\'').nth(2).unwrap_or(v);
        }
        let mut at = 0;
        while let (Some(&b), Some(slot)) = (v.get(at), out.get_mut(len)) {
            let digit = |i: usize| v.get(i).and_then(|d| (*d as char).to_digit(16));
            (*slot, at) = match (coded && b == b'%', digit(at + 1), digit(at + 2)) {
                (true, Some(a), Some(b)) => ((a << 4 | b) as u8, at + 3),
                _ => (b, at + 1),
            };
            len += 1;
        }
        true
    };
    key.get_mut(..name.len())?.copy_from_slice(name);
    *key.get_mut(name.len())? = b'*';
    let star = name.len() + 1;
    if put(key.get(..star)?, true, true) {
        return Some(len);
    }
    for n in 0..PIECES {
        let digits = if n < 10 { 1 } else { 2 };
        let end = star + digits;
        let number = key.get_mut(star..end)?;
        number[digits - 1] = b'0' + n % 10;
        if digits == 2 {
            number[0] = b'0' + n / 10;
        }
        *key.get_mut(end)? = b'*';
        if !put(key.get(..end)?, false, n == 0) && !put(key.get(..=end)?, true, n == 0) {
            return (n > 0).then_some(len);
        }
    }
    Some(len)
}

/// Most pieces of a parameter.
const PIECES: u8 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_pieces() {
        let text = |v: &[u8]| {
            let mut out = [0; 64];
            continued(v, b"filename", &mut out)
                .map(|n| alloc::string::String::from_utf8_lossy(&out[..n]).into_owned())
        };
        assert_eq!(text(b"attachment; filename*0=ab; filename*1=\"c;d\"").as_deref(), Some("abc;d"));
        assert_eq!(text(b"attachment; filename*=UTF-8''a%20b%2").as_deref(), Some("a b%2"));
        assert_eq!(text(b"a; filename*1=b; filename*0*=UTF-8'en'%41").as_deref(), Some("Ab"));
        assert_eq!(text(b"a; filename=x"), None);
        let many: alloc::string::String = (0..40).map(|n| alloc::format!("; filename*{n}=xxx")).collect();
        assert_eq!(text(many.as_bytes()).map(|t| t.len()), Some(64));
    }

    #[test]
    fn parameters() {
        let v = b"attachment; size=3; filename=\"a; b.txt\"; x=y";
        assert_eq!(parameter(v, b"filename"), Some(&b"a; b.txt"[..]));
        assert_eq!(parameter(v, b"X"), Some(&b"y"[..]));
        assert_eq!(parameter(v, b"size"), Some(&b"3"[..]));
        assert_eq!(parameter(b"attachment; filename", b"filename"), None);
    }
}
