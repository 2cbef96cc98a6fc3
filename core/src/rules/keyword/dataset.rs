//! `dataset` and `datarep`: sets of values shared by rules.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::dataset::{Format, JsonKeys, Source};
use crate::rules::ir::{Cmp, Datarep, Dataset, DatasetOp, DatasetType, Match, PacketMatch};
use crate::rules::num;
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, conflict, context};

pub static KEYWORDS: &[Keyword] = &[Keyword::new("dataset", dataset), Keyword::new("datarep", datarep)];

/// The options that both keywords share.
#[derive(Default)]
struct Options {
    kind: Option<DatasetType>,
    load: Option<String>,
    save: Option<String>,
    state: bool,
    memcap: u64,
    hashsize: u32,
    format: Format,
    json: JsonKeys,
}

fn options<'t>(p: impl Iterator<Item = &'t str>) -> Res<Options> {
    let mut o = Options::default();
    for w in p {
        match word(w) {
            ("type", t) => {
                o.kind = Some(match t {
                    "string" => DatasetType::String,
                    "md5" => DatasetType::Md5,
                    "sha256" => DatasetType::Sha256,
                    "ipv4" => DatasetType::Ipv4,
                    "ip" => DatasetType::Ip,
                    _ => return bad(format!("\"{t}\" is not string, md5, sha256, ipv4 or ip")),
                });
            }
            ("load", f) if !f.is_empty() => {
                if o.load.is_some() {
                    return conflict("load and state exclude each other");
                }
                o.load = Some(f.to_string());
            }
            ("save", f) if !f.is_empty() => {
                if o.save.is_some() {
                    return conflict("save and state exclude each other");
                }
                o.save = Some(f.to_string());
            }
            ("state", f) if !f.is_empty() => {
                if o.load.is_some() || o.save.is_some() {
                    return conflict("state excludes load and save");
                }
                (o.load, o.save, o.state) = (Some(f.to_string()), Some(f.to_string()), true);
            }
            ("memcap", n) => o.memcap = num::sized(n)?,
            ("hashsize", n) => o.hashsize = num::u32(n)?,
            ("format", "csv") => o.format = Format::Csv,
            ("format", "json") => o.format = Format::Json,
            ("format", "ndjson" | "jsonline") => o.format = Format::NdJson,
            ("context_key", k) => o.json.context = k.to_string(),
            ("value_key", k) => o.json.value = k.to_string(),
            ("array_key", k) => o.json.array = k.to_string(),
            ("remove_key", "") => o.json.remove = true,
            _ => return bad(format!("\"{w}\" is not an option of a dataset")),
        }
    }
    if o.format != Format::Csv && (o.json.context.is_empty() || o.json.value.is_empty()) {
        return bad("json needs context_key and value_key");
    }
    Ok(o)
}

fn set_name(t: Option<&str>) -> Res<&str> {
    match t {
        Some(n) if !n.is_empty() && !n.contains(char::is_whitespace) && n.len() < 64 => Ok(n),
        n => bad(format!("\"{}\" is not a name for a dataset", n.unwrap_or(""))),
    }
}

fn dataset(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let op = match p.next() {
        Some("isset") => DatasetOp::IsSet,
        Some("isnotset") => DatasetOp::IsNotSet,
        Some("set") => DatasetOp::Set,
        Some("unset") => DatasetOp::Unset,
        o => return bad(format!("\"{}\" is not isset, isnotset, set or unset", o.unwrap_or(""))),
    };
    let name = set_name(p.next())?;
    let mut o = options(p)?;
    let (kind, was_declared) = declare(b, name, &mut o, false)?;
    let _ = was_declared;
    let json = o.format != Format::Csv;
    let set = Dataset {
        name: name.to_string(),
        kind,
        op,
        load: o.load,
        save: o.save,
        memcap: o.memcap,
        hashsize: o.hashsize,
        context: json.then_some(o.json.context),
    };
    if let Some(src) = b.addr_sticky {
        if !matches!(kind, DatasetType::Ip | DatasetType::Ipv4) {
            return conflict("ip.src and ip.dst need a dataset of type ip or ipv4");
        }
        b.rule.packet.push(PacketMatch::AddrDataset { src, set });
        return Ok(());
    }
    if b.on_payload() {
        return context("needs a sticky buffer before it");
    }
    b.push(Match::Dataset(set))
}

fn datarep(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let name = set_name(p.next())?;
    let cmp = match p.next() {
        Some("<") => Cmp::Lt,
        Some(">") => Cmp::Gt,
        Some("==") => Cmp::Eq,
        o => return bad(format!("\"{}\" is not <, > or ==", o.unwrap_or(""))),
    };
    let value = num::uint_to(p.next().unwrap_or(""), 65535)? as u16;
    let mut o = options(p)?;
    if b.on_payload() {
        return context("needs a sticky buffer before it");
    }
    let (kind, _) = declare(b, name, &mut o, true)?;
    b.push(Match::Datarep(Datarep { name: name.to_string(), kind, cmp, value, load: o.load }))
}

/// Finds the set or makes it, with its file read, and checks that both agree on the type.
fn declare(
    b: &mut Builder<'_, '_>,
    name: &str,
    o: &mut Options,
    reputation: bool,
) -> Res<(DatasetType, bool)> {
    if let Some(set) = b.env.sets.get(name) {
        if o.kind.is_some_and(|k| k != set.kind) {
            return conflict(format!("dataset {name} exists with another type"));
        }
        return Ok((set.kind, true));
    }
    let Some(kind) = o.kind else { return bad(format!("dataset {name} is new and has no type")) };
    if let Some(file) = &o.save {
        let outside = file.starts_with('/') || file.split('/').any(|p| p == "..");
        if !b.env.may_save {
            return conflict("rules may not save datasets (datasets.rules.allow-write)");
        }
        if outside && !b.env.save_anywhere {
            return conflict(format!(
                "{file}: only files of the data folder are written (datasets.rules.allow-absolute-filenames)"
            ));
        }
    }
    let data = match &o.load {
        None => None,
        Some(path) => match (b.env.loader)(path) {
            Ok(d) => Some(d),
            // A state file comes into being when it is saved.
            Err(_) if o.state => None,
            Err(e) => return Err(Fault::new(RefusalKind::File, format!("{path}: {e}"))),
        },
    };
    let source = Source {
        kind,
        reputation,
        format: o.format,
        json: &o.json,
        save: o.save.as_deref(),
        memcap: o.memcap,
        hashsize: o.hashsize,
    };
    b.env
        .sets
        .add(name, &source, data.as_deref().unwrap_or(&[]))
        .map_err(|e| Fault::new(RefusalKind::File, format!("{}: {e}", o.load.as_deref().unwrap_or(name))))?;
    Ok((kind, false))
}
