//! The protocol over HTTP ("streamable HTTP" of 2025-03-26 and later), on loopback only.
//!
//! In: POST requests to `/mcp` with a message or a batch each. Out: `application/json`, or 202 where nothing is to be
//! answered. There are no streams and no sessions: this server never speaks first. Every request needs the token, because
//! other users of the machine reach loopback, too; and its `Host` and `Origin` must be loopback's, because web pages do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Server;

/// Bytes of a request's head, and of its body.
const HEAD: u64 = 16 << 10;
const BODY: usize = 1 << 20;
/// Connections at a time.
const CLIENTS: usize = 16;
/// How long a client may take for its request, or for the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Shortest token, bytes.
const TOKEN: usize = 16;

/// What of a request's head counts.
#[derive(Default)]
struct Head {
    method: String,
    path: String,
    host: String,
    origin: Option<String>,
    token: Option<String>,
    length: Option<usize>,
}

/// Why a request is refused: status and words.
type Refused = (&'static str, &'static str);

/// The token of a file: its first line.
pub fn token(text: &str) -> Result<String, String> {
    let t = text.lines().next().unwrap_or_default().trim();
    if t.len() < TOKEN || !t.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "a token of at least {TOKEN} visible ASCII characters is expected on the first line"
        ));
    }
    Ok(t.to_string())
}

/// Opens a socket on loopback.
pub fn bind(at: SocketAddr) -> Result<TcpListener, String> {
    if !at.ip().is_loopback() {
        return Err(format!(
            "--http {at}: only addresses of loopback (127.0.0.1, ::1); from elsewhere use a tunnel"
        ));
    }
    TcpListener::bind(at).map_err(|e| format!("--http {at}: {e}"))
}

/// Serves for as long as the program runs.
pub fn serve(listener: &TcpListener, server: Server, token: &str) -> ! {
    let server = Arc::new(Mutex::new(server));
    let token: Arc<str> = token.into();
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((client, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (server, token, n) = (server.clone(), token.clone(), open.clone());
        let run = move || {
            // A client that goes away is no concern of others.
            let _ = one(&client, &server, &token);
            n.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("mcp".into()).spawn(run).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One request of a connection.
fn one(client: &TcpStream, server: &Mutex<Server>, token: &str) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut from = BufReader::new(client);
    let answer = match head(&mut from).and_then(|h| allowed(&h, token).map(|n| (h, n))) {
        Err(refused) => Err(refused),
        Ok((_, n)) => {
            let mut body = vec![0; n];
            from.read_exact(&mut body)?;
            Ok(server.lock().unwrap_or_else(PoisonError::into_inner).message(&body))
        }
    };
    let (status, text) = match answer {
        Ok(Some(v)) => ("200 OK", v.to_string()),
        Ok(None) => ("202 Accepted", String::new()),
        Err((status, why)) => (status, serde_json::json!({"error": why}).to_string()),
    };
    let mut to = client;
    write!(
        to,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Allow: POST\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn head(from: &mut impl BufRead) -> Result<Head, Refused> {
    const BAD: Refused = ("400 Bad Request", "not a request of HTTP/1.1");
    let (mut h, mut text) = (Head::default(), from.take(HEAD));
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        text.read_line(line).ok().filter(|n| *n > 0 && line.ends_with('\n')).map(|_| ()).ok_or(BAD)
    };
    next(&mut line)?;
    let mut words = line.split_whitespace();
    h.method = words.next().ok_or(BAD)?.to_string();
    h.path = words.next().ok_or(BAD)?.to_string();
    loop {
        next(&mut line)?;
        if line.trim_end().is_empty() {
            return Ok(h);
        }
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        let value = value.trim().to_string();
        match name.to_ascii_lowercase().as_str() {
            "host" => h.host = value,
            "origin" => h.origin = Some(value),
            "authorization" => h.token = bearer(&value),
            "content-length" => h.length = Some(value.parse().map_err(|_| BAD)?),
            // A body whose end must be searched for is not worth it here.
            "transfer-encoding" => return Err(("411 Length Required", "send a Content-Length")),
            _ => {}
        }
    }
}

/// The length of the body of a request that may be answered.
fn allowed(h: &Head, token: &str) -> Result<usize, Refused> {
    let local = |host: &str| {
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        matches!(name, "localhost" | "127.0.0.1" | "::1")
    };
    let from_page = |origin: &str| origin.split_once("://").is_none_or(|(_, host)| !local(host));
    if !local(&h.host) || h.origin.as_deref().is_some_and(from_page) {
        return Err(("403 Forbidden", "Host and Origin are not those of this machine"));
    }
    // Every byte is compared, so that the time says nothing.
    let given = h.token.as_deref().unwrap_or_default().as_bytes();
    let differ = given.iter().zip(token.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
    if given.len() != token.len() || differ != 0 {
        return Err(("401 Unauthorized", "Authorization: Bearer TOKEN is needed"));
    }
    match (h.path.as_str(), h.method.as_str(), h.length) {
        ("/mcp", "POST", Some(n)) if n <= BODY => Ok(n),
        ("/mcp", "POST", Some(_)) => Err(("413 Content Too Large", "a message has at most 1 MiB")),
        ("/mcp", "POST", None) => Err(("411 Length Required", "send a Content-Length")),
        // This server has nothing to say unasked, and no sessions to end.
        ("/mcp", ..) => Err(("405 Method Not Allowed", "only POST")),
        _ => Err(("404 Not Found", "the only path is /mcp")),
    }
}

/// The token of `Bearer TOKEN`; a scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> &'static str {
        match head(&mut request.as_bytes()).and_then(|h| allowed(&h, "0123456789abcdef")) {
            Ok(_) => "200",
            Err((s, _)) => s.get(..3).unwrap_or_default(),
        }
    }

    #[test]
    fn only_whoever_has_the_token_and_is_here_is_answered() {
        let with = |first: &str, more: &str| {
            status(&format!("{first} HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef\r\n{more}\r\n"))
        };
        let post = "POST /mcp";
        let here = "Host: 127.0.0.1:9\r\nContent-Length: 2\r\n";
        assert_eq!(with(post, here), "200");
        let lower = format!("{post} HTTP/1.1\r\nAuthorization: bearer 0123456789abcdef\r\n{here}\r\n");
        assert_eq!(status(&lower), "200");
        assert_eq!(with(post, "Host: [::1]:9\r\nOrigin: http://localhost:3\r\nContent-Length: 0\r\n"), "200");
        assert_eq!(with(post, "Host: evil.example\r\nContent-Length: 2\r\n"), "403");
        assert_eq!(with(post, &format!("{here}Origin: http://evil.example\r\n")), "403");
        assert_eq!(with(post, &format!("{here}Origin: null\r\n")), "403");
        assert_eq!(with(post, "Host: localhost\r\nContent-Length: 99999999\r\n"), "413");
        assert_eq!(with(post, "Host: localhost\r\n"), "411");
        assert_eq!(with(post, "Host: localhost\r\nTransfer-Encoding: chunked\r\n"), "411");
        assert_eq!((with("GET /mcp", here), with("POST /", here)), ("405", "404"));
        for t in [
            "",
            "Authorization: Bearer 0123456789abcdeX\r\n",
            "Authorization: Bearer 0\r\n",
            "Authorization: Basic 0123456789abcdef\r\n",
            "Authorization: Basic x\r\n",
        ] {
            assert_eq!(status(&format!("POST /mcp HTTP/1.1\r\n{here}{t}\r\n")), "401", "{t}");
        }
        for bad in [
            "",
            "\r\n",
            "POST",
            "POST /mcp HTTP/1.1\r\nHost",
            &"x".repeat(HEAD as usize + 1),
            "POST /mcp HTTP/1.1\r\nx\r\n\r\n",
        ] {
            assert_eq!(status(bad), "400", "{bad:.20}");
        }
        assert!(bind("0.0.0.0:0".parse().unwrap()).is_err() && bind("127.0.0.1:0".parse().unwrap()).is_ok());
        assert!(token("short").is_err() && token("0123456789abcdef\n").is_ok());
    }
}
