//! From indicators to an [`Intel`]: one after the other goes in; of equal ones the one that is worth most stays. Called when
//! intelligence is loaded; takes memory as it likes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::kind::{Key, Kind};
use super::look;
use super::table::{Record, Table, UNSAID};
use super::{About, Intel};
use crate::event::Action;
use crate::keyed::Secret;
use crate::policy::prefix::{Networks, Prefix};
use crate::rules::RuleMeta;

/// Why an indicator was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The text is none of its kind.
    Malformed,
    /// There are too many (2^31), or their values take more than 4 GB.
    Full,
}

/// `gid` of the alerts.
pub const GID: u32 = 16;

/// Collects indicators.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
    records: Vec<Record>,
    abouts: Vec<About>,
    known: BTreeMap<About, u32>,
    networks: Vec<(Prefix, u32)>,
    key: Key,
}

impl Builder {
    /// The number of what is said, for [`Builder::add`].
    pub fn about(&mut self, a: &About) -> u32 {
        if let Some(n) = self.known.get(a) {
            return *n;
        }
        let n = self.abouts.len() as u32;
        self.abouts.push(a.clone());
        self.known.insert(a.clone(), n);
        n
    }

    /// Adds an indicator. `until`: seconds since the epoch after which it does not count.
    ///
    /// # Errors
    /// [`Refused`] says why it was not taken.
    pub fn add(
        &mut self,
        kind: Kind,
        text: &[u8],
        about: u32,
        confidence: Option<u8>,
        until: Option<u32>,
    ) -> Result<(), Refused> {
        let number = self.records.len() as u32;
        if kind == Kind::Network {
            let text = core::str::from_utf8(text).map_err(|_| Refused::Malformed)?.trim();
            let p = Prefix::parse(text).ok_or(Refused::Malformed)?;
            if p.len == if p.v6 { 128 } else { 32 } {
                let (addr, _) = text.split_once('/').unwrap_or((text, ""));
                return self.add(Kind::Address, addr.as_bytes(), about, confidence, until);
            }
            self.networks.push((p, number + 1));
            return self.push(Kind::Network, text.as_bytes(), about, confidence, until);
        }
        let mut key = core::mem::take(&mut self.key);
        let good = key.of(kind, text);
        let done =
            if good { self.push(kind, key.get(), about, confidence, until) } else { Err(Refused::Malformed) };
        self.key = key;
        done
    }

    fn push(
        &mut self,
        kind: Kind,
        value: &[u8],
        about: u32,
        confidence: Option<u8>,
        until: Option<u32>,
    ) -> Result<(), Refused> {
        let at = u32::try_from(self.bytes.len()).map_err(|_| Refused::Full)?;
        if self.records.len() >= 1 << 30 {
            return Err(Refused::Full);
        }
        self.bytes.extend_from_slice(value);
        self.records.push(Record {
            at,
            len: value.len() as u16,
            kind,
            confidence: confidence.map_or(UNSAID, |c| c.min(100)),
            about,
            until: until.unwrap_or(0),
        });
        Ok(())
    }

    /// Indicators so far, equal ones included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The tables, and how many indicators were there more than once.
    pub fn build(mut self, secret: Secret) -> (Intel, usize) {
        // Of equal networks the last one counts: the one that is worth most.
        let mut nets = self.networks;
        nets.sort_by_key(|(_, n)| self.records.get(*n as usize - 1).map(Record::worth));
        self.bytes.shrink_to_fit();
        self.records.shrink_to_fit();
        let table = Table::new(self.bytes, self.records, self.abouts, secret.word(*b"intel   "));
        let (looks, wanted) = look::all(&table);
        let twice = table.twice();
        let intel = Intel {
            nets: !nets.is_empty(),
            networks: Networks::new(nets),
            looks,
            wanted,
            metas: Kind::ALL.map(meta).into(),
            table,
        };
        (intel, twice)
    }
}

/// The rule by which hits of a kind are told.
fn meta(kind: Kind) -> RuleMeta {
    RuleMeta {
        action: Action::Alert,
        gid: GID,
        sid: kind as u32 + 1,
        rev: 1,
        msg: alloc::format!("intelligence: {} known to be bad", kind.name()),
        classtype: String::from("intelligence"),
        category: String::from("Known to be bad"),
        priority: 2,
        metadata: Vec::new(),
        references: Vec::new(),
        tags: false,
        target: None,
        text: String::new(),
        line: 0,
        file: 0,
        further: Vec::new(),
    }
}
