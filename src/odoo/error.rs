//! What can go wrong between the sidecar and Odoo, in sentences a user can act on.
//!
//! A variant exists only where somebody branches on it or where the advice differs. The wire's
//! names are turned into variants in `fault.rs`, its statuses in the protocols' own files.

/// A call to Odoo that brought no result. `Display` is one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Odoo does not know the key: mistyped, revoked, or past its date (keys of internal users
    /// live 90 days at most).
    #[error(
        "Odoo refused the API key for `{login}`: it is wrong, expired or revoked, or the login is. \
         Make a new key in Odoo under Preferences > Security > New API Key, logged in as `{login}`."
    )]
    AccessDenied {
        /// The login the key was given for.
        login: String,
    },
    /// The user is known and may not do this.
    #[error(
        "Odoo does not let `{login}` do this: {sentence} Give the user the group that is missing."
    )]
    AccessError {
        /// Who asked.
        login: String,
        /// What Odoo said, ending in a full stop.
        sentence: String,
    },
    /// A `UserError` or `ValidationError`: nothing was written, and sending it again is useless.
    #[error("Odoo refused it: {sentence}")]
    Rejected {
        /// What Odoo said to its user.
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
         (`sicantik_connector`), or name another database."
    )]
    UnknownModel {
        /// The technical name asked for.
        model: String,
    },
    /// The model has no such public method: the addon is older than the sidecar.
    #[error("Odoo's model `{model}` has no method `{method}`: update the addon in Odoo.")]
    UnknownMethod {
        /// The technical name of the model.
        model: String,
        /// The method asked for.
        method: String,
    },
    /// A field that is not there, or a value it does not take.
    #[error("Odoo's model `{model}` has no such field or value ({detail}): update the addon.")]
    BadField {
        /// The technical name of the model.
        model: String,
        /// What Odoo said.
        detail: String,
    },
    /// The method takes other arguments: the addon is of another age than the sidecar.
    #[error(
        "Odoo's `{model}.{method}` takes other arguments ({detail}): update the addon in Odoo."
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
    /// Odoo answers, and does not have or does not serve this database. When it is first asked,
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
    /// The question was sent and no answer came: it may have been executed, or not.
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
    /// Something else answered, or a proxy answered for an Odoo that is away.
    #[error("{}", not_odoo(.url, *.status, .detail))]
    NotOdoo {
        /// The address asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer: its content type, or what made it unreadable.
        detail: String,
    },
    /// PostgreSQL undid the transaction because of others, more often than Odoo repeats it.
    #[error("Odoo was too busy with the same records to finish: nothing was changed. Try again.")]
    Conflict,
    /// Odoo runs and its PostgreSQL does not let it in.
    #[error("Odoo at {url} cannot reach its database just now ({detail}). Try again later.")]
    DatabaseAway {
        /// Odoo's address.
        url: String,
        /// What PostgreSQL said, in one line.
        detail: String,
    },
    /// What was sent is larger than Odoo or a proxy takes, or the answer than we do.
    #[error(
        "Too much for one call to Odoo: ask for less at once, or raise the limit of the proxy."
    )]
    TooLarge,
    /// Odoo answered something else than this version of the sidecar understands.
    #[error(
        "Odoo's answer to `{model}.{method}` is not understood ({detail}): the addon and the \
         sidecar do not fit; update both."
    )]
    Unreadable {
        /// The technical name of the model.
        model: String,
        /// The method called.
        method: String,
        /// Where and why.
        detail: String,
    },
    /// A trouble inside Odoo that has no other name here; Odoo's log has the traceback.
    #[error("Odoo failed inside ({name}: {sentence}). Its log says more.")]
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
    /// Whether it may go by itself: sending the same again later can succeed. Only a call that
    /// does no harm twice may be: see [`Error::may_have_run`].
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

    /// Whether something has to be changed, in Odoo or in the settings, before the same can succeed.
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

    /// Whether Odoo may have executed the call although it has not said so.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Unreadable { .. } | Self::DatabaseAway { .. } => true,
            Self::NotOdoo { status, .. } => matches!(status, 200..=299 | 500 | 502 | 504),
            _ => false,
        }
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
    fn which_errors_pass_and_which_may_have_been_executed() {
        let text = String::new;
        let stranger = |status| Error::NotOdoo { url: text(), status, detail: text() };
        let rows = [
            (Error::Unreachable { url: text(), detail: text() }, true, false),
            (Error::Lost { url: text(), detail: text() }, true, true),
            (Error::Conflict, true, false),
            (Error::DatabaseAway { url: text(), detail: text() }, true, true),
            (stranger(429), true, false),
            (stranger(502), true, true),
            (stranger(503), true, false),
            (stranger(504), true, true),
            (stranger(200), false, true),
            (stranger(303), false, false),
            (stranger(404), false, false),
            (stranger(500), false, true),
            (Error::AccessDenied { login: text() }, false, false),
            (Error::AccessError { login: text(), sentence: text() }, false, false),
            (Error::Rejected { sentence: text() }, false, false),
            (Error::Missing { sentence: text() }, false, false),
            (Error::UnknownModel { model: text() }, false, false),
            (Error::UnknownMethod { model: text(), method: text() }, false, false),
            (Error::BadField { model: text(), detail: text() }, false, false),
            (Error::BadArguments { model: text(), method: text(), detail: text() }, false, false),
            (Error::MissingFields { model: text(), fields: vec![] }, false, false),
            (Error::UnknownDatabase { db: text(), url: text() }, false, false),
            (Error::TooLarge, false, false),
            (Error::Unreadable { model: text(), method: text(), detail: text() }, false, true),
            (Error::Server { name: text(), sentence: text() }, false, false),
            (Error::Settings(text()), false, false),
        ];
        for (error, passing, may_have_run) in rows {
            assert_eq!(error.is_transient(), passing, "{error:?}");
            assert_eq!(error.may_have_run(), may_have_run, "{error:?}");
        }
    }
}
