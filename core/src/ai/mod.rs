//! Calls of models, tools and AI services: messages that carriers take off the wire go in, transactions with the text,
//! numbers and names that rules and records ask for come out.
//!
//! In: the heads and bytes of requests and answers, cut by [`bodies`](crate::app::bodies). Out: the protocol `ai`, whose
//! transactions are calls ([`Call`]). Owns the calls, what is kept while a message is read, and the schemas of all
//! dialects.
//!
//! A dialect is known by what is said: the path names a candidate, the shape of the JSON proves it. Nothing here knows
//! what carries a message.

pub mod artifact;
mod buffers;
mod call;
pub mod dialect;
mod head;
pub mod json;
mod judge;
pub mod ledger;
mod log;
mod pins;
mod proto;
mod read;
mod registry;
pub mod risk;
pub mod rules;
pub mod secret;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod work;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use call::Call;
use dialect::{Known, Route, Wire, Words};

use self::json::{Reader, Schema};
use self::risk::Risk;
use crate::Dir;
use crate::app::bodies::{At, BodyCx, Carrier, Cut, Ended, Guest, Interest, Origin, Piece, lodge};
use crate::app::txs::{Tx, TxHandle};
use crate::app::{
    AppConfig, Buffer, BufferAt, IntAt, LOG_WHOLE, OVER_TCP, ProtoDef, Recognise, TxView, Wanted,
};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// The protocol `ai`.
pub static AI: ProtoDef = ProtoDef {
    name: "ai",
    over: OVER_TCP,
    buffers: buffers::BUFFERS,
    ints: buffers::INTS,
    events: buffers::EVENTS,
    recognise: Recognise::NONE,
    guest: Some(lodge::<Ai>),
    record: "ai",
    ours: true,
    ..ProtoDef::NONE
};

/// The dialects by name, with the requests that are theirs, in the words of `docs/ai.md`.
pub fn dialects() -> impl Iterator<Item = (&'static str, alloc::vec::Vec<alloc::string::String>)> {
    registry::names()
}

/// The services that calls can be of (`ai.provider`), and their operations (`ai.operation`), each once, sorted.
pub fn services() -> [alloc::vec::Vec<&'static str>; 2] {
    let (mut providers, mut operations): (alloc::vec::Vec<_>, alloc::vec::Vec<_>) =
        registry::services().unzip();
    for names in [&mut providers, &mut operations] {
        names.retain(|n| !n.is_empty());
        names.sort_unstable();
        names.dedup();
    }
    [providers, operations]
}

/// Each service with each operation that its calls can have; either may be empty.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    registry::services()
}

/// Progress of a direction whose message is over.
const COMPLETE: u8 = 1;

/// The schemas of a route, for requests and answers.
struct Schemas {
    route: &'static Route,
    dialect: &'static str,
    /// What the last segment of paths must be; empty: anything.
    last: &'static [u8],
    /// Of one with any: its end, and the segment before it.
    ending: (&'static [u8], &'static [u8]),
    /// Slashes that paths have at least.
    slashes: usize,
    of: [Schema; 2],
}

/// All routes, by number in the order of the registry, and found by the last segments of their paths.
struct Routes {
    all: Box<[Schemas]>,
    /// Those with a fixed last segment, by it; those with a fixed one before the last, by that.
    last: Shelves,
    before: Shelves,
    /// Those with neither.
    open: Box<[u16]>,
}

impl Routes {
    fn new(all: Box<[Schemas]>) -> Routes {
        let of = |i: &u16| &all[usize::from(*i)];
        let (last, rest): (Vec<u16>, Vec<u16>) = (0..all.len() as u16).partition(|i| !of(i).last.is_empty());
        let (before, open): (Vec<u16>, Vec<u16>) = rest.into_iter().partition(|i| !of(i).ending.1.is_empty());
        Routes {
            last: Shelves::new(last, |i| of(&i).last),
            before: Shelves::new(before, |i| of(&i).ending.1),
            open: open.into(),
            all,
        }
    }

    /// The first route, with what is made of it, whose paths may end like that and that `fits`.
    fn find<T>(&self, path: &[u8], mut fits: impl FnMut(&Schemas) -> Option<T>) -> Option<(u16, T)> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let (front, last) = path.split_at(path.iter().rposition(|c| *c == b'/').map_or(0, |n| n + 1));
        let (before, slashes) = (dialect::last_of(front), slashes(path));
        let mut found: Option<(u16, T)> = None;
        for list in [self.last.at(last), self.before.at(before), &self.open] {
            let first = found.as_ref().map_or(u16::MAX, |f| f.0);
            let of = |i: &u16| &self.all[usize::from(*i)];
            let mut may = list.iter().take_while(|i| **i < first).filter(|i| {
                let s = of(i);
                s.slashes <= slashes
                    && (s.last.is_empty() || s.last == last)
                    && last.ends_with(s.ending.0)
                    && (s.ending.1.is_empty() || s.ending.1 == before)
            });
            found = may.find_map(|i| Some((*i, fits(of(i))?))).or(found);
        }
        found
    }
}

fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|c| **c == b'/').count()
}

/// Routes by a name that each has, in few steps whatever is looked for: most requests are no calls.
struct Shelves {
    starts: Box<[u16]>,
    routes: Box<[u16]>,
}

impl Shelves {
    fn new<'a>(mut routes: Vec<u16>, name: impl Fn(u16) -> &'a [u8]) -> Shelves {
        routes.sort_by_key(|i| (shelf(name(*i)), *i));
        let starts = (0..=256).map(|n| routes.partition_point(|i| shelf(name(*i)) < n) as u16).collect();
        Shelves { starts, routes: routes.into() }
    }

    /// Those that may have that name, by number.
    fn at(&self, name: &[u8]) -> &[u16] {
        let n = shelf(name);
        let at = |n: usize| self.starts.get(n).map_or(0, |at| usize::from(*at));
        self.routes.get(at(n)..at(n + 1)).unwrap_or(&[])
    }
}

/// The shelf of a name, of 256.
fn shelf(name: &[u8]) -> usize {
    let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
    usize::from((name.len() as u8).wrapping_mul(37) ^ first.wrapping_mul(11) ^ last)
}

/// The guest.
pub struct Ai {
    routes: Arc<Routes>,
    /// Made when somebody asks what is wrong with calls.
    risk: Option<Risk>,
    pins: pins::Pins,
}

/// A message being read.
#[derive(Debug, Default)]
struct Reading {
    json: Reader,
    proto: proto::Reader,
    /// What the piece at hand is of `[DONE]`: bytes matched, or that it is not (255).
    lead: u8,
    /// The text of a short value.
    held: PBuf,
    words: Words,
    /// The message is asked for and not over.
    live: bool,
}

/// What is kept of an exchange.
#[derive(Debug, Default)]
pub struct Part {
    route: u16,
    call: TxHandle,
    dirs: [Reading; 2],
}

impl Ai {
    fn route(&self, o: &Origin<'_>, pool: &BytePool) -> Option<(u16, Known)> {
        let field = |name| o.head.field(Dir::ToServer, name, pool);
        let method = field(":method")?;
        let path = head::path(field(":path")?);
        let kind = field("content-type").unwrap_or(b"");
        let wire = match o.carrier {
            Carrier::WebSocket => Wire::Socket,
            _ if kind.starts_with(b"application/grpc") => Wire::Grpc,
            _ => Wire::Json,
        };
        let json = || kind.windows(4).any(|w| w.eq_ignore_ascii_case(b"json"));
        let fits = |r: &Route, wire, path: &[u8]| {
            let known = if r.wire == wire { dialect::fits(r, method, path) } else { None }?;
            let asked = (r.header.is_empty() || field(r.header).is_some()) && (!r.json || json());
            asked.then_some(known)
        };
        let among = |path: &[u8]| {
            let found = self.routes.find(path, |s| fits(s.route, wire, path));
            // JSON that calls itself gRPC, for a server that does not ask.
            let json =
                || self.routes.find(path, |s| fits(s.route, Wire::Json, path).filter(|_| !s.route.json));
            if wire == Wire::Grpc { found.or_else(json) } else { found }
        };
        let raw = among(path);
        match (raw, path.contains(&b'%').then(|| meant(path, among)).flatten()) {
            // Places in what the path stands for are none in the path.
            (raw, Some((i, _))) if raw.is_none_or(|r| r.0 != i) => Some((i, Known::default())),
            (raw, _) => raw,
        }
    }
}

/// What is found for a path with `%XX` as servers read it (RFC 3986, 2.1), up to 512 bytes.
#[cold]
fn meant<T>(path: &[u8], among: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let mut room = [0; 512];
    let digit = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    let (mut at, mut n) = (0, 0);
    while let (Some(b), Some(to)) = (path.get(at), room.get_mut(n)) {
        let pair = (digit(path.get(at + 1)), digit(path.get(at + 2)));
        (*to, at) = match pair {
            (Some(high), Some(low)) if *b == b'%' => ((high << 4 | low) as u8, at + 3),
            _ => (*b, at + 1),
        };
        n += 1;
    }
    among(room.get(..n)?)
}

/// The call of an exchange, and what reading its messages needs.
fn call<'a>(
    routes: &'a [Schemas],
    at: &'a mut At<'_, Ai>,
    dir: Dir,
) -> Option<(&'a mut Tx<Call>, &'a mut Reading, &'a Schemas)> {
    let i = at.txs.resolve(at.part.call)?;
    let schemas = routes.get(usize::from(at.part.route))?;
    Some((at.txs.get(i), &mut at.part.dirs[dir.ix()], schemas))
}

/// Somebody asks what is wrong with calls.
const fn is_judged(cx: &BodyCx<'_>) -> bool {
    cx.cfg.ai_risk || cx.wanted.has_int(buffers::I_RISK) || cx.wanted.has_int(buffers::I_FAMILY)
}

fn make_routes() -> Arc<Routes> {
    let schemas = |(dialect, route): (&'static str, &'static Route)| Schemas {
        route,
        dialect,
        last: dialect::last_wanted(route),
        ending: dialect::ending_wanted(route),
        slashes: slashes(route.path.trim_end_matches("/*").as_bytes()),
        of: [route.request, route.answer].map(|lists| Schema::new(lists.iter().copied().flatten())),
    };
    Arc::new(Routes::new(registry::routes().map(schemas).collect()))
}

/// The routes of all dialects, made once in a process.
#[cfg(feature = "std")]
fn routes() -> Arc<Routes> {
    static ROUTES: std::sync::OnceLock<Arc<Routes>> = std::sync::OnceLock::new();
    ROUTES.get_or_init(make_routes).clone()
}

#[cfg(not(feature = "std"))]
fn routes() -> Arc<Routes> {
    make_routes()
}

impl Guest for Ai {
    type Own = Call;
    type Part = Part;
    const COMPLETE: u8 = COMPLETE;

    fn new(cfg: &AppConfig) -> Self {
        Ai { routes: routes(), risk: cfg.ai_risk.then(Risk::default), pins: pins::Pins::new(cfg.seed) }
    }

    fn wanted(&mut self, wanted: Wanted) {
        if wanted.has_int(buffers::I_RISK) || wanted.has_int(buffers::I_FAMILY) {
            self.risk.get_or_insert_with(Risk::default);
        }
    }

    fn wants(&self, dir: Dir, o: &Origin<'_>, pool: &BytePool) -> bool {
        dir == Dir::ToServer && self.route(o, pool).is_some()
    }

    fn begin(&mut self, mut at: At<'_, Self>, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) -> Interest {
        if dir == Dir::ToServer {
            let Some((route, known)) = self.route(o, cx.pool) else { return Interest::Head };
            let Some(i) = at.txs.open(cx.now) else { return Interest::Head };
            at.part.route = route;
            at.part.call = at.txs.handle(i);
            let schemas = &self.routes.all[usize::from(route)];
            let tx = at.txs.get(i);
            tx.common.shown_id = o.tx;
            tx.own.begin(schemas.dialect, schemas.route, o.carrier);
            head::request(&mut tx.own, o, (schemas.route, known), cx);
        } else if let Some((tx, ..)) = call(&self.routes.all, &mut at, dir) {
            head::answer(&mut tx.own, o, cx);
        }
        let Some((tx, reading, schemas)) = call(&self.routes.all, &mut at, dir) else {
            return Interest::Head;
        };
        reading.live = true;
        tx.common.touch(dir);
        let kind = o.head.field(dir, "content-type", cx.pool).unwrap_or(b"");
        // A request is one value. Many servers read it so whatever it says that it is, and what it says is the sender's.
        let one = dir == Dir::ToServer && schemas.route.wire == Wire::Json;
        let cut = if one || o.carrier == Carrier::WebSocket { Cut::Any } else { head::cut(kind) };
        if dir == Dir::ToClient {
            tx.own.framing(cut);
        }
        Interest::Bytes(cut)
    }

    fn piece(
        &mut self,
        mut at: At<'_, Self>,
        dir: Dir,
        piece: Piece<'_>,
        _: &Origin<'_>,
        cx: &mut BodyCx<'_>,
    ) {
        let Some((tx, reading, schemas)) = call(&self.routes.all, &mut at, dir) else { return };
        if reading.live {
            read::piece(tx, reading, schemas, dir, piece, cx);
            if !matches!(piece, Piece::Bytes(_))
                && is_judged(cx)
                && let Some(risk) = &mut self.risk
            {
                judge::judge(&mut tx.own, risk, dir, false, cx.pool);
            }
            tx.common.touch(dir);
        }
    }

    fn gap(&mut self, mut at: At<'_, Self>, dir: Dir, _: u64, _: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some((tx, reading, _)) = call(&self.routes.all, &mut at, dir) else { return };
        tx.common.raise(buffers::EV_GAP, dir);
        // What follows in the piece at hand has no known place; lines and events that follow have.
        reading.held.truncate(0);
        reading.json = Reader::default();
        reading.lead = 0;
        reading.live = tx.own.is_streamed(dir) || tx.own.carrier == Carrier::WebSocket;
        let _ = cx;
    }

    fn end(&mut self, mut at: At<'_, Self>, dir: Dir, how: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some((tx, reading, schemas)) = call(&self.routes.all, &mut at, dir) else { return };
        if core::mem::take(&mut reading.live) {
            read::end(tx, reading, schemas, dir, how, cx);
        }
        reading.held.free(cx.pool);
        if is_judged(cx)
            && let Some(risk) = &mut self.risk
        {
            judge::judge(&mut tx.own, risk, dir, true, cx.pool);
        }
        head::over(&mut tx.own, schemas.route, dir, o, cx);
        if dir == Dir::ToClient && how == Ended::Whole && tx.own.operation == "list_tools" && tx.own.proven {
            let server = head::server(o, cx.pool);
            if self.pins.listed(&mut tx.own, server.get(), cx.pool) {
                tx.common.raise(buffers::EV_TOOL, dir);
            }
        }
        tx.common.advance(dir, COMPLETE);
    }

    fn release(&mut self, mut at: At<'_, Self>, cx: &mut BodyCx<'_>) {
        if let Some((tx, ..)) = call(&self.routes.all, &mut at, Dir::ToServer) {
            tx.common.advance_both(COMPLETE);
        }
        for r in &mut at.part.dirs {
            r.held.free(cx.pool);
        }
    }

    fn free(own: &mut Call, pool: &mut BytePool) {
        own.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Call>, at: BufferAt<'a>) -> Buffer<'a> {
        buffers::buffer(tx, at)
    }

    fn int(&self, tx: &Tx<Call>, at: IntAt<'_>) -> Option<u64> {
        buffers::int(tx, at)
    }

    fn log(&self, tx: &Tx<Call>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        log::write(&tx.own, view.pool, out);
    }

    fn call<'a>(&self, tx: &'a Tx<Call>) -> Option<&'a Call> {
        Some(&tx.own)
    }

    fn log_at_end(&self, tx: &Tx<Call>) -> u8 {
        if tx.own.is_proven() { LOG_WHOLE } else { 0 }
    }
}

/// Whether a message of that kind is cut, so that what follows a hole can be placed again.
const fn finds_itself_again(cut: Cut) -> bool {
    matches!(cut, Cut::Lines | Cut::Sse)
}

#[cfg(test)]
mod routing {
    use super::*;

    /// What is found by the last segment is what looking at one route after the other finds.
    #[test]
    fn the_index_finds_what_a_search_finds() {
        let routes = routes();
        let said =
            |r: &Route| r.path.replace("{-}", "x").replace("{}", "m").replace('*', "/x").replace("//", "/");
        let paths = registry::routes().flat_map(|(_, r)| {
            let p = said(r);
            [
                p.clone(),
                alloc::format!("{p}/"),
                alloc::format!("{p}//"),
                alloc::format!("/front{p}"),
                alloc::format!("{p}x"),
                p.replace('m', "n"),
            ]
        });
        let mut found = 0;
        for path in paths.chain(["/", "", "/v1", "*"].map(Into::into)) {
            let fits = |s: &Schemas| dialect::fits(s.route, s.route.method.as_bytes(), path.as_bytes());
            let plain = routes.all.iter().enumerate().find_map(|(i, s)| Some((i as u16, fits(s)?.name)));
            let quick = routes.find(path.as_bytes(), |s| Some(fits(s)?.name));
            assert_eq!(quick, plain, "{path}");
            found += usize::from(plain.is_some());
        }
        assert!(found > routes.all.len());
    }
}
