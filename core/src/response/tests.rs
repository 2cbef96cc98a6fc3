//! Tables against a plain search, and the allow list against everything that could be ordered.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Few addresses, so that things meet.
fn ip() -> impl Strategy<Value = IpAddr> {
    let v4 = (0u32..64, prop::bool::ANY)
        .prop_map(|(n, far)| Ipv4Addr::from(if far { 0xc0a8_0000 + n } else { 0x0a00_0000 + n }));
    prop_oneof![
        v4.clone().prop_map(IpAddr::V4),
        // The same ones as IPv6 has them.
        v4.prop_map(|a| IpAddr::V6(a.to_ipv6_mapped())),
        (0u16..16).prop_map(|n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n))),
    ]
}

fn domain() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just("a"), Just("B"), Just("evil"), Just("Example"), Just("com"), Just("x-1")];
    (prop::collection::vec(label, 1..4), prop_oneof![Just(""), Just("."), Just("..")])
        .prop_map(|(l, end)| l.join(".") + end)
}

fn name() -> impl Strategy<Value = String> {
    "[lL][lL]ama-[1-3]{1,2}|gpt|GPT|run_[ab]| gpt "
}

/// What an order may name, as text.
fn target() -> impl Strategy<Value = (Kind, String)> {
    prop_oneof![
        ip().prop_map(|a| (Kind::Host, a.to_string())),
        (ip(), 0u8..=128).prop_map(|(a, n)| {
            let most = if a.is_ipv4() { 32 } else { 128 };
            (Kind::Network, format!("{a}/{}", n.min(most)))
        }),
        (ip(), ip(), 0u16..3, 0u16..3).prop_map(|(a, b, p, q)| {
            let of = |a, p| core::net::SocketAddr::new(a, p);
            (Kind::Flow, format!("{} {} tcp", of(a, p), of(b, q)))
        }),
        domain().prop_map(|d| (Kind::Domain, d)),
        name().prop_map(|n| (Kind::Model, n)),
        name().prop_map(|n| (Kind::Tool, n)),
    ]
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    prop::collection::vec((target(), 1u64..20, prop::bool::weighted(0.8)), 0..40).prop_map(|all| {
        let entry = |(i, ((kind, text), until, block)): (usize, ((Kind, String), u64, bool))| {
            let effect = if block { Effect::Block } else { Effect::Mark };
            let target = Target::parse(kind, &text).ok()?;
            Some(Block { id: i as u32 + 1, target, effect, until, reason: String::new() })
        };
        all.into_iter().enumerate().filter_map(entry).collect()
    })
}

/// What may never be blocked, as a file has it.
fn never() -> impl Strategy<Value = (Vec<String>, Vec<String>, Vec<String>)> {
    let nets = (ip(), 0u8..=128).prop_map(|(a, n)| {
        // Short networks would leave nothing to be blocked.
        let n = if a.is_ipv4() { n.clamp(24, 32) } else { n.clamp(120, 128) };
        format!("{a}/{n}")
    });
    let globs = prop_oneof![name(), Just("LLAMA-*".to_string()), Just("run_?".to_string())];
    (
        prop::collection::vec(prop_oneof![nets, ip().prop_map(|a| a.to_string())], 0..4),
        prop::collection::vec(domain(), 0..3),
        prop::collection::vec(globs, 0..3),
    )
}

fn addr(a: IpAddr) -> (Addr, bool) {
    match a {
        IpAddr::V4(a) => (Addr::v4(a.octets()), false),
        IpAddr::V6(a) => (Addr(a.octets()), true),
    }
}

fn key(a: (IpAddr, u16), b: (IpAddr, u16)) -> Option<Key> {
    let ((src, v6), (dst, other)) = (addr(a.0), addr(b.0));
    (v6 == other).then_some(Key { src, dst, sp: a.1, dp: b.1, v6, proto: 6, ..Key::default() })
}

/// The naive search: any entry of the effect that is not over and fits.
fn meets(all: &[Block], effect: Effect, now: u64, fits: impl Fn(&Target) -> bool) -> bool {
    all.iter().any(|b| b.effect == effect && b.until > now && fits(&b.target))
}

fn in_net(n: &Net, a: IpAddr) -> bool {
    let bits = |a: IpAddr| match a {
        IpAddr::V4(a) => format!("4{:032b}", u32::from(a)),
        IpAddr::V6(a) => format!("6{:0128b}", u128::from(a)),
    };
    let text = n.to_string();
    let most = if n.addr().is_ipv4() { 32 } else { 128 };
    let len = text.split_once('/').map_or(most, |p| p.1.parse().unwrap());
    let (a, net) = (bits(a.to_canonical()), bits(n.addr()));
    a.len() == net.len() && a[..=len] == net[..=len]
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tables_say_what_a_plain_search_says(
        all in blocks(),
        (a, b) in (ip(), ip()),
        (p, q) in (0u16..3, 0u16..3),
        d in domain(),
        n in name(),
        now in 0u64..22,
    ) {
        let (t, refused) = Blocks::new(all.clone(), &Never::default());
        prop_assert!(refused.is_empty() && t.len() == all.len());
        let found = |m: Met| (m.block.is_some(), m.mark.is_some());
        let both = |f: &dyn Fn(&Target) -> bool| {
            (meets(&all, Effect::Block, now, f), meets(&all, Effect::Mark, now, f))
        };
        let one = |ip: IpAddr| move |t: &Target| matches!(t, Target::Net(n) if in_net(n, ip));
        let (x, v6) = addr(a);
        prop_assert_eq!(found(t.address(&x, v6, now)), both(&one(a)));
        if let Some(k) = key((a, p), (b, q)) {
            let tuple = Target::Flow(Tuple::new((b, q), (a, p), 6));
            let f = |t: &Target| one(a)(t) || one(b)(t) || *t == tuple;
            prop_assert_eq!(found(t.flow(&k, now)), both(&f));
        }
        let dot = |s: &str| format!(".{}", plain(s));
        let f = |t: &Target| matches!(t, Target::Domain(e) if dot(&d).ends_with(&dot(e)));
        prop_assert_eq!(found(t.domain(d.as_bytes(), now)), both(&f));
        let f = |t: &Target| matches!(t, Target::Model(e) if *e == n.trim().to_ascii_lowercase());
        prop_assert_eq!(found(t.named(Kind::Model, n.as_bytes(), now)), both(&f));
        let next = all.iter().map(|b| b.until).filter(|u| *u > now).min().unwrap_or(u64::MAX);
        prop_assert_eq!(t.next_end(now), next);
    }

    /// Whatever is ordered, nothing of the allow list is met by a block: not by a network around it, a domain above it, another
    /// spelling, or IPv4 written in IPv6.
    #[test]
    fn nothing_of_the_allow_list_is_ever_blocked(
        all in blocks(),
        (nets, domains, names) in never(),
        a in ip(),
        (b, p, q) in (ip(), 0u16..3, 0u16..3),
        below in prop_oneof![Just(""), Just("www."), Just("A.b.")],
        n in name(),
    ) {
        let mut never = Never::default();
        nets.iter().for_each(|n| never.address(n).unwrap());
        domains.iter().for_each(|d| never.domain(d).unwrap());
        names.iter().for_each(|n| { never.model(n).unwrap(); never.tool(n).unwrap(); });
        let (t, refused) = Blocks::new(all.clone(), &never);
        prop_assert_eq!(t.len() + refused.len(), all.len());
        let listed = |ip: IpAddr| nets.iter().any(|n| in_net(&Net::parse(n).unwrap(), ip));
        let of = |ip: IpAddr| { let (x, v6) = addr(ip); t.address(&x, v6, 0).block };
        if listed(a) {
            prop_assert_eq!(of(a), None);
            if let IpAddr::V4(v4) = a.to_canonical() {
                prop_assert_eq!(of(IpAddr::V4(v4)), None);
                prop_assert_eq!(of(IpAddr::V6(v4.to_ipv6_mapped())), None);
            }
            // Its flows end only for who is at the other end.
            if let Some(k) = key((a, p), (b, q)) && of(b).is_none() {
                prop_assert_eq!(t.flow(&k, 0).block, None);
            }
        }
        for d in &domains {
            for form in [d.clone(), plain(d), format!("{below}{d}"), d.to_uppercase() + "."] {
                prop_assert_eq!(t.domain(form.as_bytes(), 0).block, None, "{}", form);
            }
        }
        if names.iter().any(|g| crate::policy::Glob::new(g.trim()).unwrap().fits(n.trim().as_bytes())) {
            for form in [n.clone(), n.to_uppercase(), format!(" {n}\t")] {
                prop_assert_eq!(t.named(Kind::Model, form.as_bytes(), 0).block, None);
                prop_assert_eq!(t.named(Kind::Tool, form.as_bytes(), 0).block, None);
            }
        }
        // What was refused is what the list has, and no more.
        for (b, why) in refused {
            prop_assert!(matches!(why, Refused::Never(_)) && b.effect == Effect::Block);
        }
    }
}

#[test]
fn spellings_are_one_target() {
    let parse = |k, t: &str| Target::parse(k, t).unwrap();
    for (kind, a, b) in [
        (Kind::Host, "10.0.0.1", "::ffff:10.0.0.1"),
        (Kind::Host, "2001:db8::1", "2001:DB8:0:0::1"),
        (Kind::Network, "10.1.2.3/8", "::ffff:10.0.0.0/104"),
        (Kind::Domain, "Evil.Example.", "evil.example"),
        (Kind::Model, "GPT-4", " gpt-4 "),
        (Kind::Flow, "10.0.0.1:5 10.0.0.2:6 tcp", "10.0.0.2:6 [::ffff:10.0.0.1]:5 6"),
    ] {
        assert_eq!(parse(kind, a), parse(kind, b), "{a} {b}");
        // What is told can be ordered again.
        let t = parse(kind, a);
        assert_eq!(parse(t.kind(), &t.text()), t);
    }
    assert_eq!(parse(Kind::Network, "10.0.0.1/32").kind(), Kind::Host);
    for (kind, wrong) in [
        (Kind::Host, "10.0.0.1/8"),
        (Kind::Host, "ten"),
        (Kind::Network, "::/129"),
        (Kind::Flow, "10.0.0.1:5 10.0.0.2:6"),
        (Kind::Flow, "10.0.0.1:5 [::1]:6 tcp"),
        (Kind::Domain, "10.0.0.1"),
        (Kind::Domain, "."),
        (Kind::Domain, "a b"),
        (Kind::Model, " "),
        (Kind::Tool, "a\nb"),
    ] {
        assert!(Target::parse(kind, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn tables_are_bounded() {
    let block = |i: u32| Block {
        id: i + 1,
        target: Target::Net(Net::host(IpAddr::V4(Ipv4Addr::from(i)))),
        effect: Effect::Block,
        until: 1,
        reason: String::new(),
    };
    let (t, refused) = Blocks::new((0..MOST as u32 + 3).map(block).collect(), &Never::default());
    assert_eq!(t.len(), MOST);
    assert_eq!(
        refused.iter().map(|r| r.1.clone()).collect::<Vec<_>>(),
        [Refused::Full, Refused::Full, Refused::Full]
    );
    assert_eq!(t.by_id(5, 0), Some(4));
    assert_eq!(t.by_id(5, 1), None, "it is over");
}
