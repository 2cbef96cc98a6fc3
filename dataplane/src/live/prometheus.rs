//! Counters for Prometheus: its text format over HTTP, on loopback unless told otherwise.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::manager::Request;
use super::serve::Host;

/// How long a client may take for its whole request, waits for the answer, and may take to read it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Clients at a time.
const CLIENTS: usize = 16;

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
    // A client too many is closed without a word: it will come again.
    let host = Host { name: "metrics", most: CLIENTS, serve, refuse: drop };
    host.start(move || listener.accept().map(|c| c.0), to)?;
    Ok(here)
}

fn serve(mut client: TcpStream, to: &Sender<Request>) {
    let until = Instant::now() + PATIENCE;
    let _ = client.set_write_timeout(Some(PATIENCE));
    let mut head = [0; 2048];
    let mut have = 0;
    while have < head.len() && !head[..have].windows(4).any(|w| w == b"\r\n\r\n") {
        // The time is that of the whole request: one that drips is cut off, too.
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || client.set_read_timeout(Some(left)).is_err() {
            return;
        }
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

    #[test]
    fn a_client_that_drips_holds_up_nobody_and_is_cut_off() {
        let (tx, rx) = channel();
        let at = listen("127.0.0.1:0".parse().unwrap(), tx).unwrap();
        std::thread::spawn(move || {
            for r in rx {
                if let Request::Metrics(r) = r {
                    let _ = r.send("tidegate_x 1\n".into());
                }
            }
        });
        let mut slow = TcpStream::connect(at).unwrap();
        let mut drips = slow.try_clone().unwrap();
        let start = Instant::now();
        let dripping = std::thread::spawn(move || {
            while drips.write_all(b"G").is_ok() && start.elapsed() < 4 * PATIENCE {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        for _ in 0..3 {
            let mut c = TcpStream::connect(at).unwrap();
            write!(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut all = String::new();
            c.read_to_string(&mut all).unwrap();
            assert!(all.ends_with("tidegate_x 1\n"), "{all}");
        }
        assert!(start.elapsed() < PATIENCE, "scrapes waited for the slow one");
        let _ = slow.read_to_end(&mut Vec::new());
        assert!(start.elapsed() < 2 * PATIENCE, "{:?}", start.elapsed());
        dripping.join().unwrap();
    }
}
