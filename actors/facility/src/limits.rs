//! Limits of one facility (LIM-1). Past a limit a command is refused with `EntityLimit`. Nothing
//! is forgotten: a forgotten stay could not be told from one that an old notice brings back, and
//! the census of the past would no longer be exact.

/// Stays kept, ended ones included: three years of a hospital with 33 000 admissions a year.
pub const STAYS_MAX: usize = 100_000;

/// Movements of all stays; at some 300 bytes each they stay below the largest stored record.
pub const MOVEMENTS_MAX: usize = 500_000;

/// Movements of one stay.
pub const MOVEMENTS_PER_STAY_MAX: usize = 2_048;

/// Beds whose status was ever set.
pub const BEDS_MAX: usize = 20_000;

/// Bytes of the name of a facility, ward, room or bed, and of a message id.
pub const NAME_BYTES_MAX: usize = 256;

/// Current FHIR resources of one facility or directory, deleted ones included.
pub const RESOURCES_MAX: usize = 100_000;

/// Writes in one command.
pub const WRITES_PER_COMMAND_MAX: usize = 10_000;

/// Instants in one census series: a leap year of hours.
pub const SERIES_POINTS_MAX: usize = 8_784;

const _: () = assert!(WRITES_PER_COMMAND_MAX <= RESOURCES_MAX);
const _: () = assert!(MOVEMENTS_PER_STAY_MAX <= MOVEMENTS_MAX);
const _: () =
    assert!(MOVEMENTS_MAX * 300 + RESOURCES_MAX * 500 < schema_wire::limits::RECORD_BYTES_MAX);
