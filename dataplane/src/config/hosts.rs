//! `host-os-policy`: addresses go in, the overlap policy of the receiving host comes out. The longest network
//! wins.

use std::net::IpAddr;

use tidegate_core::stream::policy::OsPolicy;

/// Networks with their policies, longest first.
#[derive(Clone, Debug, Default)]
pub struct HostPolicies {
    /// (is IPv6, network bits as the high bits of 128, prefix length, policy)
    nets: Vec<(bool, u128, u8, OsPolicy)>,
}

impl HostPolicies {
    /// Adds `net` (`10.0.0.0/8`, `2001:db8::/32`, a single address); `false` when it is not a network.
    pub fn add(&mut self, net: &str, policy: OsPolicy) -> bool {
        let (addr, prefix) = match net.trim().split_once('/') {
            Some((a, p)) => (a, Some(p)),
            None => (net.trim(), None),
        };
        let Ok(addr) = addr.parse::<IpAddr>() else { return false };
        let (v6, bits, max) = match addr {
            IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96, 32),
            IpAddr::V6(a) => (true, u128::from(a), 128),
        };
        let prefix = match prefix.map(str::parse::<u8>) {
            None => max,
            Some(Ok(p)) if p <= max => p,
            Some(_) => return false,
        };
        self.nets.push((v6, bits & mask(prefix), prefix, policy));
        self.nets.sort_by_key(|n| std::cmp::Reverse(n.2));
        true
    }

    /// The policy of the host at `addr`, `bsd` when nothing was said of it.
    pub fn of(&self, addr: IpAddr) -> OsPolicy {
        let (v6, bits) = match addr {
            IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96),
            IpAddr::V6(a) => (true, u128::from(a)),
        };
        self.nets
            .iter()
            .find(|(six, net, prefix, _)| *six == v6 && bits & mask(*prefix) == *net)
            .map_or(OsPolicy::Bsd, |n| n.3)
    }

    /// All networks: (is IPv6, network as the high bits of 128, prefix length, policy), longest first.
    pub fn networks(&self) -> &[(bool, u128, u8, OsPolicy)] {
        &self.nets
    }
}

const fn mask(prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        p => u128::MAX << (128 - p as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_wins() {
        let mut h = HostPolicies::default();
        assert!(h.add("0.0.0.0/0", OsPolicy::Windows));
        assert!(h.add("10.1.0.0/16", OsPolicy::Solaris));
        assert!(h.add("10.1.2.3", OsPolicy::OldLinux));
        assert!(h.add("2001:db8::/32", OsPolicy::Linux));
        assert!(!h.add("10.0.0.0/33", OsPolicy::Linux));
        assert!(!h.add("ten", OsPolicy::Linux));
        let of = |a: &str| h.of(a.parse().unwrap());
        assert_eq!(of("10.1.2.3"), OsPolicy::OldLinux);
        assert_eq!(of("10.1.2.4"), OsPolicy::Solaris);
        assert_eq!(of("8.8.8.8"), OsPolicy::Windows);
        assert_eq!(of("2001:db8::1"), OsPolicy::Linux);
        assert_eq!(of("::1"), OsPolicy::Bsd);
    }
}
