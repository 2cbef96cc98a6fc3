//! Containers: zip, and streams of deflate.
//!
//! In: bytes of the container. Out: bytes of its members, to whoever is given; findings where headers disagree. Local
//! headers of a zip come first and are read as they come; the central directory comes last and is compared with them,
//! because a reader may believe either.

use super::proto::escapes;
use super::report::{Judgement, Report};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use sha2::Digest;

const WINDOW: usize = 32 << 10;
/// Members whose local headers are remembered for the comparison.
const MEMBERS: usize = 1024;
/// Flags that change how a member is read: encryption, sizes behind it, patches, strong encryption, the name's
/// characters, hidden headers.
const FLAGS: u16 = 0x2869;
/// Members whose end has to be searched for are compared up to this size: in more bytes their end may seem to come by
/// chance.
const SEARCHED: u64 = 1 << 20;

/// What a zip reader and an inflater take beside themselves.
pub const HEAP: usize = WINDOW + size_of::<DecompressorOxide>() + MEMBERS * size_of::<Known>();

/// What becomes of bytes of a member.
pub trait Member {
    fn begin(&mut self, name: &[u8], rep: &mut Report);
    fn bytes(&mut self, data: &[u8], rep: &mut Report);
    fn end(&mut self, rep: &mut Report);
}

/// An inflater with its window.
pub struct Inflate {
    state: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    pub done: bool,
    pub failed: bool,
    zlib: bool,
}

impl Inflate {
    pub fn new() -> Self {
        Self {
            state: Box::default(),
            window: vec![0; WINDOW],
            at: 0,
            done: false,
            failed: false,
            zlib: false,
        }
    }

    pub fn reset(&mut self, zlib: bool) {
        self.state.init();
        self.at = 0;
        self.done = false;
        self.failed = false;
        self.zlib = zlib;
    }

    /// Inflates what it can; gives how many bytes it took.
    pub fn feed(&mut self, data: &[u8], to: &mut impl Member, rep: &mut Report) -> usize {
        let mut taken = 0;
        let flags = TINFL_FLAG_HAS_MORE_INPUT
            | TINFL_FLAG_IGNORE_ADLER32
            | if self.zlib { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
        self.failed |= !self.done && rep.is_spent();
        while !self.done && !self.failed {
            let input = data.get(taken..).unwrap_or(&[]);
            let (status, read, wrote) = decompress(&mut self.state, input, &mut self.window, self.at, flags);
            taken += read;
            if let Some(out) = self.window.get(self.at..self.at + wrote) {
                to.bytes(out, rep);
            }
            self.at = (self.at + wrote) % WINDOW;
            // Of what has no more to give, too: many small members make as much as a large one.
            let spent = rep.grew(wrote);
            match status {
                TINFLStatus::Done => self.done = true,
                TINFLStatus::NeedsMoreInput => break,
                TINFLStatus::HasMoreOutput => self.failed = spent,
                _ => self.failed = true,
            }
        }
        taken
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between members: the next signature is looked for.
    Scan,
    Local,
    Central,
    End,
    Name,
    Extra,
    Stored,
    /// A stored member whose size comes behind it.
    Open,
    Deflated,
    /// Coded in a way that is not read.
    Opaque,
    CentralName,
    CentralExtra,
    Skip,
}

/// A member as its local header and its data are.
#[derive(Clone, Copy, Default)]
struct Known {
    name: [u8; 16],
    seen: bool,
    method: u16,
    flags: u16,
    /// Where its header is, from the first byte on.
    at: u64,
    /// Bytes of its data.
    packed: u64,
    size: u64,
    crc: u32,
    /// Size and checksum are known.
    whole: bool,
    /// Its end was searched for.
    searched: bool,
}

pub struct Zip {
    st: At,
    last: u32,
    head: [u8; 46],
    have: usize,
    need: usize,
    name: [u8; 256],
    name_len: usize,
    /// The name is longer than what is kept of it.
    name_over: bool,
    extra: [u8; 64],
    left: u64,
    extra_left: u64,
    skip: u64,
    /// Bytes so far, where the header at hand begins, and where the first of the central directory does.
    pos: u64,
    at: u64,
    central_at: u64,
    /// How far the central directory's offsets are from where headers are: bytes before the archive.
    shift: Option<u64>,
    /// Bytes that the member gave.
    out: u64,
    size: u64,
    flags: u16,
    method: u16,
    crc: u32,
    want_crc: u32,
    known: Vec<Known>,
    members: usize,
    central: usize,
    strange: bool,
    ended: bool,
    open: bool,
    /// Bytes that a stored member without a size may still have to give.
    held: usize,
}

fn u16_at(h: &[u8], i: usize) -> u16 {
    match h.get(i..i + 2) {
        Some(&[a, b]) => u16::from_le_bytes([a, b]),
        _ => 0,
    }
}

fn u32_at(h: &[u8], i: usize) -> u32 {
    u32::from(u16_at(h, i)) | (u32::from(u16_at(h, i + 2)) << 16)
}

/// What stands for a name: nobody finds two names with the same.
fn digest(name: &[u8]) -> [u8; 16] {
    let all = sha2::Sha256::digest(name);
    all.first_chunk().copied().unwrap_or_default()
}

fn crc(mut c: u32, data: &[u8]) -> u32 {
    const T: [u32; 16] = {
        let mut t = [0; 16];
        let mut i = 0;
        while i < 16 {
            let mut c = i as u32;
            let mut k = 0;
            while k < 4 {
                c = if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 };
                k += 1;
            }
            t[i] = c;
            i += 1;
        }
        t
    };
    for b in data {
        c ^= u32::from(*b);
        c = (c >> 4) ^ T[(c & 15) as usize];
        c = (c >> 4) ^ T[(c & 15) as usize];
    }
    c
}

impl Zip {
    pub fn new() -> Self {
        Self {
            st: At::Scan,
            last: 0,
            head: [0; 46],
            have: 0,
            need: 0,
            name: [0; 256],
            name_len: 0,
            name_over: false,
            extra: [0; 64],
            left: 0,
            extra_left: 0,
            skip: 0,
            pos: 0,
            at: 0,
            central_at: 0,
            shift: None,
            out: 0,
            size: 0,
            flags: 0,
            method: 0,
            crc: 0,
            want_crc: 0,
            known: vec![Known::default(); MEMBERS],
            members: 0,
            central: 0,
            strange: false,
            ended: false,
            open: false,
            held: 0,
        }
    }

    pub fn reset(&mut self) {
        self.st = At::Scan;
        self.last = 0;
        self.have = 0;
        self.pos = 0;
        self.shift = None;
        self.members = 0;
        self.central = 0;
        self.strange = false;
        self.ended = false;
        self.open = false;
    }

    pub const fn scanning(&self) -> bool {
        matches!(self.st, At::Scan)
    }

    /// Between members, and no signature has begun.
    pub const fn is_idle(&self) -> bool {
        let [_, a, b, c] = self.last.to_le_bytes();
        self.scanning() && a != b'P' && b != b'P' && c != b'P'
    }

    /// As [`Zip::feed`] of bytes without a `P`, while [`Zip::is_idle`].
    pub fn pass(&mut self, run: &[u8]) {
        self.pos += run.len() as u64;
        for b in run.iter().skip(run.len().saturating_sub(4)) {
            self.last = (self.last >> 8) | (u32::from(*b) << 24);
        }
    }

    /// Whether a member was found.
    pub const fn begun(&self) -> bool {
        self.members > 0
    }

    /// Takes bytes; gives how many it took. Those between members are also the caller's to look at.
    #[inline]
    pub fn feed(
        &mut self,
        data: &[u8],
        inflate: &mut Inflate,
        to: &mut impl Member,
        rep: &mut Report,
    ) -> usize {
        if let (At::Scan, Some(b)) = (self.st, data.first())
            && !matches!(b, 2 | 4 | 6)
        {
            // No signature ends here.
            self.last = (self.last >> 8) | (u32::from(*b) << 24);
            self.pos += 1;
            return 1;
        }
        let n = self.some(data, inflate, to, rep);
        self.pos += n as u64;
        n
    }

    fn some(&mut self, data: &[u8], inflate: &mut Inflate, to: &mut impl Member, rep: &mut Report) -> usize {
        match self.st {
            At::Stored => {
                let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                let d = data.get(..n).unwrap_or(data);
                self.crc = crc(self.crc, d);
                self.out += n as u64;
                to.bytes(d, rep);
                self.left -= n as u64;
                if self.left == 0 {
                    self.finish(to, rep);
                }
                n
            }
            At::Deflated => {
                struct Summed<'a, M>(&'a mut M, &'a mut u32, &'a mut u64);
                impl<M: Member> Member for Summed<'_, M> {
                    fn begin(&mut self, _: &[u8], _: &mut Report) {}
                    fn bytes(&mut self, data: &[u8], rep: &mut Report) {
                        *self.1 = crc(*self.1, data);
                        *self.2 += data.len() as u64;
                        self.0.bytes(data, rep);
                    }
                    fn end(&mut self, _: &mut Report) {}
                }
                let n = inflate.feed(data, &mut Summed(to, &mut self.crc, &mut self.out), rep);
                if inflate.failed {
                    rep.find(Judgement::Unreadable, "a member that cannot be inflated", &[]);
                    to.end(rep);
                    self.st = At::Scan;
                } else if inflate.done {
                    self.finish(to, rep);
                }
                n
            }
            At::Skip | At::Opaque => {
                let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                self.left -= n as u64;
                if self.left == 0 {
                    self.st = At::Scan;
                    self.last = 0;
                }
                n
            }
            _ => {
                if let Some(b) = data.first() {
                    self.byte(*b, inflate, to, rep);
                }
                1
            }
        }
    }

    fn finish(&mut self, to: &mut impl Member, rep: &mut Report) {
        if self.flags & 9 == 0 && self.st != At::Open && !self.crc != self.want_crc {
            rep.find(
                Judgement::Suspicious,
                "a member's checksum is wrong, which only some readers mind",
                &[],
            );
        }
        to.end(rep);
        let (crc, out, searched) = (!self.crc, self.out, self.st == At::Open);
        let whole = self.flags & 1 == 0;
        if let Some(k) = self.member() {
            (k.crc, k.size, k.searched, k.whole) = (crc, out, searched, whole);
        }
        self.st = At::Scan;
        self.last = 0;
    }

    /// What is remembered of the member at hand.
    fn member(&mut self) -> Option<&mut Known> {
        self.known.get_mut(self.members.checked_sub(1)?)
    }

    /// A header begins, whose signature was just read.
    fn take(&mut self, st: At, need: usize) {
        self.at = self.pos.saturating_sub(3);
        if st == At::Central && self.central == 0 {
            self.central_at = self.at;
        }
        self.st = st;
        self.have = 4;
        self.need = need;
    }

    fn byte(&mut self, b: u8, inflate: &mut Inflate, to: &mut impl Member, rep: &mut Report) {
        match self.st {
            At::Scan => {
                self.last = (self.last >> 8) | (u32::from(b) << 24);
                match self.last {
                    0x0403_4b50 => self.take(At::Local, 30),
                    0x0201_4b50 if self.members > 0 => self.take(At::Central, 46),
                    0x0605_4b50 if self.members > 0 => self.take(At::End, 22),
                    _ => {}
                }
            }
            At::Local | At::Central | At::End => {
                if let Some(p) = self.head.get_mut(self.have) {
                    *p = b;
                }
                self.have += 1;
                if self.have == self.need {
                    self.header(inflate, to, rep);
                }
            }
            At::Name | At::CentralName => {
                if let Some(p) = self.name.get_mut(self.name_len) {
                    *p = b;
                    self.name_len += 1;
                } else {
                    self.name_over = true;
                }
                self.left -= 1;
                if self.left == 0 {
                    self.named(inflate, to, rep);
                }
            }
            At::Extra => {
                if let Some(p) = self.extra.get_mut(self.have) {
                    *p = b;
                }
                self.have += 1;
                self.left -= 1;
                if self.left == 0 {
                    self.begin(inflate, to, rep);
                }
            }
            At::CentralExtra => {
                if let Some(p) = self.extra.get_mut(self.have) {
                    *p = b;
                }
                self.have += 1;
                self.left -= 1;
                if self.left == 0 {
                    self.listed(rep);
                }
            }
            At::Open => {
                self.last = (self.last >> 8) | (u32::from(b) << 24);
                // The last four bytes are kept until they are no signature.
                if matches!(self.last, 0x0807_4b50 | 0x0403_4b50 | 0x0201_4b50) && self.held >= 3 {
                    let sig = self.last;
                    self.finish(to, rep);
                    match sig {
                        0x0403_4b50 => self.take(At::Local, 30),
                        0x0201_4b50 => self.take(At::Central, 46),
                        _ => {}
                    }
                    return;
                }
                self.held += 1;
                if self.held > 3 {
                    let [b, ..] = self.last.to_le_bytes();
                    self.crc = crc(self.crc, &[b]);
                    self.out += 1;
                    to.bytes(&[b], rep);
                }
            }
            _ => {}
        }
    }

    fn header(&mut self, inflate: &mut Inflate, to: &mut impl Member, rep: &mut Report) {
        let h = self.head;
        match self.st {
            At::Local => {
                self.flags = u16_at(&h, 6);
                self.method = u16_at(&h, 8);
                self.want_crc = u32_at(&h, 14);
                self.size = u64::from(u32_at(&h, 18));
                let name = u16_at(&h, 26);
                self.extra_left = u64::from(u16_at(&h, 28));
                if name == 0 || name > 4096 || u16_at(&h, 4) & 0xff > 100 || self.method > 99 {
                    self.st = At::Scan;
                    return;
                }
                self.left = u64::from(name);
                self.name_len = 0;
                self.st = At::Name;
            }
            At::Central => {
                self.left = u64::from(u16_at(&h, 28));
                self.extra_left = u64::from(u16_at(&h, 30));
                self.skip = u64::from(u16_at(&h, 32));
                self.name_len = 0;
                self.st = At::CentralName;
                if self.left == 0 {
                    self.named(inflate, to, rep);
                }
            }
            _ => self.over(rep),
        }
    }

    /// The end of the central directory.
    fn over(&mut self, rep: &mut Report) {
        let h = self.head;
        if self.ended {
            rep.find(Judgement::Suspicious, "an archive with two ends, of which readers take one", &[]);
        }
        self.ended = true;
        let hidden = self.members > self.central
            || usize::from(u16_at(&h, 10)) != self.central && self.central < 0xffff;
        if hidden && !self.open && u16_at(&h, 10) != 0xffff {
            rep.find(Judgement::Suspicious, "members that the central directory does not list", &[]);
        }
        let at = u32_at(&h, 16);
        let shift = self.central_at.wrapping_sub(u64::from(at));
        if at != u32::MAX && self.central > 0 && self.shift.is_some_and(|s| s != shift) {
            rep.find(Judgement::Suspicious, "an archive's end points to another central directory", &[]);
        }
        // What is behind it, a comment, may hold another end.
        self.st = At::Scan;
        self.last = 0;
    }

    fn named(&mut self, inflate: &mut Inflate, to: &mut impl Member, rep: &mut Report) {
        let name = self.name.get(..self.name_len).unwrap_or(&[]);
        let h = digest(name);
        if core::mem::take(&mut self.name_over) {
            rep.find(Judgement::Unreadable, "a member with a longer name than is compared", &[]);
        }
        if escapes(name) {
            rep.find(Judgement::Suspicious, "a member's path leaves the folder: ", &[name]);
        }
        self.have = 0;
        self.extra = [0; 64];
        self.left = self.extra_left;
        if self.st == At::CentralName {
            self.st = At::CentralExtra;
            if self.left == 0 {
                self.listed(rep);
            }
            return;
        }
        if self.members == MEMBERS {
            rep.find(Judgement::Unreadable, "an archive of more members than are compared", &[]);
        }
        if let Some(k) = self.known.get_mut(self.members) {
            *k = Known { name: h, at: self.at, ..Known::default() };
        }
        self.members += 1;
        rep.format("zip");
        if self.left > 0 {
            self.st = At::Extra;
        } else {
            self.begin(inflate, to, rep);
        }
    }

    /// Fields of which those without a value stand in the extra field for long ones, in the same order.
    fn long<const N: usize>(&self, fields: &[u32; N]) -> [u64; N] {
        let mut out = fields.map(u64::from);
        let mut at = 0;
        while at + 4 <= self.have.min(64) {
            let n = usize::from(u16_at(&self.extra, at + 2));
            if u16_at(&self.extra, at) == 1 {
                let mut from = at + 4;
                for o in out.iter_mut().filter(|o| **o == u64::from(u32::MAX)) {
                    if from + 8 <= (at + 4 + n).min(64) {
                        *o = u64::from(u32_at(&self.extra, from))
                            | (u64::from(u32_at(&self.extra, from + 4)) << 32);
                    }
                    from += 8;
                }
                break;
            }
            at += 4 + n;
        }
        out
    }

    /// An entry of the central directory is there: it has to say what the local header and the data say.
    fn listed(&mut self, rep: &mut Report) {
        self.left = self.skip;
        self.last = 0;
        self.st = if self.left > 0 { At::Skip } else { At::Scan };
        self.central += 1;
        let h = self.head;
        let name = self.name.get(..self.name_len).unwrap_or(&[]);
        let (flags, method, crc) = (u16_at(&h, 8), u16_at(&h, 10), u32_at(&h, 16));
        if flags & 1 == 1 && !self.strange {
            rep.find(Judgement::Unknown, "central directory calls a member encrypted", &[]);
        }
        let [size, packed, at] = self.long(&[u32_at(&h, 24), u32_at(&h, 20), u32_at(&h, 42)]);
        let id = digest(name);
        let shift = self.shift;
        let differs = |k: &Known| {
            let sized = k.whole && (!k.searched || size <= SEARCHED);
            if k.method != method {
                "a coding"
            } else if (k.flags ^ flags) & FLAGS != 0 {
                "flags"
            } else if sized && k.size != size || k.flags & 8 == 0 && k.packed != packed {
                "a size"
            } else if sized && k.crc != crc {
                "a checksum"
            } else if shift.is_some_and(|s| s != k.at.wrapping_sub(at)) {
                "an offset"
            } else {
                ""
            }
        };
        let known = self.known.get_mut(..self.members.min(MEMBERS)).unwrap_or(&mut []);
        let of_name = |k: &Known| k.name == id && !k.seen;
        let same = known.iter().position(|k| of_name(k) && differs(k).is_empty());
        let what = match same.or_else(|| known.iter().position(of_name)).and_then(|i| known.get_mut(i)) {
            Some(k) => {
                k.seen = true;
                self.shift = self.shift.or(Some(k.at.wrapping_sub(at)));
                differs(k)
            }
            None if self.members <= MEMBERS && !self.open => "a name",
            None => "",
        };
        if !what.is_empty() {
            let what = what.as_bytes();
            rep.find(
                Judgement::Suspicious,
                "central directory and local headers disagree on ",
                &[what, b": ", name],
            );
        }
    }

    fn begin(&mut self, inflate: &mut Inflate, to: &mut impl Member, rep: &mut Report) {
        if self.size == 0xffff_ffff {
            self.size = self.long(&[u32::MAX, u32::MAX])[1];
        }
        let (method, flags, packed) = (self.method, self.flags, self.size);
        if let Some(k) = self.member() {
            (k.method, k.flags, k.packed) = (method, flags, packed);
        }
        if self.flags & 1 == 1 {
            rep.find(Judgement::Unreadable, "a member that says it is encrypted", &[]);
        }
        self.crc = !0;
        self.out = 0;
        self.last = 0;
        self.held = 0;
        let name = self.name.get(..self.name_len).unwrap_or(&[]);
        self.left = self.size;
        match self.method {
            8 => {
                inflate.reset(false);
                self.st = At::Deflated;
            }
            0 if self.flags & 8 != 0 && self.size == 0 => {
                self.open = true;
                self.st = At::Open;
            }
            0 => self.st = At::Stored,
            _ => {
                rep.find(Judgement::Unreadable, "a member coded in a way that is not read", &[]);
                self.st = if self.left > 0 { At::Opaque } else { At::Scan };
                return;
            }
        }
        to.begin(name, rep);
        if self.st == At::Stored && self.left == 0 {
            self.finish(to, rep);
        }
    }

    pub fn end(&mut self, to: &mut impl Member, rep: &mut Report) {
        if matches!(self.st, At::Stored | At::Open | At::Deflated) {
            to.end(rep);
            rep.find(Judgement::Unreadable, "archive is cut off", &[]);
        } else if !self.ended {
            rep.find(Judgement::Unreadable, "archive without its end", &[]);
        } else {
            rep.understood = true;
        }
    }
}
