//! Rules of a port's hardware (`rte_flow`): what to match, what to do; removed when dropped.

use std::net::IpAddr;
use std::ptr::NonNull;

use tidegate_dpdk_sys as sys;

use super::{DpdkError, Port};

/// What a rule matches. Ports are left open with `ports: None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowMatch {
    pub src: IpAddr,
    /// Bits of the address that count.
    pub src_bits: u8,
    pub dst: IpAddr,
    pub dst_bits: u8,
    /// IP protocol; 0 for any.
    pub proto: u8,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    pub vlan: Option<u16>,
}

/// What becomes of what matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowAction {
    Drop,
    /// Out by another port of the same embedded switch.
    ToPort(u16),
}

/// Packets that met a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCount {
    pub packets: u64,
    pub bytes: u64,
}

/// The rules of a port.
#[derive(Clone, Debug)]
pub struct FlowRules {
    port: Port,
    /// Rules go to the embedded switch.
    pub transfer: bool,
    pub group: u32,
    /// Rules count what meets them.
    pub count: bool,
}

/// A rule in force; destroyed when dropped.
#[derive(Debug)]
pub struct FlowRule {
    port: Port,
    raw: NonNull<sys::rte_flow>,
}

// SAFETY: rte_flow functions of a port are thread-safe where the driver says so and serialised by ethdev where not
// (rte_flow.h, RTE_ETH_DEV_FLOW_OPS_THREAD_SAFE); the handle itself is only a name.
unsafe impl Send for FlowRule {}

fn octets(a: IpAddr) -> ([u8; 16], u8) {
    match a {
        IpAddr::V4(a) => {
            let mut o = [0; 16];
            o[..4].copy_from_slice(&a.octets());
            (o, 0)
        }
        IpAddr::V6(a) => (a.octets(), 1),
    }
}

impl FlowRules {
    pub fn new(port: Port, transfer: bool, group: u32) -> FlowRules {
        FlowRules { port, transfer, group, count: true }
    }

    fn spec(&self, m: &FlowMatch, action: FlowAction, age_s: u32, token: u64) -> sys::tg_flow_spec {
        let (src, v6) = octets(m.src);
        let (dst, _) = octets(m.dst);
        let (action, to_port) = match action {
            FlowAction::Drop => (sys::TG_FLOW_DROP, 0),
            FlowAction::ToPort(p) => (sys::TG_FLOW_TO_PORT, p),
        };
        sys::tg_flow_spec {
            transfer: self.transfer.into(),
            v6,
            proto: m.proto,
            action: action as u8,
            src_bits: m.src_bits,
            dst_bits: m.dst_bits,
            ports: m.ports.is_some().into(),
            has_vlan: m.vlan.is_some().into(),
            src,
            dst,
            sp: m.ports.map_or(0, |p| p.0),
            dp: m.ports.map_or(0, |p| p.1),
            vlan: m.vlan.unwrap_or(0),
            to_port,
            group: self.group,
            priority: 0,
            age_s,
            count: self.count.into(),
            pad: [0; 3],
            // A number on its way through the driver and back, never followed.
            context: std::ptr::without_provenance_mut(token as usize),
        }
    }

    /// Asks whether the port would take such a rule.
    pub fn validate(&self, m: &FlowMatch, action: FlowAction, age_s: u32) -> Result<(), DpdkError> {
        let spec = self.spec(m, action, age_s, 1);
        let mut why = [0; 128];
        // SAFETY: the description and the room for the reason live during the call.
        let r = unsafe { sys::tg_flow_validate(self.port.id(), &spec, why.as_mut_ptr(), why.len()) };
        if r == 0 { Ok(()) } else { Err(refusal(r, &why)) }
    }

    /// Puts a rule in force. `token` (not 0) comes back from [`FlowRules::aged`] when nothing met it for `age_s` seconds.
    pub fn create(
        &self,
        m: &FlowMatch,
        action: FlowAction,
        age_s: u32,
        token: u64,
    ) -> Result<FlowRule, DpdkError> {
        let spec = self.spec(m, action, age_s, token);
        let mut why = [0; 128];
        // SAFETY: as above; drivers copy what they keep.
        let raw = unsafe { sys::tg_flow_create(self.port.id(), &spec, why.as_mut_ptr(), why.len()) };
        match NonNull::new(raw) {
            Some(raw) => Ok(FlowRule { port: self.port.clone(), raw }),
            None => Err(refusal(super::eal::errno(), &why)),
        }
    }

    /// Tokens of rules that nothing met for their time, into `out`; how many.
    pub fn aged(&self, out: &mut [u64; 64]) -> usize {
        let mut contexts = [std::ptr::null_mut(); 64];
        // SAFETY: room for 64 contexts.
        let n = unsafe { sys::tg_flow_aged(self.port.id(), contexts.as_mut_ptr(), 64) };
        let n = usize::try_from(n).unwrap_or(0).min(64);
        for (o, c) in out.iter_mut().zip(&contexts[..n]) {
            *o = c.addr() as u64;
        }
        n
    }
}

fn refusal(code: i32, why: &[std::ffi::c_char]) -> DpdkError {
    let text: String = why.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect();
    DpdkError::Refused { what: "a rule for the hardware".into(), code: code.abs(), why: text }
}

impl FlowRule {
    /// What met the rule so far; with `reset`, counting begins anew.
    pub fn count(&self, reset: bool) -> Option<FlowCount> {
        let mut c = sys::tg_flow_count::default();
        // SAFETY: the rule is in force until this handle is dropped.
        let r = unsafe { sys::tg_flow_query(self.port.id(), self.raw.as_ptr(), &mut c, reset.into()) };
        (r == 0).then_some(FlowCount { packets: c.packets, bytes: c.bytes })
    }
}

impl Drop for FlowRule {
    fn drop(&mut self) {
        // SAFETY: the rule is ours and destroyed once.
        unsafe { sys::tg_flow_destroy(self.port.id(), self.raw.as_ptr()) };
    }
}
