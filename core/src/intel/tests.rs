//! Values in the forms of feeds and of the traffic.

use super::*;
use crate::keyed::Secret;

fn intel(all: &[(Kind, &str)]) -> Intel {
    let mut b = Builder::default();
    let a = b.about(&About { source: "test".into(), ..About::default() });
    for (k, t) in all {
        b.add(*k, t.as_bytes(), a, Some(80), None).unwrap();
    }
    b.build(Secret::fixed(1)).0
}

#[test]
fn domains_match_by_suffix() {
    let i = intel(&[(Kind::Domain, "Bad.Example.org"), (Kind::Domain, "*.worse.test")]);
    for good in ["bad.example.org", "a.b.BAD.example.org.", "worse.test", "x.worse.test"] {
        assert!(i.domain(good.as_bytes(), 0).is_some(), "{good}");
    }
    for miss in ["example.org", "verybad.example.org", "bad.example.org.evil", "ad.example.org", "test", ""] {
        assert!(i.domain(miss.as_bytes(), 0).is_none(), "{miss}");
    }
}

#[test]
fn urls_are_compared_in_one_form() {
    let i =
        intel(&[(Kind::Url, "HTTP://Evil.test:80/a%7eb/%2f?x=%C3%A9#frag"), (Kind::Url, "http://root.test")]);
    for (host, path, hit) in [
        ("evil.test", "/a~b/%2F?x=%c3%a9", true),
        ("EVIL.test:80", "/a%7Eb/%2f?x=%C3%A9", true),
        ("evil.test:8080", "/a~b/%2F?x=%c3%a9", false),
        ("evil.test", "/a~b//?x=%c3%a9", false),
        ("evil.test", "/", false),
        ("root.test", "/", true),
        ("root.test", "/index.html", false),
    ] {
        assert_eq!(i.request(host.as_bytes(), path.as_bytes(), 0).is_some(), hit, "{host}{path}");
    }
}

/// What a proxy is asked for is a URL by itself, whatever `Host` says, if it is there at all.
#[test]
fn requests_to_proxies_are_met_by_their_own_host() {
    let i = intel(&[(Kind::Url, "http://evil.test/x.exe"), (Kind::McpServer, "https://mcp.test/a")]);
    for (host, target, hit) in [
        ("evil.test", "http://evil.test/x.exe", true),
        ("", "http://evil.test/x.exe", true),
        ("proxy.test:3128", "HTTP://user@EVIL.test:80/%78.exe#f", true),
        ("evil.test", "http://good.test/x.exe", false),
        ("evil.test", "/http://evil.test/x.exe", false),
        ("evil.test", "http:/x.exe", false),
        ("", "/x.exe", false),
        ("evil.test", "evil.test:443", false),
        ("evil.test", "://evil.test/x.exe", false),
        ("p", "https://mcp.test:443/a", true),
    ] {
        assert_eq!(i.request(host.as_bytes(), target.as_bytes(), 0).is_some(), hit, "{host} {target}");
    }
}

#[test]
fn addresses_and_networks() {
    let i = intel(&[
        (Kind::Address, "192.0.2.7"),
        (Kind::Network, "198.51.100.0/25"),
        (Kind::Address, "2001:db8::1"),
        (Kind::Network, "203.0.113.9/32"),
    ]);
    let v4 = |a, b, c, d| i.address(&Addr::v4([a, b, c, d]), false, 0).map(|h| h.kind);
    assert_eq!(v4(192, 0, 2, 7), Some(Kind::Address));
    assert_eq!(v4(192, 0, 2, 8), None);
    assert_eq!(v4(198, 51, 100, 127), Some(Kind::Network));
    assert_eq!(v4(198, 51, 100, 128), None);
    assert_eq!(v4(203, 0, 113, 9), Some(Kind::Address));
    let mut six = [0; 16];
    (six[0], six[1], six[2], six[3], six[15]) = (0x20, 1, 0xd, 0xb8, 1);
    assert!(i.address(&Addr(six), true, 0).is_some());
}

#[test]
fn what_expired_is_not_found_and_the_best_of_equals_stays() {
    let mut b = Builder::default();
    let [x, y] = ["x", "y"].map(|s| b.about(&About { source: s.into(), ..About::default() }));
    b.add(Kind::Domain, b"a.test", x, Some(90), Some(100)).unwrap();
    b.add(Kind::Domain, b"A.test", y, Some(10), Some(200)).unwrap();
    b.add(Kind::Domain, b"b.test", x, None, None).unwrap();
    assert_eq!(b.add(Kind::Md5, b"abc", x, None, None), Err(Refused::Malformed));
    let (i, twice) = b.build(Secret::fixed(1));
    assert_eq!((i.len(), twice), (2, 1));
    let hit = i.domain(b"a.test", 150).unwrap();
    assert_eq!((hit.about.source.as_str(), hit.confidence, hit.until), ("y", Some(10), Some(200)));
    assert!(i.domain(b"a.test", 201).is_none());
    assert!(i.domain(b"b.test", u32::MAX).is_some());
}

#[test]
fn kinds_are_guessed() {
    for (text, kind) in [
        ("192.0.2.1", Some(Kind::Address)),
        ("192.0.2.0/24", Some(Kind::Network)),
        ("evil.test", Some(Kind::Domain)),
        ("http://evil.test/x", Some(Kind::Url)),
        ("evil.test/x", Some(Kind::Url)),
        ("a@evil.test", Some(Kind::Email)),
        ("d41d8cd98f00b204e9800998ecf8427e", Some(Kind::Md5)),
        ("t13d1516h2_8daaf6152771_e5627efa2ab1", Some(Kind::Ja4)),
        ("nothing", None),
        ("1.2.3", None),
    ] {
        assert_eq!(kind::guess(text), kind, "{text}");
    }
}
