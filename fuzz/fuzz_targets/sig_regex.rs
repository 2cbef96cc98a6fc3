//! Any bytes as a regex and as text: it ends, and the two ways to run a regular pattern agree.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tidegate_core::sig::regex::{Automata, Cache, Flags, Outcome, Regex, States};
use tidegate_fuzz::Input;

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(Cache::new(4096, 4096));
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let f = input.byte();
    let flags = Flags {
        caseless: f & 1 != 0,
        dotall: f & 2 != 0,
        multiline: f & 4 != 0,
        extended: f & 8 != 0,
        anchored: f & 16 != 0,
        dollar_endonly: f & 32 != 0,
        ungreedy: f & 64 != 0,
    };
    let n = usize::from(input.byte());
    let (pattern, hay) = (input.take(n), input.0);
    let hay = &hay[..hay.len().min(512)];
    let Ok(re) = Regex::compile(pattern, flags) else { return };
    let mut caps = vec![0; 2 * (re.group_count() + 1)];
    let out = CACHE.with_borrow_mut(|c| re.find_at(hay, 0, c, &mut caps));
    if let Outcome::Match(s, e) = out {
        assert!(s <= e || pattern.windows(2).any(|w| w == b"\\K"));
        assert!(e <= hay.len());
    }
    let mut automata = Automata::new();
    if automata.add(pattern, flags).is_err() || automata.memory_bytes() > 1 << 16 {
        return;
    }
    let mut states = States::default();
    let mut ends = Vec::new();
    automata.ends(&[0], hay, &mut states, |_, end| {
        ends.push(end);
        true
    });
    assert!(ends.is_sorted_by(|a, b| a < b));
    match out {
        Outcome::Match(_, e) => assert!(ends.contains(&e), "{e} is no end of {ends:?}"),
        Outcome::NoMatch => assert!(ends.is_empty(), "{ends:?} without a match"),
        Outcome::LimitHit => {}
    }
});
