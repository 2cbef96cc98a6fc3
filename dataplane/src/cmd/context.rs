//! `--context` and `context` of the configuration: tables are made, and what fills them is opened.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_core::Secret;

use crate::config::Settings;
use crate::context::{Context, ContextSettings, read::Feed};
use crate::eve::EveSink;

/// Takes the memory of the tables and gives them to all outputs. `None` when nobody asked for context.
pub(super) fn tables(
    settings: &mut Settings,
    named: &[PathBuf],
    secret: Secret,
) -> Result<Option<Arc<Context>>, String> {
    settings.context.files.extend(named.iter().cloned());
    if settings.context.files.is_empty() {
        return Ok(None);
    }
    if settings.outputs.eve.is_empty() {
        return Err("--context: it is written into events, and no eve-log is on".into());
    }
    let context = Arc::new(Context::new(&settings.context, secret));
    settings.outputs.eve.iter_mut().for_each(|e| e.context = Some(context.clone()));
    Ok(Some(context))
}

/// Logs of hosts that are read beside captures.
pub(super) struct Logs {
    feed: Feed,
    context: Arc<Context>,
}

impl Logs {
    pub fn open(settings: &ContextSettings, context: Arc<Context>) -> Result<Logs, String> {
        Ok(Logs { feed: Feed::open(&settings.files, settings.window, &context)?, context })
    }

    /// Reads what may belong to packets up to a time. A log that cannot be read any more is told once and left.
    pub fn until(&mut self, now: u64, eve: &mut EveSink) {
        if let Err(e) = self.feed.until(now, &self.context) {
            eprintln!("tidegate: {e}; the rest of the logs of hosts is not read");
            self.feed = Feed::default();
        }
        while let Some(l) = self.context.late() {
            eve.late(&l);
        }
    }

    /// No more packets come: what is left of the logs can only be about flows that are known.
    pub fn finish(&mut self, eve: &mut EveSink) {
        self.until(u64::MAX, eve);
        self.context.finish();
        self.feed.notes().for_each(|n| eprintln!("tidegate: {n}"));
    }
}
