//! `tidegate policy test`: flows with what is expected of them, in a file beside the policy, are decided.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tidegate_core::policy::{Act, Outcome};

use super::{by, word};
use crate::policy::flows::Flow;
use crate::policy::tree::{Node, Wrong};
use crate::policy::{self, PolicyError};

const EXPECT: &str = "one of allow, deny, drop, reject, watch, open";

/// `policy.yaml` has its cases in `policy.cases.yaml`.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("cases.yaml")
}

/// What the cases say, and whether all are right.
pub(super) fn test(file: &Path) -> Result<(String, bool), String> {
    let policy = policy::load(file)?;
    let path = beside(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|source| PolicyError::Read { path: path.clone(), source }.to_string())?;
    let tree = Node::parse(&text).map_err(|w| w.of(&path))?;
    let (mut t, mut right, mut all) = (String::new(), 0, 0);
    for case in tree.list("a list of cases: {flow, expect}").map_err(|w| w.of(&path))? {
        let c = Case::read(case).map_err(|w| w.of(&path))?;
        let outcome = policy.decide(&c.flow.ends, &c.flow.facts());
        let (got, line) = match outcome {
            Outcome::Open { .. } => ("open", None),
            Outcome::Final(d) => (word(d.act), d.line),
        };
        all += 1;
        let name = line.and_then(|n| policy.line(n)).map_or("", |l| l.0);
        if fits(&c.expect, outcome) && c.line.as_ref().is_none_or(|l| l == name) {
            right += 1;
        } else {
            let want = c.line.as_ref().map_or(String::new(), |l| format!(", by {l}"));
            let got =
                if got == "open" { got.to_string() } else { format!("{got}, by {}", by(&policy, line)) };
            let place = format!("{}:{}:{}", path.display(), case.line, case.column);
            let _ = writeln!(t, "{place}: {}: expected {}{want}; it is {got}", c.text, c.expect);
        }
    }
    let _ = writeln!(t, "{right} of {all} cases are as expected");
    Ok((t, right == all))
}

fn fits(expect: &str, got: Outcome) -> bool {
    match got {
        Outcome::Open { .. } => expect == "open",
        Outcome::Final(d) => match d.act {
            Act::Drop | Act::Reject => expect == "deny" || expect == d.act.name(),
            a => expect == a.name(),
        },
    }
}

struct Case {
    flow: Flow,
    text: String,
    expect: String,
    line: Option<String>,
}

impl Case {
    fn read(n: &Node) -> Result<Case, Wrong> {
        let (mut flow, mut text, mut expect, mut line) = (None, String::new(), None, None);
        for (key, at, v) in n.map("a case: {flow: 'SOURCE:PORT DESTINATION:PORT PROTOCOL', expect: deny}")? {
            match key {
                "flow" => {
                    text = v.text("a flow")?.to_string();
                    flow = Some(Flow::parse(&text, 0).map_err(|e| v.wrong(&e))?);
                }
                "expect" => {
                    let words = ["allow", "deny", "drop", "reject", "watch", "open"];
                    let w = v.text(EXPECT)?;
                    expect = Some(w.to_string()).filter(|_| words.contains(&w));
                    if expect.is_none() {
                        return Err(v.expected(EXPECT));
                    }
                }
                "line" => line = Some(v.text("the name of a line")?.to_string()),
                other => {
                    return Err(
                        at.wrong(&format!("`{other}` is not known here; expected flow, expect, line"))
                    );
                }
            }
        }
        match (flow, expect) {
            (Some(flow), Some(expect)) => Ok(Case { flow, text, expect, line }),
            _ => Err(n.wrong("a case needs flow and expect")),
        }
    }
}
