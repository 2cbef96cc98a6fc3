//! Orders over HTTP, on loopback or over TLS: requests with a token go in, answers of JSON come out. `POST /v1/orders`,
//! `GET /v1/blocks`.
//!
//! A connection has one request, which has to come whole within [`PATIENCE`]; heads and bodies are bounded, and so are
//! connections. Whoever has no token learns nothing but that.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::desk::{Desk, Refusal};
use super::tls::Tls;
use super::tokens::Tokens;
use super::{Caller, Role, order};
use crate::eve::Json;
use crate::live::control;
use crate::live::manager::failed;
use crate::live::serve::Host;

/// How long a client may take for its whole request, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client that was answered may take to go.
const LINGER: Duration = Duration::from_millis(100);
/// Clients at a time.
const CLIENTS: usize = 64;
/// Longest head, and longest body, bytes.
const HEAD: usize = 4096;
const BODY: usize = 4096;
/// Header fields of a request.
const FIELDS: usize = 32;
/// Length of an order's id, bytes.
const ID: std::ops::RangeInclusive<usize> = 8..=64;

/// A connection and whom it is for.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    api: Arc<Api>,
}

/// What answers requests.
#[derive(Debug)]
pub struct Api {
    desk: Arc<Desk>,
    tokens: Mutex<Tokens>,
    tls: Option<Tls>,
}

/// A connection that has until then for all it has to say.
struct Timed {
    socket: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> std::io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Drop for Timed {
    /// What a client goes on saying is read for a moment: with bytes left unread the kernel resets the connection, and the answer with it.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.socket.set_read_timeout(Some(LINGER));
        let mut part = [0; 4096];
        for _ in 0..4 {
            match self.socket.read(&mut part) {
                Ok(1..) => {}
                _ => return,
            }
        }
    }
}

impl Read for Timed {
    /// The time is that of the whole request: one that drips is cut off, too.
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

/// Listens at `at`, which must be a loopback address without TLS: tokens would go over the wire in the clear.
///
/// # Errors
/// It is no loopback address, or cannot be had.
pub fn listen(
    at: SocketAddr,
    desk: Arc<Desk>,
    tokens: Tokens,
    tls: Option<Tls>,
) -> std::io::Result<SocketAddr> {
    if tls.is_none() && !at.ip().to_canonical().is_loopback() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "orders are taken on loopback only, as tokens would go over the wire in the clear; \
             use 127.0.0.1 or [::1], or `tls`",
        ));
    }
    let listener = TcpListener::bind(at)?;
    let here = listener.local_addr()?;
    let api = Arc::new(Api { desk, tokens: Mutex::new(tokens), tls });
    let host = Host { name: "orders", most: CLIENTS, serve: |c: Client, _| c.serve(), refuse };
    host.start(move || listener.accept().map(|c| Client { stream: c.0, api: api.clone() }), channel().0)?;
    Ok(here)
}

/// A client too many is closed without a word, and counted.
fn refuse(c: Client) {
    let why = Refusal::TooMany("too many connections");
    c.api.desk.refuse("http", &why, crate::live::now_ns());
}

/// What came of a request: a status and a body.
type Reply = (&'static str, String);

/// A request.
struct Request {
    method: String,
    path: String,
    token: Option<Vec<u8>>,
    body: Vec<u8>,
}

const fn status(why: &Refusal) -> &'static str {
    match why {
        Refusal::Stranger(_) => "401 Unauthorized",
        Refusal::Role(_) | Refusal::Never(_) => "403 Forbidden",
        Refusal::Replayed(_) | Refusal::NoEffect(_) => "409 Conflict",
        Refusal::Malformed(_) => "400 Bad Request",
        Refusal::TooMany(_) => "429 Too Many Requests",
    }
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.into())
}

impl Client {
    fn serve(self) {
        let from = self.stream.peer_addr().map_or_else(|_| "http".into(), |a| format!("http {}", a.ip()));
        let stream = Timed { socket: self.stream, until: Instant::now() + PATIENCE };
        let Some(tls) = &self.api.tls else { return self.api.talk(stream, &from) };
        match tls.greet(stream) {
            Ok(stream) => self.api.talk(stream, &from),
            Err(_) => {
                let why = Refusal::Stranger("no certificate of a client");
                self.api.desk.refuse(&from, &why, crate::live::now_ns());
            }
        }
    }
}

impl Api {
    /// Answers one request.
    fn talk(&self, mut stream: impl Read + Write, from: &str) {
        let now = crate::live::now_ns();
        let request = read(&mut stream).inspect_err(|why| self.desk.refuse(from, why, now));
        let reply = request.and_then(|r| self.answer(&r, from, now));
        let (status, body) = reply.unwrap_or_else(|why| (status(&why), failed(&why.text())));
        // Who does not listen any more misses it.
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
        .and_then(|()| stream.flush());
    }
}

/// Reads a request whole.
fn read(s: &mut impl Read) -> Result<Request, Refusal> {
    let mut have: Vec<u8> = Vec::with_capacity(1024);
    let mut more = |have: &mut Vec<u8>| -> Result<(), Refusal> {
        let mut part = [0; 1024];
        match s.read(&mut part) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(malformed("the request did not come within 2 s"))
            }
            Ok(0) | Err(_) => Err(malformed("the request is not whole")),
            Ok(n) => {
                have.extend_from_slice(&part[..n]);
                Ok(())
            }
        }
    };
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut r = httparse::Request::new(&mut fields);
        match r.parse(&have) {
            Ok(httparse::Status::Partial) if have.len() < HEAD => {}
            Ok(httparse::Status::Complete(end)) if end <= HEAD => {
                let (mut request, length) = head(&r)?;
                while have.len() < end + length {
                    more(&mut have)?;
                }
                request.body = have[end..end + length].to_vec();
                return Ok(request);
            }
            Ok(_) => return Err(malformed("a head has at most 4,096 bytes")),
            Err(e) => return Err(malformed(&format!("this is not HTTP/1.1: {e}"))),
        }
        more(&mut have)?;
    }
}

/// What the head says, and the length of the body.
fn head(r: &httparse::Request<'_, '_>) -> Result<(Request, usize), Refusal> {
    let (mut length, mut token) = (None, None);
    for f in r.headers.iter() {
        let once = |there: bool| {
            if there { Err(malformed(&format!("{} is given twice", f.name))) } else { Ok(()) }
        };
        if f.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(malformed("a body has a Content-Length here"));
        } else if f.name.eq_ignore_ascii_case("content-length") {
            once(length.is_some())?;
            let text = std::str::from_utf8(f.value).unwrap_or("");
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let n = digits.then(|| text.parse::<usize>().ok()).flatten();
            length =
                Some(n.filter(|n| *n <= BODY).ok_or_else(|| malformed("a body has at most 4,096 bytes"))?);
        } else if f.name.eq_ignore_ascii_case("authorization") {
            once(token.is_some())?;
            let bearer = f.value.split_at_checked(7).filter(|v| v.0.eq_ignore_ascii_case(b"bearer "));
            token = Some(bearer.map(|v| v.1.trim_ascii().to_vec()).unwrap_or_default());
        }
    }
    let (method, path) = (r.method.unwrap_or("").to_string(), r.path.unwrap_or("").to_string());
    Ok((Request { method, path, token, body: Vec::new() }, length.unwrap_or(0)))
}

impl Api {
    fn answer(&self, r: &Request, from: &str, now: u64) -> Result<Reply, Refusal> {
        let refused = |why: Refusal| {
            self.desk.refuse(from, &why, now);
            why
        };
        let who = self.who(r).map_err(refused)?;
        match (r.method.as_str(), r.path.as_str()) {
            ("GET", "/v1/blocks") => {
                let mut j = Json::default();
                j.open("");
                j.word("return", "OK");
                self.desk.list(&mut j);
                j.close();
                Ok(("200 OK", String::from_utf8(j.buf).unwrap_or_default()))
            }
            ("POST", "/v1/orders") => {
                let members = control::object(&r.body).ok_or_else(|| {
                    refused(malformed("a JSON object is expected, with id, time, do and what that needs"))
                })?;
                self.order(&who, from, members, now)
            }
            _ => Ok(("404 Not Found", failed("expected POST /v1/orders or GET /v1/blocks"))),
        }
    }

    fn who(&self, r: &Request) -> Result<Caller, Refusal> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(e) = tokens.refresh() {
            eprintln!("{e}: nobody is let in");
        }
        let sent = r.token.as_deref().ok_or(Refusal::Stranger("Authorization: Bearer TOKEN is expected"))?;
        tokens.who(sent).ok_or(Refusal::Stranger("there is no such token"))
    }

    fn order(
        &self,
        who: &Caller,
        from: &str,
        mut members: Vec<(String, String)>,
        now: u64,
    ) -> Result<Reply, Refusal> {
        let refused = |why: Refusal| {
            let from = format!("{} ({from})", who.name);
            self.desk.refuse(&from, &why, now);
            why
        };
        let mut take = |name: &str| -> Result<String, Refusal> {
            let at = members.iter().position(|m| m.0 == name);
            let at = at.ok_or_else(|| refused(malformed(&format!("`{name}` is missing"))))?;
            Ok(members.remove(at).1)
        };
        // Roles first: who may not order anything does not learn what an order is.
        if who.role < Role::Responder {
            return Err(refused(Refusal::Role("a viewer may not order anything")));
        }
        let (id, time, what) = (take("id")?, take("time")?, take("do")?);
        if !ID.contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refused(malformed("an `id` has 8 to 64 letters, digits and signs")));
        }
        let time =
            time.parse().map_err(|_| refused(malformed("`time` is in whole seconds since the epoch")))?;
        let order = order::read(&what, &members).map_err(|e| refused(Refusal::Malformed(e)))?;
        let done = self.desk.order_once(who, from, (&id, time), &order, now)?;
        let mut j = Json::default();
        j.open("");
        j.word("return", "OK");
        j.uint("number", u64::from(done.id));
        j.time("until", done.until);
        j.close();
        Ok(("200 OK", String::from_utf8(j.buf).unwrap_or_default()))
    }
}
