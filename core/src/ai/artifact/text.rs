//! Text in model files: chat templates, configurations, code.
//!
//! In: bytes. Out: findings. Owns a window of a few bytes.

use super::names;
use super::report::{Judgement, Report};

/// What a template must not reach, with the quotes, blanks and joins taken out.
const REACHES: &[&str] = &[
    "__class__",
    "__globals__",
    "__subclasses__",
    "__mro__",
    "__base__",
    "__bases__",
    "__builtins__",
    "__import__",
    "__init__",
    "__getattribute__",
    "__dict__",
    "__code__",
    "__loader__",
    "__reduce__",
    "__self__",
    "__call__",
    "os.popen",
    "os.system",
    "subprocess.run(",
    "subprocess.Popen(",
    "subprocess.check_output(",
    "popen(",
    "gi_frame",
    "cr_frame",
    "gi_code",
    "func_globals",
    "lipsum.",
    "cycler.",
    "joiner.",
    "\\x5f\\x5f",
    "\\u005f\\u005f",
    "\\137\\137",
    "attr(request",
    "request.application",
    "_TemplateReference__",
    "config.from_",
    "__setattr__",
    "f_back",
    "f_globals",
    "mro()",
    // Names that are put together by filters, or stand the other way round.
    "|format(__",
    "__ssalc__",
    "__slabolg__",
    "__tini__",
    "__sessalcbus__",
    "import_module",
    "__getitem__",
    "x5fx5f",
];

/// Looks at a Jinja template.
#[derive(Clone, Copy)]
pub struct Template {
    last: [u8; 24],
}

impl Template {
    pub const NEW: Self = Self { last: [0; 24] };

    pub fn byte(&mut self, b: u8, rep: &mut Report) {
        if matches!(b, b'\'' | b'"' | b' ' | b'~' | b'+' | b',' | b'\n' | b'\t' | b'\r') {
            return;
        }
        self.last.copy_within(1.., 0);
        if let Some(p) = self.last.last_mut() {
            *p = b;
        }
        for r in REACHES {
            let r = r.as_bytes();
            if r.last() == Some(&b) && self.last.ends_with(r) {
                rep.find(Judgement::Malicious, "template reaches ", &[r]);
            }
        }
    }
}

/// Kinds of text that are read by lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    Yaml,
    Python,
}

/// Code that does what a model has no need of. A name before or a dot before makes another word of it.
const CODE: &[&str] = &[
    "os.system(",
    "os.popen(",
    "os.exec",
    "os.spawn",
    "os.remove(",
    "subprocess.",
    "eval(",
    "exec(",
    "__import__(",
    "pty.",
    "socket.socket",
    "socket.create_connection",
    "urllib.request",
    "requests.get(",
    "requests.post(",
    "ctypes.",
    "marshal.loads",
    "pickle.loads",
    "pickle.load(",
    "shutil.rmtree",
    "base64.b64decode(",
    "importlib.",
    "posix.",
    "torch.from_file(",
    "torch.save(",
    "torch.load(",
    "ops.aten.from_file(",
    "aten::from_file",
    "open(",
    "compile(",
    "urlopen(",
    "runpy.",
    "webbrowser.",
    "aten::save",
];

pub struct LineReader {
    line: [u8; 256],
    len: usize,
}

impl LineReader {
    pub const NEW: Self = Self { line: [0; 256], len: 0 };

    pub fn byte(&mut self, b: u8, what: Lines, rep: &mut Report) {
        if b != b'\n'
            && let Some(p) = self.line.get_mut(self.len)
        {
            *p = b;
            self.len += 1;
            return;
        }
        self.end(what, rep);
        // What is longer than a line goes on with the last bytes of this piece.
        if b != b'\n' {
            self.line.copy_within(224.., 0);
            self.len = 32;
            if let Some(p) = self.line.get_mut(32) {
                *p = b;
                self.len = 33;
            }
        }
    }

    pub fn end(&mut self, what: Lines, rep: &mut Report) {
        let line = self.line.get(..self.len).unwrap_or(&[]);
        self.len = 0;
        match what {
            Lines::Python => python(line, rep),
            Lines::Yaml => yaml(line, rep),
        }
    }
}

fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(line, word)
}

fn python(line: &[u8], rep: &mut Report) {
    let trimmed = line.trim_ascii_start();
    if trimmed.starts_with(b"#") {
        return;
    }
    for w in CODE {
        let Some(at) = find(line, w.as_bytes()) else { continue };
        let before = at.checked_sub(1).and_then(|i| line.get(i)).copied().unwrap_or(b' ');
        let defined = line.get(..at).is_some_and(|l| l.ends_with(b"def "));
        if !(defined || before.is_ascii_alphanumeric() || matches!(before, b'_' | b'.')) {
            // Handlers open files; TorchScript and what runs commands is another matter.
            let j = if matches!(
                *w,
                "open(" | "importlib." | "torch.load(" | "base64.b64decode(" | "os.remove(" | "compile("
            ) {
                Judgement::Unknown
            } else {
                Judgement::Malicious
            };
            rep.find(j, "code that calls ", &[w.as_bytes()]);
        }
    }
}

fn yaml(line: &[u8], rep: &mut Report) {
    if find(line, b"!!python/").is_some() {
        rep.find(Judgement::Malicious, "YAML that makes Python objects", &[]);
    }
    let trimmed = line.trim_ascii_start();
    let trimmed = trimmed.strip_prefix(b"- ").unwrap_or(trimmed).trim_ascii_start();
    for key in [
        b"_target_".as_slice(),
        b"\"_target_\"",
        b"'_target_'",
        b"target",
        b"\"target\"",
        b"class_path",
        b"_partial_target_",
    ] {
        let Some(rest) =
            trimmed.strip_prefix(key).map(<[u8]>::trim_ascii_start).and_then(|r| r.strip_prefix(b":"))
        else {
            continue;
        };
        let value = rest.trim_ascii();
        let value = value.split(|b| matches!(b, b' ' | b'#' | b',' | b'}')).next().unwrap_or(value);
        if let Ok(t) = core::str::from_utf8(value) {
            target(t.trim_matches(|c| c == '"' || c == '\''), rep);
        }
    }
    // In flow style the key stands within the line.
    if let Some(at) = find(line, b"_target_:").filter(|at| *at > 0)
        && let Some(rest) = line.get(at + 9..)
        && let Ok(t) = core::str::from_utf8(rest.trim_ascii())
    {
        target(t.split([' ', ',', '}']).next().unwrap_or(t).trim_matches(|c| c == '"' || c == '\''), rep);
    }
}

/// A name that a configuration wants called.
pub fn target(t: &str, rep: &mut Report) {
    if let Some((m, n)) = t.rsplit_once('.') {
        rep.cost += names::COST;
        let class = names::class(m, n);
        if class == names::Class::Danger || (class != names::Class::Safe && names::hostile_module(m)) {
            rep.import(m, n);
            rep.find(Judgement::Malicious, "configuration calls ", &[t.as_bytes()]);
        }
    }
}
