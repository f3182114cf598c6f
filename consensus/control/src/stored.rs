//! How values of other crates stand in the Raft log and in snapshots: `schema-types` knows no
//! format, so each field of such a type names this module (`#[serde(with = "stored")]`).

use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::{ShardId, TenantId};
use schema_types::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value with a stored form.
pub(crate) trait Stored: Sized {
    type Form: Serialize + for<'de> Deserialize<'de>;

    fn form(&self) -> Self::Form;

    /// Nothing when the form holds no such value.
    fn restore(form: Self::Form) -> Option<Self>;
}

pub(crate) fn serialize<T: Stored, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.form().serialize(serializer)
}

pub(crate) fn deserialize<'de, T: Stored, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let form = T::Form::deserialize(deserializer)?;
    T::restore(form).ok_or_else(|| D::Error::custom("not a value of its type"))
}

macro_rules! stored_number {
    ($type:ident, $form:ty) => {
        impl Stored for $type {
            type Form = $form;

            fn form(&self) -> $form {
                self.0
            }

            fn restore(form: $form) -> Option<Self> {
                Some(Self(form))
            }
        }
    };
}

stored_number!(NodeId, u64);
stored_number!(Epoch, u64);
stored_number!(ShardId, u16);

impl Stored for Timestamp {
    type Form = i64;

    fn form(&self) -> i64 {
        self.unix_micros()
    }

    fn restore(form: i64) -> Option<Self> {
        Some(Self::from_unix_micros(form))
    }
}

impl Stored for HashRange {
    type Form = (u64, u64);

    fn form(&self) -> (u64, u64) {
        (self.first(), self.last())
    }

    fn restore((first, last): (u64, u64)) -> Option<Self> {
        Self::new(first, last)
    }
}

impl Stored for TenantId {
    type Form = String;

    fn form(&self) -> String {
        self.as_str().to_owned()
    }

    fn restore(form: String) -> Option<Self> {
        Some(Self::new(form))
    }
}

impl<T: Stored> Stored for Option<T> {
    type Form = Option<T::Form>;

    fn form(&self) -> Self::Form {
        self.as_ref().map(T::form)
    }

    fn restore(form: Self::Form) -> Option<Self> {
        match form {
            Some(form) => T::restore(form).map(Some),
            None => Some(None),
        }
    }
}

impl<T: Stored> Stored for Vec<T> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn restore(form: Self::Form) -> Option<Self> {
        form.into_iter().map(T::restore).collect()
    }
}

/// Maps with such keys: a list of pairs in the order of the keys.
pub(crate) mod rows {
    use super::Stored;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<K: Stored, V: Serialize, S: Serializer>(
        rows: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rows.iter().map(|(key, value)| (key.form(), value)))
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Stored + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let list = Vec::<(K::Form, V)>::deserialize(deserializer)?;
        let count = list.len();
        let pairs = list.into_iter().map(|(key, value)| Some((K::restore(key)?, value)));
        let rows: Option<BTreeMap<K, V>> = pairs.collect();
        match rows {
            Some(rows) if rows.len() == count => Ok(rows),
            Some(_) | None => Err(D::Error::custom("keys are wrong or repeated")),
        }
    }
}
