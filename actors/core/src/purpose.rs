//! The purposes of use for which data may be read. Who may use which purpose is not judged here.

use schema_types::error_code::ErrorCode;

/// HL7 v3 PurposeOfUse codes (2.16.840.1.113883.5.8) for which data may be read, sorted.
/// Marketing (`HMARKT`) is a known code and is refused like an unknown one.
pub const PURPOSES_OF_USE: &[&str] =
    &["ETREAT", "HOPERAT", "HPAYMT", "HRESCH", "HSYSADMIN", "PATRQT", "PUBHLTH", "TREAT"];

/// The purpose of use is missing or not accepted. Carries no text of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the purpose of use is missing or not accepted")]
pub struct PurposeRefused;

impl PurposeRefused {
    /// The code that users see.
    pub const CODE: ErrorCode = ErrorCode::PurposeRefused;
}

/// Accepts exactly the codes of [`PURPOSES_OF_USE`].
///
/// # Errors
/// [`PurposeRefused`] for anything else, the empty text and other cases included.
pub fn check(purpose: &str) -> Result<(), PurposeRefused> {
    PURPOSES_OF_USE.binary_search(&purpose).map(|_| ()).map_err(|_| PurposeRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_codes_are_accepted() {
        assert!(PURPOSES_OF_USE.is_sorted(), "the search needs order");
        for accepted in PURPOSES_OF_USE {
            assert_eq!(check(accepted), Ok(()), "{accepted}");
        }
        for refused in ["", "treat", "TREAT ", "HMARKT", "PurposeOfUse", "curiosity"] {
            assert_eq!(check(refused), Err(PurposeRefused), "{refused}");
        }
    }
}
