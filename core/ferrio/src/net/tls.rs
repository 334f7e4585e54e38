//! TLS of our own listener: rustls with a certificate chain and a key in PEM.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate and what it takes to speak TLS with it. Cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// No certificate in the PEM text, or a broken one.
    #[error("no usable certificate: {0}")]
    Certificate(pem::Error),
    /// No private key in the PEM text, or a broken one.
    #[error("no usable private key: {0}")]
    Key(pem::Error),
    /// Certificate and key do not go together, or not with this TLS.
    #[error(transparent)]
    Rejected(#[from] rustls::Error),
}

impl Tls {
    /// From PEM files: the chain (own certificate first) and the key.
    ///
    /// # Errors
    /// An unreadable file, or what [`from_pem`](Self::from_pem) says.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::from_pem(&TlsError::read(chain.as_ref())?, &TlsError::read(key.as_ref())?)
    }

    /// From PEM text.
    ///
    /// # Errors
    /// Nothing usable in it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = TlsError::certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        // Named, because a process may hold several providers and then has no default one.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self::from_config(Arc::new(config)))
    }

    /// From a configuration of one's own (several names, client certificates). Its ALPN must offer `http/1.1` or nothing.
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self(TlsAcceptor::from(config))
    }

    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.0.accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl TlsError {
    pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Self> {
        std::fs::read(path).map_err(|error| Self::File { file: path.display().to_string(), error })
    }

    /// The certificates in a PEM text, one at least.
    pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Self> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(Self::Certificate)?;
        if chain.is_empty() { Err(Self::Certificate(pem::Error::NoItemsFound)) } else { Ok(chain) }
    }
}
