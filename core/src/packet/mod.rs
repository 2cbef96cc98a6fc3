//! Placeholder of the station `packet`.
