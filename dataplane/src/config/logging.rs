//! `logging`: where the program's own words go besides the terminal. In: the tree; out: the files in JSON.

use std::path::{Path, PathBuf};

use super::yaml::{ConfigError, Node};
use super::{Overrides, tree};

/// How much a line matters, from what ends the program to what helps to find a fault (`-v` of Suricata's
/// command line, logging.default-log-level).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Perf,
    Config,
    Debug,
}

impl Level {
    const NAMES: [(&'static str, Level); 9] = [
        ("emergency", Level::Error),
        ("critical", Level::Error),
        ("error", Level::Error),
        ("warning", Level::Warning),
        ("notice", Level::Notice),
        ("info", Level::Info),
        ("perf", Level::Perf),
        ("config", Level::Config),
        ("debug", Level::Debug),
    ];

    /// The word of a line.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Error => "Error",
            Level::Warning => "Warning",
            Level::Notice => "Notice",
            Level::Info => "Info",
            Level::Perf => "Perf",
            Level::Config => "Config",
            Level::Debug => "Debug",
        }
    }

    fn read(n: &Node, key: &str) -> Result<Option<Level>, ConfigError> {
        let words = Level::NAMES.map(|n| n.0);
        let word = n.one_of(key, &words)?;
        Ok(word.and_then(|w| Level::NAMES.iter().find(|n| n.0 == w)).map(|n| n.1))
    }

    /// At least what that many `-v` ask for.
    pub fn raised(self, verbose: u8) -> Level {
        let asked = match verbose {
            0 => Level::Error,
            1 => Level::Info,
            2 => Level::Perf,
            3 => Level::Config,
            _ => Level::Debug,
        };
        self.max(asked)
    }
}

/// A file of lines of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// In the folder of the logs unless it is absolute.
    pub path: PathBuf,
    /// Lines that matter less are left out.
    pub level: Level,
}

/// The files of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    pub files: Vec<LogFile>,
    /// `default-log-dir`, which is asked for when no folder is given.
    pub dir: Option<PathBuf>,
}

impl Logging {
    /// Reads what has an effect; files of plain text and other outputs are not written and stay unread.
    pub(super) fn read(root: &Node) -> Result<Logging, ConfigError> {
        let mut out = Logging { files: Vec::new(), dir: root.text("default-log-dir").map(PathBuf::from) };
        let Some(outputs) = root.at("logging.outputs") else { return Ok(out) };
        let level = Level::read(root, "logging.default-log-level")?.unwrap_or(Level::Notice);
        for item in &outputs.children {
            let Some(file) = item.children.iter().find(|c| c.key == "file") else { continue };
            if !file.children.iter().any(|c| c.key == "type" && c.val.as_deref() == Some("json")) {
                continue;
            }
            outputs.child(&item.key);
            let Some(file) = item.child("file") else { continue };
            file.one_of("type", &["json"])?;
            let name = file.text("filename").unwrap_or("suricata.log").to_string();
            let level = Level::read(file, "level")?.unwrap_or(level);
            if file.flag("enabled")?.unwrap_or(true) {
                out.files.push(LogFile { path: PathBuf::from(name), level });
            }
        }
        Ok(out)
    }

    /// What `config` says, even where the rest of it is wrong; nothing when it cannot be read.
    pub fn of(config: Option<&Path>, over: &Overrides<'_>) -> Logging {
        tree(config, over).ok().and_then(|(root, _)| Logging::read(&root).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Logging, ConfigError> {
        Logging::read(&Node::parse(text, Path::new("t"), Path::new(".")).unwrap())
    }

    #[test]
    fn files_in_json_are_taken_with_their_levels() {
        let text = "logging:\n  default-log-level: info\n  outputs:\n  - console:\n      enabled: yes\n  - file:\n      \
                    enabled: yes\n      filename: a.json\n      type: json\n  - file:\n      level: error\n      filename: \
                    b.json\n      type: json\n  - file:\n      enabled: no\n      filename: c.json\n      type: json\n  - \
                    file:\n      filename: d.log\n";
        let l = read(text).unwrap();
        let files: Vec<_> = l.files.iter().map(|f| (f.path.to_str().unwrap(), f.level)).collect();
        assert_eq!(files, [("a.json", Level::Info), ("b.json", Level::Error)]);
        assert_eq!(read("{}").unwrap(), Logging::default());
        assert!(read(&text.replace("level: error", "level: loud")).is_err());
    }

    #[test]
    fn levels_are_raised_by_the_command_line() {
        assert_eq!(Level::Notice.raised(0), Level::Notice);
        assert_eq!(Level::Notice.raised(3), Level::Config);
        assert_eq!(Level::Debug.raised(1), Level::Debug);
    }
}
