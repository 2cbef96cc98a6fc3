//! Counters for Prometheus: its text format over HTTP, on loopback unless told otherwise.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::manager::Request;

/// How long a client may take for its request, and waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counters in the text format (prometheus.io, "Exposition formats").
pub(super) fn text(counters: &[(String, u64)], uptime: u64, rules: u64) -> String {
    let mut out = String::with_capacity(counters.len() * 64);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# TYPE tidegate_uptime_seconds gauge\ntidegate_uptime_seconds {uptime}");
    let _ = writeln!(out, "# TYPE tidegate_rules_loaded gauge\ntidegate_rules_loaded {rules}");
    for (name, n) in counters {
        // Names that differ in such signs only do not exist twice: the first label is the port.
        if let Some((port, what)) = name.strip_prefix("ports.").and_then(|r| r.rsplit_once('.')) {
            let _ = writeln!(out, "tidegate_port_{what}{{port=\"{port}\"}} {n}");
            continue;
        }
        out.push_str("tidegate_");
        out.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
        let _ = writeln!(out, " {n}");
    }
    out
}

/// Serves `GET /metrics` at `at`.
pub fn listen(at: SocketAddr, to: Sender<Request>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(at)?;
    let here = listener.local_addr()?;
    std::thread::Builder::new().name("metrics".into()).spawn(move || {
        for client in listener.incoming().flatten() {
            // One at a time: scrapes are rare, and a slow client is cut off.
            serve(client, &to);
        }
    })?;
    Ok(here)
}

fn serve(mut client: TcpStream, to: &Sender<Request>) {
    let _ = client.set_read_timeout(Some(PATIENCE));
    let _ = client.set_write_timeout(Some(PATIENCE));
    let mut head = [0; 2048];
    let mut have = 0;
    while have < head.len() && !head[..have].windows(4).any(|w| w == b"\r\n\r\n") {
        match client.read(&mut head[have..]) {
            Ok(0) | Err(_) => break,
            Ok(n) => have += n,
        }
    }
    let line = head[..have].split(|&b| b == b'\r').next().unwrap_or(&[]);
    let (status, body) = if line.starts_with(b"GET /metrics ") {
        let (tx, rx) = channel();
        match to.send(Request::Metrics(tx)).ok().and_then(|()| rx.recv_timeout(PATIENCE).ok()) {
            Some(text) => ("200 OK", text),
            None => ("503 Service Unavailable", String::new()),
        }
    } else if line.starts_with(b"GET ") {
        ("404 Not Found", "metrics are at /metrics\n".into())
    } else {
        ("405 Method Not Allowed", String::new())
    };
    let _ = write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_as_prometheus_reads_it() {
        let (tx, rx) = channel();
        let at = listen("127.0.0.1:0".parse().unwrap(), tx).unwrap();
        let answerer = std::thread::spawn(move || match rx.recv().unwrap() {
            Request::Metrics(r) => r
                .send(text(&[("decoder.pkts".into(), 7), ("ports.net_null0.rx_packets".into(), 3)], 1, 2))
                .unwrap(),
            r => panic!("{r:?}"),
        });
        let get = |what: &str| {
            let mut c = TcpStream::connect(at).unwrap();
            write!(c, "GET {what} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut all = String::new();
            c.read_to_string(&mut all).unwrap();
            all
        };
        let all = get("/metrics");
        assert!(all.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(all.contains("\ntidegate_decoder_pkts 7\n"), "{all}");
        assert!(all.contains("\ntidegate_port_rx_packets{port=\"net_null0\"} 3\n"), "{all}");
        assert!(get("/").starts_with("HTTP/1.1 404"));
        answerer.join().unwrap();
    }
}
