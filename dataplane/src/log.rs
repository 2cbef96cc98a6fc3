//! The program's own words as lines of JSON (`logging.outputs.file` with `type: json`): words go in, lines come out in files.
//! Owns the files, which are opened anew when they were moved away. The terminal is told by whoever tells the file, in its own way.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::config::logging::{Level, Logging};
use crate::eve::Json;
use crate::lines::writable;

/// The files that are open.
#[derive(Debug, Default)]
pub struct EngineLog {
    files: Vec<(Level, PathBuf, Mutex<File>)>,
    /// The folder of the logs was not there before.
    pub made_dir: bool,
}

/// Opens a file to go on at its end.
fn going_on(path: &Path) -> std::io::Result<File> {
    writable(path)?;
    File::options().create(true).append(true).open(path)
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
            writable(&path).map_err(wrong)?;
            if !append {
                File::create(&path).map_err(wrong)?;
            }
            let file = going_on(&path).map_err(wrong)?;
            log.files.push((f.level.raised(verbose), path, Mutex::new(file)));
        }
        Ok(log)
    }

    /// Opens the files anew, after they were moved away. One for which that fails goes on as before.
    ///
    /// # Errors
    /// The first that could not be opened.
    pub fn reopen(&self) -> Result<(), String> {
        let mut result = Ok(());
        for (_, path, file) in &self.files {
            match going_on(path) {
                Ok(new) => *file.lock().unwrap_or_else(PoisonError::into_inner) = new,
                Err(e) => result = result.and(Err(format!("{}: {e}", path.display()))),
            }
        }
        result
    }

    /// The files that are open.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|f| f.1.as_path())
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
        for (_, _, file) in self.files.iter().filter(|f| f.0 >= level) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_moved_are_opened_anew() {
        let dir = std::env::temp_dir().join(format!("tidegate-engine-log-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log");
        let file = Mutex::new(going_on(&path).unwrap());
        let log = EngineLog { files: vec![(Level::Info, path.clone(), file)], made_dir: false };
        log.info("test", "one");
        std::fs::rename(&path, dir.join("moved")).unwrap();
        log.reopen().unwrap();
        log.info("test", "two");
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(
            read("moved").contains("one") && read("log").contains("two") && !read("moved").contains("two")
        );
        std::fs::rename(&dir, dir.with_extension("away")).unwrap();
        assert!(log.reopen().is_err());
        log.info("test", "three");
        let away = dir.with_extension("away");
        assert!(std::fs::read_to_string(away.join("log")).unwrap().contains("three"), "it goes on");
        std::fs::remove_dir_all(away).unwrap();
    }
}
