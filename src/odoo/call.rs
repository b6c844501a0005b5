//! One call of a model's method: what errors name, and how its result is read.

use serde::de::DeserializeOwned;

use super::{Error, Settings};

/// What is called, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) model: &'a str,
    pub(crate) method: &'a str,
}

impl Call<'_> {
    /// Reads a result, and names the place in it that is not as expected.
    pub(crate) fn read<R: DeserializeOwned>(self, result: &str) -> Result<R, Error> {
        let mut json = serde_json::Deserializer::from_str(result);
        serde_path_to_error::deserialize(&mut json)
            .map_err(|error| self.unreadable(format!("at `{}`: {}", error.path(), error.inner())))
    }

    /// The error for an answer that cannot be understood.
    pub(crate) fn unreadable(self, detail: impl Into<String>) -> Error {
        Error::Unreadable {
            model: self.model.to_owned(),
            method: self.method.to_owned(),
            detail: detail.into(),
        }
    }
}
