//! What tests of parsers share beside [`Bench`]: records as text, and transactions cut anyhow.

use alloc::string::String;
use alloc::vec::Vec;

use super::bench::Bench;
use super::{AppProto, IntAt, ProtoDef, TxView};
use crate::Dir;
use crate::event::{Fields, Nest, Value};

/// A record as text: `key=value`, `key{ … }`, `key[ … ]`.
struct Out<'a> {
    text: String,
    wants: &'a [&'a str],
    limit: Option<u64>,
}

impl Fields for Out<'_> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let v = match value {
            Value::Bytes(v) => String::from_utf8_lossy(v).into_owned(),
            Value::U64(v) => alloc::format!("{v}"),
            Value::I64(v) => alloc::format!("{v}"),
            Value::F64(v) => alloc::format!("{v}"),
            Value::Bool(v) => alloc::format!("{v}"),
            Value::Text(v) => alloc::format!("{v}"),
            Value::Hex(v) | Value::Base64(v) => v.iter().map(|b| alloc::format!("{b:02x}")).collect(),
        };
        self.text += &if key.is_empty() { alloc::format!("{v} ") } else { alloc::format!("{key}={v} ") };
    }
    fn open(&mut self, key: &str, nest: Nest) {
        self.text += key;
        self.text += if nest == Nest::List { "[ " } else { "{ " };
    }
    fn close(&mut self, nest: Nest) {
        self.text += if nest == Nest::List { "] " } else { "} " };
    }
    fn wants(&self, option: &str) -> bool {
        self.wants.contains(&option)
    }
    fn limit(&self, _: &str) -> Option<u64> {
        self.limit
    }
}

/// The record of transaction number `id`, with options that are wanted and a limit of texts.
pub fn record_with(b: &Bench, def: &ProtoDef, id: u64, wants: &[&str], limit: Option<u64>) -> String {
    let mut out = Out { text: String::new(), wants, limit };
    b.parser.log(&view(b, def, id), Dir::ToServer, &mut out);
    String::from(out.text.trim_end())
}

/// As [`record_with`], with neither.
pub fn record(b: &Bench, def: &ProtoDef, id: u64) -> String {
    record_with(b, def, id, &[], None)
}

/// The record as events show it, of a direction: with what is written beside the parser's own fields.
pub fn record_of(b: &Bench, def: &ProtoDef, id: u64, dir: Dir) -> String {
    let mut out = Out { text: String::new(), wants: &[], limit: None };
    view(b, def, id).log(dir, &mut out);
    out.text
}

/// [`record_of`] of all transactions in their order, of the direction to the server.
pub fn records(b: &Bench, def: &ProtoDef) -> Vec<String> {
    b.live().iter().map(|t| record_of(b, def, b.parser.common(*t).id, Dir::ToServer)).collect()
}

fn view<'a>(b: &'a Bench, def: &ProtoDef, id: u64) -> TxView<'a> {
    TxView {
        before: AppProto::UNKNOWN,
        proto: AppProto::by_name(def.name).unwrap(),
        parser: &*b.parser,
        state: b.st,
        tx: b.tx(id),
        pool: &b.pool,
        files: &b.files,
    }
}

/// Every value of the named buffer, with its transaction's number.
pub fn values(b: &mut Bench, def: &ProtoDef, name: &str, dir: Dir) -> Vec<(u64, String)> {
    let local = super::buffer_at(def.buffers, name);
    b.values(local, dir).into_iter().map(|(i, v)| (i, String::from_utf8_lossy(&v).into_owned())).collect()
}

/// Every value of the named number of a transaction.
pub fn ints(b: &Bench, def: &ProtoDef, id: u64, name: &str, dir: Dir) -> Vec<u64> {
    let local = super::int_at(def.ints, name);
    let at = |index| b.parser.int(b.st, b.tx(id), IntAt { local, dir, index, pool: &b.pool });
    let one = !def.ints[usize::from(local)].multi;
    (0..if one { 1 } else { 1000 }).map_while(at).collect()
}

/// Names of the events of a transaction.
pub fn events(b: &Bench, def: &ProtoDef, id: u64) -> Vec<&'static str> {
    let bits = b.events(id);
    def.events.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, n)| *n).collect()
}

/// All that can be seen of all transactions: values of buffers, records with events, numbers.
pub type Seen = (Vec<(u64, Vec<u8>)>, Vec<String>, Vec<u64>);

pub fn seen(b: &mut Bench, def: &ProtoDef) -> Seen {
    let ids: Vec<u64> = b.live().into_iter().map(|t| b.parser.common(t).id).collect();
    let mut told = Vec::new();
    let mut numbers = Vec::new();
    for id in ids {
        let steps = b.parser.common(b.tx(id)).steps();
        told.push(alloc::format!("{id} {steps:?} {} {:?}", record(b, def, id), events(b, def, id)));
        for n in def.ints {
            for dir in Dir::BOTH {
                numbers.extend(ints(b, def, id, n.name, dir));
            }
        }
    }
    (b.everything(def), told, numbers)
}

/// Bytes of both directions in turns.
pub type Talk<'a> = &'a [(Dir, &'a [u8])];

/// Feeds a conversation of a stream, whole or in pieces of the lengths in `cuts`.
pub fn talk(b: &mut Bench, turns: Talk<'_>, cuts: &[usize]) {
    for (dir, bytes) in turns {
        if cuts.is_empty() {
            b.feed(*dir, bytes);
        } else {
            b.feed_cut(*dir, bytes, cuts);
        }
    }
}

/// The same however it is cut.
pub fn cut_is_whole(def: &ProtoDef, turns: Talk<'_>, cuts: &[usize]) {
    let (mut whole, mut cut) = (Bench::new(def), Bench::new(def));
    talk(&mut whole, turns, &[]);
    talk(&mut cut, turns, cuts);
    assert_eq!(seen(&mut cut, def), seen(&mut whole, def));
    whole.close();
    cut.close();
}

/// Bytes changed anywhere, a hole of `gap` bytes, and bytes of chance behind it: nothing panics, all is given back.
pub fn mutated(
    def: &ProtoDef,
    turns: Talk<'_>,
    changes: &[(proptest::sample::Index, u8)],
    gap: u32,
    tail: &[u8],
) {
    let mut b = Bench::new(def);
    let mut all: Vec<(Dir, Vec<u8>)> = turns.iter().map(|(d, t)| (*d, t.to_vec())).collect();
    for (at, v) in changes {
        let i = at.index(all.iter().map(|t| t.1.len()).sum());
        let mut left = i;
        for (_, t) in &mut all {
            if left < t.len() {
                t[left] = *v;
                break;
            }
            left -= t.len();
        }
    }
    let half = all.len() / 2;
    for (i, (dir, bytes)) in all.iter().enumerate() {
        let gap = if i == half { gap } else { 0 };
        b.give(crate::app::Input { dir: *dir, data: bytes, gap, eof: false, datagram: false });
    }
    for dir in Dir::BOTH {
        b.feed(dir, tail);
        b.give(crate::app::Input { dir, data: &[], gap: 0, eof: true, datagram: false });
    }
    seen(&mut b, def);
    b.close();
}
