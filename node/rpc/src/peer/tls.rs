//! Mutual TLS between nodes: one authority for the cluster, a certificate per node whose subject
//! alternative name is the node's id. TLS 1.3 only, no resumption: each session proves both sides.
//! Which network a connection is for is a protocol inside TLS, so none ends up in another.

use super::config::{PeerSecurity, TlsFiles};
use super::error::PeerStartError;
use super::fault::PeerFault;
use super::id::{PeerId, STORE_CERTIFICATE_NAME};
use node_env::{BoxedDuplex, BoxedStream, Clock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::client::{Resumption, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier,
};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::EndEntityCert;

/// What the secret of a session is derived for.
const SECRET_LABEL: &[u8] = b"EXPORTER-medulla-peer-session";

/// Whose certificate a process shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own {
    Node(PeerId),
    /// The server of the development store.
    Store,
}

impl Own {
    fn certificate_name(self) -> String {
        match self {
            Self::Node(peer) => peer.certificate_name(),
            Self::Store => STORE_CERTIFICATE_NAME.to_owned(),
        }
    }

    fn is_named_in(self, certificate: &CertificateDer<'_>) -> bool {
        match self {
            Self::Node(peer) => node_of(certificate) == Ok(peer),
            Self::Store => check_name(certificate, STORE_CERTIFICATE_NAME).is_ok(),
        }
    }
}

/// How the connections of a network are protected.
#[derive(Clone)]
pub(crate) enum Protection {
    /// TLS with certificates on both sides.
    Tls { acceptor: TlsAcceptor, connector: TlsConnector, protocol: &'static [u8] },
    /// None: development on loopback.
    Plaintext,
}

/// A connection whose other side is proven, as far as the protection goes.
pub(crate) struct Protected {
    pub(crate) stream: BoxedDuplex,
    /// Known to both sides of this connection and to nobody else; zeros in plaintext.
    pub(crate) secret: [u8; 32],
    /// The other side's certificate.
    certificate: Option<CertificateDer<'static>>,
}

impl Protected {
    /// Which node the other side has proven to be; nothing in plaintext.
    pub(crate) fn peer(&self) -> Result<Option<PeerId>, PeerFault> {
        self.certificate.as_ref().map(node_of).transpose()
    }

    /// Checks that the other side is who it says.
    pub(crate) fn is(&self, peer: PeerId) -> Result<(), PeerFault> {
        match self.peer()? {
            Some(proven) if proven != peer => Err(PeerFault::WrongIdentity),
            Some(_) | None => Ok(()),
        }
    }
}

/// The one node that a certificate is for. One for several would let a node be another.
fn node_of(certificate: &CertificateDer<'_>) -> Result<PeerId, PeerFault> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| PeerFault::WrongIdentity)?;
    let mut nodes = parsed.valid_dns_names().filter_map(PeerId::from_certificate_name);
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => Ok(node),
        (None, _) | (Some(_), Some(_)) => Err(PeerFault::WrongIdentity),
    }
}

fn check_name(certificate: &CertificateDer<'_>, name: &str) -> Result<(), PeerFault> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|_| PeerFault::WrongIdentity)?;
    verify_server_name(&parsed, &server_name(name)?).map_err(|_| PeerFault::WrongIdentity)
}

fn server_name(name: &str) -> Result<ServerName<'static>, PeerFault> {
    ServerName::try_from(name.to_owned()).map_err(|_| PeerFault::WrongIdentity)
}

impl Protection {
    pub(crate) fn new(
        security: &PeerSecurity,
        own: Own,
        protocol: &'static [u8],
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, PeerStartError> {
        match security {
            PeerSecurity::InsecureDevelopment => Ok(Self::Plaintext),
            PeerSecurity::MutualTls(files) => mutual(files, own, protocol, clock),
        }
    }

    /// Without protection the other side must be within this machine.
    pub(crate) fn check_reach(&self, other: SocketAddr) -> Result<(), PeerFault> {
        if matches!(self, Self::Plaintext) && !other.ip().is_loopback() {
            return Err(PeerFault::NotLoopback);
        }
        Ok(())
    }

    /// Protects a connection that somebody opened to us.
    pub(crate) async fn accept(&self, stream: BoxedStream) -> Result<Protected, PeerFault> {
        match self {
            Self::Plaintext => Ok(plain(stream)),
            Self::Tls { acceptor, protocol, .. } => {
                let stream = acceptor.accept(stream).await.map_err(|e| PeerFault::of_io(&e))?;
                let (_, session) = stream.get_ref();
                let secret = session.export_keying_material([0; 32], SECRET_LABEL, None);
                let proof = proof(session, protocol, secret.ok())?;
                Ok(Protected::new(Box::new(stream), proof))
            }
        }
    }

    /// Protects a connection that we opened, and checks that the other side has this name.
    pub(crate) async fn connect(
        &self,
        stream: BoxedStream,
        name: &str,
    ) -> Result<Protected, PeerFault> {
        match self {
            Self::Plaintext => Ok(plain(stream)),
            Self::Tls { connector, protocol, .. } => {
                let connecting = connector.connect(server_name(name)?, stream);
                let stream = connecting.await.map_err(|e| PeerFault::of_io(&e))?;
                let (_, session) = stream.get_ref();
                let secret = session.export_keying_material([0; 32], SECRET_LABEL, None);
                let proof = proof(session, protocol, secret.ok())?;
                Ok(Protected::new(Box::new(stream), proof))
            }
        }
    }
}

fn plain(stream: BoxedStream) -> Protected {
    Protected { stream, secret: [0; 32], certificate: None }
}

/// What a handshake showed.
struct Proof {
    secret: [u8; 32],
    certificate: CertificateDer<'static>,
}

impl Protected {
    fn new(stream: BoxedDuplex, proof: Proof) -> Self {
        Self { stream, secret: proof.secret, certificate: Some(proof.certificate) }
    }
}

fn proof(
    session: &CommonState,
    protocol: &[u8],
    secret: Option<[u8; 32]>,
) -> Result<Proof, PeerFault> {
    // A client that names no protocol is let through by the handshake.
    if session.alpn_protocol() != Some(protocol) {
        return Err(PeerFault::OtherNetwork);
    }
    let chain = session.peer_certificates();
    let certificate = chain.and_then(|chain| chain.first()).ok_or(PeerFault::NoCertificate)?;
    let secret = secret.ok_or(PeerFault::TlsFailed)?;
    Ok(Proof { secret, certificate: certificate.clone() })
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
    own: Own,
    protocol: &'static [u8],
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
    if !chain.first().is_some_and(|leaf| own.is_named_in(leaf)) {
        let text = format!("the certificate is not for {} alone", own.certificate_name());
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
    server.alpn_protocols = vec![protocol.to_vec()];
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    let mut client = client(provider, clock, roots, (chain, key))?;
    client.alpn_protocols = vec![protocol.to_vec()];
    let connector = TlsConnector::from(Arc::new(client));
    Ok(Protection::Tls { acceptor: TlsAcceptor::from(Arc::new(server)), connector, protocol })
}

fn client(
    provider: Arc<CryptoProvider>,
    clock: Arc<CertificateClock>,
    roots: Arc<RootCertStore>,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> Result<ClientConfig, PeerStartError> {
    let failed = |error| PeerStartError::Certificates(format!("as a client: {error}"));
    let mut client = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(failed)?;
    client.resumption = Resumption::disabled();
    Ok(client)
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
