//! `flow` and the counters of a flow (`flow.age`, `flow.pkts`, `flow.bytes`), `stream_size`.

use alloc::format;

use super::{Arg, Keyword, parts};
use crate::Dir;
use crate::rules::build::Builder;
use crate::rules::ir::{FlowCounter, FlowNumber, IntTest, PacketMatch, Side, StreamSide};
use crate::rules::num;
use crate::rules::refuse::{Res, bad, conflict};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("flow", flow),
    Keyword::new("flow.age", |b, a| counter(b, a, FlowNumber::Age)),
    Keyword::new("flow.pkts", |b, a| sided(b, a, FlowNumber::Pkts)),
    Keyword::new("flow.pkts_toserver", |b, a| counter(b, a, FlowNumber::Pkts(Side::ToServer))),
    Keyword::new("flow.pkts_toclient", |b, a| counter(b, a, FlowNumber::Pkts(Side::ToClient))),
    Keyword::new("flow.bytes", |b, a| sided(b, a, FlowNumber::Bytes)),
    Keyword::new("flow.bytes_toserver", |b, a| counter(b, a, FlowNumber::Bytes(Side::ToServer))),
    Keyword::new("flow.bytes_toclient", |b, a| counter(b, a, FlowNumber::Bytes(Side::ToClient))),
    Keyword::new("stream_size", stream_size),
];

fn flow(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    if b.flow_seen {
        return conflict("more than one flow");
    }
    b.flow_seen = true;
    let f = &mut b.rule.flow;
    let mut state = 0;
    for w in parts(a.text()?) {
        let lower = w.to_ascii_lowercase();
        let twice = |set: bool| {
            if set { conflict(format!("\"{w}\" contradicts another option of flow")) } else { Ok(()) }
        };
        match lower.as_str() {
            "to_server" | "from_client" => {
                twice(f.dirs != 0)?;
                f.dirs = Dir::ToServer.bit();
            }
            "to_client" | "from_server" => {
                twice(f.dirs != 0)?;
                f.dirs = Dir::ToClient.bit();
            }
            "established" => {
                twice(state != 0)?;
                (f.established, state) = (true, 1);
            }
            "not_established" => {
                twice(state != 0)?;
                (f.not_established, state) = (true, 1);
            }
            "stateless" => {
                twice(state != 0)?;
                (f.stateless, state) = (true, 1);
            }
            "only_stream" => {
                twice(f.only_stream || f.no_stream)?;
                f.only_stream = true;
            }
            "no_stream" => {
                twice(f.only_stream || f.no_stream)?;
                f.no_stream = true;
            }
            "only_frag" => {
                twice(f.only_frag || f.no_frag)?;
                f.only_frag = true;
            }
            "no_frag" => {
                twice(f.only_frag || f.no_frag)?;
                f.no_frag = true;
            }
            _ => return bad(format!("\"{w}\" is not an option of flow")),
        }
    }
    Ok(())
}

fn counter(b: &mut Builder<'_, '_>, a: &Arg<'_>, what: FlowNumber) -> Res {
    let test = num::int_test(a.text()?, u64::MAX)?;
    b.rule.flow.counters.push(FlowCounter { what, test });
    Ok(())
}

/// `flow.pkts:toserver,>10` and the like.
fn sided(b: &mut Builder<'_, '_>, a: &Arg<'_>, make: fn(Side) -> FlowNumber) -> Res {
    let t = a.text()?;
    let Some((side, test)) = t.split_once(',') else { return bad("write side,number") };
    let side = match side.trim() {
        "toserver" => Side::ToServer,
        "toclient" => Side::ToClient,
        "both" => Side::Both,
        "either" => Side::Either,
        s => return bad(format!("\"{s}\" is not toserver, toclient, both or either")),
    };
    let test = num::int_test(test, u64::MAX)?;
    b.rule.flow.counters.push(FlowCounter { what: make(side), test });
    Ok(())
}

fn stream_size(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(side), Some(op), Some(n), None) = (p.next(), p.next(), p.next(), p.next()) else {
        return bad("write side,operator,number");
    };
    let side = match side {
        "client" => StreamSide::Client,
        "server" => StreamSide::Server,
        "both" => StreamSide::Both,
        "either" => StreamSide::Either,
        s => return bad(format!("\"{s}\" is not client, server, both or either")),
    };
    let n = num::sized(n)?;
    let test = match op {
        "<" => IntTest::Lt(n),
        ">" => IntTest::Gt(n),
        "<=" => IntTest::Le(n),
        ">=" => IntTest::Ge(n),
        "=" => IntTest::Eq(n),
        "!=" | "!" => IntTest::Ne(n),
        _ => return bad(format!("\"{op}\" is not an operator")),
    };
    b.rule.packet.push(PacketMatch::StreamSize { side, test });
    Ok(())
}
