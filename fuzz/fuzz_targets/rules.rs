//! Any text as a rule file: every line is a rule, a refusal with its line, or neither; what is accepted compiles.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::common;

thread_local! {
    static SETTINGS: tidegate_dataplane::config::Settings = common::settings();
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    SETTINGS.with(|s| {
        let rules = common::rules(&text, s);
        assert!(rules.rules.set.len() <= text.lines().count().max(1));
    });
});
