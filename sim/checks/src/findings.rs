//! What a checker says: violations, what it could not check, and figures for people.

use crate::history::Micros;
use crate::limits::VIOLATIONS_KEPT_MAX;

/// A property does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The property's name, see [`crate::PROPERTIES`].
    pub property: &'static str,
    /// The invariant that it enforces, for example `ACK-1`.
    pub invariant: &'static str,
    /// What is wrong, with ids and numbers only (PHI-1).
    pub detail: String,
    /// When, where one instant can be named.
    pub at_micros: Option<Micros>,
}

/// Part of a property that was not checked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The property's name.
    pub property: &'static str,
    /// What is missing or too much.
    pub reason: String,
}

/// A number for people, for example the median time to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The property's name.
    pub property: &'static str,
    /// What was measured, with its unit.
    pub name: &'static str,
    /// The number.
    pub value: u64,
}

/// What one checker, or all of them, found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// What does not hold; at most [`VIOLATIONS_KEPT_MAX`] a property.
    pub violations: Vec<Violation>,
    /// Violations beyond that number.
    pub violations_dropped: usize,
    /// What was not checked.
    pub unchecked: Vec<Unchecked>,
    /// Measured by the way.
    pub figures: Vec<Figure>,
}

impl Findings {
    /// Nothing is violated. Something may be unchecked.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.violations.is_empty()
    }

    /// Takes over what another checker found.
    pub fn extend(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.violations_dropped += other.violations_dropped;
        self.unchecked.extend(other.unchecked);
        self.figures.extend(other.figures);
    }
}

/// The findings of one property while it is checked.
#[derive(Debug)]
pub(crate) struct Judge {
    property: &'static str,
    findings: Findings,
}

impl Judge {
    pub(crate) fn of(property: &'static str) -> Self {
        Self { property, findings: Findings::default() }
    }

    pub(crate) fn violate(
        &mut self,
        invariant: &'static str,
        at_micros: impl Into<Option<Micros>>,
        detail: impl Into<String>,
    ) {
        if self.findings.violations.len() >= VIOLATIONS_KEPT_MAX {
            self.findings.violations_dropped += 1;
            return;
        }
        let (property, at_micros) = (self.property, at_micros.into());
        let violation = Violation { property, invariant, detail: detail.into(), at_micros };
        self.findings.violations.push(violation);
    }

    pub(crate) fn skip(&mut self, reason: impl Into<String>) {
        let unchecked = Unchecked { property: self.property, reason: reason.into() };
        self.findings.unchecked.push(unchecked);
    }

    pub(crate) fn figure(&mut self, name: &'static str, value: u64) {
        self.findings.figures.push(Figure { property: self.property, name, value });
    }

    pub(crate) fn done(self) -> Findings {
        self.findings
    }
}
