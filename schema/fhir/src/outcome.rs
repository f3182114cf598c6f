//! OperationOutcome: what a client is told of a refusal or a result.

use crate::error::FhirError;
use serde_json::{Value, json};

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueSeverity {
    /// The action did not take place.
    Error,
    /// It took place, but something is doubtful.
    Warning,
    /// It took place.
    Information,
}

impl IssueSeverity {
    /// The FHIR code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// An OperationOutcome with one issue per problem; `diagnostics` begins with our code.
#[must_use]
pub fn refusal(problems: &[FhirError]) -> Value {
    let issues: Vec<Value> = problems.iter().map(|p| issue(p, IssueSeverity::Error)).collect();
    if issues.is_empty() {
        return message("refused", "processing", IssueSeverity::Error);
    }
    json!({ "resourceType": "OperationOutcome", "issue": issues })
}

/// An OperationOutcome that says that all went well, or an unspecific trouble.
#[must_use]
pub fn message(words: &str, issue_type: &str, severity: IssueSeverity) -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": severity.as_str(),
            "code": issue_type,
            "details": { "text": words },
        }],
    })
}

/// One issue.
#[must_use]
pub fn issue(problem: &FhirError, severity: IssueSeverity) -> Value {
    let mut issue = json!({
        "severity": severity.as_str(),
        "code": problem.issue_type,
        "details": { "text": problem.reason },
        "diagnostics": problem.to_string(),
    });
    if !problem.path.is_empty()
        && let Some(map) = issue.as_object_mut()
    {
        map.insert("expression".to_owned(), json!([problem.path]));
    }
    issue
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::error_code::ErrorCode;

    #[test]
    fn names_code_place_and_reason() {
        let problem = FhirError::new(ErrorCode::FhirStructure, "Patient.gender", "not a code");
        let outcome = refusal(&[problem]);
        let issue = &outcome["issue"][0];
        assert_eq!(issue["diagnostics"], "MED-FHIR-002 at Patient.gender: not a code");
        assert_eq!(issue["expression"][0], "Patient.gender");
        assert_eq!(issue["code"], "structure");
        assert_eq!(issue["severity"], "error");
    }
}
