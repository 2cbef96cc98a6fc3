//! Placeholder of the station `rules`.
