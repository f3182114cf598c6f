//! `Phi<T>`: a wrapper around patient data that cannot be printed by accident (PHI-1).

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
