//! include/tidegate.h is what the crate says: made anew and compared. `TIDEGATE_HEADER=write` writes it.

use std::path::Path;

fn made() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(dir.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut out = Vec::new();
    cbindgen::Builder::new()
        .with_crate(dir)
        .with_config(config)
        .generate()
        .expect("the crate can be read")
        .write(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    // `# Safety` is for callers in Rust; C programmers read the same in the sentences before it.
    let mut lines: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        if line == "// # Safety" {
            skipping = true;
            while lines.last() == Some(&"//") {
                lines.pop();
            }
        }
        skipping &= line.starts_with("//");
        if !skipping {
            lines.push(line);
        }
    }
    let mut text = lines.join("\n") + "\n";
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

#[test]
fn header_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/tidegate.h");
    let made = made();
    if std::env::var("TIDEGATE_HEADER").is_ok_and(|v| v == "write") {
        std::fs::write(&path, &made).expect("the header is written");
        return;
    }
    let there = std::fs::read_to_string(&path).expect("include/tidegate.h");
    assert!(there == made, "include/tidegate.h is not what ffi/src says: run `make header`");
}
