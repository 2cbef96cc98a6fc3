//! Operating-system policies: which of two overlapping pieces of data a receiver keeps.
//!
//! In: a name of Suricata's `host-os-policy`. Out: [`OsPolicy`], read by IP defragmentation and TCP reassembly.

/// How the receiving host resolves overlaps (Suricata `host-os-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
#[repr(u8)]
pub enum OsPolicy {
    #[default]
    Bsd,
    BsdRight,
    OldLinux,
    Linux,
    OldSolaris,
    Solaris,
    Hpux10,
    Hpux11,
    Irix,
    Macos,
    Windows,
    Vista,
    Windows2k3,
    /// Whatever came first stays (not in `host-os-policy`, but in `defrag` and tests).
    First,
    /// Whatever came last replaces.
    Last,
}

const NAMES: [(&str, OsPolicy); 15] = [
    ("bsd", OsPolicy::Bsd),
    ("bsd-right", OsPolicy::BsdRight),
    ("old-linux", OsPolicy::OldLinux),
    ("linux", OsPolicy::Linux),
    ("old-solaris", OsPolicy::OldSolaris),
    ("solaris", OsPolicy::Solaris),
    ("hpux10", OsPolicy::Hpux10),
    ("hpux11", OsPolicy::Hpux11),
    ("irix", OsPolicy::Irix),
    ("macos", OsPolicy::Macos),
    ("windows", OsPolicy::Windows),
    ("vista", OsPolicy::Vista),
    ("windows2k3", OsPolicy::Windows2k3),
    ("first", OsPolicy::First),
    ("last", OsPolicy::Last),
];

impl OsPolicy {
    /// The policy called `name` (letter case ignored; `-` and `_` are the same), `None` when there is none.
    pub fn from_name(name: &str) -> Option<OsPolicy> {
        let same = |known: &str| {
            known.len() == name.len()
                && known
                    .bytes()
                    .zip(name.bytes())
                    .all(|(k, n)| k == n.to_ascii_lowercase() || (k == b'-' && n == b'_'))
        };
        NAMES.iter().find(|(n, _)| same(n)).map(|&(_, p)| p)
    }

    /// The name in `host-os-policy`.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, p)| *p == self).map_or("bsd", |(n, _)| n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for (name, p) in NAMES {
            assert_eq!(OsPolicy::from_name(name), Some(p));
            assert_eq!(p.name(), name);
        }
        assert_eq!(OsPolicy::from_name("BSD_Right"), Some(OsPolicy::BsdRight));
        assert_eq!(OsPolicy::from_name("beos"), None);
        assert_eq!(OsPolicy::from_name(""), None);
    }
}
