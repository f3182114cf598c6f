//! Limits of one facility (LIM-1). Past a limit a command is refused with `EntityLimit`. Nothing
//! is forgotten: a forgotten stay could not be told from one that an old notice brings back, and
//! the census of the past would no longer be exact.

/// Stays kept, ended ones included: four years of a hospital with 60 000 admissions a year.
pub const STAYS_MAX: usize = 250_000;

/// Movements of one stay.
pub const MOVEMENTS_PER_STAY_MAX: usize = 4_096;

/// Beds whose status was ever set.
pub const BEDS_MAX: usize = 20_000;

/// Bytes of the name of a ward, room or bed.
pub const PLACE_BYTES_MAX: usize = 128;

/// Current FHIR resources of one facility or directory, deleted ones included.
pub const RESOURCES_MAX: usize = 200_000;

/// Writes in one command.
pub const WRITES_PER_COMMAND_MAX: usize = 10_000;

/// Instants in one census series: a year of hours.
pub const SERIES_POINTS_MAX: usize = 8_784;

const _: () = assert!(WRITES_PER_COMMAND_MAX <= RESOURCES_MAX);
