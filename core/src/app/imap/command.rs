//! What a line says: a command's word with what it means for what follows, arguments, and the literal that a line announces.

/// What a command means for what follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Other,
    /// Its arguments are a secret.
    Login,
    /// The client's next lines are credentials until the server has decided.
    Authenticate,
    StartTls,
    Idle,
    /// Its literals behind the mailbox are mails.
    Append,
    /// Answers to it have mails.
    Fetch,
    /// What follows a success is compressed (RFC 4978).
    Compress,
}

/// A command: its word, its meaning, the fewest and the most arguments, which of them is a mailbox (from 1; 0: none).
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static [u8],
    pub(super) kind: Kind,
    pub(super) least: u16,
    pub(super) most: u16,
    pub(super) mailbox: u8,
}

const ANY: u16 = u16::MAX;

const fn of(name: &'static [u8], kind: Kind, (least, most): (u16, u16), mailbox: u8) -> Command {
    Command { name, kind, least, most, mailbox }
}

const fn plain(name: &'static [u8], least: u16, most: u16, mailbox: u8) -> Command {
    of(name, Kind::Other, (least, most), mailbox)
}

/// RFC 9051 6, RFC 3501 6 (`CHECK`, `LSUB`), then extensions by their RFCs. An argument more is allowed where an extension has one.
static COMMANDS: &[Command] = &[
    plain(b"CAPABILITY", 0, 0, 0),
    plain(b"NOOP", 0, 0, 0),
    plain(b"LOGOUT", 0, 0, 0),
    of(b"STARTTLS", Kind::StartTls, (0, 0), 0),
    of(b"AUTHENTICATE", Kind::Authenticate, (1, 2), 0),
    of(b"LOGIN", Kind::Login, (2, 2), 0),
    plain(b"ENABLE", 1, ANY, 0),
    plain(b"SELECT", 1, 2, 1),
    plain(b"EXAMINE", 1, 2, 1),
    plain(b"CREATE", 1, 2, 1),
    plain(b"DELETE", 1, 1, 1),
    plain(b"RENAME", 2, 3, 1),
    plain(b"SUBSCRIBE", 1, 1, 1),
    plain(b"UNSUBSCRIBE", 1, 1, 1),
    plain(b"LIST", 2, ANY, 0),
    plain(b"LSUB", 2, 2, 0),
    plain(b"NAMESPACE", 0, 0, 0),
    plain(b"STATUS", 2, 2, 1),
    of(b"APPEND", Kind::Append, (2, ANY), 1),
    of(b"IDLE", Kind::Idle, (0, 0), 0),
    plain(b"CHECK", 0, 0, 0),
    plain(b"CLOSE", 0, 0, 0),
    plain(b"UNSELECT", 0, 0, 0),
    plain(b"EXPUNGE", 0, 0, 0),
    plain(b"SEARCH", 1, ANY, 0),
    of(b"FETCH", Kind::Fetch, (2, 3), 0),
    plain(b"STORE", 3, 4, 0),
    plain(b"COPY", 2, 2, 2),
    plain(b"MOVE", 2, 2, 2),
    // RFC 2971, 4978, 9208, 4314, 5256, 5465, 5464, 7377, 8437, 8508, 4467.
    plain(b"ID", 1, 1, 0),
    of(b"COMPRESS", Kind::Compress, (1, 1), 0),
    plain(b"GETQUOTA", 1, 1, 0),
    plain(b"GETQUOTAROOT", 1, 1, 1),
    plain(b"SETQUOTA", 2, 2, 0),
    plain(b"GETACL", 1, 1, 1),
    plain(b"SETACL", 3, 3, 1),
    plain(b"DELETEACL", 2, 2, 1),
    plain(b"LISTRIGHTS", 2, 2, 1),
    plain(b"MYRIGHTS", 1, 1, 1),
    plain(b"SORT", 3, ANY, 0),
    plain(b"THREAD", 3, ANY, 0),
    plain(b"NOTIFY", 1, ANY, 0),
    plain(b"GETMETADATA", 2, 3, 0),
    plain(b"SETMETADATA", 2, 2, 1),
    plain(b"ESEARCH", 1, ANY, 0),
    plain(b"UNAUTHENTICATE", 0, 0, 0),
    of(b"REPLACE", Kind::Append, (3, ANY), 2),
    plain(b"GENURLAUTH", 2, ANY, 0),
    plain(b"RESETKEY", 0, ANY, 0),
    plain(b"URLFETCH", 1, ANY, 0),
];

/// The command of that word.
pub(super) fn known(word: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.name.eq_ignore_ascii_case(word))
}

/// Whether that may be a command's tag: an `astring` without `+` (RFC 9051 9, `tag`).
pub(super) fn is_tag(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|c| c.is_ascii_graphic() && !b"(){%*\"\\+".contains(c))
}

/// The first word of a line, and what follows it.
pub(super) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let n = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(n).unwrap_or((line, &[]));
    (word, rest.get(1..).unwrap_or(&[]))
}

/// Arguments: atoms, strings without their quotes, lists with all that is in them.
pub(super) fn arguments(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    core::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
        let end = rest.iter().position(|c| {
            match c {
                _ if core::mem::take(&mut escaped) => {}
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'(' | b'[' if !quoted => depth += 1,
                b')' | b']' if !quoted => depth = depth.saturating_sub(1),
                b' ' => return depth == 0 && !quoted,
                _ => {}
            }
            false
        });
        let (argument, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        let inner = argument.strip_prefix(b"\"").map(|a| a.strip_suffix(b"\"").unwrap_or(a));
        (!argument.is_empty()).then_some(inner.unwrap_or(argument))
    })
}

/// What a line announces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    None,
    /// It looks like one and has no size (RFC 9051 4.3, `number64`).
    Invalid,
    Of {
        /// Bytes at the line's end that announce it.
        marker: usize,
        size: u64,
        /// The client waits for the server's consent before it sends it.
        waits: bool,
    },
}

/// The literal behind a line: `{5}`, `{5+}` (RFC 7888), `~{5}` (RFC 3516).
pub(super) fn literal(line: &[u8]) -> Literal {
    let Some(open) = line.strip_suffix(b"}").and_then(|l| memchr::memrchr(b'{', l)) else {
        return Literal::None;
    };
    let digits = line.get(open + 1..line.len() - 1).unwrap_or(&[]);
    let (digits, waits) = digits.strip_suffix(b"+").map_or((digits, true), |d| (d, false));
    let size = digits.iter().try_fold(0u64, |n, c| {
        let digit = c.is_ascii_digit().then(|| u64::from(c - b'0'))?;
        n.checked_mul(10)?.checked_add(digit).filter(|n| *n <= i64::MAX as u64)
    });
    match size.filter(|_| !digits.is_empty()) {
        Some(size) => {
            let binary = open.checked_sub(1).and_then(|i| line.get(i)) == Some(&b'~');
            Literal::Of { marker: line.len() - open + usize::from(binary), size, waits }
        }
        None => Literal::Invalid,
    }
}

/// Whether what stands before a literal of an answer says that it is a whole mail, or its beginning (RFC 9051 7.5.2).
pub(super) fn announces_mail(before: &[u8]) -> bool {
    let item = before.trim_ascii_end();
    let ends = |with: &[u8]| {
        item.len()
            .checked_sub(with.len())
            .and_then(|n| item.get(n..))
            .is_some_and(|t| t.eq_ignore_ascii_case(with))
    };
    [&b"BODY[]"[..], b"BODY[]<0>", b"BINARY[]", b"BINARY[]<0>", b" RFC822", b"(RFC822"]
        .iter()
        .any(|w| ends(w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn literals() {
        let of = |marker, size, waits| Literal::Of { marker, size, waits };
        for (line, want) in [
            (&b"a LOGIN {5}"[..], of(3, 5, true)),
            (b"a LOGIN {5+}", of(4, 5, false)),
            (b"~{12}", of(5, 12, true)),
            (b"a LOGIN 5}", Literal::None),
            (b"{}", Literal::Invalid),
            (b"{+}", Literal::Invalid),
            (b"{-1}", Literal::Invalid),
            (b"{9223372036854775807}", of(21, i64::MAX as u64, true)),
            (b"{9223372036854775808}", Literal::Invalid),
            (b"{99999999999999999999}", Literal::Invalid),
        ] {
            assert_eq!(literal(line), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn arguments_of_all_forms() {
        let all = |t: &'static [u8]| arguments(t).collect::<Vec<_>>();
        assert_eq!(all(b"  INBOX \"a b\" (x (y \"z)\")) "), [&b"INBOX"[..], b"a b", b"(x (y \"z)\"))"]);
        assert_eq!(
            all(b"1 BODY[HEADER.FIELDS (a b)] \"\\\"q\\\\\""),
            [&b"1"[..], b"BODY[HEADER.FIELDS (a b)]", b"\\\"q\\\\"]
        );
        assert_eq!(all(b"\"open (x"), [b"open (x"]);
        assert_eq!(all(b"\"\" x").len(), 2);
    }
}
