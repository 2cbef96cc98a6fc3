//! A conversation of any bytes on the ports of HTTP, DNS, TLS and others, or behind the beginning of a protocol that is
//! known by it (those of `sessions::TALKS` among them): however it is cut into segments, the records of its transactions are the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::fmt::Write;
use tidegate_core::engine::{Config, MemoryPlan};
use tidegate_core::event::{Event, EventSink, Fields, Nest, Value};
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::secret::CAPTURES;
use tidegate_fuzz::common::sessions::TALKS;
use tidegate_fuzz::common::wire::{ACK, PSH, Wire};
use tidegate_fuzz::{Input, common};

thread_local! {
    static SETTINGS: tidegate_dataplane::config::Settings = common::settings();
    static RULES: common::Rules = common::rules("", &common::settings());
}

/// The records as text.
#[derive(Default)]
struct Records {
    all: Vec<String>,
    text: String,
}

impl Fields for Records {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let _ = write!(self.text, "{key}={value:?};");
    }
    fn open(&mut self, key: &str, nest: Nest) {
        let _ = write!(self.text, "{key}{nest:?}(");
    }
    fn close(&mut self, _: Nest) {
        self.text.push(')');
    }
}

impl EventSink for Records {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Tx(t) = event {
            self.text.clear();
            t.tx.log(t.dir, self);
            // When the pieces of an answer came is not the same for other segments.
            if let Some(from) = self.text.find("timingObject(") {
                let to = self.text[from..].find(')').map_or(self.text.len(), |n| from + n + 1);
                self.text.replace_range(from..to, "");
            }
            self.all.push(self.text.clone());
        }
    }
}

const PORTS: &[u16] = &[
    80, 53, 443, 25, 21, 22, 8080, 139, 6379, 1883, 5432, 5900, 110, 3389, 445, 135, 2049, 88, 44_818, 502,
    20_000,
];

/// What a client and a server say first: WebSocket, Redis, NVMe/TCP.
const BEGINNINGS: &[(u16, &[u8], &[u8])] = &[
    (
        80,
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ),
    (6379, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", b"%1\r\n+proto\r\n:3\r\n"),
    (4420, &opening(0), &opening(1)),
];

/// ICReq and ICResp.
const fn opening(kind: u8) -> [u8; 128] {
    let mut p = [0; 128];
    p[0] = kind;
    p[2] = 128;
    p[4] = 128;
    p
}

/// The records when every message is sent in pieces of the sizes of `cuts`, in turn.
fn records(port: u16, messages: &[(usize, &[u8])], cuts: &[usize]) -> Vec<String> {
    let mut w = Wire::new();
    let mut t = w.tcp((1, 40_000), (2, port));
    let mut cut = cuts.iter().cycle();
    for (from, bytes) in messages {
        let mut at = 0;
        while at < bytes.len() {
            let n = (*cut.next().unwrap_or(&1400)).min(bytes.len() - at);
            t.segment(*from, ACK | PSH, &bytes[at..at + n]);
            t.acknowledged(*from, n);
            at += n;
        }
    }
    t.close();
    let mut sink = Records::default();
    RULES.with(|rules| {
        let mut e = common::engine(config(), rules);
        common::run(&mut e, &common::frames(&w.frames), 32, &mut sink);
    });
    sink.all.sort();
    sink.all
}

fn config() -> Config {
    let mode = Mode { ips: false, ignore_checksums: true, memory: MemoryPlan::LEAST, secret: CAPTURES };
    SETTINGS.with(|s| s.engine(mode).expect("enough"))
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let which = usize::from(input.byte()) % (PORTS.len() + BEGINNINGS.len() + TALKS.len());
    let beginning = which.checked_sub(PORTS.len()).and_then(|i| BEGINNINGS.get(i));
    let talk = which.checked_sub(PORTS.len() + BEGINNINGS.len()).map(|i| TALKS[i]);
    let port = beginning.map(|b| b.0).or(talk.map(|t| t.0)).unwrap_or_else(|| PORTS[which]);
    let cuts: Vec<usize> = (0..3).map(|_| 1 + usize::from(input.byte()) % 97).collect();
    let mut messages: Vec<(usize, &[u8])> = Vec::new();
    if let Some(&(_, client, server)) = beginning {
        messages.extend([(0, client), (1, server)]);
    }
    if let Some((_, turns)) = talk {
        // Some of the conversation, then what comes.
        messages.extend(turns.iter().take(usize::from(input.byte()) % (turns.len() + 1)));
    }
    let most = messages.len() + 8;
    while !input.is_empty() && messages.len() < most {
        let head = input.word();
        let n = usize::from(head >> 1).min(1400);
        messages.push((usize::from(head & 1), input.take(n)));
    }
    let whole = records(port, &messages, &[1400]);
    let cut = records(port, &messages, &cuts);
    assert_eq!(whole, cut);
});
