//! Settings of the flow table: plain data, filled by the dataplane from `flow`, `flow-timeouts` and `vlan`.

/// Seconds after which an idle flow of one protocol group ends, per state (`flow-timeouts.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub new: u32,
    pub established: u32,
    pub closed: u32,
    pub bypassed: u32,
}

/// The groups of `flow-timeouts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Group {
    Tcp = 0,
    Udp = 1,
    Icmp = 2,
    Other = 3,
}

impl Group {
    /// The group of an IP protocol number.
    pub const fn of(proto: u8) -> Group {
        match proto {
            6 => Group::Tcp,
            17 => Group::Udp,
            1 => Group::Icmp,
            _ => Group::Other,
        }
    }
}

/// Settings of the flow table.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Flows reserved at construction; when all are taken the emergency rule of [`super::FlowTable`] applies.
    pub max_flows: usize,
    /// VLAN identifiers are part of the key (`vlan.use-for-tracking`).
    pub vlan_tracking: bool,
    /// Tunnel depth is part of the key (`decoder.recursion-level.use-for-tracking`).
    pub recursion_tracking: bool,
    /// Indexed by [`Group`].
    pub timeouts: [Timeouts; 4],
    /// Timeouts in emergency, indexed by [`Group`].
    pub emergency: [Timeouts; 4],
    /// Flows given up at once when the table is full (`flow.emergency` eviction by count).
    pub evict: usize,
}

impl FlowConfig {
    /// What of a tunnel depth is part of the key.
    #[inline]
    pub(super) const fn depth(&self, recursion: u8) -> u8 {
        if self.recursion_tracking || recursion == super::OWN_STREAM { recursion } else { 0 }
    }
}

impl Default for FlowConfig {
    fn default() -> Self {
        let t = |new, established, closed, bypassed| Timeouts { new, established, closed, bypassed };
        FlowConfig {
            max_flows: 64 << 10,
            vlan_tracking: true,
            recursion_tracking: true,
            timeouts: [t(30, 300, 10, 100), t(30, 300, 0, 100), t(30, 300, 0, 100), t(30, 300, 0, 100)],
            emergency: [t(10, 100, 5, 50), t(10, 100, 0, 50), t(10, 100, 0, 50), t(10, 100, 0, 50)],
            evict: 16,
        }
    }
}
