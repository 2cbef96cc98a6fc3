//! Every keyword by name: those of this module's table, and the buffers and numbers of the registered protocols.

use alloc::vec::Vec;

use super::keyword::{FAMILIES, Keyword};
use crate::app::registry::PROTOCOLS;
use crate::app::{AppProto, BufferDef, IntDef};

/// A buffer name over all protocols that have it.
#[derive(Debug)]
pub struct BufferInfo {
    pub name: &'static str,
    pub defs: Vec<(AppProto, &'static BufferDef)>,
}

impl BufferInfo {
    pub fn protos(&self) -> Vec<AppProto> {
        self.defs.iter().map(|d| d.0).collect()
    }
    /// Directions it exists in for any of `protos` (all when `None`).
    pub fn dirs_for(&self, protos: Option<&[AppProto]>) -> u8 {
        let of = |d: &&(AppProto, &'static BufferDef)| protos.is_none_or(|p| p.contains(&d.0));
        self.defs.iter().filter(of).fold(0, |a, d| a | d.1.dirs)
    }
}

/// A number's name over all protocols that have it.
#[derive(Debug)]
pub struct IntInfo {
    pub name: &'static str,
    pub defs: Vec<(AppProto, &'static IntDef)>,
}

impl IntInfo {
    pub fn protos(&self) -> Vec<AppProto> {
        self.defs.iter().map(|d| d.0).collect()
    }
    /// A symbolic value, lower case.
    pub fn value(&self, name: &str) -> Option<u64> {
        self.defs.iter().find_map(|d| d.1.values.iter().find(|v| v.0.eq_ignore_ascii_case(name)).map(|v| v.1))
    }
}

/// What a keyword is.
#[derive(Clone, Copy)]
pub enum Entry {
    Keyword(&'static Keyword),
    /// Sticky buffer: position in [`Index::buffers`].
    Buffer(usize),
    /// Old-style modifier for that buffer.
    Modifier(usize),
    /// Number: position in [`Index::ints`].
    Int(usize),
    /// One of the numbers that share this keyword: its value names which (`keyword:number=value`).
    IntOf(&'static str),
}

/// The table of names, sorted.
pub struct Index {
    names: Vec<(&'static str, Entry)>,
    pub buffers: Vec<BufferInfo>,
    pub ints: Vec<IntInfo>,
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

impl Index {
    pub fn new() -> Index {
        let (mut buffers, mut ints): (Vec<BufferInfo>, Vec<IntInfo>) = (Vec::new(), Vec::new());
        let mut names: Vec<(&'static str, Entry)> = Vec::new();
        for (i, def) in PROTOCOLS.iter().enumerate() {
            let proto = AppProto(i as u8 + AppProto::FIRST);
            for b in def.buffers {
                let at = match buffers.iter().position(|x| x.name == b.name) {
                    Some(at) => at,
                    None => {
                        buffers.push(BufferInfo { name: b.name, defs: Vec::new() });
                        buffers.len() - 1
                    }
                };
                buffers[at].defs.push((proto, b));
                names.push((b.name, Entry::Buffer(at)));
                names.extend(b.aliases.iter().map(|a| (*a, Entry::Buffer(at))));
                names.extend(b.modifiers.iter().map(|a| (*a, Entry::Modifier(at))));
            }
            for n in def.ints {
                let at = match ints.iter().position(|x| x.name == n.name) {
                    Some(at) => at,
                    None => {
                        ints.push(IntInfo { name: n.name, defs: Vec::new() });
                        ints.len() - 1
                    }
                };
                ints[at].defs.push((proto, n));
                match n.name.split_once('=') {
                    Some((keyword, _)) => names.push((keyword, Entry::IntOf(keyword))),
                    None => names.push((n.name, Entry::Int(at))),
                }
                names.extend(n.aliases.iter().map(|a| (*a, Entry::Int(at))));
            }
        }
        for k in FAMILIES.iter().flat_map(|f| f.iter()) {
            names.push((k.name, Entry::Keyword(k)));
            names.extend(k.aliases.iter().map(|a| (*a, Entry::Keyword(k))));
        }
        // The table's own keywords go first, and the first of a name stays.
        names.sort_by_key(|n| (n.0, !matches!(n.1, Entry::Keyword(_))));
        names.dedup_by_key(|n| n.0);
        Index { names, buffers, ints }
    }

    /// Looks a keyword up, whatever its case.
    pub fn find(&self, name: &str) -> Option<Entry> {
        let exact = |n: &str| self.names.binary_search_by(|p| p.0.cmp(n)).ok().map(|i| self.names[i].1);
        exact(name).or_else(|| {
            let has_upper = name.bytes().any(|c| c.is_ascii_uppercase());
            if has_upper { exact(&name.to_ascii_lowercase()) } else { None }
        })
    }

    /// A protocol buffer by its sticky name, alias or old modifier.
    pub fn buffer(&self, name: &str) -> Option<&BufferInfo> {
        match self.find(name) {
            Some(Entry::Buffer(i) | Entry::Modifier(i)) => self.buffers.get(i),
            // A keyword of the table may share the name.
            _ => self.buffers.iter().find(|b| b.name == name),
        }
    }

    pub fn int(&self, name: &str) -> Option<&IntInfo> {
        match self.find(name) {
            Some(Entry::Int(i)) => self.ints.get(i),
            _ => self.ints.iter().find(|b| b.name == name),
        }
    }

    /// All names, for listings.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().map(|n| n.0)
    }
}
