//! `[odoo]`: how to reach Odoo.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use secrecy::SecretString;
use url::Url;

use super::address::http_url;
use super::ca_file::CaFile;
use super::error::Error;
use super::setting::{Entry, Fallback, HIDDEN, Setting, SettingKind, Sourced};
use super::sources::{Secret, Sources};
use crate::odoo::{self, Protocol};
use crate::outbound::shown_url;

static URL: Setting = Setting {
    key: Some("odoo.url"),
    flag: Some("odoo-url"),
    variable: "ODOO_URL",
    kind: SettingKind::Text("URL"),
    default: Fallback::None,
    meaning: "Odoo's address, such as http://127.0.0.1:8069",
    expected: "one that begins with http:// or https://",
};

static DB: Setting = Setting {
    key: Some("odoo.db"),
    flag: Some("odoo-db"),
    variable: "ODOO_DB",
    kind: SettingKind::Text("NAME"),
    default: Fallback::None,
    meaning: "Name of Odoo's database",
    expected: "a name",
};

static LOGIN: Setting = Setting {
    key: Some("odoo.login"),
    flag: Some("odoo-login"),
    variable: "ODOO_LOGIN",
    kind: SettingKind::Text("LOGIN"),
    default: Fallback::None,
    meaning: "Login of the technical user",
    expected: "a login",
};

static API_KEY: Setting = Setting {
    key: Some("odoo.api_key"),
    flag: None,
    variable: "ODOO_API_KEY",
    kind: SettingKind::Secret,
    default: Fallback::None,
    meaning: "API key of the technical user",
    expected: "a key",
};

static PROTOCOL: Setting = Setting {
    key: Some("odoo.protocol"),
    flag: Some("odoo-protocol"),
    variable: "ODOO_PROTOCOL",
    kind: SettingKind::Choice("PROTOCOL", protocols),
    default: Fallback::Value("auto"),
    meaning: "Which of Odoo's external APIs to use",
    expected: "auto, jsonrpc or json2",
};

static CA_FILE: Setting = Setting {
    key: Some("odoo.ca_file"),
    flag: None,
    variable: "ODOO_CA_FILE",
    kind: SettingKind::Text("FILE"),
    default: Fallback::None,
    meaning: "PEM file of certificates that may vouch for Odoo's besides this machine's own \
              authorities",
    expected: "a file of certificates in PEM form",
};

/// The settings of this section.
pub(super) static SETTINGS: [&Setting; 6] = [&URL, &DB, &LOGIN, &API_KEY, &PROTOCOL, &CA_FILE];

fn protocols() -> Vec<PossibleValue> {
    Protocol::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect()
}

/// How to reach Odoo.
#[derive(Clone)]
pub(super) struct Section {
    pub(super) url: Option<Sourced<Url>>,
    pub(super) db: Option<Sourced<String>>,
    pub(super) login: Option<Sourced<String>>,
    pub(super) api_key: Option<Sourced<SecretString>>,
    /// The file that holds the key, if one does.
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) protocol: Sourced<Protocol>,
    ca_file: Option<Sourced<CaFile>>,
}

impl Section {
    pub(super) fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        let text = |text: &str| Ok(text.to_owned());
        let (api_key, api_key_file) = match sources.secret(&API_KEY) {
            Some(Secret { given: Sourced { value, origin }, file }) => {
                (Some(Sourced { value: value?, origin }), file)
            }
            None => (None, None),
        };
        Ok(Self {
            url: sources.get(&URL, http_url)?,
            db: sources.get(&DB, text)?,
            login: sources.get(&LOGIN, text)?,
            api_key,
            api_key_file,
            protocol: sources.get_or_default(&PROTOCOL, |text| {
                Protocol::from_str(text, false).map_err(|_| "is not an API of Odoo's")
            })?,
            ca_file: sources.get(&CA_FILE, CaFile::read)?,
        })
    }

    /// What a client needs.
    ///
    /// # Errors
    ///
    /// [`Error`], naming each setting that is missing.
    pub(super) fn settings(&self) -> Result<odoo::Settings, Error> {
        let (Some(url), Some(db), Some(login), Some(api_key)) =
            (&self.url, &self.db, &self.login, &self.api_key)
        else {
            let missing = [
                (URL.variable.to_owned(), self.url.is_none()),
                (DB.variable.to_owned(), self.db.is_none()),
                (LOGIN.variable.to_owned(), self.login.is_none()),
                (
                    format!("{} or {}", API_KEY.variable, API_KEY.file_variable()),
                    self.api_key.is_none(),
                ),
            ];
            let missing: Vec<String> = missing
                .into_iter()
                .filter_map(|(name, is_missing)| is_missing.then_some(name))
                .collect();
            return Err(Error(format!(
                "To reach Odoo, set also {}: in the environment, or in a file given with --config.",
                missing.join(", ")
            )));
        };
        let mut settings = odoo::Settings::new(
            url.value.clone(),
            &*db.value,
            &*login.value,
            api_key.value.clone(),
        );
        settings.protocol = self.protocol.value;
        settings.authorities = CaFile::authorities(self.ca_file.as_ref());
        Ok(settings)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        vec![
            Entry::new(&URL, self.url.as_ref(), shown_url),
            Entry::new(&DB, self.db.as_ref(), String::clone),
            Entry::new(&LOGIN, self.login.as_ref(), String::clone),
            Entry::new(&API_KEY, self.api_key.as_ref(), |_| HIDDEN.to_owned()),
            Entry::new(&PROTOCOL, Some(&self.protocol), |protocol| {
                protocol
                    .to_possible_value()
                    .map_or_else(String::new, |value| value.get_name().to_owned())
            }),
            Entry::new(&CA_FILE, self.ca_file.as_ref(), CaFile::shown),
        ]
    }
}
