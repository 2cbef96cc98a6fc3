//! The language of policies: a tree goes in, a [`Source`] comes out. See `docs/policy.md`.

use std::collections::HashMap;
use std::path::Path;

use tidegate_core::ai::services;
use tidegate_core::app::AppProto;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::policy::prefix::Prefix;
use tidegate_core::policy::{
    Act, Calls, Credential, Glob, Line, Names, Segment, Source, UNRECOGNISED, Window, app_bit,
};

use super::PolicyError;
use super::tree::{Kind, Node, Wrong};

/// Names of IP protocols.
const PROTOS: [(&str, u8); 7] =
    [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132), ("esp", 50), ("gre", 47)];
/// Kinds of credentials.
pub const CREDENTIALS: [&str; 7] = ["bearer", "basic", "api_key", "cookie", "query", "signature", "other"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const TOP: &str = "segments, deny, allow, watch, default, deny-with, tell";
const SEGMENT: &str = "addresses, addresses-file, vlan, vni, labels";
const LINE: &str = "name, from, to, proto, port, app, sni, ai, credential, time, with";
const AI: &str = "provider, operation, models, tools";
const TIME: &str = "days, from, to, utc-offset";

/// The number of an IP protocol by its name.
pub(super) fn proto_of(name: &str) -> Option<u8> {
    PROTOS.iter().find(|p| p.0.eq_ignore_ascii_case(name)).map(|p| p.1).or_else(|| name.parse().ok())
}

/// Its name, or the number itself.
pub(super) fn proto_name(p: u8) -> String {
    PROTOS.iter().find(|o| o.1 == p).map_or_else(|| p.to_string(), |o| o.0.to_string())
}

/// The bit of an application protocol, or of what is not recognised.
pub(super) fn app_of(name: &str) -> Option<u64> {
    if name == "unknown" { Some(UNRECOGNISED) } else { AppProto::by_name(name).map(app_bit) }
}

/// What is known of a segment beside its networks.
#[derive(Default)]
struct Known<'t> {
    by_name: HashMap<&'t str, usize>,
    labels: Vec<Vec<(&'t str, &'t str)>>,
}

/// Reads a policy. Files that it names are looked for in the folder of `path`.
///
/// # Errors
/// The place, what is there and what was expected.
pub fn source(tree: &Node, path: &Path) -> Result<Source, PolicyError> {
    let mut out = Source::default();
    let of = |w: Wrong| w.of(path);
    let (mut known, mut with) = (Known::default(), Act::Drop);
    let all: Vec<_> = tree.map("a mapping of segments and lines").map_err(of)?.collect();
    for (name, at, value) in &all {
        match *name {
            "segments" => segments(value, path, &mut out, &mut known)?,
            "deny-with" => with = word(value, &[("drop", Act::Drop), ("reject", Act::Reject)]).map_err(of)?,
            "tell" => out.tell_allowed = word(value, &[("denied", false), ("all", true)]).map_err(of)?,
            "deny" | "allow" | "watch" | "default" => {}
            other => return Err(of(unknown(at, other, TOP))),
        }
    }
    let mut default = None;
    for (name, _, value) in &all {
        match *name {
            "deny" => lines(value, with, &known, &mut out).map_err(of)?,
            "allow" => lines(value, Act::Allow, &known, &mut out).map_err(of)?,
            "watch" => lines(value, Act::Watch, &known, &mut out).map_err(of)?,
            "default" => {
                let words = [("deny", with), ("watch", Act::Watch), ("allow", Act::Allow)];
                default = Some(word(value, &words).map_err(of)?);
                out.default_place = Some((value.line, value.column));
            }
            _ => {}
        }
    }
    // A file that is empty, or all comments, would cut off everybody: a slip, and no policy.
    if out.lines.is_empty() && default.is_none() {
        return Err(of(tree.wrong(
            "the policy says nothing, which would deny everything; expected lines of allow, deny or watch, or a `default`",
        )));
    }
    // What nobody wrote must not be allowed.
    out.default = default.unwrap_or(with);
    Ok(out)
}

fn unknown(at: &Node, name: &str, expected: &str) -> Wrong {
    at.wrong(&format!("`{name}` is not known here; expected one of {expected}"))
}

fn word<T: Copy>(n: &Node, words: &[(&str, T)]) -> Result<T, Wrong> {
    let names = || words.iter().map(|w| w.0).collect::<Vec<_>>().join(", ");
    let text = n.text(&format!("one of {}", names()))?;
    let found = words.iter().find(|w| w.0 == text);
    found.map(|w| w.1).ok_or_else(|| n.expected(&format!("one of {}", names())))
}

fn segments<'t>(
    n: &'t Node,
    path: &Path,
    out: &mut Source,
    known: &mut Known<'t>,
) -> Result<(), PolicyError> {
    for (name, at, value) in n.map("a mapping of names to segments").map_err(|w| w.of(path))? {
        if name == "any" || name.is_empty() {
            return Err(at.wrong("`any` stands for every address and cannot be a segment's name").of(path));
        }
        let mut seg = Segment { name: name.to_string(), place: (at.line, at.column), ..Segment::default() };
        let mut labels = Vec::new();
        let mut addressed = false;
        for (key, at, v) in value.map("a mapping with addresses").map_err(|w| w.of(path))? {
            match key {
                "addresses" | "address" => {
                    addressed = true;
                    networks(v, &mut seg).map_err(|w| w.of(path))?;
                }
                "addresses-file" => {
                    addressed = true;
                    let file = v.text("a file of networks, one a line").map_err(|w| w.of(path))?;
                    from_file(&path.parent().unwrap_or(Path::new(".")).join(file), &mut seg)?;
                }
                "vlan" => {
                    seg.vlans = numbers(v, 4095, "a VLAN's number, 0 to 4095").map_err(|w| w.of(path))?
                }
                "vni" => seg.vnis = numbers(v, 0xff_ffff, "a VNI, 0 to 16777215").map_err(|w| w.of(path))?,
                "labels" => {
                    for (k, _, v) in v.map("a mapping of labels").map_err(|w| w.of(path))? {
                        labels.push((k, v.text("a label's value").map_err(|w| w.of(path))?));
                    }
                }
                other => return Err(unknown(at, other, SEGMENT).of(path)),
            }
        }
        if seg.networks.is_empty() && (addressed || (seg.vlans.is_empty() && seg.vnis.is_empty())) {
            return Err(at.wrong(&format!("segment `{name}` has no addresses, vlan or vni")).of(path));
        }
        known.by_name.insert(name, out.segments.len());
        known.labels.push(labels);
        out.segments.push(seg);
    }
    Ok(())
}

const NETWORK: &str = "an address, a network (10.0.0.0/8, 2001:db8::/32) or `any`";

fn networks(n: &Node, seg: &mut Segment) -> Result<(), Wrong> {
    for item in n.items() {
        let text = item.text(NETWORK)?;
        if text == "any" {
            seg.networks.extend(["0.0.0.0/0", "::/0"].iter().filter_map(|t| Prefix::parse(t)));
        } else {
            seg.networks.push(Prefix::parse(text).ok_or_else(|| item.expected(NETWORK))?);
        }
    }
    Ok(())
}

/// One network a line; `#` begins a comment.
fn from_file(file: &Path, seg: &mut Segment) -> Result<(), PolicyError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| PolicyError::Read { path: file.into(), source })?;
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let p = Prefix::parse(line).ok_or_else(|| PolicyError::Wrong {
            path: file.into(),
            line: i as u32 + 1,
            column: 1,
            what: format!("`{line}` is not an address or a network"),
        })?;
        seg.networks.push(p);
    }
    Ok(())
}

fn numbers<T: TryFrom<u32>>(n: &Node, most: u32, expected: &str) -> Result<Vec<T>, Wrong> {
    let one = |i: &Node| {
        let n = i.text(expected)?.parse::<u32>().ok().filter(|n| *n <= most);
        n.and_then(|n| T::try_from(n).ok()).ok_or_else(|| i.expected(expected))
    };
    n.items().iter().map(one).collect()
}

fn lines(n: &Node, act: Act, known: &Known<'_>, out: &mut Source) -> Result<(), Wrong> {
    for item in n.list("a list of lines")? {
        out.lines.push(line(item, act, known)?);
    }
    Ok(())
}

fn line(n: &Node, act: Act, known: &Known<'_>) -> Result<Line, Wrong> {
    let mut l = Line { place: n.line, column: n.column, ..Line::any(act) };
    let (mut calls, mut credential, mut services) = (None::<Calls>, None, Vec::new());
    for (key, at, v) in n.map("a line: a mapping with from and to")? {
        match key {
            "name" => l.name = v.text("a name")?.to_string(),
            "from" => l.from = ends(v, known)?,
            "to" => l.to = ends(v, known)?,
            "proto" => {
                const EXPECTED: &str = "an IP protocol: tcp, udp, icmp, icmpv6, sctp, esp, gre or a number";
                for i in some(v, EXPECTED)? {
                    l.protos.push(proto_of(i.text(EXPECTED)?).ok_or_else(|| i.expected(EXPECTED))?);
                }
            }
            "port" => l.ports = some(v, PORT)?.iter().map(port).collect::<Result<_, _>>()?,
            "app" => l.apps = apps(v, &mut services)?,
            "sni" => l.sni = names(v)?,
            "ai" => self::calls(v, calls.get_or_insert_default())?,
            "credential" => credential = Some(self::credential(v)?),
            "time" => l.time = some(v, WINDOW)?.iter().map(window).collect::<Result<_, _>>()?,
            "with" if act.denies() => l.act = word(v, &[("drop", Act::Drop), ("reject", Act::Reject)])?,
            "with" => return Err(at.wrong("`with` says how a line of deny denies; this line does not")),
            other => return Err(unknown(at, other, LINE)),
        }
    }
    if !l.ports.is_empty() && l.protos.iter().any(|p| !matches!(p, 6 | 17 | 132)) {
        return Err(n.wrong("a port is asked for of a protocol without ports; expected tcp, udp or sctp"));
    }
    if !services.is_empty() {
        let calls = calls.get_or_insert_default();
        calls.providers = Some(super::fits::both(services, calls.providers.take(), n)?);
    }
    if let Some(c) = credential {
        calls.get_or_insert_default().credential = c;
    }
    l.calls = calls;
    super::fits::check(&l, n)?;
    Ok(l)
}

/// The items of a condition. None at all would be no condition, and the line would fit more than was meant.
fn some<'n>(n: &'n Node, expected: &str) -> Result<&'n [Node], Wrong> {
    match n.items() {
        [] => Err(n.expected(expected)),
        all => Ok(all),
    }
}

/// Segments by name or by labels; `None` for any.
fn ends(n: &Node, known: &Known<'_>) -> Result<Option<Vec<usize>>, Wrong> {
    const EXPECTED: &str = "a segment's name, a list of names, a mapping of labels, or `any`";
    if let Kind::Map(_) = n.kind {
        let want: Vec<_> = n
            .map(EXPECTED)?
            .map(|(k, _, v)| Ok((k, v.text("a label's value")?)))
            .collect::<Result<_, Wrong>>()?;
        let fits = |labels: &[(&str, &str)]| want.iter().all(|w| labels.contains(w));
        let all: Vec<usize> = (0..known.labels.len()).filter(|i| fits(&known.labels[*i])).collect();
        if all.is_empty() {
            return Err(n.wrong("no segment has these labels"));
        }
        return Ok(Some(all));
    }
    let mut all = Vec::new();
    for item in n.items() {
        let name = item.text(EXPECTED)?;
        if name == "any" {
            return Ok(None);
        }
        let place = known.by_name.get(name).ok_or_else(|| {
            let mut names: Vec<&str> = known.by_name.keys().copied().collect();
            names.sort_unstable();
            names.truncate(20);
            item.wrong(&format!("there is no segment `{name}`; expected one of {}", names.join(", ")))
        })?;
        all.push(*place);
    }
    if all.is_empty() {
        return Err(n.expected(EXPECTED));
    }
    Ok(Some(all))
}

const PORT: &str = "a port, or a range of ports (8000-8100)";

fn port(n: &Node) -> Result<(u16, u16), Wrong> {
    let text = n.text(PORT)?;
    let (a, b) = text.split_once('-').unwrap_or((text, text));
    match (a.trim().parse(), b.trim().parse()) {
        (Ok(a), Ok(b)) if a <= b => Ok((a, b)),
        _ => Err(n.expected(PORT)),
    }
}

/// Application protocols; services of AI that are no protocol of their own are calls of that provider over HTTP.
fn apps<'n>(n: &'n Node, services: &mut Vec<&'n str>) -> Result<u64, Wrong> {
    let mut bits = 0;
    for item in some(n, "an application protocol")? {
        let name = item.text("an application protocol")?;
        let dialect = || tidegate_core::ai::dialects().any(|d| d.0 == name);
        match app_of(name) {
            Some(b) => bits |= b,
            None if dialect() => services.push(name),
            None => {
                let all: Vec<&str> = PROTOCOLS.iter().map(|d| d.name).collect();
                let what = format!(
                    "there is no application protocol `{name}`; expected one of {}, unknown",
                    all.join(", ")
                );
                return Err(item.wrong(&what));
            }
        }
    }
    if !services.is_empty() && bits != 0 {
        return Err(n.wrong("a service of AI (s3, …) stands for calls over http and http2 and cannot be beside protocols; give it a line of its own"));
    }
    Ok(bits)
}

fn names(n: &Node) -> Result<Names, Wrong> {
    const EXPECTED: &str =
        "a name of at most 256 characters, in which * stands for any characters and ? for one";
    let one = |i: &Node| Glob::new(i.text(EXPECTED)?).ok_or_else(|| i.expected(EXPECTED));
    let all: Vec<Glob> = n.items().iter().map(one).collect::<Result<_, _>>()?;
    if all.is_empty() { Err(n.expected(EXPECTED)) } else { Ok(Some(all)) }
}

/// As [`names`], where each must fit something that there is: a line that never fits is a slip.
fn among(n: &Node, what: &str, all: &[&str]) -> Result<Names, Wrong> {
    let found = names(n)?;
    for (item, glob) in n.items().iter().zip(found.iter().flatten()) {
        if !all.iter().any(|a| glob.fits(a.as_bytes())) {
            return Err(
                item.wrong(&format!("there is no {what} `{glob}`; expected one of {}", all.join(", ")))
            );
        }
    }
    Ok(found)
}

fn calls(n: &Node, c: &mut Calls) -> Result<(), Wrong> {
    for (key, at, v) in n.map("a mapping of what is asked of a call")? {
        match key {
            "provider" | "providers" => c.providers = among(v, "provider", &services()[0])?,
            "operation" | "operations" => c.operations = among(v, "operation", &services()[1])?,
            "model" | "models" => c.models = names(v)?,
            "tool" | "tools" => c.tools = names(v)?,
            other => return Err(unknown(at, other, AI)),
        }
    }
    Ok(())
}

fn credential(n: &Node) -> Result<Credential, Wrong> {
    const EXPECTED: &str =
        "required, none, or kinds: bearer, basic, api_key, cookie, query, signature, other";
    let mut kinds = Vec::new();
    for i in n.items() {
        match i.text(EXPECTED)? {
            "required" => return Ok(Credential::Required),
            "none" => return Ok(Credential::Absent),
            kind if CREDENTIALS.contains(&kind) => kinds.extend(Glob::new(kind)),
            _ => return Err(i.expected(EXPECTED)),
        }
    }
    if kinds.is_empty() { Err(n.expected(EXPECTED)) } else { Ok(Credential::Kinds(kinds)) }
}

const WINDOW: &str = "a time: {days: mon-fri, from: \"08:00\", to: \"18:00\"}";

fn window(n: &Node) -> Result<Window, Wrong> {
    let mut w = Window { days: 0x7f, from: 0, to: 1440, offset: 0 };
    let mut asks = false;
    for (key, at, v) in n.map(WINDOW)? {
        match key {
            "days" => w.days = some(v, DAY)?.iter().map(days).try_fold(0, |a, d| Ok(a | d?))?,
            "from" => w.from = minutes(v)?,
            "to" => w.to = minutes(v)?,
            "utc-offset" => w.offset = offset(v)?,
            other => return Err(unknown(at, other, TIME)),
        }
        asks |= key != "utc-offset";
    }
    // Both would be at all times, which is no condition.
    if !asks {
        return Err(n.wrong(&format!("a time without days, from or to is any time; expected {WINDOW}")));
    }
    if w.from == w.to {
        return Err(n.wrong("`from` and `to` are one time; expected two, or neither for whole days"));
    }
    Ok(w)
}

const DAY: &str = "a day (mon, tue, wed, thu, fri, sat, sun) or a range of days (mon-fri)";

fn days(n: &Node) -> Result<u8, Wrong> {
    let text = n.text(DAY)?.to_ascii_lowercase();
    let day = |t: &str| DAYS.iter().position(|d| *d == t.trim());
    let (a, b) = text.split_once('-').unwrap_or((&text, &text));
    let (Some(a), Some(b)) = (day(a), day(b)) else { return Err(n.expected(DAY)) };
    let count = (b + 7 - a) % 7;
    Ok((0..=count).fold(0, |bits, i| bits | 1 << ((a + i) % 7)))
}

fn minutes(n: &Node) -> Result<u16, Wrong> {
    const EXPECTED: &str = "a time of day, \"00:00\" to \"24:00\" (in quotes)";
    clock(n.text(EXPECTED)?).ok_or_else(|| n.expected(EXPECTED))
}

fn clock(text: &str) -> Option<u16> {
    let (h, m) = text.split_once(':')?;
    let (h, m) = (h.parse::<u16>().ok()?, m.parse::<u16>().ok()?);
    (h <= 24 && m < 60 && h * 60 + m <= 1440).then_some(h * 60 + m)
}

fn offset(n: &Node) -> Result<i16, Wrong> {
    const EXPECTED: &str = "how far the clock is before UTC, as in \"+02:00\" or \"-05:30\"";
    let text = n.text(EXPECTED)?;
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let m = clock(rest).filter(|m| *m <= 14 * 60).ok_or_else(|| n.expected(EXPECTED))?;
    Ok(sign * m as i16)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn error(text: &str) -> String {
        parse(text, Path::new("p.yaml")).expect_err(text).to_string()
    }

    #[test]
    fn errors_name_the_place_and_what_was_expected() {
        for (text, place, says) in [
            ("segments: {a: {addresses: [10.0.0.0/40]}}", "1:28", "not an address, a network"),
            ("segments:\n  a:\n    adresses: [10.0.0.1]\n", "3:5", "expected one of addresses"),
            ("alow: []\n", "1:1", "expected one of segments, deny, allow"),
            ("allow:\n  - {from: nowhere}\n", "2:12", "there is no segment `nowhere`"),
            ("allow:\n  - {app: [htttp]}\n", "2:12", "no application protocol `htttp`"),
            ("allow:\n  - {port: 70000}\n", "2:12", "a range of ports"),
            ("allow:\n  - {port: 9-1}\n", "2:12", "a range of ports"),
            ("allow:\n  - {proto: icmp, port: 1}\n", "2:5", "without ports"),
            ("allow:\n  - {port: []}\n", "2:12", "a list is not a port"),
            ("allow:\n  - {proto: }\n", "2:11", "nothing is not an IP protocol"),
            ("allow:\n  - {app: []}\n", "2:11", "a list is not an application protocol"),
            ("allow:\n  - {time: []}\n", "2:12", "a list is not a time"),
            ("allow:\n  - {time: {days: []}}\n", "2:19", "a list is not a day"),
            // Lines that no flow fits.
            ("allow:\n  - {app: dns, sni: x}\n", "2:16", "only tls, quic have a name in their hello"),
            ("allow:\n  - {proto: icmp, sni: x}\n", "2:19", "only tls, quic have a name in their hello"),
            ("allow:\n  - {proto: udp, app: http}\n", "2:23", "`http` never comes over udp; expected tcp"),
            (
                "allow:\n  - {app: [smb, tls], proto: [icmp, 17]}\n",
                "2:12",
                "`smb` never comes over icmp, udp",
            ),
            ("allow:\n  - {app: ai}\n", "2:11", "no flow is ever `ai`"),
            ("allow:\n  - {app: [http, grpc]}\n", "2:18", "no flow is ever `grpc`"),
            (
                "allow:\n  - {app: dns, ai: {operation: chat}}\n",
                "2:16",
                "only http, http2, websocket carry calls",
            ),
            ("allow:\n  - {app: dns, credential: none}\n", "2:16", "only http, http2, websocket carry calls"),
            ("allow:\n  - {proto: udp, app: s3}\n", "2:18", "only http, http2, websocket carry calls"),
            ("allow:\n  - {sni: x, ai: {operation: chat}}\n", "2:14", "no name in a hello"),
            ("allow:\n  - {ai: {tools: \"x*\", operation: chat}}\n", "2:10", "only calls of tools name one"),
            ("allow:\n  - {ai: {provider: openai, tools: x}}\n", "2:10", "only calls of tools name one"),
            ("allow:\n  - {app: s3, ai: {tools: x}}\n", "2:19", "only calls of tools name one"),
            (
                "allow:\n  - {ai: {operation: chat, provider: s3}}\n",
                "2:10",
                "no provider and operation like these",
            ),
            (
                "allow:\n  - {app: s3, ai: {operation: chat}}\n",
                "2:19",
                "no provider and operation like these",
            ),
            ("allow:\n  - {app: s3, ai: {provider: openai}}\n", "2:19", "`app` asks for s3"),
            ("allow:\n  - {ai: {provider: open*}, app: [s3, mlflow]}\n", "2:10", "`app` asks for s3, mlflow"),
            ("allow:\n  - {time: {}}\n", "2:12", "without days, from or to"),
            ("allow:\n  - {time: {utc-offset: \"+02:00\"}}\n", "2:12", "without days, from or to"),
            ("allow:\n  - {time: {from: \"08:00\", to: \"08:00\"}}\n", "2:12", "are one time"),
            ("allow:\n  - {time: [{days: sat}, {to: \"00:00\"}]}\n", "2:26", "are one time"),
            ("allow:\n  - {with: reject}\n", "2:6", "does not"),
            ("default: maybe\n", "1:10", "one of deny, watch, allow"),
            ("allow:\n  - {time: {from: \"8\"}}\n", "2:19", "a time of day"),
            ("allow:\n  - {time: {days: monday}}\n", "2:19", "a range of days"),
            ("allow:\n  - {ai: {modell: x}}\n", "2:11", "expected one of provider"),
            (
                "allow:\n  - {ai: {operation: [chat, chatt]}}\n",
                "2:29",
                "no operation `chatt`; expected one of agent_card, ",
            ),
            ("allow:\n  - {ai: {operation: \"x-*\"}}\n", "2:22", "no operation `x-*`"),
            (
                "allow:\n  - {ai: {provider: opanai}}\n",
                "2:21",
                "no provider `opanai`; expected one of a2a, anthropic, ",
            ),
            (
                "# all of it\n# is a comment\n",
                "1:1",
                "expected lines of allow, deny or watch, or a `default`",
            ),
            ("", "1:1", "the policy says nothing"),
            ("segments: {a: {address: any}}\n", "1:1", "the policy says nothing"),
            ("allow:\n", "1:1", "the policy says nothing"),
            ("allow: []\n", "1:1", "the policy says nothing"),
            ("allow:\n  - {credential: maybe}\n", "2:18", "required, none"),
            ("allow: 5\n", "1:8", "`5` is not a list of lines"),
            ("segments: {any: {addresses: any}}\n", "1:12", "cannot be a segment's name"),
            ("segments: {a: {labels: {x: y}}}\n", "1:12", "has no addresses"),
        ] {
            let e = error(text);
            assert!(e.starts_with(&format!("p.yaml:{place}: ")) && e.contains(says), "{text}: {e}");
        }
    }

    /// A service as `app` and a provider ask for both.
    #[test]
    fn services_and_providers_together() {
        for (line, want) in [
            ("{app: [s3, openai], ai: {provider: open*}}", "openai"),
            ("{ai: {provider: [s3, openai]}, app: [s3]}", "s3"),
            ("{app: s3}", "s3"),
            ("{ai: {provider: mcp, operation: execute_*, tools: x}}", "mcp"),
            ("{ai: {tools: x, operation: [chat, execute_tool], provider: \"*\"}}", "*"),
        ] {
            let s = parse(&format!("allow: [{line}]"), Path::new("p")).unwrap();
            let providers = s.lines[0].calls.as_ref().and_then(|c| c.providers.as_deref()).unwrap();
            let names: Vec<_> = providers.iter().map(ToString::to_string).collect();
            assert_eq!(names, [want], "{line}");
        }
    }

    #[test]
    fn a_network_in_two_segments_has_its_line() {
        let text = "segments:\n  a: {addresses: 10.0.0.0/8}\n  b:\n    addresses: [10.1.0.0/16, 10.0.0.0/8]\ndefault: deny\n";
        let path = Path::new("p.yaml");
        let e = super::super::compile(&parse(text, path).unwrap(), path).unwrap_err().to_string();
        assert!(e.starts_with("p.yaml:3:3: 10.0.0.0/8 is in segment a and in segment b"), "{e}");
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let text = "segments:\n  gateway: {addresses: [10.0.0.5]}\n  inference: {addresses: [10.1.0.0/24], labels: {zone: prod}}\n  \
                    outside: {address: any}\nallow:\n  - {from: gateway, to: {zone: prod}, app: [http, http2], ai: {operation: \
                    [chat, embeddings], models: [\"llama-*\"]}, credential: required}\n  - {from: any, to: outside, app: s3}\n\
                    deny:\n  - {to: gateway, with: reject, time: [{days: fri-mon, from: \"22:00\", to: \"06:00\", utc-offset: \
                    \"-05:30\"}]}\ndefault: watch\n";
        let s = parse(text, Path::new("p.yaml")).unwrap();
        assert_eq!((s.segments.len(), s.lines.len(), s.default), (3, 3, Act::Watch));
        assert_eq!(s.lines[0].to, Some(vec![1]));
        assert_eq!(s.lines[1].from, None);
        let deny = &s.lines[2];
        assert_eq!((deny.act, deny.place), (Act::Reject, 9));
        assert_eq!(deny.time, [Window { days: 0b111_0001, from: 1320, to: 360, offset: -330 }]);
        // Without a default what no line allows is denied.
        let without = parse("allow: [{app: dns}]", Path::new("p")).unwrap();
        assert_eq!(without.default, Act::Drop);
        let known =
            "allow: [{ai: {provider: [mcp, \"open*\"], operation: [execute_tool, \"list_*\", chat]}}]";
        parse(known, Path::new("p")).unwrap();
    }
}
