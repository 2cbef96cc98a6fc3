//! Flows: packets go in; a flow number, a direction, counters and expiry come out. Owns the flow table and the
//! timer wheel.

/// A flow as outputs see it.
#[derive(Clone, Copy, Debug)]
pub struct FlowView<'a> {
    pub id: u64,
    pub(crate) _of: core::marker::PhantomData<&'a ()>,
}
