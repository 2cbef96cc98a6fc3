//! Texts of the wire for a terminal: what would move its cursor, change its colours or turn the order of letters is shown as
//! the number of its character.

/// `text` as it may be printed.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Marks of direction (Unicode UAX 9) make a text look like another.
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_of_the_wire_commands_a_terminal() {
        assert_eq!(printable("uvicorn 0.30 (ø, 潮)"), "uvicorn 0.30 (ø, 潮)");
        assert_eq!(printable("a\u{1b}[2J\u{7}\n\u{9b}m"), "a\\u{1b}[2J\\u{7}\\u{a}\\u{9b}m");
        assert_eq!(printable("exe\u{202e}gpj"), "exe\\u{202e}gpj");
    }
}
