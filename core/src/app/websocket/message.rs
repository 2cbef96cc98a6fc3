//! Messages of WebSocket: bytes of one direction go in, in order; frames come out with the bytes of their messages,
//! unmasked and decompressed, as they come. Knows no transactions, so that whoever wants messages can be fed.
//!
//! Owns the inflaters of all directions of one engine ([`Inflaters`]); a flow keeps a [`Line`] a direction.
//! permessage-deflate (RFC 7692) is negotiated in HTTP, which is over: RSV1 says what is compressed, and the window is
//! always kept, which streams without context takeover do not notice. A direction whose inflater another one took loses
//! the message under way; the next one begins with an empty window.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::decompress;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;

use super::frame::{CONTINUATION, Head, PONG, Wire};
use super::inflate::{Held, Inflaters, WINDOW};
use crate::Dir;
use crate::app::AppConfig;
use crate::pool::BytePool;

/// Bytes handled at once.
const STEP: usize = 2 << 10;
/// Decompressed bytes of one message beyond which it is given up: 1 KB of deflate can make 1 MB.
const DECODED_MAX: u64 = 4 << 20;
/// What beginning a compressed message takes, in bytes of decoding: codes are made anew for each, however short it is.
const BEGINNING: usize = 2 << 10;
/// What a sender leaves out at the end of a compressed message (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A frame of a message.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub dir: Dir,
    pub head: Head,
    /// Opcode of the message: that of its first frame.
    pub kind: u8,
    /// The message is compressed.
    pub compressed: bool,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A continuation of nothing, or a new message inside another.
    Fragment,
    /// A control frame that is in pieces or longer than 125 bytes.
    Control,
    /// An opcode that has no meaning.
    Opcode,
    /// From the client without a mask, or from the server with one.
    Mask,
    /// The data is no deflate, or gives too much.
    Inflate,
    /// There is no inflater: the payload stays compressed; or another direction took it: the message ends here.
    Room,
}

/// Takes what one direction says.
pub trait Sink {
    /// A frame begins: its header as it came.
    fn begin(&mut self, frame: &Frame, wire: &[u8], pool: &mut BytePool);
    /// Bytes of its payload as they came, masked and compressed.
    fn raw(&mut self, _: &Frame, _: &[u8], _: &mut BytePool) {}
    /// The next bytes of the message.
    fn data(&mut self, frame: &Frame, bytes: &[u8], pool: &mut BytePool);
    fn fault(&mut self, frame: &Frame, fault: Fault, pool: &mut BytePool);
    /// The frame ended, and with it the message if it is the last (`head.fin()`).
    fn end(&mut self, frame: &Frame, pool: &mut BytePool);
    /// No further frame is to begin with these bytes.
    fn is_full(&self) -> bool {
        false
    }
}

/// One direction of a flow.
#[derive(Debug, Default)]
pub struct Line {
    wire: Wire,
    /// The frame under way, and how much of its payload is to come.
    frame: Option<Frame>,
    left: u64,
    /// A message is under way: its opcode and whether it is compressed.
    message: Option<(u8, bool)>,
    /// Decompressed so far, and whether that is over for this message.
    decoded: u64,
    broken: bool,
    /// Its beginning was paid for.
    paid: bool,
    inflater: Option<Held>,
    lost: bool,
}

/// The inflaters of one engine.
pub struct Messages {
    inflaters: Inflaters,
}

impl Messages {
    pub fn new(cfg: &AppConfig) -> Self {
        Messages { inflaters: Inflaters::new(cfg) }
    }

    /// Inflaters that another direction took.
    pub fn evicted(&self) -> u64 {
        self.inflaters.evicted
    }

    /// Gives back what a direction holds.
    pub fn close(&mut self, line: &mut Line, pool: &mut BytePool) {
        if let Some(h) = line.inflater {
            self.inflaters.give(h, pool);
        }
        *line = Line { lost: true, ..Line::default() };
    }

    /// Reads the next bytes of a direction. How many: all of them, or up to where no further frame is wanted now.
    pub fn read(
        &mut self,
        line: &mut Line,
        dir: Dir,
        bytes: &[u8],
        pool: &mut BytePool,
        sink: &mut dyn Sink,
    ) -> usize {
        let mut data = bytes;
        while let Some((&byte, tail)) = data.split_first() {
            if line.lost {
                break;
            }
            let Some(frame) = line.frame else {
                if sink.is_full() {
                    return bytes.len() - data.len();
                }
                data = tail;
                if let Some(head) = line.wire.push(byte) {
                    line.begin(dir, head, pool, sink);
                    if line.left == 0 {
                        self.end(line, pool, sink);
                    }
                }
                continue;
            };
            let n = usize::try_from(line.left).unwrap_or(usize::MAX).min(data.len()).min(STEP);
            let (now, rest) = data.split_at(n);
            data = rest;
            sink.raw(&frame, now, pool);
            let mut plain = [0; STEP];
            let Some(plain) = plain.get_mut(..n) else { break };
            plain.copy_from_slice(now);
            if let Some(mask) = frame.head.mask {
                let from = frame.head.len.wrapping_sub(line.left) as usize;
                for (i, b) in plain.iter_mut().enumerate() {
                    *b ^= mask[(from + i) % 4];
                }
            }
            line.left -= n as u64;
            if frame.compressed && !frame.head.is_control() {
                self.inflate(line, &frame, plain, pool, sink);
            } else {
                sink.data(&frame, plain, pool);
            }
            if line.left == 0 {
                self.end(line, pool, sink);
            }
        }
        bytes.len()
    }

    /// `n` bytes are missing. Whether the direction can be read on.
    pub fn gap(&mut self, line: &mut Line, n: u64, pool: &mut BytePool, sink: &mut dyn Sink) -> bool {
        match line.frame {
            Some(f) if n <= line.left => {
                line.left -= n;
                if f.compressed && !f.head.is_control() {
                    line.broken = true;
                    self.restart(line);
                }
                if line.left == 0 {
                    self.end(line, pool, sink);
                }
            }
            _ => line.lost = true,
        }
        !line.lost
    }

    fn end(&mut self, line: &mut Line, pool: &mut BytePool, sink: &mut dyn Sink) {
        let Some(frame) = line.frame else { return };
        let message = !frame.head.is_control();
        if message && frame.head.fin() {
            if frame.compressed {
                self.inflate(line, &frame, &TAIL, pool, sink);
            }
            line.message = None;
            line.decoded = 0;
            line.broken = false;
            line.paid = false;
        }
        line.frame = None;
        line.wire = Wire::default();
        sink.end(&frame, pool);
    }

    /// The next compressed message begins anew.
    fn restart(&mut self, line: &mut Line) {
        if let Some(i) = line.inflater.and_then(|h| self.inflaters.get(h)) {
            i.core.init();
        }
    }

    fn inflate(
        &mut self,
        line: &mut Line,
        frame: &Frame,
        mut data: &[u8],
        pool: &mut BytePool,
        sink: &mut dyn Sink,
    ) {
        if line.broken {
            return;
        }
        if !core::mem::replace(&mut line.paid, true) && !pool.growth().spend(BEGINNING) {
            line.broken = true;
            self.restart(line);
            sink.fault(frame, Fault::Room, pool);
            return;
        }
        let held = line.inflater.filter(|h| self.inflaters.get(*h).is_some());
        if held.is_none() && line.inflater.take().is_some() && line.decoded > 0 {
            line.broken = true;
            sink.fault(frame, Fault::Room, pool);
            return;
        }
        line.inflater = held.or_else(|| self.inflaters.take(pool));
        let Some(i) = line.inflater.and_then(|h| self.inflaters.get(h)) else {
            if line.decoded == 0 {
                sink.fault(frame, Fault::Room, pool);
            }
            line.decoded += data.len() as u64;
            if line.left > 0 || data != TAIL {
                sink.data(frame, data, pool);
            }
            return;
        };
        let ok = loop {
            let at = i.at;
            let (status, used, made) =
                decompress(&mut i.core, data, i.window.get_mut(pool), at, TINFL_FLAG_HAS_MORE_INPUT);
            if status == TINFLStatus::Done {
                // A message may end its stream and begin another (RFC 7692 7.2.3.4).
                i.core.init();
            }
            data = data.get(used..).unwrap_or(&[]);
            line.decoded += made as u64;
            let paid = pool.growth().spend(made);
            i.at = (at + made) % WINDOW;
            let mut from = at;
            while from < at + made {
                let n = (at + made - from).min(STEP);
                let mut out = [0; STEP];
                let window = i.window.get(pool);
                let (Some(out), Some(w)) = (out.get_mut(..n), window.get(from..from + n)) else { break };
                out.copy_from_slice(w);
                sink.data(frame, out, pool);
                from += n;
            }
            match status {
                _ if line.decoded > DECODED_MAX || !paid => break false,
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::Done if !data.is_empty() && used + made > 0 => {}
                TINFLStatus::Done | TINFLStatus::NeedsMoreInput => break true,
                _ => break false,
            }
        };
        if !ok {
            line.broken = true;
            self.restart(line);
            sink.fault(frame, Fault::Inflate, pool);
        }
    }
}

impl Line {
    /// Cannot be read any more.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// A header is whole.
    fn begin(&mut self, dir: Dir, head: Head, pool: &mut BytePool, sink: &mut dyn Sink) {
        let mut fault = None;
        let mut frame = Frame { dir, head, kind: head.opcode, compressed: false };
        if head.is_control() {
            if head.opcode > PONG {
                fault = Some(Fault::Opcode);
            } else if !head.fin() || head.len > 125 {
                fault = Some(Fault::Control);
            }
        } else {
            if head.opcode > 2 {
                fault = Some(Fault::Opcode);
            }
            let under_way = self.message;
            if (head.opcode == CONTINUATION) != under_way.is_some() {
                fault = Some(Fault::Fragment);
            }
            (frame.kind, frame.compressed) = match under_way {
                Some(m) if head.opcode == CONTINUATION => m,
                _ => {
                    self.decoded = 0;
                    self.broken = false;
                    (head.opcode, head.rsv1())
                }
            };
            self.message = Some((frame.kind, frame.compressed));
        }
        if fault.is_none() && head.mask.is_some() != (dir == Dir::ToServer) {
            fault = Some(Fault::Mask);
        }
        self.left = head.len;
        self.frame = Some(frame);
        sink.begin(&frame, self.wire.bytes(), pool);
        if let Some(f) = fault {
            sink.fault(&frame, f, pool);
        }
    }
}
