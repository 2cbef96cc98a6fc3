//! What is wrong with a call: its texts are judged as they are whole, its answer is looked through as it grows.

use super::call::{Call, Role, Tag};
use super::risk::{ATTACK, Evidence, Family, Risk, Verdict};
use super::secret;
use crate::Dir;
use crate::pool::BytePool;

/// Bytes of the completion that are looked at again with what follows: a secret may be cut there.
const BACK: usize = 4 << 10;
/// Bytes of a completion that comes in pieces between two looks.
const STEP: usize = 256;

/// Judges what is new of a call. `over`: nothing follows in that direction.
pub(super) fn judge(call: &mut Call, risk: &mut Risk, dir: Dir, over: bool, pool: &BytePool) {
    if !call.proven {
        return;
    }
    match dir {
        Dir::ToServer => {
            messages(call, risk, pool);
            if over {
                arguments(call, pool);
            }
        }
        Dir::ToClient => {
            tools(call, risk, pool);
            completion(call, over, pool);
        }
    }
}

/// Messages of the request but those of the operator and of the model itself.
fn messages(call: &mut Call, risk: &mut Risk, pool: &BytePool) {
    let known = call.judged[0];
    let all = call.messages(pool).enumerate().skip(known as usize);
    let (mut worst, mut place, mut count) = (call.verdicts[0], call.worst, known);
    for (n, m) in all {
        count += 1;
        if matches!(m.role, Role::System | Role::Developer | Role::Assistant | Role::Model) || m.from == m.to
        {
            continue;
        }
        let mut v = risk.classify(call.text(pool, m));
        for e in &mut v.evidence {
            (e.from, e.to) = (e.from + m.from, e.to + m.from);
        }
        if v.score >= ATTACK && matches!(m.role, Role::Tool | Role::Function | Role::Document) {
            v.families |= Family::IndirectInjection.bit();
        }
        if v.score > worst.score {
            place = (n as u32, m.role);
        }
        worst.merge(&v);
    }
    call.judged[0] = count;
    call.verdicts[0] = worst;
    call.worst = place;
}

/// Secrets that are handed to a tool.
fn arguments(call: &mut Call, pool: &BytePool) {
    let text = call.arguments.kept.get(pool);
    let mut of = Leaks::default();
    let (families, _) = leaks(text, 0, true, &mut of);
    call.leaks.kinds |= of.kinds;
    if families & Family::SecretLeak.bit() != 0 {
        let families = Family::SecretLeak.bit() | Family::Exfiltration.bit();
        let e = Evidence { families, weight: 60, from: 0, to: text.len() as u32 };
        add(&mut call.verdicts[0], families, 90, e);
    }
}

/// Results that tools give and what they say of themselves.
fn tools(call: &mut Call, risk: &mut Risk, pool: &BytePool) {
    for (tag, which, family) in
        [(Tag::Result, 1, Family::IndirectInjection), (Tag::Description, 2, Family::ToolPoisoning)]
    {
        let known = call.judged[which];
        let mut v = call.verdicts[1];
        for text in call.tools.all(pool, tag as u8).skip(known as usize) {
            call.judged[which] += 1;
            let mut of = risk.classify(text);
            // Whoever describes a tool does not command its reader; of both families one is enough.
            let hidden = of.families & (Family::ToolPoisoning.bit() | Family::Exfiltration.bit()) != 0;
            if tag == Tag::Description && hidden {
                of.score = of.score.max(80);
            }
            if of.score >= ATTACK {
                of.families |= family.bit();
                v.merge(&of);
            }
        }
        call.verdicts[1] = v;
    }
}

/// Secrets and personal data in what the model says.
fn completion(call: &mut Call, over: bool, pool: &BytePool) {
    let text = call.completion.kept.get(pool);
    let known = call.judged[3] as usize;
    if text.len() < known + STEP && !(over && text.len() > known) {
        return;
    }
    let (families, (a, b)) = leaks(text, known, over, &mut call.leaks);
    call.judged[3] = text.len() as u32;
    if families != 0 {
        let e = Evidence { families, weight: 60, from: a as u32, to: b as u32 };
        add(&mut call.verdicts[1], families, 90, e);
    }
}

fn add(v: &mut Verdict, families: u32, score: u8, e: Evidence) {
    let mut other = Verdict { score, families, ..Verdict::default() };
    other.evidence[0] = e;
    v.merge(&other);
}

/// What was found in the completion so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaks {
    /// Addresses and telephone numbers.
    contacts: u8,
    /// Bits of [`secret::Kind`].
    pub(super) kinds: u16,
}

/// Families of what leaks in a text, of which `known` bytes were looked through before, and where the first finding lies.
/// A single address or telephone number is no leak: those of earlier pieces count, those that end in the first `known`
/// bytes were counted.
pub(super) fn leaks(text: &[u8], known: usize, over: bool, so_far: &mut Leaks) -> (u32, (usize, usize)) {
    let (mut families, mut place) = (0, (0, 0));
    secret::since(text, known.saturating_sub(BACK), over, |f| {
        let family = match f.kind {
            k if k.is_secret() => Family::SecretLeak,
            secret::Kind::Exfiltration => Family::Exfiltration,
            secret::Kind::Email | secret::Kind::Phone => {
                // What ended with the text was left for now.
                so_far.contacts = so_far.contacts.saturating_add(u8::from(f.to >= known));
                if so_far.contacts < 3 {
                    return;
                }
                Family::PiiLeak
            }
            _ => Family::PiiLeak,
        };
        so_far.kinds |= 1 << f.kind as u16;
        if families == 0 {
            place = (f.from, f.to);
        }
        families |= family.bit();
    });
    (families, place)
}

/// Reasons of an end that say that the model would not answer.
const REFUSING: &[&[u8]] = &[
    b"refusal",
    b"content_filter",
    b"content_filtered",
    b"guardrail_intervened",
    b"safety",
    b"prohibited_content",
];
/// How a model says so, in its first words.
const NO: &[&[u8]] = &[
    b"i can't",
    b"i cannot",
    b"i can\xe2\x80\x99t",
    b"i'm sorry",
    b"i\xe2\x80\x99m sorry",
    b"i am sorry",
    b"i won't",
    b"i'm not able",
    b"i am not able",
    b"i'm unable",
    b"i am unable",
    b"sorry, but",
    b"as an ai",
];

/// Whether the model would not answer: by the reason of its end, or by its first words.
pub(super) fn is_refusal(call: &Call, pool: &BytePool) -> bool {
    let ends = |r: &[u8]| REFUSING.iter().any(|w| r.eq_ignore_ascii_case(w));
    let said = call.completion.kept.get(pool);
    let first = said.get(..said.len().min(80)).unwrap_or(&[]);
    let says = |w: &&[u8]| first.windows(w.len()).any(|f| f.eq_ignore_ascii_case(w));
    call.head.all(pool, Tag::Finish as u8).any(ends) || NO.iter().any(says)
}
