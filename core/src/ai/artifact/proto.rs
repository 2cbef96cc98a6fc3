//! Protocol buffers of ONNX and TensorFlow's SavedModel.
//!
//! In: bytes. Out: findings on operators and on paths of external data. Only the messages that lead there are opened.

use super::report::{Judgement, Report};

/// What a message of a protocol buffer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Msg {
    Onnx,
    Graph,
    Node,
    Attribute,
    Tensor,
    Entry,
    Meta,
    Saved,
    MetaGraph,
    GraphDef,
    NodeDef,
    Library,
    Function,
    Op,
    Domain,
    Key,
    Val,
    MetaVal,
    OnnxOp,
    Skip,
}

/// Operators of TensorFlow that reach files, processes or Python.
const OPS: &[&str] = &[
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "WholeFileReader",
    "WholeFileReaderV2",
    "TextLineReader",
    "TextLineReaderV2",
    "FixedLengthRecordReader",
    "FixedLengthRecordReaderV2",
    "TFRecordReader",
    "TFRecordReaderV2",
    "DebugIdentity",
    "DebugIdentityV2",
    "DebugIdentityV3",
    "WriteGraphSummary",
    "TextLineDataset",
    "TFRecordDataset",
    "FixedLengthRecordDataset",
    "FixedLengthRecordDatasetV2",
    "GeneratorDataset",
    "RpcCall",
    "TryRpc",
    "LoadLibrary",
    "ShellExecute",
    "SnapshotDataset",
    "SaveDataset",
    "LoadDataset",
    "CSVDataset",
    "SqlDataset",
    "CreateSummaryFileWriter",
    "FileSystemSetConfiguration",
    "DistributedSave",
    "RegisterDataset",
];

pub struct Proto {
    stack: [(Msg, u64); 12],
    depth: usize,
    at: u64,
    tag: u64,
    shift: u32,
    state: Pb,
    value: u64,
    left: u64,
    text: [u8; 160],
    len: usize,
    /// The entry's key: `location`, `offset`, `length`.
    key: [u8; 16],
    key_len: usize,
    saved: bool,
    pub bad: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pb {
    Tag,
    Varint,
    Len,
    Fixed,
    Bytes(Msg),
}

impl Proto {
    pub fn new(saved: bool) -> Self {
        let mut stack = [(Msg::Skip, 0); 12];
        stack[0] = (if saved { Msg::Saved } else { Msg::Onnx }, u64::MAX);
        Self {
            stack,
            depth: 1,
            at: 0,
            tag: 0,
            shift: 0,
            state: Pb::Tag,
            value: 0,
            left: 0,
            text: [0; 160],
            len: 0,
            key: [0; 16],
            key_len: 0,
            saved,
            bad: false,
        }
    }

    fn top(&self) -> (Msg, u64) {
        self.depth.checked_sub(1).and_then(|d| self.stack.get(d)).copied().unwrap_or((Msg::Skip, u64::MAX))
    }

    pub fn byte(&mut self, b: u8, rep: &mut Report) {
        if self.bad {
            return;
        }
        self.at += 1;
        match self.state {
            Pb::Tag | Pb::Varint | Pb::Len => {
                if self.shift >= 64 {
                    self.bad = true;
                    rep.find(
                        Judgement::Unreadable,
                        "protocol buffer with a number of more than 64 bits",
                        &[],
                    );
                    return;
                }
                self.value |= u64::from(b & 0x7f) << self.shift;
                self.shift += 7;
                if b & 0x80 == 0 {
                    let v = core::mem::take(&mut self.value);
                    self.shift = 0;
                    self.number(v, rep);
                }
            }
            Pb::Fixed => {
                self.left -= 1;
                if self.left == 0 {
                    self.state = Pb::Tag;
                }
            }
            Pb::Bytes(m) => {
                if let Some(p) = self.text.get_mut(self.len) {
                    *p = b;
                }
                self.len += 1;
                self.left -= 1;
                if self.left == 0 {
                    self.text_done(m, rep);
                    self.state = Pb::Tag;
                }
            }
        }
        while self.state == Pb::Tag && self.shift == 0 && self.depth > 1 && self.at >= self.top().1 {
            self.depth -= 1;
        }
    }

    fn number(&mut self, v: u64, rep: &mut Report) {
        match self.state {
            Pb::Tag => {
                self.tag = v;
                self.state = match v & 7 {
                    0 => Pb::Varint,
                    1 => {
                        self.left = 8;
                        Pb::Fixed
                    }
                    2 => Pb::Len,
                    5 => {
                        self.left = 4;
                        Pb::Fixed
                    }
                    _ => {
                        self.bad = true;
                        rep.find(Judgement::Unreadable, "protocol buffer that cannot be read on", &[]);
                        return;
                    }
                };
            }
            Pb::Varint => self.state = Pb::Tag,
            _ => self.length(v, rep),
        }
    }

    fn length(&mut self, v: u64, rep: &mut Report) {
        let (msg, end) = self.top();
        let beyond = self.at.checked_add(v).is_none_or(|e| e > end);
        if v > 1 << 36 || beyond {
            self.bad = true;
            rep.find(Judgement::Suspicious, "message longer than what holds it, or than any model", &[]);
            return;
        }
        let inner = match (msg, self.tag >> 3) {
            (Msg::Onnx, 7) => Msg::Graph,
            (Msg::Onnx, 14) => Msg::Meta,
            (Msg::Onnx, 25) => Msg::Function,
            (Msg::Graph, 1) => Msg::Node,
            (Msg::Graph, 5) => Msg::Tensor,
            (Msg::Function, 7) if !self.saved => Msg::Node,
            (Msg::Function, 3) if self.saved => Msg::NodeDef,
            (Msg::Node, 4) => Msg::OnnxOp,
            (Msg::Node, 5) => Msg::Attribute,
            (Msg::Node, 7) => Msg::Domain,
            (Msg::Attribute, 5 | 10) => Msg::Tensor,
            (Msg::Attribute, 6 | 11) => Msg::Graph,
            (Msg::Tensor, 13) => Msg::Entry,
            (Msg::Entry, 1) => Msg::Key,
            (Msg::Entry, 2) => Msg::Val,
            (Msg::Meta, 2) => Msg::MetaVal,
            (Msg::Saved, 2) => Msg::MetaGraph,
            (Msg::MetaGraph, 2) => Msg::GraphDef,
            (Msg::GraphDef, 1) => Msg::NodeDef,
            (Msg::GraphDef, 2) => Msg::Library,
            (Msg::Library, 1) => Msg::Function,
            (Msg::NodeDef, 2) => Msg::Op,
            _ => Msg::Skip,
        };
        let message = matches!(
            inner,
            Msg::Graph
                | Msg::Meta
                | Msg::Function
                | Msg::Node
                | Msg::Tensor
                | Msg::Attribute
                | Msg::Entry
                | Msg::MetaGraph
                | Msg::GraphDef
                | Msg::NodeDef
                | Msg::Library
        );
        self.len = 0;
        self.left = v;
        self.state = Pb::Tag;
        if message {
            self.key_len = 0;
            match self.stack.get_mut(self.depth) {
                Some(p) => {
                    *p = (inner, self.at + v);
                    self.depth += 1;
                    return;
                }
                None => rep.find(Judgement::Unknown, "graphs nested deeper than is read", &[]),
            }
        }
        if v > 0 {
            self.state = Pb::Bytes(inner);
        }
    }

    fn text_done(&mut self, m: Msg, rep: &mut Report) {
        let text = self.text.get(..self.len.min(160)).unwrap_or(&[]);
        let s = core::str::from_utf8(text).unwrap_or("");
        match m {
            Msg::Op if OPS.contains(&s) => {
                rep.find(Judgement::Malicious, "operator that reaches files or Python: ", &[text])
            }
            Msg::OnnxOp if matches!(s, "PyOp" | "PythonOp" | "PyCustomOp" | "PyFunc") => {
                rep.find(Judgement::Malicious, "operator that runs Python: ", &[text]);
            }
            Msg::Domain
                if memchr::memmem::find(text, b"pyop").is_some() || s.starts_with("ai.onnx.contrib.py") =>
            {
                rep.find(Judgement::Suspicious, "operator of a domain that runs Python: ", &[text]);
            }
            Msg::Key => {
                self.key_len = text.len().min(16);
                for (p, b) in self.key.iter_mut().zip(text) {
                    *p = *b;
                }
            }
            Msg::Val => match self.key.get(..self.key_len).unwrap_or(&[]) {
                b"location" if escapes(text) => {
                    rep.find(Judgement::Malicious, "external data outside the model's folder: ", &[text]);
                }
                b"offset" | b"length" if !text.iter().all(u8::is_ascii_digit) || text.len() > 15 => {
                    rep.find(Judgement::Suspicious, "external data at a place that no file has: ", &[text]);
                }
                _ => {}
            },
            _ => {}
        }
    }

    pub fn end(&self, rep: &mut Report) {
        if self.bad {
            return;
        }
        if self.depth > 1 || self.state != Pb::Tag {
            rep.find(Judgement::Unreadable, "model is cut off", &[]);
        } else {
            rep.understood = true;
        }
    }
}

/// Whether a path leaves the folder it is relative to.
pub fn escapes(path: &[u8]) -> bool {
    let absolute = matches!(path.first(), Some(b'/' | b'\\' | b'~')) || path.get(1) == Some(&b':');
    let climbs = path.split(|b| matches!(b, b'/' | b'\\')).any(|p| p == b"..");
    absolute
        || climbs
        || memchr::memmem::find(path, b"://").is_some()
        || path.contains(&0)
        || memchr::memmem::find(path, b"%2e%2e").is_some()
        || path.starts_with(b"$")
}
