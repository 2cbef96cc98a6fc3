//! Pickles of protocols 0 to 5, interpreted on an abstract stack.
//!
//! In: bytes. Out: findings in the [`Report`]. Owns the stack, the memo and short strings, in memory of fixed size. What
//! is beyond it is said to be lost, and a call of something lost is never clean.
//!
//! Opcodes: `pickletools` of CPython. Values are abstract: what counts is which names are reached and what is called.

use super::names::{self, Class};
use super::report::{Judgement, Report};
use alloc::vec;
use alloc::vec::Vec;

/// Places at which a key of the memo is looked for.
const PROBES: usize = 16;
const STRING: usize = 200;
/// Deepest nesting that Python's own pickler can write.
const NESTING: u32 = 1000;
/// Containers written out in full would have this many values, and 64 times the bytes read.
const EXPANSION: u32 = 2_000_000;
const NO_ID: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other,
    Str,
    /// A value that there was no memory for.
    Lost,
    Global,
    /// What a call gave.
    Result,
    /// From the extension registry.
    Ext,
    Container,
    /// `torch.storage._load_from_bytes`, which loads the bytes that it is given as a file.
    Loader,
    /// Bytes for it that were judged as a file, and the arguments that are those bytes alone.
    Judged,
    JudgedArgs,
}

#[derive(Clone, Copy)]
struct Value {
    kind: Kind,
    class: Class,
    depth: u16,
    /// Place of a string, a name or a container.
    id: u32,
}

const OTHER: Value = Value { kind: Kind::Other, class: Class::Safe, depth: 0, id: NO_ID };
const LOST: Value = Value { kind: Kind::Lost, ..OTHER };
const RESULT: Value = Value { kind: Kind::Result, ..OTHER };

#[derive(Clone, Copy)]
struct Slot {
    key: u32,
    used: bool,
    value: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Op,
    /// So many bytes of a fixed argument are missing.
    Fixed(u8),
    Line,
    /// The second line of a name.
    Second,
    Body(u64),
}

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    Stopped,
    Broken,
}

pub struct Machine {
    state: State,
    op: u8,
    arg: [u8; 8],
    arg_len: u8,
    line: [u8; STRING],
    line_len: usize,
    first_len: usize,
    stack: Vec<Value>,
    height: usize,
    marks: Vec<u32>,
    marked: u32,
    memo: Vec<Slot>,
    memo_used: usize,
    /// How many different keys were put: the key of the next `MEMOIZE`.
    memo_next: u32,
    /// Beyond the highest key that was put.
    memo_top: u32,
    /// Bit per low key: it was put. The memo itself keeps only what may matter.
    memo_keys: Vec<u64>,
    memo_full: bool,
    arena: Vec<u8>,
    arena_at: usize,
    objects: Vec<(u32, u16)>,
    objects_used: usize,
    read: u64,
    /// Opcodes that began.
    ops: u64,
    /// It tried to reach a name.
    named: bool,
    /// The string at hand is a file that will be loaded.
    nested: bool,
    /// A `PROTO` opened it: it is a pickle, whatever follows.
    sure: bool,
    /// A dangerous name was reached before it was sure that this is a pickle.
    pending: Option<(u32, bool)>,
    /// How much a finding here counts for: hidden pickles run only if something loads them.
    hidden: bool,
}

/// Marks on a stack.
const MARKS: usize = 1024;

impl Machine {
    /// What a machine of that size takes beside itself.
    pub const fn heap(stack: usize, memo: usize) -> usize {
        stack * size_of::<Value>()
            + MARKS * 4
            + memo * size_of::<Slot>()
            + memo / 16 * 8
            + memo * 8
            + memo / 2 * size_of::<(u32, u16)>()
    }

    pub fn new(stack: usize, memo: usize, hidden: bool) -> Self {
        Self {
            state: State::Op,
            op: 0,
            arg: [0; 8],
            arg_len: 0,
            line: [0; STRING],
            line_len: 0,
            first_len: 0,
            stack: vec![OTHER; stack],
            height: 0,
            marks: vec![0; MARKS],
            marked: 0,
            memo: vec![Slot { key: 0, used: false, value: OTHER }; memo],
            memo_used: 0,
            memo_next: 0,
            memo_top: 0,
            memo_keys: vec![0; memo / 16],
            memo_full: false,
            arena: vec![0; memo * 8],
            arena_at: 0,
            objects: vec![(0, 0); memo / 2],
            objects_used: 0,
            read: 0,
            ops: 0,
            named: false,
            nested: false,
            sure: false,
            pending: None,
            hidden,
        }
    }

    pub fn reset(&mut self) {
        self.state = State::Op;
        self.height = 0;
        self.marked = 0;
        if self.memo_used > 0 {
            self.memo.iter_mut().for_each(|s| s.used = false);
        }
        self.memo_used = 0;
        let words = (self.memo_top as usize).div_ceil(64).min(self.memo_keys.len());
        self.memo_keys.iter_mut().take(words).for_each(|w| *w = 0);
        self.memo_next = 0;
        self.memo_top = 0;
        self.memo_full = false;
        self.arena_at = 0;
        self.objects_used = 0;
        self.read = 0;
        self.ops = 0;
        self.named = false;
        self.nested = false;
        self.sure = false;
        self.pending = None;
    }

    pub const fn began(&self) -> bool {
        self.read > 0
    }

    /// Whether the next byte is inside a string, where another pickle may be.
    pub const fn inside(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    pub const fn sure(&self) -> bool {
        self.sure
    }

    /// Whether what broke off was a pickle: one that opened as such and went on, or one that reached for a name.
    /// Numbers behind a pickle may begin as `PROTO` does, but do not go on.
    pub const fn convincing(&self) -> bool {
        (self.sure && self.ops > 2) || self.named
    }

    /// Whether the next byte is of a file in this pickle that it loads.
    pub const fn nested(&self) -> bool {
        self.nested && self.inside()
    }

    /// Takes one byte.
    pub fn byte(&mut self, b: u8, rep: &mut Report) -> Status {
        self.read += 1;
        match self.state {
            State::Op => self.begin(b, rep),
            State::Fixed(left) => {
                if let Some(p) = self.arg.get_mut(usize::from(self.arg_len)) {
                    *p = b;
                }
                self.arg_len += 1;
                if left > 1 {
                    self.state = State::Fixed(left - 1);
                    return Status::Running;
                }
                self.state = State::Op;
                self.fixed(rep)
            }
            State::Line | State::Second => {
                if b != b'\n' {
                    // Python takes any byte in a string; where it is not sure that this is a pickle, it is none.
                    let any = self.sure && matches!(self.op, b'S' | b'V');
                    if b < b' ' && b != b'\t' && b != b'\r' && !any {
                        return Status::Broken;
                    }
                    self.keep(b);
                    return Status::Running;
                }
                if self.state == State::Line && matches!(self.op, b'c' | b'i') {
                    self.first_len = self.line_len.min(STRING);
                    self.state = State::Second;
                    return Status::Running;
                }
                self.state = State::Op;
                self.line_done(rep)
            }
            State::Body(left) => {
                self.keep(b);
                if left > 1 {
                    self.state = State::Body(left - 1);
                    return Status::Running;
                }
                self.state = State::Op;
                self.body_done()
            }
        }
    }

    /// Bytes of the string at hand that are still to come.
    pub fn body_left(&self) -> usize {
        match self.state {
            State::Body(left) => usize::try_from(left).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// As [`Machine::byte`] of fewer bytes than [`Machine::body_left`].
    pub fn pass(&mut self, run: &[u8]) {
        let State::Body(left) = self.state else { return };
        self.read += run.len() as u64;
        let room = self.line.get_mut(self.line_len..).unwrap_or(&mut []);
        let n = room.len().min(run.len());
        if let (Some(to), Some(from)) = (room.get_mut(..n), run.get(..n)) {
            to.copy_from_slice(from);
        }
        self.line_len = self.line_len.saturating_add(run.len());
        self.state = State::Body(left - run.len() as u64);
    }

    fn keep(&mut self, b: u8) {
        if let Some(p) = self.line.get_mut(self.line_len) {
            *p = b;
        }
        self.line_len = self.line_len.saturating_add(1);
    }

    fn begin(&mut self, op: u8, rep: &mut Report) -> Status {
        self.op = op;
        self.ops += 1;
        self.arg_len = 0;
        self.line_len = 0;
        let n = match op {
            0x80 | b'K' | b'h' | b'q' | 0x82 | b'U' | b'C' | 0x8c | 0x8a => 1,
            b'M' | 0x83 => 2,
            b'J' | b'X' | b'T' | b'B' | b'j' | b'r' | 0x84 | 0x8b => 4,
            b'G' | 0x8d | 0x8e | 0x95 | 0x96 => 8,
            b'I' | b'F' | b'L' | b'S' | b'V' | b'P' | b'p' | b'g' | b'c' | b'i' => {
                self.state = State::Line;
                return Status::Running;
            }
            _ => return self.plain(op, rep),
        };
        self.state = State::Fixed(n);
        Status::Running
    }

    fn push(&mut self, v: Value) {
        if let Some(p) = self.stack.get_mut(self.height) {
            *p = v;
        }
        self.height = self.height.saturating_add(1);
    }

    fn at(&self, i: usize) -> Value {
        self.stack.get(i).copied().unwrap_or(LOST)
    }

    fn floor(&self) -> usize {
        self.marked
            .checked_sub(1)
            .map_or(0, |m| self.marks.get(m as usize).map_or(self.height, |h| *h as usize))
    }

    fn pop(&mut self) -> Option<Value> {
        if self.height <= self.floor() {
            return None;
        }
        self.height -= 1;
        Some(self.at(self.height))
    }

    fn peek(&self) -> Option<Value> {
        (self.height > self.floor()).then(|| self.at(self.height - 1))
    }

    /// Takes the last mark; gives where the values above it begin.
    fn unmark(&mut self) -> Option<usize> {
        let from = self.floor();
        self.marked = self.marked.checked_sub(1)?;
        Some(from)
    }

    fn object(&mut self, size: u32, depth: u16) -> Value {
        let id = match self.objects.get_mut(self.objects_used) {
            Some(o) => {
                *o = (size, depth);
                self.objects_used += 1;
                self.objects_used as u32 - 1
            }
            None => NO_ID,
        };
        Value { kind: Kind::Container, depth, id, ..OTHER }
    }

    fn weight(&self, v: Value) -> (u32, u16) {
        match v.kind {
            Kind::Container => self.objects.get(v.id as usize).copied().unwrap_or((1, v.depth)),
            _ => (1, 0),
        }
    }

    /// Size and depth of the values from `from` on, which go.
    fn sum(&mut self, from: usize, rep: &mut Report) -> (u32, u16) {
        let (mut size, mut depth) = (1u32, 0u16);
        for i in from..self.height.min(self.stack.len()) {
            let (s, d) = self.weight(self.at(i));
            size = size.saturating_add(s);
            depth = depth.max(d);
        }
        self.height = from.min(self.height);
        let depth = depth.saturating_add(1);
        self.judge_size(size, depth, rep);
        (size, depth)
    }

    fn judge_size(&self, size: u32, depth: u16, rep: &mut Report) {
        if size > EXPANSION && u64::from(size) / 64 > self.read {
            rep.find(Judgement::Suspicious, "pickle that expands without measure when loaded", &[]);
        }
        if u32::from(depth) > NESTING {
            rep.find(Judgement::Suspicious, "pickle nested deeper than any writer does", &[]);
        }
    }

    fn grow(&mut self, into: Option<Value>, by: (u32, u16), rep: &mut Report) {
        if let Some(o) =
            into.filter(|v| v.kind == Kind::Container).and_then(|v| self.objects.get_mut(v.id as usize))
        {
            o.0 = o.0.saturating_add(by.0);
            o.1 = o.1.max(by.1);
            let o = *o;
            self.judge_size(o.0, o.1, rep);
        }
    }

    fn string(&mut self, from: usize, to: usize) -> Value {
        let Some(text) = self.line.get(from..to) else { return OTHER };
        let n = text.len();
        if !text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>' | b'-')) {
            return OTHER;
        }
        // The first three quarters keep what came first, the rest what came last.
        let keep = self.arena.len() / 4 * 3;
        if self.arena_at < keep && self.arena_at + n > keep {
            self.arena_at = keep;
        }
        if self.arena_at + n > self.arena.len() {
            self.arena_at = keep;
            self.memo
                .iter_mut()
                .filter(|s| s.value.kind == Kind::Str && (s.value.id >> 8) as usize >= keep)
                .for_each(|s| s.value = LOST);
            self.stack
                .iter_mut()
                .filter(|v| v.kind == Kind::Str && (v.id >> 8) as usize >= keep)
                .for_each(|v| *v = LOST);
        }
        let Some(place) = self.arena.get_mut(self.arena_at..self.arena_at + n) else { return LOST };
        place.copy_from_slice(text);
        let id = ((self.arena_at as u32) << 8) | n as u32;
        self.arena_at += n;
        Value { kind: Kind::Str, id, ..OTHER }
    }

    fn text(&self, v: Value) -> &str {
        let (at, n) = ((v.id >> 8) as usize, (v.id & 0xff) as usize);
        self.arena.get(at..at + n).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or("")
    }

    fn put(&mut self, key: u32) -> Status {
        let Some(value) = self.peek() else { return Status::Broken };
        self.count_key(key);
        let n = self.memo.len();
        let mut i = (key.wrapping_mul(0x9e37_79b1) as usize) % n.max(1);
        let plain =
            matches!(value.kind, Kind::Other) || (value.kind == Kind::Container && self.memo_used > n / 2);
        for _ in 0..PROBES {
            let Some(s) = self.memo.get_mut(i) else { break };
            if s.used && s.key == key {
                s.value = value;
                return Status::Running;
            }
            if !s.used {
                if plain {
                    return Status::Running;
                }
                if self.memo_used >= n / 8 * 7 {
                    self.memo_full = true;
                    return Status::Running;
                }
                *s = Slot { key, used: true, value };
                self.memo_used += 1;
                return Status::Running;
            }
            i = (i + 1) % n;
        }
        // Keys that count up, as those of writers do, have places of their own; these were chosen to share one.
        self.memo_full |= !plain;
        Status::Running
    }

    /// `MEMOIZE` takes the number of different keys as its key, as CPython does: a key that is put again is not counted.
    fn count_key(&mut self, key: u32) {
        let bit = 1u64 << (key % 64);
        let new = match self.memo_keys.get_mut(key as usize / 64) {
            Some(w) => {
                let new = *w & bit == 0;
                *w |= bit;
                new
            }
            None => {
                // No writer goes back to a key; from here on it is not known which key is next.
                self.memo_full |= key < self.memo_top;
                key >= self.memo_top
            }
        };
        self.memo_next = self.memo_next.saturating_add(u32::from(new));
        self.memo_top = self.memo_top.max(key.saturating_add(1));
    }

    fn get(&mut self, key: u32) -> Status {
        let n = self.memo.len();
        let mut i = (key.wrapping_mul(0x9e37_79b1) as usize) % n.max(1);
        let mut found = if self.memo_full { LOST } else { OTHER };
        for _ in 0..PROBES {
            match self.memo.get(i) {
                Some(s) if s.used && s.key == key => {
                    found = s.value;
                    break;
                }
                Some(s) if s.used => i = (i + 1) % n,
                _ => break,
            }
        }
        self.push(found);
        Status::Running
    }

    fn fixed(&mut self, rep: &mut Report) -> Status {
        let n = u64::from_le_bytes(self.masked());
        match self.op {
            0x80 => {
                if n > 5 {
                    return Status::Broken;
                }
                self.sure = true;
            }
            b'K' | b'M' | b'J' | b'G' => self.push(OTHER),
            b'h' | b'j' => return self.get(n as u32),
            b'q' | b'r' => return self.put(n as u32),
            0x82..=0x84 => self.push(Value { kind: Kind::Ext, ..OTHER }),
            0x95 => {}
            _ => {
                if n == 0 {
                    return self.body_done();
                }
                // A length that no file has: what follows cannot be an argument.
                if n > 1 << 40 {
                    if self.sure && self.op != 0x8b {
                        rep.find(Judgement::Unreadable, "pickle with a length beyond any file", &[]);
                    }
                    return Status::Broken;
                }
                let bytes = matches!(self.op, b'B' | b'C' | 0x8e);
                self.nested = bytes && !self.hidden && self.peek().is_some_and(|v| v.kind == Kind::Loader);
                self.state = State::Body(n);
            }
        }
        Status::Running
    }

    fn masked(&self) -> [u8; 8] {
        let mut a = [0; 8];
        for (i, p) in a.iter_mut().enumerate() {
            if i < usize::from(self.arg_len) {
                *p = self.arg.get(i).copied().unwrap_or(0);
            }
        }
        a
    }

    fn body_done(&mut self) -> Status {
        let n = self.line_len;
        let v = match self.op {
            b'X' | 0x8c | 0x8d => {
                if n <= STRING && self.line.get(..n).is_none_or(|t| core::str::from_utf8(t).is_err()) {
                    return Status::Broken;
                }
                if n > STRING { OTHER } else { self.string(0, n) }
            }
            b'U' | b'T' if n <= STRING => self.string(0, n),
            _ if self.nested => Value { kind: Kind::Judged, ..OTHER },
            _ => OTHER,
        };
        self.nested = false;
        self.push(v);
        Status::Running
    }

    fn line_done(&mut self, rep: &mut Report) -> Status {
        let n = self.line_len.min(STRING);
        let whole = self.line_len <= STRING;
        let text = self.line.get(..n).unwrap_or(&[]);
        match self.op {
            b'I' | b'L' | b'F' => {
                if !whole
                    || text.is_empty()
                    || !text
                        .iter()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.' | b' '))
                {
                    return Status::Broken;
                }
                if self.op != b'F'
                    && !text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'L' | b' '))
                {
                    return Status::Broken;
                }
                self.push(OTHER);
            }
            b'S' => {
                let quoted = matches!(text.first(), Some(b'\'' | b'"'));
                if !quoted {
                    return Status::Broken;
                }
                let v = self.escaped(1, n.saturating_sub(1), whole);
                self.push(v);
            }
            b'V' => {
                let v = self.escaped(0, n, whole);
                self.push(v);
            }
            b'P' => self.push(OTHER),
            b'p' | b'g' => {
                let Some(key) = core::str::from_utf8(text).ok().and_then(|t| t.trim().parse::<u32>().ok())
                else {
                    return Status::Broken;
                };
                return if self.op == b'p' { self.put(key) } else { self.get(key) };
            }
            _ => {
                if !whole || !name_like(text.get(..self.first_len)) || !name_like(text.get(self.first_len..))
                {
                    return Status::Broken;
                }
                let (m, q) = (self.string(0, self.first_len), self.string(self.first_len, n));
                let v = self.global(m, q, rep);
                if self.op == b'i' {
                    let Some(from) = self.unmark() else { return Status::Broken };
                    self.height = from;
                    self.call(v, rep);
                    self.push(RESULT);
                } else {
                    self.push(v);
                }
            }
        }
        Status::Running
    }

    /// A string of a line, whose escapes Python reads.
    fn escaped(&mut self, from: usize, to: usize, whole: bool) -> Value {
        let raw = self.op == b'V';
        let Some(text) = self.line.get_mut(from..to) else { return OTHER };
        if !whole {
            // With escapes a short name may be a long line.
            return if text.contains(&b'\\') { LOST } else { OTHER };
        }
        let n = unescape(text, raw);
        self.string(from, from + n)
    }

    /// A name is reached.
    fn global(&mut self, m: Value, q: Value, rep: &mut Report) -> Value {
        if m.kind != Kind::Str || q.kind != Kind::Str {
            return LOST;
        }
        self.named = true;
        let (module, name) = (self.text(m), self.text(q));
        if (module, name) == ("torch.storage", "_load_from_bytes") {
            rep.import(module, name);
            return Value { kind: Kind::Loader, ..OTHER };
        }
        let class = names::class(module, name);
        rep.cost += names::COST;
        if self.sure || class == Class::Safe {
            self.tell(m, q, class, rep);
        } else if class == Class::Danger && self.pending.is_none() {
            self.pending = Some((m.id, true));
            // The name's place follows from the module's: it is told below by id.
        }
        let id = self.pair(m, q);
        if self.pending == Some((m.id, true)) {
            self.pending = Some((id, false));
        }
        Value { kind: Kind::Global, class, depth: 0, id }
    }

    /// A place that names both strings: they are written again, one behind the other.
    fn pair(&mut self, m: Value, q: Value) -> u32 {
        let (a, b) = (self.text(m).len(), self.text(q).len());
        let mut line = [0u8; STRING];
        for (p, c) in line.iter_mut().zip(self.text(m).bytes().chain([b'.']).chain(self.text(q).bytes())) {
            *p = c;
        }
        let saved = self.line;
        self.line = line;
        let v = self.string(0, (a + b + 1).min(STRING));
        self.line = saved;
        if v.kind == Kind::Str { v.id } else { NO_ID }
    }

    fn tell(&self, m: Value, q: Value, class: Class, rep: &mut Report) {
        let (module, name) = (self.text(m), self.text(q));
        rep.import(module, name);
        match class {
            Class::Safe => {}
            Class::Unknown | Class::Suspect => {
                rep.find(
                    Judgement::Unknown,
                    "names what is not known: ",
                    &[module.as_bytes(), b".", name.as_bytes()],
                );
            }
            Class::Danger => self.danger(&[module.as_bytes(), b".", name.as_bytes()], rep),
        }
    }

    fn danger(&self, name: &[&[u8]], rep: &mut Report) {
        if self.hidden {
            rep.find(Judgement::Suspicious, "hidden pickle reaches ", name);
        } else {
            rep.find(Judgement::Malicious, "pickle reaches ", name);
        }
    }

    /// It is a pickle after all: what it reached before counts.
    fn confirm(&mut self, rep: &mut Report) {
        if let Some((id, _)) = self.pending.take() {
            let full = Value { kind: Kind::Str, id, ..OTHER };
            let text = self.text(full);
            let (m, n) = text.rsplit_once('.').unwrap_or(("", text));
            rep.import(m, n);
            self.danger(&[text.as_bytes()], rep);
        }
    }

    fn call(&mut self, f: Value, rep: &mut Report) {
        self.confirm(rep);
        match f.kind {
            Kind::Global => {
                let name = Value { kind: Kind::Str, id: f.id, ..OTHER };
                let text = if f.id == NO_ID { "?" } else { self.text(name) };
                match f.class {
                    Class::Safe => {}
                    Class::Unknown => rep.find(
                        Judgement::Unknown,
                        "makes an object of a class that is not known: ",
                        &[text.as_bytes()],
                    ),
                    Class::Suspect => {
                        rep.find(Judgement::Suspicious, "calls what is not known: ", &[text.as_bytes()])
                    }
                    Class::Danger => self.danger(&[text.as_bytes()], rep),
                }
            }
            Kind::Ext => rep.find(
                Judgement::Suspicious,
                "calls a callable of the extension registry, which the file does not name",
                &[],
            ),
            Kind::Loader => rep.find(
                Judgement::Suspicious,
                "loads bytes as a file that were not judged: torch.storage._load_from_bytes",
                &[],
            ),
            Kind::Result => rep.find(Judgement::Suspicious, "calls what another call gave", &[]),
            Kind::Lost => {
                rep.find(Judgement::Unknown, "calls something that there was no memory to follow", &[])
            }
            _ => {}
        }
    }

    /// Keys that turn data into behaviour.
    fn judge_keys(&self, from: usize, rep: &mut Report) {
        for i in from..self.height.min(self.stack.len()) {
            let v = self.at(i);
            if v.kind == Kind::Str
                && matches!(
                    self.text(v),
                    "__setstate__"
                        | "__reduce__"
                        | "__reduce_ex__"
                        | "__getattr__"
                        | "__getattribute__"
                        | "__del__"
                        | "__code__"
                        | "__globals__"
                        | "__builtins__"
                )
            {
                rep.find(Judgement::Suspicious, "plants a method: ", &[self.text(v).as_bytes()]);
            }
        }
    }

    fn plain(&mut self, op: u8, rep: &mut Report) -> Status {
        self.run(op, rep).unwrap_or(Status::Broken)
    }

    fn run(&mut self, op: u8, rep: &mut Report) -> Option<Status> {
        match op {
            b'(' => {
                if let Some(m) = self.marks.get_mut(self.marked as usize) {
                    *m = self.height as u32;
                }
                self.marked = self.marked.saturating_add(1);
                if self.marked > NESTING {
                    if self.sure {
                        rep.find(Judgement::Suspicious, "pickle nested deeper than any writer does", &[]);
                    }
                    return if self.marked as usize > self.marks.len() {
                        None
                    } else {
                        Some(Status::Running)
                    };
                }
            }
            b'.' => {
                self.pop()?;
                self.confirm(rep);
                return Some(Status::Stopped);
            }
            b'0' => {
                if self.pop().is_none() {
                    self.unmark()?;
                }
            }
            b'1' => {
                let from = self.unmark()?;
                self.height = from;
            }
            b'2' => {
                let v = self.peek()?;
                self.push(v);
            }
            b'N' | 0x88 | 0x89 | 0x97 => self.push(OTHER),
            0x98 => {
                self.peek()?;
            }
            b']' | b'}' | 0x8f | b')' => {
                let v = self.object(1, 1);
                self.push(v);
            }
            b't' | b'l' | b'd' | 0x91 => {
                let from = self.unmark()?;
                if op == b'd' {
                    self.judge_keys(from, rep);
                }
                let (s, d) = self.sum(from, rep);
                let v = self.object(s, d);
                self.push(v);
            }
            0x85..=0x87 => {
                let from = self.height.checked_sub(usize::from(op) - 0x84).filter(|f| *f >= self.floor())?;
                let judged = op == 0x85 && self.at(from).kind == Kind::Judged;
                let (s, d) = self.sum(from, rep);
                let v = if judged { Value { kind: Kind::JudgedArgs, ..OTHER } } else { self.object(s, d) };
                self.push(v);
            }
            b'a' => {
                let from = self.height.checked_sub(1).filter(|f| *f > self.floor())?;
                let by = self.sum(from, rep);
                let into = self.peek();
                self.grow(into, by, rep);
            }
            b'e' | b'u' | 0x90 => {
                let from = self.unmark()?;
                if op == b'u' {
                    self.judge_keys(from, rep);
                }
                let by = self.sum(from, rep);
                let into = Some(self.peek()?);
                self.grow(into, by, rep);
            }
            b's' => {
                let from = self.height.checked_sub(2).filter(|f| *f > self.floor())?;
                self.judge_keys(from, rep);
                let by = self.sum(from, rep);
                let into = self.peek();
                self.grow(into, by, rep);
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let f = self.pop()?;
                let judged = op == b'R' && (f.kind, args.kind) == (Kind::Loader, Kind::JudgedArgs);
                // `cls.__new__` of a class that is not known is no call of a function that is not known.
                if op == 0x81 && f.kind == Kind::Global && f.class == Class::Suspect {
                    rep.find(Judgement::Unknown, "makes an object of a class that is not known", &[]);
                } else if !judged {
                    self.call(f, rep);
                }
                self.push(RESULT);
            }
            0x92 => {
                self.pop()?;
                self.pop()?;
                let f = self.pop()?;
                self.call(f, rep);
                self.push(RESULT);
            }
            b'o' => {
                let from = self.unmark()?;
                if from >= self.height {
                    return None;
                }
                let f = self.at(from);
                self.height = from;
                self.call(f, rep);
                self.push(RESULT);
            }
            b'b' => {
                self.pop()?;
                self.peek()?;
            }
            b'Q' => {
                self.pop()?;
                self.push(OTHER);
            }
            0x93 => {
                let q = self.pop()?;
                let m = self.pop()?;
                let v = self.stack_global(m, q, rep)?;
                self.push(v);
            }
            0x94 => return Some(self.put(self.memo_next)),
            _ => return None,
        }
        Some(Status::Running)
    }

    fn stack_global(&mut self, m: Value, q: Value, rep: &mut Report) -> Option<Value> {
        let made = |v: Value| matches!(v.kind, Kind::Result | Kind::Ext | Kind::Global | Kind::Loader);
        self.named |= self.sure;
        if made(m) || made(q) {
            let known = if m.kind == Kind::Str { self.text(m) } else { "?" };
            rep.find(
                Judgement::Suspicious,
                "computes the name that it reaches, of module ",
                &[known.as_bytes()],
            );
            return Some(RESULT);
        }
        if m.kind == Kind::Lost || q.kind == Kind::Lost {
            rep.find(Judgement::Unknown, "reaches a name that there was no memory to follow", &[]);
            return Some(LOST);
        }
        (m.kind == Kind::Str && q.kind == Kind::Str).then(|| self.global(m, q, rep))
    }

    /// Begins with a name on the stack that was found in other bytes.
    pub fn begin_with(&mut self, module: &[u8], name: &[u8]) {
        self.reset();
        let mut line = [0; STRING];
        for (p, b) in line.iter_mut().zip(module.iter().chain(b".").chain(name)) {
            *p = *b;
        }
        self.line = line;
        let v = self.string(0, (module.len() + name.len() + 1).min(STRING));
        self.pending = Some((v.id, false));
        self.push(Value { kind: Kind::Global, class: Class::Danger, depth: 0, id: v.id });
        self.read = 1;
    }
}

/// Reads the escapes of a string as Python does, in place; gives its new length. `raw`: only those of code points. What
/// is no ASCII becomes a byte that no name has.
fn unescape(text: &mut [u8], raw: bool) -> usize {
    let (mut at, mut to) = (0, 0);
    while let Some(&b) = text.get(at) {
        let digits = |from: usize, most: usize, radix: u32| {
            let digit = |b: &u8| char::from(*b).to_digit(radix);
            let d = text.get(from..).unwrap_or(&[]).iter().take(most).map_while(digit);
            d.fold((0u32, 0), |(v, n), d| (v.wrapping_mul(radix).wrapping_add(d), n + 1))
        };
        let escape = if b == b'\\' { text.get(at + 1).copied() } else { None };
        // What it stands for, and its bytes.
        let (value, n) = match (escape, raw) {
            (None, _) => (u32::from(b), 1),
            (Some(b'u'), true) => (digits(at + 2, 4, 16).0, 6),
            (Some(b'U'), true) => (digits(at + 2, 8, 16).0, 10),
            (Some(b'x'), false) => (digits(at + 2, 2, 16).0, 4),
            (Some(b'0'..=b'7'), false) => {
                let (v, n) = digits(at + 1, 3, 8);
                // Python keeps the low byte.
                (v & 0xff, 1 + n)
            }
            (Some(c @ (b'\\' | b'\'' | b'"')), false) => (u32::from(c), 2),
            (Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v'), false) => (u32::from(b' '), 2),
            // The backslash stays, and so does a second one behind it.
            (Some(_), _) => (0xff, 2),
        };
        if let Some(p) = text.get_mut(to) {
            *p = u8::try_from(value).unwrap_or(0xff);
        }
        (at, to) = (at + n, to + 1);
    }
    to.min(text.len())
}

pub fn name_like(text: Option<&[u8]>) -> bool {
    text.is_some_and(|t| {
        t.first().is_some_and(|b| !b.is_ascii_digit() && *b != b'.' && *b != b'-')
            && t.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>' | b'-'))
    })
}
