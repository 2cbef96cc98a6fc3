//! What was found: the worst finding, its reason, and the names that were reached. Fixed memory.

/// Most names that are kept.
pub const IMPORTS: usize = 32;
const NAME: usize = 96;
const WHY: usize = 200;

/// The verdict on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// All of it was read, and nothing in it runs.
    Clean,
    /// It could not be read to its end, or only in part.
    Unreadable,
    /// It was read, but what it names, or what it is, is not known.
    Unknown,
    Suspicious,
    Malicious,
}

impl Judgement {
    /// From the best to the worst.
    pub const ALL: [Judgement; 5] =
        [Self::Clean, Self::Unreadable, Self::Unknown, Self::Suspicious, Self::Malicious];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }

    /// 0 to 100.
    #[must_use]
    pub const fn risk(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Unreadable => 30,
            Self::Unknown => 40,
            Self::Suspicious => 75,
            Self::Malicious => 95,
        }
    }
}

/// Short text in fixed memory.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    /// Adds printable ASCII; other bytes become `?`, what has no room is left out.
    pub fn add(&mut self, text: &[u8]) {
        for &b in text {
            let Some(place) = self.bytes.get_mut(self.len) else { return };
            *place = if (0x20..0x7f).contains(&b) { b } else { b'?' };
            self.len += 1;
        }
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    pub fn text(&self) -> &str {
        core::str::from_utf8(self.bytes()).unwrap_or("")
    }
}

/// All that is known so far.
#[derive(Clone)]
pub struct Report {
    worst: Judgement,
    why: Text<WHY>,
    imports: [Text<NAME>; IMPORTS],
    imported: usize,
    /// Name of the member that is read.
    pub(super) member: Text<64>,
    pub format: &'static str,
    /// Its name says that it is a model.
    pub claimed: bool,
    /// Something was read to its end as what it is.
    pub understood: bool,
    /// Bytes that decompression gave.
    pub expanded: u64,
    /// What [`Report::expanded`] may become, as far as its sender is concerned.
    pub may: u64,
    /// What else it cost, in bytes of decoding, and what that may become.
    pub cost: u64,
    pub may_cost: u64,
    /// Its sender may have no more of it read.
    pub stopped: bool,
    /// Bytes that came.
    pub bytes: u64,
}

impl Default for Report {
    fn default() -> Self {
        Report::new()
    }
}

impl core::fmt::Debug for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Report")
            .field("worst", &self.worst)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// What a file may become by its bytes: deflate makes 1,032 of one at most. And what any file may, which is what one that is
/// tiny costs.
const RATIO: u64 = 1100;
const FREE: u64 = 8 << 20;
/// Beyond that only what is about as dense as weights and texts are goes on.
const MOST: u64 = 1 << 30;
const DENSE: u64 = 64;

impl Report {
    /// So many bytes came out. `true`: no more may, and the reason is noted.
    pub(super) fn grew(&mut self, bytes: usize) -> bool {
        self.expanded = self.expanded.saturating_add(bytes as u64);
        if self.expands_without_measure() {
            self.find(Judgement::Suspicious, "archive that expands without measure", &[]);
        } else if self.expanded > self.may {
            self.find(
                Judgement::Unreadable,
                "archive that expands to more than its sender may have decoded now",
                &[],
            );
        }
        self.is_spent()
    }

    /// No more may come out of it.
    pub(super) fn is_spent(&self) -> bool {
        self.expanded > self.may || self.expands_without_measure()
    }

    /// More came out of it than a file of its length may become.
    pub(super) fn expands_without_measure(&self) -> bool {
        let most = self.bytes.saturating_mul(DENSE).max(MOST);
        self.expanded > self.bytes.saturating_mul(RATIO).saturating_add(FREE).min(most)
    }

    /// Nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            worst: Judgement::Clean,
            why: Text::EMPTY,
            imports: [Text::EMPTY; IMPORTS],
            imported: 0,
            member: Text::EMPTY,
            format: "",
            claimed: false,
            understood: false,
            expanded: 0,
            may: u64::MAX,
            cost: 0,
            may_cost: u64::MAX,
            stopped: false,
            bytes: 0,
        }
    }

    /// Its sender may have no more of it read now: it ends here, and that is said.
    pub(super) fn is_over(&mut self) -> bool {
        if self.cost > self.may_cost && !self.stopped {
            self.stop();
        }
        self.stopped
    }

    /// Nothing more of it is read.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.find(Judgement::Unreadable, "more to read than its sender may have read now", &[]);
    }

    /// Notes a finding; the first of the worst kind says why.
    pub fn find(&mut self, j: Judgement, what: &str, detail: &[&[u8]]) {
        if j <= self.worst && !(self.why.len == 0 && j == self.worst) {
            return;
        }
        self.worst = j;
        self.why = Text::EMPTY;
        if self.member.len > 0 {
            self.why.add(self.member.bytes());
            self.why.add(b": ");
        }
        self.why.add(what.as_bytes());
        detail.iter().for_each(|d| self.why.add(d));
    }

    /// Notes a name that a pickle reached.
    pub fn import(&mut self, module: &str, name: &str) {
        let mut t = Text::EMPTY;
        t.add(module.as_bytes());
        t.add(b".");
        t.add(name.as_bytes());
        let known = self.imports.iter().take(self.imported).any(|i: &Text<NAME>| i.bytes() == t.bytes());
        if let (false, Some(place)) = (known, self.imports.get_mut(self.imported)) {
            *place = t;
            self.imported += 1;
        }
    }

    /// The format of the outermost thing that was recognised.
    pub fn format(&mut self, name: &'static str) {
        if self.format.is_empty() {
            self.format = name;
        }
    }

    pub const fn worst(&self) -> Judgement {
        self.worst
    }
}

/// The verdict on one file, borrowed from what read it.
pub struct Verdict<'a> {
    pub judgement: Judgement,
    /// What the file is: `pickle`, `zip`, `gguf`, …; empty when nothing was recognised.
    pub format: &'static str,
    /// 0 to 100.
    pub risk: u8,
    report: &'a Report,
}

impl<'a> Verdict<'a> {
    /// What a report says.
    #[must_use]
    pub fn of(report: &'a Report) -> Self {
        Self { judgement: report.worst, format: report.format, risk: report.worst.risk(), report }
    }

    /// Whether it is a model file, or does what one must not: other archives and texts need no word.
    #[must_use]
    pub fn is_of_model(&self) -> bool {
        match self.judgement {
            Judgement::Suspicious | Judgement::Malicious => true,
            Judgement::Unreadable => self.format != "json",
            Judgement::Clean | Judgement::Unknown => {
                self.report.understood && !matches!(self.format, "" | "json")
            }
        }
    }

    /// Whether it is told: also of a file that has the name of a model, and in which none was found.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.is_of_model() || (self.report.claimed && self.judgement == Judgement::Unknown)
    }

    /// Bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.report.bytes
    }

    /// One sentence; empty for what is clean.
    #[must_use]
    pub fn why(&self) -> &'a str {
        self.report.why.text()
    }

    /// The names that pickles reached, `module.name`, in order, the first [`IMPORTS`].
    pub fn imports(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let report = self.report;
        report.imports.iter().take(report.imported).map(Text::text)
    }
}
