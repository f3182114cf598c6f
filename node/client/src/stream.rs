//! A subscription as the application sees it: items one after the other, over reconnects, without
//! gap or repeat.

use crate::error::ClientError;
use crate::model::{AlertItem, Position};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// The items of one push; the last one carries the position.
pub(crate) type Pushed = Vec<AlertItem>;

/// Changes of alerts. Dropping it ends the subscription.
pub struct AlertStream {
    pushes: mpsc::Receiver<Result<Pushed, ClientError>>,
    given: VecDeque<AlertItem>,
    position: Option<Position>,
}

impl AlertStream {
    pub(crate) const fn new(
        pushes: mpsc::Receiver<Result<Pushed, ClientError>>,
        position: Option<Position>,
    ) -> Self {
        Self { pushes, given: VecDeque::new(), position }
    }

    /// The next change; `None` when the client was closed. After an error nothing more comes:
    /// subscribe again from [`AlertStream::position`].
    pub async fn next(&mut self) -> Option<Result<AlertItem, ClientError>> {
        loop {
            if let Some(item) = self.given.pop_front() {
                if let Some(position) = &item.position {
                    self.position = Some(position.clone());
                }
                return Some(Ok(item));
            }
            match self.pushes.recv().await? {
                Ok(items) => self.given.extend(items),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Where to resume: everything before it was given out by [`AlertStream::next`].
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }
}
