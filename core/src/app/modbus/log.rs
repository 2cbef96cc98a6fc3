//! The `modbus` record. In: a request and its answer. Out: their fields.

use super::Exchange;
use super::message::{Data, Message, read};
use super::names::{self, Bits, access, category, error};
use crate::event::Fields;
use crate::pool::BytePool;

impl Exchange {
    pub(super) fn log(&self, id: u64, pool: &BytePool, out: &mut dyn Fields) {
        out.u64("id", id + 1);
        for (d, key) in ["request", "response"].iter().enumerate() {
            if let Some(m) = read(self.bytes[d].get(pool), d == 1) {
                out.begin_object(key);
                message(&m, out);
                out.end_object();
            }
        }
    }
}

fn message(m: &Message<'_>, out: &mut dyn Fields) {
    out.u64("transaction_id", u64::from(m.transaction));
    out.u64("protocol_id", u64::from(m.protocol));
    out.u64("unit_id", u64::from(m.unit));
    out.u64("function_raw", u64::from(m.function));
    out.str("function_code", names::of(names::FUNCTIONS, u16::from(m.function)));
    out.fmt("access_type", format_args!("{}", Bits(m.access, &access::NAMES)));
    out.fmt("category", format_args!("{}", Bits(m.category, &category::NAMES)));
    out.fmt("error_flags", format_args!("{}", Bits(m.errors, &error::NAMES)));
    match m.data {
        Data::Empty => {}
        Data::Exception(code) => coded("exception", names::EXCEPTIONS, u16::from(code), None, out),
        Data::Diagnostic(sub, data) => coded("diagnostic", names::DIAGNOSTICS, sub, Some(data), out),
        Data::Interface(kind, data) => coded("mei", names::INTERFACES, u16::from(kind), Some(data), out),
        Data::Read { address, quantity } => reads(address, quantity, out),
        Data::Values(values) => {
            out.begin_object("read");
            out.base64("data", values);
            out.end_object();
        }
        Data::Write { address, value } => {
            out.begin_object("write");
            out.u64("address", u64::from(address));
            out.u64("data", u64::from(value));
            out.end_object();
        }
        Data::Several { address, quantity, values } => writes(address, quantity, values, out),
        Data::Mask { address, and, or } => {
            out.begin_object("write");
            out.u64("address", u64::from(address));
            out.u64("and_mask", u64::from(and));
            out.u64("or_mask", u64::from(or));
            out.end_object();
        }
        Data::Both { read, address, quantity, values } => {
            reads(read.0, read.1, out);
            writes(address, quantity, values, out);
        }
        Data::Bytes(b) => out.base64("data", b),
    }
}

fn coded(
    key: &str,
    names: &'static [(u16, &'static str)],
    n: u16,
    data: Option<&[u8]>,
    out: &mut dyn Fields,
) {
    out.begin_object(key);
    out.u64("raw", u64::from(n));
    out.str("code", names::of(names, n));
    if let Some(data) = data {
        out.base64("data", data);
    }
    out.end_object();
}

fn reads(address: u16, quantity: u16, out: &mut dyn Fields) {
    out.begin_object("read");
    out.u64("address", u64::from(address));
    out.u64("quantity", u64::from(quantity));
    out.end_object();
}

fn writes(address: u16, quantity: u16, values: &[u8], out: &mut dyn Fields) {
    out.begin_object("write");
    out.u64("address", u64::from(address));
    if values.is_empty() {
        out.u64("data", u64::from(quantity));
    } else {
        out.u64("quantity", u64::from(quantity));
        out.base64("data", values);
    }
    out.end_object();
}
