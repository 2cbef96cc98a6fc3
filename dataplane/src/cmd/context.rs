//! `--context` and `context` of the configuration: tables are made, and what fills them is opened.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_core::Secret;

use crate::config::Settings;
use crate::context::Context;

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
