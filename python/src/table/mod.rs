//! Tables of captures: flows, alerts, records of protocols, packets. Captures go in; Arrow record batches come out as
//! they are made, so memory does not grow with the capture. Several tables can be made in one pass.

mod column;
mod flows;
mod more;
mod names;
mod packets;
mod record;
mod rows;
mod sink;
mod stats;

use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tidegate_core::engine::Frame;

use crate::errors;
use crate::events::fail_at;
use crate::held::{Held, guarded};
use crate::run::{Fault, Progress, Reading, Run, Source, Step, turn};
use packets::Packets;
use sink::{Out, Part, Sink, TABLES};
use stats::{Asked, GROUPS};

/// Where rows come from.
enum From {
    Engine(Box<Run>),
    Frames(Box<Source>),
}

/// Tables being made.
struct Making {
    from: From,
    sink: Sink,
    /// Packets need no engine.
    plain: Option<(Packets, Out)>,
    /// For each table asked for its part, or none when it is the one of packets.
    order: Vec<Option<usize>>,
    /// Most rows of the first table that are wanted.
    rows: Option<usize>,
    ended: bool,
}

impl Making {
    fn source(&self) -> &Source {
        match &self.from {
            From::Engine(run) => &run.source,
            From::Frames(source) => source,
        }
    }

    /// The table at place `i` of those asked for.
    fn out(&mut self, i: usize) -> Option<&mut Out> {
        match self.order.get(i)? {
            Some(part) => self.sink.parts.get_mut(*part).map(|p| &mut p.out),
            None => self.plain.as_mut().map(|p| &mut p.1),
        }
    }

    /// Reads some more; `false` when everything is in batches that are ready.
    fn step(&mut self) -> Result<bool, MakeError> {
        if self.ended {
            return Ok(false);
        }
        let plain = &mut self.plain;
        let mut also = |frames: &[Frame<'_>]| {
            if let Some((packets, out)) = plain {
                packets.frames(frames, &mut out.rows);
            }
        };
        let step = match &mut self.from {
            From::Engine(run) => run.step_with(&mut self.sink, also)?,
            From::Frames(source) => source.next(|frames, _| also(frames))?,
        };
        if matches!(step, Step::Opened) {
            let (before, path) = (self.source().before(), self.source().path().to_owned());
            self.sink.opened(before, &path);
            if let Some((_, out)) = &mut self.plain {
                out.rows.opened(before, &path);
            }
        }
        let rows = self.rows;
        let enough = rows.is_some_and(|n| self.out(0).is_some_and(|o| o.len() >= n));
        let end = enough || matches!(step, Step::End);
        self.sink.settle(end)?;
        if let Some((_, out)) = &mut self.plain {
            out.settle(end)?;
        }
        self.ended = end;
        Ok(!end)
    }

    /// The next batch of the first table, read on for.
    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        loop {
            if let Some(batch) = self.out(0)?.ready.pop_front() {
                return Some(Ok(batch));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) if self.out(0)?.ready.is_empty() => return None,
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
    making: Arc<Held<Making>>,
    schema: SchemaRef,
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.making.work_alone(Making::next).unwrap_or_else(|e| Some(Err(ArrowError::ComputeError(e))))
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// What of flows is asked for by names.
fn asked(py: Python<'_>, statistics: &[String], first: usize) -> PyResult<Asked> {
    let mut asked = Asked { groups: 0, first };
    for name in statistics {
        let i = GROUPS.iter().position(|g| g.name == name).ok_or_else(|| {
            let known: Vec<&str> = GROUPS.iter().map(|g| g.name).collect();
            errors::config(py, format!("statistics {name}: there is only {}", known.join(", ")))
        })?;
        asked.groups |= 1 << i;
    }
    Ok(asked)
}

fn no_table(name: &str) -> String {
    let known: Vec<&str> = TABLES.iter().map(|t| t.0).collect();
    format!("{name}: there is no such table, only {}", known.join(", "))
}

/// Begins to make tables.
fn making(reading: &Reading, tables: &[String], asked: Asked) -> Result<Making, String> {
    let specs = |t: &str| sink::specs(t, asked).ok_or_else(|| no_table(t));
    let several = reading.folder;
    let (mut parts, mut order, mut plain) = (Vec::new(), Vec::new(), None);
    let engine = tables.iter().any(|t| t != "packets");
    let shown = tables.iter().any(|t| sink::shows(t, asked));
    let tell_packets = tables.iter().any(|t| sink::tells_packets(t, asked));
    let (from, places) = if engine {
        let summaries = tables.iter().any(|t| sink::sums(t).is_some());
        let (run, _, places) = reading.run(shown, tell_packets, summaries)?;
        (From::Engine(Box::new(run)), places)
    } else {
        (From::Frames(Box::new(reading.frames()?)), 0)
    };
    for t in tables {
        let out = Out::new(&specs(t)?, several);
        order.push(sink::what(t, asked, places).map(|what| {
            parts.push(Part { what, out });
            parts.len() - 1
        }));
        if t == "packets" {
            plain = Some((Packets::new(), Out::new(&specs(t)?, several)));
        }
    }
    Ok(Making { from, sink: Sink { parts }, plain, order, rows: None, ended: false })
}

/// One reading of captures into one table or several.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct TableRun {
    making: Arc<Held<Making>>,
    schemas: Vec<SchemaRef>,
    progress: Arc<Progress>,
}

#[pymethods]
impl TableRun {
    /// `tables`: their names. `statistics`: groups for flows. `rows`: how many of the first table are enough.
    #[new]
    #[pyo3(signature = (reading, tables, statistics, first, rows = None))]
    fn new(
        py: Python<'_>,
        reading: &Reading,
        tables: Vec<String>,
        statistics: Vec<String>,
        first: usize,
        rows: Option<usize>,
    ) -> PyResult<Self> {
        let asked = asked(py, &statistics, first)?;
        if tables.is_empty() {
            return Err(errors::config(py, "no table is asked for"));
        }
        let mut making =
            guarded(py, || making(reading, &tables, asked))?.map_err(|e| errors::config(py, e))?;
        (making.rows, making.ended) = (rows, rows == Some(0));
        let schemas =
            (0..tables.len()).filter_map(|i| making.out(i).map(|o| o.rows.schema.clone())).collect();
        let progress = making.source().progress.clone();
        Ok(TableRun { making: Arc::new(Held::new(making)), schemas, progress })
    }

    /// Reads on for a while and keeps what was made; `false` when all of it is there.
    fn advance(&self, py: Python<'_>) -> PyResult<bool> {
        self.making.work(py, |m| turn(|| m.step()))?.map_err(|e| match e {
            MakeError::Read(f) => errors::capture(py, &f.path, &f.error),
            MakeError::Arrow(e) => errors::config(py, e),
        })
    }

    /// What is kept of each table, which is then no longer here.
    fn take(&self, py: Python<'_>) -> PyResult<Vec<TableRows>> {
        let mut m = self.making.enter(py)?;
        let rows = |(i, schema): (usize, &SchemaRef)| {
            let mut batches: Vec<RecordBatch> =
                m.out(i).map(|o| o.ready.drain(..).collect()).unwrap_or_default();
            let mut left = m.rows.unwrap_or(usize::MAX);
            for b in &mut batches {
                *b = b.slice(0, b.num_rows().min(left));
                left -= b.num_rows();
            }
            TableRows { schema: schema.clone(), batches }
        };
        Ok(self.schemas.iter().enumerate().map(rows).collect())
    }

    /// The batches of the first table that are kept, and then those still to come, once.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Consumers must be ready for another schema than they asked for; this one is the only one.
        drop(requested_schema);
        let schema = self.schemas[0].clone();
        let reader = Reader { making: self.making.clone(), schema };
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// Bytes of files and packets read so far. Never waits.
    fn progress(&self) -> (u64, u64) {
        self.progress.told()
    }

    /// Captures that ended before their end.
    fn damaged(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.making.enter(py)?.source().damaged.clone())
    }

    /// Panics at a station when it comes there (tests); `False`: not in this build.
    fn _fail_at(&self, py: Python<'_>, station: &str) -> PyResult<bool> {
        match &mut self.making.enter(py)?.from {
            From::Engine(run) => fail_at(py, &mut run.engine, station),
            From::Frames(_) => Ok(false),
        }
    }
}

/// A table that was made: it can be read any number of times.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct TableRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl TableRows {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, self.schema.clone());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Names and types of a table's columns. `several`: captures are read, one of which a row is of.
#[pyfunction]
#[pyo3(signature = (table, statistics, several))]
pub fn columns(
    py: Python<'_>,
    table: &str,
    statistics: Vec<String>,
    several: bool,
) -> PyResult<Vec<(String, String)>> {
    let specs = sink::specs(table, asked(py, &statistics, 0)?);
    let specs = specs.ok_or_else(|| errors::config(py, no_table(table)))?;
    let schema = rows::schema(&specs, several);
    Ok(schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect())
}

/// The tables: name, what a row is.
#[pyfunction]
pub fn tables() -> Vec<(&'static str, &'static str)> {
    TABLES.to_vec()
}

/// The groups of statistics: name, what it is, columns.
#[pyfunction]
pub fn statistics() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    GROUPS.iter().map(|g| (g.name, g.about, g.columns.iter().map(|c| c.0).collect())).collect()
}
