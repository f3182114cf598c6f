//! Connections that have not proven yet who they are. Their number is bounded, and one too many
//! puts out the oldest: a peer proves itself in milliseconds, so whoever stays silent makes room
//! for it and never keeps it out (LIM-1, LIVE-1).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The strangers of a listener.
pub(crate) struct Strangers {
    places: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next_number: u64,
    /// By age; dropping the sender puts the stranger out.
    present: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A stranger's place.
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    number: u64,
    put_out: oneshot::Receiver<()>,
}

impl Strangers {
    pub(crate) fn new(handshakes_max: u32) -> Arc<Self> {
        let places = usize::try_from(handshakes_max).unwrap_or(usize::MAX).max(1);
        Arc::new(Self { places, inside: Mutex::default() })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more in, and puts the oldest out if there is no place.
    pub(crate) fn enter(self: &Arc<Self>) -> Stranger {
        let (stays, put_out) = oneshot::channel();
        let mut inside = self.inside();
        let number = inside.next_number;
        inside.next_number += 1;
        inside.present.insert(number, stays);
        if inside.present.len() > self.places {
            inside.present.pop_first();
        }
        Stranger { strangers: Arc::clone(self), number, put_out }
    }
}

impl Stranger {
    /// Ends when the stranger has to go.
    pub(crate) async fn put_out(&mut self) {
        // Nobody sends: an error is a place that was taken away.
        drop((&mut self.put_out).await);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.inside().present.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_oldest_makes_room() {
        let strangers = Strangers::new(2);
        let mut crowd: Vec<_> = (0..3).map(|_| strangers.enter()).collect();
        let is_out = |stranger: &mut Stranger| stranger.put_out().now_or_never().is_some();
        assert_eq!(crowd.iter_mut().map(is_out).collect::<Vec<_>>(), [true, false, false]);
        crowd.remove(1);
        crowd.push(strangers.enter());
        assert!(!is_out(&mut crowd[1]), "a place was given back");
        crowd.push(strangers.enter());
        assert!(is_out(&mut crowd[1]));
    }
}
