//! How long the other side has been silent, in heartbeats of this side and not by the clock: a
//! pause of this process counts as one, so it is not taken for a silence of the other.

use crate::config::Liveness;

/// See the module. The first heartbeat comes at once and counts.
#[derive(Debug)]
pub(crate) struct Silence {
    liveness: Liveness,
    was_heard: bool,
    silent_ms: u64,
}

impl Silence {
    pub(crate) fn new(liveness: Liveness) -> Self {
        Self { liveness, was_heard: true, silent_ms: 0 }
    }

    /// A byte has come, or none could because this side does not listen.
    pub(crate) fn heard(&mut self) {
        self.was_heard = true;
    }

    /// A heartbeat has passed. Gives whether the other side has been silent for too long.
    pub(crate) fn is_too_long(&mut self) -> bool {
        if self.was_heard {
            self.was_heard = false;
            self.silent_ms = 0;
        } else {
            self.silent_ms = self.silent_ms.saturating_add(self.liveness.heartbeat_ms.max(1));
        }
        self.silent_ms >= self.liveness.silence_ms_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heartbeats_in_a_row_without_a_byte_count() {
        let mut silence = Silence::new(Liveness { heartbeat_ms: 500, silence_ms_max: 2_000 });
        for (step, (is_heard, expected)) in [
            (false, false),
            (false, false),
            (false, false),
            (false, false),
            (true, false),
            (false, false),
            (false, false),
            (false, false),
            (false, true),
        ]
        .into_iter()
        .enumerate()
        {
            if is_heard {
                silence.heard();
            }
            assert_eq!(silence.is_too_long(), expected, "step {step}");
        }
    }
}
