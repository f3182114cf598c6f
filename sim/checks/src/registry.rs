//! Every property, with its invariant and its cost.

use crate::evidence::Evidence;
use crate::findings::Findings;
use crate::properties;

/// How much a property costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A pass or two over the evidence: may be checked while the run goes on.
    Cheap,
    /// Searches, hashes or folds: once, at the end.
    Dear,
}

/// One property.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// The invariant that it enforces, first of all.
    pub invariant: &'static str,
    /// What checking costs.
    pub cost: Cost,
    /// Checks it.
    pub check: fn(&Evidence) -> Findings,
}

macro_rules! properties {
    ($($module:ident $cost:ident,)*) => {
        /// Every property, in the order in which they are checked.
        pub const PROPERTIES: &[Property] = &[$(Property {
            name: properties::$module::NAME,
            invariant: properties::$module::INVARIANT,
            cost: Cost::$cost,
            check: properties::$module::check,
        }),*];
    };
}

properties! {
    acknowledged Cheap,
    acknowledged_durable Cheap,
    once Cheap,
    fencing Cheap,
    append_only Cheap,
    linearizable Dear,
    version_order Cheap,
    command_order Cheap,
    audit_complete Cheap,
    audit_log Dear,
    alerts Dear,
    census Cheap,
    scores Dear,
    placement Cheap,
    raft Cheap,
    liveness Cheap,
    fold Dear,
    bounds Cheap,
    goodput Cheap,
    phi Dear,
    stale_owner Cheap,
}

/// Checks every property.
#[must_use]
pub fn check_all(evidence: &Evidence) -> Findings {
    let mut findings = Findings::default();
    for property in PROPERTIES {
        findings.extend((property.check)(evidence));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::right_run;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), PROPERTIES.len());
    }

    #[test]
    fn a_right_run_is_right_and_is_looked_at() {
        let findings = check_all(&right_run());
        assert_eq!(findings.violations, []);
        assert_eq!(findings.unchecked, []);
    }

    #[test]
    fn an_empty_run_is_right() {
        assert_eq!(check_all(&Evidence::default()).violations, []);
    }
}
