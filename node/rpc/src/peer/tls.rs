//! Mutual TLS between nodes: one authority for the cluster, a certificate per node whose subject
//! alternative name is the node's id. TLS 1.3 only, no resumption: each session proves both sides.

use super::config::{PeerSecurity, TlsFiles};
use super::error::PeerStartError;
use super::fault::PeerFault;
use super::id::PeerId;
use super::stream::Duplex;
use node_env::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::{Resumption, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier,
};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The protocol inside TLS.
const PROTOCOL: &[u8] = b"medulla-peer/1";
/// What the secret of a session is derived for.
const SECRET_LABEL: &[u8] = b"EXPORTER-medulla-peer-session";

/// How the connections of a network are protected.
#[derive(Clone)]
pub(crate) enum Protection {
    /// TLS with certificates on both sides.
    Tls { acceptor: TlsAcceptor, connector: TlsConnector },
    /// None: development on loopback.
    Plaintext,
}

/// A connection whose other side is proven, as far as the protection goes.
pub(crate) struct Protected {
    pub(crate) stream: Box<dyn Duplex>,
    /// Known to both sides of this connection and to nobody else; zeros in plaintext.
    pub(crate) secret: [u8; 32],
    /// The other side's certificate.
    certificate: Option<CertificateDer<'static>>,
}

impl Protected {
    /// Checks that the other side is who it says.
    pub(crate) fn is(&self, peer: PeerId) -> Result<(), PeerFault> {
        match &self.certificate {
            Some(certificate) => check_name(certificate, peer),
            None => Ok(()),
        }
    }
}

fn check_name(certificate: &CertificateDer<'_>, peer: PeerId) -> Result<(), PeerFault> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|_| PeerFault::WrongIdentity)?;
    verify_server_name(&parsed, &name_of(peer)?).map_err(|_| PeerFault::WrongIdentity)
}

fn name_of(peer: PeerId) -> Result<ServerName<'static>, PeerFault> {
    ServerName::try_from(peer.certificate_name()).map_err(|_| PeerFault::WrongIdentity)
}

impl Protection {
    pub(crate) fn new(
        security: &PeerSecurity,
        own: PeerId,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, PeerStartError> {
        match security {
            PeerSecurity::InsecureDevelopment => Ok(Self::Plaintext),
            PeerSecurity::MutualTls(files) => mutual(files, own, clock),
        }
    }

    /// Protects a connection that somebody opened to us.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Protected, PeerFault> {
        match self {
            Self::Plaintext => Ok(plain(stream)),
            Self::Tls { acceptor, .. } => {
                let stream = acceptor.accept(stream).await.map_err(|e| PeerFault::of_io(&e))?;
                let (_, session) = stream.get_ref();
                let certificate = first(session.peer_certificates());
                let secret = session.export_keying_material([0; 32], SECRET_LABEL, None);
                protected(Box::new(stream), certificate, secret.ok())
            }
        }
    }

    /// Protects a connection that we opened to a peer, and checks that it is that peer.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        peer: PeerId,
    ) -> Result<Protected, PeerFault> {
        match self {
            Self::Plaintext => Ok(plain(stream)),
            Self::Tls { connector, .. } => {
                let connecting = connector.connect(name_of(peer)?, stream);
                let stream = connecting.await.map_err(|e| PeerFault::of_io(&e))?;
                let (_, session) = stream.get_ref();
                let certificate = first(session.peer_certificates());
                let secret = session.export_keying_material([0; 32], SECRET_LABEL, None);
                protected(Box::new(stream), certificate, secret.ok())
            }
        }
    }
}

fn first(chain: Option<&[CertificateDer<'static>]>) -> Option<CertificateDer<'static>> {
    chain.and_then(|chain| chain.first()).cloned()
}

fn plain(stream: TcpStream) -> Protected {
    Protected { stream: Box::new(stream), secret: [0; 32], certificate: None }
}

fn protected(
    stream: Box<dyn Duplex>,
    certificate: Option<CertificateDer<'static>>,
    secret: Option<[u8; 32]>,
) -> Result<Protected, PeerFault> {
    if certificate.is_none() {
        return Err(PeerFault::NoCertificate);
    }
    let secret = secret.ok_or(PeerFault::TlsFailed)?;
    Ok(Protected { stream, secret, certificate })
}

/// Certificates are judged by the clock of the node.
struct CertificateClock(Arc<dyn Clock>);

impl std::fmt::Debug for CertificateClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CertificateClock")
    }
}

impl TimeProvider for CertificateClock {
    fn current_time(&self) -> Option<UnixTime> {
        let micros = u64::try_from(self.0.wall_unix_micros()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
    }
}

fn mutual(
    files: &TlsFiles,
    own: PeerId,
    clock: &Arc<dyn Clock>,
) -> Result<Protection, PeerStartError> {
    let failed = |what: &'static str| {
        move |error: &dyn std::fmt::Display| {
            PeerStartError::Certificates(format!("{what}: {error}"))
        }
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(roots(files)?);
    let chain = certificates(&files.certificate_chain_pem, "the certificate of the node")?;
    let key = PrivateKeyDer::from_pem_slice(files.private_key_pem.as_bytes())
        .map_err(|_| PeerStartError::Certificates("the private key cannot be read".to_owned()))?;
    let leaf = chain.first().filter(|leaf| check_name(leaf, own).is_ok());
    if leaf.is_none() {
        let text = format!("the certificate of the node is not for {}", own.certificate_name());
        return Err(PeerStartError::Certificates(text));
    }
    let clock = Arc::new(CertificateClock(Arc::clone(clock)));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| failed("the authorities")(&error))?;
    let mut server = ServerConfig::builder_with_details(Arc::clone(&provider), clock.clone())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| failed("TLS 1.3")(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(|error| failed("the certificate of the node")(&error))?;
    server.alpn_protocols = vec![PROTOCOL.to_vec()];
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    let connector = client(provider, clock, roots, (chain, key))?;
    Ok(Protection::Tls { acceptor: TlsAcceptor::from(Arc::new(server)), connector })
}

fn client(
    provider: Arc<CryptoProvider>,
    clock: Arc<CertificateClock>,
    roots: Arc<RootCertStore>,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> Result<TlsConnector, PeerStartError> {
    let failed = |error| PeerStartError::Certificates(format!("as a client: {error}"));
    let mut client = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(failed)?;
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    client.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(client)))
}

fn roots(files: &TlsFiles) -> Result<RootCertStore, PeerStartError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.authorities_pem, "the authorities")? {
        roots.add(authority).map_err(|error| {
            PeerStartError::Certificates(format!("an authority cannot be used: {error}"))
        })?;
    }
    Ok(roots)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, PeerStartError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(PeerStartError::Certificates(format!("{what}: there is none"))),
        Err(_) => Err(PeerStartError::Certificates(format!("{what} cannot be read"))),
    }
}
