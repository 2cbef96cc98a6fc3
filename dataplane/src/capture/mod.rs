//! Capture files: classic pcap and pcapng, plain or compressed, from a path, a directory or standard input.
//!
//! In: bytes, read by large blocks. Out: [`Batch`]es of [`Frame`]s that are slices of the block; then, once,
//! the fault that ended a damaged or truncated capture, with its byte offset. Owns the block buffer, which
//! grows only for a record larger than it.

mod packed;
mod pcap;
mod pcapng;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes read at a time: what stays in a core's second-level cache until it is parsed.
const BLOCK: usize = 256 << 10;
/// Most bytes one record or block may claim; more is taken as damage.
const MAX_RECORD: usize = 32 << 20;

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    pub data: &'b [u8],
    /// LINKTYPE_ number.
    pub link: u16,
    /// Nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// 1-based number in the file.
    pub index: u64,
    /// Length on the wire, bytes; `data` may be shorter.
    pub wire_len: u32,
}

/// Why a capture could not be opened or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("{}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("not a pcap or pcapng capture (it begins with {0:02x?})")]
    NotACapture([u8; 4]),
    #[error("the capture has no bytes")]
    Empty,
    /// The file ends inside its header (`packet` 0) or inside the record that would hold `packet` (from 1).
    #[error("truncated at byte {offset}, {}: it needs {needs} bytes, {has} are there", place(*packet))]
    Truncated { offset: u64, packet: u64, needs: usize, has: usize },
    /// The record that would hold `packet` (from 1) cannot be one.
    #[error("damaged at byte {offset}, {}: {what}", place(*packet))]
    Damaged { offset: u64, packet: u64, what: &'static str },
    #[error("reading at byte {offset}: {source}")]
    Io { offset: u64, source: io::Error },
}

impl CaptureError {
    /// In words, with the file that it is of.
    pub fn of(&self, path: &Path) -> String {
        match self {
            CaptureError::Open { .. } => self.to_string(),
            e => format!("{}: {e}", path.display()),
        }
    }
}

/// The part of a capture that a fault is in.
fn place(packet: u64) -> String {
    if packet == 0 { "in the file header".into() } else { format!("in the record of packet {packet}") }
}

/// Where a frame lies in the block buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meta {
    at: usize,
    len: usize,
    link: u16,
    ts_ns: u64,
    wire_len: u32,
}

/// What the bytes at the reading position are.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A record of `size` bytes with a frame (positions relative to the record).
    Frame {
        size: usize,
        meta: Meta,
    },
    /// A record of `size` bytes without one.
    Skip {
        size: usize,
    },
    /// At least so many bytes are needed to tell.
    Need(usize),
    Damaged(&'static str),
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Pcap),
    PcapNg(pcapng::PcapNg),
}

/// An open capture.
pub struct Capture {
    source: Box<dyn Read + Send>,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the file of `buf[0]`.
    base: u64,
    eof: bool,
    format: Format,
    frames: u64,
    metas: Vec<Meta>,
    /// Key logs that stood before the last of the frames at hand.
    secrets: Vec<u8>,
    fault: Option<CaptureError>,
    done: bool,
}

/// Frames that lie in the capture's buffer until it is read again.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'b> {
    buf: &'b [u8],
    metas: &'b [Meta],
    first: u64,
    secrets: &'b [u8],
}

impl<'b> Batch<'b> {
    pub fn len(&self) -> usize {
        self.metas.len()
    }

    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    /// Secrets of TLS sessions that the capture carries before or between these frames, as lines of a key log
    /// (draft-ietf-opsawg-pcapng 4.7).
    pub fn secrets(&self) -> &'b [u8] {
        self.secrets
    }

    /// The frame at `i`, from 0.
    pub fn get(&self, i: usize) -> Option<Frame<'b>> {
        let m = self.metas.get(i)?;
        Some(Frame {
            data: self.buf.get(m.at..m.at + m.len).unwrap_or(&[]),
            link: m.link,
            ts_ns: m.ts_ns,
            index: self.first + i as u64,
            wire_len: m.wire_len,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = Frame<'b>> + '_ {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}

impl Capture {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Capture, CaptureError> {
        if path == Path::new("-") {
            return Capture::from_reader(Box::new(io::stdin()));
        }
        let file = File::open(path).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?;
        Capture::from_reader(Box::new(file))
    }

    /// Reads a capture from any source of bytes, which gzip, Zstandard or LZ4 may have compressed. Offsets in faults are those of
    /// the plain bytes.
    pub fn from_reader(source: Box<dyn Read + Send>) -> Result<Capture, CaptureError> {
        let source = packed::plain(source).map_err(|source| CaptureError::Io { offset: 0, source })?;
        let mut c = Capture {
            source,
            buf: vec![0; BLOCK],
            start: 0,
            end: 0,
            base: 0,
            eof: false,
            format: Format::PcapNg(pcapng::PcapNg::new()),
            frames: 0,
            metas: Vec::new(),
            secrets: Vec::new(),
            fault: None,
            done: false,
        };
        c.fill(pcap::HEADER)?;
        let head = &c.buf[..c.end];
        let short = |head: &[u8]| CaptureError::Truncated {
            offset: 0,
            packet: 0,
            needs: pcap::HEADER,
            has: head.len(),
        };
        let Some(&magic) = head.first_chunk::<4>() else {
            return Err(if head.is_empty() { CaptureError::Empty } else { short(head) });
        };
        if pcapng::is_section(magic) {
            return Ok(c);
        }
        if !pcap::is_magic(magic) {
            return Err(CaptureError::NotACapture(magic));
        }
        let (format, header) = pcap::Pcap::new(head).ok_or_else(|| short(head))?;
        c.format = Format::Pcap(format);
        c.start = header;
        Ok(c)
    }

    /// Frames given so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The number of the packet that is parsed next.
    fn next(&self) -> u64 {
        self.frames + self.metas.len() as u64 + 1
    }

    /// Bytes of the file consumed so far.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The next frames, at most `max` of them (fewer at the end of a block). `None` at the end. A fault is
    /// returned once, after the frames before it.
    pub fn next_batch(&mut self, max: usize) -> Result<Option<Batch<'_>>, CaptureError> {
        self.metas.clear();
        zeroize::Zeroize::zeroize(&mut self.secrets);
        while self.metas.is_empty() && !self.done && max > 0 {
            if let Err(fault) = self.parse(max) {
                self.fault = Some(fault);
                self.done = true;
            }
        }
        if self.metas.is_empty() {
            return self.fault.take().map_or(Ok(None), Err);
        }
        let first = self.frames + 1;
        self.frames += self.metas.len() as u64;
        Ok(Some(Batch { buf: &self.buf, metas: &self.metas, first, secrets: &self.secrets }))
    }

    /// Parses records that lie whole in the buffer; fills the buffer when there is none.
    fn parse(&mut self, max: usize) -> Result<(), CaptureError> {
        loop {
            if let Format::Pcap(f) = &self.format {
                let room = max - self.metas.len();
                self.start = f.run(&self.buf[..self.end], self.start, room, &mut self.metas);
                if self.metas.len() >= max {
                    return Ok(());
                }
            }
            let rest = &self.buf[self.start..self.end];
            let step = match &mut self.format {
                Format::Pcap(f) => f.step(rest),
                Format::PcapNg(f) => {
                    let step = f.step(rest);
                    self.secrets.append(&mut f.secrets);
                    step
                }
            };
            match step {
                Step::Frame { size, meta } => {
                    self.metas.push(Meta { at: self.start + meta.at, ..meta });
                    self.start += size;
                    if self.metas.len() >= max {
                        return Ok(());
                    }
                }
                Step::Skip { size } => self.start += size,
                // Reading on would move the frames that were found.
                Step::Need(_) if !self.metas.is_empty() => return Ok(()),
                Step::Need(_) if self.eof && self.start == self.end => {
                    self.done = true;
                    return Ok(());
                }
                Step::Need(needs) if self.eof => {
                    let has = self.end - self.start;
                    return Err(CaptureError::Truncated {
                        offset: self.offset(),
                        packet: self.next(),
                        needs,
                        has,
                    });
                }
                Step::Need(bytes) => self.fill(bytes)?,
                Step::Damaged(what) => {
                    return Err(CaptureError::Damaged { offset: self.offset(), packet: self.next(), what });
                }
            }
        }
    }

    /// Moves the rest to the front and reads until it has `bytes` (or the source ends).
    fn fill(&mut self, bytes: usize) -> Result<(), CaptureError> {
        self.buf.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if bytes > self.buf.len() {
            self.buf.resize(bytes.next_multiple_of(BLOCK), 0);
        }
        while self.end < bytes.max(1) && !self.eof {
            match self.source.read(&mut self.buf[self.end..]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(CaptureError::Io { offset: self.base + self.end as u64, source });
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("format", &self.format)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Whether a capture carries secrets of TLS sessions before its first packet. `false` as well when it cannot be read.
pub fn has_secrets(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
    is_file
        && Capture::open(path)
            .is_ok_and(|mut c| c.next_batch(1).is_ok_and(|b| b.is_some_and(|b| !b.secrets().is_empty())))
}

/// The captures that a path names: itself, or the regular files of a directory in order of name; with `below` those of the
/// directories in it as well. Links that lead nowhere are among them, so that whoever opens them learns of it.
pub fn list(path: &Path, below: bool) -> Result<Vec<PathBuf>, CaptureError> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut dirs = vec![path.to_owned()];
    while let Some(dir) = dirs.pop() {
        let fail = |source| CaptureError::Open { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let file = entry.path();
            // A link to a directory could lead back here.
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if below {
                    dirs.push(file);
                }
            } else if file.metadata().is_ok_and(|m| m.is_file()) || file.metadata().is_err() {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
