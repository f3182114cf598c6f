//! The device's row for live queries, as `schema_types::live` names its columns.

use crate::state::State;
use schema_types::Decimal;
use schema_types::ids::EntityId;
use schema_types::live::device_slot as slot;
use schema_wire::live::RowWriter;

/// Decimals of a second in a microsecond count.
const MICROS_SCALE: u32 = 6;

/// The row of a device.
#[must_use]
pub fn row(_entity: &EntityId, state: &State) -> Option<Vec<u8>> {
    let mut row = RowWriter::new(state.last_received_at.unwrap_or_default());
    if let Some((patient, since)) = &state.association {
        row.text(slot::PATIENT, patient.key());
        row.time(slot::ASSOCIATED_AT, *since);
    }
    row.count(slot::FLAGS, u32::from(state.silent_since.is_some()));
    if let Some(since) = state.silent_since {
        row.time(slot::SILENT_SINCE, since);
    }
    if let Some(percent) = state.battery_percent {
        row.count(slot::BATTERY, u32::from(percent));
    }
    if let Some(at) = state.last_received_at {
        row.time(slot::HEARD_AT, at);
        row.decimal(slot::CLOCK_OFFSET, Decimal::new(state.clock_offset_micros, MICROS_SCALE));
    }
    if state.interval_micros > 0 {
        row.decimal(slot::INTERVAL, Decimal::new(state.interval_micros, MICROS_SCALE));
    }
    row.count_u64(slot::SAMPLES, state.samples_total);
    row.count_u64(slot::MISSED, state.missed_total);
    row.count_u64(slot::OUT_OF_ORDER, state.out_of_order_total);
    Some(row.finish())
}
