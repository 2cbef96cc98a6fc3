//! Secrets and personal data in what models and their users say: keys and tokens by their form, numbers by their
//! checksums, links that carry a conversation away.
//!
//! In: text. Out: each finding with its place and kind. Owns nothing; the work is proportional to the text.

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The beginning of a private key in PEM.
    PrivateKey,
    /// A token whose form says whose it is.
    Token,
    /// A key, token or password that stands behind its name.
    Named,
    /// A URL with a password in it.
    Connection,
    /// A JSON web token (RFC 7519).
    WebToken,
    /// The number of a card, with its check digit (ISO/IEC 7812-1).
    Card,
    /// An account number, with its check digits (ISO 13616).
    Iban,
    /// A number of the social security of the United States.
    SocialSecurity,
    Email,
    Phone,
    /// An image or link whose query carries data.
    Exfiltration,
}

impl Kind {
    /// As records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::PrivateKey => "private_key",
            Kind::Token => "token",
            Kind::Named => "named_secret",
            Kind::Connection => "connection_string",
            Kind::WebToken => "jwt",
            Kind::Card => "card",
            Kind::Iban => "iban",
            Kind::SocialSecurity => "ssn",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Exfiltration => "link",
        }
    }

    /// It is a secret, not a person's datum.
    pub const fn is_secret(self) -> bool {
        matches!(self, Kind::PrivateKey | Kind::Token | Kind::Named | Kind::Connection | Kind::WebToken)
    }
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub from: usize,
    pub to: usize,
}

/// A token's first letters, what its other characters are, and how many there are at least.
struct Form(&'static [u8], fn(u8) -> bool, usize);

fn word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-')
}

fn upper(c: u8) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

/// Forms of tokens (documentation of their issuers).
static FORMS: &[Form] = &[
    Form(b"AKIA", upper, 16),
    Form(b"ASIA", upper, 16),
    Form(b"AIza", word, 35),
    Form(b"sk-ant-", word, 24),
    Form(b"sk-proj-", word, 24),
    Form(b"sk-svcacct-", word, 24),
    Form(b"sk_live_", word, 20),
    Form(b"rk_live_", word, 20),
    Form(b"sk-", word, 32),
    Form(b"ghp_", word, 36),
    Form(b"gho_", word, 36),
    Form(b"ghs_", word, 36),
    Form(b"ghu_", word, 36),
    Form(b"github_pat_", word, 40),
    Form(b"glpat-", word, 20),
    Form(b"hf_", word, 30),
    Form(b"gsk_", word, 40),
    Form(b"xai-", word, 60),
    Form(b"r8_", word, 36),
    Form(b"nvapi-", word, 40),
    Form(b"pypi-", word, 40),
    Form(b"npm_", word, 36),
    Form(b"dop_v1_", word, 60),
    Form(b"xoxb-", word, 24),
    Form(b"xoxp-", word, 24),
    Form(b"xoxa-", word, 24),
    Form(b"ya29.", word, 40),
    Form(b"SG.", word, 20),
];

/// Names that secrets stand behind.
static NAMES: &[&[u8]] = &[
    b"aws_secret_access_key",
    b"secret_access_key",
    b"secret_key",
    b"api_key",
    b"apikey",
    b"client_secret",
    b"access_token",
    b"auth_token",
    b"private_key",
    b"db_password",
    b"admin_password",
];

/// Tells what is in a text.
///
/// The work is proportional to the text: what begins at a place looks at a bounded part of what follows.
pub fn each(text: &[u8], mut f: impl FnMut(Found)) {
    let mut at = 0;
    let mut out = |kind, from, to| f(Found { kind, from, to });
    while at < text.len() {
        let c = text[at];
        let edge = at == 0 || !text[at - 1].is_ascii_alphanumeric();
        let rest = &text[at..];
        let used = match c {
            b'-' if rest.starts_with(b"-----BEGIN ") => {
                key(rest).inspect(|n| out(Kind::PrivateKey, at, at + n))
            }
            b'0'..=b'9' | b'+' if edge => number(text, at, &mut out),
            b'!' | b'[' if edge || c == b'!' => link(rest).inspect(|n| out(Kind::Exfiltration, at, at + n)),
            b'@' => email(text, at).map(|(from, to)| {
                out(Kind::Email, from, to);
                to - at
            }),
            b':' if rest.starts_with(b"://") => {
                connection(text, at).inspect(|n| out(Kind::Connection, at, at + n))
            }
            b'e' if edge && rest.starts_with(b"eyJ") => {
                web_token(rest).inspect(|n| out(Kind::WebToken, at, at + n))
            }
            c if edge && c.is_ascii_alphabetic() => token(rest)
                .map(|n| (Kind::Token, n))
                .or_else(|| named(rest).map(|n| (Kind::Named, n)))
                .or_else(|| iban(rest).map(|n| (Kind::Iban, n)))
                .map(|(kind, n)| {
                    out(kind, at, at + n);
                    n
                }),
            _ => None,
        };
        at += used.unwrap_or(1).max(1);
    }
}

/// Most bytes that are looked at for what begins at one place: what has not ended by then is none, or is told by its
/// beginning. Without it a text of nothing but beginnings would cost its length for each of them.
const LONGEST: usize = 1024;

fn run(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let n = text.iter().take(LONGEST).take_while(|c| is(**c)).count();
    #[cfg(test)]
    tests::LOOKED.set(tests::LOOKED.get() + n);
    n
}

fn key(rest: &[u8]) -> Option<usize> {
    let line = &rest[..rest.len().min(64)];
    let end = memchr::memmem::find(line, b"PRIVATE KEY-----")?;
    Some(end + 16)
}

fn token(rest: &[u8]) -> Option<usize> {
    let Form(head, ..) = FORMS.iter().find(|Form(head, is, n)| {
        rest.starts_with(head)
            && rest.get(head.len()..head.len() + n).is_some_and(|b| b.iter().all(|c| is(*c)) && varied(b))
    })?;
    Some(head.len() + run(&rest[head.len()..], word))
}

/// Not one character over and over, nor a placeholder.
fn varied(b: &[u8]) -> bool {
    let mut seen = 0u128;
    b.iter().for_each(|c| seen |= 1 << (c & 127));
    seen.count_ones() >= 6
}

fn named(rest: &[u8]) -> Option<usize> {
    let name = NAMES.iter().find(|n| rest.len() > n.len() && rest[..n.len()].eq_ignore_ascii_case(n))?;
    let mut at = name.len();
    let is_gap = |c: u8| matches!(c, b' ' | b'"' | b'\'' | b'`' | b'*');
    at += run(&rest[at..], is_gap);
    if !matches!(rest.get(at), Some(b'=' | b':')) {
        return None;
    }
    at += 1 + run(&rest[at + 1..], is_gap);
    let value =
        run(&rest[at..rest.len().min(at + 256)], |c| word(c) || matches!(c, b'/' | b'+' | b'=' | b'.'));
    let v = &rest[at..at + value];
    let digits = v.iter().any(u8::is_ascii_digit);
    (value >= 16 && digits && varied(v)).then_some(at + value)
}

fn web_token(rest: &[u8]) -> Option<usize> {
    // Header and claims of a token are short; its end may be long.
    let a = run(&rest[..rest.len().min(512)], word);
    let after = rest.get(a..)?.strip_prefix(b".")?;
    let b = run(after, word);
    let sign = after.get(b..)?.strip_prefix(b".")?;
    let c = run(sign, word);
    (a >= 12 && b >= 12 && c >= 16).then_some(a + b + c + 2)
}

/// `scheme://user:password@host`, from the colon on.
fn connection(text: &[u8], at: usize) -> Option<usize> {
    let scheme = text[..at].iter().rev().take_while(|c| c.is_ascii_alphanumeric() || **c == b'+').count();
    let rest = &text[at + 3..];
    let authority = run(rest, |c| c > b' ' && !matches!(c, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>'));
    let authority = &rest[..authority];
    let user = authority.iter().rposition(|c| *c == b'@')?;
    let colon = authority[..user].iter().position(|c| *c == b':')?;
    let password = &authority[colon + 1..user];
    let shown =
        password.iter().any(|c| !matches!(c, b'*' | b'x' | b'X' | b'.')) && !password.starts_with(b"<");
    (scheme > 0 && password.len() >= 4 && shown).then_some(3 + authority.len())
}

fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let local = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'%' | b'+' | b'-');
    let before = text[..at].iter().rev().take(64).take_while(|c| local(**c)).count();
    let host = run(&text[at + 1..], |c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'));
    let host = &text[at + 1..at + 1 + host];
    // A full stop after it is the sentence's.
    let host = &host[..host.len() - host.iter().rev().take_while(|c| matches!(c, b'.' | b'-')).count()];
    let dot = host.iter().rposition(|c| *c == b'.')?;
    (before > 0 && dot > 0 && host.len() > dot + 2).then_some((at - before, at + 1 + host.len()))
}

/// Cards, social security, telephones.
fn number(text: &[u8], at: usize, out: &mut impl FnMut(Kind, usize, usize)) -> Option<usize> {
    let rest = &text[at..];
    let n = run(&rest[..rest.len().min(40)], |c| {
        c.is_ascii_digit() || matches!(c, b' ' | b'-' | b'(' | b')' | b'+')
    });
    let n = n - rest[..n].iter().rev().take_while(|c| !c.is_ascii_digit()).count();
    let run = &rest[..n];
    let ends = rest.get(n).is_none_or(|c| !c.is_ascii_alphanumeric());
    let mut digits = [0; 40];
    let mut count = 0;
    for c in run.iter().filter(|c| c.is_ascii_digit()) {
        digits[count] = c - b'0';
        count += 1;
    }
    let digits = &digits[..count];
    let card = (13..=19).contains(&count) && luhn(digits) && issuer(digits) && grouped(run);
    if ends && card {
        out(Kind::Card, at, at + n);
    } else if ends && ssn(run) {
        out(Kind::SocialSecurity, at, at + n);
    } else if ends && (run.starts_with(b"+") || run.starts_with(b"(")) && (7..=15).contains(&count) {
        out(Kind::Phone, at, at + n);
    }
    Some(n)
}

/// The digits' check sum (Luhn).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(*d) << (i & 1);
            if d > 9 { d - 9 } else { d }
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|d| *d != 0)
}

/// First digits of the large issuers.
fn issuer(d: &[u8]) -> bool {
    let two = d[0] * 10 + d[1];
    d[0] == 4
        || (51..=55).contains(&two)
        || (22..=27).contains(&two)
        || matches!(two, 34 | 37 | 36 | 38 | 30 | 60 | 62 | 64 | 65 | 35)
}

/// Digits in one run, or in groups by one separator.
fn grouped(run: &[u8]) -> bool {
    let separators = run.iter().filter(|c| !c.is_ascii_digit());
    let mut kinds = separators.clone();
    let first = kinds.next();
    first.is_none()
        || (separators.count() <= 4 && kinds.all(|c| Some(c) == first) && matches!(first, Some(b' ' | b'-')))
}

fn ssn(run: &[u8]) -> bool {
    let [a, b, c, b'-', d, e, b'-', f, g, h, i] = run else { return false };
    let digit = |v: &[&u8]| v.iter().all(|c| c.is_ascii_digit());
    digit(&[a, b, c, d, e, f, g, h, i])
        && run[..3] != *b"000"
        && run[..3] != *b"666"
        && run[0] != b'9'
        && run[4..6] != *b"00"
        && run[7..] != *b"0000"
}

fn iban(rest: &[u8]) -> Option<usize> {
    if !(rest.len() > 15
        && rest[..2].iter().all(u8::is_ascii_uppercase)
        && rest[2..4].iter().all(u8::is_ascii_digit))
    {
        return None;
    }
    let n = run(&rest[..rest.len().min(42)], |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b' ');
    let n = n - rest[..n].iter().rev().take_while(|c| **c == b' ').count();
    let (mut rem, mut count) = (0u32, 0);
    let chars = rest[..n].iter().filter(|c| **c != b' ');
    let turned = chars.clone().skip(4).chain(chars.take(4));
    for c in turned {
        let v = if c.is_ascii_digit() { u32::from(c - b'0') } else { u32::from(c - b'A') + 10 };
        rem = (rem * if v > 9 { 100 } else { 10 } + v) % 97;
        count += 1;
    }
    ((15..=34).contains(&count) && rem == 1).then_some(n)
}

/// `![…](http…?…=data)`, or a link: its query carries sixteen bytes or more that are no words.
fn link(rest: &[u8]) -> Option<usize> {
    let open = memchr::memmem::find(&rest[..rest.len().min(256)], b"](http")?;
    let url = &rest[open + 2..];
    let n = run(&url[..url.len().min(512)], |c| c > b' ' && !matches!(c, b')' | b'"' | b'>'));
    let url = &url[..n];
    let query = url.iter().position(|c| *c == b'?')?;
    let carries = url[query + 1..].split(|c| *c == b'&').any(|pair| {
        let value = pair.iter().position(|c| *c == b'=').map_or(&pair[..0], |p| &pair[p + 1..]);
        value.len() >= 16 && (rest[0] == b'!' || value.len() >= 48)
    });
    carries.then_some(open + 2 + n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    std::thread_local! {
        /// Bytes that were looked at for what begins at a place.
        pub(super) static LOOKED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }

    fn kinds(text: &str) -> Vec<Kind> {
        let mut all = Vec::new();
        each(text.as_bytes(), |f| all.push(f.kind));
        all
    }

    /// Texts of nothing but beginnings: what is looked at stays in proportion to the text.
    #[test]
    fn work_is_proportional_to_the_text() {
        for part in ["sk-", "eyJ-", "![](http", "api_key=", "ghp_", "a@b.c ", "x://u:p@", "+1 ", "AKIA-"] {
            let work = |n: usize| {
                let text = part.repeat(n / part.len());
                LOOKED.set(0);
                each(text.as_bytes(), |_| ());
                LOOKED.get()
            };
            let (short, long) = (work(20_000), work(80_000));
            assert!(long < 4 * short + 100_000 && long < 80_000 * 200, "{part}: {short}, {long}");
        }
    }

    #[test]
    fn what_is_found() {
        for (text, kind) in [
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", Kind::PrivateKey),
            ("-----BEGIN PRIVATE KEY-----", Kind::PrivateKey),
            ("key AKIAQ7XQ2ZL5M3N4P6R7 here", Kind::Token),
            ("ghp_abcdEFGH0123456789abcdEFGH0123456789", Kind::Token),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY1", Kind::Named),
            ("\"client_secret\": \"a1b2c3d4e5f6a7b8c9\"", Kind::Named),
            ("postgres://app:s3cretpw@db:5432/x", Kind::Connection),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
                Kind::WebToken,
            ),
            ("card 5555-5555-5555-4444.", Kind::Card),
            ("4012888888881881", Kind::Card),
            ("DE89 3704 0044 0532 0130 00", Kind::Iban),
            ("SSN 123-45-6789,", Kind::SocialSecurity),
            ("write to jane.roe@example.com.", Kind::Email),
            ("call +1-555-0142 now", Kind::Phone),
            ("see ![c](https://x.example/p.png?q=Q3VzdG9tZXI6SmFuZSBSb2U7)", Kind::Exfiltration),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        for text in [
            "1234567890123456",
            "4012888888881882",
            "2024-11-29 10:00",
            "123-45-678",
            "000-12-3456",
            "DE88 3704 0044 0532 0130 00",
            "-----BEGIN CERTIFICATE-----",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "http://host:80/a@b",
            "AKIA1234",
            "a @ b",
            "postgres://user:****@db",
            "![logo](https://x.example/logo.png?v=2)",
            "api_key = YOUR_KEY_HERE",
            "pi is 3.14159265358979",
            "version 10.0.19045.3803",
            "1 + 1 = 2",
            "eyJ.a.b",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~\u{e9}]{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            each(text.as_bytes(), |f| assert!(f.from < f.to && f.to <= text.len(), "{:?}", String::from(&text)));
            each(&bytes, |f| assert!(f.to <= bytes.len()));
        }
    }
}
