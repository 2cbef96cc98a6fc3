//! Keys of TLS sessions: a session's random and a secret in; its records are read like clear traffic from then on.

use std::ffi::c_char;

use tidegate_core::unseal::{Label, TlsSecret};

use super::{Use, tg_engine};
use crate::args;
use crate::error::{TG_ERR_INVALID, TG_ERR_STATE, err, fence, tg_status};

/// Tells an engine a secret of a TLS session, as a client, a server or a proxy has it. `client_random` are the 32 random bytes
/// of its ClientHello, `label` is one of key logs (RFC 9850: CLIENT_RANDOM, CLIENT_TRAFFIC_SECRET_0 and so on), `secret` has
/// `len` bytes: 32 or 48. What the session protects is then read like clear traffic; packets that came before are read too, as
/// long as the session waits for its keys (`tls-keys.wait` of the settings). The engine keeps a copy and wipes it when it goes.
/// TG_ERR_STATE: the engine has no room for such sessions; `tls-keys.enabled` must be `yes` in its settings. One thread at a
/// time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `client_random` is NULL or points to 32 bytes; `label` is NULL or ends in NUL; `secret` is NULL
/// or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_tls_secret(
    engine: *mut tg_engine,
    client_random: *const u8,
    label: *const c_char,
    secret: *const u8,
    len: usize,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (random, label) =
            unsafe { (args::bytes(client_random, 32, "client_random")?, args::text(label, "label")?) };
        // SAFETY: as above.
        let secret = unsafe { args::bytes(secret, len, "secret") }?;
        let Some(label) = Label::by_name(label) else {
            return err(TG_ERR_INVALID, "label is none of those that key logs have for records");
        };
        let random: [u8; 32] = random.try_into().unwrap_or_default();
        let Some(secret) = TlsSecret::new(random, label, secret) else {
            return err(
                TG_ERR_INVALID,
                format!("a secret of {len} bytes; 32 or 48 are expected, of CLIENT_RANDOM 48"),
            );
        };
        // SAFETY: as above.
        let mut e = unsafe { Use::of(engine) }?;
        if e.run(|engine, _| engine.tls_secret(&secret)) {
            Ok(())
        } else {
            err(TG_ERR_STATE, "no room for TLS sessions: tls-keys.enabled must be yes in the settings")
        }
    })
}
