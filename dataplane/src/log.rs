//! The program's own words as lines of JSON (`logging.outputs.file` with `type: json`): words go in, lines come out in files.
//! Owns the files. The terminal is told by whoever tells the file, in its own way.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use crate::config::logging::{Level, Logging};
use crate::eve::Json;

/// The files that are open.
#[derive(Debug, Default)]
pub struct EngineLog {
    files: Vec<(Level, Mutex<File>)>,
    /// The folder of the logs was not there before.
    pub made_dir: bool,
}

impl EngineLog {
    /// Opens the files, those with relative names in `dir`: to go on in them (`append`), or anew. `verbose` is the number of
    /// `-v`.
    pub fn open(l: &Logging, dir: Option<&Path>, verbose: u8, append: bool) -> Result<EngineLog, String> {
        let dir = dir.or(l.dir.as_deref()).unwrap_or(Path::new("."));
        let mut log = EngineLog { made_dir: !l.files.is_empty() && !dir.exists(), ..EngineLog::default() };
        for f in &l.files {
            let path = dir.join(&f.path);
            let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(wrong)?;
            }
            if !append {
                File::create(&path).map_err(wrong)?;
            }
            let file = File::options().create(true).append(true).open(&path).map_err(wrong)?;
            log.files.push((f.level.raised(verbose), Mutex::new(file)));
        }
        Ok(log)
    }

    /// Writes a line to the files whose level takes it. What cannot be written is lost: there is nowhere to say so.
    pub fn say(&self, level: Level, module: &str, message: &str) {
        if self.files.iter().all(|f| f.0 < level) {
            return;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut j = Json::with_capacity(256);
        j.open("");
        j.time("timestamp", now.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)));
        j.word("log_level", level.name());
        j.word("event_type", "engine");
        j.open("engine");
        j.string("message", message.as_bytes());
        j.word("module", module);
        j.close();
        j.close();
        j.buf.push(b'\n');
        for (_, file) in self.files.iter().filter(|f| f.0 >= level) {
            if let Ok(mut file) = file.lock() {
                let _ = file.write_all(&j.buf);
            }
        }
    }

    pub fn error(&self, module: &str, message: &str) {
        self.say(Level::Error, module, message);
    }

    pub fn warning(&self, module: &str, message: &str) {
        self.say(Level::Warning, module, message);
    }

    pub fn info(&self, module: &str, message: &str) {
        self.say(Level::Info, module, message);
    }
}
