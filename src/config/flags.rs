//! The flags of all settings that may have one.

use std::collections::BTreeMap;
use std::fmt;

use super::address::without_password;
use super::general::{CONFIG, LOG};
use super::setting::Setting;
use super::{odoo, sicantik, sidecar};

/// All settings, in the order in which they are shown.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let sections = [&odoo::SETTINGS[..], &sicantik::SETTINGS, &sidecar::SETTINGS];
    [&CONFIG].into_iter().chain(sections.concat()).chain([&LOG])
}

/// The values of flags. Variables, the file and defaults fill in the rest.
#[derive(Clone, Default)]
pub struct Flags(BTreeMap<String, String>);

impl Flags {
    /// With a value for a flag, which is named without its dashes.
    #[must_use]
    pub fn with(mut self, flag: &str, value: impl Into<String>) -> Self {
        self.0.insert(flag.to_owned(), value.into());
        self
    }

    /// The value of a flag.
    pub(super) fn get(&self, flag: &str) -> Option<String> {
        self.0.get(flag).cloned()
    }
}

/// May hold a password; invalid addresses are masked, too.
impl fmt::Debug for Flags {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(flag, value)| (flag, without_password(value)));
        out.debug_map().entries(shown).finish()
    }
}

impl clap::Args for Flags {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(settings().filter_map(Setting::arg))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        for flag in settings().filter_map(|setting| setting.flag) {
            if let Some(value) = matches.get_one::<String>(flag) {
                self.0.insert(flag.to_owned(), value.clone());
            }
        }
        Ok(())
    }
}
