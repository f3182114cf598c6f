//! An observation as an application states it; the server finds the measure and checks the value.

use schema_types::Decimal;

/// One fact to record about a patient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewObservation {
    /// Unique within the patient; `None`: the command id.
    pub id: Option<String>,
    /// The command's name within the principal; the pair has one effect (ONCE-1). `None`: drawn
    /// when the call is made, kept over its retries.
    pub command_id: Option<String>,
    /// LOINC code, for example `8867-4`; with [`NewObservation::code_system`] a code of that
    /// system.
    pub code: String,
    /// URI or HL7 name of the code system; `None`: LOINC.
    pub code_system: Option<String>,
    /// The number, with the precision in which it was measured.
    pub value: Decimal,
    /// UCUM unit, for example `/min`.
    pub unit: String,
    /// When it was true of the patient, microseconds since the Unix epoch.
    pub effective_at_unix_micros: i64,
    /// Key of the device that measured it.
    pub device: Option<String>,
    /// Id of the stay it belongs to.
    pub encounter: Option<String>,
    /// FHIR category code, for example `vital-signs`; empty: none.
    pub category: String,
}

impl NewObservation {
    /// A number with its LOINC code and UCUM unit, true at `effective_at_unix_micros`.
    #[must_use]
    pub fn quantity(code: &str, value: Decimal, unit: &str, effective_at_unix_micros: i64) -> Self {
        Self {
            code: code.to_owned(),
            value,
            unit: unit.to_owned(),
            effective_at_unix_micros,
            ..Self::default()
        }
    }

    /// The same with a command id chosen by the caller.
    #[must_use]
    pub fn with_command_id(mut self, command_id: impl Into<String>) -> Self {
        self.command_id = Some(command_id.into());
        self
    }
}
