//! Cutting a message into pieces: lines, events of Server-Sent Events (HTML Living Standard, 9.2), length-prefixed
//! messages of gRPC. Nothing is gathered: bytes are handed on as they come, with marks where a piece begins and ends.

/// How a guest wants a message cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// As it comes; the message is one piece.
    Any,
    /// By lines (newline-delimited JSON); empty ones are left out.
    Lines,
    /// By events; the piece is the event's data.
    Sse,
    /// By the messages of gRPC.
    Grpc,
    /// By the frames of `application/vnd.amazon.eventstream`; the piece is the payload.
    EventStream,
}

/// Part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the piece that is open.
    Bytes(&'a [u8]),
    /// The piece is whole.
    End,
    /// A piece, all of it: as [`Piece::Bytes`] and [`Piece::End`].
    Whole(&'a [u8]),
}

/// A message being cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cutter {
    how: Option<Cut>,
    state: State,
    /// The piece has bytes.
    filled: bool,
    /// Of gRPC: bytes of the prefix read, and bytes left of the message.
    have: u8,
    left: u32,
    /// Of an event stream: bytes of headers left.
    skip: u32,
    /// Of SSE: how much of the name `data` was read, and whether the line before was data.
    name: u8,
    data_before: bool,
    /// A carriage return came last: a newline after it belongs to it.
    cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    /// At the start of a line, of a prefix, of the message.
    #[default]
    Start,
    /// Inside the name of a field.
    Name,
    /// After the colon: one space is not part of the value.
    Space,
    /// Inside a value that is wanted.
    Value,
    /// To the end of the line.
    Skip,
    /// Bytes are missing: nothing that follows can be placed until the next line (SSE, lines).
    Lost,
}

impl Cutter {
    pub(super) fn new(how: Option<Cut>) -> Self {
        Cutter { how, ..Cutter::default() }
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self) {
        self.state = State::Lost;
        self.filled = false;
        self.cr = false;
    }

    /// Takes bytes and hands on pieces.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        match self.how {
            Some(Cut::Any) if self.state != State::Lost && !bytes.is_empty() => {
                self.filled = true;
                out(Piece::Bytes(bytes));
            }
            None | Some(Cut::Any) => {}
            Some(Cut::Lines) => self.lines(bytes, out),
            Some(Cut::Sse) => self.events(bytes, out),
            Some(Cut::Grpc) => self.grpc(bytes, out),
            Some(Cut::EventStream) => self.frames(bytes, out),
        }
    }

    /// The carrier says that a piece is whole.
    pub(super) fn mark(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        self.end(out);
        self.state = State::Start;
    }

    /// The message is over: what is open ends.
    pub(super) fn end(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        if self.filled && self.how.is_some() && !matches!(self.how, Some(Cut::Grpc | Cut::EventStream)) {
            out(Piece::End);
        }
        self.filled = false;
    }

    fn lines(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            if self.state == State::Lost {
                if end.is_some() {
                    self.state = State::Start;
                }
            } else {
                let line = if self.filled { line } else { line.trim_ascii_start() };
                if end.is_some() && !self.filled && !line.is_empty() {
                    out(Piece::Whole(line));
                } else if !line.is_empty() {
                    self.filled = true;
                    out(Piece::Bytes(line));
                }
                if end.is_some() && core::mem::take(&mut self.filled) {
                    out(Piece::End);
                }
            }
            bytes = &bytes[end.map_or(bytes.len(), |n| n + 1)..];
        }
    }

    fn events(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        const NAME: &[u8] = b"data";
        let mut at = 0;
        while let Some(&c) = bytes.get(at) {
            if core::mem::take(&mut self.cr) && c == b'\n' {
                at += 1;
                continue;
            }
            match self.state {
                State::Start if c == b'\n' || c == b'\r' => {
                    // An empty line ends the event.
                    self.cr = c == b'\r';
                    self.data_before = false;
                    if core::mem::take(&mut self.filled) {
                        out(Piece::End);
                    }
                    at += 1;
                }
                State::Start => {
                    self.name = 0;
                    self.state = State::Name;
                }
                State::Name => {
                    let is_data = usize::from(self.name) == NAME.len();
                    if c == b':' {
                        self.state = if is_data { State::Space } else { State::Skip };
                        at += 1;
                        if is_data && core::mem::replace(&mut self.data_before, true) {
                            self.filled = true;
                            out(Piece::Bytes(b"\n"));
                        }
                    } else if c == b'\n' || c == b'\r' {
                        self.state = State::Skip;
                    } else if NAME.get(usize::from(self.name)) == Some(&c) {
                        self.name += 1;
                        at += 1;
                    } else if matches!(c, 0xef | 0xbb | 0xbf) && self.name == 0 {
                        // A byte order mark before the first field.
                        at += 1;
                    } else {
                        self.state = State::Skip;
                    }
                }
                State::Space => {
                    at += usize::from(c == b' ');
                    self.state = State::Value;
                }
                State::Value => {
                    let rest = &bytes[at..];
                    let n = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    if n > 0 {
                        self.filled = true;
                        out(Piece::Bytes(&rest[..n]));
                    }
                    at += n;
                    if n < rest.len() {
                        self.state = State::Start;
                        self.cr = rest[n] == b'\r';
                        at += 1;
                    }
                }
                State::Skip | State::Lost => {
                    let rest = &bytes[at..];
                    let n = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    at += n;
                    if n < rest.len() {
                        // After a hole the first whole line begins; the event it belongs to may be cut.
                        self.state = State::Start;
                        self.cr = rest[n] == b'\r';
                        at += 1;
                    }
                }
            }
        }
    }

    fn frames(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        const PRELUDE: u8 = 12;
        const CHECKSUM: u32 = 4;
        while let Some(&c) = bytes.first().filter(|_| self.state != State::Lost) {
            if self.have < PRELUDE {
                // Length of the frame and of its headers, most significant byte first, and a checksum.
                match self.have {
                    0..4 => self.left = self.left << 8 | u32::from(c),
                    4..8 => self.skip = self.skip << 8 | u32::from(c),
                    _ => {}
                }
                self.have += 1;
                bytes = &bytes[1..];
                if self.have == PRELUDE {
                    // What is left: payload and checksum.
                    match self.left.checked_sub(u32::from(PRELUDE) + self.skip.min(1 << 24)) {
                        Some(n) if n >= CHECKSUM => self.left = n,
                        _ => self.state = State::Lost,
                    }
                }
                continue;
            }
            let skip = bytes.len().min(self.skip as usize);
            self.skip -= skip as u32;
            bytes = &bytes[skip..];
            let payload = bytes.len().min(self.left.saturating_sub(CHECKSUM) as usize);
            if payload > 0 {
                self.filled = true;
                out(Piece::Bytes(&bytes[..payload]));
            }
            self.left -= payload as u32;
            bytes = &bytes[payload..];
            if self.skip == 0 && self.left <= CHECKSUM {
                let n = bytes.len().min(self.left as usize);
                self.left -= n as u32;
                bytes = &bytes[n..];
                if self.left == 0 {
                    self.have = 0;
                    if core::mem::take(&mut self.filled) {
                        out(Piece::End);
                    }
                }
            }
        }
    }

    fn grpc(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        if self.state == State::Lost {
            return;
        }
        while let Some(&c) = bytes.first() {
            if self.have < 5 {
                // A flag (compressed or not), then the length, most significant byte first.
                if self.have == 0 {
                    self.name = c;
                    self.left = 0;
                } else {
                    self.left = self.left << 8 | u32::from(c);
                }
                self.have += 1;
                bytes = &bytes[1..];
                if self.have == 5 && self.left == 0 {
                    self.have = 0;
                    out(Piece::End);
                }
                continue;
            }
            let n = bytes.len().min(self.left as usize);
            // What is compressed cannot be read on.
            if self.name == 0 {
                out(Piece::Bytes(&bytes[..n]));
            }
            self.left -= n as u32;
            bytes = &bytes[n..];
            if self.left == 0 {
                self.have = 0;
                out(Piece::End);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn cut(how: Cut, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut c = Cutter::new(Some(how));
        let (mut all, mut now) = (Vec::new(), Vec::new());
        let mut out = |p: Piece<'_>| match p {
            Piece::Bytes(b) => now.extend_from_slice(b),
            Piece::Whole(b) => all.push(b.to_vec()),
            Piece::End => all.push(core::mem::take(&mut now)),
        };
        for p in parts {
            c.feed(p, &mut out);
        }
        c.end(&mut out);
        all
    }

    #[test]
    fn events_as_the_standard_has_them() {
        let sse = b"\xef\xbb\xbfevent: x\ndata: one\ndata:two\r\n\r\n: comment\rdata:  a\rid: 7\r\rdata\n\ndata: [DONE]\n\n";
        assert_eq!(cut(Cut::Sse, &[sse]), [&b"one\ntwo"[..], b" a", b"[DONE]"]);
    }

    #[test]
    fn lines_and_messages() {
        assert_eq!(cut(Cut::Lines, &[b"{}\n\r\n[1]\n2"]), [&b"{}"[..], b"[1]", b"2"]);
        assert_eq!(cut(Cut::Grpc, &[b"\0\0\0\0\x02ab\0\0\0\0\0\x01\0\0\0\x01z"]), [&b"ab"[..], b"", b""]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            data in prop::collection::vec(prop::sample::select(&b"data: x\n\r\0\x01\xef{}"[..]), 0..200),
            at in 0usize..200,
        ) {
            let (a, b) = data.split_at(at.min(data.len()));
            for how in [Cut::Any, Cut::Lines, Cut::Sse, Cut::Grpc, Cut::EventStream] {
                let bytes: Vec<&[u8]> = data.chunks(1).collect();
                let whole = cut(how, &[&data]);
                prop_assert_eq!(&whole, &cut(how, &[a, b]));
                prop_assert_eq!(&whole, &cut(how, &bytes));
            }
        }
    }
}
