//! Placeholder of `event`.
