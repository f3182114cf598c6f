//! Coded elements (CE, CWE, CNE): which of the code triplets to use, and names of code systems.

use crate::message::Part;
use schema_types::clinical::Code;
use schema_types::measure::{LOINC_SYSTEM, MDC_SYSTEM, Measure};

/// HL7 table 0396 names whose URI in FHIR is certain, so that both formats meet in one code.
const SYSTEMS: [(&str, &str); 12] = [
    ("LN", LOINC_SYSTEM),
    ("LOINC", LOINC_SYSTEM),
    ("2.16.840.1.113883.6.1", LOINC_SYSTEM),
    ("MDC", MDC_SYSTEM),
    ("SCT", "http://snomed.info/sct"),
    ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    ("UCUM", "http://unitsofmeasure.org"),
    ("2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm"),
];

/// The triplets that hold a code, in order: components 1-3, 4-6 and (since 2.7) 10-12.
pub(super) fn triplets(element: &Part<'_>) -> Vec<Code> {
    [1, 4, 10]
        .into_iter()
        .map(|first| {
            let component = |offset: usize| element.component(first + offset).value();
            Code { code: component(0), display: component(1), system: system(component(2)) }
        })
        .filter(|code| !code.code.is_empty())
        .collect()
}

/// What a person reads where there is no code: component 2, 5, or the original text in 9.
pub(super) fn text_of(element: &Part<'_>) -> String {
    [2, 5, 9]
        .into_iter()
        .map(|number| element.component(number).value())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// LOINC wherever it stands, else a code with a known measure, else the first.
pub(super) fn preferred(codes: &[Code]) -> Option<&Code> {
    codes
        .iter()
        .find(|code| code.system == LOINC_SYSTEM)
        .or_else(|| {
            codes.iter().find(|code| Measure::from_code(&code.system, &code.code).is_some())
        })
        .or_else(|| codes.first())
}

/// The measure that any of the codes names; LOINC first.
pub(super) fn measure_of(codes: &[Code]) -> Option<Measure> {
    let (loinc, other): (Vec<&Code>, Vec<&Code>) =
        codes.iter().partition(|code| code.system == LOINC_SYSTEM);
    loinc.into_iter().chain(other).find_map(|code| Measure::from_code(&code.system, &code.code))
}

fn system(name: String) -> String {
    let known = SYSTEMS.iter().find(|(hl7, _)| hl7.eq_ignore_ascii_case(&name));
    known.map_or(name, |(_, uri)| (*uri).to_owned())
}
