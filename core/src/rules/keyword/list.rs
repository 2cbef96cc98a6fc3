//! All keywords with what they are, for people: the tables of this folder and what protocols describe. Called by
//! `tidegate run --list-keywords`.

use alloc::vec::Vec;

use super::FAMILIES;
use crate::app::registry::PROTOCOLS;

/// A keyword of the rule language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub name: &'static str,
    /// `keyword`, `sticky buffer`, `content modifier`, `number`.
    pub kind: &'static str,
    /// The protocols that it is of; none when it is of no protocol in particular.
    pub protos: Vec<&'static str>,
    /// It takes no value.
    pub bare: bool,
}

/// Each keyword once, in order of name, other spellings among them.
pub fn all() -> Vec<Listed> {
    let mut out: Vec<Listed> = Vec::new();
    let mut add = |name, kind, proto: &'static str, bare| {
        let protos = if proto.is_empty() { Vec::new() } else { alloc::vec![proto] };
        out.push(Listed { name, kind, protos, bare });
    };
    for k in FAMILIES.iter().copied().flatten() {
        let bare = k.value == super::Value::None;
        core::iter::once(&k.name).chain(k.aliases).for_each(|n| add(n, "keyword", "", bare));
    }
    for p in PROTOCOLS {
        for b in p.buffers.iter().filter(|b| !b.name.starts_with("frame:")) {
            core::iter::once(&b.name).chain(b.aliases).for_each(|n| add(n, "sticky buffer", p.name, true));
            b.modifiers.iter().for_each(|n| add(n, "content modifier", p.name, true));
        }
        for i in p.ints {
            for n in core::iter::once(&i.name).chain(i.aliases) {
                add(n.split('=').next().unwrap_or(n), "number", p.name, false);
            }
        }
    }
    out.sort();
    // A buffer of several protocols is one keyword.
    out.dedup_by(|later, kept| {
        let same = later.name == kept.name;
        if same {
            kept.protos.append(&mut later.protos);
            kept.protos.sort_unstable();
            kept.protos.dedup();
        }
        same
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_once() {
        let all = all();
        assert!(all.is_sorted_by(|a, b| a.name < b.name));
        let of = |n: &str| all.iter().find(|l| l.name == n).map(|l| (l.kind, l.protos.clone(), l.bare));
        assert!(of("http.uri").is_some_and(|k| k.0 == "sticky buffer" && k.2));
        assert_eq!(of("content"), Some(("keyword", alloc::vec![], false)));
        assert_eq!(of("nocase").map(|k| k.2), Some(true));
        assert!(of("dns.opcode").is_some_and(|k| k.0 == "number"), "{:?}", of("dns.opcode"));
    }
}
