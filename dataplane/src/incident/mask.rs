//! Texts of the traffic without the secrets in them.

use tidegate_core::ai::secret::each;

/// Bytes at the beginning of a secret that stay, so that an analyst can tell whose it is.
const SHOWN: usize = 4;

/// `text`, cut to `most` bytes, with every secret and personal datum in it replaced by its kind.
pub fn masked(text: &str, most: usize) -> String {
    let mut found: Vec<(usize, usize, &'static str)> = Vec::new();
    // Looked for before it is cut: half a secret is one, too.
    each(text.as_bytes(), |f| found.push((f.from, f.to, f.kind.name())));
    found.sort_unstable();
    let (mut out, mut at) = (String::new(), 0);
    for (from, to, kind) in found {
        if from < at {
            continue;
        }
        let (Some(before), Some(secret)) = (text.get(at..from), text.get(from..to)) else { continue };
        out.push_str(before);
        let shown: String = secret.chars().take(SHOWN.min(secret.chars().count() / 4)).collect();
        out.push_str(&format!("{shown}[{kind}, {} bytes]", to - from));
        at = to;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    cut(&mut out, most);
    out
}

/// Cuts at a border of characters, and says so.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let at = (0..=most).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_and_the_rest_stays() {
        let t = masked("before AKIAZ7Q3M5RXW2LKD9TB after", 200);
        assert!(t.starts_with("before AKIA[") && t.ends_with("] after") && !t.contains("Z7Q3"), "{t}");
        assert_eq!(masked("nothing here", 200), "nothing here");
        assert_eq!(masked("ööööö", 5), "öö…");
    }
}
