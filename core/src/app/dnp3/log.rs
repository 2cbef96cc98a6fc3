//! The `dnp3` record. In: a message. Out: its fields, with the points of its objects.

use super::objects::{Head, Point, Value, Visit, What, fields, walk};
use super::{INDICATORS, Message, objects_of};
use crate::event::Fields;
use crate::pool::BytePool;

impl Message {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let b = self.data.get(pool);
        let function = b.get(1).copied().unwrap_or(0);
        out.str(
            "type",
            match function {
                130 => "unsolicited_response",
                129.. => "response",
                _ => "request",
            },
        );
        let l = self.link;
        out.begin_object("control");
        out.bool("dir", l.control & 0x80 != 0);
        out.bool("pri", l.control & 0x40 != 0);
        out.bool("fcb", l.control & 0x20 != 0);
        out.bool("fcv", l.control & 0x10 != 0);
        out.u64("function_code", u64::from(l.function()));
        out.end_object();
        out.u64("src", u64::from(l.src));
        out.u64("dst", u64::from(l.dst));
        self.application(b, function, out);
        if let Some(bits) = self.indications(b).filter(|bits| *bits != 0) {
            out.begin_object("iin");
            out.begin_array("indicators");
            for (name, bit) in INDICATORS {
                if u64::from(bits) & bit != 0 {
                    out.str("", name);
                }
            }
            out.end_array();
            out.end_object();
        }
    }

    fn application(&self, b: &[u8], function: u8, out: &mut dyn Fields) {
        let control = b.first().copied().unwrap_or(0);
        out.begin_object("application");
        out.begin_object("control");
        out.bool("fir", control & 0x80 != 0);
        out.bool("fin", control & 0x40 != 0);
        out.bool("con", control & 0x20 != 0);
        out.bool("uns", control & 0x10 != 0);
        out.u64("sequence", u64::from(control & 0x0f));
        out.end_object();
        out.u64("function_code", u64::from(function));
        let (b, read) = objects_of(b);
        let mut told = Told { out, any: false, points: false };
        // What cannot be read is not there; `complete` says so.
        let _broken = walk(b, read, &mut told);
        if told.any {
            told.out.end_array();
        }
        out.bool("complete", self.complete);
        out.end_object();
    }
}

/// Writes what it is told of.
struct Told<'o> {
    out: &'o mut dyn Fields,
    any: bool,
    points: bool,
}

impl Visit for Told<'_> {
    fn object(&mut self, h: &Head) {
        if !self.any {
            self.any = true;
            self.out.begin_array("objects");
        }
        self.out.begin_object("");
        for (key, n) in [
            ("group", u32::from(h.group)),
            ("variation", u32::from(h.variation)),
            ("qualifier", u32::from(h.qualifier)),
            ("prefix_code", u32::from(h.prefix_code)),
            ("range_code", u32::from(h.range_code)),
            ("start", h.start),
            ("stop", h.stop),
            ("count", h.count),
        ] {
            self.out.u64(key, u64::from(n));
        }
    }

    fn point(&mut self, h: &Head, p: &Point<'_>) {
        let out = &mut *self.out;
        if !self.points {
            self.points = true;
            out.begin_array("points");
        }
        out.begin_object("");
        out.u64("prefix", u64::from(p.prefix));
        out.u64("index", u64::from(p.index));
        if (4..=6).contains(&h.prefix_code) {
            out.u64("size", u64::from(p.prefix));
        }
        match p.what {
            What::Bit(state) => out.u64("state", u64::from(state)),
            What::Fields(layout, b) => {
                let _whole = fields(layout, b, |v| match v {
                    Value::Bits(names, byte) => {
                        let mut at = 0u32;
                        for (name, n) in names {
                            let mask = (1u16 << n) - 1;
                            out.u64(name, u64::from(u16::from(byte) >> at & mask));
                            at += u32::from(*n);
                        }
                    }
                    Value::Number(name, n) => out.u64(name, n),
                    Value::Signed(name, n) => out.i64(name, n),
                    Value::Float(name, n) => out.f64(name, n),
                    Value::Text(name, t) => out.bytes(name, t),
                });
            }
        }
        out.end_object();
    }

    fn end(&mut self) {
        if self.points {
            self.points = false;
            self.out.end_array();
        }
        self.out.end_object();
    }
}
