//! Tar archives, read as Python's `tarfile` reads them, because that is what loads models.
//!
//! In: bytes of the archive. Out: bytes of its members, to whoever is given; findings where readers may disagree: two
//! sizes, headers that cannot be read, data that is not a whole number of blocks.

use super::archive::Member;
use super::proto::escapes;
use super::report::{Judgement, Report};

const BLOCK: usize = 512;
/// Bytes that are kept of a long name or of extended records.
const KEPT: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Bytes that are nobody's.
    Nothing,
    Member,
    /// The next member's name.
    LongName,
    /// The name that the next member links to.
    LongLink,
    /// Records about the next member, or about all that follow.
    Records(bool),
}

/// A tar archive.
pub struct Tar {
    head: [u8; BLOCK],
    have: usize,
    left: u64,
    pad: u64,
    inside: Inside,
    kept: [u8; KEPT],
    kept_len: usize,
    name: [u8; 256],
    name_len: usize,
    /// What records say of the next member's size.
    size: Option<u64>,
    /// More of a sparse member's map follows.
    map: bool,
}

impl Tar {
    pub const NEW: Self = Self {
        head: [0; BLOCK],
        have: 0,
        left: 0,
        pad: 0,
        inside: Inside::Nothing,
        kept: [0; KEPT],
        kept_len: 0,
        name: [0; 256],
        name_len: 0,
        size: None,
        map: false,
    };

    pub fn feed(&mut self, data: &[u8], to: &mut impl Member, rep: &mut Report) -> usize {
        let some = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        if self.left > 0 && !self.map {
            let n = some(self.left);
            let d = data.get(..n).unwrap_or(data);
            match self.inside {
                Inside::Member => to.bytes(d, rep),
                Inside::Nothing => {}
                _ => self.keep(d, rep),
            }
            self.left -= n as u64;
            if self.left == 0 {
                self.over(to, rep);
            }
            return n;
        }
        if self.pad > 0 && !self.map {
            let n = some(self.pad);
            self.pad -= n as u64;
            return n;
        }
        if let (Some(p), Some(b)) = (self.head.get_mut(self.have), data.first()) {
            *p = *b;
        }
        self.have += 1;
        if self.have == BLOCK {
            self.have = 0;
            if self.map {
                self.map = self.head.get(504).is_some_and(|b| *b != 0);
            } else {
                self.header(to, rep);
            }
        }
        1
    }

    fn keep(&mut self, data: &[u8], rep: &mut Report) {
        for b in data {
            match self.kept.get_mut(self.kept_len) {
                Some(p) => {
                    *p = *b;
                    self.kept_len += 1;
                }
                None => {
                    rep.find(Judgement::Unknown, "archive with a name or records longer than is read", &[]);
                    return;
                }
            }
        }
    }

    /// The data of a member, a name or records have ended.
    fn over(&mut self, to: &mut impl Member, rep: &mut Report) {
        let kept = self.kept;
        let kept = kept.get(..self.kept_len).unwrap_or(&[]);
        let text = kept.split(|b| *b == 0).next().unwrap_or(kept);
        match self.inside {
            Inside::Nothing => {}
            Inside::Member => to.end(rep),
            Inside::LongName => self.call(text),
            Inside::LongLink if escapes(text) => {
                rep.find(Judgement::Suspicious, "a member's path leaves the folder: ", &[text]);
            }
            Inside::LongLink => {}
            Inside::Records(all) => self.records(kept, all, rep),
        }
        self.inside = Inside::Nothing;
    }

    fn call(&mut self, name: &[u8]) {
        self.name_len = name.len().min(self.name.len());
        for (p, b) in self.name.iter_mut().zip(name) {
            *p = *b;
        }
    }

    /// Records: length, a space, key, `=`, value, line feed.
    fn records(&mut self, mut rest: &[u8], all: bool, rep: &mut Report) {
        while rest.first().is_some_and(|b| *b != 0) {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let n = rest
                .get(..digits)
                .unwrap_or(&[])
                .iter()
                .fold(0usize, |n, d| n.saturating_mul(10).saturating_add(usize::from(d - b'0')));
            let record = rest.get(digits + 1..n.saturating_sub(1));
            let at = record.and_then(|r| r.iter().position(|b| *b == b'='));
            let (Some(record), Some(at)) = (record, at) else {
                rep.find(Judgement::Unreadable, "archive with records that cannot be read", &[]);
                return;
            };
            let (key, value) = (record.get(..at).unwrap_or(&[]), record.get(at + 1..).unwrap_or(&[]));
            match key {
                b"path" if !all => self.call(value),
                b"size" if all => {
                    rep.find(Judgement::Suspicious, "archive that gives one size to all members", &[]);
                }
                b"size" => {
                    let plain = !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit);
                    if !plain {
                        rep.find(Judgement::Suspicious, "a member's size that is no number", &[]);
                    }
                    let digits = value.iter().take(18).filter(|b| b.is_ascii_digit());
                    self.size = Some(digits.fold(0, |n, d| n * 10 + u64::from(d - b'0')));
                }
                b"linkpath" if escapes(value) => {
                    rep.find(Judgement::Suspicious, "a member's path leaves the folder: ", &[value]);
                }
                k if k.starts_with(b"GNU.sparse.") => sparse(rep),
                _ => {}
            }
            rest = rest.get(n..).unwrap_or(&[]);
        }
    }

    fn header(&mut self, to: &mut impl Member, rep: &mut Report) {
        if self.head.iter().all(|b| *b == 0) {
            return;
        }
        let head = self.head;
        let size = number(head.get(124..136).unwrap_or(&[])).and_then(|n| u64::try_from(n).ok());
        let Some(size) = size.filter(|_| checked(&head)) else {
            // Where `tarfile` stops, others look for the next header.
            rep.find(Judgement::Unreadable, "archive with a header that cannot be read", &[]);
            return;
        };
        let field = |from: usize, n: usize| {
            let f = head.get(from..from + n).unwrap_or(&[]);
            f.split(|b| *b == 0).next().unwrap_or(f)
        };
        let short = field(0, 100);
        let kind = match head.get(156).copied().unwrap_or(0) {
            // Before there were kinds, a slash at the end made a folder.
            0 if short.ends_with(b"/") => b'5',
            k => k,
        };
        self.kept_len = 0;
        self.inside = match kind {
            b'L' => Inside::LongName,
            b'K' => Inside::LongLink,
            b'x' | b'X' => Inside::Records(false),
            b'g' => Inside::Records(true),
            b'1'..=b'6' => Inside::Nothing,
            _ => Inside::Member,
        };
        let about = matches!(self.inside, Inside::LongName | Inside::LongLink | Inside::Records(_));
        // Links, folders and devices have no data whatever their size: the next header follows.
        let mut size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        if !about {
            if let Some(other) = self.size.take().filter(|_| self.inside == Inside::Member) {
                if other != size && other < 1 << 33 {
                    rep.find(
                        Judgement::Suspicious,
                        "a member with two sizes, of which readers take one",
                        &[],
                    );
                }
                size = other;
            }
            if self.name_len == 0 {
                self.call(short);
            }
            self.judge(kind, field(157, 100), rep);
        }
        self.map = kind == b'S' && head.get(482).is_some_and(|b| *b != 0);
        self.left = size;
        self.pad = (512 - size % 512) % 512;
        if self.inside == Inside::Member && size > 0 {
            let name = self.name;
            let name = name.get(..self.name_len).unwrap_or(&[]);
            to.begin(name.strip_prefix(b"./").unwrap_or(name), rep);
        } else if size == 0 {
            self.inside = Inside::Nothing;
        }
        if !about {
            self.name_len = 0;
        }
    }

    /// What a member's name and kind say.
    fn judge(&self, kind: u8, link: &[u8], rep: &mut Report) {
        let name = self.name.get(..self.name_len).unwrap_or(&[]);
        let name = name.strip_prefix(b"./").unwrap_or(name);
        let folder = self.head.get(345..500).filter(|_| self.head.get(257..263) == Some(b"ustar\0"));
        let folder = folder.and_then(|f| f.split(|b| *b == 0).next()).unwrap_or(&[]);
        if escapes(name) || escapes(folder) || (matches!(kind, b'1' | b'2') && escapes(link)) {
            rep.find(Judgement::Suspicious, "a member's path leaves the folder: ", &[name]);
        }
        if matches!(kind, b'3' | b'4' | b'6') {
            rep.find(Judgement::Suspicious, "a member is a device or a pipe: ", &[name]);
        }
        if kind == b'S' {
            sparse(rep);
        }
    }

    pub fn end(&mut self, to: &mut impl Member, rep: &mut Report) {
        if self.inside == Inside::Member && self.left > 0 {
            to.end(rep);
        }
        self.inside = Inside::Nothing;
        if self.left > 0 || self.have > 0 || self.map {
            rep.find(Judgement::Unreadable, "archive is cut off", &[]);
        } else {
            rep.understood = true;
        }
    }
}

fn sparse(rep: &mut Report) {
    rep.find(Judgement::Unknown, "a sparse member, whose holes are not filled", &[]);
}

/// A number of a header: octal, or binary where the first bit says so. `None`: no reader takes it.
fn number(field: &[u8]) -> Option<i64> {
    let (&first, binary) = field.split_first()?;
    if matches!(first, 0x80 | 0xff) {
        // Beyond 62 bits there is no file.
        let start = if first == 0xff { -1i64 } else { 0 };
        return binary.iter().try_fold(start, |n, b| {
            let n = n.checked_mul(256)?;
            n.checked_add(i64::from(*b))
        });
    }
    let text = field.split(|b| *b == 0).next()?.trim_ascii();
    text.iter().try_fold(0i64, |n, b| match b {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(i64::from(b - b'0')),
        _ => None,
    })
}

/// Whether a block is a header: it carries the sum of its bytes, with blanks for the sum itself.
pub fn checked(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let told = block.get(148..156).and_then(number);
    let bytes = || block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { b' ' } else { *b });
    let sum: i64 = bytes().map(i64::from).sum();
    // Old writers took bytes as signed.
    let signed: i64 = bytes().map(|b| i64::from(b.cast_signed())).sum();
    // No name has so small a sum, but numbers of tensors may.
    told.is_some_and(|t| t >= 256 && (t == sum || t == signed))
}
