//! Conversions of measured values, and of scores with and without their inputs.

use crate::common::{
    mirrored_enum, put_digest, put_list, put_text, read_decimal, read_digest, read_list,
    read_measure, read_str, write_decimal,
};
use crate::common_capnp as common;
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::Decimal;
use schema_types::clinical::Origin;
use schema_types::history::Series;
use schema_types::ids::{MessagePlace, ObservationId, SourceId};
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{
    Band, Missing, PARAMETERS, Score, ScoreInput, ScoreModel, ScorePart, ScoreResult,
};
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
    write_origin(builder.init_provenance(), &value.provenance);
}

fn write_origin(mut builder: common::provenance::Builder<'_>, origin: &Origin) {
    put_text!(builder.set_source, origin.source.as_str());
    put_text!(builder.set_position, origin.position.as_str());
    put_digest!(builder.set_message, &origin.message);
}

fn read_origin(reader: capnp::Result<common::provenance::Reader<'_>>) -> Result<Origin, WireError> {
    let reader = reader?;
    Ok(Origin {
        source: SourceId::new(read_str(reader.get_source())?),
        message: read_digest(reader.get_message())?,
        position: MessagePlace::new(read_str(reader.get_position())?),
    })
}

pub(super) fn read_measured_value(
    reader: wire::measured_value::Reader<'_>,
) -> Result<MeasuredValue, WireError> {
    Ok(MeasuredValue {
        value: read_decimal(reader.get_value())?,
        effective_at: Timestamp::from_unix_micros(reader.get_effective_at_unix_micros()),
        recorded_at: Timestamp::from_unix_micros(reader.get_recorded_at_unix_micros()),
        observation: ObservationId::new(read_str(reader.get_observation())?),
        future_dated: reader.get_is_future_dated(),
        provenance: read_origin(reader.get_provenance())?,
    })
}

pub(super) fn write_measure_values(
    mut builder: wire::measure_values::Builder<'_>,
    (measure, values): (&Measure, &Series),
) {
    builder.set_measure(measure.number());
    put_list!(builder.init_values, values, write_measured_value);
}

pub(super) fn read_measure_values(
    reader: wire::measure_values::Reader<'_>,
) -> Result<(Measure, Series), WireError> {
    let measure = read_measure(reader.get_measure())?;
    Ok((measure, Series::from(read_list(reader.get_values(), read_measured_value)?)))
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
        observation: ObservationId::new(read_str(reader.get_observation())?),
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

/// A total of a result with its scale.
fn total(total: &Decimal) -> (i32, u8) {
    let mantissa = i32::try_from(total.mantissa()).expect("a total that `is_storable`");
    (mantissa, u8::try_from(total.scale()).expect("a scale is at most 28"))
}

fn read_total(mantissa: i32, scale: u8) -> Result<Decimal, WireError> {
    Decimal::try_from_i128_with_scale(i128::from(mantissa), u32::from(scale))
        .map_err(|_| WireError::Scale(scale))
}

pub(super) fn write_result(mut builder: wire::score_result::Builder<'_>, result: &ScoreResult) {
    builder.set_as_of_unix_micros(result.as_of.unix_micros());
    let (minimum, minimum_scale) = total(&result.minimum);
    let (maximum, maximum_scale) = total(&result.maximum);
    builder.set_minimum(minimum);
    builder.set_maximum(maximum);
    builder.set_model_version(result.model_version);
    builder.set_model(ordinal(score_model(result.model).into()));
    builder.set_band(ordinal(band(result.band).into()));
    builder.set_minimum_scale(minimum_scale);
    builder.set_maximum_scale(maximum_scale);
    builder.set_is_incomplete(!result.complete);
    builder.set_is_future_dated(result.future_dated);
}

fn ordinal(ordinal: u16) -> u8 {
    u8::try_from(ordinal).expect("an enum of few words")
}

pub(super) fn read_result(
    reader: wire::score_result::Reader<'_>,
) -> Result<ScoreResult, WireError> {
    Ok(ScoreResult {
        model: read_score_model(u16::from(reader.get_model()).try_into())?,
        model_version: reader.get_model_version(),
        as_of: Timestamp::from_unix_micros(reader.get_as_of_unix_micros()),
        minimum: read_total(reader.get_minimum(), reader.get_minimum_scale())?,
        maximum: read_total(reader.get_maximum(), reader.get_maximum_scale())?,
        band: read_band(u16::from(reader.get_band()).try_into())?,
        complete: !reader.get_is_incomplete(),
        future_dated: reader.get_is_future_dated(),
    })
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
