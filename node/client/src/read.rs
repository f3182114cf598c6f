//! From answers to plain values.

use crate::error::ClientError;
use crate::model::{AlertSummary, Explained, LiveState, QueryRow, Receipt, ScoreView, VitalView};
use schema_types::Decimal;
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp as wire;

type Result<T> = std::result::Result<T, ClientError>;

pub(crate) fn check_length(is: u32, wanted: usize) -> Result<()> {
    if usize::try_from(is) == Ok(wanted) {
        return Ok(());
    }
    Err(ClientError::Protocol { reason: "a batch came back with another length".to_owned() })
}

/// A failure of one item of a batch.
pub(crate) fn failure(reader: wire::failure::Reader<'_>) -> Result<ClientError> {
    let code = reader.get_code()?.to_str()?;
    let message = reader.get_message()?.to_string()?;
    Ok(refused(code, message, reader.get_retry_after_ms()))
}

/// A refusal by its code as sent.
pub(crate) fn refused(code: &str, message: String, retry_after_ms: u64) -> ClientError {
    match ErrorCode::ALL.iter().find(|known| known.as_str() == code) {
        Some(code) => ClientError::Refused { code: *code, message, retry_after_ms },
        None => ClientError::UnknownCode { code: code.to_owned(), message, retry_after_ms },
    }
}

pub(crate) fn decimal(reader: wire::decimal::Reader<'_>) -> Result<Decimal> {
    let magnitude = i128::from(reader.get_low()) | (i128::from(reader.get_high()) << 64);
    let number = Decimal::try_from_i128_with_scale(magnitude, u32::from(reader.get_scale()));
    let wrong = |_| ClientError::Protocol { reason: "a number is out of range".to_owned() };
    let mut number = number.map_err(wrong)?;
    if !number.is_zero() {
        number.set_sign_negative(reader.get_is_negative());
    }
    Ok(number)
}

pub(crate) fn receipt(reader: wire::receipt::Reader<'_>, command_id: &str) -> Result<Receipt> {
    Ok(Receipt {
        command_id: command_id.to_owned(),
        sequence: reader.get_sequence(),
        repeated: reader.get_repeated(),
        recorded: reader.get_recorded(),
        scores: reader.get_scores()?.iter().map(score).collect::<Result<_>>()?,
        alerts: reader.get_alerts()?.iter().map(alert).collect::<Result<_>>()?,
    })
}

pub(crate) fn score(reader: wire::score::Reader<'_>) -> Result<ScoreView> {
    Ok(ScoreView {
        model: reader.get_model()?.to_string()?,
        model_version: reader.get_model_version(),
        as_of_unix_micros: reader.get_as_of_unix_micros(),
        minimum: decimal(reader.get_minimum()?)?,
        maximum: decimal(reader.get_maximum()?)?,
        band: reader.get_band()?.to_string()?,
    })
}

pub(crate) fn alert(reader: wire::alert::Reader<'_>) -> Result<AlertSummary> {
    Ok(AlertSummary {
        id: reader.get_id()?.to_string()?,
        condition: reader.get_condition()?.to_string()?,
        severity: reader.get_severity()?.to_string()?,
        status: reader.get_status()?.to_string()?,
        raised_at_unix_micros: reader.get_raised_at_unix_micros(),
        changed_at_unix_micros: reader.get_changed_at_unix_micros(),
    })
}

fn vital(reader: wire::vital::Reader<'_>) -> Result<VitalView> {
    Ok(VitalView {
        measure: reader.get_measure()?.to_string()?,
        value: decimal(reader.get_value()?)?,
        unit: reader.get_unit()?.to_string()?,
        effective_at_unix_micros: reader.get_effective_at_unix_micros(),
    })
}

pub(crate) fn state(reader: wire::live_state::Reader<'_>) -> Result<LiveState> {
    let mut state = LiveState {
        patient: reader.get_patient()?.to_string()?,
        registration: reader.get_registration()?.to_string()?,
        vitals: reader.get_vitals()?.iter().map(vital).collect::<Result<_>>()?,
        scores: reader.get_scores()?.iter().map(score).collect::<Result<_>>()?,
        alerts: reader.get_alerts()?.iter().map(alert).collect::<Result<_>>()?,
        observations_total: reader.get_observations_total(),
        ..LiveState::default()
    };
    for stay in reader.get_stays()? {
        if stay.get_status()?.to_str()? == "open" && stay.has_location() {
            let location = stay.get_location()?;
            state.ward = location.get_ward()?.to_string()?;
            state.bed = location.get_bed()?.to_string()?;
        }
    }
    Ok(state)
}

pub(crate) fn explained(reader: wire::explanation::Reader<'_>) -> Result<Explained> {
    use wire::score_part::outcome::Which;
    let (mut parts, mut inputs) = (Vec::new(), Vec::new());
    for part in reader.get_parts()? {
        let parameter = part.get_parameter()?.to_string()?;
        for input in part.get_inputs()? {
            let observation = input.get_observation()?.to_string()?;
            inputs.push((parameter.clone(), observation, input.get_age_micros()));
        }
        let points = match part.get_outcome().which()? {
            Which::Points(points) => Some(points),
            Which::Missing(_) => None,
        };
        parts.push((parameter, points));
    }
    Ok(Explained { score: score(reader.get_score()?)?, parts, inputs })
}

pub(crate) fn row(reader: wire::cohort_row::Reader<'_>) -> Result<QueryRow> {
    use wire::cohort_value::Which;
    let value = |value: wire::cohort_value::Reader<'_>| -> Result<String> {
        Ok(match value.which()? {
            Which::Missing(()) => String::new(),
            Which::Text(text) => text?.to_string()?,
            Which::Number(number) => number.to_string(),
            Which::TimeUnixMicros(micros) => micros.to_string(),
            Which::Flag(flag) => flag.to_string(),
        })
    };
    let values = reader.get_values()?.iter().map(value).collect::<Result<_>>()?;
    Ok(QueryRow { values })
}
