//! Placeholder of the station `sig`.
