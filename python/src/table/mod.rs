//! Tables of captures: flows, alerts, records of protocols, packets. Captures go in; Arrow record batches come out as
//! they are made, so memory does not grow with the capture.

mod column;
mod flows;
mod packets;
mod record;
mod rows;
mod stats;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tidegate_core::Dir;
use tidegate_core::app::AppProto;
use tidegate_core::event::{Alert, Event, EventSink, PacketSeen};

use crate::errors;
use crate::events::entered;
use crate::run::{Fault, Progress, Reading, Run, Source, Step, turn};
use column::Kind;
use flows::Flows;
use packets::Packets;
use record::{Collect, Wanted};
use rows::{Ends, HEAD, Rows, Spec};
use stats::{Asked, GROUPS};

/// What the table of alerts has behind the head.
const ALERT: [Spec; 9] = [
    ("gid", Kind::U32),
    ("sid", Kind::U32),
    ("rev", Kind::U32),
    ("signature", Kind::Str),
    ("category", Kind::Str),
    ("severity", Kind::U32),
    ("action", Kind::Str),
    ("app_proto", Kind::Str),
    ("direction", Kind::Str),
];

/// Which table.
enum What {
    Flows(Box<Flows>),
    Alerts,
    Records(&'static str, &'static [Wanted]),
}

/// Makes rows of what an engine says.
struct Sink {
    what: What,
    rows: Rows,
}

impl Sink {
    fn alert(&mut self, a: &Alert<'_>) {
        let r = &mut self.rows;
        r.next().number(a.packet.ts);
        r.next().maybe(a.flow.map(|f| f.id()));
        r.next().maybe((a.packet.index != 0).then_some(a.packet.index));
        Ends::of_packet(a.packet).fill(r);
        for n in [a.rule.gid, a.rule.sid, a.rule.rev] {
            r.next().number(u64::from(n));
        }
        r.next().text(&a.rule.msg);
        r.next().text(&a.rule.category);
        r.next().number(u64::from(a.rule.priority));
        r.next().text(if a.allowed { "allowed" } else { "blocked" });
        match a.flow.map(|f| f.extra.app) {
            None | Some(AppProto::UNKNOWN) => r.next().null(),
            Some(p) => r.next().text(p.name()),
        }
        match a.flow {
            Some(_) => r.next().text(if a.dir == Dir::ToServer { "to_server" } else { "to_client" }),
            None => r.next().null(),
        }
        r.end();
    }
}

impl EventSink for Sink {
    fn event(&mut self, event: Event<'_>) {
        match (&mut self.what, event) {
            (What::Flows(t), Event::Flow(f)) => t.flow(&f, &mut self.rows),
            (What::Alerts, Event::Alert(a)) if !a.tagged => self.alert(a),
            (What::Records(name, wanted), Event::Tx(t)) if t.tx.record() == *name => {
                let r = &mut self.rows;
                r.next().number(t.packet.ts);
                r.next().number(t.flow.id());
                r.next().maybe((t.packet.index != 0).then_some(t.packet.index));
                Ends::of_flow(&t.flow, t.dir == Dir::ToClient).fill(r);
                t.tx.log(t.dir, &mut Collect::new(r, wanted));
                r.end();
            }
            _ => {}
        }
    }

    #[inline]
    fn packet(&mut self, seen: &PacketSeen<'_>) {
        if let What::Flows(t) = &mut self.what {
            t.packet(seen);
        }
    }

    #[inline]
    fn packet_soon(&mut self, place: usize) {
        if let What::Flows(t) = &self.what {
            t.soon(place);
        }
    }
}

/// Where rows come from.
enum From {
    Engine(Box<(Run, Sink)>),
    Frames(Box<(Source, Packets)>),
}

/// A table being made.
struct Making {
    from: From,
    schema: SchemaRef,
    ready: VecDeque<RecordBatch>,
    ended: bool,
}

impl Making {
    fn source(&self) -> &Source {
        match &self.from {
            From::Engine(e) => &e.0.source,
            From::Frames(f) => &f.0,
        }
    }

    /// Reads some more; `false` when everything is in batches that are ready.
    fn step(&mut self) -> Result<bool, MakeError> {
        if self.ended {
            return Ok(false);
        }
        let (end, rows) = match &mut self.from {
            From::Engine(e) => {
                let (run, sink) = &mut **e;
                let end = matches!(run.step(sink)?, Step::End);
                if let What::Flows(t) = &mut sink.what
                    && (end || sink.rows.is_full())
                {
                    t.settle(&mut sink.rows);
                }
                (end, &mut sink.rows)
            }
            From::Frames(f) => {
                let (source, packets) = &mut **f;
                (matches!(source.next(|frames| packets.frames(frames))?, Step::End), &mut packets.rows)
            }
        };
        if rows.is_full() || end && rows.len() > 0 {
            self.ready.push_back(rows.batch()?);
        }
        self.ended = end;
        Ok(!end)
    }
}

/// Why a table could not be made.
enum MakeError {
    Read(Fault),
    Arrow(ArrowError),
}

impl std::convert::From<Fault> for MakeError {
    fn from(f: Fault) -> Self {
        MakeError::Read(f)
    }
}

impl std::convert::From<ArrowError> for MakeError {
    fn from(e: ArrowError) -> Self {
        MakeError::Arrow(e)
    }
}

/// Gives batches to an Arrow consumer, reading on as it asks for them.
struct Reader {
    making: Arc<Mutex<Making>>,
    schema: SchemaRef,
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut m = self.making.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            if let Some(batch) = m.ready.pop_front() {
                return Some(Ok(batch));
            }
            match m.step() {
                Ok(true) => {}
                Ok(false) if m.ready.is_empty() => return None,
                Ok(false) => {}
                Err(MakeError::Arrow(e)) => return Some(Err(e)),
                Err(MakeError::Read(f)) => {
                    let text = format!("{}: {}", f.path.display(), f.error);
                    return Some(Err(ArrowError::IoError(text, std::io::Error::other(f.error.to_string()))));
                }
            }
        }
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// One reading of captures into one table.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct TableRun {
    making: Arc<Mutex<Making>>,
    progress: Arc<Progress>,
}

#[pymethods]
impl TableRun {
    /// `kind`: flows, alerts, http, dns, tls or packets. `statistics`: groups for flows.
    #[new]
    fn new(
        py: Python<'_>,
        reading: &Reading,
        kind: &str,
        statistics: Vec<String>,
        first: usize,
    ) -> PyResult<Self> {
        let mut asked = Asked { groups: 0, first };
        for name in &statistics {
            let i = GROUPS.iter().position(|g| g.name == name).ok_or_else(|| {
                let known: Vec<&str> = GROUPS.iter().map(|g| g.name).collect();
                errors::config(py, format!("statistics {name}: there is only {}", known.join(", ")))
            })?;
            asked.groups |= 1 << i;
        }
        let records = |wanted: &'static [Wanted]| (record::specs(wanted), wanted);
        let shown = matches!(kind, "http" | "dns" | "tls");
        let tell_packets = kind == "flows" && asked.groups != 0;
        let made = py.detach(|| -> Result<From, String> {
            if kind == "packets" {
                return Ok(From::Frames(Box::new((reading.frames()?, Packets::new()))));
            }
            let (run, _, places) = reading.run(shown, tell_packets)?;
            let (what, specs) = match kind {
                "flows" => (What::Flows(Box::new(Flows::new(asked, places))), flows::specs(asked)),
                "alerts" => (What::Alerts, HEAD.into_iter().chain(ALERT).collect()),
                _ => {
                    let (name, (specs, wanted)) = match kind {
                        "http" => ("http", records(&record::HTTP)),
                        "dns" => ("dns", records(&record::DNS)),
                        "tls" => ("tls", records(&record::TLS)),
                        _ => return Err(format!("{kind}: there is no such table")),
                    };
                    (What::Records(name, wanted), specs)
                }
            };
            Ok(From::Engine(Box::new((run, Sink { what, rows: Rows::new(&specs) }))))
        });
        let from = made.map_err(|e| errors::config(py, e))?;
        let (schema, progress) = match &from {
            From::Engine(e) => (e.1.rows.schema.clone(), e.0.source.progress.clone()),
            From::Frames(f) => (f.1.rows.schema.clone(), f.0.progress.clone()),
        };
        let making = Making { from, schema, ready: VecDeque::new(), ended: false };
        Ok(TableRun { making: Arc::new(Mutex::new(making)), progress })
    }

    /// Reads on for a while and keeps what was made; `false` when all of it is there.
    fn advance(&self, py: Python<'_>) -> PyResult<bool> {
        let mut m = entered(py, &self.making);
        let m = &mut *m;
        py.detach(|| turn(|| m.step())).map_err(|e| match e {
            MakeError::Read(f) => errors::capture(py, &f.path, &f.error),
            MakeError::Arrow(e) => errors::config(py, e),
        })
    }

    /// The batches that are kept, and then those still to come, once.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Consumers must be ready for another schema than they asked for; this one is the only one.
        drop(requested_schema);
        let schema = entered(py, &self.making).schema.clone();
        let reader = Reader { making: self.making.clone(), schema };
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// Names and types of the columns.
    fn columns(&self, py: Python<'_>) -> Vec<(String, String)> {
        let m = entered(py, &self.making);
        m.schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect()
    }

    /// Bytes of files and packets read so far. Never waits.
    fn progress(&self) -> (u64, u64) {
        self.progress.told()
    }

    /// Captures that ended before their end.
    fn damaged(&self, py: Python<'_>) -> Vec<String> {
        let m = entered(py, &self.making);
        m.source().damaged.clone()
    }
}

/// The groups of statistics: name, what it is, columns.
#[pyfunction]
pub fn statistics() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    GROUPS.iter().map(|g| (g.name, g.about, g.columns.iter().map(|c| c.0).collect())).collect()
}
