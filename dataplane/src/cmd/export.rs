//! `tidegate export --labels`: detections as a data set, a row of JSON each.
//!
//! In: output folders and files of events, read by blocks. Out: rows on standard output or in a file; counts by label on
//! standard error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use super::run::grouped;
use super::{ExportArgs, PARTLY, WRONG_INPUT, answer};
use crate::labels;
use crate::mcp::{Order, Store, is_events};

/// Labels that are counted one by one.
const LABELS: usize = 10_000;

pub(super) fn main(args: &ExportArgs) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

fn run(args: &ExportArgs) -> Result<ExitCode, String> {
    args.events.iter().try_for_each(|f| is_events(f))?;
    let store = Store::new(args.events.clone());
    let out: Box<dyn Write> = match &args.output {
        Some(p) => Box::new(File::create(p).map_err(|e| format!("{}: {e}", p.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut out = BufWriter::new(out);
    let (mut counts, mut rows, mut unread): (BTreeMap<String, u64>, u64, u64) = (BTreeMap::new(), 0, 0);
    let mut wrote = Ok(());
    let ended = store.scan(Order::Oldest, None, u64::MAX, &mut |_, line| {
        let Ok(e) = serde_json::from_slice(line) else {
            unread += u64::from(!line.trim_ascii().is_empty());
            return true;
        };
        let Some(row) = labels::row(&e, args.flows) else { return true };
        rows += 1;
        let label = row["label"].as_str().unwrap_or_default();
        if counts.len() < LABELS || counts.contains_key(label) {
            *counts.entry(label.to_string()).or_default() += 1;
        }
        wrote = writeln!(out, "{row}");
        wrote.is_ok()
    })?;
    let wrote = wrote.and_then(|()| out.flush());
    match &args.output {
        Some(p) => wrote.map_err(|e| format!("{}: {e}", p.display()))?,
        None => answer::wrote(wrote)?,
    }
    eprintln!("{} rows of {} labels", grouped(rows), counts.len());
    counts.iter().for_each(|(label, n)| eprintln!("{:>9}  {label}", grouped(*n)));
    let not_read = store.files()?.not_read;
    not_read.iter().for_each(|n| eprintln!("tidegate: {n}"));
    let unread = unread + ended.too_long;
    if unread > 0 {
        eprintln!("tidegate: {unread} lines are no events and were left out");
    }
    Ok(if unread > 0 || !not_read.is_empty() { ExitCode::from(PARTLY) } else { ExitCode::SUCCESS })
}
