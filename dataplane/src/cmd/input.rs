//! What `tidegate run` is given: the filter and the rule files that its arguments name, and what of rules and of captures is
//! told to the user because it is not used.

use std::path::{Path, PathBuf};

use tidegate_core::packet::Decoder;

use crate::config::Settings;
use crate::filter::Filter;
use crate::glob;
use crate::load::{self, Loaded};

use super::RunArgs;
use super::run::grouped;

/// The filter that is given, by itself or in a file.
pub(super) fn filter(args: &RunArgs) -> Result<Option<Filter>, String> {
    let Some(file) = &args.bpf_file else {
        let text = args.filter.join(" ");
        return Some(text)
            .filter(|t| !t.trim().is_empty())
            .map(|t| Filter::parse(&t).map_err(|e| e.to_string()))
            .transpose();
    };
    let text = std::fs::read_to_string(file).map_err(|e| format!("-F: {}: {e}", file.display()))?;
    // Lines stay where they are, for messages.
    let text: Vec<&str> = text.lines().map(|l| l.split('#').next().unwrap_or("")).collect();
    let text = text.join("\n");
    if text.trim().is_empty() {
        return Err(format!("-F: {}: there is no filter in it", file.display()));
    }
    let filter = Filter::parse(&text);
    filter.map(Some).map_err(|e| format!("-F: {}:{}:{}: {}", file.display(), e.line, e.column, e.what))
}

/// The link types that are decoded, for people.
pub(super) fn known_links() -> String {
    let known = (0..1024).filter(|&l| Decoder::knows_link(l)).map(|l| l.to_string());
    known.collect::<Vec<_>>().join(", ")
}

/// `-S` alone, or the configuration's files and `-s`; patterns stand for the files that they match.
pub(super) fn rule_files(args: &RunArgs, s: &Settings) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    if args.disable_detection {
        return Ok(files);
    }
    if args.only_rules.is_empty() {
        for f in &s.rule_files {
            let path = match &s.default_rule_path {
                Some(dir) if Path::new(f).is_relative() => dir.join(f),
                _ => PathBuf::from(f),
            };
            let found = glob::expand(&path);
            files.extend(found.iter().cloned());
            if found.is_empty() {
                let text = format!("{}: no such rule file; it is named in the configuration", path.display());
                if args.strict || args.init_errors_fatal || args.ask.test {
                    return Err(text);
                }
                eprintln!("{text}");
            }
        }
    }
    for f in args.only_rules.iter().chain(&args.more_rules) {
        if load::is_builtin(f) || f.exists() {
            files.push(f.clone());
            continue;
        }
        let found = if glob::is_pattern(f) { glob::expand(f) } else { Vec::new() };
        if found.is_empty() {
            return Err(format!("{}: no such rule file", f.display()));
        }
        files.extend(found);
    }
    Ok(files)
}

pub(super) fn tell_refusals(l: &Loaded, args: &RunArgs) {
    l.told(args.verbose).iter().for_each(|(_, t)| eprintln!("{t}"));
}

/// Link types of a capture that are not decoded, each told once, and how many packets have one.
#[derive(Default)]
pub(super) struct UnknownLinks {
    links: Vec<u16>,
    packets: u64,
}

impl UnknownLinks {
    /// Counts a packet of such a link type; `true` for the first of it.
    pub(super) fn is_new(&mut self, link: u16) -> bool {
        self.packets += 1;
        let new = !self.links.contains(&link);
        if new {
            self.links.push(link);
        }
        new
    }

    /// Tells what is missing at the end of a capture of `frames`: whether packets were not decoded, and whether all were not.
    pub(super) fn end(&self, path: &Path, frames: u64) -> (bool, bool) {
        let all = self.packets > 0 && self.packets == frames;
        if all {
            eprintln!("{}: none of its {} packets could be decoded", path.display(), grouped(frames));
        }
        (self.packets > 0, all)
    }

    #[cold]
    pub(super) fn tell(&self, path: &Path, packet: u64, link: u16) {
        let name = match crate::eve::names::link(link).1 {
            "" => String::new(),
            name => format!(" ({name})"),
        };
        eprintln!(
            "{}: packet {packet} has link type {link}{name}, which is not decoded; such packets are counted \
             (decoder.unknown_link) and not looked into; decoded are {}",
            path.display(),
            known_links()
        );
    }
}
