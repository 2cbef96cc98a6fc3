//! The `enip` record. In: a request and its answer. Out: their fields.

use super::message::{self, Head, Segment, Visit};
use super::{Exchange, LIST_IDENTITY, LIST_SERVICES, REGISTER, SEND_RR, SEND_UNIT, names};
use crate::app::plain::le16;
use crate::event::Fields;
use crate::pool::BytePool;

/// The name of a number, or that it is not known.
fn named(key: &str, names: &[(&'static str, u64)], n: u64, out: &mut dyn Fields) {
    match names::of(names, n) {
        Some(name) => out.str(key, name),
        None => out.fmt(key, format_args!("unknown-{n}")),
    }
}

impl Exchange {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        for (d, key) in ["request", "response"].iter().enumerate() {
            if let Some(h) = self.heads[d] {
                out.begin_object(key);
                side(h, self.data[d].get(pool), d == 1, out);
                out.end_object();
            }
        }
    }
}

fn side(h: Head, b: &[u8], answer: bool, out: &mut dyn Fields) {
    named("command", names::COMMANDS, u64::from(h.command), out);
    named("status", names::STATUSES, u64::from(h.status), out);
    match h.command {
        REGISTER => {
            if let (Some(version), Some(options)) = (le16(b, 0), le16(b, 2)) {
                out.begin_object("register_session");
                out.u64("protocol_version", u64::from(version));
                out.u64("options", u64::from(options));
                out.end_object();
            }
        }
        LIST_SERVICES if answer => {
            if let Some((version, capabilities, name)) = message::services(b) {
                out.begin_object("list_services");
                out.u64("protocol_version", u64::from(version));
                out.u64("capabilities", u64::from(capabilities));
                out.bytes("service_name", name);
                out.end_object();
            }
        }
        LIST_IDENTITY if answer => identity(b, out),
        SEND_RR | SEND_UNIT => {
            let mut told = Told { out, open: 0, path: false, class: None };
            // What cannot be read is not there.
            let _broken = message::cip(b, answer, &mut told);
            told.close(0);
        }
        _ => {}
    }
}

fn identity(b: &[u8], out: &mut dyn Fields) {
    let Some((i, name)) = message::identity(b) else { return };
    out.begin_object("identity");
    out.u64("protocol_version", u64::from(i.version));
    out.fmt("revision", format_args!("{}.{}", i.revision >> 8, i.revision & 0xff));
    out.fmt("vendor_id", format_args!("{}", i.vendor));
    named("device_type", names::DEVICES, u64::from(i.device), out);
    out.u64("product_code", u64::from(i.product));
    out.u64("status", u64::from(i.status));
    out.u64("serial", u64::from(i.serial));
    out.bytes("product_name", name);
    out.u64("state", u64::from(i.state));
    out.end_object();
}

/// Writes the CIP that it is told of.
struct Told<'o> {
    out: &'o mut dyn Fields,
    /// Open: 1 the call, 2 the list of several, 3 one of them.
    open: u8,
    path: bool,
    class: Option<u32>,
}

impl Told<'_> {
    /// Ends the path, and names the class in it.
    fn end_path(&mut self) {
        if core::mem::take(&mut self.path) {
            self.out.end_array();
        }
        if let Some(name) = self.class.take().and_then(|c| names::of(names::CLASSES, u64::from(c))) {
            self.out.str("class_name", name);
        }
    }

    /// Closes what is open beyond `to`.
    fn close(&mut self, to: u8) {
        self.end_path();
        while self.open > to {
            if self.open == 2 {
                self.out.end_array();
            } else {
                self.out.end_object();
            }
            self.open -= 1;
        }
    }

    fn begin(&mut self, inner: bool) {
        self.close(if inner { 2 } else { 0 });
        self.out.begin_object(if inner { "" } else { "cip" });
        self.open += 1;
    }
}

impl Visit for Told<'_> {
    fn request(&mut self, service: u8, inner: bool) {
        self.begin(inner);
        named("service", names::SERVICES, u64::from(service), self.out);
    }
    fn segment(&mut self, s: Segment, value: u32, bytes: u8) {
        if !self.path {
            self.path = true;
            self.out.begin_array("path");
        }
        let name = match s {
            Segment::Class => {
                self.class = Some(value);
                "class"
            }
            Segment::Instance => "instance",
            Segment::Attribute => "attr",
        };
        self.out.begin_object("");
        self.out.fmt("segment_type", format_args!("{name}_{}bits", 8 * u32::from(bytes)));
        self.out.u64("value", u64::from(value));
        self.out.end_object();
    }
    fn answer(&mut self, service: u8, status: u8, more: Option<u16>, inner: bool) {
        self.begin(inner);
        named("service", names::SERVICES, u64::from(service), self.out);
        named("status", names::CIP_STATUSES, u64::from(status), self.out);
        if let Some(more) = more {
            self.out.fmt("status_extended", format_args!("{more:04x}"));
        }
    }
    fn several(&mut self, begin: bool) {
        if begin {
            self.end_path();
            self.out.begin_array("multiple");
            self.open = 2;
        } else {
            self.close(1);
        }
    }
    fn end(&mut self, inner: bool) {
        self.close(if inner { 2 } else { 0 });
    }
}
