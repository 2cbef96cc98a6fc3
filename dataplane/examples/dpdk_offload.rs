//! A port's flow rules by the number: made, met, aged out, all of them gone again.
//!
//!     dpdk_offload 'EAL ARGUMENTS' [RULES | validate]
//!
//! With `validate` nothing is made: it is told what the port says of the kinds of rules that offload makes
//! (`rte_flow_validate`). Run by the tests, on the driver of tests/pmd and on net_tap.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use tidegate_dataplane::dpdk::{
    DpdkError, Eal, FlowAction, FlowMatch, FlowRules, Pool, Port, PortConfig, ports,
};

fn rule(n: u32) -> FlowMatch {
    FlowMatch {
        src: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)),
        src_bits: 32,
        dst: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        dst_bits: 32,
        proto: 6,
        ports: Some((n as u16, 443)),
        vlan: None,
    }
}

/// What a port says of each kind of rule, a line each.
fn ask(mut rules: FlowRules) {
    let four = rule(1);
    let six = FlowMatch {
        src: IpAddr::V6("2001:db8::1".parse().unwrap_or(Ipv6Addr::LOCALHOST)),
        dst: IpAddr::V6(Ipv6Addr::LOCALHOST),
        src_bits: 128,
        dst_bits: 128,
        ..four
    };
    let addresses = FlowMatch { src_bits: 24, dst_bits: 0, proto: 0, ports: None, ..four };
    let tagged = FlowMatch { vlan: Some(7), ..four };
    for (count, age) in [(true, 60), (true, 0), (false, 0)] {
        rules.count = count;
        for (what, m, action) in [
            ("IPv4 flow, drop", four, FlowAction::Drop),
            ("IPv6 flow, drop", six, FlowAction::Drop),
            ("VLAN flow, drop", tagged, FlowAction::Drop),
            ("IPv4 network, drop", addresses, FlowAction::Drop),
            ("IPv4 flow, to a port", four, FlowAction::ToPort(0)),
        ] {
            let with = match (count, age) {
                (true, 0) => "counted",
                (true, _) => "counted and aged",
                _ => "neither counted nor aged",
            };
            match rules.validate(&m, action, age) {
                Ok(()) => println!("validate: {what}, {with}: taken"),
                Err(e) => println!("validate: {what}, {with}: {e}"),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let eal: Vec<String> = args.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let what = args.next().unwrap_or("1000000".into());
    let eal = Eal::start(&eal)?;
    let port = ports(eal).first().ok_or("no port")?.id;
    let pool = Pool::new(eal, "p", 4095, 2048, -1)?;
    let q = Port::start(eal, port, &PortConfig::default(), &[pool])?;
    let rules = FlowRules::new(q.port.clone(), false, 0);
    if what == "validate" {
        ask(rules);
        drop(q);
        eal.exit(0)
    }
    let count: u32 = what.parse()?;
    rules.validate(&rule(1), FlowAction::Drop, 1)?;
    // What needs the switch is refused without it.
    assert!(rules.validate(&rule(1), FlowAction::ToPort(0), 1).is_err());
    let transfer = FlowRules::new(q.port.clone(), true, 0);
    transfer.validate(&rule(1), FlowAction::ToPort(0), 1)?;

    let start = Instant::now();
    let mut live = HashMap::new();
    let mut full = 0;
    for n in 0..count {
        match rules.create(&rule(n), FlowAction::Drop, 1, u64::from(n) + 1) {
            Ok(r) => {
                live.insert(u64::from(n) + 1, r);
            }
            Err(DpdkError::Refused { code: 28, .. }) => full += 1,
            Err(e) => return Err(e.into()),
        }
    }
    let made = live.len();
    println!("{made} rules made in {:.2} s, {full} found no room", start.elapsed().as_secs_f64());
    let mut tokens = [0; 64];
    let until = Instant::now() + Duration::from_secs(60);
    while !live.is_empty() && Instant::now() < until {
        let n = rules.aged(&mut tokens);
        for t in &tokens[..n] {
            assert!(
                live.remove(t).is_some_and(|r| r.count(false).is_some_and(|c| c.packets == 0)),
                "token {t}"
            );
        }
        if n == 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    println!("{} aged out and removed, {} left", made - live.len(), live.len());
    let fine = live.is_empty() && made as u32 + full == count;
    drop(live);
    // The driver says on closing how many rules it still has.
    drop((rules, transfer, q));
    eal.exit(if fine { 0 } else { 1 })
}
