//! `fast.log`: one line per alert, for people.

use std::io::Write;
use std::sync::Arc;

use tidegate_core::event::{Alert, Event};

use super::{APPEND, Lines, Log, Said, address, filename, moment};
use crate::config::outputs::{Found, Kind};
use crate::config::unheeded::{Kind as Value, moot};
use crate::eve::json::Json;
use crate::eve::names;

pub const KIND: Kind = Kind {
    name: "fast",
    several: false,
    read: |_, n, _| Ok(Found::Log(Arc::new(Fast { filename: filename(n, "fast.log") }))),
    unheeded: &[moot("outputs.*.fast.append", Value::Flag, APPEND)],
};

/// Its settings.
#[derive(Debug)]
struct Fast {
    filename: String,
}

impl Log for Fast {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn file(&self) -> &str {
        &self.filename
    }

    fn lines(&self, _ips: bool, _room: usize) -> Box<dyn Lines> {
        Box::new(FastLine { text: Json::with_capacity(4096) })
    }
}

/// Makes the lines.
#[derive(Debug)]
struct FastLine {
    text: Json,
}

impl Lines for FastLine {
    fn say(&mut self, said: &Said<'_>) {
        if let Said::Event { event: Event::Alert(a), .. } = said {
            self.alert(a);
        }
    }

    fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text.buf
    }
}

impl FastLine {
    /// `06/13/2016-14:49:22.123456  [**] [1:1:1] msg [**] [Classification: c] [Priority: 3] {TCP} a:1 -> b:2`;
    /// nothing for packets that are only tagged.
    fn alert(&mut self, a: &Alert<'_>) {
        if a.tagged {
            return;
        }
        let r = a.rule;
        let t = &mut self.text;
        let class = if r.category.is_empty() { "(null)" } else { r.category.as_str() };
        let mark = match (a.allowed, a.action.is_drop()) {
            (false, _) => "[Drop] ",
            (true, true) => "[wDrop] ",
            (true, false) => "",
        };
        moment(t, a.packet.ts);
        // Writing to a Vec cannot fail.
        let _ = write!(
            t.buf,
            "  {mark}[**] [{}:{}:{}] {} [**] [Classification: {class}] [Priority: {}] ",
            r.gid, r.sid, r.rev, r.msg, r.priority
        );
        let p = a.packet;
        match names::protocol(p.proto) {
            Some(name) => {
                let _ = write!(t.buf, "{{{name}}} ");
            }
            None => {
                let _ = write!(t.buf, "{{PROTO:{:03}}} ", p.proto);
            }
        }
        let (sp, dp) = match p.proto {
            1 | 58 => (u16::from(p.icmp.kind), u16::from(p.icmp.code)),
            _ => (p.sp, p.dp),
        };
        for (i, (addr, port)) in [(p.src, sp), (p.dst, dp)].into_iter().enumerate() {
            address(t, &addr, p.is_ipv6());
            let _ = write!(t.buf, ":{port}{}", if i == 0 { " -> " } else { "" });
        }
        t.buf.push(b'\n');
    }
}
