//! Patterns and bytes to search: real ones from a folder beside the checkout, or made here when it is missing.
//!
//! All choices are by a generator with a fixed start, so two runs see the same.
use crate::Rng;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use tidegate_core::packet::{DecodeConfig, Decoder, PacketBuf};
use tidegate_dataplane::capture::Capture;

/// Bytes to search, in pieces, and where they come from.
#[derive(Debug)]
pub struct Data {
    pub name: &'static str,
    pub source: &'static str,
    pub pieces: Vec<Vec<u8>>,
}

impl Data {
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}

/// Most bytes of one kind of data, and of one capture.
const MOST: usize = 24 << 20;
const MOST_OF_ONE: usize = 2 << 20;

/// The different longest contents of the rules in `file`, lower case, shuffled; synthetic ones without it.
pub fn patterns(file: &Path) -> (&'static str, Vec<Vec<u8>>) {
    let text = std::fs::read(file).unwrap_or_default();
    let mut seen = HashSet::new();
    let mut pats = Vec::new();
    for line in text.split(|&b| b == b'\n').filter(|l| l.starts_with(b"alert")) {
        let longest = contents(line).into_iter().rev().max_by_key(Vec::len);
        if let Some(p) = longest.map(|p| p.to_ascii_lowercase())
            && !p.is_empty()
            && seen.insert(p.clone())
        {
            pats.push(p);
        }
    }
    let source = if pats.is_empty() { "synthetic" } else { "rules" };
    if pats.is_empty() {
        pats = synthetic_patterns(11_000);
    }
    Rng(7).shuffle(&mut pats);
    (source, pats)
}

/// The bytes of every `content:"…"` of a rule.
fn contents(rule: &[u8]) -> Vec<Vec<u8>> {
    const KEY: &[u8] = b"content:\"";
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(at) = find(&rule[i..], KEY) {
        i += at + KEY.len();
        let (mut bytes, mut hex, mut nibble) = (Vec::new(), false, None);
        while let Some(&c) = rule.get(i) {
            i += 1;
            match c {
                b'"' => break,
                b'|' => hex = !hex,
                _ if hex => {
                    if let Some(d) = char::from(c).to_digit(16) {
                        match nibble.take() {
                            None => nibble = Some(d),
                            Some(hi) => bytes.push((hi << 4 | d) as u8),
                        }
                    }
                }
                b'\\' => {
                    bytes.extend(rule.get(i));
                    i += 1;
                }
                _ => bytes.push(c),
            }
        }
        out.push(bytes);
    }
    out
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

const WORDS: &[&str] = &[
    "admin",
    "login",
    "index",
    "upload",
    "shell",
    "update",
    "config",
    "setup",
    "install",
    "user",
    "account",
    "payment",
    "secure",
    "mail",
    "gate",
    "panel",
    "cmd",
    "query",
    "select",
    "union",
    "script",
    "image",
    "download",
    "plugin",
    "theme",
    "wp-content",
    "cgi-bin",
    "api",
    "token",
    "session",
    "cache",
    "backup",
    "data",
    "report",
    "status",
    "check",
    "ping",
    "bot",
    "task",
    "key",
    "victim",
    "agent",
    "host",
    "proxy",
];
const ENDS: &[&str] = &[
    ".php", ".asp", ".exe", ".dll", ".jsp", ".cgi", "=", "?id=", "&cmd=", ".com", ".net", ".ru", ".top",
    ".xyz", ".info", "/", "|", "()", "\r\n", "\0\0",
];

/// Patterns as those of rules: domains, paths, parameters, a few binary ones.
fn synthetic_patterns(n: usize) -> Vec<Vec<u8>> {
    let mut r = Rng(3);
    let mut seen = HashSet::new();
    while seen.len() < n {
        let p: Vec<u8> = match r.below(8) {
            0 => (0..4 + r.below(12)).map(|_| r.next() as u8).collect(),
            1 | 2 => {
                let name: String =
                    (0..6 + r.below(10)).map(|_| char::from(b'a' + r.below(26) as u8)).collect();
                format!("{name}{}", r.pick(ENDS)).into_bytes()
            }
            3 => format!("{}:{}", r.pick(WORDS), r.below(100_000)).into_bytes(),
            _ => {
                format!("/{}{}{}{}", r.pick(WORDS), r.pick(&["-", "_", "/", ""]), r.pick(WORDS), r.pick(ENDS))
                    .into_bytes()
            }
        };
        seen.insert(p.to_ascii_lowercase());
    }
    let mut v: Vec<_> = seen.into_iter().collect();
    v.sort();
    v
}

/// Payloads of real captures: as packets in random order, and per direction of a flow as they came.
#[derive(Debug, Default)]
pub struct Payloads {
    pub packets: Vec<Vec<u8>>,
    /// Index of its stream, then where its bytes are in `bytes`; in order of arrival, one behind the other.
    pub streamed: Vec<(usize, std::ops::Range<usize>)>,
    pub bytes: Vec<u8>,
    pub streams: usize,
}

/// The TCP and UDP payloads of the captures under `dir`, up to a total; empty without captures.
pub fn payloads(dir: &Path) -> Payloads {
    let mut files = Vec::new();
    walk(dir, &mut files);
    files.sort();
    let mut r = Rng(7);
    r.shuffle(&mut files);
    let decoder = Decoder::new(DecodeConfig::default());
    let mut out = Payloads::default();
    let mut total = 0;
    for f in files {
        if total >= MOST {
            break;
        }
        let Ok(mut cap) = Capture::open(&f) else { continue };
        let (mut of_one, mut flows) = (0, HashMap::new());
        while let Ok(Some(batch)) = cap.next_batch(64) {
            for frame in batch.iter() {
                if of_one >= MOST_OF_ONE {
                    break;
                }
                let mut pkts = PacketBuf::new(16);
                decoder.decode(frame.data, frame.link, frame.ts_ns, frame.index, &mut pkts);
                // The innermost packet has the payload.
                let Some(p) = pkts.last().filter(|p| matches!(p.proto, 6 | 17) && !p.payload().is_empty())
                else {
                    continue;
                };
                let key = (p.src.0, p.dst.0, p.sp, p.dp, p.proto);
                let stream = *flows.entry(key).or_insert_with(|| {
                    out.streams += 1;
                    out.streams - 1
                });
                of_one += p.payload().len();
                out.packets.push(p.payload().to_vec());
                let at = out.bytes.len();
                out.bytes.extend_from_slice(p.payload());
                out.streamed.push((stream, at..out.bytes.len()));
            }
        }
        total += of_one;
    }
    r.shuffle(&mut out.packets);
    out
}

fn walk(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let p = e.path();
        if p.is_dir() {
            walk(&p, out);
        } else if p.extension().is_some_and(|x| x == "pcap" || x == "pcapng" || x == "cap") {
            out.push(p);
        }
    }
}

/// Everything that is searched in blocks.
pub fn all(shared: &Path, real: &Payloads) -> Vec<Data> {
    let packets = Data { name: "packets", source: "captures", pieces: real.packets.clone() };
    let http: Vec<Vec<u8>> = real.packets.iter().filter(|p| is_http(p)).cloned().collect();
    let http = Data { name: "http", source: "captures", pieces: http };
    let mut v = Vec::new();
    v.push(if packets.bytes() < 1 << 20 { mixed() } else { packets });
    v.push(if http.bytes() < 1 << 18 { synthetic_http() } else { repeated(http, 4 << 20) });
    v.push(random());
    let prompts = prompts(&shared.join("prompts/labelled.jsonl"));
    v.push(if prompts.bytes() == 0 { synthetic_english() } else { repeated(prompts, 4 << 20) });
    v
}

fn is_http(p: &[u8]) -> bool {
    [&b"GET /"[..], b"POST /", b"HEAD /", b"PUT /", b"HTTP/1."].iter().any(|m| p.starts_with(m))
}

/// At least `least` bytes, by saying it again: a run must take longer than the clock's steps.
fn repeated(mut d: Data, least: usize) -> Data {
    let once = d.pieces.clone();
    while d.bytes() < least && !once.is_empty() {
        d.pieces.extend(once.iter().cloned());
    }
    d
}

fn random() -> Data {
    let mut r = Rng(11);
    let pieces = (0..6000).map(|_| (0..1400).map(|_| r.next() as u8).collect()).collect();
    Data { name: "random", source: "made", pieces }
}

fn synthetic_http() -> Data {
    let mut r = Rng(13);
    let mut pieces = Vec::new();
    for _ in 0..20_000 {
        let mut s = format!(
            "GET /{}/{}{}{} HTTP/1.1\r\nHost: {}.example{}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
            r.pick(WORDS),
            r.pick(WORDS),
            r.pick(ENDS),
            r.below(10_000),
            r.pick(WORDS),
            r.pick(&[".com", ".org", ".net"])
        );
        for _ in 0..r.below(6) {
            s += &format!("X-{}: {}{}\r\n", r.pick(WORDS), r.pick(WORDS), r.below(1 << 20));
        }
        pieces.push((s + "Accept: */*\r\n\r\n").into_bytes());
    }
    Data { name: "http", source: "made", pieces }
}

/// Stands for packets where there are no captures: text, and bytes of all kinds.
fn mixed() -> Data {
    let (mut r, mut d) = (Rng(17), synthetic_http());
    d.pieces.extend(random().pieces.into_iter().take(2500));
    r.shuffle(&mut d.pieces);
    Data { name: "packets", ..d }
}

fn synthetic_english() -> Data {
    const ENGLISH: &[&str] = &[
        "the", "a", "to", "of", "and", "is", "in", "that", "it", "you", "please", "write", "explain", "how",
        "story", "about", "computer", "ignore", "summary", "question", "answer", "with", "for", "my", "code",
    ];
    let mut r = Rng(19);
    let pieces = (0..8000)
        .map(|_| {
            let n = 20 + r.below(120);
            (0..n).map(|_| *r.pick(ENGLISH)).collect::<Vec<_>>().join(" ").into_bytes()
        })
        .collect();
    Data { name: "prompts", source: "made", pieces }
}

/// The `text` of every line of a JSON Lines file.
fn prompts(file: &Path) -> Data {
    let all = std::fs::read_to_string(file).unwrap_or_default();
    let pieces = all.lines().filter_map(|l| json_text(l).map(String::into_bytes)).collect();
    Data { name: "prompts", source: "prompts", pieces }
}

fn json_text(line: &str) -> Option<String> {
    let rest = line.split_once("\"text\": \"")?.1;
    let mut out = String::new();
    let mut it = rest.chars();
    loop {
        match it.next()? {
            '"' => return Some(out),
            '\\' => match it.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'u' => {
                    let code: String = it.by_ref().take(4).collect();
                    out.push(
                        u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'),
                    );
                }
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
}
