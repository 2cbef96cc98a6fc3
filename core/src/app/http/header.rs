//! Header fields: one at a time out of the bytes of a header block.
//!
//! In: unconsumed bytes of one direction. Out: a field (name, value, oddities) or the end of the block. What ends
//! a line, what continues it and what is an empty line follows browsers and servers rather than RFC 9112: requests
//! end lines with LF or CRLF; responses also with CR and LF CR; some mixtures count as one line end.

use super::text::{is_space, is_token, take_while, trim};
use crate::pool::Scratch;

/// Oddities of one field.
pub mod odd {
    pub const FOLDED: u16 = 1 << 0;
    pub const NAME_EMPTY: u16 = 1 << 1;
    pub const NAME_NOT_TOKEN: u16 = 1 << 2;
    pub const NAME_TRAILING_SPACE: u16 = 1 << 3;
    pub const NAME_LEADING_SPACE: u16 = 1 << 4;
    pub const NO_COLON: u16 = 1 << 5;
    pub const DEFORMED_EOL: u16 = 1 << 6;
    /// The field came more than once.
    pub const REPEATED: u16 = 1 << 7;
    /// `Cookie` or `Set-Cookie`: not part of `http.header`.
    pub const COOKIE: u16 = 1 << 8;
    /// The name holds NUL bytes, which look-ups skip.
    pub const NAME_NUL: u16 = 1 << 9;
}

/// Folds read in one field; more are left as they are.
const MAX_FOLDS: u32 = 128;

/// Next thing in a header block.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    Field(Field<'a>),
    /// The empty line, that many bytes long.
    End(usize),
    /// Not enough bytes to say.
    More,
}

/// One field. A folded value lies in the scratch.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a [u8],
    /// The value when it is not folded.
    pub value: &'a [u8],
    pub odd: u16,
    /// Bytes it takes.
    pub len: usize,
}

/// Whether bytes start with something.
enum Tri {
    Yes(usize),
    No,
    /// They end too early to say.
    Maybe,
}

fn starts(d: &[u8], pat: &[u8], eof: bool) -> Tri {
    if d.len() >= pat.len() {
        if d.starts_with(pat) { Tri::Yes(pat.len()) } else { Tri::No }
    } else if pat.starts_with(d) && !eof {
        Tri::Maybe
    } else {
        Tri::No
    }
}

/// The reader of one side's header blocks.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub response: bool,
    /// Nothing follows the bytes given.
    pub eof: bool,
}

impl Reader {
    fn is_eol(self, c: u8) -> bool {
        c == b'\n' || (self.response && c == b'\r')
    }

    /// A plain line end. `Maybe` when one more byte could lengthen it.
    #[inline]
    fn eol(self, d: &[u8]) -> Tri {
        if d.first().is_some_and(|&c| c != b'\r' && c != b'\n') { Tri::No } else { self.some_eol(d) }
    }

    fn some_eol(self, d: &[u8]) -> Tri {
        let long: &[&[u8]] = if self.response { &[b"\r\n", b"\n\r"] } else { &[b"\r\n"] };
        for pat in long {
            match starts(d, pat, self.eof) {
                Tri::No => {}
                t => return t,
            }
        }
        match d.first() {
            Some(b'\n') => Tri::Yes(1),
            Some(b'\r') if self.response => Tri::Yes(1),
            _ => Tri::No,
        }
    }

    /// Mixtures of CR and LF that end a line right before the empty line.
    fn deformed(self, d: &[u8]) -> Tri {
        let mut maybe = false;
        let pats: &[(&[u8], usize)] = if self.response {
            &[(b"\n\r\r\n\n", 4), (b"\n\r\r\n\r\n", 4)]
        } else {
            &[(b"\n\r\r\n\n", 4), (b"\n\r\r\n\r\n", 4), (b"\n\r\r\n", 2)]
        };
        for (pat, len) in pats {
            match starts(d, pat, self.eof) {
                Tri::Yes(_) => {
                    if !maybe {
                        return Tri::Yes(*len);
                    }
                }
                Tri::Maybe => maybe = true,
                Tri::No => {}
            }
        }
        if maybe {
            return Tri::Maybe;
        }
        if !self.response {
            return Tri::No;
        }
        // CR LF CR, then more CR and blanks, then perhaps LF; but not followed by an empty line.
        match starts(d, b"\r\n\r", self.eof) {
            Tri::Yes(_) => {}
            t => return t,
        }
        let (run, rest) = take_while(&d[3..], |c| matches!(c, b'\r' | b' ' | b'\t'));
        if rest.is_empty() && !self.eof {
            return Tri::Maybe;
        }
        if run.is_empty() {
            return Tri::No;
        }
        let mut len = 3 + run.len();
        if rest.first() == Some(&b'\n') {
            len += 1;
        }
        let after = &d[len..];
        match starts(after, b"\r\n", self.eof) {
            Tri::Yes(_) => return Tri::No,
            Tri::Maybe => return Tri::Maybe,
            Tri::No => {}
        }
        if after.first() == Some(&b'\n') { Tri::No } else { Tri::Yes(len) }
    }

    /// The line end at the start of `d`, and the folding byte if the next line continues this one:
    /// (length with the folding byte, folding byte, length of the line end, deformed).
    #[inline]
    fn line_end(self, d: &[u8]) -> Option<(usize, Option<u8>, usize, bool)> {
        // Nearly every line: CR LF, then the next field or the empty line.
        if let &[b'\r', b'\n', c, ..] = d
            && !matches!(c, b' ' | b'\t' | 0)
            && (c != b'\r' || !self.response)
        {
            return Some((2, None, 2, false));
        }
        self.odd_line_end(d)
    }

    fn odd_line_end(self, d: &[u8]) -> Option<(usize, Option<u8>, usize, bool)> {
        let plain = match self.eol(d) {
            Tri::Yes(n) => n,
            Tri::No => return Some((0, None, 0, false)),
            Tri::Maybe => return None,
        };
        let odd = match self.deformed(d) {
            Tri::Yes(n) => Some(n),
            Tri::No => None,
            Tri::Maybe => return None,
        };
        let fold_at = |n: usize| d.get(n).copied().filter(|c| matches!(c, b' ' | b'\t' | 0));
        let folding = if self.response { plain } else { odd.unwrap_or(plain) };
        match d.get(folding) {
            None if !self.eof => return None,
            _ => {}
        }
        if let Some(c) = fold_at(folding) {
            return Some((folding + 1, Some(c), folding, odd == Some(folding)));
        }
        let n = odd.unwrap_or(plain);
        Some((n, None, n, odd.is_some()))
    }

    /// One line of a value: its bytes, then as [`Reader::line_end`], lengths counted from the start of `d`.
    #[allow(clippy::type_complexity)]
    fn value_line(self, d: &[u8]) -> Option<(&[u8], usize, Option<u8>, usize, bool)> {
        let mut n = if self.response { memchr::memchr2(b'\n', b'\r', d)? } else { memchr::memchr(b'\n', d)? };
        if n > 0 && d[n - 1] == b'\r' {
            n -= 1;
        }
        let (len, fold, eol, odd) = self.line_end(&d[n..])?;
        Some((&d[..n], n + len, fold, eol, odd))
    }

    /// Whether a continuation line is a field of its own: `token:` (responses only). `None`: too few bytes.
    fn is_field(self, d: &[u8]) -> Option<bool> {
        if !self.response {
            return Some(false);
        }
        let blank = |c: u8| c == b' ' || c == b'\t';
        let (_, s) = take_while(d, blank);
        let (name, s) = take_while(s, is_token);
        let (_, s) = take_while(s, blank);
        match s {
            [] if !self.eof => None,
            [b':', rest @ ..] => {
                if !self.eof && take_while(rest, blank).1.is_empty() {
                    return None;
                }
                Some(!name.is_empty())
            }
            _ => Some(false),
        }
    }

    /// A value from the start of `d` to its end, folds joined: (value, or `None` if it is in `out`; length; odd).
    fn value<'a>(self, d: &'a [u8], out: &mut Scratch) -> Option<(Option<&'a [u8]>, usize, u16)> {
        let (first, mut rest, mut fold, _, deformed) = self.value_line(d)?;
        let mut flags = if deformed { odd::DEFORMED_EOL } else { 0 };
        if fold.is_none() {
            return Some((Some(first), rest, flags));
        }
        out.clear();
        out.extend(first);
        let mut at = rest;
        for _ in 0..MAX_FOLDS {
            let Some(with) = fold else { break };
            let tail = d.get(at..)?;
            if self.is_field(tail)? {
                return Some((None, at, flags));
            }
            let (line, len, next, eol, deformed) = self.value_line(tail)?;
            flags |= odd::FOLDED | if deformed { odd::DEFORMED_EOL } else { 0 };
            at += len;
            if !out.is_empty() {
                out.push(with);
            }
            if !line.is_empty() || eol > 1 {
                rest = at;
                out.extend(line);
            } else if eol == 1 && d.get(at) == Some(&b'\n') {
                rest = at;
            }
            fold = next;
        }
        Some((None, rest, flags))
    }

    /// The name at the start of `d`: the bytes before the colon of this line, if it has one.
    fn name(self, d: &[u8]) -> Option<&[u8]> {
        let at = d.iter().position(|c| matches!(c, b':' | b'\n' | b'\r'))?;
        if d[at] == b':' { Some(&d[..at]) } else { self.odd_name(d) }
    }

    /// The same when a line end or a CR comes before the colon.
    fn odd_name(self, d: &[u8]) -> Option<&[u8]> {
        let mut ended = 0u8;
        for (i, &c) in d.iter().enumerate() {
            if ended == 0 {
                if c == b':' {
                    return Some(&d[..i]);
                }
                if self.is_eol(c) {
                    ended = c;
                }
            } else if c == b' ' {
                ended = 0;
            } else if c == b'\n' && ended == b'\r' {
                ended = c;
            } else {
                return None;
            }
        }
        None
    }

    /// Reads the next field, or the empty line, at the start of `d`.
    ///
    /// `first`: no field was read yet. There, a lone CR of a response is what is left of a response line that ended
    /// with LF CR, and not an empty line.
    pub fn step<'a>(self, d: &'a [u8], first: bool, out: &mut Scratch) -> Step<'a> {
        match self.eol(d) {
            Tri::Yes(1) if first && self.response && d.len() > 1 && d[0] == b'\r' => {
                let none = &d[..0];
                return Step::Field(Field {
                    name: none,
                    value: none,
                    odd: odd::NO_COLON | odd::NAME_EMPTY,
                    len: 1,
                });
            }
            Tri::Yes(n) => return Step::End(n),
            Tri::Maybe => return Step::More,
            Tri::No => {}
        }
        let (name, start, mut flags) = match self.name(d) {
            Some(n) => {
                let mut f = 0;
                if n.is_empty() {
                    f |= odd::NAME_EMPTY;
                } else {
                    if n.first().is_some_and(|c| is_space(*c)) {
                        f |= odd::NAME_LEADING_SPACE;
                    }
                    if n.last().is_some_and(|c| is_space(*c)) {
                        f |= odd::NAME_TRAILING_SPACE;
                    }
                    let blank = |c: u8| c == b' ' || c == b'\t';
                    let s = take_while(take_while(take_while(n, blank).1, is_token).1, blank).1;
                    if !s.is_empty() {
                        f |= odd::NAME_NOT_TOKEN;
                    }
                }
                let blanks = take_while(&d[n.len() + 1..], |c| c == b' ' || c == b'\t').0.len();
                (trim(n), n.len() + 1 + blanks, f)
            }
            None => (&d[..0], 0, odd::NO_COLON | odd::NAME_EMPTY),
        };
        let Some((value, len, f)) = self.value(&d[start..], out) else { return Step::More };
        flags |= f;
        let value = match value {
            Some(v) => trim(v),
            None => {
                flags |= odd::FOLDED;
                &d[..0]
            }
        };
        Step::Field(Field { name, value, odd: flags, len: start + len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn all(d: &[u8], response: bool) -> (Vec<(String, String)>, Option<usize>) {
        let mut s = Scratch::new(4096);
        let (mut at, mut out) = (0, Vec::new());
        let r = Reader { response, eof: false };
        loop {
            match r.step(&d[at..], out.is_empty(), &mut s) {
                Step::Field(f) => {
                    let v = if f.odd & odd::FOLDED != 0 { trim(s.as_slice()) } else { f.value };
                    out.push((
                        String::from_utf8_lossy(f.name).to_string(),
                        String::from_utf8_lossy(v).to_string(),
                    ));
                    at += f.len;
                }
                Step::End(n) => return (out, Some(at + n)),
                Step::More => return (out, None),
            }
        }
    }

    fn pairs(p: &[(&str, &str)]) -> Vec<(String, String)> {
        p.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn plain_blocks() {
        for d in [
            &b"Name1: Value1\r\nName2:Value2\r\nName3: Val\r\n ue3\r\n\r\n"[..],
            b"Name1: Value1\nName2:Value2\nName3: Val\n ue3\n\n",
        ] {
            for response in [false, true] {
                let want = pairs(&[("Name1", "Value1"), ("Name2", "Value2"), ("Name3", "Val ue3")]);
                let longer = [d, b"x"].concat();
                assert_eq!(all(&longer, response), (want, Some(d.len())));
            }
        }
        assert_eq!(all(b"\r\nbody", false).1, Some(2));
        assert_eq!(all(b"A: b\r\n", false), (pairs(&[]), None));
    }

    #[test]
    fn carriage_return_ends_lines_of_responses_only() {
        let d = b"Host:www.example.com\rName: Value\r\n\r\n";
        assert_eq!(all(d, false).0, pairs(&[("Host", "www.example.com\rName: Value")]));
        assert_eq!(all(d, true).0, pairs(&[("Host", "www.example.com"), ("Name", "Value")]));
    }

    #[test]
    fn no_colon_and_null_bytes() {
        assert_eq!(all(b"K V\r\nK2:a\0b\r\n\r\n", false).0, pairs(&[("", "K V"), ("K2", "a\0b")]));
        assert_eq!(all(b":v2\r\n v3\r\n\r\n", false).0, pairs(&[("", "v2 v3")]));
    }

    #[test]
    fn a_folded_line_that_is_a_field_is_a_field_in_responses() {
        let d = b"A: b\r\n Content-Length: 5\r\n\r\n";
        assert_eq!(all(d, true).0, pairs(&[("A", "b"), ("Content-Length", "5")]));
        assert_eq!(all(d, false).0, pairs(&[("A", "b Content-Length: 5")]));
    }

    #[test]
    fn deformed_line_ends_of_responses() {
        assert_eq!(all(b"A: b\n\r\r\n\nbody", true), (pairs(&[("A", "b")]), Some(9)));
        assert_eq!(all(b"A: b\r\n\r \nC: d\r\n\r\n", true).0, pairs(&[("A", "b"), ("C", "d")]));
    }

    proptest! {
        /// A field that was read from some bytes is the same when more bytes follow.
        #[test]
        fn more_bytes_do_not_change_what_was_read(
            d in proptest::collection::vec(proptest::sample::select(b"aB:; \t\r\n\r\n\0".to_vec()), 0..40),
            response in any::<bool>(), first in any::<bool>()) {
            let r = Reader { response, eof: false };
            let (mut s1, mut s2) = (Scratch::new(256), Scratch::new(256));
            let whole = r.step(&d, first, &mut s1);
            for cut in 0..d.len() {
                let part = r.step(&d[..cut], first, &mut s2);
                if part != Step::More {
                    prop_assert_eq!(&part, &whole);
                    if matches!(&part, Step::Field(f) if f.odd & odd::FOLDED != 0) {
                        prop_assert_eq!(s1.as_slice(), s2.as_slice());
                    }
                }
            }
            let n = match whole { Step::Field(f) => f.len, Step::End(n) => n, Step::More => 1 };
            prop_assert!(n >= 1);
        }
    }
}
