//! Secrets and personal data: 2,000 that are and 20,000 that only look so, made here by the forms and checksums of their
//! issuers, whole and cut.
use tidegate_core::ai::secret::{Kind, each, since};

/// A generator of its own: the set is the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn of(&mut self, alphabet: &str, n: usize) -> String {
        let all: Vec<char> = alphabet.chars().collect();
        (0..n).map(|_| all[self.below(all.len())]).collect()
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn digits(&mut self, n: usize) -> String {
        self.of("0123456789", n)
    }
}

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Heads of tokens, what follows, and how much: as issuers give them out.
const TOKENS: &[(&str, &str, usize)] = &[
    ("AKIA", UPPER, 16),
    ("ASIA", UPPER, 16),
    ("AIza", WORD, 35),
    ("sk-ant-api03-", WORD, 95),
    ("sk-proj-", WORD, 120),
    ("sk-", ALNUM, 48),
    ("sk-or-v1-", HEX, 64),
    ("gsk_", ALNUM, 52),
    ("xai-", ALNUM, 80),
    ("hf_", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 34),
    ("r8_", ALNUM, 37),
    ("nvapi-", WORD, 64),
    ("pplx-", ALNUM, 48),
    ("csk-", "abcdefghijklmnopqrstuvwxyz0123456789", 48),
    ("lsv2_pt_", HEX, 43),
    ("pcsk_", ALNUM, 60),
    ("dapi", HEX, 32),
    ("ghp_", ALNUM, 36),
    ("ghs_", ALNUM, 36),
    ("ghr_", ALNUM, 36),
    ("github_pat_", ALNUM, 82),
    ("glpat-", WORD, 20),
    ("npm_", ALNUM, 36),
    ("pypi-AgEIcHlwaS5vcmc", WORD, 120),
    ("dckr_pat_", WORD, 27),
    ("hvs.", WORD, 95),
    ("dop_v1_", HEX, 64),
    ("xoxb-", "0123456789", 36),
    ("xapp-1-", UPPER, 48),
    ("sk_live_", ALNUM, 24),
    ("rk_live_", ALNUM, 24),
    ("whsec_", ALNUM, 32),
    ("shpat_", HEX, 32),
    ("lin_api_", ALNUM, 40),
    ("ntn_", ALNUM, 46),
    ("figd_", WORD, 43),
    ("glsa_", ALNUM, 41),
    ("sbp_", HEX, 40),
    ("GOCSPX-", WORD, 28),
    ("ya29.a0", WORD, 160),
];

fn luhn_digit(d: &str) -> char {
    let sum: u32 = (d.bytes().rev().enumerate())
        .map(|(i, c)| {
            let v = u32::from(c - b'0') << (1 - i % 2);
            if v > 9 { v - 9 } else { v }
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

fn card(r: &mut Rng) -> String {
    let (head, n) =
        [("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("36", 14), ("3530", 16)][r.below(7)];
    let mut d = format!("{head}{}", r.digits(n - 1 - head.len()));
    d.push(luhn_digit(&d));
    d
}

fn grouped(r: &mut Rng, d: &str) -> String {
    let by = ["", " ", "-"][r.below(3)];
    let cuts: &[usize] = if d.len() < 16 { &[4, 10] } else { &[4, 8, 12] };
    let mut out = String::new();
    for (i, c) in d.chars().enumerate() {
        if cuts.contains(&i) {
            out.push_str(by);
        }
        out.push(c);
    }
    out
}

fn mod97(text: &str) -> u32 {
    text.bytes().fold(0, |rem, c| {
        let v = u32::from(if c.is_ascii_digit() { c - b'0' } else { c - b'A' + 10 });
        (rem * if v > 9 { 100 } else { 10 } + v) % 97
    })
}

fn iban(r: &mut Rng) -> String {
    let (country, bban) = match r.below(4) {
        0 => ("DE", r.digits(18)),
        1 => ("GB", format!("{}{}", r.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4), r.digits(14))),
        2 => ("NL", format!("{}{}", r.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4), r.digits(10))),
        _ => ("FR", r.digits(23)),
    };
    let check = 98 - mod97(&format!("{bban}{country}00"));
    let all = format!("{country}{check:02}{bban}");
    if r.below(2) == 0 {
        return all;
    }
    all.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>().join(" ")
}

/// The first of the last digits with which `is` holds.
fn completed(r: &mut Rng, n: usize, is: impl Fn(&[u32]) -> bool) -> String {
    loop {
        let d = format!("{}{}", 1 + r.below(9), r.digits(n - 1));
        if is(&d.bytes().map(|c| u32::from(c - b'0')).collect::<Vec<_>>()) {
            return d;
        }
    }
}

fn weighed(d: &[u32], w: &[u32]) -> u32 {
    d.iter().zip(w).map(|(d, w)| d * w).sum()
}

/// A number of a state for a person.
fn national(r: &mut Rng) -> String {
    match r.below(6) {
        0 => format!(
            "BSN {}",
            completed(r, 9, |d| (weighed(d, &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * d[8]).is_multiple_of(11))
        ),
        1 => {
            let d = completed(r, 11, |d| {
                let check = |n: usize| {
                    let w: Vec<u32> = (2..=n as u32 + 1).rev().collect();
                    weighed(&d[..n], &w) * 10 % 11 % 10
                };
                check(9) == d[9] && check(10) == d[10]
            });
            format!("{}.{}.{}-{}", &d[..3], &d[3..6], &d[6..9], &d[9..])
        }
        2 => {
            let n = r.digits(8);
            let letter = b"TRWAGMYFPDXBNJZSQVHLCKE"[n.parse::<usize>().unwrap() % 23] as char;
            format!("DNI {n}{letter}")
        }
        3 => {
            let w = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
            let d = format!(
                "1101051{}{:02}{:02}{}",
                9 * 100 + 50 + r.below(50),
                1 + r.below(12),
                1 + r.below(28),
                r.digits(3)
            );
            let sum = weighed(&d.bytes().map(|c| u32::from(c - b'0')).collect::<Vec<_>>(), &w);
            format!("{d}{}", b"10X98765432"[(sum % 11) as usize] as char)
        }
        4 => format!(
            "National Insurance {}{}{}",
            r.pick(&["AB", "CE", "JK", "PW"]),
            r.digits(6),
            r.pick(&["A", "B", "C", "D"])
        ),
        _ => format!(
            "PESEL: {}",
            completed(r, 11, |d| weighed(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10))
        ),
    }
}

fn health(r: &mut Rng) -> String {
    match r.below(4) {
        0 => {
            let d = completed(r, 10, |d| (11 - weighed(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == d[9]);
            format!("NHS number {} {} {}", &d[..3], &d[3..6], &d[6..])
        }
        1 => {
            let d = format!("1{}", r.digits(8));
            format!("NPI {d}{}", luhn_digit(&format!("80840{d}")))
        }
        2 => format!(
            "{}{}{}{}-{}{}{}-{}{}",
            1 + r.below(9),
            r.of("ACDEFGHJKMNPQRTUVWXY", 1),
            r.of("ACDEFGHJKMNPQRTUVWXY", 1),
            r.below(10),
            r.of("ACDEFGHJKMNPQRTUVWXY", 1),
            r.of("ACDEFGHJKMNPQRTUVWXY", 1),
            r.below(10),
            r.of("ACDEFGHJKMNPQRTUVWXY", 2),
            r.digits(2)
        ),
        _ => format!("MRN: {}{}", 1 + r.below(9), r.of("0123456789", 7)),
    }
}

fn positive(r: &mut Rng, i: usize) -> (Kind, String) {
    match i % 16 {
        0..=4 => {
            let (head, alphabet, n) = TOKENS[r.below(TOKENS.len())];
            (Kind::Token, format!("{head}{}", r.of(alphabet, n)))
        }
        5 => {
            let kind = r.pick(&["RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", ""]);
            (Kind::PrivateKey, format!("-----BEGIN {kind}PRIVATE KEY-----\n{}", r.of(BASE64, 64)))
        }
        6 => {
            let name =
                r.pick(&["API_KEY", "client_secret", "aws_secret_access_key", "auth_token", "DB_PASSWORD"]);
            let by = r.pick(&["=", " = ", ": ", "\": \""]);
            let n = 24 + r.below(20);
            (Kind::Named, format!("{name}{by}{}", r.of(ALNUM, n)))
        }
        7 => {
            let scheme = r.pick(&["postgres", "mysql", "mongodb+srv", "redis", "amqp", "https"]);
            (
                Kind::Connection,
                format!("{scheme}://svc:{}@db-{}.internal:5432/x", r.of(ALNUM, 14), r.below(100)),
            )
        }
        8 => {
            let part = |r: &mut Rng, n| r.of(WORD, n);
            (Kind::WebToken, format!("eyJ{}.eyJ{}.{}", part(r, 33), part(r, 60), part(r, 43)))
        }
        9 | 10 => {
            let d = card(r);
            (Kind::Card, grouped(r, &d))
        }
        11 => (Kind::Iban, iban(r)),
        12 => {
            let a = 1 + r.below(600);
            (Kind::SocialSecurity, format!("{a:03}-{:02}-{:04}", 1 + r.below(99), 1 + r.below(9999)))
        }
        13 => (Kind::NationalId, national(r)),
        14 => (Kind::Health, health(r)),
        _ if r.below(2) == 0 => {
            let name = r.of("abcdefghijklmnopqrstuvwxyz", 6);
            (
                Kind::Email,
                format!(
                    "{name}.{}@{}.{}",
                    r.below(99),
                    r.of("abcdefgh", 5),
                    r.pick(&["com", "org", "de", "io"])
                ),
            )
        }
        _ => (
            Kind::Phone,
            format!(
                "+{} {} {}",
                r.pick(&["1", "44", "49", "33"]),
                200 + r.below(700),
                1_000_000 + r.below(8_999_999)
            ),
        ),
    }
}

/// What only looks so.
fn near_miss(r: &mut Rng, i: usize) -> String {
    let uuid = |r: &mut Rng| {
        format!("{}-{}-4{}-a{}-{}", r.of(HEX, 8), r.of(HEX, 4), r.of(HEX, 3), r.of(HEX, 3), r.of(HEX, 12))
    };
    match i % 25 {
        0 => {
            // A card whose last digit is another.
            let mut d = card(r);
            let last = d.pop().unwrap() as u8;
            d.push(char::from(b'0' + (last - b'0' + 1 + r.below(8) as u8) % 10));
            grouped(r, &d)
        }
        1 => {
            let all = iban(r);
            let (a, b) = all.split_at(2);
            format!("{a}{:02}{}", (b[..2].parse::<u32>().unwrap() + 1) % 97, &b[2..])
        }
        2 => {
            let (head, alphabet, _) = TOKENS[r.below(TOKENS.len())];
            format!("{head}{}", r.of(alphabet, 8))
        }
        3 => {
            let (head, _, n) = TOKENS[r.below(TOKENS.len())];
            format!("{head}{}", r.pick(&["x", "X", "*", "."]).repeat(n))
        }
        4 => uuid(r),
        5 => r.of(HEX, 40),
        6 => format!("sha256:{}", r.of(HEX, 64)),
        7 => format!(
            "2026-{:02}-{:02}T{:02}:{:02}:{:02}.{}Z",
            1 + r.below(12),
            1 + r.below(28),
            r.below(24),
            r.below(60),
            r.below(60),
            r.digits(6)
        ),
        8 => format!("version {}.{}.{}.{}", r.below(20), r.below(100), r.below(20000), r.below(5000)),
        9 => format!("order 8{}", r.digits(14)),
        10 => format!("data:image/png;base64,iVBORw0KGgo{}", r.of(BASE64, 80)),
        11 => format!(
            "-----BEGIN {}-----",
            r.pick(&["CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE REQUEST"])
        ),
        12 => format!(
            "{}: {}",
            r.pick(&["api_key", "client_secret", "auth_token"]),
            r.pick(&[
                "YOUR_API_KEY_HERE_12345",
                "os.environ[\"OPENAI_API_KEY\"]",
                "<insert-your-token-here>",
                "process.env.CLIENT_SECRET_2",
                "changeme_please_0001",
                "MyApplicationSecretKeyName1",
                "${{ secrets.DEPLOY_TOKEN_1 }}"
            ])
        ),
        13 => format!(
            "{}://{}:{}@host/db",
            r.pick(&["postgres", "mysql"]),
            r.pick(&["user", "USER"]),
            r.pick(&["****", "<password>", "${PASSWORD}", "password", "xxxx"])
        ),
        n => ordinary(r, n),
    }
}

/// What stands in any text.
fn ordinary(r: &mut Rng, n: usize) -> String {
    match n {
        14 => format!("https://cdn.example.com:8443/a/{}/b@2x.png", r.of(HEX, 12)),
        15 => format!("{:03}-{:02}-{:03}", r.below(999), r.below(99), r.below(999)),
        16 => {
            format!("{}-{:02}-{:04}", ["000", "666", "987"][r.below(3)], 1 + r.below(98), 1 + r.below(9998))
        }
        17 => format!("eyJ{}.{}", r.of(WORD, 20), r.of(WORD, 8)),
        18 => format!("ISBN 978-3-{}-{}-{}", r.digits(4), r.digits(4), r.digits(1)),
        19 => format!("{} + {} = {}", r.below(1000), r.below(1000), r.below(2000)),
        20 => format!("pip install pkg{}@{}.{}.{}", r.below(9), r.below(9), r.below(20), r.below(9)),
        21 => format!(
            "{}.{}.{}.{}:{}",
            1 + r.below(254),
            r.below(255),
            r.below(255),
            r.below(255),
            1 + r.below(65000)
        ),
        22 => format!("sk-learn and hf_hub with a {}", r.of("abcdefghijklmnopqrstuvwxyz", 30)),
        23 => format!("invoice {} {} {}", r.digits(4), r.digits(4), r.digits(3)),
        _ => format!(
            "function {}({}) {{ return {}.{}(0x{}); }}",
            r.of("abcdef", 5),
            r.of("xyz", 2),
            r.of("abc", 4),
            r.of("defgh", 6),
            r.of(HEX, 8)
        ),
    }
}

/// Puts a value into a text, as it would stand there; where it begins.
fn text(r: &mut Rng, value: &str) -> (String, usize) {
    let (before, after) = [
        ("The value you asked for is ", ". Anything else?"),
        ("{\"result\": \"", "\", \"ok\": true}"),
        ("# config\n", "\n# end\n"),
        ("Found: `", "` in the log, line 12"),
        ("", ""),
        ("| row | ", " |\n"),
    ][r.below(6)];
    (format!("{before}{value}{after}"), before.len())
}

/// What is told of a text, whole.
fn whole(text: &str) -> Vec<(Kind, usize, usize)> {
    let mut all = Vec::new();
    each(text.as_bytes(), |f| all.push((f.kind, f.from, f.to)));
    all
}

#[test]
fn recall_and_precision() {
    let mut r = Rng(0x7469_6465_6761_7465);
    let (mut found, mut missed) = (0, Vec::new());
    for i in 0..2_000 {
        let (kind, value) = positive(&mut r, i);
        let (text, at) = text(&mut r, &value);
        if whole(&text).iter().any(|&(k, from, to)| k == kind && from < at + value.len() && to > at) {
            found += 1;
        } else {
            missed.push((kind, text));
        }
    }
    let mut wrong = Vec::new();
    for i in 0..20_000 {
        let value = near_miss(&mut r, i);
        let (text, _) = text(&mut r, &value);
        let said = whole(&text);
        if !said.is_empty() {
            wrong.push((said, text));
        }
    }
    let precision = f64::from(found) / (f64::from(found) + wrong.len() as f64);
    println!("recall {:.2} %, precision {:.2} %", f64::from(found) / 20.0, precision * 100.0);
    missed.iter().take(20).for_each(|m| println!("missed {m:?}"));
    wrong.iter().take(20).for_each(|m| println!("wrong {m:?}"));
    assert!(found >= 1_980, "recall {found} of 2000: {:?}", &missed[..missed.len().min(10)]);
    assert!(precision >= 0.995, "precision {precision}: {:?}", &wrong[..wrong.len().min(10)]);
}

/// Wherever a text is cut, what is told once all of it is there is what is told of it whole, and nothing else is told before,
/// but that a token may be longer than it was.
#[test]
fn cuts_change_nothing() {
    let mut r = Rng(0x6375_7473);
    for i in 0..800 {
        let value = if i % 2 == 0 { positive(&mut r, i / 2).1 } else { near_miss(&mut r, i / 2) };
        let (text, _) = text(&mut r, &value);
        let mut want: Vec<(Kind, usize)> = whole(&text).iter().map(|f| (f.0, f.1)).collect();
        want.sort_by_key(|w| (w.1, w.0 as u8));
        for cut in 0..=text.len() {
            let mut told: Vec<(Kind, usize)> = Vec::new();
            let mut tell = |f: tidegate_core::ai::secret::Found| told.push((f.kind, f.from));
            since(&text.as_bytes()[..cut], 0, false, &mut tell);
            since(text.as_bytes(), cut.saturating_sub(4096), true, &mut tell);
            told.sort_by_key(|w| (w.1, w.0 as u8));
            told.dedup();
            assert_eq!(told, want, "{text:?} cut at {cut}");
        }
    }
}

/// A long answer that is looked through again and again as it grows, from a few KB before what is new: what is told is what is
/// told of it whole.
#[test]
fn long_answers() {
    const BACK: usize = 4 << 10;
    let mut r = Rng(0x6c6f_6e67);
    for round in 0..8 {
        // With borders and without.
        let filler = ["lorem ipsum, dolor; sit amet\n", "word after word after word "][round % 2];
        let mut text = String::new();
        for i in 0..24 {
            text.push_str(&filler.repeat(1 + r.below(60)));
            let value =
                if r.below(2) == 0 { positive(&mut r, i + round).1 } else { near_miss(&mut r, i + round) };
            text.push_str(&format!("see {value} here "));
        }
        let mut want: Vec<(Kind, usize)> = whole(&text).iter().map(|f| (f.0, f.1)).collect();
        want.sort_by_key(|w| (w.1, w.0 as u8));
        let (mut told, mut known) = (Vec::new(), 0);
        while known < text.len() {
            let now = text.len().min(known + 1 + r.below(700));
            since(&text.as_bytes()[..now], known.saturating_sub(BACK), now == text.len(), |f| {
                told.push((f.kind, f.from));
            });
            known = now;
        }
        told.sort_by_key(|w| (w.1, w.0 as u8));
        told.dedup();
        assert_eq!(told, want, "{text}");
    }
}

/// Harmless prompts that others collected: what is told of them is there, or next to nothing. As lines of JSON, their text
/// escaped.
#[test]
#[ignore = "needs ../shared"]
fn shared_harmless_prompts() {
    let folder = std::env::var("SHARED").unwrap_or_else(|_| "../shared".into());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let text = std::fs::read_to_string(path.join("prompts/labelled.jsonl")).unwrap();
    let harmless: Vec<&str> = text.lines().filter(|l| l.contains("\"label\": 0")).collect();
    let mut told = Vec::new();
    for line in &harmless {
        let from = line.find("\"text\": \"").unwrap() + 9;
        let to = line.rfind("\", \"label\"").unwrap();
        let checked = |k: Kind| !matches!(k, Kind::Email | Kind::Phone | Kind::Exfiltration);
        told.extend(
            whole(&line[from..to]).into_iter().filter(|f| checked(f.0)).map(|f| (f, &line[from..to])),
        );
    }
    for ((kind, from, to), text) in &told {
        println!("{kind:?}: {}", &text[*from..*to]);
    }
    assert!(harmless.len() > 2_000 && told.len() <= 5, "{} of {}", told.len(), harmless.len());
}
