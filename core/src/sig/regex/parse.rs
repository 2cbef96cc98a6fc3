//! Pattern text to [`Node`]: the syntax of PCRE2 without UTF, newline LF, as Suricata compiles it.
//!
//! Recursion, callouts, control verbs and Unicode properties are refused with their position.

use super::ast::{Assert, ByteSet, Greed, INF, Node};
use super::{Error, Flags};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Groups may nest this deep (PCRE2's `PARENS_NEST_LIMIT`).
const NEST_LIMIT: u32 = 250;
/// Most capture groups.
pub const MAX_GROUPS: u32 = 200;
/// Largest repeat count (PCRE2).
const MAX_COUNT: u32 = 65_535;

/// What a pattern parses to.
pub struct Parsed {
    pub node: Node,
    pub groups: u32,
    pub names: Vec<(String, u32)>,
}

/// Parses `pat`.
pub fn parse(pat: &[u8], flags: Flags) -> Result<Parsed, Error> {
    let mut p = Parser { pat, at: 0, flags, groups: 0, total: 0, names: Vec::new(), max_ref: 0, depth: 0 };
    p.total = count_groups(pat);
    p.start_options()?;
    let node = p.alternatives()?;
    if p.at < pat.len() {
        return Err(p.err("unmatched closing parenthesis"));
    }
    if p.max_ref > p.groups {
        return Err(Error { at: pat.len(), reason: "reference to a group that does not exist" });
    }
    Ok(Parsed { node, groups: p.groups, names: p.names })
}

/// An upper view of how many groups the pattern captures: `\12` is a backreference only when there are 12.
fn count_groups(pat: &[u8]) -> u32 {
    let (mut n, mut i, mut class) = (0, 0, false);
    while let Some(&c) = pat.get(i) {
        match c {
            b'\\' => i += 1,
            b'[' if !class => {
                class = true;
                if pat.get(i + 1) == Some(&b'^') {
                    i += 1;
                }
                if pat.get(i + 1) == Some(&b']') {
                    i += 1;
                }
            }
            b']' => class = false,
            b'(' if !class => {
                let named = matches!(
                    pat.get(i + 1..).unwrap_or(&[]),
                    [b'?', b'P', b'<', ..] | [b'?', b'\'', ..]
                ) || matches!(pat.get(i + 1..).unwrap_or(&[]), [b'?', b'<', c, ..] if *c != b'=' && *c != b'!');
                if named || !matches!(pat.get(i + 1), Some(b'?' | b'*')) {
                    n += 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    n
}

struct Parser<'p> {
    pat: &'p [u8],
    at: usize,
    flags: Flags,
    groups: u32,
    total: u32,
    names: Vec<(String, u32)>,
    /// Highest group a backreference names: it must exist.
    max_ref: u32,
    depth: u32,
}

/// One escape, outside or inside a class.
enum Esc {
    Byte(u8),
    Set(ByteSet),
    Node(Node),
    /// `\Q`: the rest is literal up to `\E`.
    Quote,
    /// `\E` on its own.
    Nothing,
}

impl Parser<'_> {
    fn err(&self, reason: &'static str) -> Error {
        Error { at: self.at.min(self.pat.len()), reason }
    }

    fn peek(&self) -> Option<u8> {
        self.pat.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.pat.get(self.at..).unwrap_or(&[])
    }

    fn eat(&mut self, s: &[u8]) -> bool {
        let yes = self.rest().starts_with(s);
        if yes {
            self.at += s.len();
        }
        yes
    }

    /// `(*…)` at the very start: those that change nothing for bytes are passed over.
    fn start_options(&mut self) -> Result<(), Error> {
        const HARMLESS: [&[u8]; 5] =
            [b"(*LF)", b"(*NO_JIT)", b"(*NO_AUTO_POSSESS)", b"(*NO_START_OPT)", b"(*BSR_UNICODE)"];
        while HARMLESS.iter().any(|s| self.eat(s)) {}
        if self.rest().starts_with(b"(*") {
            return Err(self.err("control verbs are not supported"));
        }
        Ok(())
    }

    /// Everything up to the closing parenthesis or the end.
    fn alternatives(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            return Err(self.err("parentheses are too deeply nested"));
        }
        let saved = self.flags;
        let mut alts = Vec::new();
        loop {
            alts.push(self.sequence()?);
            if !self.eat(b"|") {
                break;
            }
        }
        self.flags = saved;
        self.depth -= 1;
        Ok(if alts.len() == 1 { alts.remove(0) } else { Node::Alt(alts) })
    }

    fn sequence(&mut self) -> Result<Node, Error> {
        let mut seq: Vec<Node> = Vec::new();
        // Whether the last item may take a quantifier.
        let mut repeatable = false;
        while let Some(c) = self.peek() {
            if self.flags.extended {
                if c.is_ascii_whitespace() || c == 0x0b {
                    self.at += 1;
                    continue;
                }
                if c == b'#' {
                    let end = self.rest().iter().position(|&b| b == b'\n');
                    self.at = end.map_or(self.pat.len(), |e| self.at + e + 1);
                    continue;
                }
            }
            match c {
                b'|' | b')' => break,
                b'*' | b'+' | b'?' => {
                    if !repeatable {
                        return Err(self.err("quantifier does not follow a repeatable item"));
                    }
                    self.at += 1;
                    let (min, max) = match c {
                        b'*' => (0, INF),
                        b'+' => (1, INF),
                        _ => (0, 1),
                    };
                    self.quantify(&mut seq, min, max);
                    repeatable = false;
                    continue;
                }
                b'{' => {
                    if let Some((min, max, end)) = self.braces()? {
                        if seq.is_empty() {
                            return Err(self.err("quantifier does not follow a repeatable item"));
                        }
                        self.at = end;
                        self.quantify(&mut seq, min, max);
                        repeatable = false;
                        continue;
                    }
                    self.at += 1;
                    seq.push(Node::Byte(b'{'));
                }
                b'^' => {
                    self.at += 1;
                    let a = if self.flags.multiline { Assert::LineStart } else { Assert::TextStart };
                    seq.push(Node::Assert(a));
                }
                b'$' => {
                    self.at += 1;
                    seq.push(Node::Assert(if self.flags.multiline {
                        Assert::LineEnd
                    } else if self.flags.dollar_endonly {
                        Assert::TextEnd
                    } else {
                        Assert::TextEndNl
                    }));
                }
                b'.' => {
                    self.at += 1;
                    seq.push(Node::Set(if self.flags.dotall { ByteSet::FULL } else { not_newline() }));
                }
                b'[' => {
                    let set = self.class()?;
                    seq.push(if set == ByteSet::EMPTY { Node::Fail } else { Node::Set(set) });
                }
                b'(' => {
                    self.at += 1;
                    match self.paren()? {
                        Some(n) => seq.push(n),
                        None => continue,
                    }
                }
                b'\\' => {
                    self.at += 1;
                    match self.escape(false)? {
                        Esc::Byte(b) => seq.push(self.byte(b)),
                        Esc::Set(s) => seq.push(Node::Set(s)),
                        Esc::Node(n) => seq.push(n),
                        Esc::Nothing => continue,
                        Esc::Quote => {
                            while !self.eat(b"\\E") {
                                let Some(b) = self.peek() else { break };
                                self.at += 1;
                                let n = self.byte(b);
                                seq.push(n);
                                repeatable = true;
                            }
                            continue;
                        }
                    }
                }
                _ => {
                    self.at += 1;
                    seq.push(self.byte(c));
                }
            }
            repeatable = true;
        }
        Ok(match seq.len() {
            0 => Node::Empty,
            1 => seq.remove(0),
            _ => Node::Cat(seq),
        })
    }

    /// A literal byte under the flags in force.
    fn byte(&self, b: u8) -> Node {
        if self.flags.caseless && b.is_ascii_alphabetic() {
            Node::ByteI(b.to_ascii_lowercase())
        } else {
            Node::Byte(b)
        }
    }

    /// Wraps the last item of `seq` into a repeat, reading the `?` or `+` behind the quantifier.
    fn quantify(&mut self, seq: &mut Vec<Node>, min: u32, max: u32) {
        let greed = if self.eat(b"+") {
            Greed::Possessive
        } else if self.eat(b"?") != self.flags.ungreedy {
            Greed::Lazy
        } else {
            Greed::Greedy
        };
        let Some(node) = seq.pop() else { return };
        let repeat = |node, min, max| Node::Repeat { node: Box::new(node), min, max, greed };
        seq.push(match node {
            // A position repeated is the position, or nothing.
            n @ (Node::Look { .. } | Node::Assert(_) | Node::Keep | Node::Empty) => {
                repeat(n, min.min(1), max.min(1))
            }
            n if min == 1 && max == 1 => n,
            n => repeat(n, min, max),
        });
    }

    /// `{n}`, `{n,}`, `{n,m}` at the cursor, with the offset behind it; `None` when the brace is literal.
    fn braces(&self) -> Result<Option<(u32, u32, usize)>, Error> {
        let mut i = self.at + 1;
        let number = |i: &mut usize| -> Option<u32> {
            let from = *i;
            let mut v = 0u32;
            while let Some(d @ b'0'..=b'9') = self.pat.get(*i) {
                v = v.saturating_mul(10).saturating_add(u32::from(d - b'0'));
                *i += 1;
            }
            (*i > from).then_some(v)
        };
        let Some(min) = number(&mut i) else { return Ok(None) };
        let mut max = min;
        if self.pat.get(i) == Some(&b',') {
            i += 1;
            max = match number(&mut i) {
                Some(m) if m > MAX_COUNT => return Err(self.err("number too big in {} quantifier")),
                Some(m) => m,
                None => INF,
            };
        }
        if self.pat.get(i) != Some(&b'}') {
            return Ok(None);
        }
        if min > MAX_COUNT {
            return Err(self.err("number too big in {} quantifier"));
        }
        if max < min {
            return Err(self.err("numbers out of order in {} quantifier"));
        }
        Ok(Some((min, max, i + 1)))
    }

    fn close(&mut self, node: Node) -> Result<Option<Node>, Error> {
        if self.eat(b")") { Ok(Some(node)) } else { Err(self.err("missing closing parenthesis")) }
    }

    /// After `(`. `None` when the parenthesis was a comment or set options for what follows.
    fn paren(&mut self) -> Result<Option<Node>, Error> {
        if self.rest().starts_with(b"*") {
            return Err(self.err("control verbs are not supported"));
        }
        if !self.eat(b"?") {
            return self.capture(None);
        }
        for (lead, behind, neg) in
            [(&b"="[..], false, false), (b"!", false, true), (b"<=", true, false), (b"<!", true, true)]
        {
            if self.eat(lead) {
                let start = self.at;
                let node = self.alternatives()?;
                if behind && !fixed_width(&node) {
                    return Err(Error { at: start, reason: "lookbehind assertion is not fixed length" });
                }
                return self.close(Node::Look { behind, neg, node: Box::new(node) });
            }
        }
        let Some(c) = self.peek() else { return Err(self.err("unrecognized character after (?")) };
        match c {
            b'#' => {
                let Some(end) = self.rest().iter().position(|&b| b == b')') else {
                    return Err(self.err("missing ) after (?# comment"));
                };
                self.at += end + 1;
                Ok(None)
            }
            b':' => {
                self.at += 1;
                let n = self.alternatives()?;
                // A group is one item to a quantifier, also when it holds nothing.
                self.close(n)
            }
            b'>' => {
                self.at += 1;
                let n = self.alternatives()?;
                self.close(Node::Atomic(Box::new(n)))
            }
            b'|' => {
                self.at += 1;
                self.branch_reset()
            }
            b'P' if self.rest().starts_with(b"P=") => {
                self.at += 2;
                let group = self.named_ref(b')')?;
                Ok(Some(self.backref(group)))
            }
            b'P' if self.rest().starts_with(b"P<") => {
                self.at += 2;
                let name = self.name(b'>')?;
                self.capture(Some(name))
            }
            b'<' => {
                self.at += 1;
                let name = self.name(b'>')?;
                self.capture(Some(name))
            }
            b'\'' => {
                self.at += 1;
                let name = self.name(b'\'')?;
                self.capture(Some(name))
            }
            b'(' => {
                self.at += 1;
                self.conditional()
            }
            b'R' | b'&' | b'0'..=b'9' | b'+' | b'P' | b'C' => {
                Err(self.err("recursion, subroutine calls and callouts are not supported"))
            }
            _ => self.options(),
        }
    }

    fn capture(&mut self, name: Option<String>) -> Result<Option<Node>, Error> {
        self.groups += 1;
        if self.groups > MAX_GROUPS {
            return Err(self.err("too many capture groups"));
        }
        let index = self.groups;
        if let Some(n) = name {
            if self.names.iter().any(|(o, i)| *o == n && *i != index) {
                return Err(self.err("two named groups have the same name"));
            }
            self.names.push((n, index));
        }
        let node = self.alternatives()?;
        self.close(Node::Group { index, node: Box::new(node) })
    }

    /// `(?|a|b)`: each alternative numbers its groups from the same start.
    fn branch_reset(&mut self) -> Result<Option<Node>, Error> {
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            return Err(self.err("parentheses are too deeply nested"));
        }
        let (saved, first) = (self.flags, self.groups);
        let (mut alts, mut most) = (Vec::new(), first);
        loop {
            self.groups = first;
            alts.push(self.sequence()?);
            most = most.max(self.groups);
            if !self.eat(b"|") {
                break;
            }
        }
        self.groups = most;
        self.flags = saved;
        self.depth -= 1;
        self.close(Node::Alt(alts))
    }

    /// After `(?(`.
    fn conditional(&mut self) -> Result<Option<Node>, Error> {
        let look =
            [(&b"?="[..], false, false), (b"?!", false, true), (b"?<=", true, false), (b"?<!", true, true)]
                .into_iter()
                .find(|(lead, ..)| self.rest().starts_with(lead));
        let test = if let Some((lead, behind, neg)) = look {
            self.at += lead.len();
            let node = self.alternatives()?;
            if behind && !fixed_width(&node) {
                return Err(self.err("lookbehind assertion is not fixed length"));
            }
            let n = self.close(Node::Empty).map(|_| node)?;
            Err((behind, neg, n))
        } else if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            let n = self.number();
            if !self.eat(b")") {
                return Err(self.err("malformed number or name after (?("));
            }
            self.max_ref = self.max_ref.max(n);
            Ok(n)
        } else {
            let close = if self.eat(b"<") {
                b'>'
            } else if self.eat(b"'") {
                b'\''
            } else {
                b')'
            };
            if matches!(self.rest(), [b'R', ..] | [b'D', b'E', b'F', b'I', ..]) {
                return Err(self.err("recursion conditions are not supported"));
            }
            let n = self.named_ref(close)?;
            if close != b')' && !self.eat(b")") {
                return Err(self.err("malformed number or name after (?("));
            }
            Ok(n)
        };
        let (yes, no) = match self.alternatives()? {
            Node::Alt(mut v) if v.len() == 2 => {
                let no = v.pop().unwrap_or(Node::Empty);
                (v.pop().unwrap_or(Node::Empty), no)
            }
            Node::Alt(_) => return Err(self.err("conditional group contains more than two branches")),
            n => (n, Node::Empty),
        };
        let node = match test {
            Ok(group) => Node::Cond { group, yes: Box::new(yes), no: Box::new(no) },
            // The two tests exclude each other, so this is a choice.
            Err((behind, neg, n)) => Node::Alt(alloc::vec![
                Node::Cat(alloc::vec![Node::Look { behind, neg, node: Box::new(n.clone()) }, yes]),
                Node::Cat(alloc::vec![Node::Look { behind, neg: !neg, node: Box::new(n) }, no]),
            ]),
        };
        self.close(node)
    }

    /// `(?i-s)` for what follows, `(?i-s:…)` for a group.
    fn options(&mut self) -> Result<Option<Node>, Error> {
        let outer = self.flags;
        let mut f = outer;
        let mut on = true;
        loop {
            let Some(c) = self.peek() else { return Err(self.err("missing closing parenthesis")) };
            self.at += 1;
            match c {
                b'i' => f.caseless = on,
                b'm' => f.multiline = on,
                b's' => f.dotall = on,
                b'x' => f.extended = on,
                b'U' => f.ungreedy = on,
                b'J' => {}
                b'^' if on => {
                    f.caseless = false;
                    f.multiline = false;
                    f.dotall = false;
                    f.extended = false;
                }
                b'-' if on => on = false,
                b')' => {
                    self.flags = f;
                    return Ok(None);
                }
                b':' => {
                    self.flags = f;
                    let n = self.alternatives()?;
                    self.flags = outer;
                    return self.close(n);
                }
                _ => {
                    self.at -= 1;
                    return Err(self.err("unrecognized character after (? or (?-"));
                }
            }
        }
    }

    fn number(&mut self) -> u32 {
        let mut v = 0u32;
        while let Some(d @ b'0'..=b'9') = self.peek() {
            v = v.saturating_mul(10).saturating_add(u32::from(d - b'0'));
            self.at += 1;
        }
        v
    }

    fn name(&mut self, close: u8) -> Result<String, Error> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_') {
            self.at += 1;
        }
        let name = self.pat.get(from..self.at).unwrap_or(&[]);
        if name.is_empty() || name[0].is_ascii_digit() || name.len() > 32 || self.peek() != Some(close) {
            return Err(self.err("malformed group name"));
        }
        self.at += 1;
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn named_ref(&mut self, close: u8) -> Result<u32, Error> {
        let name = self.name(close)?;
        let found = self.names.iter().find(|(n, _)| *n == name).map(|(_, i)| *i);
        found.ok_or(self.err("reference to a group that does not exist"))
    }

    fn backref(&mut self, group: u32) -> Node {
        self.max_ref = self.max_ref.max(group);
        Node::Backref { group, caseless: self.flags.caseless }
    }

    fn hex(&mut self, most: usize) -> u32 {
        let mut v = 0u32;
        for _ in 0..most {
            let Some(d) = self.peek().and_then(|c| (c as char).to_digit(16)) else { break };
            v = v << 4 | d;
            self.at += 1;
        }
        v
    }

    /// Up to `most` octal digits.
    fn octal(&mut self, most: usize) -> u32 {
        let mut v = 0u32;
        for _ in 0..most {
            let Some(d @ b'0'..=b'7') = self.peek() else { break };
            v = v << 3 | u32::from(d - b'0');
            self.at += 1;
        }
        v
    }

    fn code(&self, v: u32) -> Result<Esc, Error> {
        u8::try_from(v).map(Esc::Byte).map_err(|_| self.err("character code point value is too large"))
    }

    /// After a backslash.
    fn escape(&mut self, class: bool) -> Result<Esc, Error> {
        let Some(c) = self.peek() else { return Err(self.err("\\ at end of pattern")) };
        self.at += 1;
        let assert = |a| Ok(Esc::Node(Node::Assert(a)));
        match c {
            b'a' => Ok(Esc::Byte(7)),
            b'e' => Ok(Esc::Byte(0x1b)),
            b'f' => Ok(Esc::Byte(0x0c)),
            b'n' => Ok(Esc::Byte(b'\n')),
            b'r' => Ok(Esc::Byte(b'\r')),
            b't' => Ok(Esc::Byte(b'\t')),
            b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'h' | b'H' | b'v' | b'V' => {
                Ok(Esc::Set(perl_class(c)))
            }
            b'Q' => Ok(Esc::Quote),
            b'E' => Ok(Esc::Nothing),
            b'x' => {
                if self.rest().starts_with(b"{") {
                    self.at += 1;
                    let from = self.at;
                    let v = self.hex(8);
                    if self.at == from || !self.eat(b"}") {
                        return Err(self.err("malformed \\x{} escape"));
                    }
                    return self.code(v);
                }
                let v = self.hex(2);
                self.code(v)
            }
            b'o' => {
                if !self.eat(b"{") {
                    return Err(self.err("missing opening brace after \\o"));
                }
                let v = self.octal(8);
                if !self.eat(b"}") {
                    return Err(self.err("non-octal character in \\o{}"));
                }
                self.code(v)
            }
            b'c' => match self.peek() {
                Some(b @ 0x20..=0x7e) => {
                    self.at += 1;
                    Ok(Esc::Byte(b.to_ascii_uppercase() ^ 0x40))
                }
                _ => Err(self.err("\\c must be followed by a printable ASCII character")),
            },
            b'0' => {
                let v = self.octal(2);
                self.code(v)
            }
            b'1'..=b'9' => self.digits(c, class),
            b'b' if class => Ok(Esc::Byte(8)),
            b'B' | b'R' | b'X' | b'N' if class => Err(self.err("escape sequence is invalid in a class")),
            b'b' => assert(Assert::Word),
            b'B' => assert(Assert::NotWord),
            b'A' if !class => assert(Assert::TextStart),
            b'Z' if !class => assert(Assert::TextEndNl),
            b'z' if !class => assert(Assert::TextEnd),
            b'G' if !class => assert(Assert::From),
            b'K' if !class => Ok(Esc::Node(Node::Keep)),
            b'N' if self.peek() != Some(b'{') => Ok(Esc::Set(not_newline())),
            b'C' if !class => Ok(Esc::Set(ByteSet::FULL)),
            b'R' => {
                let crlf = Node::Cat(alloc::vec![Node::Byte(b'\r'), Node::Byte(b'\n')]);
                let any = Node::Alt(alloc::vec![crlf, Node::Set(perl_class(b'v'))]);
                Ok(Esc::Node(Node::Atomic(Box::new(any))))
            }
            b'g' if !class => {
                let braced = self.eat(b"{");
                let minus = self.eat(b"-");
                let group = if self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    let n = self.number();
                    if minus { (self.groups + 1).saturating_sub(n) } else { n }
                } else if braced && !minus {
                    let n = self.named_ref(b'}')?;
                    return Ok(Esc::Node(self.backref(n)));
                } else {
                    return Err(self.err("malformed \\g escape"));
                };
                if group == 0 || (braced && !self.eat(b"}")) {
                    return Err(self.err("malformed \\g escape"));
                }
                Ok(Esc::Node(self.backref(group)))
            }
            b'k' if !class => {
                let close = match self.peek() {
                    Some(b'{') => b'}',
                    Some(b'<') => b'>',
                    Some(b'\'') => b'\'',
                    _ => return Err(self.err("\\k is not followed by a name")),
                };
                self.at += 1;
                let n = self.named_ref(close)?;
                Ok(Esc::Node(self.backref(n)))
            }
            c if c.is_ascii_alphabetic() => {
                self.at -= 1;
                Err(self.err("unrecognized character follows \\"))
            }
            c => Ok(Esc::Byte(c)),
        }
    }

    /// `\1`…: a backreference, or octal, by PCRE2's rules.
    fn digits(&mut self, first: u8, class: bool) -> Result<Esc, Error> {
        if !class {
            let back = self.at;
            self.at -= 1;
            let n = self.number();
            if n < 10 || first >= b'8' || n <= self.total {
                return Ok(Esc::Node(self.backref(n)));
            }
            self.at = back;
        }
        if first >= b'8' {
            return Ok(Esc::Byte(first));
        }
        self.at -= 1;
        let v = self.octal(3);
        self.code(v)
    }

    /// A character class, cursor on its `[`.
    fn class(&mut self) -> Result<ByteSet, Error> {
        let start = self.at;
        self.at += 1;
        let negate = self.eat(b"^");
        let mut set = ByteSet::EMPTY;
        let mut first = true;
        let mut quoted = false;
        loop {
            let Some(c) = self.peek() else {
                return Err(Error { at: start, reason: "missing terminating ] for character class" });
            };
            if quoted && self.eat(b"\\E") {
                quoted = false;
                continue;
            }
            if !quoted && c == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if !quoted
                && c == b'['
                && matches!(self.pat.get(self.at + 1), Some(b':' | b'.' | b'='))
                && let Some(s) = self.posix()?
            {
                set.union(&s);
                continue;
            }
            let lo = match self.class_item(quoted)? {
                Esc::Byte(b) => b,
                Esc::Set(s) => {
                    set.union(&s);
                    continue;
                }
                Esc::Quote => {
                    quoted = true;
                    continue;
                }
                _ => continue,
            };
            // A range, unless the hyphen is last or something that is no character follows.
            if !quoted && self.peek() == Some(b'-') && self.pat.get(self.at + 1).is_some_and(|&c| c != b']') {
                let hyphen = self.at;
                self.at += 1;
                if matches!(self.rest(), [b'[', b':' | b'.' | b'=', ..]) {
                    set.add(lo);
                    set.add(b'-');
                    continue;
                }
                match self.class_item(false)? {
                    Esc::Byte(hi) if hi < lo => {
                        self.at = hyphen;
                        return Err(self.err("range out of order in character class"));
                    }
                    Esc::Byte(hi) => set.add_range(lo, hi),
                    Esc::Set(s) => {
                        set.add(lo);
                        set.add(b'-');
                        set.union(&s);
                    }
                    Esc::Quote => {
                        set.add(lo);
                        set.add(b'-');
                        quoted = true;
                    }
                    _ => {
                        set.add(lo);
                        set.add(b'-');
                    }
                }
            } else {
                set.add(lo);
            }
        }
        if self.flags.caseless {
            set.fold_case();
        }
        Ok(if negate { set.negated() } else { set })
    }

    fn class_item(&mut self, quoted: bool) -> Result<Esc, Error> {
        let Some(c) = self.peek() else {
            return Err(self.err("missing terminating ] for character class"));
        };
        self.at += 1;
        if c == b'\\' && !quoted { self.escape(true) } else { Ok(Esc::Byte(c)) }
    }

    /// `[:name:]` at the cursor; `None` when it is only a bracket.
    fn posix(&mut self) -> Result<Option<ByteSet>, Error> {
        let kind = self.pat.get(self.at + 1).copied().unwrap_or(0);
        let body = self.pat.get(self.at + 2..).unwrap_or(&[]);
        let Some(len) = body.iter().position(|&b| !(b.is_ascii_alphabetic() || b == b'^')) else {
            return Ok(None);
        };
        if body.get(len) != Some(&kind) || body.get(len + 1) != Some(&b']') {
            return Ok(None);
        }
        if kind != b':' {
            return Err(self.err("POSIX collating elements are not supported"));
        }
        let (neg, name) = match &body[..len] {
            [b'^', n @ ..] => (true, n),
            n => (false, n),
        };
        let test: fn(&u8) -> bool = match name {
            b"alpha" => u8::is_ascii_alphabetic,
            b"lower" if self.flags.caseless => u8::is_ascii_alphabetic,
            b"upper" if self.flags.caseless => u8::is_ascii_alphabetic,
            b"lower" => u8::is_ascii_lowercase,
            b"upper" => u8::is_ascii_uppercase,
            b"digit" => u8::is_ascii_digit,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"ascii" => u8::is_ascii,
            b"blank" => |b| matches!(b, b' ' | b'\t'),
            b"cntrl" => u8::is_ascii_control,
            b"graph" => u8::is_ascii_graphic,
            b"print" => |b| matches!(b, 0x20..=0x7e),
            b"punct" => u8::is_ascii_punctuation,
            b"space" => |b| matches!(b, 9..=13 | b' '),
            b"word" => |b| b.is_ascii_alphanumeric() || *b == b'_',
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => return Err(self.err("unknown POSIX class name")),
        };
        let mut set = ByteSet::EMPTY;
        (0..=255u8).filter(test).for_each(|b| set.add(b));
        self.at += len + 4;
        Ok(Some(if neg { set.negated() } else { set }))
    }
}

fn not_newline() -> ByteSet {
    let mut s = ByteSet::EMPTY;
    s.add(b'\n');
    s.negated()
}

/// `\d \s \w \h \v` and their complements, ASCII only (the C locale's tables).
fn perl_class(c: u8) -> ByteSet {
    let mut s = ByteSet::EMPTY;
    match c.to_ascii_lowercase() {
        b'd' => s.add_range(b'0', b'9'),
        b's' => {
            s.add_range(9, 13);
            s.add(b' ');
        }
        b'w' => {
            s.add_range(b'0', b'9');
            s.add_range(b'a', b'z');
            s.add_range(b'A', b'Z');
            s.add(b'_');
        }
        b'h' => [9, 0x20, 0xa0].into_iter().for_each(|b| s.add(b)),
        _ => [10, 11, 12, 13, 0x85].into_iter().for_each(|b| s.add(b)),
    }
    if c.is_ascii_uppercase() { s.negated() } else { s }
}

/// Whether each alternative takes a fixed number of bytes (PCRE2 before 10.43).
fn fixed_width(node: &Node) -> bool {
    let fixed = |n: &Node| {
        let (lo, hi) = n.width();
        lo == hi && hi != INF
    };
    match node {
        Node::Alt(v) => v.iter().all(fixed),
        n => fixed(n),
    }
}
