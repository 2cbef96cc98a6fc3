//! The rule while its options are read: which buffer is current, what the last content was, which protocols are
//! still possible. Keywords work on this; [`super::check`] turns it into a rule.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::env::Env;
use super::header::{carriers_of, proto_names};
use super::index::{BufferInfo, Index};
use super::ir::*;
use super::refuse::{RefusalKind, Res, bad, conflict, context};
use crate::Dir;
use crate::app::{AppProto, BufferKind};

/// A list of conditions on one buffer, and what is known of that buffer.
#[derive(Debug)]
pub struct List {
    pub m: BufferMatch,
    /// Directions the buffer exists in; 0 when it has none of its own.
    pub dirs: u8,
    pub multi: bool,
}

/// A sticky buffer that was named and has no condition yet.
#[derive(Debug)]
pub struct Pending {
    pub buffer: BufferRef,
    pub transforms: Vec<Transform>,
    pub dirs: u8,
    pub multi: bool,
    /// Side written at the buffer.
    pub side: Option<Dir>,
}

impl Pending {
    /// A buffer that belongs to no protocol, as it is.
    pub const fn of(buffer: BufferRef) -> Pending {
        Pending { buffer, transforms: Vec::new(), dirs: 0, multi: false, side: None }
    }
}

/// A rule under construction.
pub struct Builder<'b, 'e> {
    pub env: &'b mut Env<'e>,
    pub index: &'b Index,
    pub rule: Rule,
    pub lists: Vec<List>,
    /// Where conditions go; `None` is the payload.
    cur: Option<usize>,
    pub pending: Option<Pending>,
    payload: Option<usize>,
    /// Protocols still possible; `None` while nothing said so.
    pub protos: Option<Vec<AppProto>>,
    /// Names of byte_extract / byte_math variables.
    pub vars: Vec<String>,
    /// The last `content`: its list and its place in it.
    pub last_content: Option<(usize, usize)>,
    /// A `base64_decode` was met.
    pub base64: bool,
    /// `ip.src` / `ip.dst` is current.
    pub addr_sticky: Option<bool>,
    pub priority_explicit: bool,
    pub sid_seen: bool,
    pub rev_seen: bool,
    pub gid_seen: bool,
    pub msg_seen: bool,
    pub flow_seen: bool,
    /// Complaints that do not stop the rule from loading.
    pub warnings: Vec<(RefusalKind, String)>,
    /// Direction of a keyword that is not a buffer (numbers, states): to-server only, to-client only.
    pub only_dirs: [bool; 2],
    /// A keyword has said which protocols the rule is about.
    narrowed: bool,
}

impl<'b, 'e> Builder<'b, 'e> {
    pub fn new(env: &'b mut Env<'e>, index: &'b Index, action: Action, header: Header) -> Self {
        let protos = match &header.proto {
            ProtoSpec::App(p) => Some(p.clone()),
            _ => None,
        };
        Builder {
            env,
            index,
            rule: Rule {
                meta: RuleMeta { action, gid: 1, priority: 3, ..RuleMeta::default() },
                header,
                lists: Vec::new(),
                ints: Vec::new(),
                packet: Vec::new(),
                flow: FlowMatch::default(),
                protos: Vec::new(),
                files: Vec::new(),
                state: Vec::new(),
                post: Vec::new(),
                threshold: None,
                rate_filter: None,
                suppress: Vec::new(),
                noalert: None,
                vars: 0,
                prefilter: false,
            },
            lists: Vec::new(),
            cur: None,
            pending: None,
            payload: None,
            protos,
            vars: Vec::new(),
            last_content: None,
            base64: false,
            addr_sticky: None,
            priority_explicit: false,
            sid_seen: false,
            rev_seen: false,
            gid_seen: false,
            msg_seen: false,
            flow_seen: false,
            warnings: Vec::new(),
            only_dirs: [false; 2],
            narrowed: false,
        }
    }

    /// Restricts the rule to protocols that have `what`.
    pub fn require_protos(&mut self, protos: &[AppProto], what: &str) -> Res {
        let mut left: Vec<AppProto> = match &self.protos {
            None => protos.to_vec(),
            Some(have) => have.iter().copied().filter(|p| protos.contains(p)).collect(),
        };
        // What belongs to a protocol is found in those that carry it, too.
        if !core::mem::replace(&mut self.narrowed, true)
            && let ProtoSpec::App(named) = &self.rule.header.proto
            && let Some(own) = named.first().filter(|own| protos.contains(own))
        {
            left.extend(carriers_of(own.name()).filter(|p| protos.contains(p) && !named.contains(p)));
        }
        if left.is_empty() {
            return conflict(format!(
                "{what} belongs to {}, the rule is about {}",
                proto_names(protos),
                proto_names(self.protos.as_deref().unwrap_or(&[]))
            ));
        }
        self.protos = Some(left);
        Ok(())
    }

    /// The list that the next condition belongs to; made when it does not exist yet.
    pub fn list(&mut self) -> Res<usize> {
        if self.addr_sticky.is_some() {
            return context("ip.src and ip.dst take only dataset");
        }
        if let Some(p) = self.pending.take() {
            let ix = self.open(p);
            self.cur = Some(ix);
            return Ok(ix);
        }
        if let Some(ix) = self.cur {
            return Ok(ix);
        }
        if let Some(ix) = self.payload {
            return Ok(ix);
        }
        let ix = self.open(Pending {
            buffer: BufferRef::Payload,
            transforms: Vec::new(),
            dirs: 0,
            multi: false,
            side: None,
        });
        self.payload = Some(ix);
        Ok(ix)
    }

    /// The list of a buffer outside the sticky scheme (old modifiers, `urilen`, pcre flags): joins the list of
    /// that buffer without transforms if there is one.
    pub fn list_of(&mut self, info: &BufferInfo) -> Res<usize> {
        self.require_protos(&info.protos(), info.name)?;
        let dirs = info.dirs_for(self.protos.as_deref());
        Ok(self.open(Pending {
            buffer: BufferRef::App(info.name),
            transforms: Vec::new(),
            dirs,
            side: None,
            multi: false,
        }))
    }

    /// The list of a buffer that belongs to no protocol.
    pub fn list_of_all(&mut self, buffer: BufferRef) -> usize {
        self.open(Pending::of(buffer))
    }

    /// A buffer named in the old way (a modifier, a flag of `pcre`, `uricontent`): where HTTP/1 has it, only HTTP/1 is meant.
    pub fn old_list_of(&mut self, info: &BufferInfo) -> Res<usize> {
        let http1 = AppProto::by_name("http");
        if let Some(p) = http1.filter(|p| info.protos().contains(p)) {
            self.require_protos(&[p], info.name)?;
        }
        self.list_of(info)
    }

    fn open(&mut self, p: Pending) -> usize {
        let same = self
            .lists
            .iter()
            .position(|l| !p.multi && l.m.buffer == p.buffer && l.m.transforms == p.transforms);
        if let Some(ix) = same {
            return ix;
        }
        self.lists.push(List {
            m: BufferMatch {
                buffer: p.buffer,
                transforms: p.transforms,
                matches: Vec::new(),
                absent: None,
                side: p.side,
            },
            dirs: p.dirs,
            multi: p.multi,
        });
        self.lists.len() - 1
    }

    /// Adds a condition to the current list.
    pub fn push(&mut self, m: Match) -> Res {
        let ix = self.list()?;
        self.push_to(ix, m);
        Ok(())
    }

    /// A condition placed after the last content: it belongs to that content's list, wherever an old modifier
    /// has moved it.
    pub fn push_relative(&mut self, m: Match) -> Res {
        match self.last_content {
            Some((ix, _)) if self.pending.is_none() => {
                self.push_to(ix, m);
                Ok(())
            }
            _ => self.push(m),
        }
    }

    pub fn push_to(&mut self, ix: usize, m: Match) {
        if let Some(l) = self.lists.get_mut(ix) {
            if matches!(m, Match::Content(_)) {
                self.last_content = Some((ix, l.m.matches.len()));
            }
            l.m.matches.push(m);
        }
    }

    /// Makes a buffer current (a sticky buffer keyword).
    pub fn stick(&mut self, p: Pending) -> Res {
        self.leave()?;
        self.pending = Some(p);
        Ok(())
    }

    pub fn stick_app(&mut self, info: &BufferInfo, side: Option<Dir>) -> Res {
        self.require_protos(&info.protos(), info.name)?;
        let multi = info.defs.iter().any(|d| d.1.kind == BufferKind::Multi);
        let dirs = info.dirs_for(self.protos.as_deref());
        let dirs = side.map_or(dirs, |d| dirs & d.bit());
        self.stick(Pending { buffer: BufferRef::App(info.name), transforms: Vec::new(), dirs, multi, side })
    }

    /// A transform after a condition begins a new view of the same buffer: conditions that follow see the buffer
    /// with that transform, those before do not.
    pub fn repend(&mut self) -> Res {
        if self.pending.is_some() {
            return Ok(());
        }
        if let Some(l) = self.cur.and_then(|ix| self.lists.get(ix))
            && l.m.buffer != BufferRef::Base64
        {
            let p = Pending {
                buffer: l.m.buffer.clone(),
                transforms: Vec::new(),
                dirs: l.dirs,
                multi: l.multi,
                side: l.m.side,
            };
            self.pending = Some(p);
        }
        Ok(())
    }

    /// Checks that the current buffer may be left.
    fn leave(&mut self) -> Res {
        if self.pending.is_some() {
            return context("the sticky buffer before it has no condition");
        }
        if let Some(ix) = self.cur
            && self.lists.get(ix).is_some_and(|l| l.m.buffer == BufferRef::Base64)
        {
            return context("the buffer cannot be changed after base64_data");
        }
        self.addr_sticky = None;
        Ok(())
    }

    /// `pkt_data`: back to the payload.
    pub fn reset(&mut self) -> Res {
        self.leave()?;
        self.cur = None;
        Ok(())
    }

    /// Whether a sticky buffer is current.
    pub fn sticky(&self) -> bool {
        self.cur.is_some() || self.pending.is_some() || self.addr_sticky.is_some()
    }

    /// Whether the protocol buffer `name`, without transforms, is current.
    pub fn sticky_is(&self, name: &str) -> bool {
        let is =
            |b: &BufferRef, t: &[Transform]| t.is_empty() && *b == BufferRef::App(self.static_name(name));
        match &self.pending {
            Some(p) => is(&p.buffer, &p.transforms),
            None => {
                self.cur.and_then(|i| self.lists.get(i)).is_some_and(|l| is(&l.m.buffer, &l.m.transforms))
            }
        }
    }

    /// The registered spelling of a buffer's name; empty when there is none.
    fn static_name(&self, name: &str) -> &'static str {
        self.index.buffer(name).map_or("", |i| i.name)
    }

    /// Whether conditions go to the payload now.
    pub fn on_payload(&self) -> bool {
        !self.sticky()
    }

    /// The last content, for its modifiers.
    pub fn content(&mut self) -> Res<&mut Content> {
        let found = self.last_content.and_then(|(l, m)| self.lists.get_mut(l)?.m.matches.get_mut(m));
        match found {
            Some(Match::Content(c)) => Ok(c),
            _ => context("needs a content before it"),
        }
    }

    /// Moves the last content, which must be in the payload, to a protocol's buffer (an old-style modifier).
    pub fn move_content(&mut self, info: &BufferInfo) -> Res {
        if self.sticky() {
            return context("cannot be used while a sticky buffer is set");
        }
        let Some((l, m)) = self.last_content else { return context("needs a content before it") };
        if Some(l) != self.payload {
            return context("its content belongs to another buffer already");
        }
        if self.content()?.rawbytes {
            return conflict("cannot be used with rawbytes");
        }
        let to = self.old_list_of(info)?;
        let Some(list) = self.lists.get_mut(l) else { return context("needs a content before it") };
        if m >= list.m.matches.len() {
            return context("needs a content before it");
        }
        let moved = list.m.matches.remove(m);
        self.push_to(to, moved);
        Ok(())
    }

    /// Number of a variable that the rule has made, by name.
    pub fn var(&self, name: &str) -> Option<u8> {
        self.vars.iter().position(|v| v == name).map(|i| i as u8)
    }

    /// A number, or the name of a variable made earlier.
    pub fn num(&self, t: &str, what: &str) -> Res<Num> {
        let t = t.trim();
        let c = t.as_bytes().first().copied().unwrap_or(b' ');
        if c.is_ascii_digit() || c == b'-' || c == b'+' {
            return super::num::int(t).map(Num::Const);
        }
        match self.var(t) {
            Some(v) => Ok(Num::Var(v)),
            None => bad(format!("{what} \"{t}\" is not a number, and no byte_extract or byte_math makes it")),
        }
    }

    /// Makes a variable.
    pub fn new_var(&mut self, name: &str) -> Res<u8> {
        let ok = !name.is_empty()
            && !name.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'));
        if !ok {
            return bad(format!("\"{name}\" is not a name for a variable"));
        }
        if let Some(v) = self.var(name) {
            return Ok(v);
        }
        if self.vars.len() >= 32 {
            return bad("more than 32 variables");
        }
        self.vars.push(name.to_string());
        Ok((self.vars.len() - 1) as u8)
    }
}
