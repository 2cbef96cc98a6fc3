//! From parsed rules to the grouped form: the only place of detection that allocates.
//!
//! In: rules with their meaning. Out: a [`RuleSet`]. A rule that cannot be compiled is refused with its position;
//! the others are kept. Each rule gets its form for evaluation (`rule`) and its fast pattern (`fast`); then all are
//! put into groups (`group`).

mod fast;
mod group;
mod rule;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use self::fast::Pick;
use super::inspect::transform::XForm;
use super::ruleset::*;
use crate::app::registry::PROTOCOLS;
use crate::app::{BufferDef, IntDef};
use crate::event::Action;
use crate::rules::ir::{self, BufferRef};
use crate::rules::refuse::{Fault, RefusalKind, Res};
use crate::rules::{Categories, Refusal, Reputation, place};
use crate::sig::regex::{Flags, Regex};

impl RuleSet {
    /// Compiles `rules`. Rules that cannot be compiled end up in [`RuleSet::refused`].
    pub fn compile(rules: Vec<ir::Rule>) -> RuleSet {
        RuleSet::compile_with(rules, &Categories::new(), Reputation::default(), ACTION_ORDER)
    }

    /// As [`RuleSet::compile`], with the address reputation that `iprep` asks and the order of actions: rejecting
    /// ones count as [`Action::Reject`].
    pub fn compile_with(
        mut rules: Vec<ir::Rule>,
        categories: &Categories,
        reputation: Reputation,
        actions: [Action; 4],
    ) -> RuleSet {
        rules.sort_by_key(|r| order(r, &actions));
        let mut c = Compiler { categories: categories.clone(), ..Compiler::default() };
        c.set.reputation = reputation;
        for r in rules {
            let (file, line, sid) = (r.meta.file, r.meta.line, r.meta.sid);
            let (text, further) = (r.meta.text.clone(), r.meta.further.clone());
            let meta = ir::RuleMeta { file, line, sid, text, further, ..ir::RuleMeta::default() };
            if let Err(Fault { kind, reason, near }) = c.add(r) {
                let (file, sid, keyword) = (meta.file, Some(meta.sid), None);
                let (line, column) = near.map_or((meta.line, 1), |(k, part)| place(&meta, k, &part));
                c.set.refused.push(Refusal { file, line, column, sid, keyword, kind, reason });
            }
        }
        c.finish()
    }
}

/// The order of actions where nothing else is said.
pub const ACTION_ORDER: [Action; 4] = [Action::Pass, Action::Drop, Action::Reject, Action::Alert];

/// Evaluation order: by action; rules that set flow bits, flow integers, variables and host bits before those that read them; rules
/// that read `xbits` before all others, so that what is set on a packet is seen from the next one on; priority.
fn order(r: &ir::Rule, actions: &[Action; 4]) -> (u8, [u8; 6], u32) {
    let kind = match r.meta.action {
        Action::RejectSrc | Action::RejectDst | Action::RejectBoth => Action::Reject,
        a => a,
    };
    let action = actions.iter().position(|a| *a == kind).unwrap_or(actions.len()) as u8;
    let sets_first = |sets: bool, reads: bool| match (sets, reads) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    use ir::{Post, StateMatch as State};
    let posts = |is: fn(&Post) -> bool| r.post.iter().any(is);
    let asks = |is: fn(&State) -> bool| r.state.iter().any(is);
    let bits = sets_first(
        posts(|p| matches!(p, Post::FlowbitsSet(_) | Post::FlowbitsUnset(_) | Post::FlowbitsToggle(_))),
        asks(|s| matches!(s, State::FlowbitsIsSet(_) | State::FlowbitsIsNotSet(_))),
    );
    let ints = sets_first(
        posts(|p| matches!(p, Post::FlowintSet { .. } | Post::FlowintAdd { .. } | Post::FlowintSub { .. })),
        asks(|s| matches!(s, State::Flowint { .. })),
    );
    let captures = |is: fn(&ir::Capture) -> bool| {
        let all = r.lists.iter().flat_map(|l| &l.matches);
        all.filter_map(|m| if let ir::Match::Pcre(p) = m { Some(p) } else { None })
            .any(|p| p.captures.iter().any(|c| is(&c.1)))
    };
    let flow_vars = sets_first(
        captures(|c| matches!(c, ir::Capture::FlowVar(_))),
        asks(|s| matches!(s, State::FlowVar { .. })),
    );
    let packet_vars = sets_first(
        captures(|c| matches!(c, ir::Capture::PktVar(_))),
        asks(|s| matches!(s, State::PktVar { .. })),
    );
    let hosts = sets_first(
        posts(|p| matches!(p, Post::Hostbits { .. })),
        asks(|s| matches!(s, State::Hostbits { .. })),
    );
    let xbits = !asks(|s| matches!(s, State::Xbits { .. }));
    (action, [bits, ints, flow_vars, packet_vars, hosts, u8::from(xbits)], r.meta.priority)
}

#[derive(Default)]
struct Compiler {
    set: RuleSet,
    keys: BTreeMap<String, u32>,
    names: [BTreeMap<String, u16>; 3],
    categories: Categories,
    /// Per rule: where its fast pattern goes.
    picks: Vec<Pick>,
}

const BITS: usize = 0;
const INTS: usize = 1;
const VARS: usize = 2;

fn buffer_def(proto: usize, name: &str) -> Option<(u8, &'static BufferDef)> {
    let i = PROTOCOLS.get(proto)?.buffers.iter().position(|b| b.name == name)?;
    Some((i as u8, &PROTOCOLS[proto].buffers[i]))
}

fn int_def(proto: usize, name: &str) -> Option<(u8, &'static IntDef)> {
    let i = PROTOCOLS.get(proto)?.ints.iter().position(|b| b.name == name)?;
    Some((i as u8, &PROTOCOLS[proto].ints[i]))
}

/// Directions in which any protocol of `apps` has the buffer or number.
fn dirs_of(apps: u64, f: impl Fn(usize) -> Option<u8>) -> u8 {
    (0..PROTOCOLS.len().min(64))
        .filter(|p| apps == 0 || apps >> p & 1 == 1)
        .filter_map(f)
        .fold(0, |a, d| a | d)
}

impl Compiler {
    fn name(&mut self, table: usize, name: &str) -> u16 {
        let n = self.names[table].len() as u16;
        *self.names[table].entry(name.into()).or_insert(n)
    }

    fn names(&mut self, table: usize, names: &[String]) -> Vec<u16> {
        names.iter().map(|n| self.name(table, n)).collect()
    }

    fn key(&mut self, buffer: &BufferRef, transforms: &[ir::Transform]) -> Res<u32> {
        let id = format!("{buffer:?}{transforms:?}");
        if let Some(&k) = self.keys.get(&id) {
            return Ok(k);
        }
        let mut xforms = Vec::new();
        for t in transforms {
            xforms.push(match t {
                ir::Transform::PcreXform(p) => match Regex::compile(p.as_bytes(), Flags::default()) {
                    Ok(regex) => XForm::Regex(alloc::boxed::Box::new(regex)),
                    Err(e) => {
                        let fault = Fault::new(RefusalKind::Value, format!("pcrexform: {e}"));
                        return Err(fault.near("pcrexform", p.as_bytes()));
                    }
                },
                t => XForm::Plain(t.clone()),
            });
        }
        let local = match buffer {
            BufferRef::App(name) => {
                (0..PROTOCOLS.len()).map(|p| buffer_def(p, name).map_or(NONE, |d| d.0)).collect()
            }
            _ => vec![NONE; PROTOCOLS.len()],
        };
        let k = self.set.bufs.len() as u32;
        self.set.bufs.push(BufKey { buffer: buffer.clone(), transforms: transforms.to_vec(), xforms, local });
        self.keys.insert(id, k);
        Ok(k)
    }

    fn finish(mut self) -> RuleSet {
        self.group_all();
        self.set.by_id = (0..).zip(&self.set.metas).map(|(i, m)| (m.id(), i)).collect();
        self.set.by_id.sort_unstable();
        let [bits, ints, vars] = self.names.map(|t| {
            let mut v: Vec<(u16, String)> = t.into_iter().map(|(n, i)| (i, n)).collect();
            v.sort();
            v.into_iter().map(|(_, n)| n).collect::<Vec<_>>()
        });
        self.set.names = Names { flowbits: bits, flowints: ints, flowvars: vars };
        self.set
    }
}
