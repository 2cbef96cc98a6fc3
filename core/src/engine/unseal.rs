//! Sessions that are read with keys, between the streams and the parsers; see [`crate::unseal`].

use super::Engine;
use super::packet::PacketFacts;
use super::transactions::Ends;
use crate::Dir;
use crate::app::AppProto;
use crate::event::EventSink;
use crate::flow::FlowIx;
use crate::packet::Packet;
use crate::unseal::{TlsSecret, When};

/// What a flow knows of its session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsealing {
    /// Number of the session + 1; 0: none is read.
    id: u32,
    /// It is not looked for again.
    over: bool,
    /// What the parsers see was protected.
    pub(super) opened: bool,
}

impl Unsealing {
    pub(super) fn id(self) -> Option<u32> {
        self.id.checked_sub(1)
    }
}

impl Engine {
    /// Tells a secret of a TLS session, whose records are read from then on; those of a session that waits, too. `false`: the
    /// engine has no room for such sessions ([`super::Config::unseal`]).
    pub fn tls_secret(&mut self, secret: &TlsSecret) -> bool {
        self.unseal.tell(secret);
        self.unseal.is_on()
    }

    /// A parser has read on: maybe it knows by now what the session's protected part needs.
    pub(super) fn seek_keys(&mut self, ix: FlowIx) {
        let st = &mut self.state[ix.0 as usize];
        let id = st.unseal.id();
        if st.unseal.over || id.is_some_and(|id| self.unseal.is_whole(id)) {
            return;
        }
        let Some(hello) = self.app.hello(&st.app, &self.app_pool) else { return };
        match id {
            Some(id) => self.unseal.know(id, hello),
            None => match self.unseal.begin(hello) {
                Some(id) => st.unseal.id = id + 1,
                None => st.unseal.over = true,
            },
        }
    }

    /// Reads what there is of a direction's records. `flush`: nothing follows.
    pub(super) fn unseal(
        &mut self,
        (ix, id): (FlowIx, u32),
        (d, flush): (Dir, bool),
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        let tcp = self.flows.hot(ix).tcp;
        let mut unfit = false;
        loop {
            let chunk = self.streams.app_ready(tcp, d, &self.stream_pool, flush);
            let (gap, eof) = (chunk.gap, chunk.eof);
            let took = if gap > 0 {
                self.unseal.gap(id, d, gap);
                // Otherwise it is for the handshake's parser to be told.
                if self.unseal.is_open(id) { gap as usize } else { 0 }
            } else {
                let taken = self.unseal.take(id, d, chunk.data, When { last: eof, over: flush, now: pkt.ts });
                unfit |= taken.unfit;
                taken.bytes
            };
            self.streams.app_consume(tcp, d, took, &mut self.stream_pool);
            if took == 0 || eof {
                break;
            }
        }
        if unfit {
            let fed = crate::app::Fed::unfit();
            self.fed(ix, pkt, dir, &fed, seen, sink);
        }
        if self.unseal.is_over(id, d) {
            self.end_unsealing(ix);
        } else if self.unseal.opens(id, d) {
            self.finish_protocol(ix, (pkt, dir), seen, sink);
            self.transactions(ix, pkt, dir, Ends::Protocol, sink);
            let st = &mut self.state[ix.0 as usize];
            st.unseal.opened = true;
            st.need = [0; 2];
            // What it was before TLS says little: a proxy's HTTP may carry anything.
            st.app.begin_change(AppProto::UNKNOWN);
        }
    }

    /// The flow's session is not read any more.
    pub(super) fn end_unsealing(&mut self, ix: FlowIx) {
        let Some(st) = self.state.get_mut(ix.0 as usize) else { return };
        st.unseal.over = true;
        if let Some(id) = st.unseal.id() {
            st.unseal.id = 0;
            self.unseal.end(id);
        }
    }

    /// Client and server were mistaken for each other.
    pub(super) fn turn_unsealing(&mut self, ix: FlowIx) {
        if let Some(id) = self.state.get(ix.0 as usize).and_then(|s| s.unseal.id()) {
            self.unseal.swap(id);
        }
    }
}
