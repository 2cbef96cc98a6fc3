//! Exception policies, what happens to what cannot be inspected: the settings go in, a policy for each occasion comes out, and what of
//! them has no effect.

use super::read::bad;
use super::yaml::{ConfigError, Node};
use super::{Exception, ExceptionPolicies};

fn exception_name(root: &Node, key: &str, text: &str) -> Result<Option<Exception>, ConfigError> {
    Ok(Some(match text.to_ascii_lowercase().as_str() {
        "ignore" => Exception::Ignore,
        "pass-packet" => Exception::PassPacket,
        "pass-flow" => Exception::PassFlow,
        "drop-packet" => Exception::DropPacket,
        "drop-flow" => Exception::DropFlow,
        "reject" => Exception::Reject,
        "reject-both" => Exception::RejectBoth,
        "bypass" => Exception::Bypass,
        "auto" => return Ok(None),
        _ => {
            let known =
                "ignore, pass-packet, pass-flow, drop-packet, drop-flow, reject, reject-both, bypass, auto";
            return Err(bad(root, key, format!("`{text}` is none of {known}")));
        }
    }))
}

/// The master policy fills what is not set; `auto` drops the flow when packets can be dropped. Dropping is
/// ignored otherwise, and a midstream flow cannot be ruled on when midstream pick-up makes it normal.
pub(super) fn read(root: &Node, ips: bool) -> Result<ExceptionPolicies, ConfigError> {
    let auto = if ips { Exception::DropFlow } else { Exception::Ignore };
    let ids = |p: Exception| match p {
        Exception::DropFlow | Exception::DropPacket if !ips => Exception::Ignore,
        p => p,
    };
    let master = match root.text("exception-policy") {
        None => None,
        Some(t) => Some(exception_name(root, "exception-policy", t)?),
    };
    // Without any setting nothing is dropped on behalf of the engine: the master is `auto` in IPS mode.
    let fill = ids(master.map_or(auto, |m| m.unwrap_or(auto)));
    let get = |key: &str| -> Result<Option<Exception>, ConfigError> {
        match root.text(key) {
            None => Ok(None),
            Some(t) => Ok(Some(exception_name(root, key, t)?.unwrap_or(auto))),
        }
    };
    let midstream_on = root.flag("stream.midstream")?.unwrap_or(false);
    let midstream = match get("stream.midstream-policy")? {
        Some(p) => {
            let auto_chosen =
                root.text("stream.midstream-policy").is_some_and(|t| t.eq_ignore_ascii_case("auto"));
            let wrong = match p {
                _ if auto_chosen => false,
                Exception::PassPacket | Exception::DropPacket => true,
                p => midstream_on && !matches!(p, Exception::Ignore | Exception::PassFlow),
            };
            if wrong {
                let what =
                    if midstream_on { "when midstream is on: pass-flow or ignore" } else { "of a flow" };
                return Err(bad(root, "stream.midstream-policy", format!("not a policy {what}")));
            }
            if auto_chosen && midstream_on { Exception::Ignore } else { ids(p) }
        }
        None if midstream_on && master.flatten().is_none() => Exception::Ignore,
        // Passing or rejecting packets one by one says nothing of a flow.
        None => match fill {
            Exception::DropPacket | Exception::PassPacket => Exception::Ignore,
            p => p,
        },
    };
    Ok(ExceptionPolicies {
        master,
        midstream,
        stream_memcap: get("stream.memcap-policy")?.map_or(fill, ids),
        stream_reassembly_memcap: get("stream.reassembly.memcap-policy")?.map_or(fill, ids),
        app_error: get("app-layer.error-policy")?.map_or(fill, ids),
        flow_memcap: get("flow.memcap-policy")?.map_or(fill, ids),
        defrag_memcap: get("defrag.memcap-policy")?.map_or(fill, ids),
    })
}

/// Policies that drop, where no packet is held back.
pub(super) fn without_drops(root: &Node, ips: bool) -> Vec<String> {
    const KEYS: [&str; 7] = [
        "exception-policy",
        "stream.midstream-policy",
        "stream.memcap-policy",
        "stream.reassembly.memcap-policy",
        "app-layer.error-policy",
        "flow.memcap-policy",
        "defrag.memcap-policy",
    ];
    let drops =
        |n: &&Node| n.val.as_deref().is_some_and(|v| v.trim().to_ascii_lowercase().starts_with("drop-"));
    let set = KEYS.iter().filter(|_| !ips).filter_map(|k| root.at(k)).filter(drops);
    set.map(|n| n.odd("packets are only watched without --inline or --simulate-ips")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn exception_policies_follow_the_master() {
        let p = |text: &str, ips: bool| {
            read(&Node::parse(text, Path::new("t"), Path::new(".")).unwrap(), ips).unwrap()
        };
        assert_eq!(p("a: b", false), ExceptionPolicies::default());
        assert_eq!(p("a: b", true).midstream, Exception::DropFlow);
        assert_eq!(p("a: b", true).flow_memcap, Exception::DropFlow);
        assert_eq!(p("{defrag: {memcap-policy: pass-packet}}", true).defrag_memcap, Exception::PassPacket);
        assert_eq!(p("{flow: {memcap-policy: drop-packet}}", false).flow_memcap, Exception::Ignore);
        assert_eq!(p("stream: {midstream: yes}", true).midstream, Exception::Ignore);
        assert_eq!(p("exception-policy: ignore", true).app_error, Exception::Ignore);
        assert_eq!(p("exception-policy: reject", true).stream_memcap, Exception::Reject);
        assert_eq!(p("app-layer: {error-policy: drop-flow}", false).app_error, Exception::Ignore);
        assert_eq!(p("app-layer: {error-policy: pass-flow}", false).app_error, Exception::PassFlow);
        let midstream = "{stream: {midstream: yes}, exception-policy: bypass}";
        assert_eq!(p(midstream, true).midstream, Exception::Bypass);
    }

    #[test]
    fn policies_that_drop_are_told_where_nothing_is_dropped() {
        let told =
            |text: &str, ips| without_drops(&Node::parse(text, Path::new("t"), Path::new(".")).unwrap(), ips);
        let text = "exception-policy: drop-flow\nflow: {memcap-policy: drop-packet}\nstream: {memcap-policy: bypass}\n";
        assert_eq!(told(text, true), Vec::<String>::new());
        let told = told(text, false);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("exception-policy (t:1:") && told[1].starts_with("flow.memcap-policy (t:2:"),
            "{told:?}"
        );
    }
}
