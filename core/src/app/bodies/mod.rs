//! Bytes inside messages: what carriers (HTTP/1, HTTP/2, WebSocket) take off the wire goes to the guests, protocols
//! that live inside messages of others.
//!
//! In: begin, data, gap and end of both messages of an exchange, from carriers that know no guest. Out: pieces, cut as the guest asked, for
//! guests that know no carrier. Owns the guests and what is kept of each exchange while its messages are read.

mod cut;
pub mod decode;
mod guest;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use cut::{Cut, Cutter, Piece};
use decode::{ChainId, Coding, Decoders, Room};
pub use guest::{At, Ended, Guest, GuestParser, Interest, MakeGuest, lodge};

use super::registry::PROTOCOLS;
use super::{AppConfig, AppProto, Parser, StateId, Wanted};
use crate::Dir;
use crate::packet::Addr;
use crate::pool::{Arena, BytePool, Credit, Records, Scratch};

/// Most protocols that live inside messages.
pub const GUESTS_MAX: usize = 2;

/// What a flow keeps of its guests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lodging {
    /// Their states, plus one; 0: none.
    states: [u32; GUESTS_MAX],
    /// An exchange whose messages a protocol carries that the flow is about to change to.
    waiting: BodyId,
    /// What may be made of its bytes.
    pub(super) credit: Credit,
}

impl Lodging {
    /// The exchange that waits for the flow's next protocol.
    pub fn take_waiting(&mut self) -> BodyId {
        core::mem::take(&mut self.waiting)
    }

    /// Forgets the guests' states; they are those that were.
    pub fn take_states(&mut self) -> Lodging {
        Lodging { states: core::mem::take(&mut self.states), ..Lodging::default() }
    }
}

/// What a message says of itself before its bytes. Borrowed for one call; a value is looked for when it is asked for.
pub trait Head {
    /// A header field of the request (to the server) or of the answer, by its name in lower case; `:method`, `:path`,
    /// `:authority` and `:status` are as in HTTP/2, whatever the carrier. Fields after the body count as well.
    fn field<'p>(&'p self, dir: Dir, name: &str, pool: &'p BytePool) -> Option<&'p [u8]>;
}

/// Nothing: of messages without a head of their own.
pub struct NoHead;

impl Head for NoHead {
    fn field<'p>(&'p self, _: Dir, _: &str, _: &'p BytePool) -> Option<&'p [u8]> {
        None
    }
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Carrier {
    #[default]
    Http1,
    Http2,
    WebSocket,
}

impl Carrier {
    /// As records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Carrier::Http1 => "http/1.1",
            Carrier::Http2 => "http/2",
            Carrier::WebSocket => "websocket",
        }
    }
}

/// Where a message comes from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub carrier: Carrier,
    /// Number of the carrier's transaction in its flow.
    pub tx: u64,
    pub head: &'a dyn Head,
}

/// What guests may use.
pub struct BodyCx<'a> {
    pub pool: &'a mut BytePool,
    pub scratch: &'a mut Scratch,
    pub cfg: &'a AppConfig,
    /// Packet time, ns.
    pub now: u64,
    /// See [`AppCx::shown`](super::AppCx::shown).
    pub shown: bool,
    pub lodging: &'a mut Lodging,
    /// Buffers that loaded rules read, of the guest at work.
    pub wanted: Wanted,
}

/// An exchange that guests read, as its carrier notes it: nothing, or a place among [`Bodies`]' exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyId(u32);

impl BodyId {
    /// Whether a guest reads it.
    pub const fn is_read(self) -> bool {
        self.0 != 0
    }
}

/// A request and its answer while they are read.
#[derive(Debug, Default)]
struct Exchange {
    /// Place among the guests, and the guest's own number for it.
    guest: u8,
    part: u32,
    cut: [Cutter; 2],
}

/// A guest of the engine.
struct Lodged {
    proto: AppProto,
    parser: Box<dyn GuestParser>,
    wanted: Wanted,
}

/// The guests, and the exchanges that they read.
pub struct Bodies {
    guests: Vec<Lodged>,
    exchanges: Records<Exchange>,
    /// Exchanges that a guest wanted and that found no memory.
    pub refused: u64,
    /// Decoders of content codings; taken out while they work, since what they give goes to the guests.
    decoders: Option<Box<Decoders>>,
}

const fn guests_of_registry() -> usize {
    let (mut n, mut i) = (0, 0);
    while i < PROTOCOLS.len() {
        n += PROTOCOLS[i].guest.is_some() as usize;
        i += 1;
    }
    n
}
const _: () = assert!(guests_of_registry() <= GUESTS_MAX);

impl Bodies {
    /// Makes the guests that `cfg` leaves on. `arena`: memory of records.
    pub fn new(cfg: &AppConfig, arena: &Arc<Arena>) -> Self {
        let on = |name: &str| !cfg.disabled.iter().chain(&cfg.detection_only).any(|n| n == name);
        let guest = |(i, d): (usize, &&super::ProtoDef)| {
            let make = d.guest.filter(|_| on(d.name))?;
            let proto = AppProto(i as u8 + AppProto::FIRST);
            Some(Lodged { proto, parser: make(cfg), wanted: Wanted::ALL })
        };
        Bodies {
            guests: PROTOCOLS.iter().enumerate().filter_map(guest).collect(),
            exchanges: Records::new(arena, cfg.max_txs),
            refused: 0,
            decoders: Some(decoders(cfg)),
        }
    }

    /// Touches the memory of decoders.
    pub fn warm(&mut self) {
        if let Some(d) = &mut self.decoders {
            d.warm();
        }
    }

    /// The decoders, to be given back by [`Bodies::give_back`]; `None` while somebody has them.
    pub fn decoders(&mut self) -> Option<Box<Decoders>> {
        self.decoders.take()
    }

    pub fn give_back(&mut self, decoders: Box<Decoders>) {
        self.decoders = Some(decoders);
    }

    /// Requests for decoders that found none, and messages whose decoders another one took, since construction.
    pub fn decoders_lost(&self) -> (u64, u64) {
        self.decoders.as_ref().map_or((0, 0), |d| (d.refused, d.evicted))
    }

    /// Decoders for the message of that client, whose codings are listed as they are to be undone.
    pub fn decode(&mut self, codings: &[Coding], client: Addr, pool: &mut BytePool) -> Option<ChainId> {
        let dec = self.decoders.as_mut()?;
        let before = dec.refused;
        let chain = dec.open(codings, client, pool);
        pool.refuse(dec.refused - before);
        chain
    }

    /// Gives the decoders of a message back.
    pub fn decoded(&mut self, chain: ChainId, pool: &mut BytePool) {
        if let Some(dec) = &mut self.decoders {
            dec.close(chain, pool);
        }
    }

    /// No guests: for parsers on their own.
    pub fn none(cfg: &AppConfig) -> Self {
        Bodies {
            guests: Vec::new(),
            exchanges: Records::new(&cfg.arena(), 1),
            refused: 0,
            decoders: Some(decoders(cfg)),
        }
    }

    /// Tells the guests which buffers rules read; by place in the registry.
    pub fn set_wanted(&mut self, wanted: &[Wanted]) {
        for g in &mut self.guests {
            if let Some(w) = g.proto.index().and_then(|i| wanted.get(i)) {
                g.wanted = *w;
                g.parser.set_wanted(*w);
            }
        }
    }

    /// The guest at that place and the flow's state in it.
    pub fn layer(&self, lodging: &Lodging, place: usize) -> Option<(AppProto, StateId)> {
        Some((self.guests.get(place)?.proto, lodging.states.get(place)?.checked_sub(1)?))
    }

    /// The guest that is that protocol.
    pub fn parser(&self, proto: AppProto) -> Option<&dyn Parser> {
        let g = self.guests.iter().find(|g| g.proto == proto)?;
        Some(&*g.parser)
    }

    /// As [`Bodies::parser`], to change.
    pub fn parser_mut(&mut self, proto: AppProto) -> Option<&mut (dyn Parser + 'static)> {
        let g = self.guests.iter_mut().find(|g| g.proto == proto)?;
        Some(&mut *g.parser)
    }

    /// Puts what guests changed into the queues of the flow.
    pub fn settle(&mut self, lodging: &Lodging) {
        for (g, st) in self.guests.iter_mut().zip(&lodging.states) {
            if let Some(st) = st.checked_sub(1) {
                g.parser.settle(st);
            }
        }
    }

    /// Calls `f` with a guest, and with bodies that have no guests meanwhile.
    pub fn with_guest(&mut self, proto: AppProto, f: impl FnOnce(&mut dyn Parser, &mut Bodies)) {
        let mut guests = core::mem::take(&mut self.guests);
        if let Some(g) = guests.iter_mut().find(|g| g.proto == proto) {
            f(&mut *g.parser, self);
        }
        self.guests = guests;
    }

    /// A message begins: its head is there. The request of an exchange decides whether a guest reads it.
    pub fn begin(&mut self, id: &mut BodyId, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        if id.0 == 0 {
            self.offer(id, dir, o, cx);
            return;
        }
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(id.0 - 1);
        let Some((g, st)) = at(guests, x, cx) else { return };
        let cut = g.parser.begin(st, x.part, dir, o, cx);
        x.cut[dir.ix()] = Cutter::new(cut.cut());
    }

    /// Asks the guests whether one of them reads the exchange.
    fn offer(&mut self, id: &mut BodyId, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        for (place, g) in self.guests.iter_mut().enumerate() {
            if !g.parser.wants(dir, o, cx.pool) {
                continue;
            }
            let Some(i) = self.exchanges.alloc() else {
                self.refused += 1;
                return;
            };
            cx.wanted = g.wanted;
            let opened =
                g.parser.opened(&mut cx.lodging.states[place]).and_then(|st| Some((st, g.parser.part()?)));
            let Some((st, part)) = opened else {
                self.refused += 1;
                self.exchanges.free(i);
                return;
            };
            let cut = g.parser.begin(st, part, dir, o, cx);
            let x = self.exchanges.get_mut(i);
            *x = Exchange { guest: place as u8, part, ..Exchange::default() };
            x.cut[dir.ix()] = Cutter::new(cut.cut());
            id.0 = i + 1;
            return;
        }
    }

    /// Decoded bytes of a message.
    pub fn data(&mut self, id: BodyId, dir: Dir, bytes: &[u8], o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some(i) = id.0.checked_sub(1) else { return };
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(i);
        let Some((g, st)) = at(guests, x, cx) else { return };
        let (part, parser) = (x.part, &mut g.parser);
        x.cut[dir.ix()].feed(bytes, &mut |piece| parser.piece(st, part, dir, piece, o, cx));
    }

    /// A message of a carrier whose exchanges are of many messages in each direction is whole.
    pub fn mark(&mut self, id: BodyId, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some(i) = id.0.checked_sub(1) else { return };
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(i);
        let Some((g, st)) = at(guests, x, cx) else { return };
        let (part, parser) = (x.part, &mut g.parser);
        x.cut[dir.ix()].mark(&mut |piece| parser.piece(st, part, dir, piece, o, cx));
    }

    /// The flow changes its protocol after this exchange: what follows is read by the guest that wants it.
    pub fn upgrade(&mut self, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let mut id = BodyId::default();
        self.begin(&mut id, Dir::ToServer, o, cx);
        if id.is_read() {
            self.begin(&mut id, Dir::ToClient, o, cx);
        }
        let mut before = core::mem::replace(&mut cx.lodging.waiting, id);
        self.release(&mut before, cx);
    }

    /// Bytes of a message that never arrived.
    pub fn gap(&mut self, id: BodyId, dir: Dir, bytes: u64, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some(i) = id.0.checked_sub(1) else { return };
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(i);
        x.cut[dir.ix()].gap();
        let Some((g, st)) = at(guests, x, cx) else { return };
        g.parser.gap(st, x.part, dir, bytes, o, cx);
    }

    /// The message is over.
    pub fn end(&mut self, id: BodyId, dir: Dir, how: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some(i) = id.0.checked_sub(1) else { return };
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(i);
        let Some((g, st)) = at(guests, x, cx) else { return };
        let (part, parser) = (x.part, &mut g.parser);
        x.cut[dir.ix()].end(&mut |piece| parser.piece(st, part, dir, piece, o, cx));
        parser.end(st, part, dir, how, o, cx);
    }

    /// The carrier gives its transaction back.
    pub fn release(&mut self, id: &mut BodyId, cx: &mut BodyCx<'_>) {
        let Some(i) = core::mem::take(id).0.checked_sub(1) else { return };
        let Bodies { guests, exchanges, .. } = self;
        let x = exchanges.get_mut(i);
        if let Some((g, st)) = at(guests, x, cx) {
            g.parser.release(st, x.part, cx);
        }
        exchanges.free(i);
    }
}

fn decoders(cfg: &AppConfig) -> Box<Decoders> {
    Box::new(Decoders::new(Room::within(cfg.decoders, &cfg.http), cfg.seed))
}

/// The guest that reads an exchange, and the flow's state in it; `cx` is made the guest's.
fn at<'g>(guests: &'g mut [Lodged], x: &Exchange, cx: &mut BodyCx<'_>) -> Option<(&'g mut Lodged, StateId)> {
    let g = guests.get_mut(usize::from(x.guest))?;
    let st = cx.lodging.states.get(usize::from(x.guest))?.checked_sub(1)?;
    cx.wanted = g.wanted;
    Some((g, st))
}
