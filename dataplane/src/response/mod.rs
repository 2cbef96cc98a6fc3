//! Response around the engines: orders go in (control socket, HTTP, playbooks), tables of what is blocked go out to all workers,
//! and everything that was ordered, done, undone or refused is told.
//!
//! * [`order`]: what may be ordered, as text; [`desk`]: the only place where orders are carried out; [`audit`]: who ordered what;
//!   [`nonces`]: orders that were seen; [`state`]: what survives a restart; [`setup`]: the file of all that.
//! * [`http`]: orders over HTTP, by [`tokens`].
//! * [`playbook`]: what is done by itself; [`tap`]: events on their way there; [`captures`]: packets of hosts.

pub mod audit;
pub mod captures;
pub mod desk;
pub mod http;
pub mod nonces;
pub mod order;
pub mod playbook;
pub mod setup;
pub mod state;
pub mod tap;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod tokens;

pub use desk::Desk;
pub use setup::Setup;

/// Whoever orders something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: String,
    pub role: Role,
}

/// What somebody may do. Each role may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Block and mark for up to a day, and undo that.
    Responder,
    /// Block for up to 30 days, and undo what others ordered.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Responder, Role::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Admin => "admin",
        }
    }
}

impl Caller {
    /// The owner of the control socket.
    pub fn owner() -> Caller {
        Caller { name: "control socket".into(), role: Role::Admin }
    }
}
