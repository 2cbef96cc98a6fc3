//! Placeholder of the station `app`.
