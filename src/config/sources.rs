//! Where values come from, and which source goes first.

use std::path::{Path, PathBuf};

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
    pub(super) fn secret(&self, setting: &Setting) -> Option<Secret> {
        let variable = |name: &str| {
            let value = (self.variable)(name).filter(|value| !value.trim().is_empty())?;
            Some((value.trim().to_owned(), Origin::Variable(name.to_owned())))
        };
        let key = |key: &str| {
            let (found, origin) = self.in_file(key)?;
            Some((found.text.expose_secret().to_owned(), origin))
        };
        let secret = |(text, origin): (String, Origin)| {
            let file = match &origin {
                Origin::File { path, .. } => Some(path.clone()),
                _ => None,
            };
            let value = not_empty(&text, setting, &origin);
            Secret { given: Sourced { value, origin }, file }
        };
        let of_file = |(path, origin): (String, Origin)| {
            let value = read_secret(Path::new(&path), setting, &origin);
            Secret { given: Sourced { value, origin }, file: Some(PathBuf::from(path)) }
        };
        variable(setting.variable)
            .map(secret)
            .or_else(|| variable(&setting.file_variable()).map(of_file))
            .or_else(|| key(setting.key?).map(secret))
            .or_else(|| key(&setting.file_key()?).map(of_file))
    }
}

/// A secret, and where it lies.
#[derive(Clone)]
pub(super) struct Secret {
    pub(super) given: Sourced<Result<SecretString, Error>>,
    /// The file that holds it: one of its own, or the settings file.
    pub(super) file: Option<PathBuf>,
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

fn read_secret(path: &Path, setting: &Setting, origin: &Origin) -> Result<SecretString, Error> {
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
    not_empty(&text, setting, origin)
}

fn not_empty(text: &str, setting: &Setting, origin: &Origin) -> Result<SecretString, Error> {
    let secret = bare(text, setting.variable);
    if secret.is_empty() {
        return Err(Error(format!("{} is set, but the secret is empty.", origin.subject())));
    }
    Ok(SecretString::from(secret))
}

/// The secret in a text: all of it or, in lines as a shell reads them, what is set to `variable`.
/// Scripts print secrets like that, and people store what was printed.
fn bare<'a>(text: &'a str, variable: &str) -> &'a str {
    let assigned = text.lines().find_map(|line| {
        let line = line.trim_start_matches('\u{feff}').trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(variable)?.trim_start().strip_prefix('=')
    });
    match assigned {
        Some(value) => value.trim().trim_matches(['"', '\'']),
        None => text.trim_start_matches('\u{feff}').trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_be_stored_as_a_script_prints_it() {
        for (text, expected) in [
            ("k3y", "k3y"),
            ("k3y\r\n", "k3y"),
            ("\u{feff}k3y\n", "k3y"),
            ("ODOO_API_KEY=k3y\n", "k3y"),
            ("export ODOO_API_KEY='k3y'\n", "k3y"),
            ("# of 2026\nODOO_API_KEY = \"k3y=\"\n", "k3y="),
            ("ODOO_API_KEY=", ""),
            ("ODOO_API_KEYS", "ODOO_API_KEYS"),
        ] {
            assert_eq!(bare(text, "ODOO_API_KEY"), expected, "{text}");
        }
    }
}
