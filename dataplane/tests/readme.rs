//! What the README shows of the command is what it prints: every `tidegate` command with output in a block of a console is
//! run, on the demo's capture, and each line it shows must come, in that order. Times and rates are anybody's.

#[allow(dead_code)]
#[path = "../examples/ai_factory.rs"]
mod ai_factory;

use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// Pages with a worked example each, whose files stand in blocks below a line that names them.
const PAGES: [&str; 6] = [
    include_str!("../../docs/policy.md"),
    include_str!("../../docs/intel.md"),
    include_str!("../../docs/incidents.md"),
    include_str!("../../docs/context.md"),
    include_str!("../../docs/mcp.md"),
    include_str!("../../docs/response.md"),
];

/// Commands and the lines shown below them.
fn shown(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            all.push((command, Vec::new()));
        } else if inside && let Some((_, lines)) = all.last_mut() {
            lines.push(line);
        }
    }
    all.retain(|(command, lines)| {
        (command.starts_with("tidegate ") || *command == "make demo") && !lines.is_empty()
    });
    all
}

/// A line without times and rates.
fn steady(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().take_while(|w| !w.starts_with('(')).collect();
    let is_time = |i: usize| words.get(i + 1).is_some_and(|w| w.trim_end_matches(',') == "s");
    let words = words.iter().enumerate().map(|(i, w)| if is_time(i) { "N" } else { w });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs a command of the README in `dir` and gives all it says.
fn run(command: &str, dir: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut c = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    c.current_dir(dir);
    if command == "make demo" {
        // As the Makefile has it.
        let at = |name: &str| root.join("examples").join(name);
        c.args(["run", "-r", "out/demo/ai-factory.pcap", "-l", "out/demo", "-S", "builtin:ai", "-S"])
            .arg(at("rules/ai-factory.rules"))
            .arg("-c")
            .arg(at("ai-factory.yaml"));
    } else {
        // Words, and what is in quotes.
        let parts = command.split('\'').enumerate();
        let words = |(i, p): (usize, &str)| -> Vec<String> {
            if i % 2 == 1 { vec![p.to_string()] } else { p.split_whitespace().map(str::to_string).collect() }
        };
        c.args(parts.flat_map(words).skip(1));
    }
    let o = c.output().unwrap();
    [o.stderr, o.stdout].map(|b| String::from_utf8_lossy(&b).into_owned()).join("\n")
}

#[test]
fn what_the_readme_shows_is_what_comes() {
    let dir = std::env::temp_dir().join(format!("tidegate-readme-{}", std::process::id()));
    let _old = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("out/demo")).unwrap();
    std::fs::write(dir.join("out/demo/ai-factory.pcap"), ai_factory::capture()).unwrap();
    let rule = README.lines().find(|l| l.starts_with("alert ")).unwrap();
    let all = shown(README);
    assert!(all.len() >= 4, "the README shows only {all:?}");
    for (command, lines) in &all {
        // The README says in words which mistake it shows.
        let wrong = lines[0].starts_with("refused:");
        let text = if wrong { rule.replacen("content:", "contents:", 1) } else { rule.to_string() };
        std::fs::write(dir.join("first.rules"), text + "\n").unwrap();
        let mut said = run(command, &dir);
        if *command == "make demo" {
            said += &run("tidegate services out/demo/eve.json", &dir);
            said += &run("tidegate incidents out/demo/eve.json", &dir);
        }
        let mut came = said.lines().map(steady);
        let of_words = |l: &&&str| {
            !l.is_empty()
                && **l != "..."
                && !l.starts_with("A small AI factory")
                && !l.starts_with("What there is")
                && !l.starts_with("What happened to whom")
        };
        for line in lines.iter().filter(of_words) {
            let want = steady(line);
            assert!(came.any(|l| l == want), "{command}: \"{line}\" is not in\n{said}");
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The files of a page, by the last name in the line above their block.
fn files(page: &'static str) -> Vec<(&'static str, String)> {
    let (mut out, mut name, mut inside): (Vec<(&str, String)>, &str, bool) = (Vec::new(), "", false);
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside && !line.ends_with("console") && line.len() > 3 && !name.is_empty();
            if inside {
                out.push((name, String::new()));
            }
            name = "";
        } else if inside && let Some((_, text)) = out.last_mut() {
            *text += &format!("{line}\n");
        } else if line.ends_with(':') {
            name = line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|n| n.contains('.') && !n.contains(' '))
                .last()
                .unwrap_or("");
        } else if !line.is_empty() {
            name = "";
        }
    }
    out
}

#[test]
fn what_the_pages_show_is_what_comes() {
    let dir = std::env::temp_dir().join(format!("tidegate-pages-{}", std::process::id()));
    let _old = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("out/demo")).unwrap();
    std::fs::write(dir.join("out/demo/ai-factory.pcap"), ai_factory::capture()).unwrap();
    for page in PAGES {
        let all = files(page);
        assert!(!all.is_empty());
        for (name, text) in &all {
            std::fs::write(dir.join(name), text).unwrap();
        }
        let commands = shown(page);
        assert!(commands.len() >= 2, "{commands:?}");
        for (command, lines) in &commands {
            let said = run(command, &dir);
            let mut came = said.lines().map(steady);
            for line in lines.iter().filter(|l| !l.is_empty() && **l != "...") {
                let want = steady(line);
                assert!(came.any(|l| l == want), "{command}: \"{line}\" is not in\n{said}");
            }
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
