//! TLS for orders from other machines: a certificate of ours and an authority of clients go in, connections of clients with a
//! certificate of that authority come out. TLS 1.3 alone, as there are no old clients.

use std::io::{Error, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// The files of it, in PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// Our certificate, and those between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities whose certificates clients must have.
    pub clients: PathBuf,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ServerConfig>);

fn certificates(path: &Path) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let all: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?.collect();
    let all = all.map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(wrong(&"there is no certificate in it")) } else { Ok(all) }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which one cannot be used, and why.
    pub fn new(files: &Files) -> std::result::Result<Tls, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for c in certificates(&files.clients)? {
            roots.add(c).map_err(|e| format!("{}: {e}", files.clients.display()))?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| format!("{}: {e}", files.clients.display()))?;
        let key =
            PrivateKeyDer::from_pem_file(&files.key).map_err(|e| format!("{}: {e}", files.key.display()))?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_client_cert_verifier(clients)
            .with_single_cert(certificates(&files.certificate)?, key)
            .map_err(|e| format!("{}: {e}", files.certificate.display()))?;
        Ok(Tls(Arc::new(config)))
    }

    /// Greets a client; who has no certificate of the authority is an error. The stream bounds the time.
    ///
    /// # Errors
    /// It is no client of ours.
    pub fn greet<S: Read + Write>(&self, mut stream: S) -> Result<StreamOwned<ServerConnection, S>> {
        let mut connection = ServerConnection::new(self.0.clone()).map_err(Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}
