//! What goes wrong between a hospital's systems: messages that come late, overtake each other, come
//! twice, or are broken in one of several ways.

use super::fhir::Call;
use super::random::Random;

const MINUTE: i64 = 60;
/// How many in a thousand come late, by minutes to hours.
pub(crate) const LATE_PER_THOUSAND: u64 = 40;
/// How many in a thousand are overtaken by the next.
const OVERTAKEN_PER_THOUSAND: u64 = 10;
/// How many in a thousand come again, exactly the same.
pub(crate) const REPEATED_PER_THOUSAND: u64 = 15;
/// How many in a thousand are sent broken first.
pub(crate) const BROKEN_PER_THOUSAND: u64 = 10;

/// How long a message takes, seconds.
pub(crate) fn delay(random: &mut Random) -> i64 {
    match random.below(1_000) {
        0..LATE_PER_THOUSAND => random.between(5 * MINUTE, 180 * MINUTE),
        number if number < LATE_PER_THOUSAND + OVERTAKEN_PER_THOUSAND => {
            random.between(2 * MINUTE, 8 * MINUTE)
        }
        _ => random.between(2, 25),
    }
}

/// A broken form of a good message: the bytes that a node must refuse and keep.
pub(crate) fn broken_message(
    random: &mut Random,
    good: &[u8],
    control_id: &str,
    future: &str,
) -> Vec<u8> {
    let text = String::from_utf8_lossy(good).into_owned();
    let mut segments: Vec<Vec<String>> = text
        .split_terminator('\r')
        .map(|segment| segment.split('|').map(str::to_owned).collect())
        .collect();
    // Field n of MSH stands at n - 1, since MSH-1 is the separator itself.
    set(&mut segments, "MSH", 9, control_id);
    match random.below(9) {
        0 => drop(segments.remove(0)),
        1 => set(&mut segments, "MSH", 8, "ADT^A99"),
        2 => set(&mut segments, "MSH", 9, ""),
        3 => set(&mut segments, "MSH", 1, "^^\\&"),
        4 => set(&mut segments, "MSH", 11, "9.9"),
        5 => segments.retain(|segment| segment.first().is_none_or(|name| name != "PID")),
        6 => set(&mut segments, "PID", 7, "19991350"),
        7 => {
            set(&mut segments, "EVN", 6, future);
            set(&mut segments, "OBX", 14, future);
        }
        _ => {
            set(&mut segments, "MSH", 17, "UNICODE UTF-8");
            return cut_utf8(&segments);
        }
    }
    join(&segments)
}

/// Sets a field in every segment of a name, making the segment longer where needed.
fn set(segments: &mut [Vec<String>], name: &str, field: usize, value: &str) {
    let named = segments.iter_mut().filter(|one| one.first().is_some_and(|first| first == name));
    for segment in named {
        if segment.len() <= field {
            segment.resize(field + 1, String::new());
        }
        segment[field] = value.to_owned();
    }
}

fn join(segments: &[Vec<String>]) -> Vec<u8> {
    let mut text = segments.iter().map(|one| one.join("|")).collect::<Vec<_>>().join("\r");
    text.push('\r');
    text.into_bytes()
}

/// A name with the first byte of a character whose second is missing.
fn cut_utf8(segments: &[Vec<String>]) -> Vec<u8> {
    let mut bytes = join(segments);
    let name = bytes.windows(5).position(|window| window == b"\rPID|");
    let at = name.and_then(|from| {
        let rest = bytes.get(from..)?;
        rest.iter().position(|byte| *byte == b'^').map(|caret| from + caret)
    });
    bytes.insert(at.unwrap_or(bytes.len()), 0xC3);
    bytes
}

/// How many in a thousand are followed by another message with their control id.
pub(crate) const REUSED_PER_THOUSAND: u64 = 2;

/// The same message with another content: MSH-11 says that it is only training.
pub(crate) fn reused_control_id(good: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(good).replacen("|P|2.5.1", "|T|2.5.1", 1).into_bytes()
}

/// A broken form of a good request.
pub(crate) fn broken_call(random: &mut Random, good: &Call) -> Call {
    let mut broken = good.clone();
    broken.key = format!("{}-broken", good.key);
    if random.chance(500) {
        broken.body.truncate(good.body.len() / 2);
    } else {
        let text = String::from_utf8_lossy(&good.body);
        broken.body = text.replace("\"status\":\"final\"", "\"status\":\"almost\"").into_bytes();
    }
    broken
}
