//! `Phi<T>`: a wrapper around patient data that cannot be printed, nor written by a serializer, by
//! accident (PHI-1).

use crate::serial::{OctetBuffer, Octets};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;
use std::fmt;

/// Patient data. `Debug` prints only that something is there; there is no `Display`.
///
/// The content is reached by naming the intent: [`Phi::expose`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The patient data itself, for a reader who is allowed to see it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the patient data.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<phi>")
    }
}

thread_local! {
    /// Whether this thread is inside [`expose_to_peer`].
    static EXPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Sets the mark back when the scope is left, by a panic too.
struct Scope {
    before: bool,
}

impl Drop for Scope {
    fn drop(&mut self) {
        EXPOSED.set(self.before);
    }
}

/// Serialises patient data for another node of this cluster: inside of `write`, and on its thread
/// only, a [`Phi`] can be serialised. Everywhere else that is an error (PHI-1), so that no log
/// line, JSON answer or cache file gets patient data because a derive made it possible.
///
/// `write` must not hand what it makes to anything but a connection to a peer.
pub fn expose_to_peer<R>(write: impl FnOnce() -> R) -> R {
    let _scope = Scope { before: EXPOSED.replace(true) };
    write()
}

/// # Errors
/// Outside of [`expose_to_peer`].
fn check_scope<S: Serializer>() -> Result<(), S::Error> {
    if EXPOSED.get() {
        return Ok(());
    }
    Err(S::Error::custom("patient data are serialised for a peer only (PHI-1)"))
}

impl<T: Serialize> Serialize for Phi<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check_scope::<S>()?;
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Phi<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Patient data that are raw bytes, as a byte string: for `#[serde(with = ..)]`.
pub mod raw {
    use super::{Deserialize, Deserializer, OctetBuffer, Octets, Phi, Serialize, Serializer};

    /// # Errors
    /// Outside of [`super::expose_to_peer`], and what the serializer fails with.
    pub fn serialize<S: Serializer>(body: &Phi<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        super::check_scope::<S>()?;
        Octets(body.expose()).serialize(serializer)
    }

    /// # Errors
    /// What the deserializer fails with.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Phi<Vec<u8>>, D::Error> {
        OctetBuffer::deserialize(deserializer).map(|bytes| Phi::new(bytes.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_content_phi_1() {
        let name = Phi::new(String::from("CANARY-NAME"));
        assert_eq!(format!("{name:?}"), "<phi>");
        assert_eq!(format!("{:#?}", Some(name)), "Some(\n    <phi>,\n)");
    }
}
