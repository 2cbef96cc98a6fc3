//! Placeholder of the station `detect`.
