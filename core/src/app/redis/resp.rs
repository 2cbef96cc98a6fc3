//! RESP2 and RESP3 (the Redis serialization protocol) as a stream: bytes of one direction go in, pieces of values
//! come out. Owns how far one value was read.
//!
//! Values nest, but only the number of values still missing matters to find a message's end, so no stack is kept and
//! no depth is too deep. Strings pass in pieces; only a line must be there as a whole, up to [`LINE_MAX`] bytes.

/// Longest line kept; the rest of a longer one is skipped.
pub const LINE_MAX: usize = 4096;
/// Most values of an aggregate and most bytes of a string that are believed.
const COUNT_MAX: u64 = i32::MAX as u64;
const STRING_MAX: u64 = 1 << 40;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// No value yet.
    #[default]
    Unknown,
    Status,
    Error,
    Integer,
    Bulk,
    Array,
    Null,
    Double,
    Boolean,
    BigNumber,
    Verbatim,
    Map,
    Set,
    Push,
    Attribute,
}

/// Names as rules and records have them, with their numbers.
pub const KINDS: &[(&str, u64)] = &[
    ("status", Kind::Status as u64),
    ("error", Kind::Error as u64),
    ("integer", Kind::Integer as u64),
    ("bulk", Kind::Bulk as u64),
    ("array", Kind::Array as u64),
    ("null", Kind::Null as u64),
    ("double", Kind::Double as u64),
    ("boolean", Kind::Boolean as u64),
    ("big_number", Kind::BigNumber as u64),
    ("verbatim", Kind::Verbatim as u64),
    ("map", Kind::Map as u64),
    ("set", Kind::Set as u64),
    ("push", Kind::Push as u64),
];

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|k| k.1 == self as u64).map_or("", |k| k.0)
    }

    pub const fn is_aggregate(self) -> bool {
        matches!(self, Kind::Array | Kind::Map | Kind::Set | Kind::Push)
    }
}

/// One thing read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A value of one line, without its first byte and its end.
    Line(Kind, &'a [u8]),
    /// A string begins; that many bytes follow.
    Begin(Kind, u64),
    /// The next bytes of the string.
    Bytes(&'a [u8]),
    /// An aggregate of that many values begins.
    Many(Kind, u64),
    /// A line that is no value: an inline command.
    Inline(&'a [u8]),
    /// Nothing worth telling (ends of strings and of long lines, blank lines).
    Nothing,
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// More bytes are needed.
    Short,
    /// The bytes are no RESP.
    Broken,
}

/// How far a direction was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// Values that the message still lacks.
    missing: u64,
    /// Bytes of the string under way, and of the line end behind it.
    string: u64,
    tail: u8,
    /// The rest of a line is skipped.
    skipping: bool,
}

impl Reader {
    /// Nothing of a message was read, or all of it.
    pub fn between(&self) -> bool {
        self.missing == 0 && self.string == 0 && self.tail == 0 && !self.skipping
    }

    /// Values that the message still lacks, one under way not counted.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// `n` bytes are missing. Whether reading can go on behind them.
    pub fn gap(&mut self, n: u64) -> bool {
        let inside = n <= self.string;
        if inside {
            self.string -= n;
        }
        inside
    }

    /// Reads the next piece of `data`: it, and the bytes it took. `inline`: what begins with no `*` is a command.
    pub fn next<'a>(&mut self, data: &'a [u8], inline: bool) -> Result<(Piece<'a>, usize), Stop> {
        if data.is_empty() {
            return Err(Stop::Short);
        }
        if self.string > 0 {
            let n = usize::try_from(self.string).unwrap_or(usize::MAX).min(data.len());
            self.string -= n as u64;
            return Ok((Piece::Bytes(data.get(..n).unwrap_or(&[])), n));
        }
        if self.tail > 0 {
            let want = if self.tail == 2 { b'\r' } else { b'\n' };
            if data.first() != Some(&want) {
                return Err(Stop::Broken);
            }
            self.tail -= 1;
            return Ok((Piece::Nothing, 1));
        }
        let window = data.get(..LINE_MAX).unwrap_or(data);
        let (line, used) = match memchr::memchr(b'\n', window) {
            Some(n) => (window.get(..n).unwrap_or(&[]), n + 1),
            None if window.len() == LINE_MAX => (window, LINE_MAX),
            None => return Err(Stop::Short),
        };
        let cut = used == LINE_MAX && line.len() == LINE_MAX;
        if core::mem::replace(&mut self.skipping, cut) {
            return Ok((Piece::Nothing, used));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((first, text)) = line.split_first() else {
            // Between messages masters and clients send blank lines to keep a connection alive.
            return if self.missing == 0 { Ok((Piece::Nothing, used)) } else { Err(Stop::Broken) };
        };
        if inline && self.missing == 0 && *first != b'*' {
            return Ok((Piece::Inline(line), used));
        }
        let kind = match first {
            b'+' => Kind::Status,
            b'-' | b'!' => Kind::Error,
            b':' => Kind::Integer,
            b'$' => Kind::Bulk,
            b'*' => Kind::Array,
            b'_' => Kind::Null,
            b',' => Kind::Double,
            b'#' => Kind::Boolean,
            b'(' => Kind::BigNumber,
            b'=' => Kind::Verbatim,
            b'%' => Kind::Map,
            b'~' => Kind::Set,
            b'>' => Kind::Push,
            b'|' => Kind::Attribute,
            _ => return Err(Stop::Broken),
        };
        let before = self.missing.max(1);
        let piece = match first {
            b'$' | b'=' | b'!' => match count(text) {
                Some(Some(n)) if n <= STRING_MAX => {
                    self.string = n;
                    self.tail = 2;
                    Piece::Begin(kind, n)
                }
                Some(None) => Piece::Line(Kind::Null, &[]),
                _ => return Err(Stop::Broken),
            },
            b'*' | b'%' | b'~' | b'>' | b'|' => match count(text) {
                Some(Some(n)) if n <= COUNT_MAX => {
                    let each = if matches!(kind, Kind::Map | Kind::Attribute) { 2 } else { 1 };
                    // What an attribute is about still follows it.
                    let own = u64::from(kind != Kind::Attribute);
                    self.missing = (before - own).saturating_add(n * each);
                    return Ok((Piece::Many(kind, n), used));
                }
                Some(None) => Piece::Line(Kind::Null, &[]),
                _ => return Err(Stop::Broken),
            },
            _ => Piece::Line(kind, text),
        };
        self.missing = before - 1;
        Ok((piece, used))
    }
}

/// The number behind `$` or `*`: `Some(None)` for -1, which is null.
fn count(text: &[u8]) -> Option<Option<u64>> {
    if text == b"-1" {
        return Some(None);
    }
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0'))).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Reads all of `data` in pieces: ends of messages as `;`, values as they come.
    fn read(data: &[u8], cuts: &[usize]) -> (String, Option<Stop>) {
        let (mut r, mut out) = (Reader::default(), String::new());
        let (mut from, mut to) = (0, 0);
        for c in cuts.iter().cycle() {
            to = (to + (*c).max(1)).min(data.len());
            loop {
                match r.next(&data[from..to], false) {
                    Ok((piece, used)) => {
                        from += used;
                        match piece {
                            Piece::Line(k, t) => out += &alloc::format!("{}({}) ", k.name(), t.len()),
                            Piece::Begin(k, n) => out += &alloc::format!("{}[{n}] ", k.name()),
                            Piece::Many(k, n) => out += &alloc::format!("{k:?}{{{n}}} "),
                            _ => {}
                        }
                        if r.between() && !out.ends_with(';') {
                            out.push(';');
                        }
                    }
                    Err(Stop::Short) => break,
                    Err(s) => return (out, Some(s)),
                }
            }
            if to == data.len() {
                return (out, None);
            }
        }
        (out, None)
    }

    #[test]
    fn values_and_their_ends() {
        for (wire, want) in [
            ("+OK\r\n", "status(2) ;"),
            ("*2\r\n$3\r\nfoo\r\n:5\r\n", "Array{2} bulk[3] integer(1) ;"),
            ("$-1\r\n*-1\r\n_\r\n", "null(0) ;null(0) ;null(0) ;"),
            ("*0\r\n$0\r\n\r\n", "Array{0} ;bulk[0] ;"),
            (
                "*2\r\n*1\r\n*1\r\n#t\r\n%1\r\n+a\r\n,1.5\r\n",
                "Array{2} Array{1} Array{1} boolean(1) Map{1} status(1) double(3) ;",
            ),
            ("|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n", "Attribute{1} status(3) integer(1) bulk[1] ;"),
            (
                ">2\r\n+message\r\n=5\r\ntxt:a\r\n!3\r\nERR\r\n(12\r\n",
                "Push{2} status(7) verbatim[5] ;error[3] ;big_number(2) ;",
            ),
        ] {
            assert_eq!(read(wire.as_bytes(), &[usize::MAX]), (want.into(), None), "{wire:?}");
        }
        for broken in ["?\r\n", "*x\r\n", "$1\r\nab\r\n", "*1\r\n\r\n", "$9999999999999999\r\n", "$-2\r\n"] {
            assert_eq!(read(broken.as_bytes(), &[usize::MAX]).1, Some(Stop::Broken), "{broken:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_what_follows_is_read() {
        let mut wire = b"+".to_vec();
        wire.resize(3 * LINE_MAX, b'a');
        wire.extend(b"\r\n:1\r\n");
        let (said, stop) = read(&wire, &[7]);
        assert_eq!((said.as_str(), stop), ("status(4095) ;integer(1) ;", None));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            bytes in proptest::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'+'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'2'), Just(b'|'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1usize..9, 1..6),
        ) {
            let whole: Vec<u8> = bytes;
            prop_assert_eq!(read(&whole, &cuts), read(&whole, &[usize::MAX]));
        }
    }
}
