//! A subscription as the application sees it: items one after the other, over reconnects, without
//! gap or repeat.

use crate::error::ClientError;
use crate::model::{AlertItem, Position};
use tokio::sync::mpsc;

/// Changes of alerts. Dropping it ends the subscription.
pub struct AlertStream {
    items: mpsc::Receiver<Result<AlertItem, ClientError>>,
    position: Option<Position>,
}

impl AlertStream {
    pub(crate) const fn new(items: mpsc::Receiver<Result<AlertItem, ClientError>>) -> Self {
        Self { items, position: None }
    }

    /// The next change; `None` when the client was closed. After an error nothing more comes:
    /// subscribe again from [`AlertStream::position`].
    pub async fn next(&mut self) -> Option<Result<AlertItem, ClientError>> {
        let item = self.items.recv().await;
        if let Some(Ok(AlertItem { position: Some(position), .. })) = &item {
            self.position = Some(position.clone());
        }
        item
    }

    /// Where to resume: everything before it was given out by [`AlertStream::next`].
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }
}
