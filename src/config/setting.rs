//! What a setting is, described once: its flag and `--help`, its key in the file, what `config`
//! prints, errors and the table of the README all derive from the description.
//!
//! Crates that merge layers of settings (figment, config) do not fit: their errors quote the value,
//! which may be a secret, and do not know the line of the file that it stands on. What they would
//! save is the precedence of the sources, which is one function: `Sources::find`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValue;

/// All there is to know about a setting.
pub struct Setting {
    /// Its key in the file, as `section.key`.
    pub key: Option<&'static str>,
    /// Its flag without the dashes; none for a secret, since arguments are visible to everybody on
    /// the machine.
    pub flag: Option<&'static str>,
    /// Its environment variable.
    pub variable: &'static str,
    /// What kind of value it takes.
    pub kind: SettingKind,
    /// What holds where nothing is given.
    pub default: Fallback,
    /// What it means.
    pub meaning: &'static str,
    /// What to give instead of a value that cannot be used; it follows "give".
    pub expected: &'static str,
}

/// What is shown of a secret.
pub(super) const HIDDEN: &str = "(set, hidden)";

/// What kind of value a setting takes.
pub enum SettingKind {
    /// Text; the placeholder stands for it in `--help`.
    Text(&'static str),
    /// One of a few words.
    Choice(&'static str, fn() -> Vec<PossibleValue>),
    /// A number; the unit is empty where things are counted.
    Number {
        /// What stands for it in `--help`.
        placeholder: &'static str,
        /// The unit that follows it.
        unit: &'static str,
    },
    /// A secret, which is never shown. Also read from the file that the variable with `_FILE`, or
    /// the key with `_file`, names.
    Secret,
}

/// What holds where a setting is not given.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Nothing.
    None,
    /// This value.
    Value(&'static str),
    /// What the connector in Odoo says, or else this value.
    Connector(&'static str),
}

impl Setting {
    /// The variable that names a file with the secret.
    pub(super) fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable)
    }

    /// The key that names a file with the secret.
    pub(super) fn file_key(&self) -> Option<String> {
        self.key.map(|key| format!("{key}_file"))
    }

    /// The keys that the settings file may have for it.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        let file_key = matches!(self.kind, SettingKind::Secret).then(|| self.file_key()).flatten();
        self.key.map(str::to_owned).into_iter().chain(file_key)
    }

    /// The default of a setting that a connector has, too.
    pub(super) fn connector_default<T: FromStr>(&self) -> T {
        match self.default {
            Fallback::Connector(text) => text.parse().ok(),
            Fallback::None | Fallback::Value(_) => None,
        }
        .expect("a test parses every default")
    }

    /// The value with its unit.
    pub(super) fn with_unit(&self, value: impl fmt::Display) -> String {
        match self.kind {
            SettingKind::Number { unit, .. } if !unit.is_empty() => format!("{value} {unit}"),
            _ => value.to_string(),
        }
    }

    /// Its flag on the command line.
    pub(super) fn arg(&self) -> Option<clap::Arg> {
        let flag = self.flag?;
        let mut help = self.meaning.to_owned();
        if let Fallback::Value(default) = self.default {
            help.push_str(&format!(" [default: {default}]"));
        }
        let env = format!("[env: {}]", self.variable);
        let arg = clap::Arg::new(flag)
            .long(flag)
            .help(format!("{help} {env}"))
            .long_help(format!("{help}\n\n{env}"))
            .global(true)
            .help_heading("Settings");
        Some(match &self.kind {
            SettingKind::Text(placeholder) => arg.value_name(*placeholder),
            SettingKind::Choice(placeholder, choices) => arg
                .value_name(*placeholder)
                .value_parser(clap::builder::PossibleValuesParser::new(choices())),
            SettingKind::Number { placeholder, .. } => {
                arg.value_name(*placeholder).allow_negative_numbers(true)
            }
            SettingKind::Secret => return None,
        })
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// The settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The line of the key, from 1.
        line: usize,
    },
    /// Nothing is given: the connector's setting in Odoo holds.
    Connector,
    /// Nothing is given: the default holds.
    Default,
}

impl Origin {
    /// The subject of a sentence about the value.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Flag(flag) => format!("--{flag}"),
            Self::Variable(variable) => variable.clone(),
            Self::File { path, key, line } => {
                format!("`{key}` in the settings file {}, line {line},", path.display())
            }
            Self::Connector => "The connector's setting".to_owned(),
            Self::Default => "The default".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(out, "flag --{flag}"),
            Self::Variable(variable) => write!(out, "variable {variable}"),
            Self::File { path, key, .. } => write!(out, "file {} ({key})", path.display()),
            Self::Connector => out.write_str("the connector's setting"),
            Self::Default => out.write_str("default"),
        }
    }
}

/// A value in effect, and where it came from.
#[derive(Debug, Clone)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// A setting as `config` shows it.
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    /// None where nothing is given.
    pub(super) value: Option<String>,
    /// None where nothing is in effect.
    pub(super) origin: Option<Origin>,
}

impl Entry {
    /// The value in effect as `show` shows it.
    pub(super) fn new<T>(
        setting: &'static Setting,
        given: Option<&Sourced<T>>,
        show: impl FnOnce(&T) -> String,
    ) -> Self {
        let fallback = match setting.default {
            Fallback::Connector(_) => Some(Origin::Connector),
            Fallback::None | Fallback::Value(_) => None,
        };
        Self {
            setting,
            value: given.map(|given| show(&given.value)),
            origin: given.map(|given| given.origin.clone()).or(fallback),
        }
    }
}
