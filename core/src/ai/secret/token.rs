//! Keys, tokens and passwords: by the form that their issuers give them, or by the name that they stand behind.
//!
//! In: the text from where one may begin. Out: its length. Forms are those of the issuers' documentation.
use super::{run, upper, varied, word};

/// A token's first letters, what its other characters are, and how many there are at least.
struct Form(&'static [u8], fn(u8) -> bool, usize);

fn hex(c: u8) -> bool {
    c.is_ascii_digit() || matches!(c, b'a'..=b'f')
}

fn alnum(c: u8) -> bool {
    c.is_ascii_alphanumeric()
}

fn dotted(c: u8) -> bool {
    word(c) || c == b'.'
}

fn base64(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=')
}

/// By first letter. Of two that begin alike the longer stands first.
static FORMS: &[Form] = &[
    Form(b"ABIA", upper, 16),
    Form(b"ACCA", upper, 16),
    Form(b"AGE-SECRET-KEY-1", upper, 40),
    Form(b"AIza", word, 35),
    Form(b"AKIA", upper, 16),
    Form(b"ASIA", upper, 16),
    Form(b"ATATT3xFfGF0", word, 60),
    Form(b"ATBB", alnum, 32),
    Form(b"AccountKey=", base64, 86),
    Form(b"EAACEdEose0cBA", alnum, 40),
    Form(b"GOCSPX-", word, 28),
    Form(b"NRAK-", upper, 27),
    Form(b"PMAK-", word, 50),
    Form(b"SG.", dotted, 60),
    Form(b"SharedAccessKey=", base64, 40),
    Form(b"api_org_", alnum, 30),
    Form(b"csk-", alnum, 40),
    Form(b"dapi", hex, 32),
    Form(b"dckr_pat_", word, 24),
    Form(b"doo_v1_", hex, 60),
    Form(b"dop_v1_", hex, 60),
    Form(b"dp.pt.", alnum, 40),
    Form(b"fc-", hex, 32),
    Form(b"figd_", word, 40),
    Form(b"fw_", alnum, 22),
    Form(b"gho_", alnum, 36),
    Form(b"ghp_", alnum, 36),
    Form(b"ghr_", alnum, 36),
    Form(b"ghs_", alnum, 36),
    Form(b"ghu_", alnum, 36),
    Form(b"github_pat_", word, 40),
    Form(b"glc_", base64, 40),
    Form(b"gldt-", word, 20),
    Form(b"glpat-", word, 20),
    Form(b"glptt-", word, 40),
    Form(b"glrt-", word, 20),
    Form(b"glsa_", word, 40),
    Form(b"gsk_", alnum, 40),
    Form(b"hf_", alnum, 30),
    Form(b"hvb.", word, 90),
    Form(b"hvs.", word, 90),
    Form(b"lin_api_", alnum, 40),
    Form(b"lsv2_pt_", word, 40),
    Form(b"lsv2_sk_", word, 40),
    Form(b"npm_", alnum, 36),
    Form(b"ntn_", alnum, 40),
    Form(b"nvapi-", word, 40),
    Form(b"pcsk_", word, 40),
    Form(b"pplx-", alnum, 40),
    Form(b"pscale_tkn_", word, 32),
    Form(b"pypi-", word, 40),
    Form(b"r8_", alnum, 36),
    Form(b"rk_live_", alnum, 20),
    Form(b"rubygems_", hex, 48),
    Form(b"sbp_", hex, 40),
    Form(b"sk-admin-", word, 24),
    Form(b"sk-ant-", word, 24),
    Form(b"sk-lf-", word, 32),
    Form(b"sk-or-v1-", hex, 60),
    Form(b"sk-proj-", word, 24),
    Form(b"sk-svcacct-", word, 24),
    Form(b"sk-", alnum, 32),
    Form(b"sk_live_", alnum, 20),
    Form(b"shpat_", hex, 32),
    Form(b"shpss_", hex, 32),
    Form(b"sntrys_", base64, 60),
    Form(b"sq0atp-", word, 22),
    Form(b"sq0csp-", word, 40),
    Form(b"tgp_v1_", word, 40),
    Form(b"whsec_", base64, 32),
    Form(b"xai-", word, 60),
    Form(b"xapp-", word, 40),
    Form(b"xoxa-", word, 24),
    Form(b"xoxb-", word, 24),
    Form(b"xoxe-", word, 24),
    Form(b"xoxp-", word, 24),
    Form(b"ya29.", word, 40),
];

/// Where in [`FORMS`] those with a first letter begin and end.
const BY_LETTER: [(u8, u8); 128] = {
    let mut all = [(0, 0); 128];
    let mut i = 0;
    while i < FORMS.len() {
        let c = FORMS[i].0[0] as usize;
        assert!(i == 0 || FORMS[i - 1].0[0] as usize <= c, "forms are in order of their first letters");
        if all[c].1 == 0 {
            all[c].0 = i as u8;
        }
        all[c].1 = i as u8 + 1;
        i += 1;
    }
    all
};

/// Names that secrets stand behind. What is behind the last part of a longer name is behind the name.
static NAMES: &[&[u8]] = &[
    b"aws_secret_access_key",
    b"secret_access_key",
    b"secret_key",
    b"api_key",
    b"api-key",
    b"apikey",
    b"client_secret",
    b"clientsecret",
    b"access_token",
    b"auth_token",
    b"refresh_token",
    b"private_key",
    b"signing_key",
    b"encryption_key",
    b"webhook_secret",
    b"db_password",
    b"admin_password",
];

/// A token whose form says whose it is.
pub(super) fn formed(rest: &[u8]) -> Option<usize> {
    let &(from, to) = BY_LETTER.get(usize::from(*rest.first()?))?;
    let form = FORMS[usize::from(from)..usize::from(to)].iter().find(|Form(head, is, n)| {
        rest.starts_with(head)
            && rest.get(head.len()..head.len() + n).is_some_and(|b| b.iter().all(|c| is(*c)) && varied(b))
    });
    match form {
        Some(Form(head, is, _)) => Some(head.len() + run(&rest[head.len()..], |c| is(c) || word(c))),
        None => three_parts(rest),
    }
}

/// A bot's token of Discord: its number in base64, a time, a code.
fn three_parts(rest: &[u8]) -> Option<usize> {
    if !matches!(rest.first(), Some(b'M' | b'N' | b'O')) {
        return None;
    }
    let first = run(&rest[..rest.len().min(32)], word);
    let part = rest.get(first..first + 8)?;
    let code = rest.get(first + 8..)?;
    let n = run(&code[..code.len().min(64)], word);
    let whole = (24..=28).contains(&first)
        && part[0] == b'.'
        && part[7] == b'.'
        && part[1..7].iter().all(|c| word(*c))
        && n >= 27
        && varied(&rest[..first])
        && varied(&code[..n]);
    whole.then_some(first + 8 + n)
}

/// A bot's token of Telegram, `digits` of which were read: its number, a colon, 35 characters.
pub(super) fn numbered(rest: &[u8], digits: usize) -> Option<usize> {
    let code = rest.get(digits..)?.strip_prefix(b":")?;
    let n = run(&code[..code.len().min(48)], word);
    ((8..=10).contains(&digits) && n == 35 && varied(&code[..n])).then_some(digits + 1 + n)
}

/// The head of a private key (RFC 7468, and those of OpenSSH and PGP).
pub(super) fn private_key(rest: &[u8]) -> Option<usize> {
    let line = &rest[..rest.len().min(64)];
    let end = memchr::memmem::find(line, b"PRIVATE KEY-----")
        .map(|at| at + 16)
        .or_else(|| memchr::memmem::find(line, b"PRIVATE KEY BLOCK-----").map(|at| at + 22))?;
    Some(end)
}

/// A key, token or password behind its name.
pub(super) fn named(rest: &[u8]) -> Option<usize> {
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
    // A full stop after it is the sentence's.
    let value = value - rest[at..at + value].iter().rev().take_while(|c| **c == b'.').count();
    let v = &rest[at..at + value];
    (value >= 16 && random(v)).then_some(at + value)
}

/// A value that somebody drew by lot: it goes from capitals to small letters to digits and back more often than words, names,
/// versions and dates do.
fn random(v: &[u8]) -> bool {
    let class = |c: u8| match c {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'_' | b'-' => 3,
        _ => 4,
    };
    // A capital before small letters begins a word, and a line between two is none of either.
    let turns = v.windows(2).map(|w| (class(w[0]), class(w[1])));
    let turns = turns.filter(|&(a, b)| a != b && (a, b) != (2, 1) && a != 3 && b != 3).count();
    let both = v.iter().any(u8::is_ascii_digit) && v.iter().any(u8::is_ascii_alphabetic);
    // A call or a member of a program has dots between its words.
    both && 4 * turns >= v.len() && !v.contains(&b'.') && varied(v)
}

/// A JSON web token (RFC 7519).
pub(super) fn web(rest: &[u8]) -> Option<usize> {
    // Header and claims of a token are short; its end may be long.
    let a = run(&rest[..rest.len().min(512)], word);
    let after = rest.get(a..)?.strip_prefix(b".")?;
    let b = run(after, word);
    let sign = after.get(b..)?.strip_prefix(b".")?;
    let c = run(sign, word);
    (a >= 12 && b >= 12 && c >= 16 && varied(&sign[..c])).then_some(a + b + c + 2)
}

/// `scheme://user:password@host`, from the colon on (RFC 3986, section 3.2.1).
pub(super) fn connection(text: &[u8], at: usize) -> Option<usize> {
    let scheme = text[..at].iter().rev().take(16).take_while(|c| c.is_ascii_alphanumeric() || **c == b'+');
    let scheme = scheme.count();
    let rest = &text[at + 3..];
    let authority =
        run(rest, |c| c > b' ' && !matches!(c, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`'));
    let authority = &rest[..authority];
    let user = authority.iter().rposition(|c| *c == b'@')?;
    let colon = authority[..user].iter().position(|c| *c == b':')?;
    let password = &authority[colon + 1..user];
    let host = authority.get(user + 1).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'[');
    let known = [&b"password"[..], b"pass", b"passwd", b"secret", b"pwd", b"changeme"];
    let shown = password.iter().any(|c| !matches!(c, b'*' | b'x' | b'X' | b'.'))
        && !matches!(password.first(), Some(b'<' | b'$' | b'{' | b'['))
        && !known.iter().any(|k| password.eq_ignore_ascii_case(k));
    (scheme > 0 && host && password.len() >= 4 && shown).then_some(3 + authority.len())
}
