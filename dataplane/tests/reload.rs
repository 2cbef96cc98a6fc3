//! Rules exchanged under living flows: what the old ones kept by number is never read as another rule's, and what
//! has a name or a rule's number goes on.

mod common;

use common::wire::{Packet, Wire};
use common::{config, engine, frames, rules, settings};
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_dataplane::load::{Source, load_after, load_sources};

/// Sids of the alerts, and names of flowbits that flows end with.
#[derive(Default)]
struct Seen {
    sids: Vec<u32>,
    notes: Vec<String>,
}

impl EventSink for Seen {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(a) => self.sids.push(a.rule.sid),
            Event::Flow(f) => {
                if let Some(v) = f.extra.vars {
                    v.each(&mut |v| self.notes.push(format!("{v:?}")));
                }
            }
            _ => {}
        }
    }
}

impl Seen {
    fn take(&mut self) -> Vec<u32> {
        let mut s = std::mem::take(&mut self.sids);
        s.sort_unstable();
        s
    }
}

fn feed(e: &mut Engine, packets: &[Packet], sink: &mut Seen) {
    let mut verdicts = vec![Verdict::Forward; packets.len()];
    e.process(&frames(packets), &mut verdicts, sink);
}

/// The packets that `f` makes, after those before.
fn more(w: &mut Wire, f: impl FnOnce(&mut Wire)) -> Vec<Packet> {
    let before = w.frames.len();
    f(w);
    w.frames.split_off(before)
}

fn compiled(text: &str) -> common::Rules {
    let r = rules(text, &settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    r
}

const UDP: ((u8, u16), (u8, u16)) = ((1, 40_000), (2, 9_999));

#[test]
fn flowbits_are_not_another_rules() {
    // The first name of each set has the same number.
    let old = compiled("alert udp any any -> any any (content:\"mark\"; flowbits:set,aaa; sid:1;)");
    let new = compiled(
        "alert udp any any -> any any (content:\"ask\"; flowbits:isset,bbb; sid:2;)\n\
         alert udp any any -> any any (content:\"ask\"; flowbits:isset,aaa; sid:3;)\n\
         alert udp any any -> any any (content:\"ask\"; flowbits:isnotset,aaa; sid:4;)",
    );
    let (mut e, mut sink, mut w) = (engine(config(16 << 20), &old), Seen::default(), Wire::new());
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"mark"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [1]);
    drop(e.swap_rules(new.rules.clone()));
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"ask"));
    feed(&mut e, &p, &mut sink);
    // As in Suricata, variables of a flow end when it meets other rules.
    assert_eq!(sink.take(), [4]);
    e.finish(&mut sink);
    assert!(sink.notes.is_empty(), "{:?}", sink.notes);
}

#[test]
fn notes_of_a_flow_without_further_packets_are_not_named_by_other_rules() {
    let old = compiled("alert udp any any -> any any (content:\"mark\"; flowbits:set,aaa; sid:1;)");
    let new = compiled("alert udp any any -> any any (content:\"x\"; flowbits:set,bbb; sid:2;)");
    let (mut e, mut sink, mut w) = (engine(config(16 << 20), &old), Seen::default(), Wire::new());
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"mark"));
    feed(&mut e, &p, &mut sink);
    drop(e.swap_rules(new.rules.clone()));
    e.finish(&mut sink);
    assert!(sink.notes.is_empty(), "{:?}", sink.notes);
}

#[test]
fn xbits_go_on_by_name() {
    let set = |n: &str| {
        format!(
            "alert udp any any -> any any (content:\"mark\"; xbits:set,{n},track ip_src,expire 600; sid:1;)\n"
        )
    };
    let old = compiled(&(set("first") + &set("second").replace("sid:1", "sid:2").replace("mark", "note")));
    let ask = |n: &str, sid: u32| {
        format!("alert udp any any -> any any (content:\"ask\"; xbits:isset,{n},track ip_src; sid:{sid};)\n")
    };
    // In another order, so that the numbers of a compile order would be exchanged.
    let new = compiled(&(ask("second", 3) + &ask("first", 4)));
    let (mut e, mut sink, mut w) = (engine(config(16 << 20), &old), Seen::default(), Wire::new());
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"mark"));
    feed(&mut e, &p, &mut sink);
    drop(e.swap_rules(new.rules.clone()));
    sink.take();
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"ask"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [4]);
}

#[test]
fn thresholds_go_on_by_rule_and_are_not_another_rules() {
    let rule = |sid: u32, rev: u32| {
        format!(
            "alert udp any any -> any any (content:\"x\"; threshold:type limit,track by_src,count 1,seconds 600; \
             sid:{sid}; rev:{rev};)\n"
        )
    };
    let old = compiled(&(rule(1, 1) + &rule(2, 1)));
    let (mut e, mut sink, mut w) = (engine(config(16 << 20), &old), Seen::default(), Wire::new());
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"x"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [1, 2]);
    // 3 takes the place of 1, 2 keeps its count, and 1 begins anew with its new revision.
    let new = compiled(&(rule(3, 1) + &rule(2, 1) + &rule(1, 2)));
    drop(e.swap_rules(new.rules.clone()));
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"x"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [1, 3]);
}

#[test]
fn tags_go_on_by_rule() {
    let tagging =
        "alert udp any any -> any any (content:\"mark\"; tag:session,5,packets; sid:7;)\n".to_string();
    let old = compiled(&("alert udp any any -> any any (content:\"zzz\"; sid:1;)\n".to_string() + &tagging));
    let (mut e, mut sink, mut w) = (engine(config(16 << 20), &old), Seen::default(), Wire::new());
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"mark"));
    feed(&mut e, &p, &mut sink);
    drop(e.swap_rules(compiled(&tagging).rules.clone()));
    sink.take();
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"quiet"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [7]);
    // Without the rule there is nothing to say about its packets.
    drop(e.swap_rules(compiled("alert udp any any -> any any (content:\"zzz\"; sid:1;)").rules.clone()));
    let p = more(&mut w, |w| w.udp(UDP.0, UDP.1, b"quiet"));
    feed(&mut e, &p, &mut sink);
    assert_eq!(sink.take(), [0u32; 0]);
}

/// A request in two pieces: rules that wait after the first are other rules' numbers after a reload, and buffers that
/// were searched must be searched again for what is new.
#[test]
fn transactions_are_looked_at_anew() {
    let waits = "alert http any any -> any any (http.method; content:\"POST\"; http.request_body; content:\"tail\"; sid:1;)";
    let other = "alert http any any -> any any (http.uri; content:\"/never\"; sid:2;)\n\
                 alert http any any -> any any (http.uri; content:\"/upload\"; sid:3;)\n\
                 alert http any any -> any any (http.uri; content:\"/upload\"; http.request_body; content:\"tail\"; sid:4;)";
    let (a, b) = ((1, 40_001), (2, 80));
    let mut w = Wire::new();
    let mut t = w.tcp(a, b);
    t.send(0, b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhead");
    let first = std::mem::take(&mut t.wire.frames);
    t.send(0, b"tail");
    t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let rest = std::mem::take(&mut t.wire.frames);
    let (mut e, mut sink) = (engine(config(16 << 20), &compiled(waits)), Seen::default());
    feed(&mut e, &first, &mut sink);
    assert_eq!(sink.take(), [0u32; 0]);
    drop(e.swap_rules(compiled(other).rules.clone()));
    feed(&mut e, &rest, &mut sink);
    e.finish(&mut sink);
    assert_eq!(sink.take(), [3, 4]);
}

/// Datasets that are read from the same values again keep what was added; changed ones begin anew.
#[test]
fn datasets_go_on_unless_their_file_changed() {
    let dir = std::env::temp_dir().join(format!("tidegate-sets-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("bad.lst"), "ZXZpbA==\n").unwrap();
    let text = "alert dns any any -> any any (dns.query; dataset:isset,bad,type string,load bad.lst; sid:1;)";
    let source = [Source::Text { name: "t".into(), text: text.as_bytes().to_vec() }];
    let s = settings();
    let first = load_sources(&source, &s, Some(&dir)).unwrap();
    let bad = first.sets.get("bad").unwrap();
    assert!(bad.contains(b"evil") && bad.add(b"worse") == Ok(true));
    let again = load_after(&source, &s, Some(&dir), Some(&first.sets)).unwrap();
    let of = |l: &tidegate_dataplane::load::Loaded, v: &[u8]| l.sets.get("bad").unwrap().contains(v);
    assert!(of(&again, b"evil") && of(&again, b"worse"));
    // One copy: what is added now is in both, until the old one goes.
    assert_eq!(again.sets.get("bad").unwrap().remove(b"evil"), Ok(true));
    assert!(!of(&first, b"evil"));
    // A run that begins anew sees the file alone.
    let fresh = first.sets.fresh();
    assert!(fresh.get("bad").unwrap().contains(b"evil") && !fresh.get("bad").unwrap().contains(b"worse"));
    std::fs::write(dir.join("bad.lst"), "ZXZpbA==\nbmV3\n").unwrap();
    let changed = load_after(&source, &s, Some(&dir), Some(&again.sets)).unwrap();
    assert!(of(&changed, b"evil") && of(&changed, b"new") && !of(&changed, b"worse"));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A sensor writes its own file; that is no other source.
#[test]
fn datasets_go_on_after_they_were_saved() {
    let dir = std::env::temp_dir().join(format!("tidegate-sets-saved-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for (kind, values) in [
        ("string", [&b"one"[..], b"two", b"three"]),
        ("ip", [&[1; 16], &[2; 16], &[3; 16]]),
        ("md5", [&[9; 16], &[8; 16], &[7; 16]]),
    ] {
        let rule = format!(
            "alert dns any any -> any any (dns.query; dataset:set,{kind},type {kind},state {kind}.lst; sid:1;)"
        );
        // The rest of a rule does not matter here: the set is asked by name.
        let rule = if kind == "string" {
            rule
        } else {
            rule.replace("dns.query", if kind == "md5" { "file.data; to_md5" } else { "ip.src" })
                .replace("alert dns", "alert ip")
        };
        let source = [Source::Text { name: "t".into(), text: rule.into_bytes() }];
        let s = settings();
        let first = load_sources(&source, &s, Some(&dir)).unwrap();
        let Some(set) = first.sets.get(kind) else { panic!("{kind}: {:?}", first.refused) };
        assert_eq!(set.add(values[0]), Ok(true));
        let saved = first.sets.save();
        assert_eq!((saved.values, saved.failed.len()), (1, 0), "{:?}", saved.failed);
        assert_eq!(set.add(values[1]), Ok(true));
        let second = load_after(&source, &s, Some(&dir), Some(&first.sets)).unwrap();
        let set = second.sets.get(kind).unwrap();
        assert!(set.contains(values[0]) && set.contains(values[1]), "{kind}");
        // And once more: saved by the next one, learned, read again.
        assert!(second.sets.save().failed.is_empty());
        assert_eq!(set.add(values[2]), Ok(true));
        let third = load_after(&source, &s, Some(&dir), Some(&second.sets)).unwrap();
        let third = load_after(&source, &s, Some(&dir), Some(&third.sets)).unwrap();
        assert!(values.iter().all(|v| third.sets.get(kind).unwrap().contains(v)), "{kind}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Somebody edits the file of a set that learns: what was learned since it was written stays, what was taken out of it is gone.
#[test]
fn learned_values_outlive_an_edit_of_their_file() {
    let dir = std::env::temp_dir().join(format!("tidegate-sets-edited-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = "alert dns any any -> any any (dns.query; dataset:set,s,type string,state s.lst; sid:1;)";
    let source = [Source::Text { name: "t".into(), text: text.as_bytes().to_vec() }];
    let s = settings();
    let first = load_sources(&source, &s, Some(&dir)).unwrap();
    let set = first.sets.get("s").unwrap();
    assert!(set.add(b"wrong") == Ok(true) && set.add(b"old") == Ok(true));
    assert!(first.sets.save().failed.is_empty());
    assert_eq!(set.add(b"young"), Ok(true));
    // "old" and "new".
    std::fs::write(dir.join("s.lst"), "b2xk\nbmV3\n").unwrap();
    let second = load_after(&source, &s, Some(&dir), Some(&first.sets)).unwrap();
    let has = |v: &[u8]| second.sets.get("s").unwrap().contains(v);
    assert!(has(b"old") && has(b"new") && has(b"young"));
    assert!(!has(b"wrong"));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A rule that is wrong for one reload takes its set with it, not what the set had learned.
#[test]
fn datasets_that_go_are_saved_before() {
    let dir = std::env::temp_dir().join(format!("tidegate-sets-gone-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = |wrong: &str| {
        let text = format!(
            "alert dns any any -> any any (dns.query; dataset:set,stays,type string,state stays.lst; sid:1;)\n\
             alert dns any any -> any any (dns.query; dataset:set,goes,type string,state goes.lst; {wrong} sid:2;)\n"
        );
        [Source::Text { name: "t".into(), text: text.into_bytes() }]
    };
    let s = settings();
    let first = load_sources(&text(""), &s, Some(&dir)).unwrap();
    for name in ["stays", "goes"] {
        assert_eq!(first.sets.get(name).unwrap().add(b"learned"), Ok(true));
    }
    let second = load_after(&text("nonsense;"), &s, Some(&dir), Some(&first.sets)).unwrap();
    assert!(second.refused.len() == 1 && second.sets.get("goes").is_none());
    let saved = first.sets.save_gone(&second.sets);
    assert_eq!((saved.sets, saved.values, saved.failed.len()), (1, 1, 0), "only the one that goes");
    assert!(!dir.join("stays.lst").exists());
    let third = load_after(&text(""), &s, Some(&dir), Some(&second.sets)).unwrap();
    assert!(third.sets.get("goes").unwrap().contains(b"learned"));
    assert!(third.sets.get("stays").unwrap().contains(b"learned"));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Engines of the same rules share their datasets: what one adds, the other finds.
#[test]
fn engines_share_datasets() {
    let r = compiled(
        "alert dns any any -> any any (dns.query; content:\"add\"; dataset:set,seen,type string; sid:1;)\n\
         alert dns any any -> any any (dns.query; content:\"ask\"; dataset:isset,seen,type string; sid:2;)",
    );
    let [mut a, mut b] = [(); 2].map(|()| Engine::new(config(16 << 20), r.rules.clone()));
    let (mut sink, mut w) = (Seen::default(), Wire::new());
    let ask = common::traffic::dns(7, "add.example", 1, None);
    let p = more(&mut w, |w| w.udp((1, 40_000), (2, 53), &ask));
    feed(&mut a, &p, &mut sink);
    assert_eq!(sink.take(), [1]);
    // The same value again is not new, wherever it is seen.
    feed(&mut b, &p, &mut sink);
    assert_eq!(sink.take(), [0u32; 0]);
}

/// The work of a frame does not grow with the streams that are open beside its own.
#[test]
fn idle_streams_cost_nothing() {
    let frame = |kind: u8, flags: u8, stream: u32, body: &[u8]| {
        let mut f = vec![0, (body.len() >> 8) as u8, body.len() as u8, kind, flags];
        f.extend(stream.to_be_bytes());
        f.extend(body);
        f
    };
    let r = compiled("alert http2 any any -> any any (http.uri; content:\"/x\"; sid:1;)");
    let visits = |streams: u32| {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 40_002), (2, 80));
        t.send(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // :method GET, :path /, :scheme http, from the static table.
        for i in 0..streams {
            t.send(0, &frame(1, 4, 2 * i + 1, &[0x82, 0x84, 0x86]));
        }
        let first = std::mem::take(&mut t.wire.frames);
        for i in 0..100u32 {
            t.send(0, &frame(8, 0, 2 * (i % streams) + 1, &[0, 0, 0, 1]));
        }
        let rest = std::mem::take(&mut t.wire.frames);
        let (mut e, mut sink) = (engine(config(64 << 20), &r), Seen::default());
        feed(&mut e, &first, &mut sink);
        let before = e.stats().tx_visits;
        feed(&mut e, &rest, &mut sink);
        e.stats().tx_visits - before
    };
    let (few, many) = (visits(2), visits(2000));
    assert!(few >= 100, "{few}: nothing was looked at");
    assert!(many <= few * 2, "{many} looks at transactions beside 2,000 idle streams, {few} beside two");
}

/// A listed address is asked of flows that live already.
#[test]
fn rules_on_addresses_are_asked_of_living_flows() {
    let mut w = Wire::new();
    let ask = |w: &mut Wire| more(w, |w| w.udp((1, 5000), (2, 53), b"ask"));
    let old = compiled("alert udp any any -> any 99 (sid:1;)\n");
    let new = compiled("alert udp any any -> any 53 (sid:2;)\n");
    let mut e = engine(config(16 << 20), &old);
    let mut seen = Seen::default();
    feed(&mut e, &ask(&mut w), &mut seen);
    assert_eq!(seen.take(), [0u32; 0]);
    drop(e.swap_rules(new.rules.clone()));
    feed(&mut e, &ask(&mut w), &mut seen);
    feed(&mut e, &ask(&mut w), &mut seen);
    assert_eq!(seen.take(), [2]);
}

/// Digests that rules or intelligence ask for are those of files that begin after the reload; who stops asking is told no more.
#[test]
fn digests_are_computed_when_a_reload_asks_for_them() {
    use tidegate_core::intel::{About, Builder, Kind};
    let body = b"a file";
    const SUM: &str = "7365d029861e32c521f8089b00a6fb32daf0615025b69b599d1ce53501b845c2";
    let known = || {
        let mut b = Builder::default();
        let about = b.about(&About::default());
        b.add(Kind::Sha256, SUM.as_bytes(), about, None, None).unwrap();
        Some(std::sync::Arc::new(b.build(tidegate_core::Secret::fixed(1)).0))
    };
    let mut w = Wire::new();
    let mut port = 4000;
    let mut get = |w: &mut Wire| {
        port += 1;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), body].concat();
        more(w, |w| w.talk((1, port), (2, 80), &[(0, b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n"), (1, &answer)]))
    };
    let none = compiled("alert udp any any -> any 99 (sid:1;)\n");
    let dir = std::env::temp_dir().join(format!("tidegate-digests-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("known.lst"), format!("{SUM}\n")).unwrap();
    let text = b"alert http any any -> any any (filesha256:known.lst; sid:7;)\n".to_vec();
    let source = [Source::Text { name: "t".into(), text }];
    let ruled = load_sources(&source, &settings(), Some(&dir)).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(ruled.refused.is_empty(), "{:?}", ruled.refused);
    let mut e = engine(config(16 << 20), &none);
    let mut seen = Seen::default();
    feed(&mut e, &get(&mut w), &mut seen);
    assert_eq!(seen.take(), [0u32; 0]);
    for (rules, want) in [
        (none.rules.clone().with_intel(known()), 1),
        (ruled.rules.clone(), 1),
        (none.rules.clone(), 0),
        (ruled.rules.clone().with_intel(known()), 2),
    ] {
        drop(e.swap_rules(rules));
        feed(&mut e, &get(&mut w), &mut seen);
        assert_eq!(seen.take().len(), want);
    }
    // And when they are there at the start.
    let mut e = Engine::new(config(16 << 20), ruled.rules.clone());
    feed(&mut e, &get(&mut w), &mut seen);
    assert_eq!(seen.take(), [7]);
}

/// What a rule decided on a whole flow stays with the flow when the rule goes, as the flags of Suricata's flows do: passed
/// ones are not looked at again, dropped ones stay dropped. New flows meet the new rules alone.
#[test]
fn passed_and_dropped_flows_stay_so_without_their_rule() {
    let ruled = |action: &str| {
        compiled(&format!(
            "{action} tcp any any -> any 9000 (flow:established,to_server; content:\"mark\"; sid:1;)\n"
        ))
    };
    let watch = compiled("alert tcp any any -> any 9000 (flow:established; content:\"later\"; sid:2;)\n");
    for (action, sids, verdict) in [("pass", vec![], Verdict::Forward), ("drop", vec![1], Verdict::Drop)] {
        let mut cfg = config(16 << 20);
        (cfg.ips, cfg.stream.inline) = (true, true);
        let mut e = engine(cfg, &ruled(action));
        let mut seen = Seen::default();
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (2, 9000));
        t.send(0, b"mark");
        let first = std::mem::take(&mut t.wire.frames);
        t.send(0, b"later");
        let second = std::mem::take(&mut t.wire.frames);
        let new = more(&mut w, |w| {
            let mut t = w.tcp((1, 4001), (2, 9000));
            t.send(0, b"mark, and later");
        });
        feed(&mut e, &first, &mut seen);
        assert_eq!(seen.take(), sids, "{action}");
        drop(e.swap_rules(watch.rules.clone()));
        let mut verdicts = vec![Verdict::Forward; second.len()];
        e.process(&frames(&second), &mut verdicts, &mut seen);
        assert_eq!((seen.take(), verdicts[0]), (vec![], verdict), "{action}");
        feed(&mut e, &new, &mut seen);
        assert_eq!(seen.take(), [2], "{action}");
    }
}
