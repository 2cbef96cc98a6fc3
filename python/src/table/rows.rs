//! Rows of a table: what an engine says goes in, record batches come out.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::{Addr, Packet};

use super::column::{Column, Kind};

/// Name and kind of a column.
pub type Spec = (&'static str, Kind);

/// Values of a batch, about: a wide table has fewer rows in one, so that it takes as much memory.
const VALUES: usize = 256 << 10;

/// Columns that are filled a row at a time.
pub struct Rows {
    pub schema: SchemaRef,
    columns: Vec<Column>,
    /// The column that the next value goes to.
    at: usize,
    rows: usize,
    captures: Option<Captures>,
}

/// The last column, when several captures are read: which one a row is of.
struct Captures {
    column: StringBuilder,
    /// Packets before the first of each, and its name.
    opened: Vec<(u64, String)>,
}

/// The column that says which capture a row is of.
const CAPTURE: &str = "capture";

impl Rows {
    /// `several`: there is a column for the capture.
    pub fn new(specs: &[Spec], several: bool) -> Rows {
        Rows {
            captures: several.then(|| Captures { column: StringBuilder::new(), opened: Vec::new() }),
            schema: schema(specs, several),
            columns: specs.iter().map(|(_, k)| Column::new(*k)).collect(),
            at: 0,
            rows: 0,
        }
    }

    /// A capture begins, after so many packets.
    pub fn opened(&mut self, before: u64, path: &Path) {
        if let Some(c) = &mut self.captures {
            c.opened.push((before, path.display().to_string()));
        }
    }

    /// The row is about this packet; 0: about none, so of the capture being read.
    pub fn about(&mut self, packet: u64) {
        let Some(c) = &mut self.captures else { return };
        let at = if packet == 0 { c.opened.len() } else { c.opened.partition_point(|o| o.0 < packet) };
        match c.opened.get(at.saturating_sub(1)) {
            Some((_, name)) => c.column.append_value(name),
            None => c.column.append_null(),
        }
    }

    /// Rows waiting.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Enough rows wait for a batch.
    pub fn is_full(&self) -> bool {
        self.rows * self.columns.len() >= VALUES
    }

    /// The column that comes next in the row.
    pub fn next(&mut self) -> &mut Column {
        let i = self.at.min(self.columns.len().saturating_sub(1));
        self.at += 1;
        &mut self.columns[i]
    }

    /// The column at place `i`.
    pub fn at(&mut self, i: usize) -> Option<&mut Column> {
        self.columns.get_mut(i)
    }

    /// The columns from place `i` on.
    pub fn columns_from(&mut self, i: usize) -> &mut [Column] {
        self.columns.get_mut(i..).unwrap_or_default()
    }

    /// Ends the row: columns that got nothing have no value.
    pub fn end(&mut self) {
        self.end_of(self.columns.len());
    }

    /// The same for the first `columns`; the others are filled in their own time.
    pub fn end_of(&mut self, columns: usize) {
        self.rows += 1;
        self.at = 0;
        let rows = self.rows;
        for c in self.columns.iter_mut().take(columns) {
            if c.len() < rows {
                c.null();
            }
        }
    }

    /// The rows so far.
    pub fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        self.at = 0;
        let mut columns: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        if let Some(c) = &mut self.captures {
            columns.push(Arc::new(c.column.finish()));
        }
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

/// Names and types of the columns.
pub fn schema(specs: &[Spec], several: bool) -> SchemaRef {
    let mut fields: Vec<Field> = specs.iter().map(|(n, k)| Field::new(*n, k.data_type(), true)).collect();
    if several {
        fields.push(Field::new(CAPTURE, DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

/// What rows about packets and flows begin with: time, flow, packet, ends.
pub const HEAD: [Spec; 8] = [
    ("timestamp", Kind::Time),
    ("flow_id", Kind::U64),
    ("packet", Kind::U64),
    ("src_ip", Kind::Str),
    ("src_port", Kind::U16),
    ("dest_ip", Kind::Str),
    ("dest_port", Kind::U16),
    ("proto", Kind::Str),
];

/// Ends in the direction a row speaks of.
pub struct Ends<'a> {
    pub src: &'a Addr,
    pub dst: &'a Addr,
    pub sp: u16,
    pub dp: u16,
    pub proto: u8,
    pub v6: bool,
    pub known: bool,
}

impl<'a> Ends<'a> {
    pub fn of_packet(p: &'a Packet<'_>) -> Ends<'a> {
        let (v6, known) = (p.is_ipv6(), p.has_ip());
        Ends { src: &p.src, dst: &p.dst, sp: p.sp, dp: p.dp, proto: p.proto, v6, known }
    }

    /// Client to server, or the other way.
    pub fn of_flow(f: &FlowView<'a>, back: bool) -> Ends<'a> {
        let k = f.key();
        let e = Ends { src: &k.src, dst: &k.dst, sp: k.sp, dp: k.dp, proto: k.proto, v6: k.v6, known: true };
        if back { Ends { src: e.dst, dst: e.src, sp: e.dp, dp: e.sp, ..e } } else { e }
    }

    /// Fills the five columns of the ends.
    pub fn fill(&self, rows: &mut Rows) {
        let ports = self.known && matches!(self.proto, 6 | 17 | 132);
        for (addr, port) in [(self.src, self.sp), (self.dst, self.dp)] {
            if self.known {
                rows.next().addr(addr, self.v6);
            } else {
                rows.next().null();
            }
            rows.next().maybe(ports.then_some(u64::from(port)));
        }
        match (self.known, proto(self.proto)) {
            (false, _) => rows.next().null(),
            (true, Some(name)) => rows.next().text(name),
            (true, None) => rows.next().format(format_args!("{:03}", self.proto)),
        }
    }
}

/// The usual protocols by EVE's names.
fn proto(number: u8) -> Option<&'static str> {
    tidegate_dataplane::eve::protocol(number)
}
