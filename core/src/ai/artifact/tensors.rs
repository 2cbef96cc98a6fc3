//! Tensor files: safetensors and GGUF.
//!
//! In: bytes. Out: findings. Counts and lengths are judged before they are believed.

use super::json::{Json, State};
use super::report::{Judgement, Report};
use super::text::Template;

/// Largest header of a safetensors file (the format's own limit).
const HEADER: u64 = 100_000_000;

pub struct Safetensors {
    at: u64,
    size: u64,
    json: Json,
    done: bool,
    pub bad: bool,
}

impl Safetensors {
    pub fn new() -> Self {
        Self { at: 0, size: 0, json: Json::tensors(), done: false, bad: false }
    }

    /// Its header is over, or of no use.
    pub fn in_data(&self) -> bool {
        self.bad || self.at >= 8 && self.at - 8 >= self.size
    }

    /// As [`Safetensors::byte`] of bytes that are data.
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes as u64;
    }

    pub fn byte(&mut self, b: u8, rep: &mut Report) {
        let at = self.at;
        self.at += 1;
        if at < 8 {
            self.size |= u64::from(b) << (at * 8);
            if at == 7 && self.size > HEADER {
                self.bad = true;
                rep.find(Judgement::Suspicious, "safetensors header longer than the format allows", &[]);
            }
            return;
        }
        if self.bad || at - 8 >= self.size {
            return;
        }
        if self.done {
            if !b.is_ascii_whitespace() {
                self.bad = true;
                rep.find(Judgement::Suspicious, "safetensors header with bytes behind its JSON", &[]);
            }
            return;
        }
        match self.json.byte(b, rep) {
            State::Running if at - 8 == 0 && b != b'{' => {
                self.bad = true;
                rep.find(Judgement::Suspicious, "safetensors header that is not JSON", &[]);
            }
            State::Running => {}
            State::Done => {
                self.done = true;
                let t = self.json.tensors;
                if let Some(bad) = t.bad {
                    rep.find(Judgement::Suspicious, "safetensors header with ", &[bad.as_bytes()]);
                } else if t.sum != t.end {
                    rep.find(
                        Judgement::Suspicious,
                        "safetensors with holes between tensors, or tensors that overlap",
                        &[],
                    );
                }
            }
            State::Broken => {
                self.bad = true;
                rep.find(Judgement::Suspicious, "safetensors header that is not JSON", &[]);
            }
        }
    }

    pub fn end(&self, rep: &mut Report) {
        if self.bad {
            return;
        }
        let Some(data) = self.at.checked_sub(8).and_then(|n| n.checked_sub(self.size)).filter(|_| self.done)
        else {
            rep.find(Judgement::Unreadable, "safetensors header is cut off", &[]);
            return;
        };
        let end = self.json.tensors.end;
        if data > end {
            rep.find(Judgement::Suspicious, "bytes behind the last tensor", &[]);
        } else if data < end {
            rep.find(Judgement::Unreadable, "tensors are cut off", &[]);
        } else {
            rep.understood = true;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gg {
    Fixed,
    KeyLen,
    Key,
    Type,
    Value,
    Skip,
    StrLen,
    Str,
    ArrHead,
    NameLen,
    Name,
    Dims,
    Dim,
    Info,
    Data,
}

/// GGUF, versions 2 and 3.
pub struct Gguf {
    st: Gg,
    buf: u64,
    buf2: u64,
    /// Bytes 8 to 15 of a field.
    high: u64,
    have: u32,
    need: u32,
    left: u64,
    kv: u64,
    tensors: u64,
    /// Elements that arrays still hold, innermost last.
    arrays: [(u32, u64); 5],
    depth: usize,
    key: [u8; 64],
    key_len: usize,
    template: Template,
    dims: u32,
    product: u64,
    pub bad: bool,
}

impl Gguf {
    pub fn new() -> Self {
        Self {
            st: Gg::Fixed,
            buf: 0,
            buf2: 0,
            high: 0,
            have: 0,
            need: 24,
            left: 0,
            kv: 0,
            tensors: 0,
            arrays: [(0, 0); 5],
            depth: 0,
            key: [0; 64],
            key_len: 0,
            template: Template::NEW,
            dims: 0,
            product: 1,
            bad: false,
        }
    }

    fn want(&mut self, st: Gg, need: u32) {
        self.st = st;
        self.need = need;
        self.have = 0;
        self.buf = 0;
        self.buf2 = 0;
        self.high = 0;
    }

    fn fail(&mut self, what: &str, rep: &mut Report) {
        self.bad = true;
        rep.find(Judgement::Suspicious, what, &[]);
    }

    /// Its header is over, or of no use.
    pub fn in_data(&self) -> bool {
        self.bad || self.st == Gg::Data
    }

    pub fn byte(&mut self, b: u8, rep: &mut Report) {
        if self.bad || self.st == Gg::Data {
            return;
        }
        match self.st {
            Gg::Key | Gg::Skip | Gg::Str | Gg::Name => {
                if self.st == Gg::Key {
                    if let Some(p) = self.key.get_mut(self.key_len) {
                        *p = b;
                        self.key_len += 1;
                    }
                } else if self.st == Gg::Str && self.depth == 0 && self.templated() {
                    self.template.byte(b, rep);
                }
                self.left -= 1;
                if self.left == 0 {
                    self.after_run(rep);
                }
            }
            _ => {
                if self.have < 8 {
                    self.buf |= u64::from(b) << (self.have * 8);
                } else if self.have >= 16 {
                    self.buf2 |= u64::from(b) << ((self.have - 16) * 8);
                } else {
                    self.high |= u64::from(b) << ((self.have - 8) * 8);
                }
                self.have += 1;
                if self.have == self.need {
                    self.fixed(rep);
                }
            }
        }
    }

    fn templated(&self) -> bool {
        self.key.get(..self.key_len).is_some_and(|k| memchr::memmem::find(k, b"template").is_some())
    }

    fn after_run(&mut self, rep: &mut Report) {
        match self.st {
            Gg::Key => self.want(Gg::Type, 4),
            Gg::Name => self.want(Gg::Dims, 4),
            _ => self.value_done(rep),
        }
    }

    fn value_done(&mut self, rep: &mut Report) {
        while let Some(d) = self.depth.checked_sub(1) {
            let Some(a) = self.arrays.get_mut(d) else { break };
            if a.1 > 0 {
                a.1 -= 1;
                let kind = a.0;
                return self.begin_value(kind, rep);
            }
            self.depth = d;
        }
        self.kv -= 1;
        self.next_key();
    }

    fn next_key(&mut self) {
        if self.kv > 0 {
            self.want(Gg::KeyLen, 8);
        } else {
            self.next_tensor();
        }
    }

    fn next_tensor(&mut self) {
        if self.tensors > 0 {
            self.tensors -= 1;
            self.want(Gg::NameLen, 8);
        } else {
            self.st = Gg::Data;
        }
    }

    fn begin_value(&mut self, kind: u32, rep: &mut Report) {
        match kind {
            0 | 1 | 7 => self.want(Gg::Value, 1),
            2 | 3 => self.want(Gg::Value, 2),
            4..=6 => self.want(Gg::Value, 4),
            10..=12 => self.want(Gg::Value, 8),
            8 => self.want(Gg::StrLen, 8),
            9 => self.want(Gg::ArrHead, 12),
            _ => self.fail("GGUF value of a type that does not exist", rep),
        }
    }

    fn fixed(&mut self, rep: &mut Report) {
        let n = self.buf;
        match self.st {
            Gg::Fixed => {
                // Magic and version, tensors, keys.
                let version = n >> 32;
                self.kv = self.buf2;
                self.tensors = self.high;
                if !(2..=3).contains(&version) {
                    self.bad = true;
                    rep.find(Judgement::Unreadable, "GGUF of a version that is not read", &[]);
                } else if self.tensors > 1 << 20 || self.kv > 1 << 20 {
                    self.fail("GGUF that claims counts beyond any model", rep);
                } else {
                    self.next_key();
                }
            }
            Gg::KeyLen | Gg::NameLen => {
                if n > 1 << 16 {
                    return self.fail("GGUF key or tensor name of a length beyond the format's", rep);
                }
                self.key_len = 0;
                self.left = n;
                self.st = if self.st == Gg::KeyLen { Gg::Key } else { Gg::Name };
                if n == 0 {
                    self.after_run(rep);
                }
            }
            Gg::Type => {
                self.depth = 0;
                self.template = Template::NEW;
                self.begin_value(n as u32, rep);
            }
            Gg::Value => self.value_done(rep),
            Gg::StrLen => {
                if n > 1 << 30 {
                    return self.fail("GGUF string of a length beyond any file", rep);
                }
                self.left = n;
                self.st = Gg::Str;
                if n == 0 {
                    self.value_done(rep);
                }
            }
            Gg::ArrHead => {
                let kind = n as u32;
                let count = (n >> 32) | (self.high << 32);
                if count > 1 << 32 || self.depth >= 4 {
                    return self.fail("GGUF with arrays in arrays, or of lengths, that no model has", rep);
                }
                let size = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    10..=12 => 8,
                    _ => 0,
                };
                if size > 0 {
                    self.left = count * size;
                    self.st = Gg::Skip;
                    if self.left == 0 {
                        self.value_done(rep);
                    }
                    return;
                }
                if let Some(a) = self.arrays.get_mut(self.depth) {
                    *a = (kind, count);
                }
                self.depth += 1;
                self.value_done(rep);
            }
            Gg::Dims => {
                self.dims = n as u32;
                self.product = 1;
                if self.dims > 8 {
                    return self.fail("GGUF tensor of more dimensions than there are", rep);
                }
                if self.dims == 0 { self.want(Gg::Info, 12) } else { self.want(Gg::Dim, 8) }
            }
            Gg::Dim => {
                let Some(p) = self.product.checked_mul(n).filter(|p| *p < 1 << 60) else {
                    return self.fail("GGUF tensor whose dimensions overflow", rep);
                };
                self.product = p;
                self.dims -= 1;
                if self.dims == 0 { self.want(Gg::Info, 12) } else { self.want(Gg::Dim, 8) }
            }
            Gg::Info => {
                let offset = (n >> 32) | (self.high << 32);
                if offset > 1 << 50 {
                    return self.fail("GGUF tensor at an offset beyond any file", rep);
                }
                self.next_tensor();
            }
            _ => {}
        }
    }

    pub fn end(&self, rep: &mut Report) {
        if self.bad {
            return;
        }
        if self.st == Gg::Data {
            rep.understood = true;
        } else {
            rep.find(Judgement::Unreadable, "GGUF header is cut off", &[]);
        }
    }
}
