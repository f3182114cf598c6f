//! How often and after what time something is tried again that could not be done now.

use std::time::Duration;

/// Tries after the first.
pub(crate) const RETRIES_MAX: u32 = 10;
const FIRST_WAIT_MS: u64 = 50;
const WAIT_MS_MAX: u64 = 5_000;

/// The wait before the next try, doubled each time, or what the other side asked for; `None` when
/// there were enough. `tried` counts from 0.
pub(crate) fn wait_before(tried: u32, asked: Option<Duration>) -> Option<Duration> {
    if tried >= RETRIES_MAX {
        return None;
    }
    let doubled = FIRST_WAIT_MS.saturating_mul(1 << tried.min(16));
    let wanted = asked.unwrap_or(Duration::from_millis(doubled));
    Some(wanted.min(Duration::from_millis(WAIT_MS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        assert_eq!(wait_before(0, None), Some(Duration::from_millis(50)));
        assert_eq!(wait_before(3, None), Some(Duration::from_millis(400)));
        assert_eq!(wait_before(9, None), Some(Duration::from_millis(5_000)));
        assert_eq!(wait_before(10, None), None);
        let asked = Some(Duration::from_secs(1));
        assert_eq!(wait_before(0, asked), asked);
        assert_eq!(wait_before(0, Some(Duration::from_secs(60))), Some(Duration::from_secs(5)));
    }
}
