//! A word of the ledger that a newer addon may have added to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::odoo::value;

/// A word of Odoo's: one that this version knows, or one of a newer addon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label<T> {
    /// A known word.
    Known(T),
    /// Any other, as Odoo writes it; empty if unset.
    Unknown(String),
}

impl<T: PartialEq> PartialEq<T> for Label<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(known) if known == other)
    }
}

impl<T: fmt::Display> fmt::Display for Label<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => known.fmt(f),
            Self::Unknown(word) => f.pad(word),
        }
    }
}

impl<T: fmt::Display> Serialize for Label<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Label<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = value::text(deserializer)?;
        Ok(word.parse().map_or(Self::Unknown(word), Self::Known))
    }
}

impl<T> Default for Label<T> {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}
