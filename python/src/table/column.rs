//! One column of a table being filled.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Float64Builder, Int8Builder, ListBuilder, PrimitiveBuilder,
    StringBuilder, TimestampNanosecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};
use tidegate_core::packet::Addr;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    U8,
    U16,
    U32,
    U64,
    F64,
    Str,
    Time,
    Strs,
    U32s,
    U64s,
    I8s,
    Bytes,
}

/// Times are UTC.
const UTC: &str = "UTC";

impl Kind {
    pub fn data_type(self) -> DataType {
        let list = |t: DataType| DataType::new_list(t, true);
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::U8 => DataType::UInt8,
            Kind::U16 => DataType::UInt16,
            Kind::U32 => DataType::UInt32,
            Kind::U64 => DataType::UInt64,
            Kind::F64 => DataType::Float64,
            Kind::Str => DataType::Utf8,
            Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
            Kind::Strs => list(DataType::Utf8),
            Kind::U32s => list(DataType::UInt32),
            Kind::U64s => list(DataType::UInt64),
            Kind::I8s => list(DataType::Int8),
            Kind::Bytes => DataType::Binary,
        }
    }
}

/// Values of one column. A value of another kind than the column's is no value.
pub enum Column {
    Bool(BooleanBuilder),
    U8(UInt8Builder),
    U16(UInt16Builder),
    U32(UInt32Builder),
    U64(UInt64Builder),
    F64(Float64Builder),
    Str(StringBuilder),
    Time(TimestampNanosecondBuilder),
    Strs(ListBuilder<StringBuilder>),
    U32s(ListBuilder<UInt32Builder>),
    U64s(ListBuilder<UInt64Builder>),
    I8s(ListBuilder<Int8Builder>),
    Bytes(BinaryBuilder),
}

impl Column {
    pub fn new(kind: Kind) -> Column {
        match kind {
            Kind::Bool => Column::Bool(BooleanBuilder::new()),
            Kind::U8 => Column::U8(UInt8Builder::new()),
            Kind::U16 => Column::U16(UInt16Builder::new()),
            Kind::U32 => Column::U32(UInt32Builder::new()),
            Kind::U64 => Column::U64(UInt64Builder::new()),
            Kind::F64 => Column::F64(Float64Builder::new()),
            Kind::Str => Column::Str(StringBuilder::new()),
            Kind::Time => Column::Time(TimestampNanosecondBuilder::new().with_timezone(UTC)),
            Kind::Strs => Column::Strs(ListBuilder::new(StringBuilder::new())),
            Kind::U32s => Column::U32s(ListBuilder::new(UInt32Builder::new())),
            Kind::U64s => Column::U64s(ListBuilder::new(UInt64Builder::new())),
            Kind::I8s => Column::I8s(ListBuilder::new(Int8Builder::new())),
            Kind::Bytes => Column::Bytes(BinaryBuilder::new()),
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        match self {
            Column::Bool(b) => b.len(),
            Column::U8(b) => b.len(),
            Column::U16(b) => b.len(),
            Column::U32(b) => b.len(),
            Column::U64(b) => b.len(),
            Column::F64(b) => b.len(),
            Column::Str(b) => b.len(),
            Column::Time(b) => b.len(),
            Column::Strs(b) => b.len(),
            Column::U32s(b) => b.len(),
            Column::U64s(b) => b.len(),
            Column::I8s(b) => b.len(),
            Column::Bytes(b) => b.len(),
        }
    }

    /// No value.
    pub fn null(&mut self) {
        match self {
            Column::Bool(b) => b.append_null(),
            Column::U8(b) => b.append_null(),
            Column::U16(b) => b.append_null(),
            Column::U32(b) => b.append_null(),
            Column::U64(b) => b.append_null(),
            Column::F64(b) => b.append_null(),
            Column::Str(b) => b.append_null(),
            Column::Bytes(b) => b.append_null(),
            Column::Time(b) => b.append_null(),
            // A list without values is an empty list; it may have got some already.
            Column::Strs(b) => b.append(true),
            Column::U32s(b) => b.append(true),
            Column::U64s(b) => b.append(true),
            Column::I8s(b) => b.append(true),
        }
    }

    /// A number, cut to what the column can hold.
    pub fn number(&mut self, n: u64) {
        match self {
            Column::U8(b) => b.append_value(u8::try_from(n).unwrap_or(u8::MAX)),
            Column::U16(b) => b.append_value(u16::try_from(n).unwrap_or(u16::MAX)),
            Column::U32(b) => b.append_value(u32::try_from(n).unwrap_or(u32::MAX)),
            Column::U64(b) => b.append_value(n),
            Column::F64(b) => b.append_value(n as f64),
            Column::Bool(b) => b.append_value(n != 0),
            Column::Time(b) => b.append_value(i64::try_from(n).unwrap_or(i64::MAX)),
            Column::U32s(b) => b.values().append_value(u32::try_from(n).unwrap_or(u32::MAX)),
            other => other.null(),
        }
    }

    /// A number for each of some rows, cut to what the column can hold; with `there`, only where it says so.
    pub fn numbers(&mut self, values: impl Iterator<Item = u64>, there: Option<&[bool]>) {
        match self {
            Column::U16(b) => add(b, values.map(|n| u16::try_from(n).unwrap_or(u16::MAX)), there),
            Column::U32(b) => add(b, values.map(|n| u32::try_from(n).unwrap_or(u32::MAX)), there),
            Column::U64(b) => add(b, values, there),
            other => values.for_each(|n| other.number(n)),
        }
    }

    /// The same of floats.
    pub fn floats(&mut self, values: impl Iterator<Item = f64>, there: &[bool]) {
        match self {
            Column::F64(b) => add(b, values, Some(there)),
            other => values.for_each(|_| other.null()),
        }
    }

    /// A number if there is one.
    pub fn maybe(&mut self, n: Option<u64>) {
        match n {
            Some(n) => self.number(n),
            None => self.null(),
        }
    }

    pub fn float(&mut self, v: f64) {
        match self {
            Column::F64(b) => b.append_value(v),
            other => other.null(),
        }
    }

    /// Text; of a list the next element.
    pub fn text(&mut self, v: &str) {
        match self {
            Column::Str(b) => b.append_value(v),
            Column::Strs(b) => b.values().append_value(v),
            other => other.null(),
        }
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, v: &[u8]) {
        match self {
            Column::Bytes(b) => b.append_value(v),
            other => other.null(),
        }
    }

    /// Text that is being made.
    pub fn format(&mut self, v: std::fmt::Arguments<'_>) {
        if let Some(v) = v.as_str() {
            return self.text(v);
        }
        match self {
            // Writing to a builder cannot fail.
            Column::Str(b) => {
                let _ = b.write_fmt(v);
                b.append_value("");
            }
            Column::Strs(b) => {
                let _ = b.values().write_fmt(v);
                b.values().append_value("");
            }
            other => other.null(),
        }
    }

    /// A whole list.
    pub fn list_u64(&mut self, values: impl Iterator<Item = u64>) {
        match self {
            Column::U64s(b) => b.append_value(values.map(Some)),
            other => other.null(),
        }
    }

    /// A whole list.
    pub fn list_u32(&mut self, values: impl Iterator<Item = u32>) {
        match self {
            Column::U32s(b) => b.append_value(values.map(Some)),
            other => other.null(),
        }
    }

    /// A whole list.
    pub fn list_i8(&mut self, values: impl Iterator<Item = i8>) {
        match self {
            Column::I8s(b) => b.append_value(values.map(Some)),
            other => other.null(),
        }
    }

    /// An address as text.
    pub fn addr(&mut self, a: &Addr, v6: bool) {
        let [a0, b, c, d, ..] = a.0;
        if v6 {
            self.format(format_args!("{}", Ipv6Addr::from(a.0)));
        } else {
            let (text, len) = dotted([a0, b, c, d]);
            self.text(text.get(..len).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default());
        }
    }

    /// The array of the rows so far; the column is empty then.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Bool(b) => Arc::new(b.finish()),
            Column::U8(b) => Arc::new(b.finish()),
            Column::U16(b) => Arc::new(b.finish()),
            Column::U32(b) => Arc::new(b.finish()),
            Column::U64(b) => Arc::new(b.finish()),
            Column::F64(b) => Arc::new(b.finish()),
            Column::Str(b) => Arc::new(b.finish()),
            Column::Time(b) => Arc::new(b.finish()),
            Column::Strs(b) => Arc::new(b.finish()),
            Column::U32s(b) => Arc::new(b.finish()),
            Column::U64s(b) => Arc::new(b.finish()),
            Column::I8s(b) => Arc::new(b.finish()),
            Column::Bytes(b) => Arc::new(b.finish()),
        }
    }
}

/// Some rows at once.
fn add<T: ArrowPrimitiveType>(
    to: &mut PrimitiveBuilder<T>,
    values: impl Iterator<Item = T::Native>,
    there: Option<&[bool]>,
) {
    let values: Vec<T::Native> = values.collect();
    match there {
        Some(t) if t.contains(&false) => to.append_values(&values, t),
        _ => to.append_slice(&values),
    }
}

/// An IPv4 address and how long its text is. Every row has two; formatting takes several times as long.
fn dotted(a: [u8; 4]) -> ([u8; 16], usize) {
    let (mut out, mut at) = ([b'.'; 16], 0);
    for n in a {
        for (unit, from) in [(100, 100), (10, 10), (1, 0)] {
            if n >= from {
                out[at] = b'0' + n / unit % 10;
                at += 1;
            }
        }
        at += 1;
    }
    (out, at - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn addresses_are_written_as_usual() {
        for n in (0..=u16::MAX).chain([0, 1, 9, 10, 99, 100, 255]) {
            let [a, b] = n.to_be_bytes();
            let address = [a, b, b.wrapping_mul(7), a ^ b];
            let (text, len) = dotted(address);
            assert_eq!(std::str::from_utf8(&text[..len]), Ok(Ipv4Addr::from(address).to_string().as_str()));
        }
    }
}
