//! Whole rules: what loads, what is refused and where, and what a few of them mean.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ir::*;
use super::*;
use crate::detect::RuleSet;
use proptest::prelude::*;

fn read(text: &[u8]) -> Parsed {
    let mut vars = Vars::default();
    vars.addresses.insert("HOME_NET".into(), "[10.0.0.0/8]".into());
    vars.ports.insert("HTTP_PORTS".into(), "80".into());
    let (classes, _) =
        Classification::parse("config classification: bad-unknown,Potentially Bad Traffic,2\n");
    let (refs, rep) = (References::default(), Categories::new());
    let mut load =
        |path: &str| if path == "list" { Ok(b"YWJj\n".to_vec()) } else { Err(String::from("not found")) };
    let mut sets = SetStore::default();
    let mut env = Env::new(&vars, &classes, &refs, &rep, &mut load, &mut sets);
    let mut out = parse_source(text, 3, &mut env);
    drop_duplicates(&mut out.rules, &mut out.refused);
    out
}

fn one(options: &str) -> Rule {
    let out = read(format!("alert tcp any any -> any any ({options} sid:1;)").as_bytes());
    assert!(out.refused.is_empty(), "{options}: {:?}", out.refused);
    out.rules.into_iter().next().unwrap()
}

fn refused(options: &str) -> Refusal {
    let out = read(format!("alert tcp any any -> any any ({options} sid:1;)").as_bytes());
    assert_eq!(out.refused.len(), 1, "{options}");
    out.refused.into_iter().next().unwrap()
}

#[test]
fn places_of_faults() {
    let out = read(b"# c\n\nalert tcp any any -> any any (msg:\"a\"; foo; sid:7;)\nalert tcp any any -> any any (sid:8;)\n\
        alert tcp any any -> \\\n  any any ( \\\n  content:\"a\"; \\\n  depth:x; sid:9;)\n");
    assert_eq!(out.rules.len(), 1);
    assert_eq!((out.rules[0].meta.line, out.rules[0].meta.file), (4, 3));
    let r = &out.refused[0];
    assert_eq!((r.line, r.column, r.sid, r.kind), (3, 40, Some(7), RefusalKind::UnknownKeyword));
    let r = &out.refused[1];
    assert_eq!((r.line, r.column, r.sid, r.keyword.as_deref()), (8, 3, Some(9), Some("depth")));
}

/// Faults that only the whole rule has, and what is odd, are at their options, too.
#[test]
fn places_of_faults_of_whole_rules() {
    let check = |options: &str, proto: &str| {
        let rule = format!("alert {proto} any any -> any any ({options} sid:1;)");
        let at = rule.find('^').unwrap();
        let out = read(rule.replacen('^', "", 1).as_bytes());
        let mut found: Vec<_> = out.refused.iter().chain(&out.warnings).cloned().collect();
        found.extend(never_fits(&out.rules));
        found.extend(never_set(&out.rules));
        found.extend(RuleSet::compile(out.rules).refused().iter().cloned());
        assert_eq!(
            found.iter().map(|r| (r.line, r.column as usize - 1)).collect::<Vec<_>>(),
            [(1, at)],
            "{rule} {found:?}"
        );
    };
    for (proto, options) in [
        ("http", "http.uri; content:\"x\"; http.host; ^content:\"Abc\";"),
        ("http", "http.host; content:\"abc\"; ^nocase;"),
        ("http", "http.uri; content:\"x\"; ^http.host;"),
        ("http", "flow:to_server; ^http.stat_code; content:\"2\";"),
        ("http", "http.stat_code; content:\"2\"; ^flow:to_server;"),
        ("udp", "content:\"x\"; ^tls.sni; content:\"a\";"),
        ("http", "http.uri; bsize:3; ^content:\"abcd\"; content:\"a\";"),
        ("tcp", "dsize:<5; content:\"ab\"; ^content:\"abcdefgh\";"),
        ("tcp", "content:\"abcdefgh\"; ^dsize:<5;"),
        ("tcp", "flow:only_stream; content:\"a\"; ^ttl:>1;"),
        ("tcp", "content:\"a\"; pcre:\"/b/\"; ^pcre:\"/c(/\";"),
        ("tcp", "content:\"a\"; ^geoip:src,DE;"),
        ("http", "http.uri; ^pcrexform:\"a(\"; content:\"a\";"),
        ("tcp", "content:\"a\"; ^ttl:5; ttl:6;"),
        ("tcp", "flowbits:set,y; ^flowbits:isset,x;"),
        ("tcp", "hostbits:set,y,src; ^hostbits:isset,x,src;"),
        ("tcp", "hostbits:set,x,dst; xbits:set,x,track ip_pair; ^xbits:isset,x,track ip_src;"),
        ("http", "http.uri; content:\"a\"; ^ai.risk:>100;"),
        ("tcp", "content:\"a\"; ^classtype:nosuch;"),
    ] {
        check(options, proto);
    }
    let out = read(b"alert tcp any any -> \\\n any any ( \\\n  pcre:\"/c(/\"; \\\n ttl:5; sid:9;)\n");
    let set = RuleSet::compile(out.rules);
    assert_eq!(set.refused().iter().map(|r| (r.line, r.column)).collect::<Vec<_>>(), [(3, 3)]);
}

#[test]
fn duplicates() {
    let out = read(b"alert tcp any any -> any any (msg:\"a\"; sid:1; rev:1;)\nalert tcp any any -> any any (msg:\"b\"; sid:1; rev:2;)\n\
        alert tcp any any -> any any (msg:\"c\"; sid:1; rev:2;)\nalert tcp any any -> any any (msg:\"d\"; gid:2; sid:1;)\n");
    assert_eq!(out.rules.iter().map(|r| r.meta.msg.as_str()).collect::<Vec<_>>(), ["b", "d"]);
    assert!(out.refused.iter().all(|r| r.kind == RefusalKind::Duplicate));
    assert_eq!(out.refused.iter().map(|r| (r.line, r.column)).collect::<Vec<_>>(), [(1, 40), (3, 40)]);
    // A bit of a host is the same at both ends of a packet.
    let both = read(b"alert tcp any any -> any any (hostbits:set,a,src; sid:1;)\nalert tcp any any -> any any (hostbits:isset,a,dst; sid:2;)\n");
    assert_eq!((both.rules.len(), never_set(&both.rules).len()), (2, 0));
}

#[test]
fn content_bytes_and_modifiers() {
    let r = one(r#"content:"a|3a 20|\"\;"; nocase; offset:1; depth:10; content:!"x"; distance:2; within:4;"#);
    let [Match::Content(a), Match::Content(b)] = r.lists[0].matches.as_slice() else { panic!() };
    assert_eq!((a.bytes.as_slice(), a.nocase, a.offset), (&b"a: \";"[..], true, Some(Num::Const(1))));
    assert!(b.negated && b.is_relative());
    // Bytes that are not UTF-8 stay what they are.
    let out = read(b"alert tcp any any -> any any (content:\"\xe9\"; sid:1;)");
    let Match::Content(c) = &out.rules[0].lists[0].matches[0] else { panic!() };
    assert_eq!(c.bytes, [0xe9]);
    for (t, kind) in [
        (r#"content:"a|4|";"#, RefusalKind::Value),
        (r#"content:"a|41";"#, RefusalKind::Value),
        (r#"content:"\a";"#, RefusalKind::Value),
        (r#"content:abc;"#, RefusalKind::Value),
        (r#"content:"abc"; depth:2;"#, RefusalKind::Value),
        (r#"content:"abc"; within:2;"#, RefusalKind::Value),
        (r#"content:"abc"; depth:5; distance:1;"#, RefusalKind::Conflict),
        (r#"content:"abc"; startswith; offset:1;"#, RefusalKind::Conflict),
        (r#"content:"abc"; nocase; nocase;"#, RefusalKind::Conflict),
        (r#"nocase;"#, RefusalKind::Context),
        (r#"content:"a"; depth:foo;"#, RefusalKind::Value),
        (r#"content:"a"; fast_pattern:only; distance:1;"#, RefusalKind::Conflict),
        (r#"content:"ab"; fast_pattern:1,2;"#, RefusalKind::Value),
        (r#"base64_data; content:"a";"#, RefusalKind::Context),
        (r#"tcp.hdr; pkt_data; content:"a";"#, RefusalKind::Context),
        (r#"tcp.hdr;"#, RefusalKind::Context),
        (r#"bsize:4;"#, RefusalKind::Context),
        (r#"tcp.hdr; content:"abcde"; bsize:4;"#, RefusalKind::Value),
        (r#"flow:to_server,to_client;"#, RefusalKind::Conflict),
        (r#"threshold:type limit, track by_src, count 1;"#, RefusalKind::Value),
        (r#"flowbits:set,a|b;"#, RefusalKind::Value),
        (r#"requires: version >= 9;"#, RefusalKind::Requires),
        (r#"strip_whitespace;"#, RefusalKind::Context),
        (r#"http.uri; strip_whitespace; content:"a b";"#, RefusalKind::Value),
        (r#"lua:x.lua;"#, RefusalKind::Unsupported),
    ] {
        assert_eq!(refused(t).kind, kind, "{t}");
    }
}

/// A whole rule: refused or not.
fn loads(rule: &str) -> bool {
    let out = read(format!("{rule} sid:1;)").as_bytes());
    assert_eq!(out.rules.len() + out.refused.len(), 1, "{rule}");
    out.refused.is_empty()
}

/// What is wrong with a rule for other engines says nothing, wherever it stands; an unknown protocol without `requires` does.
#[test]
fn rules_for_other_engines_are_skipped_whole() {
    for (rule, kind) in [
        ("alert nothing any any -> any any (requires: version >= 10; sid:1;)", RefusalKind::Requires),
        ("alert udp any any -> any any (nothing:10; requires: version >= 10; sid:1;)", RefusalKind::Requires),
        (
            "alert tcp any any -> any any (frame:nothing; requires: keyword nothing; sid:1;)",
            RefusalKind::Requires,
        ),
        ("alert nothing any any -> any any (requires: version >= 8; sid:1;)", RefusalKind::Protocol),
        ("alert nothing any any -> any any (sid:1;)", RefusalKind::Protocol),
    ] {
        let out = read(rule.as_bytes());
        assert_eq!(out.refused.first().map(|r| r.kind), Some(kind), "{rule}");
    }
}

#[test]
fn conditions_that_cannot_be_meant() {
    for (rule, ok) in [
        // The protocol is in the header or in `ip_proto`, not in both.
        ("alert ip any any -> any any (ip_proto:!132;", true),
        ("alert tcp any any -> any any (ip_proto:!132;", false),
        // Rules on the stream alone have no packet.
        ("alert tcp-stream any any -> any any (flow:established; content:\"a\";", true),
        ("alert tcp-stream any any -> any any (ttl:>1;", false),
        ("alert tcp any any -> any any (flow:only_stream; dsize:>0;", false),
        ("alert tcp-pkt any any -> any any (flow:only_stream; content:\"a\";", false),
        // One dsize, and contents that it leaves room for.
        ("alert tcp any any -> any any (dsize:<5; dsize:>10;", false),
        ("alert tcp any any -> any any (dsize:<5; content:\"abcdefgh\";", false),
        ("alert tcp any any -> any any (content:\"abcdefgh\"; dsize:<5;", false),
        ("alert tcp any any -> any any (dsize:<5; content:!\"abcdefgh\";", false),
        ("alert tcp any any -> any any (dsize:3<>7; content:\"abcdefgh\";", false),
        ("alert tcp any any -> any any (dsize:10; content:\"abcdefgh\"; offset:3;", false),
        ("alert tcp any any -> any any (dsize:10; content:\"abcd\"; content:\"efgh\"; distance:3;", false),
        ("alert tcp any any -> any any (dsize:10; content:\"abcd\"; content:\"efgh\"; distance:2;", true),
        ("alert tcp any any -> any any (dsize:10; content:\"abcd\"; content:\"efghijk\"; distance:-4;", true),
        ("alert tcp any any -> any any (dsize:10; content:\"abcdefgh\"; content:\"efghijk\";", true),
        ("alert tcp any any -> any any (dsize:<8; content:\"abcdefgh\";", true),
        ("alert tcp any any -> any any (dsize:>5; content:\"abcdefgh\";", true),
        ("alert tcp any any -> any any (dsize:!5; content:\"abcdefgh\";", true),
        ("alert http any any -> any any (dsize:<5; http.uri; content:\"abcdefgh\";", true),
        // Nothing is relative to what only the prefilter looks for.
        ("alert tcp any any -> any any (content:\"ab\"; fast_pattern:only; content:\"c\"; within:3;", false),
        (
            "alert tcp any any -> any any (content:\"ab\"; fast_pattern:only; content:\"c\"; content:\"d\"; within:3;",
            true,
        ),
        // Keywords of one direction, `flow` of the other.
        ("alert http any any -> any any (flow:to_server; http.stat_code; content:\"2\";", false),
        ("alert dns any any -> any any (flow:to_server; dns.queries.rrname; content:\"a\";", true),
        ("alert http any any -> any any (http.header.raw; content:\"a\";", false),
        ("alert http any any -> any any (flow:to_server; http.header.raw; content:\"a\";", true),
        // Contents that their buffer never holds.
        ("alert http any any -> any any (http.method; content:\"GET \";", false),
        ("alert http any any -> any any (http.host; content:\"Abc\";", false),
        ("alert http any any -> any any (http.host; content:\"abc\"; nocase;", false),
        ("alert tls any any -> any any (ja3.hash; content:\"b2d4\";", false),
        ("alert tls any any -> any any (ja3.hash; to_uppercase; content:\"B2D4\";", true),
        ("alert tls any any -> any any (tls.cert_fingerprint; content:\"0e:\"; startswith;", false),
        ("alert http any any -> any any (http.uri; to_lowercase; content:\"A\";", false),
        ("alert http any any -> any any (http.uri; to_uppercase; content:\"A1\";", true),
        // Numbers.
        ("alert ip any any -> any any (dsize:&0x80=0x3d;", false),
        ("alert ip any any -> any any (dsize:&0x80=0x80;", true),
        ("alert ip any any -> any any (ttl:>=0;", false),
        ("alert tcp any any -> any any (seq:>5;", false),
        ("alert dns any any -> any any (dns.opcode:99999;", false),
        ("alert tcp any any -> any any (byte_jump:1,0,bitmask 0x3f;", false),
        ("alert tcp any any -> any any (detection_filter:track by_rule, count 1, seconds 60;", false),
        ("alert tcp any any -> any any (hostbits:set,a,src,60;", false),
        ("alert tcp any any -> any any (app-layer-protocol:!unknown;", false),
        // A hook is a moment: what is read must come up then.
        ("alert dns:request_complete any any -> any any (dns.query; content:\"a\";", true),
        ("alert dns:request_started any any -> any any (dns.query; content:\"a\";", false),
        ("alert http1:request_started any any -> any any (http.stat_code; content:\"2\";", false),
        ("alert http2:response_complete any any -> any any (http2.header_name; content:\"on\";", false),
    ] {
        assert_eq!(loads(rule), ok, "{rule}");
    }
}

#[test]
fn variables_between_conditions() {
    let r = one(
        "byte_extract:2,0,len; byte_math:bytes 1, offset 1, oper +, rvalue len, result sum; content:\"a\"; depth:sum; isdataat:!len,relative;",
    );
    assert_eq!(r.vars, 2);
    assert!(matches!(r.lists[0].matches[1], Match::ByteMath(ByteMath { rvalue: Num::Var(0), var: 1, .. })));
    assert!(matches!(&r.lists[0].matches[2], Match::Content(c) if c.depth == Some(Num::Var(1))));
    assert!(matches!(
        r.lists[0].matches[3],
        Match::IsDataAt { at: Num::Var(0), relative: true, negated: true }
    ));
    assert_eq!(refused("byte_test:2,>,later,0; byte_extract:2,0,later;").kind, RefusalKind::Value);
}

#[test]
fn header_forms() {
    for (t, ok) in [
        ("alert tcp $HOME_NET any -> !$HOME_NET $HTTP_PORTS", true),
        ("drop IP any any <> any any", true),
        ("alert tcp:flow_start any any -> any any", true),
        ("alert tcp [10.0.0.1,!10.0.0.2] [1:5,!3] -> any :1024", true),
        ("alert tcp !any any -> any any", false),
        ("alert tcp any any <- any any", false),
        ("alert tcp any any => any any", false),
        ("alert nosuch any any -> any any", false),
        ("shout tcp any any -> any any", false),
        ("alert tcp any -> any any", false),
        ("alert tcp any 9:1 -> any any", false),
    ] {
        let out = read(format!("{t} (sid:1;)").as_bytes());
        assert_eq!(out.rules.len(), usize::from(ok), "{t}: {:?}", out.refused);
    }
}

#[test]
fn datasets_are_read_once() {
    let out = read(
        b"alert tcp any any -> any any (tcp.hdr; dataset:isset,s,type string,load list; sid:1;)\n\
        alert tcp any any -> any any (tcp.hdr; dataset:isset,s; sid:2;)\n\
        alert tcp any any -> any any (tcp.hdr; dataset:isset,t,type string,load gone; sid:3;)\n\
        alert tcp any any -> any any (tcp.hdr; dataset:isset,s,type md5; sid:4;)\n",
    );
    assert_eq!(out.rules.len(), 2);
    assert_eq!(out.refused[0].kind, RefusalKind::File);
    assert_eq!(out.refused[1].kind, RefusalKind::Conflict);
}

#[test]
fn classes_and_priorities() {
    let r = one("classtype:bad-unknown;");
    assert_eq!((r.meta.priority, r.meta.category.as_str()), (2, "Potentially Bad Traffic"));
    assert_eq!(one("classtype:bad-unknown; priority:7;").meta.priority, 7);
    let out = read(b"alert tcp any any -> any any (classtype:no-such; sid:1;)");
    assert_eq!((out.rules.len(), out.warnings.len()), (1, 1));
}

proptest! {
    /// Any options give rules or refusals, never a panic, one or the other for each line.
    #[test]
    fn any_text_is_answered(opts in prop::collection::vec(("[a-z_.]{1,8}|content|pcre|byte_test|byte_math|flowbits|threshold|dataset|isdataat|tag|xbits|flags|urilen|distance|depth|base64_decode|tls\\.sni|dns\\.query", "[ -~]{0,24}"), 0..6)) {
        let body: String = opts.iter().map(|(k, v)| if v.is_empty() { format!("{k}; ") } else { format!("{k}:{v}; ") }).collect();
        let out = read(format!("alert tcp any any -> any any ({body}sid:1;)").as_bytes());
        prop_assert_eq!(out.rules.len() + out.refused.len(), 1);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = read(&bytes);
    }
}

/// Suricata loads these; nothing can match them, which is told.
#[test]
fn rules_that_nothing_can_match_are_told() {
    let why = |rule: &str| {
        let r = read(format!("alert {rule}; sid:1;)").as_bytes());
        assert!(r.refused.is_empty(), "{rule}: {:?}", r.refused);
        let mut told = never_fits(&r.rules);
        assert!(told.len() < 2);
        told.pop().map(|t| t.reason).unwrap_or_default()
    };
    for (rule, said) in [
        ("tcp any any -> any any (itype:8", "itype: only ICMP has it"),
        ("udp any any -> any any (icmp_id:1", "icmp_id: only ICMP has it"),
        ("http any any -> any any (icode:0", "icode: only ICMP has it"),
        ("icmp any any -> any any (flags:S", "flags: only TCP has it"),
        ("udp any any -> any any (flags:S", "flags: only TCP has it"),
        ("sctp any any -> any any (seq:1", "seq: only TCP has it"),
        ("tcp any any -> any any (udp.hdr; content:\"a\"", "udp.hdr: only UDP has it"),
        ("icmp any any -> any any (tcp.hdr; content:\"a\"", "tcp.hdr: only TCP has it"),
        ("http1 any any -> any any (udp.hdr; content:\"a\"", "udp.hdr: only UDP has it"),
        (
            "ip any any -> any any (http.host; content:\"a\"; udp.hdr; content:\"a\"",
            "udp.hdr: only UDP has it",
        ),
        ("udp any any -> any any (icmpv6.hdr; content:\"a\"", "icmpv6.hdr: only ICMPv6 has it"),
        ("icmpv6 any any -> any any (ipv4.hdr; content:\"a\"", "ipv4.hdr: only IPv4 has it"),
        ("ipv4 any any -> any any (ipv6.hdr; content:\"a\"", "ipv6.hdr: only IPv6 has it"),
        ("icmpv4 any any -> any any (icmpv6.mtu:5", "icmpv6.mtu: only ICMPv6 has it"),
        ("udp any any -> any any (stream-event:pkt_broken_ack", "stream-event: only TCP has it"),
        ("dhcp any any -> any any (flags:S", "flags: only TCP has it"),
        ("tcp any any -> any any (udpv4-csum:invalid", "udpv4-csum: only UDP in IPv4 has it"),
        ("ipv6 any any -> any any (tcpv4-csum:invalid", "tcpv4-csum: only TCP in IPv4 has it"),
        (
            "tcp any any -> any any (app-layer-protocol:http1; dns.query; content:\"a\"",
            "app-layer-protocol: it asks for http",
        ),
        (
            "ip any any -> any any (tls.sni; content:\"a\"; app-layer-protocol:ssh",
            "app-layer-protocol: it asks for ssh",
        ),
        ("dns any any -> any any (dns.opcode:99", "dns.opcode: the field has no such value (0 to 15)"),
        ("dns any any -> any any (dns.opcode:>15", "dns.opcode: the field has no such value"),
        ("tcp any any -> any any (content:\"a\"; entropy:value > 8", "entropy: no bytes have such a value"),
        ("tcp any any -> any any (content:\"a\"; entropy:value 9", "entropy: no bytes have such a value"),
        (
            "tcp any any -> any any (flowbits:isset,x; flowbits:isnotset,x",
            "flowbits: x must be set and must not be",
        ),
        ("tcp any any -> any any (ttl:5; ttl:>5", "ttl: no value passes all conditions"),
        ("tcp any any -> any any (window:<5; flags:S; window:>10", "window: no value passes all conditions"),
        ("http any any -> any any (http.uri; bsize:<5; bsize:>10", "bsize: no size passes all conditions"),
        (
            "http any any -> any any (http.header_names; content:\"Host\"; startswith",
            "http.header_names: it begins with |0d 0a|",
        ),
        (
            "http any any -> any any (http.header_names; content:\"Host\"; depth:4",
            "http.header_names: it begins with |0d 0a|",
        ),
        (
            "http any any -> any any (http.header_names; content:\"Host|0d 0a|\"; endswith",
            "http.header_names: it ends with |0d 0a 0d 0a|",
        ),
        (
            "ip any any -> any any (xbits:isset,x,track ip_src; xbits:isnotset,x,track ip_src",
            "xbits: x must be",
        ),
    ] {
        let e = why(rule);
        assert!(e.starts_with(said) && e.ends_with(", so it never matches"), "{rule}: {e}");
    }
    for rule in [
        "icmp any any -> any any (itype:8",
        "tcp any any -> any any (tcp.hdr; content:\"a\"; stream-event:pkt_broken_ack",
        "ip any any -> any any (udp.hdr; content:\"a\"",
        "dns any any -> any any (udp.hdr; content:\"a\"",
        "tcp any any -> any any (app-layer-protocol:http; http.uri; content:\"a\"",
        // DNS comes within HTTP/2 (RFC 8484), whose messages have both.
        "tcp any any -> any any (app-layer-protocol:http; dns.query; content:\"a\"",
        "tcp any any -> any any (http.uri; content:\"a\"; dns.query; content:\"a\"",
        "tcp any any -> any any (app-layer-protocol:http; ai.model; content:\"a\"",
        "tcp any any -> any any (app-layer-protocol:!http; dns.query; content:\"a\"",
        "tcp any any -> any any (app-layer-protocol:smtp,original; tls.sni; content:\"a\"",
        "ip any any -> any any (itype:8; flags:S",
        "tcp any any -> any any (flags:S; window:5; dsize:>10",
        "tcp any any -> any any (ttl:>5; ttl:<7",
        "tcp any any -> any any (vlan.id:5; vlan.id:6",
        "http any any -> any any (http.uri; bsize:>5; bsize:<10",
        "http any any -> any any (http.uri; bsize:<5; http.host; bsize:>10",
        "http any any -> any any (http.header_names; content:\"|0d 0a|Host|0d 0a|\"; startswith",
        "http any any -> any any (http.header_names; content:\"|0d|\"; startswith",
        "http any any -> any any (http.header_names; content:\"Host|0d 0a 0d 0a|\"; endswith",
        "http any any -> any any (http.header_names; content:\"Host\"; depth:5",
        "http any any -> any any (http.header_names; content:!\"Host\"; startswith",
        "http any any -> any any (http.header_names; to_lowercase; content:\"host\"; startswith",
        "dns any any -> any any (dns.opcode:15",
        "dns any any -> any any (dns.opcode:!99",
        "dns any any -> any any (dns.rcode:16",
        "tcp any any -> any any (content:\"a\"; entropy:value >= 8",
        "tcp any any -> any any (flowbits:isset,x; flowbits:isnotset,y",
        "tcp any any -> any any (flowbits:isset,x|y; flowbits:isnotset,x",
        "ip any any -> any any (xbits:isset,x,track ip_src; xbits:isnotset,x,track ip_dst",
    ] {
        assert_eq!(why(rule), "", "{rule}");
    }
}

/// Every protocol comes over something, or rules for it would be told to match never.
#[test]
fn protocols_have_carriers() {
    for def in crate::app::registry::PROTOCOLS {
        assert!(def.over & (crate::app::OVER_TCP | crate::app::OVER_UDP) != 0, "{}", def.name);
    }
}

/// Suricata passes over lines that begin with a blank or `;`; that one of them was meant as a rule is told.
#[test]
fn rules_that_are_passed_over_are_told() {
    let text = b" alert tcp any any -> any any (msg:\"a\"; sid:1;)\n;; alert ip any any -> any any (sid:2;)\n\talert tcp any any -> any any (sid:3;)\n  # alert tcp any any -> any any (sid:4;)\n alert me (please)\n";
    let parsed = read(text);
    let told: Vec<_> = parsed.warnings.iter().map(|w| (w.line, w.column, w.sid)).collect();
    assert_eq!(told, [(1, 2, Some(1)), (2, 4, Some(2)), (5, 2, None)]);
    assert_eq!(parsed.rules.len(), 1);
}
