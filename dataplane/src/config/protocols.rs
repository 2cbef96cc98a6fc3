//! `app-layer`: which protocols are recognised and parsed, and how; [`AppConfig`] comes out, and what is to be told of names that
//! are no protocol's and of settings that decide nothing.

use tidegate_core::app::{AppConfig, AppProto, Encrypted, OVER_TCP, OVER_UDP};

use super::read::{bad, ports};
use super::yaml::{ConfigError, Node, truth};
use super::{Outputs, most};

/// Protocols of Suricata's configurations that are not read here.
const ELSEWHERE: &[&str] = &["irc", "jabber", "msn", "template", "applayer-template"];

/// Reads everything; the second is told to the user.
pub(super) fn read(root: &Node, outputs: &Outputs) -> Result<(AppConfig, Vec<String>), ConfigError> {
    let mut told = Vec::new();
    let mut a =
        AppConfig { midstream: root.flag("stream.midstream")?.unwrap_or(false), ..AppConfig::default() };
    if let Some(list) = root.at("app-layer.protocols") {
        for p in list.entries() {
            let key = format!("app-layer.protocols.{}", p.key);
            let Some(n) = root.at(&key) else { continue };
            let Some(proto) = AppProto::by_name(&p.key) else {
                let off = n.text("enabled").and_then(truth) == Some(false);
                match ELSEWHERE.contains(&p.key.as_str()) {
                    true if off => {}
                    true => told.push(n.odd_name("a protocol that is not read here")),
                    false => told.push(n.odd_name("no such protocol")),
                }
                // A name with one value is told as that.
                if n.wanted.get().is_none() {
                    n.accept();
                }
                continue;
            };
            protocol(&mut a, proto.name(), n, &mut told)?;
            carriers(&mut a, proto, n, &mut told)?;
        }
    }
    let size = |key: &str, to: &mut usize| -> Result<(), ConfigError> {
        if let Some(n) = root.size(&format!("app-layer.protocols.http.libhtp.default-config.{key}"))? {
            // 0 means without a limit.
            *to = if n == 0 { usize::MAX } else { n as usize };
        }
        Ok(())
    };
    size("request-body-limit", &mut a.http.request_body_limit)?;
    size("response-body-limit", &mut a.http.response_body_limit)?;
    size("request-body-minimal-inspect-size", &mut a.http.request_min_inspect)?;
    size("request-body-inspect-window", &mut a.http.request_inspect_window)?;
    size("response-body-minimal-inspect-size", &mut a.http.response_min_inspect)?;
    size("response-body-inspect-window", &mut a.http.response_inspect_window)?;
    size("max-tx", &mut a.http.max_tx)?;
    let htp = |key: &str| format!("app-layer.protocols.http.libhtp.default-config.{key}");
    a.http.double_decode_path = root.flag(&htp("double-decode-path"))?.unwrap_or(a.http.double_decode_path);
    a.http.double_decode_query =
        root.flag(&htp("double-decode-query"))?.unwrap_or(a.http.double_decode_query);
    a.http.lzma_enabled = root.flag(&htp("lzma-enabled"))?.unwrap_or(a.http.lzma_enabled);
    if let Some(n) = root.size(&htp("lzma-memlimit"))? {
        // More than this is no dictionary that a body of a sensible size needs.
        a.http.lzma_memory = n.min(most::DICTIONARY) as usize;
    }
    if let Some(n) = root.number(&htp("response-body-decompress-layer-limit"))? {
        a.http.decompress_layers = n;
    }

    let kinds: Vec<&String> =
        outputs.eve.iter().filter_map(|e| e.record("dns")).flat_map(|d| d.dns_types.iter()).collect();
    if !kinds.is_empty() {
        a.dns.kinds = Some(
            kinds.into_iter().filter_map(|k| tidegate_core::app::dns::message::kind_number(k)).collect(),
        );
    }
    for f in outputs.eve.iter().filter_map(|e| e.files.as_ref()) {
        a.file_md5 |= f.md5;
        a.file_magic |= f.magic;
        a.file_sha1 |= f.sha1;
        a.file_sha256 |= f.sha256;
    }
    a.artifacts = outputs.eve.iter().any(|e| e.artifacts);
    if let Some(s) = &outputs.store {
        a.file_sha256 = true;
        a.file_md5 |= s.md5;
        a.file_sha1 |= s.sha1;
        (a.file_tap, a.file_store_all) = (true, s.all);
    }
    // An extended record shows the fingerprints, so they are computed unless they are switched off.
    let extended = outputs.eve.iter().any(|e| e.record("tls").is_some_and(|r| r.extended));
    let off = |key: &str| root.text(&format!("app-layer.protocols.tls.{key}")).and_then(truth) == Some(false);
    a.tls_ja3 |= extended && !off("ja3-fingerprints");
    a.tls_ja4 |= extended && !off("ja4-fingerprints");
    Ok((a, told))
}

fn protocol(a: &mut AppConfig, name: &str, n: &Node, told: &mut Vec<String>) -> Result<(), ConfigError> {
    match n.text("enabled") {
        None => {}
        Some("detection-only") => a.detection_only.push(name.to_string()),
        Some(t) => match truth(t) {
            Some(true) => a.disabled.retain(|d| d != name),
            Some(false) => a.disabled.push(name.to_string()),
            None => return Err(bad(n, "enabled", format!("`{t}` is none of yes, no, detection-only"))),
        },
    }
    detection_ports(a, name, None, n, told)?;
    // `auto` (and nothing) lets the rules decide.
    let or_auto = |key: &str| match n.text(key) {
        Some(t) if t.trim().eq_ignore_ascii_case("auto") => Ok(None),
        Some(t) => match truth(t) {
            None => Err(bad(n, key, format!("`{t}` is none of yes, no, auto"))),
            known => Ok(known),
        },
        None => Ok(None),
    };
    if name == "ai" {
        a.ai_risk = or_auto("risk")?.unwrap_or(a.ai_risk);
    }
    if name == "quic" {
        a.quic_ja3 = or_auto("ja3-fingerprints")?.unwrap_or(a.quic_ja3);
        a.quic_ja4 = or_auto("ja4-fingerprints")?.unwrap_or(a.quic_ja4);
    }
    if name == "ssh" {
        a.ssh_hassh = or_auto("hassh")?.unwrap_or(a.ssh_hassh);
    }
    if name == "websocket"
        && let Some(size) = n.size("max-payload-size")?
    {
        // Payloads are kept whole in memory of all flows.
        a.websocket_max_payload = size.min(most::WEBSOCKET) as usize;
    }
    if AppProto::by_name(name).is_some_and(|p| p.def().bounded)
        && let Some(most) = n.number("max-tx")?
    {
        a.max_waiting.push((name.to_string(), most));
    }
    if name == "mqtt" {
        if let Some(size) = n.size("max-msg-length")? {
            // Packets are kept whole in memory of all flows.
            a.mqtt.max_message = size.min(most::MQTT) as usize;
        }
        // 0 means without a limit.
        let topics = |key: &str, to: &mut u16| -> Result<(), ConfigError> {
            if let Some(most) = n.number::<u16>(key)? {
                *to = if most == 0 { u16::MAX } else { most };
            }
            Ok(())
        };
        topics("subscribe-topic-match-limit", &mut a.mqtt.subscribe_topics)?;
        topics("unsubscribe-topic-match-limit", &mut a.mqtt.unsubscribe_topics)?;
    }
    if name == "smtp" {
        links(a, n)?;
    }
    if name == "tls" {
        a.tls_ja3 = or_auto("ja3-fingerprints")?.unwrap_or(a.tls_ja3);
        a.tls_ja4 = or_auto("ja4-fingerprints")?.unwrap_or(a.tls_ja4);
        for key in ["encryption-handling", "encrypt-handling"] {
            if let Some(how) = encrypted(n, key)? {
                a.tls_encrypted = how;
            }
        }
    }
    if name == "ssh"
        && let Some(how) = encrypted(n, "encryption-handling")?
    {
        a.ssh_encrypted = how;
    }
    Ok(())
}

/// `tcp` and `udp`. As in Suricata `enabled` above them decides where it is there.
fn carriers(a: &mut AppConfig, proto: AppProto, n: &Node, told: &mut Vec<String>) -> Result<(), ConfigError> {
    let (name, known) = (proto.name(), &proto.def().recognise);
    let both = n.text("enabled").and_then(truth);
    let mut said = [None; 2];
    for (i, (carrier, bit)) in [("tcp", OVER_TCP), ("udp", OVER_UDP)].into_iter().enumerate() {
        let Some(c) = n.child(carrier) else { continue };
        let there = known.patterns.iter().any(|p| p.over & bit != 0)
            || known.probes.iter().any(|p| p.over & bit != 0);
        let on = c.flag("enabled")?;
        detection_ports(a, name, Some(i == 0), c, told)?;
        match (on, both) {
            // What holds anyway.
            (None, _) => {}
            (Some(false), _) if !there && !known.is_none() => {}
            (Some(on), Some(both)) if on == both => {}
            (Some(_), _) if !there => {
                let what = format!("{name} is not recognised over {}", carrier.to_ascii_uppercase());
                told.extend(c.child("enabled").map(|e| e.odd(&what)));
            }
            (Some(_), Some(_)) => {
                let what = format!("`{}.enabled` decides", n.path);
                told.extend(c.child("enabled").map(|e| e.odd(&what)));
            }
            (Some(on), None) => said[i] = Some(on),
        }
    }
    // Of a protocol that is off by default only what is switched on is recognised.
    let one = said.contains(&Some(true)) && a.disabled.iter().any(|d| d == name);
    if one {
        a.disabled.retain(|d| d != name);
    }
    for (i, on) in said.into_iter().enumerate() {
        if on == Some(false) || (one && on.is_none()) {
            a.disabled_over.push((name.to_string(), i == 0));
        }
    }
    Ok(())
}

/// `mime.extract-urls` and what is beside it.
fn links(a: &mut AppConfig, n: &Node) -> Result<(), ConfigError> {
    if let Some(list) = n.at("mime.extract-urls-schemes") {
        // Addresses of mails have no authority.
        let begins = |s: &str| if s == "mailto" { "mailto:".to_string() } else { format!("{s}://") };
        a.smtp.links = list.texts().map(|(s, _)| begins(&s.to_ascii_lowercase())).collect();
    }
    if n.flag("mime.extract-urls")? == Some(false) {
        a.smtp.links.clear();
    }
    a.smtp.whole_links = n.flag("mime.log-url-scheme")?.unwrap_or(false);
    Ok(())
}

/// What is done with a flow once it is encrypted.
fn encrypted(n: &Node, key: &str) -> Result<Option<Encrypted>, ConfigError> {
    let word = n.one_of(key, &["full", "bypass", "track-only", "default"])?;
    Ok(word.map(|w| match w {
        "full" => Encrypted::Full,
        "bypass" => Encrypted::Bypass,
        _ => Encrypted::Track,
    }))
}

/// Ports at which a protocol's probes are asked. One without probes asks no port.
fn detection_ports(
    a: &mut AppConfig,
    name: &str,
    tcp: Option<bool>,
    n: &Node,
    told: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let (mut probed, mut seen) = (false, false);
    let Some(t) = n.at("detection-ports.dp").and_then(Node::joined) else { return Ok(()) };
    let list = ports(&t, &[])
        .ok_or_else(|| bad(n, "detection-ports.dp", format!("`{t}` is not a list of ports")))?;
    let def = AppProto::by_name(name).map(AppProto::def);
    for (over, bit) in [(true, OVER_TCP), (false, OVER_UDP)] {
        if tcp.is_none_or(|t| t == over) {
            probed |= def.is_some_and(|d| d.recognise.probes.iter().any(|p| p.over & bit != 0));
            seen |= def.is_some_and(|d| d.recognise.patterns.iter().any(|p| p.over & bit != 0));
            a.ports.push((name.to_string(), over, list.clone()));
        }
    }
    if let Some(dp) = n.at("detection-ports.dp").filter(|_| !probed) {
        told.push(dp.odd(&match (seen, tcp) {
            (true, _) => format!("{name} is recognised by its first bytes, at any port"),
            (false, Some(tcp)) => {
                format!("{name} is not recognised over {}", if tcp { "TCP" } else { "UDP" })
            }
            (false, None) => format!("{name} begins within another protocol, at no port"),
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, Settings};

    fn read(text: &str) -> Settings {
        let text = format!("app-layer: {{protocols: {{{text}}}}}");
        Settings::parse(&text, &Overrides::default()).unwrap()
    }

    #[test]
    fn carriers_are_switched_one_by_one() {
        let over = |text: &str| {
            let s = read(text);
            assert_eq!(s.without_effect(), Vec::<String>::new(), "{text}");
            s.app.disabled_over
        };
        let (tcp, udp) = (("dns".to_string(), true), ("dns".to_string(), false));
        assert_eq!(over("dns: {tcp: {enabled: no}, udp: {enabled: no}}"), [tcp, udp.clone()]);
        assert_eq!(over("dns: {udp: {enabled: no}}"), [udp]);
        assert_eq!(over("dns: {tcp: {enabled: yes}, udp: {enabled: yes}}"), []);
        assert_eq!(over("tls: {udp: {enabled: no}}"), []);
        // Off by default: what is switched on is all there is.
        assert_eq!(over("modbus: {tcp: {enabled: yes}}"), [("modbus".to_string(), false)]);
        assert!(!read("modbus: {tcp: {enabled: yes}}").app.disabled.iter().any(|d| d == "modbus"));
        assert!(read("modbus: {}").app.disabled.iter().any(|d| d == "modbus"));
        assert_eq!(over("modbus: {enabled: no, detection-ports: {dp: 502}}"), []);
        // By a protocol's other name.
        assert!(read("http1: {enabled: no}").app.disabled.iter().any(|d| d == "http"));
    }

    #[test]
    fn names_and_carriers_that_decide_nothing_are_named() {
        for (text, told) in [
            ("nosuch: {enabled: yes}", "nosuch (configuration:1:25: no such protocol)"),
            ("nosuch: {enabled: no}", "nosuch (configuration:1:25: no such protocol)"),
            ("irc: {enabled: yes}", "irc (configuration:1:25: a protocol that is not read here)"),
            (
                "tls: {udp: {enabled: yes}}",
                "tls.udp.enabled (configuration:1:46: tls is not recognised over UDP)",
            ),
            (
                "ssh: {detection-ports: {dp: 22}}",
                "ssh.detection-ports.dp (configuration:1:53: ssh is recognised by its first bytes, at any port)",
            ),
            (
                "tls: {udp: {detection-ports: {dp: 443}}}",
                "tls.udp.detection-ports.dp (configuration:1:59: tls is not recognised over UDP)",
            ),
            (
                "grpc: {detection-ports: {dp: 443}}",
                "grpc.detection-ports.dp (configuration:1:54: grpc begins within another protocol, at no port)",
            ),
            (
                "dns: {enabled: yes, udp: {enabled: no}}",
                "dns.udp.enabled (configuration:1:60: `app-layer.protocols.dns.enabled` decides)",
            ),
        ] {
            assert_eq!(read(text).without_effect(), [format!("app-layer.protocols.{told}")], "{text}");
        }
        assert_eq!(read("irc: {enabled: no}").without_effect(), Vec::<String>::new());
    }
}
