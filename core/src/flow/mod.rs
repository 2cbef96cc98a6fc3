//! Placeholder of the station `flow`.
