//! Facts as HL7 v2.5.1 messages, the way an admission system, a vitals system and a laboratory
//! write them.

use super::course::{Analysis, Vitals};
use super::hospital::Move;
use super::people::Person;
use super::{Calendar, FACILITY};

/// MSH-3 of the admission system.
pub(crate) const ADMISSIONS: &str = "NGADT";
/// MSH-3 of the ward system that sends vital signs.
pub(crate) const WARDS: &str = "NGVIT";
/// MSH-3 of the laboratory.
pub(crate) const LABORATORY: &str = "NGLAB";

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    /// MSH-10.
    pub(crate) control_id: &'a str,
    /// Seconds since the start.
    pub(crate) sent_at: i64,
    pub(crate) calendar: &'a Calendar,
}

/// Results of one collection.
#[derive(Debug, Clone)]
pub(crate) struct Results<'a> {
    /// Seconds since the start.
    pub(crate) taken_at: i64,
    /// OBR-3; empty for results that are never corrected.
    pub(crate) filler: String,
    /// OBX-11.
    pub(crate) status: &'static str,
    /// PV1-3; empty: no PV1.
    pub(crate) ward: &'a str,
}

/// An ADT message.
pub(crate) fn movement(envelope: Envelope<'_>, person: &Person, moved: &Move) -> Vec<u8> {
    let Move { trigger, at, class, location, prior, .. } = moved;
    let kind = match *trigger {
        "A04" | "A08" | "A13" => "ADT_A01",
        "A07" => "ADT_A06",
        "A11" | "A12" => "ADT_A09",
        "A05" => "ADT_A05",
        "A02" => "ADT_A02",
        "A03" => "ADT_A03",
        "A06" => "ADT_A06",
        _ => "ADT_A01",
    };
    let mut message = header(envelope, ADMISSIONS, &format!("ADT^{trigger}^{kind}"));
    message.push(event(envelope, trigger, *at));
    message.push(patient(person));
    message.push(visit(class, location, prior, person));
    finish(&message)
}

/// An A40: the duplicate record is retired into the first one.
pub(crate) fn merge(envelope: Envelope<'_>, person: &Person, at: i64) -> Vec<u8> {
    let mut message = header(envelope, ADMISSIONS, "ADT^A40^ADT_A39");
    message.push(event(envelope, "A40", at));
    message.push(patient(person));
    message.push(format!("MRG|{}^^^{FACILITY}^MR", person.duplicate().record));
    finish(&message)
}

/// An ORU with one set of vital signs; eight observations.
pub(crate) fn vitals(
    envelope: Envelope<'_>,
    person: &Person,
    results: &Results<'_>,
    vitals: &Vitals,
) -> Vec<u8> {
    let mut message = results_header(envelope, WARDS, person, results);
    message.push(request(envelope, results, "85353-1^Vital signs panel^LN"));
    let (code, text) = vitals.consciousness;
    let values = [
        ("9279-1", "Respiratory rate", format!("{:.0}", vitals.respiratory_rate), "/min"),
        ("59408-5", "Oxygen saturation", format!("{:.0}", vitals.saturation), "%"),
        ("3151-8", "Inhaled oxygen flow", format!("{:.0}", vitals.oxygen_flow), "L/min"),
        ("8480-6", "Systolic pressure", format!("{:.0}", vitals.systolic), "mm[Hg]"),
        ("8462-4", "Diastolic pressure", format!("{:.0}", vitals.diastolic), "mm[Hg]"),
        ("8867-4", "Heart rate", format!("{:.0}", vitals.heart_rate), "/min"),
        ("8310-5", "Body temperature", format!("{:.1}", vitals.temperature), "Cel"),
    ];
    numbers(envelope, &mut message, results, &values);
    let at = envelope.calendar.hl7(results.taken_at);
    let level = format!("CWE|80288-4^Level of consciousness^LN||{code}^{text}^SCT");
    message.push(format!("OBX|{}|{level}||||||F|||{at}", values.len() + 1));
    finish(&message)
}

/// How many observations [`vitals`] holds.
pub(crate) const VITALS_COUNT: u32 = 8;

/// An ORU with laboratory values.
pub(crate) fn laboratory(
    envelope: Envelope<'_>,
    person: &Person,
    results: &Results<'_>,
    analyses: &[Analysis],
) -> Vec<u8> {
    let mut message = results_header(envelope, LABORATORY, person, results);
    message.push(request(envelope, results, "24323-8^Chemistry panel^LN"));
    numbers(envelope, &mut message, results, analyses);
    finish(&message)
}

fn header(envelope: Envelope<'_>, sender: &str, kind: &str) -> Vec<String> {
    let Envelope { control_id, sent_at, calendar } = envelope;
    let sent = calendar.hl7(sent_at);
    let parties = format!("{sender}|{FACILITY}|MEDULLA|{FACILITY}");
    vec![format!("MSH|^~\\&|{parties}|{sent}||{kind}|{control_id}|P|2.5.1")]
}

/// EVN-2 is when it was recorded, EVN-6 when it happened.
fn event(envelope: Envelope<'_>, trigger: &str, at: i64) -> String {
    let recorded = envelope.calendar.hl7(envelope.sent_at);
    format!("EVN|{trigger}|{recorded}||||{}", envelope.calendar.hl7(at))
}

fn patient(person: &Person) -> String {
    let Person { record, family, given, born, sex, address, phone, .. } = person;
    let address = format!("{address}^^Northgate^^NG1 2AB^GB");
    format!("PID|1||{record}^^^{FACILITY}^MR||{family}^{given}||{born}|{sex}|||{address}||{phone}")
}

fn visit(class: &str, location: &str, prior: &str, person: &Person) -> String {
    let mut fields = vec![""; 20];
    let number = format!("V{}^^^{FACILITY}^VN", person.record);
    (fields[0], fields[1], fields[2], fields[3]) = ("PV1", "1", class, location);
    (fields[6], fields[19]) = (prior, &number);
    fields.join("|")
}

fn results_header(
    envelope: Envelope<'_>,
    sender: &str,
    person: &Person,
    results: &Results<'_>,
) -> Vec<String> {
    let mut message = header(envelope, sender, "ORU^R01^ORU_R01");
    message.push(patient(person));
    if !results.ward.is_empty() {
        let location = format!("{}^^^{FACILITY}", results.ward);
        message.push(visit("I", &location, "", person));
    }
    message
}

fn request(envelope: Envelope<'_>, results: &Results<'_>, code: &str) -> String {
    let at = envelope.calendar.hl7(results.taken_at);
    let filler = &results.filler;
    format!("OBR|1||{filler}|{code}|||{at}||||||||||||||||||{}", results.status)
}

fn numbers(
    envelope: Envelope<'_>,
    message: &mut Vec<String>,
    results: &Results<'_>,
    values: &[Analysis],
) {
    let at = envelope.calendar.hl7(results.taken_at);
    let status = results.status;
    for (index, (code, name, value, unit)) in values.iter().enumerate() {
        let number = index + 1;
        let what = format!("NM|{code}^{name}^LN||{value}|{unit}^{unit}^UCUM");
        message.push(format!("OBX|{number}|{what}|||||{status}|||{at}"));
    }
}

fn finish(segments: &[String]) -> Vec<u8> {
    let mut text = segments.join("\r");
    text.push('\r');
    text.into_bytes()
}
