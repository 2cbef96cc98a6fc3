//! `requires`: the rule is for engines with certain versions, features or keywords; others skip it silently.

use alloc::format;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::index::Index;
use crate::rules::refuse::{Fault, RefusalKind, Res, bad};

pub static KEYWORDS: &[Keyword] = &[Keyword::new("requires", requires)];

/// The version of the rule language that is spoken here.
pub const VERSION: [u32; 3] = [8, 0, 6];

fn requires(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    met(a.text()?, b.env.features, b.index)
}

/// Whether everything that `requires` asks for in `text` is here.
pub fn met(text: &str, features: &[&str], index: &Index) -> Res {
    let unmet = |why| Err(Fault::new(RefusalKind::Requires, why));
    for p in parts(text) {
        match word(p) {
            ("version", e) => {
                if !version(e)? {
                    return unmet(format!("version {e} is required"));
                }
            }
            ("feature", f) => {
                if !features.contains(&f) {
                    return unmet(format!("feature {f} is required"));
                }
            }
            ("keyword", k) => {
                if index.find(k).is_none() {
                    return unmet(format!("keyword {k} is required"));
                }
            }
            // What is not understood cannot be there.
            _ => return unmet(format!("\"{p}\" is required")),
        }
    }
    Ok(())
}

/// `>= 7.0.3 < 8 | >= 8.0.1`: alternatives of comparisons that all must hold.
fn version(t: &str) -> Res<bool> {
    let mut any = false;
    for alt in t.split('|') {
        let mut all = true;
        let mut rest = alt.trim();
        if rest.is_empty() {
            return bad("an alternative of the version is empty");
        }
        while !rest.is_empty() {
            let found =
                [">=", "<=", ">", "<", "="].into_iter().find_map(|op| Some((op, rest.strip_prefix(op)?)));
            let Some((op, r)) = found else {
                return bad(format!("\"{rest}\" does not begin with an operator"));
            };
            let (v, next) = word(r);
            let ord = VERSION.cmp(&number(v)?);
            all &= match op {
                ">=" => ord.is_ge(),
                "<=" => ord.is_le(),
                ">" => ord.is_gt(),
                "<" => ord.is_lt(),
                _ => ord.is_eq(),
            };
            rest = next;
        }
        any |= all;
    }
    Ok(any)
}

/// `8`, `8.0`, `8.0.6`, `8.0.0-dev`.
fn number(t: &str) -> Res<[u32; 3]> {
    let t = t.split('-').next().unwrap_or(t);
    let mut out = [0; 3];
    for (i, p) in t.split('.').enumerate() {
        let (Some(slot), Ok(n)) = (out.get_mut(i), p.parse()) else {
            return bad(format!("\"{t}\" is not a version"));
        };
        *slot = n;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (t, want) in [
            (">= 8", true),
            (">= 8.0.5", true),
            (">= 9.0.0", false),
            (">= 7 < 8", false),
            (">= 7.0.3 < 8 | >= 9.0.99", false),
            (">= 7.0.3 < 8 | >= 8.0.1", true),
            (">=8.0.6", true),
        ] {
            assert_eq!(version(t).unwrap(), want, "{t}");
        }
        assert!(version("8").is_err() && version(">= x").is_err() && version("").is_err());
    }
}
