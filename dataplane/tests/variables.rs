//! What rules write down while they match, and what later rules and events make of it: captures of regexes in variables of
//! flows, packets and alerts, bits of transactions, records that are switched off.

mod common;

use common::wire::Wire;

/// The events of a kind that `text` and the packets give, each as a line.
fn events(text: &str, w: &Wire, kind: &str) -> Vec<String> {
    let r = common::rules(text, &common::settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    let lines = [1, 64].map(|batch| {
        let eve = common::eve(&r, &common::frames(&w.frames), batch);
        let all = String::from_utf8(eve).unwrap();
        let of_kind = format!("\"event_type\":\"{kind}\"");
        all.lines().filter(|l| l.contains(&of_kind)).map(str::to_string).collect::<Vec<_>>()
    });
    assert_eq!(lines[0], lines[1]);
    let [lines, _] = lines;
    lines
}

fn sids(lines: &[String]) -> Vec<u32> {
    let sid = |l: &String| l.split("\"signature_id\":").nth(1)?.split(',').next()?.parse().ok();
    lines.iter().filter_map(sid).collect()
}

const REQUEST: &[u8] = b"GET /a?user=root&id=7 HTTP/1.1\r\nHost: one.example\r\n\r\n";
const SECOND: &[u8] = b"GET /b?user=guest HTTP/1.1\r\nHost: two.example\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn two_requests() -> Wire {
    let mut w = Wire::new();
    w.talk((1, 4000), (2, 80), &[(0, REQUEST), (1, ANSWER), (0, SECOND), (1, ANSWER)]);
    w
}

#[test]
fn captures_go_into_variables_of_the_flow() {
    let rules = r#"alert http any any -> any any (http.uri; pcre:"/user=(\w+)&id=(\d+)/, flow:user, flow:id"; noalert; sid:1;)
alert http any any -> any any (http.uri; content:"/b"; flowvar:user,"roo"; sid:2;)
alert http any any -> any any (http.uri; content:"/b"; flowvar:user,!"roo"; sid:3;)
alert http any any -> any any (http.uri; content:"/b"; flowvar:nothing,!"roo"; sid:4;)
alert http any any -> any any (http.uri; content:"/a"; pcre:"/user=(?P<flow_named>\w)/"; content:"nowhere"; sid:5;)"#;
    let alerts = events(rules, &two_requests(), "alert");
    assert_eq!(sids(&alerts), [2]);
    assert!(alerts[0].contains(r#""flowvars":[{"id":"7"},{"user":"root"}]"#), "{}", alerts[0]);
    // A rule that did not match leaves nothing behind.
    let flows = events(rules, &two_requests(), "flow");
    assert!(flows[0].contains(r#"{"user":"root"}"#) && !flows[0].contains("named"), "{}", flows[0]);
}

#[test]
fn captures_go_into_variables_of_the_packet_and_of_alerts() {
    let rules = r#"alert http any any -> any any (http.uri; pcre:"/user=(\w+)/, pkt:who"; sid:1;)
alert http any any -> any any (http.uri; pcre:"/user=(\w+)/, alert:who"; sid:2;)
alert tcp any any -> any any (dsize:>0; sid:3;)"#;
    let alerts = events(rules, &two_requests(), "alert");
    let of = |sid: u32| alerts.iter().filter(|a| sids(&[(*a).clone()]) == [sid]).collect::<Vec<_>>();
    for (i, who) in ["root", "guest"].iter().enumerate() {
        assert!(of(1)[i].contains(&format!(r#""pktvars":[{{"who":"{who}"}}]"#)), "{}", of(1)[i]);
        assert!(of(2)[i].contains(&format!(r#""context":{{"who":"{who}"}}"#)), "{}", of(2)[i]);
    }
    assert!(of(1).iter().all(|a| !a.contains("\"context\"")));
    // The variable is the packet's: others have none.
    let answers: Vec<_> = of(3).into_iter().filter(|a| a.contains("\"src_port\":80,")).collect();
    assert!(!answers.is_empty() && answers.iter().all(|a| !a.contains("pktvars")));
    assert!(events(rules, &two_requests(), "flow").iter().all(|f| !f.contains("pktvars")));
}

#[test]
fn packet_variables_are_asked_for() {
    // Who captures comes before who asks, whatever their order is.
    let rules = r#"alert udp any any -> any any (pktvar:n,"1"; sid:2;)
alert udp any any -> any any (pktvar:n,!"1"; sid:3;)
alert udp any any -> any any (pcre:"/number (\d+)/, pkt:n"; noalert; sid:1;)"#;
    let mut w = Wire::new();
    for text in ["number 1", "number 2", "nothing"] {
        w.udp((1, 4000), (2, 9000), text.as_bytes());
    }
    assert_eq!(sids(&events(rules, &w, "alert")), [2, 3]);
}

#[test]
fn records_are_switched_off_by_rules() {
    let w = two_requests();
    assert_eq!(events("", &w, "http").len(), 2);
    for head in ["config http", "alert http"] {
        let rule = format!(
            "{head} any any -> any any (http.host; content:\"one.example\"; config:logging disable, type tx, scope tx; sid:1;)"
        );
        let records = events(&rule, &w, "http");
        assert!(records.len() == 1 && records[0].contains("two.example"), "{records:?}");
        assert_eq!(events(&rule, &w, "alert").len(), usize::from(head == "alert http"));
        assert_eq!(events(&rule, &w, "fileinfo").len(), 2);
    }
    // A rule of `config` lets nothing pass.
    let rules = "config http any any -> any any (http.host; content:\"one.example\"; config:logging disable, type tx, scope tx; sid:1;)
alert http any any -> any any (http.host; content:\"example\"; sid:2;)";
    assert_eq!(sids(&events(rules, &w, "alert")), [2, 2]);
}

#[test]
fn bits_of_transactions_stay_with_them() {
    let rules = r#"alert http any any -> any any (http.uri; content:"/a"; xbits:set,seen,track tx; noalert; sid:1;)
alert http any any -> any any (http.stat_code; content:"200"; xbits:isset,seen,track tx; sid:2;)
alert http any any -> any any (http.stat_code; content:"200"; xbits:isnotset,seen,track tx; sid:3;)"#;
    let alerts = events(rules, &two_requests(), "alert");
    assert_eq!(sids(&alerts), [2, 3]);
    assert!(alerts[0].contains("one.example") && alerts[1].contains("two.example"), "{alerts:?}");
}

#[test]
fn what_means_nothing_is_refused() {
    for (rule, word) in [
        ("config:logging enable, type tx, scope tx", "disable"),
        ("config:logging disable", "type tx"),
        ("config:logging disable, type flow, scope flow", "type flow"),
        ("config:tracking disable, type flow, scope packet", "not supported yet"),
        ("flowvar:name,", "empty"),
        ("pktvar:name", "name,value"),
        ("pcre:!\"/(a)/, flow:x\"", "captures nothing"),
        ("pcre:\"/(a)(b)(c)(d)(e)(f)(g)(h)(i)(?P<flow_x>j)/\"", "nine groups"),
    ] {
        let r =
            common::rules(&format!("alert http any any -> any any ({rule}; sid:1;)"), &common::settings());
        assert!(r.refused.len() == 1 && r.refused[0].contains(word), "{rule}: {:?}", r.refused);
    }
}
