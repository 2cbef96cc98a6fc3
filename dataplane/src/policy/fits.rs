//! Lines of a policy that no flow can ever fit, each by itself: a line and its place go in, what stands in the way comes out. They are
//! slips, and refused: who wrote `{app: dns, sni: x}` would otherwise wait for what it allows, or denies, for ever.

use tidegate_core::ai::operations;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::app::{OVER_TCP, OVER_UDP};
use tidegate_core::policy::{CALLERS, Calls, Glob, HELLOS, Line, Names};

use super::read::{app_of, proto_name};
use super::tree::{Node, Wrong};

/// The operation of calls that name a tool.
const CALLS_TOOL: &str = "execute_tool";

/// Looks at a line that was read from `n`.
///
/// # Errors
/// The condition that keeps flows from fitting.
pub(super) fn check(l: &Line, n: &Node) -> Result<(), Wrong> {
    let over = carriers(&l.protos);
    if let Some((_, v)) = given(n, &["app"]) {
        v.items().iter().try_for_each(|item| app(item, &l.protos, over))?;
    }
    if l.sni.is_some() {
        let what = "only {} have a name in their hello, and the line is of another protocol";
        only(l, n, &["sni"], &HELLOS.map(|h| h.0), what)?;
    }
    if l.calls.is_some() {
        let keys = ["ai", "credential", "app"];
        if l.sni.is_some() {
            let at = given(n, &keys).map_or(n, |g| g.0);
            return Err(at.wrong(
                "a connection whose messages are read as calls has no name in a hello (sni); make two lines of it",
            ));
        }
        only(
            l,
            n,
            &keys,
            &CALLERS,
            "only {} carry calls of AI services, and the line is of another protocol",
        )?;
    }
    l.calls.as_ref().map_or(Ok(()), |c| of_services(c, n))
}

/// The services that `app` names and a provider of `ai` fits, when it asks for one.
///
/// # Errors
/// There is none.
pub(super) fn both(services: Vec<&str>, providers: Names, n: &Node) -> Result<Vec<Glob>, Wrong> {
    let asked = |name: &&&str| providers.as_ref().is_none_or(|p| p.iter().any(|g| g.fits(name.as_bytes())));
    let all: Vec<Glob> = services.iter().filter(asked).filter_map(|name| Glob::new(name)).collect();
    if all.is_empty() {
        let what = format!("`app` asks for {}, and the provider is another", services.join(", "));
        return Err(asked_of_call(n).wrong(&what));
    }
    Ok(all)
}

/// Services with their operations: the line must leave one possible.
fn of_services(c: &Calls, n: &Node) -> Result<(), Wrong> {
    let fits = |names: &Names, v: &str| names.as_ref().is_none_or(|g| g.iter().any(|g| g.fits(v.as_bytes())));
    let mut left = operations().filter(|(p, o)| fits(&c.providers, p) && fits(&c.operations, o)).peekable();
    if left.peek().is_none() {
        return Err(asked_of_call(n).wrong("there is no provider and operation like these"));
    }
    if c.tools.is_some() && !left.any(|(_, o)| o == CALLS_TOOL) {
        let what = format!("only calls of tools name one: those of MCP, whose operation is {CALLS_TOOL}");
        return Err(asked_of_call(n).wrong(&what));
    }
    Ok(())
}

/// Where the line says what it asks of calls.
fn asked_of_call(n: &Node) -> &Node {
    given(n, &["ai", "app"]).map_or(n, |g| g.1)
}

/// The first of these conditions that the line has, and its value.
fn given<'n>(n: &'n Node, keys: &[&str]) -> Option<(&'n Node, &'n Node)> {
    let all: Vec<_> = n.map("").ok()?.collect();
    keys.iter().find_map(|k| all.iter().find(|e| e.0 == *k).map(|e| (e.1, e.2)))
}

/// Carriers of application protocols among IP protocols; none named are all.
fn carriers(protos: &[u8]) -> u8 {
    let one = |p: &u8| match p {
        6 => OVER_TCP,
        17 => OVER_UDP,
        _ => 0,
    };
    if protos.is_empty() { OVER_TCP | OVER_UDP } else { protos.iter().fold(0, |a, p| a | one(p)) }
}

/// A protocol of the line: whether flows are ever of it, and come over what the line asks for.
fn app(item: &Node, protos: &[u8], over: u8) -> Result<(), Wrong> {
    // A service of AI is no protocol: its calls are looked at below.
    let known = PROTOCOLS.iter().find(|d| item.text("").is_ok_and(|t| app_of(t) == app_of(d.name)));
    let Some(def) = known else { return Ok(()) };
    let name = item.text("")?;
    if !def.is_of_flows() {
        return Err(item.wrong(&format!(
            "no flow is ever `{name}`: it comes within another protocol, as within http or http2; expected that one, with `ai` for calls of AI services"
        )));
    }
    if def.over & over != 0 {
        return Ok(());
    }
    let protos: Vec<String> = protos.iter().map(|p| proto_name(*p)).collect();
    let expected: Vec<&str> =
        [(OVER_TCP, "tcp"), (OVER_UDP, "udp")].iter().filter(|o| def.over & o.0 != 0).map(|o| o.1).collect();
    Err(item.wrong(&format!(
        "`{name}` never comes over {}; expected {}",
        protos.join(", "),
        expected.join(" or ")
    )))
}

/// Something that only the protocols of `names` have: the line must leave one of them possible. `what` has their names for `{}`.
fn only(l: &Line, n: &Node, keys: &[&str], names: &[&str], what: &str) -> Result<(), Wrong> {
    let over = carriers(&l.protos);
    let possible = |d: &&tidegate_core::app::ProtoDef| {
        let bit = app_of(d.name).unwrap_or(0);
        names.contains(&d.name) && d.over & over != 0 && (l.apps == 0 || l.apps & bit != 0)
    };
    if PROTOCOLS.iter().any(possible) {
        return Ok(());
    }
    let at = given(n, keys).map_or(n, |g| g.0);
    Err(at.wrong(&what.replace("{}", &names.join(", "))))
}
