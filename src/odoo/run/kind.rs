//! What a run is about.

use serde::{Deserialize, Serialize};

use super::Label;

/// What a run is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// The listing: permits created and changed.
    Permits,
    /// Expiry dates.
    Expiry,
    /// The listing first, then the expiry dates that are still missing.
    All,
    /// Marking permits whose date has passed.
    Check,
}

/// A run of a kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("This sidecar does not know runs of the kind \"{0}\": update it.")]
pub struct UnknownKind(String);

impl Label<Kind> {
    /// The kind, if it is one that this version can work on.
    ///
    /// # Errors
    /// [`UnknownKind`], which is for whoever started the run.
    pub fn known(&self) -> Result<Kind, UnknownKind> {
        match self {
            Self::Known(kind) => Ok(*kind),
            Self::Unknown(word) => Err(UnknownKind(word.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_kind_is_an_error_that_says_so() {
        let read = |kind: &str| serde_json::from_value::<Label<Kind>>(json!(kind)).unwrap();
        for (text, kind) in [
            ("permits", Kind::Permits),
            ("expiry", Kind::Expiry),
            ("all", Kind::All),
            ("check", Kind::Check),
        ] {
            assert_eq!(read(text).known(), Ok(kind));
            assert_eq!(json!(kind), text);
        }
        let sentence = "This sidecar does not know runs of the kind \"paint\": update it.";
        assert_eq!(read("paint").known().unwrap_err().to_string(), sentence);
        assert!(read("Expiry").known().is_err(), "kinds are matched to the letter");
    }
}
