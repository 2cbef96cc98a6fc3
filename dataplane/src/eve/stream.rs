//! `stream_tcp` records: packets of TCP sessions, for people who look into reassembly.

use tidegate_core::event::StreamSeen;

use super::Output;
use super::header::{About, Ends};

impl Output {
    pub(super) fn stream(&mut self, s: &StreamSeen<'_>) {
        let Some(wanted) = self.settings.stream else { return };
        let mut events = s.events().peekable();
        let some = events.peek().is_some();
        if !(wanted.all || (wanted.events && some) || (wanted.states && s.changed)) {
            return;
        }
        let p = s.packet;
        let about = About { packet: Some(p), flow: Some(&s.flow), dir: s.dir };
        self.header("stream_tcp", p.ts, about, &Ends::of_packet(p));
        self.options(about);
        let j = &mut self.json;
        j.word("direction", if s.dir == tidegate_core::Dir::ToServer { "to_server" } else { "to_client" });
        j.open("stream_tcp");
        j.open("packet");
        j.uint("seq", u64::from(p.tcp.seq));
        j.uint("ack", u64::from(p.tcp.ack));
        j.uint("win", u64::from(p.tcp.window));
        j.uint("flags", u64::from(p.tcp.flags));
        j.uint("payload_len", u64::from(p.payload.len));
        j.uint("len", p.data.len() as u64);
        j.close();
        j.open("session");
        j.word("state", s.state.name());
        j.close();
        if some {
            j.open_list("events");
            for name in events {
                j.word("", &format!("stream.{name}"));
            }
            j.close_list();
        }
        j.close();
        self.end();
    }
}
