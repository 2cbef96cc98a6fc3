//! How the figures of a model move, by server and model and window of time, against what was learned.
//!
//! In: calls. Out: a summary a window, with what deviates from the baseline, since when, who carries it and what changed at the
//! time. Owns a series for each server and model: figures of the window at hand, the baseline, the clients that ask most.
//!
//! A figure of a window is the mean of its calls: of times, rates and lengths that of their logarithms, as these are skewed.
//! It deviates when it is many standard errors from the baseline, counting both how calls differ within a window and how windows
//! differ from each other, and when the difference is one that matters. The baseline goes on slowly with windows that do not
//! deviate.

use super::clients::{Carrier, Clients};
use super::facts::Facts;
use super::table::{Found, Table};
use super::told::Finding;
use super::{Short, Summary};
use crate::keyed::Sip13;
use crate::packet::Addr;

/// Places that a series may have.
const WAYS: usize = 4;
/// Standard errors that count.
const SIGMAS: f64 = 5.0;
/// Weight of a new window in the baseline, once it is learned.
const SLOW: f64 = 1.0 / 64.0;
/// Windows after which a level that stays is the new baseline.
const SETTLED: u8 = 12;

/// Settings of telemetry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Length of a window, ns.
    pub window: u64,
    /// Windows that are learned from before anything deviates.
    pub learn: u32,
    /// Least calls of a window that counts.
    pub least: u32,
    /// Least change that matters: of a rate in points, of any other figure in percent.
    pub points: f64,
    pub percent: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig { window: 3_600_000_000_000, learn: 24, least: 30, points: 5.0, percent: 30.0 }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Figure {
    Errors,
    Refusals,
    Risk,
    Ttft,
    Duration,
    TokensPerSecond,
    PromptBytes,
    CompletionBytes,
    Confidence,
    /// Calls of a window, and the share of the client that asks most: of the window as a whole.
    Calls,
    TopClient,
}

/// Figures that calls have; the others are a window's.
pub(super) const OF_CALLS: usize = Figure::Calls as usize;
pub(super) const ALL: usize = Figure::TopClient as usize + 1;

/// How a figure is averaged.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    /// 0 or 1 a call, or a share.
    Rate,
    /// By logarithms; the number is what one unit of the record is in that of the sum.
    Log(f64),
    /// As it is.
    Plain,
}

impl Figure {
    pub const LIST: [Figure; ALL] = [
        Figure::Errors,
        Figure::Refusals,
        Figure::Risk,
        Figure::Ttft,
        Figure::Duration,
        Figure::TokensPerSecond,
        Figure::PromptBytes,
        Figure::CompletionBytes,
        Figure::Confidence,
        Figure::Calls,
        Figure::TopClient,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Figure::Errors => "error_rate",
            Figure::Refusals => "refusal_rate",
            Figure::Risk => "risk_rate",
            Figure::Ttft => "ttft_ms",
            Figure::Duration => "duration_ms",
            Figure::TokensPerSecond => "tokens_per_s",
            Figure::PromptBytes => "prompt_bytes",
            Figure::CompletionBytes => "completion_bytes",
            Figure::Confidence => "confidence",
            Figure::Calls => "calls",
            Figure::TopClient => "top_client_share",
        }
    }

    const fn scale(self) -> Scale {
        match self {
            Figure::Errors | Figure::Refusals | Figure::Risk | Figure::TopClient => Scale::Rate,
            Figure::Ttft | Figure::Duration => Scale::Log(1e6),
            Figure::TokensPerSecond | Figure::PromptBytes | Figure::CompletionBytes | Figure::Calls => {
                Scale::Log(1.0)
            }
            Figure::Confidence => Scale::Plain,
        }
    }

    /// What a call says of the figure, on its scale.
    pub(super) fn of(self, f: &Facts) -> Option<f64> {
        let answered = |b| f.answered.then_some(b);
        let raw = match self {
            Figure::Errors => Some(f64::from(u8::from(!f.answered))),
            Figure::Refusals => answered(f64::from(u8::from(f.refused))),
            Figure::Risk => f.risky.map(|r| f64::from(u8::from(r))),
            Figure::Ttft => f.ttft.map(|n| n as f64).and_then(answered),
            Figure::Duration => f.duration.map(|n| n as f64).and_then(answered),
            Figure::TokensPerSecond => f.rate,
            Figure::PromptBytes => (f.prompt_bytes > 0).then_some(f.prompt_bytes as f64),
            Figure::CompletionBytes => (f.completion_bytes > 0).then_some(f.completion_bytes as f64),
            Figure::Confidence => f.confidence,
            Figure::Calls | Figure::TopClient => None,
        }?;
        Some(self.scaled(raw))
    }

    fn scaled(self, raw: f64) -> f64 {
        match self.scale() {
            Scale::Log(unit) => libm::log1p(raw / unit),
            _ => raw,
        }
    }

    /// On the scale of the record.
    fn shown(self, x: f64) -> f64 {
        let v = match self.scale() {
            Scale::Log(_) => libm::expm1(x),
            _ => x,
        };
        libm::round(v * 1000.0) / 1000.0
    }
}

/// Values of a figure in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    pub(super) n: u32,
    pub(super) sum: f64,
    pub(super) squares: f64,
}

impl Mean {
    pub(super) fn add(&mut self, x: f64) {
        self.n += 1;
        self.sum += x;
        self.squares += x * x;
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.n.max(1))
    }

    fn variance(&self) -> f64 {
        let m = self.mean();
        (self.squares / f64::from(self.n.max(1)) - m * m).max(0.0)
    }
}

/// What was learned of a figure.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    windows: u32,
    mean: f64,
    /// Variance of calls in a window, and of windows' means.
    within: f64,
    between: f64,
    /// It deviates since that window, and for so many.
    since: u64,
    off: u8,
}

/// What deviates.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    pub figure: Figure,
    pub from: f64,
    pub to: f64,
    /// Begin of the first window that deviated, ns.
    pub since: u64,
    pub carrier: Option<Carrier>,
}

/// A server's model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    pub(super) addr: Addr,
    pub(super) port: u16,
    pub(super) v6: bool,
    pub(super) provider: &'static str,
    pub(super) model: Short<48>,
    /// Begin of the window, ns, and the last call.
    pub(super) from: u64,
    last: u64,
    calls: u32,
    figures: [Mean; OF_CALLS],
    base: [Base; ALL],
    clients: Clients,
    pub(super) answers: Changing,
    pub(super) software: Changing,
}

/// A name that may change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changing {
    pub(super) now: Short<48>,
    pub(super) before: Short<48>,
    /// When it changed last, ns; 0: never.
    pub(super) at: u64,
}

impl Changing {
    fn see(&mut self, name: &Short<48>, at: u64) {
        if name.is_empty() || *name == self.now {
            return;
        }
        if !self.now.is_empty() {
            (self.before, self.at) = (self.now, at);
        }
        self.now = *name;
    }
}

/// All series of one engine.
pub(super) struct Telemetry {
    table: Table<Series, WAYS>,
    key: Sip13,
    cfg: TelemetryConfig,
    /// Number of the window at hand.
    window: u64,
}

impl Telemetry {
    /// As many series as `bytes` have room for.
    pub(super) fn new(bytes: usize, key: Sip13, cfg: TelemetryConfig) -> Self {
        Telemetry { table: Table::new(bytes), key, cfg, window: 0 }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    pub(super) fn call(&mut self, f: &Facts, tell: &mut dyn FnMut(Summary<'_>)) {
        if f.asked.is_empty() || (f.status == 0 && !f.answered) {
            return;
        }
        let cfg = self.cfg;
        let s = self.entry(f);
        let start = f.at / cfg.window * cfg.window;
        if start > s.from {
            s.close(&cfg, tell);
            s.from = start;
        }
        s.add(f);
    }

    fn entry(&mut self, f: &Facts) -> &mut Series {
        let [hi, lo] = super::halves(&f.server);
        // Clients choose names: under the key, so that they cannot choose places.
        let hash = self.key.text(f.asked.get(), self.key.words([hi, lo, u64::from(f.port)]));
        let is = |s: &Series| s.addr == f.server && s.port == f.port && s.v6 == f.v6 && s.model == f.asked;
        let i = match self.table.find(hash, is, |s| s.last) {
            Found::Here(i) => i,
            Found::Room(room) => {
                let new = Series {
                    addr: f.server,
                    port: f.port,
                    v6: f.v6,
                    provider: f.provider,
                    model: f.asked,
                    from: f.at / self.cfg.window * self.cfg.window,
                    ..Series::EMPTY
                };
                self.table.put(&room, new)
            }
        };
        self.table.at(i)
    }

    pub(super) fn tick(&mut self, now: u64, tell: &mut dyn FnMut(Summary<'_>)) {
        let (cfg, window) = (self.cfg, now / self.cfg.window);
        if window <= self.window {
            return;
        }
        self.window = window;
        for s in self.table.iter_mut().filter(|s| s.calls > 0 && s.from / cfg.window < window) {
            s.close(&cfg, tell);
            s.from = window * cfg.window;
        }
    }

    pub(super) fn finish(&mut self, tell: &mut dyn FnMut(Summary<'_>)) {
        let cfg = self.cfg;
        for s in self.table.iter_mut().filter(|s| s.calls > 0) {
            s.close(&cfg, tell);
        }
    }
}

impl Series {
    const EMPTY: Series = Series {
        addr: Addr([0; 16]),
        port: 0,
        v6: false,
        provider: "",
        model: Short::EMPTY,
        from: 0,
        last: 0,
        calls: 0,
        figures: [Mean { n: 0, sum: 0.0, squares: 0.0 }; OF_CALLS],
        base: [Base { windows: 0, mean: 0.0, within: 0.0, between: 0.0, since: 0, off: 0 }; ALL],
        clients: Clients::EMPTY,
        answers: Changing { now: Short::EMPTY, before: Short::EMPTY, at: 0 },
        software: Changing { now: Short::EMPTY, before: Short::EMPTY, at: 0 },
    };

    fn add(&mut self, f: &Facts) {
        self.calls += 1;
        self.last = f.at;
        self.answers.see(&f.model, f.at);
        self.software.see(&f.software, f.at);
        for (figure, mean) in Figure::LIST.into_iter().zip(&mut self.figures) {
            if let Some(x) = figure.of(f) {
                mean.add(x);
            }
        }
        self.clients.add(f);
    }

    /// The window's mean of a figure, how many values it has, and their variance.
    fn window(&self, figure: Figure) -> Option<(f64, f64, f64)> {
        let n = f64::from(self.calls);
        match figure {
            Figure::Calls => Some((figure.scaled(n), 1.0, 0.0)),
            Figure::TopClient => {
                let share = self.clients.top().map_or(0.0, |c| f64::from(c.calls) / n);
                Some((share, n, share * (1.0 - share)))
            }
            f => {
                let m = &self.figures[f as usize];
                (m.n > 0).then(|| (m.mean(), f64::from(m.n), m.variance()))
            }
        }
    }

    /// The window is over: it is compared, learned from and told.
    fn close(&mut self, cfg: &TelemetryConfig, tell: &mut dyn FnMut(Summary<'_>)) {
        let mut found: [Option<Deviation>; ALL] = [None; ALL];
        let mut figures = [None; ALL];
        let enough = self.calls >= cfg.least;
        let learning = self.base[Figure::Calls as usize].windows < cfg.learn;
        for figure in Figure::LIST {
            let Some((x, n, var)) = self.window(figure) else { continue };
            figures[figure as usize] = Some(figure.shown(x));
            if enough && (figure == Figure::Calls || n >= f64::from(cfg.least.min(10))) {
                found[figure as usize] = self.compare(figure, (x, n, var), cfg);
            }
        }
        let mut told =
            [Deviation { figure: Figure::Calls, from: 0.0, to: 0.0, since: 0, carrier: None }; ALL];
        let mut count = 0;
        for d in found.into_iter().flatten() {
            told[count] = d;
            count += 1;
        }
        let to = self.from + cfg.window;
        let body = Finding { series: self, to, learning, figures, deviations: &told[..count] };
        tell(Summary { record: "ai_telemetry", ts: self.last, body: &body });
        self.calls = 0;
        self.figures = [Mean::default(); OF_CALLS];
        self.clients = Clients::EMPTY;
    }

    /// Compares a figure of the window with its baseline, which goes on; what deviates is given once.
    fn compare(
        &mut self,
        figure: Figure,
        (x, n, var): (f64, f64, f64),
        cfg: &TelemetryConfig,
    ) -> Option<Deviation> {
        let b = self.base[figure as usize];
        if b.windows < cfg.learn {
            self.base[figure as usize].learn(x, n, var, 1.0 / f64::from(b.windows + 1));
            return None;
        }
        let rate = figure.scale() == Scale::Rate;
        // Of a rate that was never seen the variance is that of one call in all those learned from.
        let floor = if rate { (b.mean * (1.0 - b.mean)).max(0.002) } else { 0.0 };
        let error = libm::sqrt(b.between + b.within.max(floor).max(if rate { 0.0 } else { var * 0.25 }) / n)
            .max(1e-9);
        let change = match figure.scale() {
            Scale::Rate => (x - b.mean).abs() * 100.0 / cfg.points,
            Scale::Log(_) => libm::expm1((x - b.mean).abs()) * 100.0 / figure.least_percent(cfg),
            Scale::Plain => ((x - b.mean) / b.mean.abs().max(1e-9)).abs() * 100.0 / (cfg.percent / 3.0),
        };
        // A client that asks less than the busiest did is nothing to tell.
        let matters = figure != Figure::TopClient || (x > b.mean && x > 0.3);
        let off = (x - b.mean).abs() > SIGMAS * error && change >= 1.0 && matters;
        let from = self.from;
        let base = &mut self.base[figure as usize];
        if !off {
            base.off = 0;
            base.learn(x, n, var, SLOW);
            return None;
        }
        base.off = base.off.saturating_add(1);
        if base.off == 1 {
            base.since = from;
        }
        let (since, first) = (base.since, base.off == 1);
        if base.off >= SETTLED {
            // It stays: this is how it is now.
            (base.mean, base.off) = (x, 0);
        }
        if !first {
            return None;
        }
        let carrier = self.clients.carrier(figure, &self.figures, self.calls, |rest| {
            (rest - b.mean).abs() <= SIGMAS * error || (rest - b.mean).signum() != (x - b.mean).signum()
        });
        Some(Deviation { figure, from: figure.shown(b.mean), to: figure.shown(x), since, carrier })
    }
}

impl Figure {
    /// Calls go up and down by day and night: only much more is out of the ordinary.
    fn least_percent(self, cfg: &TelemetryConfig) -> f64 {
        if self == Figure::Calls { cfg.percent.max(100.0) } else { cfg.percent }
    }
}

impl Base {
    fn learn(&mut self, x: f64, n: f64, var: f64, weight: f64) {
        let d = x - self.mean;
        self.mean += d * weight;
        self.within += (var - self.within) * weight;
        // What windows differ by beyond what their calls explain.
        if self.windows > 0 {
            let beyond = (d * d - self.within / n).max(0.0);
            // A slow drift must not teach that windows differ much.
            let most = if weight > SLOW { f64::MAX } else { 4.0 * (self.between + self.within / n) };
            self.between += (beyond.min(most) - self.between) * weight;
        }
        self.windows = self.windows.saturating_add(1);
    }
}
