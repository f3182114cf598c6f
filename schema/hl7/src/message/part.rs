//! Access to fields, repetitions, components and subcomponents. Splitting and unescaping happen
//! when asked for; a part only borrows the message.

use super::escape::unescape;
use crate::charset::Charset;
use crate::delimiters::Delimiters;
use std::borrow::Cow;

/// What a part says: HL7 keeps what is empty and deletes what is `""`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing said.
    Empty,
    /// `""`: explicitly nothing.
    Null,
    /// A value.
    Value,
}

/// A field or a piece of one. Numbers count from 1; what is not there is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'m> {
    pub(super) raw: &'m str,
    pub(super) delimiters: &'m Delimiters,
    pub(super) charset: Charset,
    /// MSH-1 and MSH-2 hold delimiters and are not split.
    pub(super) whole: bool,
}

impl std::fmt::Debug for Part<'_> {
    /// Shows the length only (PHI-1).
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Part({} bytes)", self.raw.len())
    }
}

impl<'m> Part<'m> {
    /// The text as sent, with its delimiters and escapes.
    #[must_use]
    pub const fn raw(&self) -> &'m str {
        self.raw
    }

    /// The text with escape sequences resolved; delimiters inside stay as they are.
    #[must_use]
    pub fn text(&self) -> Cow<'m, str> {
        if self.whole {
            return Cow::Borrowed(self.raw);
        }
        unescape(self.raw, self.delimiters, self.charset)
    }

    /// The text without surrounding blanks; empty when it is `""`.
    #[must_use]
    pub fn value(&self) -> String {
        if self.is_null() { String::new() } else { self.text().trim().to_owned() }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.trim().is_empty()
    }

    /// Whether this is `""`, which deletes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.raw.trim() == "\"\""
    }

    /// Empty, `""` or a value.
    #[must_use]
    pub fn presence(&self) -> Presence {
        if self.is_empty() {
            Presence::Empty
        } else if self.is_null() {
            Presence::Null
        } else {
            Presence::Value
        }
    }

    /// The `number`-th repetition of a field.
    #[must_use]
    pub fn repetition(&self, number: usize) -> Self {
        self.nth(self.delimiters.repetition, number)
    }

    /// All repetitions of a field; one empty one when the field is empty.
    pub fn repetitions(&self) -> impl Iterator<Item = Self> + use<'m> {
        self.split(self.delimiters.repetition)
    }

    /// The `number`-th component. Of a field with repetitions ask for the repetition first.
    #[must_use]
    pub fn component(&self, number: usize) -> Self {
        self.nth(self.delimiters.component, number)
    }

    /// All components.
    pub fn components(&self) -> impl Iterator<Item = Self> + use<'m> {
        self.split(self.delimiters.component)
    }

    /// The `number`-th subcomponent of a component.
    #[must_use]
    pub fn subcomponent(&self, number: usize) -> Self {
        self.nth(self.delimiters.subcomponent, number)
    }

    fn nth(&self, delimiter: u8, number: usize) -> Self {
        let index = number.checked_sub(1);
        let raw = match index {
            None => None,
            Some(0) if self.whole => Some(self.raw),
            Some(_) if self.whole => None,
            Some(index) => piece(self.raw, delimiter, index),
        };
        Self { raw: raw.unwrap_or(""), ..*self }
    }

    fn split(&self, delimiter: u8) -> impl Iterator<Item = Self> + use<'m> {
        let part = *self;
        let splits = !part.whole;
        part.raw
            .split(move |character: char| splits && character == char::from(delimiter))
            .map(move |raw| Self { raw, ..part })
    }
}

/// The piece of `text` after `index` delimiters. Delimiters are ASCII, so bytes can be counted:
/// this is where decoding spends its time.
pub(super) fn piece(text: &str, delimiter: u8, index: usize) -> Option<&str> {
    let mut rest = text.as_bytes();
    let mut start = 0;
    for _ in 0..index {
        let at = rest.iter().position(|byte| *byte == delimiter)?;
        start += at + 1;
        rest = &rest[at + 1..];
    }
    let length = rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len());
    text.get(start..start + length)
}
