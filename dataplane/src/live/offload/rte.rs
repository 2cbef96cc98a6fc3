//! Rules of DPDK ports by `rte_flow`: flows and networks go in, rules of the NIC or its switch come out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Direction, Fate, FlowOffload, Refused, Side};
use crate::dpdk::{DpdkError, FlowAction, FlowMatch, FlowRule, FlowRules, Port};
use crate::live::blocklist::Network;

/// See [`FlowOffload`]. What is special about mlx5 is here: rules that pass packets on to another port are rules of
/// the embedded switch (`transfer`), made through the port that they come in by.
#[derive(Debug)]
pub struct RteFlow {
    /// By number of the port.
    ports: Vec<Option<FlowRules>>,
    rules: Vec<Option<FlowRule>>,
    free: Vec<u32>,
    transfer: bool,
}

impl RteFlow {
    pub fn new(ports: &[Port], transfer: bool) -> RteFlow {
        let mut by = Vec::new();
        for p in ports {
            let i = usize::from(p.id());
            if by.len() <= i {
                by.resize_with(i + 1, || None);
            }
            by[i] = Some(FlowRules::new(p.clone(), transfer, 0));
        }
        RteFlow { ports: by, rules: Vec::new(), free: Vec::new(), transfer }
    }
}

impl RteFlow {
    fn keep(&mut self, rule: FlowRule) -> u32 {
        match self.free.pop() {
            Some(i) => {
                self.rules[i as usize] = Some(rule);
                i
            }
            None => {
                self.rules.push(Some(rule));
                (self.rules.len() - 1) as u32
            }
        }
    }
}

fn refused(e: DpdkError) -> Refused {
    if FULL.contains(&e.code()) { Refused::Full } else { Refused::Unsupported(e.to_string()) }
}

/// ENOSPC and ENOMEM: drivers say "full" by either.
const FULL: [i32; 2] = [28, 12];

impl FlowOffload for RteFlow {
    fn insert(&mut self, d: &Direction, fate: Fate, age_s: u32, token: u64) -> Result<u32, Refused> {
        let none = |why: &str| Refused::Unsupported(why.into());
        let rules = self
            .ports
            .get(usize::from(d.from))
            .and_then(|p| p.as_ref())
            .ok_or_else(|| none("no such port"))?;
        let action = match (fate, d.to) {
            // Packets that are only watched go on by themselves.
            (Fate::Block, _) | (Fate::Bypass, None) => FlowAction::Drop,
            (Fate::Bypass, Some(to)) if self.transfer => FlowAction::ToPort(to),
            (Fate::Bypass, Some(_)) => return Err(none("passing on needs rules of the switch")),
        };
        let bits = if d.src.is_ipv6() { 128 } else { 32 };
        let m = FlowMatch {
            src: d.src,
            src_bits: bits,
            dst: d.dst,
            dst_bits: bits,
            proto: d.proto,
            ports: d.ports,
            vlan: d.vlan,
        };
        let rule = rules.create(&m, action, age_s, token).map_err(refused)?;
        Ok(self.keep(rule))
    }

    fn ports(&self) -> Vec<u16> {
        (0u16..).zip(&self.ports).filter(|(_, p)| p.is_some()).map(|(i, _)| i).collect()
    }

    fn block(&mut self, network: &Network, side: Side, port: u16) -> Result<u32, Refused> {
        let Some(rules) = self.ports.get(usize::from(port)).and_then(|p| p.as_ref()) else {
            return Err(Refused::Unsupported("no such port".into()));
        };
        let any = match network.addr {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let this = (network.addr, network.bits);
        let ((src, src_bits), (dst, dst_bits)) = match side {
            Side::Src => (this, (any, 0)),
            Side::Dst => ((any, 0), this),
        };
        let m = FlowMatch { src, src_bits, dst, dst_bits, proto: 0, ports: None, vlan: None };
        let rule = match rules.create(&m, FlowAction::Drop, 0, 0) {
            Err(e) if !FULL.contains(&e.code()) => {
                // Blocking matters more than counting.
                let mut uncounted = rules.clone();
                uncounted.count = false;
                uncounted.create(&m, FlowAction::Drop, 0, 0)
            }
            r => r,
        };
        Ok(self.keep(rule.map_err(refused)?))
    }

    fn remove(&mut self, rule: u32) {
        if let Some(r) = self.rules.get_mut(rule as usize)
            && r.take().is_some()
        {
            self.free.push(rule);
        }
    }

    fn count(&mut self, rule: u32) -> Option<(u64, u64)> {
        let c = self.rules.get(rule as usize)?.as_ref()?.count(false)?;
        Some((c.packets, c.bytes))
    }

    fn aged(&mut self, f: &mut dyn FnMut(u64)) {
        let mut tokens = [0; 64];
        for p in self.ports.iter().flatten() {
            loop {
                let n = p.aged(&mut tokens);
                tokens[..n].iter().for_each(|&t| f(t));
                if n < tokens.len() {
                    break;
                }
            }
        }
    }
}
