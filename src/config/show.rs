//! How settings are shown: to users by `config`, and in a log. No secret is in either, nor a
//! password in an address.

use std::fmt;

use super::Config;
use super::setting::{Entry, Fallback};

impl Entry {
    /// The line `key = value`.
    fn line(&self) -> String {
        let setting = self.setting;
        let value = self.value.clone().unwrap_or_else(|| match setting.default {
            Fallback::Connector(default) => {
                format!("(the connector's, or {})", setting.with_unit(default))
            }
            Fallback::None | Fallback::Value(_) => "(not set)".to_owned(),
        });
        format!("{} = {value}", setting.key.unwrap_or(setting.variable))
    }
}

/// The settings as lines `key = value`, secrets hidden.
impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            writeln!(out, "# settings file: {}", file.value.display())?;
        }
        let lines: Vec<String> = self.entries().iter().map(Entry::line).collect();
        out.write_str(&lines.join("\n"))
    }
}

/// As users see it: an address may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Config({self})")
    }
}

impl Config {
    /// As [`Display`](fmt::Display), with where each value came from beside it.
    #[must_use]
    pub fn with_origins(&self) -> String {
        let mut lines = Vec::new();
        if let Some(file) = &self.file {
            lines.push((format!("# settings file: {}", file.value.display()), Some(&file.origin)));
        }
        let entries = self.entries();
        lines.extend(entries.iter().map(|entry| (entry.line(), entry.origin.as_ref())));
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
        let lines = lines.into_iter().map(|(line, origin)| match origin {
            Some(origin) => format!("{line:width$}  # {origin}"),
            None => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
