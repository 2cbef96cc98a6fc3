//! Placeholder of the station `stream`.
