//! Work a byte of a message is bounded, whatever the message says: for every request of every dialect, each path of its
//! JSON or protocol buffers is said over and over, in one message and in events, and what is read, copied and walked over is
//! counted against the same path with values of ordinary length.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::dialect::{Route, Wire};
use super::json::Path;
use super::registry;
use super::tests::{Exchange, run};
use crate::Dir;
use crate::app::bodies::Carrier;
use crate::app::entries::work;

/// At most so many times an ordinary message.
const MOST: f64 = 8.0;
const TIMES: usize = 600;

/// JSON in which a path has those values.
fn nest(path: &str, values: &[String]) -> String {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let key = first.trim_end_matches("[]");
    let lists = (first.len() - key.len()) / 2;
    let key = if key == "*" { "k" } else { key };
    let inner = match rest {
        Some(rest) => nest(rest, values),
        None if lists == 0 => {
            let all: Vec<String> = values.iter().map(|v| format!("\"{key}\":{v}")).collect();
            return format!("{{{}}}", all.join(","));
        }
        None => values.join(","),
    };
    let list = format!("{}{inner}{}", "[".repeat(lists), "]".repeat(lists));
    if key.is_empty() { list } else { format!("{{\"{key}\":{list}}}") }
}

/// The same in protocol buffers: fields by number, each a text.
fn fields(path: &str, values: &[String]) -> Vec<u8> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let number: u8 = first.parse().unwrap();
    let mut out = Vec::new();
    let mut put = |inner: &[u8]| {
        out.push(number << 3 | 2);
        let mut n = inner.len();
        while n > 127 {
            out.push((n & 127) as u8 | 128);
            n >>= 7;
        }
        out.push(n as u8);
        out.extend_from_slice(inner);
    };
    match rest {
        Some(rest) => put(&fields(rest, values)),
        None => values.iter().for_each(|v| put(v.as_bytes())),
    }
    out
}

fn framed(message: &[u8]) -> Vec<u8> {
    let n = (message.len() as u32).to_be_bytes();
    [&[0][..], &n, message].concat()
}

/// Work a byte of one exchange.
fn cost(route: &'static Route, dir: Dir, body: &[u8], kind: &str) -> f64 {
    let path = route.path.replace("{-}", "x").replace("{}", "m").replace('*', "/x");
    let path = if path.starts_with("//") { path[1..].to_string() } else { path };
    let method = if route.method.is_empty() { "POST" } else { route.method };
    let carrier = match route.wire {
        Wire::Socket => Carrier::WebSocket,
        Wire::Grpc => Carrier::Http2,
        Wire::Json => Carrier::Http1,
    };
    let mut head = alloc::vec![
        (Dir::ToServer, ":method", method),
        (Dir::ToServer, ":path", &path[..]),
        (
            Dir::ToServer,
            "content-type",
            if route.wire == Wire::Grpc { "application/grpc" } else { "application/json" }
        ),
        (Dir::ToClient, "content-type", kind),
    ];
    if !route.header.is_empty() {
        head.push((Dir::ToServer, route.header, "1"));
    }
    let bodies = if dir == Dir::ToServer { [body, &b""[..]] } else { [&b"{}"[..], body] };
    work::take();
    run(&Exchange { head: &head, carrier, bodies, cut: usize::MAX });
    work::take() as f64 / body.len() as f64
}

fn hold(route: &'static Route, dir: Dir, path: &Path, kind: &str, make: &dyn Fn(&[String]) -> Vec<u8>) {
    let text = "an ordinary value of some length, such as a sentence of a question or of an answer has it; "
        .repeat(2);
    let ordinary: Vec<String> = (0..20).map(|i| format!("\"{text}{i}\"")).collect();
    let of = |values: &[String]| cost(route, dir, &make(values), kind);
    let base = of(&ordinary).max(1.0);
    // Each another than the one before, and of another length.
    let tiny: [fn(usize) -> String; 3] =
        [|i| format!("\"{}\"", "x".repeat(i % 3 + 1)), |i| format!("{}", i % 7), |_| "{}".to_string()];
    for value in tiny {
        let values: Vec<String> = (0..TIMES).map(value).collect();
        let is = of(&values);
        assert!(is <= MOST * base, "{} {}: {is:.1} a byte, ordinary {base:.1} ({kind})", route.path, path.0);
    }
}

#[test]
fn work_a_byte_is_bounded_for_every_dialect() {
    for (_, route) in registry::routes() {
        for (dir, lists) in [(Dir::ToServer, route.request), (Dir::ToClient, route.answer)] {
            for path in lists.iter().copied().flatten() {
                let keys = path.0.trim_end_matches('!');
                if route.wire == Wire::Grpc {
                    hold(route, dir, path, "application/grpc", &|v| framed(&fields(keys, v)));
                    continue;
                }
                hold(route, dir, path, "application/json", &|v| nest(keys, v).into_bytes());
                if dir == Dir::ToClient && route.wire == Wire::Json {
                    let lines = |before: &str, after: &str, v: &[String]| -> Vec<u8> {
                        let line = |v| format!("{before}{}{after}", nest(keys, core::slice::from_ref(v)));
                        v.iter().flat_map(|v| line(v).into_bytes()).collect()
                    };
                    let events = |v: &[String]| lines("data:", "\n\n", v);
                    hold(route, dir, path, "application/x-ndjson", &|v| lines("", "\n", v));
                    let array = |v: &[String]| [&b"["[..], &lines("", ",", v), b"{}]"].concat();
                    hold(route, dir, path, "application/json", &array);
                    hold(route, dir, path, "text/event-stream", &events);
                }
            }
        }
    }
}

/// What has one value has it once, however often it changed; of what has several no more are kept than records show.
#[test]
fn values_that_change_are_kept_once() {
    let head = [
        (Dir::ToServer, ":method", "POST"),
        (Dir::ToServer, ":path", "/v1/chat/completions"),
        (Dir::ToServer, "content-type", "application/json"),
        (Dir::ToClient, "content-type", "text/event-stream"),
    ];
    let request = br#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#;
    let events: String = (0..5000)
        .map(|i| {
            format!(
                "data: {{\"id\":\"{i}\",\"model\":\"{}\",\"choices\":[{{\"finish_reason\":\"r{i}\"}}]}}\n\n",
                "y".repeat(i % 50 + 1)
            )
        })
        .collect();
    let bodies = [&request[..], events.as_bytes()];
    let (lines, _) = run(&Exchange { head: &head, carrier: Carrier::Http1, bodies, cut: 100 });
    let count = |key: &str| lines.iter().filter(|l| l.starts_with(key)).count();
    assert!(lines.contains(&"response.id=4999".to_string()));
    assert!(lines.contains(&format!("response.model={}", "y".repeat(4999 % 50 + 1))));
    assert!(lines.contains(&"request.model=m".to_string()));
    assert_eq!(
        (count("response.id"), count("response.model"), count("response.finish_reasons.")),
        (1, 1, 64)
    );
}
