//! What leaves the sensor: an event goes in, a request to a webhook or a message to NATS goes out. One try, in bounded time; a
//! server's answer is read only as far as it says whether it worked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes of an answer that are read.
const ANSWER: u64 = 4096;
/// How long NATS may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub host: String,
    pub port: u16,
    /// What is asked for, from `/` on.
    pub path: String,
}

impl Url {
    /// Reads `http://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Url, String> {
        if text.starts_with("https://") {
            return Err("https is not spoken here; expected http://HOST:PORT/PATH, of a relay on this machine that speaks it".into());
        }
        let wrong = || format!("`{text}` is not http://HOST:PORT/PATH");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let fine = |t: &str| t.bytes().all(|b| b.is_ascii_graphic());
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if place.is_empty() || place.contains('@') || !fine(place) || !fine(path) {
            return Err(wrong());
        }
        if rest.contains(['{', '}']) {
            return Err(format!(
                "`{text}`: an address takes no fields of the event; they are in what is sent to it"
            ));
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (place, 80),
        };
        if port == 0 || !usable(host) {
            return Err(format!(
                "`{host}` with port {port} is no host that answers; expected a name, an IPv4 address, or an IPv6 address in brackets"
            ));
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url { host: host.into(), port, path: path.into() })
    }
}

/// Whether something can answer at an address.
pub(super) fn is_one(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Whether a host of a URL can be one: an address, or a name of letters, digits, `-` and `_` (RFC 1123, section 2.1).
fn usable(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(|a| is_one(a.into()));
    }
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return is_one(v4.into());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |l: &str| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&l.len()) && l.bytes().all(fine) && !l.starts_with('-') && !l.ends_with('-')
    };
    // A name whose last part is a number is a mistyped address.
    let last = name.rsplit('.').next().unwrap_or("");
    name.len() <= 253 && name.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Connects in bounded time to the first address that answers.
fn connect(all: &[SocketAddr], timeout: Duration) -> Result<TcpStream, String> {
    let until = Instant::now() + timeout;
    let mut last = "it has no address".to_string();
    for at in all {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(at, left) {
            Ok(s) => {
                let set = s.set_read_timeout(Some(timeout)).and_then(|()| s.set_write_timeout(Some(timeout)));
                return set.map(|()| s).map_err(|e| e.to_string());
            }
            Err(e) => last = e.to_string(),
        }
    }
    Err(last)
}

/// Posts `body` (JSON).
///
/// # Errors
/// It did not get there, or the answer is not of the kind 2xx.
pub fn webhook(at: &Url, body: &[u8], timeout: Duration) -> Result<(), String> {
    let host = at.host.trim_matches(['[', ']']);
    let all: Vec<_> = (host, at.port).to_socket_addrs().map_err(|e| e.to_string())?.collect();
    let mut s = connect(&all, timeout)?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        at.path,
        at.host,
        at.port,
        body.len()
    );
    s.write_all(head.as_bytes()).and_then(|()| s.write_all(body)).map_err(|e| e.to_string())?;
    let mut line = String::new();
    BufReader::new(s.take(ANSWER)).read_line(&mut line).map_err(|e| e.to_string())?;
    let code = line.split(' ').nth(1).unwrap_or("");
    let ok = line.starts_with("HTTP/1.") && code.len() == 3 && code.starts_with('2');
    if ok { Ok(()) } else { Err(format!("it answered `{}`", line.trim())) }
}

/// Publishes a message; it has arrived when the server answers a ping behind it
/// (docs.nats.io, "NATS Protocol").
///
/// # Errors
/// It did not get there, or the server refused it.
pub fn nats(at: SocketAddr, subject: &str, body: &[u8]) -> Result<(), String> {
    // A subject that the traffic filled in stays one word.
    let subject: String =
        subject.chars().map(|c| if c.is_whitespace() || c == '*' || c == '>' { '_' } else { c }).collect();
    let mut s = connect(&[at], PATIENCE)?;
    let mut lines = BufReader::new(s.try_clone().map_err(|e| e.to_string())?.take(ANSWER));
    let mut line = String::new();
    let mut next = |lines: &mut BufReader<std::io::Take<TcpStream>>| -> Result<String, String> {
        line.clear();
        match lines.read_line(&mut line) {
            Ok(0) => Err("the connection ended".into()),
            Ok(_) => Ok(line.trim().to_string()),
            Err(e) => Err(e.to_string()),
        }
    };
    let info = next(&mut lines)?;
    if !info.starts_with("INFO ") {
        return Err(format!("it is no server of NATS: `{}`", info.chars().take(80).collect::<String>()));
    }
    let mut out = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"tidegate\",\"lang\":\"rust\",\"version\":\"0\"}\r\n".to_vec();
    out.extend(format!("PUB {subject} {}\r\n", body.len()).bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\nPING\r\n");
    s.write_all(&out).map_err(|e| e.to_string())?;
    for _ in 0..16 {
        let said = next(&mut lines)?;
        if said == "PONG" {
            return Ok(());
        }
        if said == "PING" {
            s.write_all(b"PONG\r\n").map_err(|e| e.to_string())?;
        }
        if let Some(e) = said.strip_prefix("-ERR") {
            return Err(e.trim().to_string());
        }
    }
    Err("it does not answer".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn once(answer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
        let l = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = l.local_addr().unwrap();
        std::thread::spawn(move || answer(l.accept().unwrap().0));
        at
    }

    fn url(at: SocketAddr) -> Url {
        Url::parse(&format!("http://{at}/hook?x=1")).unwrap()
    }

    #[test]
    fn webhooks_are_posted_and_their_answer_counts() {
        for (answer, fine) in
            [("HTTP/1.1 204 No Content\r\n\r\n", true), ("HTTP/1.1 500 No\r\n\r\n", false), ("", false)]
        {
            let (tx, rx) = std::sync::mpsc::channel();
            let at = once(move |mut s| {
                let mut have = Vec::new();
                while !have.ends_with(b"{\"a\":1}") {
                    let mut b = [0; 100];
                    let n = s.read(&mut b).unwrap();
                    have.extend_from_slice(&b[..n]);
                }
                s.write_all(answer.as_bytes()).unwrap();
                tx.send(String::from_utf8(have).unwrap()).unwrap();
            });
            let r = webhook(&url(at), b"{\"a\":1}", PATIENCE);
            assert_eq!(r.is_ok(), fine, "{r:?}");
            let got = rx.recv().unwrap();
            assert!(
                got.starts_with("POST /hook?x=1 HTTP/1.1\r\n") && got.contains("\r\nContent-Length: 7\r\n"),
                "{got}"
            );
        }
        // Nobody answers: it ends.
        let start = Instant::now();
        let at = once(|s| {
            std::thread::sleep(Duration::from_secs(3));
            drop(s);
        });
        assert!(webhook(&url(at), b"{}", Duration::from_millis(200)).is_err());
        assert!(start.elapsed() < Duration::from_secs(2));
        for wrong in ["https://x/", "ftp://x/", "http://", "http://x:99999/", "http://a@b/", "http://x/a b"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
        for host in [
            "a..b",
            "-x",
            "x-",
            "300.1.1.1",
            "1.2",
            "[::1",
            "::1",
            "[::]",
            "0.0.0.0",
            "224.0.0.1",
            "a*b",
            "{src_ip}",
            "x:0",
        ] {
            assert!(Url::parse(&format!("http://{host}/")).is_err(), "{host}");
        }
        for host in ["localhost", "a_b.example.", "10.0.0.1:80", "relay-1.example.com:8080", "1x.2y"] {
            assert!(Url::parse(&format!("http://{host}/")).is_ok(), "{host}");
        }
        assert!(Url::parse("http://x/{nosuch}").unwrap_err().contains("takes no fields"));
        let v6 = Url::parse("http://[::1]:8/").unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("[::1]", 8));
    }

    #[test]
    fn messages_arrive_or_say_why_not() {
        for (last, fine) in [("PING\r\nPONG\r\n", true), ("-ERR 'Permissions Violation'\r\n", false)] {
            let (tx, rx) = std::sync::mpsc::channel();
            let at = once(move |mut s| {
                s.write_all(b"INFO {\"server_id\":\"x\"}\r\n").unwrap();
                let mut lines = BufReader::new(s.try_clone().unwrap());
                let mut got = Vec::new();
                while !got.ends_with(b"\r\nPING\r\n") {
                    lines.read_until(b'\n', &mut got).unwrap();
                }
                s.write_all(last.as_bytes()).unwrap();
                tx.send(String::from_utf8(got).unwrap()).unwrap();
            });
            let r = nats(at, "tidegate.a b*", b"{\"x\":1}");
            assert_eq!(r.is_ok(), fine, "{r:?}");
            let got = rx.recv().unwrap();
            assert!(got.contains("\r\nPUB tidegate.a_b_ 7\r\n{\"x\":1}\r\nPING\r\n"), "{got}");
        }
        let at = once(|mut s| s.write_all(b"SSH-2.0-x\r\n").unwrap());
        assert!(nats(at, "x", b"{}").unwrap_err().contains("no server of NATS"));
    }
}
