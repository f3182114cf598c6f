//! Conversions of measured values and of scores with their inputs.

use crate::common::{
    mirrored_enum, put_list, put_text, read_decimal, read_list, read_measure, read_provenance,
    read_text, write_decimal, write_provenance,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::ids::ObservationId;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Band, Missing, PARAMETERS, Score, ScoreInput, ScoreModel, ScorePart};
use schema_types::time::Timestamp;

mirrored_enum!(strict score_model, read_score_model, ScoreModel, wire::ScoreModel, "score model",
    [News2, Mews, Qsofa, Sirs, ShockIndex, KdigoAki]);

mirrored_enum!(strict band, read_band, Band, wire::Band, "band",
    [Normal, Low, LowMedium, Medium, High]);

mirrored_enum!(strict missing, read_missing, Missing, wire::Missing, "missing", [Absent, Stale]);

pub(super) fn write_measured_value(
    mut builder: wire::measured_value::Builder<'_>,
    value: &MeasuredValue,
) {
    write_decimal(builder.reborrow().init_value(), &value.value);
    builder.set_effective_at_unix_micros(value.effective_at.unix_micros());
    builder.set_recorded_at_unix_micros(value.recorded_at.unix_micros());
    builder.set_observation(value.observation.as_str());
    builder.set_is_future_dated(value.future_dated);
    write_provenance(builder.init_provenance(), &value.provenance);
}

pub(super) fn read_measured_value(
    reader: wire::measured_value::Reader<'_>,
) -> Result<MeasuredValue, WireError> {
    Ok(MeasuredValue {
        value: read_decimal(reader.get_value())?,
        effective_at: Timestamp::from_unix_micros(reader.get_effective_at_unix_micros()),
        recorded_at: Timestamp::from_unix_micros(reader.get_recorded_at_unix_micros()),
        observation: ObservationId::new(read_text(reader.get_observation())?),
        future_dated: reader.get_is_future_dated(),
        provenance: read_provenance(reader.get_provenance())?,
    })
}

pub(super) fn write_measure_values(
    mut builder: wire::measure_values::Builder<'_>,
    (measure, values): (&Measure, &Vec<MeasuredValue>),
) {
    builder.set_measure(measure.number());
    put_list!(builder.init_values, values, write_measured_value);
}

pub(super) fn read_measure_values(
    reader: wire::measure_values::Reader<'_>,
) -> Result<(Measure, Vec<MeasuredValue>), WireError> {
    let measure = read_measure(reader.get_measure())?;
    Ok((measure, read_list(reader.get_values(), read_measured_value)?))
}

fn write_input(mut builder: wire::score_input::Builder<'_>, input: &ScoreInput) {
    builder.set_measure(input.measure.number());
    write_decimal(builder.reborrow().init_value(), &input.value);
    builder.set_observed_at_unix_micros(input.observed_at.unix_micros());
    put_text!(builder.set_observation, input.observation.as_str());
}

fn read_input(reader: wire::score_input::Reader<'_>) -> Result<ScoreInput, WireError> {
    Ok(ScoreInput {
        measure: read_measure(reader.get_measure())?,
        value: read_decimal(reader.get_value())?,
        observed_at: Timestamp::from_unix_micros(reader.get_observed_at_unix_micros()),
        observation: ObservationId::new(read_text(reader.get_observation())?),
    })
}

fn parameter_number(name: &str) -> u16 {
    let place = PARAMETERS.iter().position(|parameter| *parameter == name);
    let number = place.and_then(|place| u16::try_from(place + 1).ok());
    number.expect("a score part carries a name of schema_types::score::PARAMETERS")
}

fn parameter_name(number: u16) -> Result<&'static str, WireError> {
    let place = number.checked_sub(1).ok_or(WireError::Unset("score parameter"))?;
    let unknown = WireError::Unknown { what: "score parameter", number: u32::from(number) };
    PARAMETERS.get(usize::from(place)).copied().ok_or(unknown)
}

fn write_part(mut builder: wire::score_part::Builder<'_>, part: &ScorePart) {
    builder.set_parameter(parameter_number(part.parameter));
    let mut outcome = builder.reborrow().init_outcome();
    match part.points {
        Ok(points) => outcome.set_points(points),
        Err(reason) => outcome.set_missing(missing(reason)),
    }
    put_list!(builder.init_inputs, &part.inputs, write_input);
}

fn read_part(reader: wire::score_part::Reader<'_>) -> Result<ScorePart, WireError> {
    use wire::score_part::outcome::Which;
    let outcome = reader.get_outcome().which();
    let points = match outcome.map_err(WireError::not_in_schema("score outcome"))? {
        Which::Unset(()) => return Err(WireError::Unset("score outcome")),
        Which::Points(points) => Ok(points),
        Which::Missing(reason) => Err(read_missing(reason)?),
    };
    Ok(ScorePart {
        parameter: parameter_name(reader.get_parameter())?,
        points,
        inputs: read_list(reader.get_inputs(), read_input)?,
    })
}

pub(super) fn write_score(mut builder: wire::score::Builder<'_>, score: &Score) {
    builder.set_model(score_model(score.model));
    builder.set_model_version(score.model_version);
    builder.set_as_of_unix_micros(score.as_of.unix_micros());
    write_decimal(builder.reborrow().init_minimum(), &score.minimum);
    write_decimal(builder.reborrow().init_maximum(), &score.maximum);
    builder.set_band(band(score.band));
    put_list!(builder.init_parts, &score.parts, write_part);
}

pub(super) fn read_score(reader: wire::score::Reader<'_>) -> Result<Score, WireError> {
    Ok(Score {
        model: read_score_model(reader.get_model())?,
        model_version: reader.get_model_version(),
        as_of: Timestamp::from_unix_micros(reader.get_as_of_unix_micros()),
        minimum: read_decimal(reader.get_minimum())?,
        maximum: read_decimal(reader.get_maximum())?,
        band: read_band(reader.get_band())?,
        parts: read_list(reader.get_parts(), read_part)?,
    })
}

/// An entry of the map of current scores; the key is part of the value.
pub(super) fn write_score_entry(
    builder: wire::score::Builder<'_>,
    (model, score): (&ScoreModel, &Score),
) {
    assert!(*model == score.model, "a score is kept under another model");
    write_score(builder, score);
}

pub(super) fn read_score_entry(
    reader: wire::score::Reader<'_>,
) -> Result<(ScoreModel, Score), WireError> {
    let score = read_score(reader)?;
    Ok((score.model, score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_the_stable_numbers() {
        for model in ScoreModel::ALL {
            assert_eq!(score_model(*model) as u16, model.number(), "{model:?}");
        }
    }

    #[test]
    #[should_panic(expected = "carries a name of schema_types::score::PARAMETERS")]
    fn a_part_without_a_registered_name_is_not_stored() {
        parameter_number("shoe-size");
    }
}
