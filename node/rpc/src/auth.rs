//! Who may log in, and what they get: the seam for authentication and authorisation. Today's only
//! implementation believes the caller and is for development.

use crate::failure::Failure;
use actors_core::purpose;
use schema_types::error_code::ErrorCode;
use schema_types::ids::PrincipalId;

/// Longest name of a principal, in bytes.
const PRINCIPAL_BYTES_MAX: usize = 256;

/// What a client shows when it logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name that nobody vouches for.
    Development {
        /// Who says to act.
        principal: String,
        /// Purpose of use.
        purpose: String,
    },
}

/// What a principal is granted at login; every capability of the session is at most this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Who acts, as the audit log names them.
    pub principal: PrincipalId,
    /// Purposes of use; the first is the session's, the others may be chosen by restriction.
    pub purposes: Vec<String>,
    /// No writes.
    pub read_only: bool,
    /// Which fields may be seen; `None`: all.
    pub fields: Option<Vec<u16>>,
    /// Whether the operators' calls are allowed.
    pub admin: bool,
}

/// Maps credentials to a principal and its grants. Called once per login, on an RPC thread: it
/// must not block.
pub trait Authenticator: Send + Sync + 'static {
    /// Judges the credentials.
    ///
    /// # Errors
    /// `MED-AUTH-002` when they are not accepted, `MED-AUTH-001` for a purpose that is none.
    fn login(&self, credentials: &Credentials) -> Result<Grants, Failure>;
}

/// Believes everybody: for nodes started with `--insecure-dev`, on loopback only.
#[derive(Debug, Clone, Copy, Default)]
pub struct DevelopmentAuthenticator;

impl Authenticator for DevelopmentAuthenticator {
    fn login(&self, credentials: &Credentials) -> Result<Grants, Failure> {
        let Credentials::Development { principal, purpose: asked } = credentials;
        if principal.is_empty() || principal.len() > PRINCIPAL_BYTES_MAX {
            let reason = "a principal has a name of at most 256 bytes";
            return Err(Failure::new(ErrorCode::LoginRefused, reason));
        }
        purpose::check(asked).map_err(|refused| {
            let reason = "the purpose of use is missing or not accepted";
            let _ = refused;
            Failure::new(ErrorCode::PurposeRefused, reason)
        })?;
        let others = purpose::PURPOSES_OF_USE.iter().filter(|other| *other != asked);
        let purposes = std::iter::once(asked.clone()).chain(others.map(|one| (*one).to_owned()));
        Ok(Grants {
            principal: PrincipalId::new(principal.as_str()),
            purposes: purposes.collect(),
            read_only: false,
            fields: None,
            admin: true,
        })
    }
}
