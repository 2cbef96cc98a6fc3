//! Secrets and personal data in what models and their users say: keys and tokens by their form, numbers by their
//! checksums, links that carry a conversation away.
//!
//! In: text, whole or as far as it has come. Out: each finding with its place and kind. Owns nothing; the work is
//! proportional to the text.
mod personal;
mod token;

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
    /// A number that another state gives to a person, with its check digits or behind its name.
    NationalId,
    /// A number of a patient, a prescriber, an insured person.
    Health,
    Email,
    Phone,
    /// An image or link whose query carries data.
    Exfiltration,
}

/// Rules that personal data falls under: a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Law {
    /// General Data Protection Regulation (EU) 2016/679.
    Gdpr = 1,
    /// Health Insurance Portability and Accountability Act, 45 CFR 164.514(b)(2).
    Hipaa = 2,
    /// California Consumer Privacy Act, Civil Code 1798.140.
    Ccpa = 4,
    /// Payment Card Industry Data Security Standard.
    Pci = 8,
}

impl Law {
    pub const ALL: [Law; 4] = [Law::Gdpr, Law::Hipaa, Law::Ccpa, Law::Pci];

    /// As records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Law::Gdpr => "GDPR",
            Law::Hipaa => "HIPAA",
            Law::Ccpa => "CCPA",
            Law::Pci => "PCI",
        }
    }
}

impl Kind {
    pub const ALL: [Kind; 13] = [
        Kind::PrivateKey,
        Kind::Token,
        Kind::Named,
        Kind::Connection,
        Kind::WebToken,
        Kind::Card,
        Kind::Iban,
        Kind::SocialSecurity,
        Kind::NationalId,
        Kind::Health,
        Kind::Email,
        Kind::Phone,
        Kind::Exfiltration,
    ];

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
            Kind::NationalId => "national_id",
            Kind::Health => "health_id",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Exfiltration => "link",
        }
    }

    /// It is a secret, not a person's datum.
    pub const fn is_secret(self) -> bool {
        matches!(self, Kind::PrivateKey | Kind::Token | Kind::Named | Kind::Connection | Kind::WebToken)
    }

    /// What it falls under (bits of [`Law`]).
    pub const fn laws(self) -> u8 {
        match self {
            Kind::Card => Law::Pci as u8 | Law::Gdpr as u8 | Law::Ccpa as u8,
            Kind::Iban | Kind::NationalId => Law::Gdpr as u8,
            Kind::SocialSecurity => Law::Ccpa as u8 | Law::Hipaa as u8,
            Kind::Health => Law::Hipaa as u8 | Law::Gdpr as u8,
            Kind::Email | Kind::Phone => Law::Gdpr as u8 | Law::Ccpa as u8,
            _ => 0,
        }
    }

    /// What follows may show that it is another thing, or none.
    const fn is_open(self) -> bool {
        matches!(
            self,
            Kind::Named
                | Kind::Connection
                | Kind::Card
                | Kind::Iban
                | Kind::SocialSecurity
                | Kind::NationalId
                | Kind::Health
                | Kind::Email
                | Kind::Phone
        )
    }
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub from: usize,
    pub to: usize,
}

fn word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-')
}

fn upper(c: u8) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

/// Tells what is in a text.
///
/// The work is proportional to the text: what begins at a place looks at a bounded part of what follows.
pub fn each(text: &[u8], f: impl FnMut(Found)) {
    since(text, 0, true, f);
}

/// As [`each`], from about `from` on, of a text of which more may come unless it is `over`: what ends with the text and may
/// go on is told when it is known how.
pub fn since(text: &[u8], from: usize, over: bool, mut f: impl FnMut(Found)) {
    // Not in the middle of something: behind what neither words nor numbers have, if that is near.
    let border = |c: &u8| *c < b' ' || matches!(c, b'"' | b',' | b';');
    let near = text.get(from..).unwrap_or_default().iter().take(LONGEST);
    let skipped = if from == 0 { 0 } else { near.into_iter().position(border).unwrap_or(0) };
    let mut at = from.min(text.len()) + skipped;
    let ends = |to: usize| {
        let behind = text.get(to..).unwrap_or_default();
        behind.len() > 8 || behind.iter().any(|c| !matches!(c, b' ' | b'-' | b'.' | b'(' | b')' | b'+'))
    };
    let mut out = |kind: Kind, from, to| {
        if over || !kind.is_open() || ends(to) {
            f(Found { kind, from, to });
        }
    };
    while at < text.len() {
        let c = text[at];
        let edge = at == 0 || !text[at - 1].is_ascii_alphanumeric();
        let rest = &text[at..];
        let used = match c {
            b'-' if rest.starts_with(b"-----BEGIN ") => {
                token::private_key(rest).inspect(|n| out(Kind::PrivateKey, at, at + n))
            }
            b'0'..=b'9' if edge => match personal::lettered(text, at) {
                Some((kind, n)) => {
                    out(kind, at, at + n);
                    Some(n)
                }
                None => personal::number(text, at, &mut out),
            },
            b'+' | b'(' if edge => personal::number(text, at, &mut out),
            b'!' | b'[' if edge || c == b'!' => link(rest).inspect(|n| out(Kind::Exfiltration, at, at + n)),
            b'@' => personal::email(text, at).map(|(from, to)| {
                out(Kind::Email, from, to);
                to - at
            }),
            b':' if rest.starts_with(b"://") => {
                token::connection(text, at).inspect(|n| out(Kind::Connection, at, at + n))
            }
            b'e' if edge && rest.starts_with(b"eyJ") => {
                token::web(rest).inspect(|n| out(Kind::WebToken, at, at + n))
            }
            c if edge && c.is_ascii_alphabetic() => token::formed(rest)
                .map(|n| (Kind::Token, n))
                .or_else(|| token::named(rest).map(|n| (Kind::Named, n)))
                .or_else(|| personal::iban(rest).map(|n| (Kind::Iban, n)))
                .or_else(|| personal::lettered(text, at))
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

/// Not one character over and over, nor a placeholder.
fn varied(b: &[u8]) -> bool {
    let mut seen = 0u128;
    b.iter().for_each(|c| seen |= 1 << (c & 127));
    seen.count_ones() >= 6 && !b.windows(9).any(|w| w.iter().all(|c| *c == w[0]))
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
