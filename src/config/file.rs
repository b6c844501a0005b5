//! The settings file: TOML, a section for each thing there is to set, no unknown keys.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::Error;
use super::setting::{Setting, SettingKind};

/// What the file says.
pub(super) struct File {
    pub(super) path: PathBuf,
    values: Vec<Found>,
}

/// A value of the file. Some are secrets, so all are treated as such.
pub(super) struct Found {
    key: String,
    pub(super) line: usize,
    pub(super) text: SecretString,
}

impl File {
    /// Reads the file, in which each key is one of `settings`.
    ///
    /// # Errors
    ///
    /// [`Error`] with the number of the line, but never its text, which may hold a secret.
    pub(super) fn read(path: &Path, settings: &[&Setting]) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error(format!("The settings file {} cannot be read: {error}.", path.display()))
        })?;
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let wrong = |at: usize, problem: &str| {
            Error(format!("The settings file {}, line {}: {problem}.", path.display(), line(at)))
        };
        let parsed = DeTable::parse(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            wrong(start, &error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        let mut values = Vec::new();
        for (section, table) in parsed.get_ref() {
            let keys = section_table(section, table, settings)
                .map_err(|problem| wrong(section.span().start, &problem))?;
            for (name, value) in keys {
                let at = name.span().start;
                let key = format!("{}.{}", section.get_ref(), name.get_ref());
                let text = known(&key, settings)
                    .and_then(|setting| value_text(&key, setting, value.get_ref()))
                    .map_err(|problem| wrong(at, &problem))?;
                values.push(Found { key, line: line(at), text });
            }
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// What it says under `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Found> {
        self.values.iter().find(|found| found.key == key)
    }
}

fn section_table<'a>(
    section: &Spanned<DeString<'_>>,
    table: &'a Spanned<DeValue<'a>>,
    settings: &[&Setting],
) -> Result<&'a DeTable<'a>, String> {
    let name = section.get_ref();
    let mut sections: Vec<&str> =
        settings.iter().filter_map(|setting| Some(setting.key?.split_once('.')?.0)).collect();
    sections.dedup();
    if !sections.contains(&name.as_ref()) {
        return Err(format!("unknown section `{name}`, expected {}", one_of(&sections)));
    }
    table.get_ref().as_table().ok_or_else(|| format!("`{name}` is not a section, as `[{name}]` is"))
}

/// The setting with this key.
fn known<'a>(key: &str, settings: &[&'a Setting]) -> Result<&'a Setting, String> {
    if let Some(setting) = settings.iter().find(|setting| setting.keys().any(|one| one == key)) {
        return Ok(setting);
    }
    let (section, name) = key.split_once('.').unwrap_or_default();
    let keys: Vec<String> = settings.iter().flat_map(|setting| setting.keys()).collect();
    let siblings: Vec<&str> =
        keys.iter().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')).collect();
    Err(format!("unknown key `{name}`, expected {}", one_of(&siblings)))
}

/// The value as a flag would have it, if it is of the right type.
fn value_text(key: &str, setting: &Setting, value: &DeValue<'_>) -> Result<SecretString, String> {
    let expected = match setting.kind {
        SettingKind::Number { .. } => "a number",
        _ => "a string",
    };
    let text = match (value, expected) {
        (DeValue::String(text), "a string") => text.to_string(),
        (DeValue::Float(number), "a number") => number.as_str().replace('_', ""),
        (DeValue::Integer(number), "a number") => {
            i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| format!("the number of `{key}` is too large"))?
                .to_string()
        }
        _ => return Err(format!("`{key}` is of type {}, expected {expected}", value.type_str())),
    };
    Ok(SecretString::from(text))
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("one of {}", quoted.join(", "))
}
