//! A request and an answer of an AI service, of any bytes: whole, or cut anywhere, they are the same calls with the same
//! records and events, and a text is judged without harm. The readers of JSON, protocol buffers, events, lines, gRPC
//! messages and event streams are all behind it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::fmt::Write;
use tidegate_core::Dir;
use tidegate_core::ai::risk::Risk;
use tidegate_core::app::bodies::{Bodies, BodyCx, BodyId, Carrier, Ended, Head, Lodging, Origin};
use tidegate_core::app::file::Files;
use tidegate_core::app::{AppConfig, TxView, Wanted};
use tidegate_core::event::{Fields, Nest, Value};
use tidegate_core::pool::{BytePool, Scratch};
use tidegate_fuzz::Input;

thread_local! {
    static RISK: std::cell::RefCell<Risk> = std::cell::RefCell::new(Risk::default());
}

/// Requests by method, path and content type, and what their answers are.
const KINDS: &[(&str, &str, &str, &str, Carrier)] = &[
    ("POST", "/v1/chat/completions", "application/json", "text/event-stream", Carrier::Http1),
    ("POST", "/v1/responses", "application/json", "application/json", Carrier::Http2),
    ("POST", "/v1/messages", "application/json", "text/event-stream", Carrier::Http1),
    ("POST", "/api/chat", "application/json", "application/x-ndjson", Carrier::Http1),
    ("POST", "/mcp", "application/json", "text/event-stream", Carrier::Http1),
    (
        "POST",
        "/model/m/invoke-with-response-stream",
        "application/json",
        "application/vnd.amazon.eventstream",
        Carrier::Http1,
    ),
    (
        "POST",
        "/inference.GRPCInferenceService/ModelInfer",
        "application/grpc",
        "application/grpc",
        Carrier::Http2,
    ),
    ("POST", "/a.Service/B", "application/grpc", "application/grpc", Carrier::Http2),
    ("GET", "/v1/realtime", "", "", Carrier::WebSocket),
];

struct Made(&'static (&'static str, &'static str, &'static str, &'static str, Carrier));

impl Head for Made {
    fn field<'p>(&'p self, dir: Dir, name: &str, _: &'p BytePool) -> Option<&'p [u8]> {
        let v = match (dir, name) {
            (_, ":method") => self.0.0,
            (_, ":path") => self.0.1,
            (Dir::ToServer, "content-type") => self.0.2,
            (Dir::ToClient, "content-type") => self.0.3,
            (Dir::ToClient, ":status") => "200",
            _ => return None,
        };
        Some(v.as_bytes())
    }
}

#[derive(Default)]
struct Text(String);

impl Fields for Text {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let _ = write!(self.0, "{key}={value:?};");
    }
    fn open(&mut self, key: &str, nest: Nest) {
        let _ = write!(self.0, "{key}{nest:?}(");
    }
    fn close(&mut self, _: Nest) {
        self.0.push(')');
    }
    fn wants(&self, option: &str) -> bool {
        option == "content"
    }
}

fn records(kind: usize, bodies: [&[u8]; 2], cuts: &[u8]) -> String {
    let cfg = AppConfig {
        max_states: 4,
        max_txs: 64,
        max_files: 4,
        ai_risk: true,
        records: 1 << 20,
        decoders: 1 << 20,
        ..AppConfig::default()
    };
    let (mut pool, mut scratch) = (BytePool::new(4 << 20), Scratch::new(64 << 10));
    let mut home = Bodies::new(&cfg, &tidegate_core::pool::Arena::new(cfg.records));
    let mut lodging = Lodging::default();
    let head = Made(&KINDS[kind]);
    let o = Origin { carrier: KINDS[kind].4, tx: 0, head: &head };
    let mut id = BodyId::default();
    for dir in Dir::BOTH {
        let mut cx = BodyCx {
            pool: &mut pool,
            scratch: &mut scratch,
            cfg: &cfg,
            now: 1,
            shown: true,
            lodging: &mut lodging,
            wanted: Wanted::ALL,
        };
        home.begin(&mut id, dir, &o, &mut cx);
        let (mut rest, mut n) = (bodies[dir.ix()], 0);
        while !rest.is_empty() {
            let size = match cuts.get(n % cuts.len().max(1)) {
                Some(c) => 1 + usize::from(*c % 16),
                None => rest.len(),
            };
            let (now, later) = rest.split_at(size.min(rest.len()));
            home.data(id, dir, now, &o, &mut cx);
            (rest, n) = (later, n + 1);
        }
        home.end(id, dir, Ended::Whole, &o, &mut cx);
    }
    let mut out = Text::default();
    for place in 0..2 {
        let Some((proto, state)) = home.layer(&lodging, place) else { continue };
        let Some(parser) = home.parser(proto) else { continue };
        let mut tx = parser.next_tx(state, None);
        while let Some(t) = tx {
            let files = Files::new(&cfg);
            let view = TxView {
                proto,
                before: tidegate_core::app::AppProto::UNKNOWN,
                parser,
                state,
                tx: t,
                pool: &pool,
                files: &files,
            };
            let _ = write!(out.0, "{} {:x}:", parser.log_at_end(t), parser.common(t).events);
            view.log(Dir::ToServer, &mut out);
            tx = parser.next_tx(state, Some(t));
        }
    }
    out.0
}

fuzz_target!(|data: &[u8]| {
    let mut i = Input(data);
    let kind = usize::from(i.byte()) % KINDS.len();
    let cuts: Vec<u8> = (0..1 + i.byte() % 8).map(|_| i.byte()).collect();
    let middle = usize::from(i.byte()) * 8;
    let rest = i.0;
    let (request, answer) = rest.split_at(middle.min(rest.len()));
    let whole = records(kind, [request, answer], &[]);
    assert_eq!(whole, records(kind, [request, answer], &cuts));
    RISK.with_borrow_mut(|r| {
        let v = r.classify(rest);
        assert!(v.score <= 100 && v.evidence.iter().all(|e| e.from <= e.to && e.to as usize <= rest.len()));
    });
});
