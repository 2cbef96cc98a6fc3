//! Datasets with `save` or `state` on their way back to files: values go in, lines as datasets are read come out, in a new file
//! that takes the old one's place whole.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use tidegate_core::rules::dataset::parse_lines;
use tidegate_core::rules::ir::DatasetType;

use crate::eve::base64_into;
use crate::sets::{Dataset, Datasets};

/// What was saved, and what could not be, each with its file.
#[derive(Debug, Default)]
pub struct Saved {
    pub sets: usize,
    pub values: usize,
    pub failed: Vec<String>,
}

impl Datasets {
    /// Writes every set that has a file to be saved to.
    pub fn save(&self) -> Saved {
        save(self.saved())
    }

    /// Writes those that `next` has not any more: when a rule comes back, so does what its set had learned.
    pub fn save_gone(&self, next: &Datasets) -> Saved {
        save(self.saved().filter(|(set, _)| next.get(set.name()).is_none()))
    }
}

fn save<'s>(sets: impl Iterator<Item = (&'s Dataset, &'s str)>) -> Saved {
    let mut done = Saved::default();
    for (set, file) in sets {
        match write(set, Path::new(file)) {
            Ok(n) => {
                done.sets += 1;
                done.values += n;
            }
            Err(e) => done.failed.push(format!("dataset {}: {file}: {e}", set.name())),
        }
    }
    done
}

/// Writes one set: a new file beside the old one, then in its place.
fn write(set: &Dataset, file: &Path) -> std::io::Result<usize> {
    let mut lines = Vec::new();
    set.for_each(|v| {
        let mut line = Vec::new();
        value(set.kind(), v, &mut line);
        lines.push(line);
    });
    // The same values make the same file.
    lines.sort_unstable();
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let n = lines.len();
    let text = lines.into_iter().fold(Vec::new(), |mut all, line| {
        all.extend(line);
        all.push(b'\n');
        all
    });
    let made = (|| {
        let mut f = std::fs::File::create(&new)?;
        f.write_all(&text)?;
        f.sync_all()?;
        std::fs::rename(&new, file)
    })();
    match made {
        // A reload reads it as any file, and must not take it for somebody else's.
        Ok(()) => parse_lines(set.kind(), false, &text).map(|read| set.was_saved(&read)).unwrap_or_default(),
        Err(_) => std::fs::remove_file(&new).unwrap_or_default(),
    }
    made.map(|()| n)
}

/// A value as a line of its file has it.
fn value(kind: DatasetType, v: &[u8], out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match (kind, <[u8; 4]>::try_from(v), <[u8; 16]>::try_from(v)) {
        (DatasetType::String, ..) => {
            base64_into(out, v);
            Ok(())
        }
        (DatasetType::Ipv4, Ok(a), _) => write!(out, "{}", Ipv4Addr::from(a)),
        (DatasetType::Ip, _, Ok(a)) => {
            let a = Ipv6Addr::from(a);
            match a.to_ipv4_mapped() {
                Some(a) => write!(out, "{a}"),
                None => write!(out, "{a}"),
            }
        }
        _ => v.iter().try_for_each(|b| write!(out, "{b:02x}")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mapped = "::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets();
        for (kind, v) in [
            (DatasetType::String, &b"a b\n\xff"[..]),
            (DatasetType::Md5, &[0x5a; 16]),
            (DatasetType::Sha256, &[7; 32]),
            (DatasetType::Ipv4, &[192, 0, 2, 1]),
            (DatasetType::Ip, &mapped),
            (DatasetType::Ip, &[0x20; 16]),
        ] {
            let mut line = Vec::new();
            value(kind, v, &mut line);
            let read = parse_lines(kind, false, &line).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].key, v, "{}", String::from_utf8_lossy(&line));
        }
    }
}
