//! What can go wrong between the sidecar and Odoo, in sentences that a user can act on.
//!
//! A variant exists only where a caller branches on it, or where the advice differs. `fault.rs`
//! turns the names on the wire into variants, the protocols' own files turn statuses.

use super::model;

/// A call to Odoo that brought no result. `Display` is one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Odoo does not know the key: it is mistyped, revoked or expired (keys of internal users live
    /// 90 days at most).
    #[error(
        "Odoo refused the API key for `{login}`: it is wrong, expired or revoked, or the login is. \
         Make a new key in Odoo under Preferences > Security > New API Key, logged in as `{login}`."
    )]
    AccessDenied {
        /// The login that the key is for.
        login: String,
    },
    /// The user is known, but may not do this.
    #[error(
        "Odoo does not let `{login}` do this: {sentence} Give the user the group that is missing."
    )]
    AccessError {
        /// Who asked.
        login: String,
        /// What Odoo said, ending in a full stop.
        sentence: String,
    },
    /// A `UserError` or `ValidationError`: nothing was written, and a retry is useless.
    #[error("Odoo refused it: {sentence}")]
    Rejected {
        /// What Odoo told its user.
        sentence: String,
    },
    /// The record has been deleted.
    #[error("The record is no longer in Odoo: {sentence}")]
    Missing {
        /// What Odoo said.
        sentence: String,
    },
    /// The model is not installed in this database.
    #[error(
        "Odoo has no model `{model}` in this database: install the addon that brings it \
         (`{}`), or name another database.",
        addon_of(.model)
    )]
    UnknownModel {
        /// The technical name asked for.
        model: String,
    },
    /// The model has no such public method: the addon is older than the sidecar.
    #[error(
        "Odoo's model `{model}` has no method `{method}`: update {} in Odoo.",
        the_addon(.model)
    )]
    UnknownMethod {
        /// The technical name of the model.
        model: String,
        /// The method asked for.
        method: String,
    },
    /// A field that is not there, or a value that it does not take.
    #[error(
        "Odoo's model `{model}` has no such field or value ({detail}): update {} in Odoo.",
        the_addon(.model)
    )]
    BadField {
        /// The technical name of the model.
        model: String,
        /// What Odoo said.
        detail: String,
    },
    /// The method takes other arguments: addon and sidecar are of different versions.
    #[error(
        "Odoo's `{model}.{method}` takes other arguments ({detail}): update {} in Odoo.",
        the_addon(.model)
    )]
    BadArguments {
        /// The technical name of the model.
        model: String,
        /// The method called.
        method: String,
        /// What Odoo said.
        detail: String,
    },
    /// The model is there without the fields that the work needs.
    #[error(
        "Odoo's model `{model}` lacks {}: install or update the addon that brings it.",
        listed(.fields)
    )]
    MissingFields {
        /// The technical name of the model.
        model: String,
        /// The fields that are not there.
        fields: Vec<String>,
    },
    /// Odoo answers, but does not have or does not serve this database. At the first call,
    /// `/json/2` says the same of a database whose PostgreSQL is down.
    #[error(
        "Odoo at {url} has no database `{db}`, or does not serve it under this address: correct \
         the name (ODOO_DB) or the address (ODOO_URL); if both are right, start its PostgreSQL."
    )]
    UnknownDatabase {
        /// The database asked for.
        db: String,
        /// Odoo's address.
        url: String,
    },
    /// No connection was made, so nothing was executed.
    #[error("Odoo cannot be reached at {url} ({detail}): is it running, and is the address right?")]
    Unreachable {
        /// Odoo's address.
        url: String,
        /// Why: refused, no such host, no route, a certificate.
        detail: String,
    },
    /// The call was sent and no answer came: it may or may not have been executed.
    #[error(
        "The connection to Odoo at {url} was lost before it answered ({detail}): whether it did \
         what was asked is not known."
    )]
    Lost {
        /// Odoo's address.
        url: String,
        /// How it was lost.
        detail: String,
    },
    /// Something else answered, or a proxy in place of an Odoo that is down.
    #[error("{}", not_odoo(.url, *.status, .detail))]
    NotOdoo {
        /// The address asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer: its content type.
        detail: String,
    },
    /// PostgreSQL rolled the transaction back because of others, more often than Odoo retries.
    #[error("Odoo was too busy with the same records to finish: nothing was changed. Try again.")]
    Conflict,
    /// Odoo runs, but its PostgreSQL does not let it in.
    #[error("Odoo at {url} cannot reach its database just now ({detail}). Try again later.")]
    DatabaseAway {
        /// Odoo's address.
        url: String,
        /// What PostgreSQL said, in one line.
        detail: String,
    },
    /// The call is larger than what Odoo or a proxy takes, or the answer than what the sidecar
    /// takes.
    #[error(
        "Too much for one call to Odoo: ask for less at once, or raise the limit of the proxy."
    )]
    TooLarge,
    /// Odoo answered something that this version of the sidecar does not understand.
    #[error(
        "Odoo's answer to `{model}.{method}` is not understood ({detail}): {} and the sidecar do \
         not fit; update both.",
        the_addon(.model)
    )]
    Unreadable {
        /// The technical name of the model.
        model: String,
        /// The method called.
        method: String,
        /// Where in the answer, and why.
        detail: String,
    },
    /// A failure inside Odoo without a variant of its own. Odoo's log has the traceback.
    #[error("Internal error in Odoo ({name}: {sentence}); see its log.")]
    Server {
        /// The name of the Python exception.
        name: String,
        /// What it said, in one line.
        sentence: String,
    },
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// Whether the same call may well succeed a little later. It may have been executed already, so
    /// only a call that may safely arrive twice is retried.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Conflict
            | Self::DatabaseAway { .. } => true,
            Self::NotOdoo { status, .. } => matches!(status, 429 | 502..=504),
            _ => false,
        }
    }

    /// Whether a person has to change something, in Odoo or in the settings, before it can succeed.
    pub fn needs_change(&self) -> bool {
        match self {
            Self::AccessDenied { .. }
            | Self::AccessError { .. }
            | Self::UnknownModel { .. }
            | Self::UnknownMethod { .. }
            | Self::BadField { .. }
            | Self::BadArguments { .. }
            | Self::MissingFields { .. }
            | Self::UnknownDatabase { .. }
            | Self::Unreadable { .. }
            | Self::Settings(_) => true,
            Self::NotOdoo { .. } => !self.is_transient(),
            _ => false,
        }
    }
}

/// The addon to install for a model that is not there.
fn addon_of(model: &str) -> &'static str {
    if model.starts_with(model::RUN) { "sicantik_sidecar" } else { "sicantik_connector" }
}

/// The addon that a model is from, for a sentence. Only the ledger is certainly ours.
fn the_addon(model: &str) -> &'static str {
    if model.starts_with(model::RUN) {
        "the addon `sicantik_sidecar`"
    } else {
        "the addon that brings it"
    }
}

fn listed(fields: &[String]) -> String {
    let quoted: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
    format!("the field{} {}", if fields.len() == 1 { "" } else { "s" }, quoted.join(", "))
}

fn not_odoo(url: &str, status: u16, detail: &str) -> String {
    match status {
        502..=504 => format!(
            "The proxy in front of Odoo at {url} answered {status} ({detail}): Odoo behind it is \
             down or overloaded. Start it, or try again later."
        ),
        300..=399 => format!(
            "{url} answered {status}, a redirect elsewhere ({detail}): set the address (ODOO_URL) \
             that it leads to."
        ),
        429 => format!("The proxy in front of Odoo at {url} asks to slow down. Try again later."),
        _ => format!(
            "What answers at {url} is not an Odoo (status {status}, {detail}): correct the address \
             (ODOO_URL)."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_transient_errors_from_lasting_ones() {
        let text = String::new;
        let stranger = |status| Error::NotOdoo { url: text(), status, detail: text() };
        let rows = [
            (Error::Unreachable { url: text(), detail: text() }, true),
            (Error::Lost { url: text(), detail: text() }, true),
            (Error::Conflict, true),
            (Error::DatabaseAway { url: text(), detail: text() }, true),
            (stranger(429), true),
            (stranger(502), true),
            (stranger(503), true),
            (stranger(504), true),
            (stranger(200), false),
            (stranger(303), false),
            (stranger(404), false),
            (stranger(500), false),
            (Error::AccessDenied { login: text() }, false),
            (Error::AccessError { login: text(), sentence: text() }, false),
            (Error::Rejected { sentence: text() }, false),
            (Error::Missing { sentence: text() }, false),
            (Error::UnknownModel { model: text() }, false),
            (Error::UnknownMethod { model: text(), method: text() }, false),
            (Error::BadField { model: text(), detail: text() }, false),
            (Error::BadArguments { model: text(), method: text(), detail: text() }, false),
            (Error::MissingFields { model: text(), fields: vec![] }, false),
            (Error::UnknownDatabase { db: text(), url: text() }, false),
            (Error::TooLarge, false),
            (Error::Unreadable { model: text(), method: text(), detail: text() }, false),
            (Error::Server { name: text(), sentence: text() }, false),
            (Error::Settings(text()), false),
        ];
        for (error, is_transient) in rows {
            assert_eq!(error.is_transient(), is_transient, "{error:?}");
        }
    }

    #[test]
    fn names_the_addon_that_brings_the_model() {
        for (model, addon) in [
            (model::RUN, "sicantik_sidecar"),
            (model::RUN_LINE, "sicantik_sidecar"),
            (model::PERMIT, "sicantik_connector"),
            (model::CONNECTOR, "sicantik_connector"),
        ] {
            let error = Error::UnknownModel { model: model.to_owned() };
            assert!(error.to_string().contains(&format!("(`{addon}`)")), "{error}");
        }
        let unknown = |model: &str| {
            let (model, method) = (model.to_owned(), "claim".to_owned());
            Error::UnknownMethod { model, method }.to_string()
        };
        let error = unknown(model::RUN);
        assert!(error.ends_with("update the addon `sicantik_sidecar` in Odoo."), "{error}");
        let error = unknown(model::PERMIT);
        assert!(error.ends_with("update the addon that brings it in Odoo."), "{error}");
    }
}
