//! TLS of a client: whom it believes, and who it says it is.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::net::tls::TlsError;

/// How a client speaks TLS: by default it believes the certificates that the operating system believes.
///
/// ```no_run
/// use ferrio::client::ClientTls;
///
/// # fn show() -> Result<(), ferrio::TlsError> {
/// let tls = ClientTls::new().roots_file("ca.pem")?.certificate_files("client.pem", "client-key.pem")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ClientTls {
    /// Instead of the operating system's.
    roots: Option<Vec<CertificateDer<'static>>>,
    /// Believed as they are.
    pinned: Vec<CertificateDer<'static>>,
    own: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    accept_any: bool,
    name: Option<String>,
    config: Option<Arc<ClientConfig>>,
}

impl ClientTls {
    /// The operating system's roots, no certificate of one's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes certificates that these (PEM text) have signed, and no others. Called twice, both count.
    ///
    /// # Errors
    /// No certificate in it, or a broken one.
    pub fn roots_pem(mut self, pem: &[u8]) -> Result<Self, TlsError> {
        self.roots.get_or_insert_default().extend(TlsError::certificates(pem)?);
        Ok(self)
    }

    /// As [`roots_pem`](Self::roots_pem), from a file.
    ///
    /// # Errors
    /// It cannot be read, or there is no certificate in it.
    pub fn roots_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.roots_pem(&TlsError::read(path.as_ref())?)
    }

    /// Believes a server that shows one of these certificates (PEM text) itself, whatever name and dates stand in it: the way to
    /// a server whose certificate nobody has signed. All others are verified as if this were not there.
    ///
    /// # Errors
    /// No certificate in it, or a broken one.
    pub fn pinned_pem(mut self, pem: &[u8]) -> Result<Self, TlsError> {
        self.pinned.extend(TlsError::certificates(pem)?);
        Ok(self)
    }

    /// Shows a certificate (chain and key, PEM text) to servers that ask for one.
    ///
    /// # Errors
    /// Nothing usable in it.
    pub fn certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        self.own = Some((TlsError::certificates(chain)?, Arc::new(key)));
        Ok(self)
    }

    /// As [`certificate_pem`](Self::certificate_pem), from files.
    ///
    /// # Errors
    /// They cannot be read, or nothing usable in them.
    pub fn certificate_files(self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.certificate_pem(&TlsError::read(chain.as_ref())?, &TlsError::read(key.as_ref())?)
    }

    /// Expects a certificate for this name (and asks for it, SNI) instead of the host's in the URL.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Believes everybody. Whoever sits between client and server may then read and change everything: for tests.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.accept_any = true;
        self
    }

    /// A configuration of one's own, instead of everything else here. Its ALPN must offer `http/1.1` or nothing.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config: Some(config), ..Self::default() }
    }

    pub(super) fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// What rustls wants.
    pub(super) fn build(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = &self.config {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let believes = if self.accept_any {
            Some(Believes::Anybody)
        } else if self.pinned.is_empty() {
            None
        } else {
            let others = WebPkiServerVerifier::builder_with_provider(self.root_store()?, Arc::clone(&provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            Some(Believes::Pinned { certificates: self.pinned.clone(), others })
        };
        let builder = match believes {
            Some(believes) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous { believes, provider }))
            }
            None => builder.with_root_certificates(self.root_store()?),
        };
        let mut config = match &self.own {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn root_store(&self) -> Result<Arc<RootCertStore>, TlsError> {
        match &self.roots {
            Some(roots) => {
                let mut store = RootCertStore::empty();
                for root in roots {
                    store.add(root.clone())?;
                }
                Ok(Arc::new(store))
            }
            None => Ok(system_roots()),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// Read once: a hundred files, on some systems.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

    let load = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a root certificate of the system cannot be read");
        }
        let mut store = RootCertStore::empty();
        // Systems have certificates that nobody can read.
        let _ = store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            tracing::warn!(
                "the system has no root certificates: no server will be believed, see ClientTls::roots_file"
            );
        }
        Arc::new(store)
    };
    Arc::clone(ROOTS.get_or_init(load))
}

/// Believes more than the usual verification does, but checks that the server has the key to what it shows.
#[derive(Debug)]
struct Credulous {
    believes: Believes,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Believes {
    Anybody,
    /// These certificates, and whom the usual verification believes.
    Pinned {
        certificates: Vec<CertificateDer<'static>>,
        others: Arc<WebPkiServerVerifier>,
    },
}

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.believes {
            Believes::Pinned { certificates, others } if !certificates.iter().any(|pinned| pinned == certificate) => {
                others.verify_server_cert(certificate, between, name, stapled, now)
            }
            Believes::Anybody | Believes::Pinned { .. } => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
