//! What this crate accepts at most. Every bound has a name and a unit (LIM-1).

/// Largest single resource, in bytes.
pub const RESOURCE_BYTES_MAX: usize = 16 << 20;
/// Largest Bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Deepest nesting of JSON arrays and objects.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most entries of one Bundle that is processed.
pub const BUNDLE_ENTRIES_MAX: usize = 20_000;
/// Most problems reported for one resource.
pub const ISSUES_MAX: usize = 20;
/// Longest string value, in bytes (FHIR R4: 1 MB); `base64Binary` and narrative are excepted.
pub const STRING_BYTES_MAX: usize = 1 << 20;
/// Longest path shown in an error, in bytes.
pub const PATH_BYTES_MAX: usize = 256;
/// Largest page of a search.
pub const PAGE_COUNT_MAX: u64 = 1000;
/// Page size when the client names none.
pub const PAGE_COUNT_DEFAULT: u64 = 50;
/// Most search parameters in one request.
pub const SEARCH_PARAMETERS_MAX: usize = 64;
/// Most alternatives (comma) of one search parameter.
pub const SEARCH_ALTERNATIVES_MAX: usize = 256;
/// Longest value of one search parameter, in bytes.
pub const SEARCH_VALUE_BYTES_MAX: usize = 16 << 10;

const _: () = assert!(RESOURCE_BYTES_MAX <= BUNDLE_BYTES_MAX);
const _: () = assert!(PAGE_COUNT_DEFAULT <= PAGE_COUNT_MAX);
// serde_json itself stops at 128 levels, so the parse that precedes our check cannot overflow.
const _: () = assert!(JSON_DEPTH_MAX < 128);

/// The bounds of one parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest resource other than a Bundle, in bytes.
    pub resource_bytes_max: usize,
    /// Largest Bundle, in bytes.
    pub bundle_bytes_max: usize,
    /// Deepest nesting of JSON arrays and objects; at most [`JSON_DEPTH_MAX`] counts.
    pub depth_max: usize,
    /// Most entries of one Bundle.
    pub bundle_entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            resource_bytes_max: RESOURCE_BYTES_MAX,
            bundle_bytes_max: BUNDLE_BYTES_MAX,
            depth_max: JSON_DEPTH_MAX,
            bundle_entries_max: BUNDLE_ENTRIES_MAX,
        }
    }
}
