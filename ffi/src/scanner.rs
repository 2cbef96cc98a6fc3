//! Scanners: rules on text that is no packet, whole or piece by piece.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use tidegate_core::detect::RuleSet;
use tidegate_core::engine::{Match, ScanStream, Scanner};
use tidegate_core::sig::text::Normalise;

use crate::args::{self, Answers, sized, tg_bytes};
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_STATE, TG_ERR_SYNTAX, err, fence, tg_status};
use crate::event::action;
use crate::handle::{self, Object};
use crate::phrases::{Going, Hit, List, Phrases};
use crate::rules::{Rules, tg_ruleset};

/// Searches text by rules. One thread at a time may use it; make one for each thread, they share the rules.
pub struct tg_scanner {
    _private: [u8; 0],
}

/// A text that comes in pieces, such as the tokens of an answer. It belongs to the rules of the scanner that made it,
/// and any scanner of the same rule set may go on with it. One thread at a time may use it.
pub struct tg_scan_stream {
    _private: [u8; 0],
}

/// Upper and lower case are one, in all scripts. For tg_scanner_new.
pub const TG_TEXT_CASE: u32 = 1;
/// Compatible forms are what they stand for (Unicode NFKD): full width, styled letters, ligatures.
pub const TG_TEXT_COMPATIBLE: u32 = 2;
/// Letters that look like ASCII letters are those.
pub const TG_TEXT_LOOKALIKES: u32 = 4;
/// Marks on letters are dropped.
pub const TG_TEXT_MARKS: u32 = 8;
/// Zero-width characters, marks of direction, selectors and tags are dropped.
pub const TG_TEXT_INVISIBLE: u32 = 16;
/// A run of white space is one space.
pub const TG_TEXT_SPACES: u32 = 32;
/// All of them: what hides a phrase from a machine but not from a reader.
pub const TG_TEXT_GUARD: u32 = 63;

/// A rule that matched a text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_match {
    /// sizeof(tg_match)
    pub size: usize,
    /// Number of the signature.
    pub sid: u32,
    /// Its generator, mostly 1.
    pub gid: u32,
    /// Its revision.
    pub rev: u32,
    /// 1 (high) to 255.
    pub severity: u32,
    /// Where the rule's most telling literal begins, bytes from the start of the text; of a rule without one the
    /// window that was looked at.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// "alert", "drop", "reject".
    pub action: tg_bytes,
    /// `msg` of the rule.
    pub message: tg_bytes,
    /// Description of its class.
    pub category: tg_bytes,
    /// `classtype` of the rule.
    pub classtype: tg_bytes,
    /// The whole rule.
    pub rule: tg_bytes,
}

sized!(tg_match);

/// Takes a match, valid during the call. Any other return value than 0 ends the scan with TG_ERR_STOPPED. It may use
/// other objects of the library, but not this scanner and stream.
pub type tg_match_fn = Option<unsafe extern "C" fn(found: *const tg_match, user: *mut c_void) -> c_int>;

enum Searcher {
    Rules(Box<Scanner>),
    Phrases(Box<Phrases>),
}

impl Object for Searcher {
    const KIND: u32 = 6;
    const NAME: &'static str = "scanner";
    type Opaque = tg_scanner;
}

enum Text {
    Rules(ScanStream, Arc<RuleSet>),
    Phrases(Going),
}

impl Object for Text {
    const KIND: u32 = 7;
    const NAME: &'static str = "stream";
    type Opaque = tg_scan_stream;
}

impl Text {
    fn reset(&mut self) {
        match self {
            Text::Rules(stream, _) => stream.reset(),
            Text::Phrases(going) => going.reset(),
        }
    }
}

/// A function that takes matches.
type Call = unsafe extern "C" fn(*const tg_match, *mut c_void) -> c_int;

/// Tells matches until the callback wants no more.
struct Tell {
    call: Call,
    user: *mut c_void,
    answers: Answers,
}

impl Tell {
    fn to(callback: tg_match_fn, user: *mut c_void) -> Res<Tell> {
        Ok(Tell { call: args::callback(callback)?, user, answers: Answers::new() })
    }

    /// A phrase: whether to go on.
    fn phrase(&mut self, list: &List, hit: Hit) -> bool {
        let (id, text) = list.get(hit.phrase);
        let found = tg_match {
            size: size_of::<tg_match>(),
            sid: id,
            gid: 0,
            rev: 0,
            severity: 0,
            start: hit.start,
            end: hit.end,
            action: tg_bytes::NONE,
            message: tg_bytes::of(text.as_bytes()),
            category: tg_bytes::NONE,
            classtype: tg_bytes::NONE,
            rule: tg_bytes::NONE,
        };
        // SAFETY: as in `one`.
        self.answers.take(unsafe { (self.call)(&raw const found, self.user) })
    }

    /// Whether to go on.
    fn one(&mut self, m: &Match<'_>) -> bool {
        let text = |s: &str| tg_bytes::of(s.as_bytes());
        let found = tg_match {
            size: size_of::<tg_match>(),
            sid: m.rule.sid,
            gid: m.rule.gid,
            rev: m.rule.rev,
            severity: m.rule.priority,
            start: m.start,
            end: m.end,
            action: text(action(m.action)),
            message: text(&m.rule.msg),
            category: text(&m.rule.category),
            classtype: text(&m.rule.classtype),
            rule: text(&m.rule.text),
        };
        // SAFETY: the caller of the entry gave a function of this type; what `found` points to outlives the call.
        self.answers.take(unsafe { (self.call)(&raw const found, self.user) })
    }
}

/// What a sum of TG_TEXT_ values says.
fn said(normalise: u32) -> Res<Normalise> {
    if normalise & !TG_TEXT_GUARD != 0 {
        return err(TG_ERR_INVALID, format!("normalise is {normalise:#x}; there is only 0x3f"));
    }
    let on = |bit: u32| normalise & bit != 0;
    Ok(Normalise {
        case: on(TG_TEXT_CASE),
        compatible: on(TG_TEXT_COMPATIBLE),
        homoglyphs: on(TG_TEXT_LOOKALIKES),
        marks: on(TG_TEXT_MARKS),
        invisible: on(TG_TEXT_INVISIBLE),
        spaces: on(TG_TEXT_SPACES),
    })
}

/// Makes a scanner of those rules that look at payload: `alert ip any any -> any any (content:"..."; ...)`, also
/// `tcp`. `normalise` is a sum of TG_TEXT_ values: rules are then asked about the text as it is and as it reads, and
/// match when they match either. Thread-safe. The rule set may be freed.
///
/// # Safety
/// `rules` is NULL or a handle; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scanner_new(
    rules: *const tg_ruleset,
    normalise: u32,
    out: *mut *mut tg_scanner,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, rules) = unsafe { (args::out(out, "out")?, handle::share::<Rules>(rules)?) };
        let normalise = said(normalise)?;
        let scanner = Scanner::new(rules.rules.clone(), normalise);
        out.write(handle::make(Searcher::Rules(Box::new(scanner))));
        Ok(())
    })
}

/// A phrase, for tg_scanner_new_phrases.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_phrase {
    /// The phrase in UTF-8, as people write it: nothing in it is special.
    pub text: *const c_char,
    /// Its bytes.
    pub len: usize,
    /// The caller's number for it, which matches carry as `sid`. Several phrases may have the same.
    pub id: u32,
    /// A sum of TG_PHRASE_ values.
    pub flags: u32,
}

/// The phrase counts only as whole words: no letter, digit, low line or mark before it or behind it, "DAN" not in "danger".
/// Characters that `normalise` drops are looked past. For tg_phrase.
pub const TG_PHRASE_WORD: u32 = 1;

/// Makes a scanner of phrases instead of rules. `normalise` is as for tg_scanner_new, of phrases and text alike: the
/// text is searched as it reads. Every place is told, with the phrase's `id` as `sid` and the phrase as `message`; the
/// members about rules are empty. TG_ERR_SYNTAX when nothing is left of a phrase. Thread-safe. The phrases are copied.
///
/// # Safety
/// `phrases` points to `count` phrases; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scanner_new_phrases(
    phrases: *const tg_phrase,
    count: usize,
    normalise: u32,
    out: *mut *mut tg_scanner,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (phrases, out) = unsafe { (args::array(phrases, count, "phrases")?, args::out(out, "out")?) };
        let mut list = List::new(said(normalise)?);
        for (i, p) in phrases.iter().enumerate() {
            // SAFETY: as above.
            let text = unsafe { args::bytes(p.text.cast(), p.len, "text of a phrase") }?;
            if p.flags & !TG_PHRASE_WORD != 0 {
                return err(
                    TG_ERR_INVALID,
                    format!("phrase {i}: flags is {:#x}; there is only 0x1", p.flags),
                );
            }
            let Ok(text) = std::str::from_utf8(text) else {
                return err(TG_ERR_INVALID, format!("phrase {i} is no UTF-8"));
            };
            list.add(text, p.id, p.flags & TG_PHRASE_WORD != 0)
                .or_else(|e| err(TG_ERR_SYNTAX, format!("phrase {i}: {e}")))?;
        }
        out.write(handle::make(Searcher::Phrases(Box::new(Phrases::new(list)))));
        Ok(())
    })
}

/// Searches one text and gives every rule that matches to `callback`, once, or every place of a phrase. It takes no memory. One thread at a time
/// for a scanner.
///
/// # Safety
/// `scanner` is NULL or a handle; `len` bytes can be read at `text`; `callback` is NULL or a function that does as its
/// type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scanner_scan(
    scanner: *mut tg_scanner,
    text: *const c_char,
    len: usize,
    callback: tg_match_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut s, text) =
            unsafe { (handle::enter_mut::<Searcher>(scanner)?, args::bytes(text.cast(), len, "text")?) };
        let mut tell = Tell::to(callback, user)?;
        match &mut *s {
            Searcher::Rules(s) => s.scan(text, |m| tell.one(&m)),
            Searcher::Phrases(p) => p.scan(text, |list, hit| tell.phrase(list, hit)),
        }
        tell.answers.end()
    })
}

/// Makes a text that will come in pieces. One thread at a time for a scanner.
///
/// # Safety
/// `scanner` is NULL or a handle; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scan_stream_new(
    scanner: *mut tg_scanner,
    out: *mut *mut tg_scan_stream,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, s) = unsafe { (args::out(out, "out")?, handle::enter::<Searcher>(scanner)?) };
        let text = match &*s {
            Searcher::Rules(s) => Text::Rules(s.stream(), s.rules().clone()),
            Searcher::Phrases(p) => Text::Phrases(p.begin()),
        };
        out.write(handle::make(text));
        Ok(())
    })
}

/// Goes on with a text: gives every rule that matches now and did not before to `callback`. What lies within 4096
/// bytes is seen together, whatever the pieces. Of phrases every place is told once; one that must be a whole word waits
/// for the character behind it, or for tg_scan_stream_end. TG_ERR_STATE when the scanner has other rules than the stream. One
/// thread at a time for either.
///
/// # Safety
/// `scanner` and `stream` are NULL or handles; `len` bytes can be read at `piece`; `callback` is NULL or a function
/// that does as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scan_stream_feed(
    scanner: *mut tg_scanner,
    stream: *mut tg_scan_stream,
    piece: *const c_char,
    len: usize,
    callback: tg_match_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut s, mut t, piece) = unsafe {
            (
                handle::enter_mut::<Searcher>(scanner)?,
                handle::enter_mut::<Text>(stream)?,
                args::bytes(piece.cast(), len, "piece")?,
            )
        };
        let mut tell = Tell::to(callback, user)?;
        match (&mut *s, &mut *t) {
            (Searcher::Rules(s), Text::Rules(stream, rules)) if Arc::ptr_eq(s.rules(), rules) => {
                s.feed(stream, piece, |m| tell.one(&m));
            }
            (Searcher::Phrases(p), Text::Phrases(going)) if p.has(going) => {
                p.feed(going, piece, |list, hit| tell.phrase(list, hit));
            }
            _ => return err(TG_ERR_STATE, "the scanner has other rules or phrases than the stream"),
        }
        tell.answers.end()
    })
}

/// Begins another text with the same object. One thread at a time for a stream.
///
/// # Safety
/// `stream` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scan_stream_reset(stream: *mut tg_scan_stream) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        unsafe { handle::enter_mut::<Text>(stream) }?.reset();
        Ok(())
    })
}

/// Ends a text: gives phrases that are whole words because nothing comes behind them to `callback`, and begins another
/// text. One thread at a time for a stream.
///
/// # Safety
/// `stream` is NULL or a handle; `callback` is NULL or a function that does as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scan_stream_end(
    stream: *mut tg_scan_stream,
    callback: tg_match_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut t = unsafe { handle::enter_mut::<Text>(stream) }?;
        let mut tell = Tell::to(callback, user)?;
        if let Text::Phrases(going) = &mut *t {
            going.end(|list, hit| tell.phrase(list, hit));
        }
        t.reset();
        tell.answers.end()
    })
}

/// Frees a stream; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `stream` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scan_stream_free(stream: *mut tg_scan_stream) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Text>(stream) })
}

/// Frees a scanner; NULL is nothing to do. Its streams live on. TG_ERR_HANDLE when it was freed before. Thread-safe:
/// TG_ERR_BUSY while another thread is inside.
///
/// # Safety
/// `scanner` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scanner_free(scanner: *mut tg_scanner) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Searcher>(scanner) })
}
