//! Where values come from, and which source goes first.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::address::without_password;
use super::error::Error;
use super::file::{File, Found};
use super::setting::{Fallback, Origin, Setting, Sourced};

/// The sources of settings: flags override variables, which override the file, which overrides
/// defaults.
pub(super) struct Sources<'a> {
    /// The value of a flag.
    pub(super) flag: &'a dyn Fn(&str) -> Option<String>,
    /// The value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Option<File>,
}

impl Sources<'_> {
    /// What is given for a setting, by the source that goes first.
    fn find(&self, setting: &Setting) -> Option<Sourced<String>> {
        if let Some(flag) = setting.flag
            && let Some(value) = (self.flag)(flag)
        {
            return Some(Sourced { value, origin: Origin::Flag(flag) });
        }
        if let Some(value) = (self.variable)(setting.variable) {
            return Some(Sourced { value, origin: Origin::Variable(setting.variable.to_owned()) });
        }
        let (found, origin) = self.in_file(setting.key?)?;
        Some(Sourced { value: found.text.expose_secret().to_owned(), origin })
    }

    fn in_file(&self, key: &str) -> Option<(&Found, Origin)> {
        let file = self.file.as_ref()?;
        let found = file.get(key)?;
        let origin =
            Origin::File { path: file.path.clone(), key: key.to_owned(), line: found.line };
        Some((found, origin))
    }

    /// What is given for a setting, or else its default; `parse` says what is wrong with a text, in
    /// words that follow "which".
    ///
    /// # Errors
    ///
    /// [`Error`], if what is given cannot be used.
    pub(super) fn get<T>(
        &self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<Sourced<T>>, Error> {
        let Some(Sourced { value: text, origin }) = self.find(setting).or_else(|| default(setting))
        else {
            return Ok(None);
        };
        match parse(&text) {
            Ok(value) => Ok(Some(Sourced { value, origin })),
            Err(reason) => Err(unusable(&origin.subject(), &text, reason, setting.expected)),
        }
    }

    /// As [`Self::get`], for a setting that has a default.
    pub(super) fn get_or_default<T>(
        &self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Sourced<T>, Error> {
        self.get(setting, parse).map(|found| found.expect("the setting has a default"))
    }

    /// The secret of a setting, from the variable, the file that the variable with `_FILE` names,
    /// the settings file, or the file that this names. Fails only if the secret's file cannot be
    /// read; commands that do not need it ignore that.
    pub(super) fn secret(&self, setting: &Setting) -> Option<Sourced<Result<SecretString, Error>>> {
        let variable = |name: &str| {
            let value = (self.variable)(name).filter(|value| !value.trim().is_empty())?;
            Some((value.trim().to_owned(), Origin::Variable(name.to_owned())))
        };
        let key = |key: &str| {
            let (found, origin) = self.in_file(key)?;
            Some((found.text.expose_secret().to_owned(), origin))
        };
        let secret = |(text, origin): (String, Origin)| {
            let value = not_empty(text, &origin);
            Sourced { value, origin }
        };
        let of_file = |(path, origin): (String, Origin)| {
            let value = read_secret(Path::new(&path), &origin);
            Sourced { value, origin }
        };
        variable(setting.variable)
            .map(secret)
            .or_else(|| variable(&setting.file_variable()).map(of_file))
            .or_else(|| key(setting.key?).map(secret))
            .or_else(|| key(&setting.file_key()?).map(of_file))
    }
}

fn default(setting: &Setting) -> Option<Sourced<String>> {
    match setting.default {
        Fallback::Value(value) => {
            Some(Sourced { value: value.to_owned(), origin: Origin::Default })
        }
        Fallback::None | Fallback::Connector(_) => None,
    }
}

/// That a value cannot be used, and why.
pub(super) fn unusable(subject: &str, text: &str, reason: &str, expected: &str) -> Error {
    if text.trim().is_empty() {
        return Error(format!("{subject} is empty: give {expected}."));
    }
    let shown = without_password(text.trim());
    Error(format!("{subject} is `{shown}`, which {reason}: give {expected}."))
}

fn read_secret(path: &Path, origin: &Origin) -> Result<SecretString, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        // What is no path may be the secret itself, given under the wrong name.
        let shown = if path.is_absolute() { path.display().to_string() } else { "…".to_owned() };
        let named_by = match origin {
            Origin::File { key, .. } => key,
            Origin::Variable(variable) => variable,
            _ => "",
        };
        Error(format!("The file {shown} ({named_by}) cannot be read: {error}."))
    })?;
    not_empty(text.trim().to_owned(), origin)
}

fn not_empty(text: String, origin: &Origin) -> Result<SecretString, Error> {
    if text.is_empty() {
        return Err(Error(format!("{} is set, but the secret is empty.", origin.subject())));
    }
    Ok(SecretString::from(text))
}
