//! A window of telemetry as it is told: figures, what deviates, and why in a sentence.

use super::telemetry::{ALL, Changing, Deviation, Figure, Series};
use super::{Body, address, time};
use crate::event::Fields;

/// A window as it is told.
pub(super) struct Finding<'a> {
    pub(super) series: &'a Series,
    pub(super) to: u64,
    pub(super) learning: bool,
    pub(super) figures: [Option<f64>; ALL],
    pub(super) deviations: &'a [Deviation],
}

impl Body for Finding<'_> {
    fn fields(&self, out: &mut dyn Fields) {
        let s = self.series;
        address(out, "address", &s.addr, s.v6);
        out.u64("port", u64::from(s.port));
        out.str("provider", s.provider);
        out.bytes("model", s.model.get());
        if !s.answers.now.is_empty() && s.answers.now != s.model {
            out.bytes("response_model", s.answers.now.get());
        }
        if !s.software.now.is_empty() {
            out.bytes("server", s.software.now.get());
        }
        out.begin_object("window");
        time(out, "from", s.from);
        time(out, "to", self.to);
        out.end_object();
        let off = !self.deviations.is_empty();
        out.str(
            "state",
            if self.learning {
                "learning"
            } else if off {
                "deviating"
            } else {
                "ordinary"
            },
        );
        out.begin_object("figures");
        for f in Figure::LIST {
            if let Some(x) = self.figures[f as usize] {
                out.f64(f.name(), x);
            }
        }
        out.end_object();
        if off {
            out.begin_array("deviations");
            for d in self.deviations {
                out.begin_object("");
                self.deviation(d, out);
                out.end_object();
            }
            out.end_array();
        }
    }
}

impl Finding<'_> {
    fn deviation(&self, d: &Deviation, out: &mut dyn Fields) {
        out.str("figure", d.figure.name());
        out.f64("from", d.from);
        out.f64("to", d.to);
        time(out, "since", d.since);
        if let Some(c) = &d.carrier {
            address(out, "client", &c.client, c.v6);
            out.f64("client_share", libm::round(c.share * 100.0) / 100.0);
        }
        let (cause, what) = self.cause(d);
        out.str("cause", cause);
        let name = d.figure.name();
        let moved = format_args!("{name} went from {} to {}", d.from, d.to);
        match (cause, what, &d.carrier) {
            ("client", _, Some(_)) if d.figure == Figure::TopClient => {
                let percent = |x: f64| libm::round(x * 100.0);
                let (now, before) = (percent(d.to), percent(d.from));
                out.fmt(
                    "why",
                    format_args!(
                        "one client asks {now} % of all that is asked, where the busiest had {before} %"
                    ),
                );
            }
            ("client", _, Some(c)) => {
                let percent = libm::round(c.share * 100.0);
                out.fmt("why", format_args!("{moved}: {percent} % of it from one client"));
            }
            (_, Some(w), _) => {
                out.fmt(
                    "why",
                    format_args!("{moved}, as the {cause} changed from {} to {}", w.before, w.now),
                );
            }
            ("several", ..) => {
                out.fmt("why", format_args!("{moved} for all clients, and other figures with it: the model or its server is not what it was"));
            }
            _ => out.fmt("why", format_args!("{moved} for all clients")),
        }
    }

    /// `client`, `model`, `server`, `several` figures at once, or `everybody`; and what changed.
    fn cause(&self, d: &Deviation) -> (&'static str, Option<&Changing>) {
        if d.carrier.is_some() {
            return ("client", None);
        }
        let s = self.series;
        let near = |c: &Changing| c.at > 0 && c.at + (self.to - s.from) >= d.since && c.at <= self.to;
        if near(&s.answers) {
            return ("model", Some(&s.answers));
        }
        if near(&s.software) {
            return ("server", Some(&s.software));
        }
        let makes = |f: Figure| {
            matches!(f, Figure::Confidence | Figure::TokensPerSecond | Figure::CompletionBytes | Figure::Ttft)
        };
        let others = self.deviations.iter().filter(|o| o.carrier.is_none() && makes(o.figure)).count();
        if others >= 2 && makes(d.figure) { ("several", None) } else { ("everybody", None) }
    }
}
