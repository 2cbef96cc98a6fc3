//! Rules: files, text and variables go in; an immutable set comes out that any number of engines and threads share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use tidegate_core::Secret;
use tidegate_core::detect::Rules;
use tidegate_core::engine::Engine;
use tidegate_core::event::Action;
use tidegate_dataplane::config::engine::{Mode, room};
use tidegate_dataplane::config::{ChecksumMode, Overrides, Settings};
use tidegate_dataplane::keys;
use tidegate_dataplane::load::{self, Source};
use tidegate_dataplane::sets::Datasets;

use crate::errors::{self, Refusal};
use crate::held::guarded;

/// Random bytes from the system.
pub fn secret(py: Python<'_>) -> PyResult<Secret> {
    tidegate_dataplane::secret::random().map_err(|e| errors::config(py, e))
}

/// What was said about settings; read as a whole each time it is used.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub config: Option<PathBuf>,
    pub set: Vec<String>,
}

impl Said {
    /// The settings, for an engine whose verdicts are obeyed or not.
    pub fn read(&self, inline: bool) -> Result<Settings, String> {
        Settings::load(self.config.as_deref(), &Overrides { set: &self.set, ips: inline })
            .map(Settings::without_store)
            .map(Settings::without_command)
            .map_err(|e| e.to_string())
    }
}

/// A compiled rule set with what engines need of its loading.
#[derive(Default)]
pub struct Compiled {
    pub rules: Rules,
    sets: Arc<Datasets>,
    said: Said,
    /// Read once, for engines whose verdicts are obeyed and for others.
    settings: [OnceLock<Arc<Settings>>; 2],
}

/// What an engine is to do.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub memory: u64,
    /// Keys the hash tables.
    pub secret: Secret,
    pub inline: bool,
    /// `None`: as the settings say.
    pub ignore_checksums: Option<bool>,
    /// Application protocols are recognised and parsed.
    pub protocols: bool,
    /// Texts of AI calls are judged, whether or not a rule asks for it.
    pub risk: bool,
    /// Transactions are looked at by somebody.
    pub shown: bool,
    pub tell_packets: bool,
    /// What calls of models add up to is looked at, whatever the settings say.
    pub summaries: bool,
}

impl Compiled {
    /// The settings, for an engine whose verdicts are obeyed or not.
    pub fn settings(&self, inline: bool) -> Result<Arc<Settings>, String> {
        let kept = &self.settings[usize::from(inline)];
        if let Some(s) = kept.get() {
            return Ok(s.clone());
        }
        let read = Arc::new(self.said.read(inline)?);
        Ok(kept.get_or_init(|| read).clone())
    }

    /// The rules with their datasets as they were read, for a run of its own.
    pub fn fresh(&self) -> Rules {
        let rules = Arc::new(self.sets.fresh()).rules(self.rules.set.clone());
        rules.with_policy(self.rules.policy.clone()).with_intel(self.rules.intel.clone())
    }

    /// An engine, and how many places its flows have.
    pub fn engine(&self, settings: &Settings, wish: Wish) -> Result<(Engine, usize), String> {
        room(wish.memory)?;
        let ignore_checksums = wish.ignore_checksums.unwrap_or(settings.pcap_checksums == ChecksumMode::No);
        let mode = Mode { ips: wish.inline, ignore_checksums, memory: wish.memory, secret: wish.secret };
        let mut c = settings.engine(mode).map_err(|e| e.to_string())?;
        c.stream.checksum_compute |= wish.ignore_checksums == Some(false);
        c.app.off = !wish.protocols;
        c.app.ai_risk |= wish.risk;
        c.app.shown = wish.shown;
        c.tell_packets = wish.tell_packets;
        if wish.summaries {
            c.ledger.services = true;
            c.ledger.telemetry.get_or_insert_default();
        }
        let places = c.flow.max_flows.next_power_of_two();
        let keys::Whole { secrets, complaints } = keys::all(&settings.keys.files)?;
        // There is no terminal to tell it on.
        if let Some(c) = complaints.into_iter().next() {
            return Err(c);
        }
        let mut engine = Engine::new(c, self.fresh());
        secrets.iter().for_each(|s| _ = engine.tls_secret(s));
        Ok((engine, places))
    }
}

/// What a rule does, as EVE and rules say it.
pub fn action(a: Action) -> &'static str {
    match a {
        Action::Alert => "alert",
        Action::Pass => "pass",
        Action::Drop => "drop",
        Action::Reject => "reject",
        Action::RejectSrc => "rejectsrc",
        Action::RejectDst => "rejectdst",
        Action::RejectBoth => "rejectboth",
    }
}

/// A rule in short: sid, gid, revision, action, message, classtype, severity, text, file number, line.
type Meta = (u32, u32, u32, &'static str, String, String, u32, String);

#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct RuleSetHandle {
    pub compiled: Arc<Compiled>,
    #[pyo3(get)]
    loaded: usize,
    #[pyo3(get)]
    skipped: usize,
    #[pyo3(get)]
    refused: Vec<Refusal>,
    #[pyo3(get)]
    warnings: Vec<Refusal>,
    #[pyo3(get)]
    notes: Vec<String>,
    /// Settings given one by one that are not known or have no effect; those of the configuration.
    #[pyo3(get)]
    idle_settings: (Vec<String>, Vec<String>),
    /// Parts of rules that have no effect, and how many rules have them.
    #[pyo3(get)]
    idle_rules: Vec<(String, usize)>,
    #[pyo3(get)]
    seconds: f64,
}

#[pymethods]
impl RuleSetHandle {
    #[new]
    #[pyo3(signature = (files, texts, config, set, data_dir))]
    fn new(
        py: Python<'_>,
        files: Vec<PathBuf>,
        texts: Vec<(String, String)>,
        config: Option<PathBuf>,
        set: Vec<String>,
        data_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let said = Said { config, set };
        let made = guarded(py, || {
            let settings = said.read(false)?;
            // Given alone, they are told from those of the configuration.
            let own = Said { config: None, set: said.set.clone() }.read(false)?.without_effect();
            let mut others = settings.without_effect();
            others.retain(|o| !own.contains(o));
            let mut from: Vec<Source> = files.into_iter().map(Source::Path).collect();
            from.extend(texts.into_iter().map(|(name, text)| Source::Text { name, text: text.into_bytes() }));
            let loaded = load::load_sources(&from, &settings, data_dir.as_deref())?;
            Ok((loaded, settings, (own, others)))
        })?;
        let (loaded, settings, idle_settings) = made.map_err(|e: String| errors::config(py, e))?;
        let refused = loaded.refused.iter().map(|r| errors::refusal(&loaded, r)).collect();
        let warnings = loaded.warnings.iter().map(|r| errors::refusal(&loaded, r)).collect();
        Ok(RuleSetHandle {
            loaded: loaded.loaded,
            skipped: loaded.skipped,
            refused,
            warnings,
            idle_settings,
            idle_rules: loaded.without_effect(),
            notes: loaded.notes,
            seconds: loaded.took.as_secs_f64(),
            compiled: Arc::new(Compiled {
                rules: loaded.rules,
                sets: loaded.sets,
                said,
                settings: [OnceLock::from(Arc::new(settings)), OnceLock::new()],
            }),
        })
    }

    /// Every rule: sid, gid, revision, action, message, classtype, severity, text.
    fn metas(&self) -> Vec<Meta> {
        let meta = |m: &tidegate_core::rules::RuleMeta| {
            let (msg, class) = (m.msg.clone(), m.classtype.clone());
            (m.sid, m.gid, m.rev, action(m.action), msg, class, m.priority, m.text.clone())
        };
        self.compiled.rules.set.fast_patterns().map(|(m, _)| meta(m)).collect()
    }

    fn __len__(&self) -> usize {
        self.compiled.rules.set.len()
    }
}

impl RuleSetHandle {
    /// Rules loaded, refused, skipped.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.loaded as u64, self.refused.len() as u64, self.skipped as u64)
    }
}

/// Bytes of `256mb`; `None`: it is no size.
#[pyfunction]
pub fn size(text: &str) -> Option<u64> {
    tidegate_dataplane::config::yaml::size(text)
}
