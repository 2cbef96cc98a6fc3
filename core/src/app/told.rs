//! Records as text, for tests of protocols: `key=value` for each field, `key( … )` for objects and lists.

use alloc::format;
use alloc::string::String;

use super::bench::Bench;
use super::{AppProto, TxView};
use crate::Dir;
use crate::event::{Fields, Nest, Value};

#[derive(Default)]
struct Told {
    text: String,
}

impl Fields for Told {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let v = match value {
            Value::Text(t) => format!("{t}"),
            Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
            Value::U64(n) => format!("{n}"),
            Value::I64(n) => format!("{n}"),
            Value::F64(n) => format!("{n}"),
            Value::Bool(b) => format!("{b}"),
            Value::Hex(b) | Value::Base64(b) => format!("{b:02x?}"),
        };
        self.text += &format!("{key}={v} ");
    }
    fn open(&mut self, key: &str, _: Nest) {
        self.text += &format!("{key}( ");
    }
    fn close(&mut self, _: Nest) {
        self.text += ") ";
    }
}

/// The record of transaction `id`, of the direction to the server.
pub fn record(b: &Bench, proto: &str, id: u64) -> String {
    record_of(b, proto, id, Dir::ToServer)
}

/// The same of a direction.
pub fn record_of(b: &Bench, proto: &str, id: u64, dir: Dir) -> String {
    let Some(proto) = AppProto::by_name(proto) else { return String::new() };
    let view = TxView {
        before: crate::app::AppProto::UNKNOWN,
        proto,
        parser: &*b.parser,
        state: b.st,
        tx: b.tx(id),
        pool: &b.pool,
        files: &b.files,
    };
    let mut told = Told::default();
    view.log(dir, &mut told);
    told.text
}

/// All records, in the order of their transactions.
pub fn records(b: &Bench, proto: &str) -> alloc::vec::Vec<String> {
    b.live().iter().map(|t| record(b, proto, b.parser.common(*t).id)).collect()
}
