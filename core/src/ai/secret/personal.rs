//! Numbers that stand for a person or an account, by their check digits, and addresses.
//!
//! In: the text, and where one may begin. Out: its kind and place. A number whose check digit lets one in ten or eleven pass
//! by chance counts only behind its name.
use super::{Kind, run};

/// The digits of a run, as many as are looked at.
struct Digits {
    all: [u8; 40],
    n: usize,
}

impl Digits {
    fn of(run: &[u8]) -> Digits {
        let mut d = Digits { all: [0; 40], n: 0 };
        for c in run.iter().filter(|c| c.is_ascii_digit()).take(40) {
            d.all[d.n] = c - b'0';
            d.n += 1;
        }
        d
    }

    fn get(&self) -> &[u8] {
        &self.all[..self.n]
    }
}

/// The words before `at`, as far as a name is looked for.
fn before(text: &[u8], at: usize) -> &[u8] {
    &text[at.saturating_sub(48)..at]
}

/// Whether one of `names` is among the words before `at`, in any case, as words of their own.
fn called(text: &[u8], at: usize, names: &[&[u8]]) -> bool {
    let words = before(text, at);
    names.iter().any(|n| {
        words.windows(n.len()).enumerate().any(|(i, w)| {
            let edge = |c: Option<&u8>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
            w.eq_ignore_ascii_case(n)
                && edge(i.checked_sub(1).and_then(|i| words.get(i)))
                && edge(words.get(i + n.len()))
        })
    })
}

/// A number that counts behind its name: the names, how many digits, the check.
struct Named(Kind, &'static [&'static [u8]], core::ops::RangeInclusive<usize>, fn(&[u8]) -> bool);

static NAMED: &[Named] = &[
    // Netherlands: Burgerservicenummer.
    Named(Kind::NationalId, &[b"bsn", b"burgerservicenummer"], 9..=9, |d| {
        let sum: i32 = d.iter().zip([9, 8, 7, 6, 5, 4, 3, 2, -1]).map(|(d, w)| i32::from(*d) * w).sum();
        sum % 11 == 0 && sum != 0
    }),
    // Poland: PESEL.
    Named(Kind::NationalId, &[b"pesel"], 11..=11, |d| {
        weighed(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
    }),
    // Germany: Steueridentifikationsnummer.
    Named(
        Kind::NationalId,
        &[b"steuer-id", b"steuer-identifikationsnummer", b"steueridentifikationsnummer", b"idnr", b"tin"],
        11..=11,
        |d| d[0] != 0 && mod_11_10(d),
    ),
    // Canada: social insurance number.
    Named(Kind::NationalId, &[b"sin", b"social insurance number"], 9..=9, |d| d[0] != 0 && luhn(d)),
    // Australia: tax file number.
    Named(Kind::NationalId, &[b"tfn", b"tax file number"], 9..=9, |d| {
        weighed(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
    }),
    // India: Aadhaar.
    Named(Kind::NationalId, &[b"aadhaar", b"aadhar", b"uidai"], 12..=12, |d| d[0] > 1 && verhoeff(d)),
    // Sweden: personnummer.
    Named(Kind::NationalId, &[b"personnummer", b"personal identity number"], 10..=12, |d| {
        let d = if d.len() == 12 { &d[2..] } else { d };
        d.len() == 10 && (1..=12).contains(&(d[2] * 10 + d[3])) && luhn(d)
    }),
    // France: numéro d'inscription au répertoire.
    Named(
        Kind::NationalId,
        &[b"nir", b"insee", b"curit\xc3\xa9 sociale", b"securite sociale", b"num\xc3\xa9ro de s\xc3\xa9cu"],
        15..=15,
        nir,
    ),
    // Brazil: Cadastro de Pessoas Físicas.
    Named(Kind::NationalId, &[b"cpf"], 11..=11, cpf),
    // United Kingdom: NHS number.
    Named(Kind::Health, &[b"nhs", b"nhs number", b"nhs no"], 10..=10, |d| {
        let sum = weighed(&d[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
        let check = (11 - sum % 11) % 11;
        check != 10 && check == u32::from(d[9]) && sum != 0
    }),
    // United States: national provider identifier (Luhn with 80840 before it).
    Named(Kind::Health, &[b"npi", b"provider identifier"], 10..=10, |d| {
        let mut all = [0; 15];
        all[..5].copy_from_slice(&[8, 0, 8, 4, 0]);
        all[5..].copy_from_slice(d);
        matches!(d[0], 1 | 2) && luhn(&all)
    }),
    // A number of a medical record has no check digit: its name says it.
    Named(
        Kind::Health,
        &[b"mrn", b"medical record number", b"patient id", b"krankenversichertennummer"],
        6..=12,
        |d| d.iter().any(|x| *x != d[0]),
    ),
];

fn weighed(d: &[u8], weights: &[u32]) -> u32 {
    d.iter().zip(weights).map(|(d, w)| u32::from(*d) * w).sum()
}

/// ISO/IEC 7064, MOD 11,10.
fn mod_11_10(d: &[u8]) -> bool {
    let Some((last, d)) = d.split_last() else { return false };
    let product = d.iter().fold(10u32, |p, d| {
        let sum = (u32::from(*d) + p) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*last)
}

fn verhoeff(d: &[u8]) -> bool {
    const MUL: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURN: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turned = |mut x: u8, n: usize| {
        for _ in 0..n % 8 {
            x = TURN[usize::from(x)];
        }
        x
    };
    d.iter().rev().enumerate().fold(0, |c, (i, d)| MUL[usize::from(c)][usize::from(turned(*d, i))]) == 0
}

/// Sex, year, month, place and number; the key is what is left to a multiple of 97.
fn nir(d: &[u8]) -> bool {
    let value = |d: &[u8]| d.iter().fold(0u64, |v, d| v * 10 + u64::from(*d));
    let (number, key) = d.split_at(13);
    matches!(d[0], 1 | 2) && (1..=12).contains(&(d[3] * 10 + d[4])) && 97 - value(number) % 97 == value(key)
}

/// Two check digits, modulo 11.
fn cpf(d: &[u8]) -> bool {
    let check = |d: &[u8]| {
        let n = d.len() as u32 + 1;
        let sum: u32 = (2..=n).rev().zip(d).map(|(w, d)| w * u32::from(*d)).sum();
        (sum * 10 % 11 % 10) as u8
    };
    d.iter().any(|x| *x != d[0]) && check(&d[..9]) == d[9] && check(&d[..10]) == d[10]
}

/// The digits' check sum (Luhn, ISO/IEC 7812-1).
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

/// The large issuers by their first digits, each with as many digits as its numbers have.
fn issuer(d: &[u8]) -> bool {
    let two = d[0] * 10 + d[1];
    let four = u16::from(two) * 100 + u16::from(d[2] * 10 + d[3]);
    match d.len() {
        13 => d[0] == 4,
        14 => matches!(two, 36 | 38 | 39) || (3000..=3059).contains(&four),
        15 => matches!(two, 34 | 37),
        16 => {
            d[0] == 4
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || matches!(two, 64 | 65 | 62)
                || four == 6011
                || (3528..=3589).contains(&four)
        }
        17..=19 => two == 62 || d.len() == 19 && (d[0] == 4 || four == 6011),
        _ => false,
    }
}

/// Digits in one run, or in groups by one separator as cards have them.
fn grouped(run: &[u8]) -> bool {
    let mut separators = run.iter().filter(|c| !c.is_ascii_digit());
    let Some(first @ (b' ' | b'-')) = separators.next() else {
        return run.iter().all(u8::is_ascii_digit);
    };
    let mut groups =
        run.split(|c| c == first).map(|g| if g.iter().all(u8::is_ascii_digit) { g.len() } else { 0 });
    match groups.next() {
        Some(4) => {
            let rest: [usize; 4] = core::array::from_fn(|_| groups.next().unwrap_or(0));
            groups.next().is_none()
                && matches!(rest, [4, 4, 1 | 4, 0] | [4, 4, 4, 1..=3] | [6, 5, 0, 0] | [6, 4, 0, 0])
        }
        _ => false,
    }
}

/// Cards, social security, numbers behind their names, telephones: what begins with a digit or a sign. Returns how much
/// of the text is theirs, found or not.
pub(super) fn number(text: &[u8], at: usize, out: &mut impl FnMut(Kind, usize, usize)) -> Option<usize> {
    let rest = &text[at..];
    let n = run(&rest[..rest.len().min(40)], |c| {
        c.is_ascii_digit() || matches!(c, b' ' | b'-' | b'(' | b')' | b'+' | b'.')
    });
    let n = n - rest[..n].iter().rev().take_while(|c| !c.is_ascii_digit()).count();
    let run = &rest[..n];
    let ends = rest.get(n).is_none_or(|c| !c.is_ascii_alphanumeric() && *c != b'_' && *c != b'/');
    let digits = Digits::of(run);
    let d = digits.get();
    if let Some(n) =
        super::token::numbered(rest, rest.iter().take(12).take_while(|c| c.is_ascii_digit()).count())
    {
        out(Kind::Token, at, at + n);
        return Some(n);
    }
    if !ends || n == 0 {
        return Some(n);
    }
    let named = NAMED.iter().find(|Named(_, names, many, is)| {
        many.contains(&d.len()) && tidy(run) && is(d) && called(text, at, names)
    });
    let kind = if let Some(Named(kind, ..)) = named {
        *kind
    } else if (13..=19).contains(&d.len()) && luhn(d) && issuer(d) && grouped(run) {
        Kind::Card
    } else if ssn(run) {
        Kind::SocialSecurity
    } else if resident(run) || run.len() == 14 && formatted_cpf(run, d) {
        Kind::NationalId
    } else if phone(run, d) {
        Kind::Phone
    } else {
        return shorter(rest, n);
    };
    out(kind, at, at + n);
    Some(n)
}

/// What is not one number may be several: the first goes, with what separates it.
fn shorter(rest: &[u8], n: usize) -> Option<usize> {
    let first = rest[..n].iter().skip(1).take_while(|c| c.is_ascii_digit()).count() + 1;
    let gap = rest[first.min(n)..n].first() == Some(&b' ');
    Some(if gap { first } else { n })
}

/// Digits with single separators between them.
fn tidy(run: &[u8]) -> bool {
    !run.windows(2).any(|w| !w[0].is_ascii_digit() && !w[1].is_ascii_digit())
}

/// A telephone number: with a country's code (E.164), or with an area in brackets.
fn phone(run: &[u8], d: &[u8]) -> bool {
    let country = run.first() == Some(&b'+') && run.get(1).is_some_and(|c| matches!(c, b'1'..=b'9'));
    let area = run.first() == Some(&b'(') && run.get(4) == Some(&b')');
    (country && (8..=15).contains(&d.len()) || area && d.len() == 10)
        && run.iter().filter(|c| **c == b'+').count() <= 1
        && !run.windows(3).any(|w| w.iter().all(|c| !c.is_ascii_digit()))
}

/// Social security of the United States (SSA's rules for what is never given).
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

/// China: eighteen digits, or seventeen and X, which is not a digit and left to [`lettered`]; a place, a birthday, a check
/// digit (GB 11643).
fn resident(run: &[u8]) -> bool {
    run.len() == 18 && run.iter().all(u8::is_ascii_digit) && resident_check(run)
}

fn resident_check(id: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let two = |i: usize| u32::from(id[i] - b'0') * 10 + u32::from(id[i + 1] - b'0');
    let sum: u32 = id.iter().zip(WEIGHTS).map(|(c, w)| u32::from(c - b'0') * w).sum();
    (11..=82).contains(&two(0))
        && matches!(two(6), 19 | 20)
        && (1..=12).contains(&two(10))
        && (1..=31).contains(&two(12))
        && b"10X98765432"[(sum % 11) as usize] == id[17]
}

/// `000.000.000-00`.
fn formatted_cpf(run: &[u8], d: &[u8]) -> bool {
    d.len() == 11 && run[3] == b'.' && run[7] == b'.' && run[11] == b'-' && cpf(d)
}

/// Numbers with letters in them, which begin at a word: of persons and of their health.
pub(super) fn lettered(text: &[u8], at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    let n = run(&rest[..rest.len().min(20)], |c| c.is_ascii_alphanumeric() || c == b'-');
    let w = &rest[..n];
    if !(8..=18).contains(&n) || !w.iter().any(u8::is_ascii_digit) {
        return None;
    }
    if fiscal_code(w) || w.len() == 18 && w[..17].iter().all(u8::is_ascii_digit) && resident_check(w) {
        return Some((Kind::NationalId, n));
    }
    if medicare(w) && (w.contains(&b'-') || called(text, at, &[b"mbi", b"medicare"]))
        || dea(w) && called(text, at, &[b"dea"])
    {
        return Some((Kind::Health, n));
    }
    let spain = spanish(w) && called(text, at, &[b"dni", b"nie", b"nif"]);
    let insurance =
        national_insurance(w) && called(text, at, &[b"nino", b"national insurance", b"ni number", b"ni"]);
    (spain || insurance).then_some((Kind::NationalId, n))
}

/// Italy: codice fiscale (decree of 23 December 1976), its last letter a check.
fn fiscal_code(w: &[u8]) -> bool {
    const ODD: [u8; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let form = b"AAAAAA00A00A000A";
    let fits = w.len() == 16
        && w.iter()
            .zip(form)
            .all(|(c, f)| if *f == b'A' { c.is_ascii_uppercase() } else { c.is_ascii_digit() });
    if !fits || !b"ABCDEHLMPRST".contains(&w[8]) {
        return false;
    }
    let value = |c: u8| if c.is_ascii_digit() { c - b'0' } else { c - b'A' };
    let sum: u32 = (w[..15].iter().enumerate())
        .map(|(i, c)| u32::from(if i % 2 == 0 { ODD[usize::from(value(*c))] } else { value(*c) }))
        .sum();
    (sum % 26) as u8 == value(w[15])
}

/// Spain: eight digits, or X, Y, Z and seven, and the letter that they give.
fn spanish(w: &[u8]) -> bool {
    let [first, middle @ .., last] = w else { return false };
    let head = match first {
        b'0'..=b'9' => u32::from(first - b'0'),
        b'X'..=b'Z' => u32::from(first - b'X'),
        _ => return false,
    };
    w.len() == 9
        && middle.iter().all(u8::is_ascii_digit)
        && b"TRWAGMYFPDXBNJZSQVHLCKE"
            [(middle.iter().fold(head, |v, c| v * 10 + u32::from(c - b'0')) % 23) as usize]
            == *last
}

/// United Kingdom: two letters, six digits, one letter of four (HMRC's manual NIM39110).
fn national_insurance(w: &[u8]) -> bool {
    w.len() == 9
        && w[..2].iter().all(|c| c.is_ascii_uppercase() && !b"DFIQUV".contains(c))
        && w[1] != b'O'
        && ![&b"BG"[..], b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&w[..2])
        && w[2..8].iter().all(u8::is_ascii_digit)
        && matches!(w[8], b'A'..=b'D')
}

/// United States: Medicare beneficiary identifier (CMS), with its dashes or without.
fn medicare(w: &[u8]) -> bool {
    let letter = |c: u8| c.is_ascii_uppercase() && !b"SLOIBZ".contains(&c);
    let digit = |c: u8| c.is_ascii_digit();
    let either = |c: u8| letter(c) || digit(c);
    let form: [&dyn Fn(u8) -> bool; 11] = [
        &|c| matches!(c, b'1'..=b'9'),
        &letter,
        &either,
        &digit,
        &letter,
        &either,
        &digit,
        &letter,
        &letter,
        &digit,
        &digit,
    ];
    let dashes = w.len() == 13 && w[4] == b'-' && w[8] == b'-';
    let mut chars = w.iter().filter(|c| **c != b'-');
    (dashes || w.len() == 11 && !w.contains(&b'-'))
        && form.iter().all(|f| chars.next().is_some_and(|c| f(*c)))
}

/// United States: registration of the Drug Enforcement Administration, its last digit a check.
fn dea(w: &[u8]) -> bool {
    if !(w.len() == 9 && w[..2].iter().all(u8::is_ascii_uppercase) && w[2..].iter().all(u8::is_ascii_digit)) {
        return false;
    }
    let d = |i: usize| u32::from(w[i] - b'0');
    (d(2) + d(4) + d(6) + 2 * (d(3) + d(5) + d(7))) % 10 == d(8)
}

/// The length of account numbers by country (ISO 13616's registry).
static IBANS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// An account number, alone or in groups of four (ISO 13616).
pub(super) fn iban(rest: &[u8]) -> Option<usize> {
    let country = rest.first_chunk::<2>()?;
    if !rest.get(2..4)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (_, length) = IBANS.iter().find(|c| c.0 == country)?;
    let (mut n, mut count) = (0, 0);
    let mut chars = [0u8; 34];
    for c in rest.iter().take(48) {
        match c {
            b' ' if count % 4 == 0 && count > 0 && rest[n - 1] != b' ' => {}
            b'0'..=b'9' | b'A'..=b'Z' => {
                *chars.get_mut(count)? = *c;
                count += 1;
            }
            _ => break,
        }
        n += 1;
        if count == *length {
            break;
        }
    }
    let ends = rest.get(n).is_none_or(|c| !c.is_ascii_alphanumeric());
    let turned = chars[4..count.max(4)].iter().chain(&chars[..4]);
    let rem = turned.fold(0u32, |rem, c| {
        let v = if c.is_ascii_digit() { u32::from(c - b'0') } else { u32::from(c - b'A') + 10 };
        (rem * if v > 9 { 100 } else { 10 } + v) % 97
    });
    (count == *length && ends && rem == 1).then_some(n)
}

/// An address (RFC 5322, section 3.4.1, as people write it): where it begins and ends, of the `@` at `at`.
pub(super) fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let local = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'%' | b'+' | b'-');
    let before = text[..at].iter().rev().take(64).take_while(|c| local(**c)).count();
    let host = run(&text[at + 1..], |c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'));
    let host = &text[at + 1..at + 1 + host];
    // A full stop after it is the sentence's.
    let host = &host[..host.len() - host.iter().rev().take_while(|c| matches!(c, b'.' | b'-')).count()];
    let dot = host.iter().rposition(|c| *c == b'.')?;
    // The last part is of letters: `pkg@1.2.3` and `user@10.0.0.1` are none.
    let top = host[dot + 1..].iter().all(u8::is_ascii_alphabetic) && host.len() > dot + 2;
    let password = text.get(at + 1 + host.len()) == Some(&b':') && text[..at - before].ends_with(b"//");
    (before > 0 && dot > 0 && top && !password && !file_name(&host[dot + 1..]))
        .then_some((at - before, at + 1 + host.len()))
}

/// Ends of names of files that stand behind an `@` (`icon@2x.png`).
fn file_name(top: &[u8]) -> bool {
    [&b"png"[..], b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"ts", b"tsx", b"jsx", b"json"]
        .iter()
        .any(|t| top.eq_ignore_ascii_case(t))
}
