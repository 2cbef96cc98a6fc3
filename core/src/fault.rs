//! Faults on request, for tests of what becomes of a caught panic (feature `faults`; without it nothing of this is built in).

/// Where the engine is to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Station {
    Decode,
    Flow,
    Stream,
    App,
    /// While the detector has its rules lent out.
    Detect,
}

impl Station {
    pub const ALL: [Station; 5] =
        [Station::Decode, Station::Flow, Station::Stream, Station::App, Station::Detect];

    pub fn from_name(name: &str) -> Option<Station> {
        Station::ALL.into_iter().find(|s| s.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Station::Decode => "decode",
            Station::Flow => "flow",
            Station::Stream => "stream",
            Station::App => "app",
            Station::Detect => "detect",
        }
    }
}

/// The fault that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    #[cfg(feature = "faults")]
    at: Option<Station>,
}

impl Faults {
    /// Asks for a fault; `false` when none can be had.
    pub(crate) fn ask(&mut self, at: Station) -> bool {
        #[cfg(feature = "faults")]
        {
            self.at = Some(at);
        }
        let _ = at;
        cfg!(feature = "faults")
    }

    /// Panics if that was asked for here.
    #[inline(always)]
    pub(crate) fn here(&mut self, at: Station) {
        #[cfg(feature = "faults")]
        if self.at == Some(at) {
            self.at = None;
            panic!("a fault was asked for ({})", at.name());
        }
        let _ = at;
    }
}
