//! JSON of model files: configurations, tensor headers, schemas. Read byte by byte, to a bounded depth.
//!
//! In: bytes. Out: findings, and for a tensor header what it says of offsets and shapes.

use super::names::{self, Class};
use super::report::{Judgement, Report};
use super::text::{Template, target};

const STRING: usize = 192;
const DEPTH: u32 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Done,
    Broken,
}

/// What a tensor header says.
#[derive(Clone, Copy, Default)]
pub struct Tensors {
    pub count: u64,
    /// Largest end.
    pub end: u64,
    /// All lengths together.
    pub sum: u64,
    pub bad: Option<&'static str>,
}

pub struct Json {
    depth: u32,
    in_string: bool,
    escape: u8,
    code: u32,
    text: [u8; STRING],
    len: usize,
    key: [u8; 48],
    key_len: usize,
    /// The last string may turn out to be a key.
    fresh: bool,
    template: Template,
    templating: bool,
    number: u64,
    in_number: bool,
    negative: bool,
    list_at: u32,
    begin: u64,
    product: u64,
    dtype: u64,
    meta: bool,
    tensors_on: bool,
    /// Module that the object named, for the class that follows.
    module: [u8; 64],
    module_len: usize,
    /// The object named a class.
    classed: bool,
    pub tensors: Tensors,
}

impl Json {
    pub const NEW: Self = Self {
        depth: 0,
        in_string: false,
        escape: 0,
        code: 0,
        text: [0; STRING],
        len: 0,
        key: [0; 48],
        key_len: 0,
        fresh: false,
        template: Template::NEW,
        templating: false,
        number: 0,
        in_number: false,
        negative: false,
        list_at: 0,
        begin: 0,
        product: 1,
        dtype: 0,
        meta: false,
        tensors_on: false,
        module: [0; 64],
        module_len: 0,
        classed: false,
        tensors: Tensors { count: 0, end: 0, sum: 0, bad: None },
    };

    pub fn tensors() -> Self {
        Self { tensors_on: true, ..Self::NEW }
    }

    fn key(&self) -> &[u8] {
        self.key.get(..self.key_len).unwrap_or(&[])
    }

    pub fn byte(&mut self, b: u8, rep: &mut Report) -> State {
        if self.in_string {
            return self.inside(b, rep);
        }
        if self.fresh && !b.is_ascii_whitespace() {
            self.fresh = false;
            if b == b':' {
                self.key_len = self.len.min(48);
                let n = self.key_len;
                if let (Some(k), Some(t)) = (self.key.get_mut(..n), self.text.get(..n)) {
                    k.copy_from_slice(t);
                }
                if self.tensors_on && self.depth == 1 {
                    self.meta = self.key() == b"__metadata__";
                    self.product = 1;
                    self.dtype = 0;
                }
                self.list_at = 0;
                return State::Running;
            }
            self.value(rep);
        }
        if self.in_number && !b.is_ascii_digit() {
            self.in_number = false;
            self.number_done();
        }
        match b {
            b'"' => {
                self.in_string = true;
                self.len = 0;
                let k = self.key();
                self.templating =
                    k.ends_with(b"chat_template") || k == b"template" || (self.meta && self.depth == 2);
                if self.templating {
                    self.template = Template::NEW;
                }
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > DEPTH {
                    rep.find(Judgement::Suspicious, "JSON nested deeper than any configuration", &[]);
                    return State::Broken;
                }
                if b == b'{' {
                    self.module_len = 0;
                    self.classed = false;
                    self.key_len = 0;
                }
            }
            b'}' | b']' => {
                let Some(d) = self.depth.checked_sub(1) else { return State::Broken };
                self.depth = d;
                if self.tensors_on && b == b'}' && d == 1 {
                    self.meta = false;
                }
                if d == 0 {
                    return State::Done;
                }
            }
            b'0'..=b'9' => {
                if !self.in_number {
                    self.in_number = true;
                    self.number = 0;
                }
                match self.number.checked_mul(10).and_then(|n| n.checked_add(u64::from(b - b'0'))) {
                    Some(n) => self.number = n,
                    None => {
                        self.number = u64::MAX;
                        if self.tensors_on && matches!(self.key(), b"data_offsets" | b"shape") {
                            self.tensors.bad = Some("a number beyond 64 bits");
                        }
                    }
                }
            }
            b'-' => self.negative = true,
            b',' | b':' | b'+' | b'.' | b'a'..=b'z' | b'E' | b'N' | b'I' => {}
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return State::Broken,
        }
        if self.depth == 0 && !b.is_ascii_whitespace() {
            return State::Broken;
        }
        State::Running
    }

    fn inside(&mut self, b: u8, rep: &mut Report) -> State {
        match (self.escape, b) {
            (0, b'"') => {
                self.in_string = false;
                self.fresh = true;
                return State::Running;
            }
            (0, b'\\') => {
                self.escape = 1;
                return State::Running;
            }
            (0, 0..0x20) => return State::Broken,
            (0, b) => self.put(b, rep),
            (1, b'u') => {
                self.escape = 2;
                self.code = 0;
                return State::Running;
            }
            (1, b) => {
                self.escape = 0;
                let c = match b {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    b => b,
                };
                self.put(c, rep);
            }
            (n, b) => {
                let Some(d) = char::from(b).to_digit(16) else { return State::Broken };
                self.code = self.code * 16 + d;
                self.escape = n + 1;
                if n == 5 {
                    self.escape = 0;
                    self.put(u8::try_from(self.code).unwrap_or(b'?'), rep);
                }
            }
        }
        State::Running
    }

    fn put(&mut self, b: u8, rep: &mut Report) {
        if let Some(p) = self.text.get_mut(self.len) {
            *p = b;
        }
        self.len = self.len.saturating_add(1);
        if self.templating {
            self.template.byte(b, rep);
        }
    }

    /// A string that is a value.
    fn value(&mut self, rep: &mut Report) {
        let Some(text) = self.text.get(..self.len.min(STRING)).and_then(|t| core::str::from_utf8(t).ok())
        else {
            return;
        };
        match self.key.get(..self.key_len).unwrap_or(&[]) {
            b"class_name" => {
                self.classed = true;
                if matches!(
                    text,
                    "Lambda"
                        | "__lambda__"
                        | "TorchModuleWrapper"
                        | "JaxLayer"
                        | "FlaxLayer"
                        | "TFSMLayer"
                        | "LambdaLayer"
                        | "TFOpLambda"
                        | "OpLambda"
                ) {
                    let bad = !matches!(text, "TFOpLambda" | "OpLambda");
                    if bad {
                        rep.find(Judgement::Malicious, "Keras layer that carries code: ", &[text.as_bytes()]);
                    }
                }
                self.named(text, rep);
            }
            b"__class__" | b"func" | b"function" => self.named(text, rep),
            b"module" | b"__module__" | b"registered_name" | b"py_module" => {
                let n = text.len().min(64);
                if let (Some(p), Some(t)) = (self.module.get_mut(..n), text.as_bytes().get(..n)) {
                    p.copy_from_slice(t);
                    self.module_len = n;
                }
                // A module alone is a word like any other; beside a class it is where that is looked for.
                if (self.classed || self.key() == b"__module__")
                    && names::hostile_module(text)
                    && !text.starts_with("joblib")
                {
                    rep.import(text, "*");
                    rep.find(
                        Judgement::Malicious,
                        "configuration names a module that runs code or reaches files: ",
                        &[text.as_bytes()],
                    );
                }
            }
            b"_target_" | b"class_path" => target(text, rep),
            b"dtype" if self.tensors_on => {
                self.dtype = match text {
                    "F64" | "I64" | "U64" | "C64" => 8,
                    "F32" | "I32" | "U32" => 4,
                    "F16" | "BF16" | "I16" | "U16" => 2,
                    "BOOL" | "U8" | "I8" => 1,
                    _ => 0,
                };
            }
            _ => {}
        }
    }

    fn named(&self, name: &str, rep: &mut Report) {
        let Some(m) = self.module.get(..self.module_len).and_then(|m| core::str::from_utf8(m).ok()) else {
            return;
        };
        rep.cost += names::COST;
        if !m.is_empty()
            && !m.starts_with("keras")
            && !m.starts_with("tensorflow")
            && !m.starts_with("tf_keras")
            && names::class(m, name) == Class::Danger
        {
            rep.import(m, name);
            rep.find(Judgement::Malicious, "configuration names ", &[m.as_bytes(), b".", name.as_bytes()]);
        }
    }

    fn number_done(&mut self) {
        let negative = core::mem::take(&mut self.negative);
        if !self.tensors_on || self.meta {
            return;
        }
        match self.key.get(..self.key_len).unwrap_or(&[]) {
            b"shape" => {
                if negative {
                    self.tensors.bad = Some("a negative shape");
                }
                match self.product.checked_mul(self.number) {
                    Some(p) => self.product = p,
                    None => self.tensors.bad = Some("a shape whose product overflows"),
                }
            }
            b"data_offsets" => {
                self.list_at += 1;
                if negative {
                    self.tensors.bad = Some("a negative offset");
                }
                if self.list_at == 1 {
                    self.begin = self.number;
                } else if self.list_at == 2 {
                    match self.number.checked_sub(self.begin) {
                        Some(n) => {
                            self.tensors.count += 1;
                            self.tensors.sum = self.tensors.sum.saturating_add(n);
                            self.tensors.end = self.tensors.end.max(self.number);
                            if self.dtype > 0 && self.product.checked_mul(self.dtype) != Some(n) {
                                self.tensors.bad = Some("offsets that disagree with the shape");
                            }
                        }
                        None => self.tensors.bad = Some("an end before its beginning"),
                    }
                }
            }
            _ => {}
        }
    }
}
