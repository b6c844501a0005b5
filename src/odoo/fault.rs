//! What Odoo says when a call fails: the same dict over both protocols, named by the Python
//! exception.
//!
//! Statuses and codes are no guide: `/jsonrpc` answers 200 to everything, and its code is 200 up to
//! Odoo 18 and 0 on 19.

use serde::Deserialize;

use super::call::Call;
use super::{Error, value};

/// `error.data` of `/jsonrpc`, and the body of an error of `/json/2`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Fault {
    /// The exception with its module: `odoo.exceptions.UserError`.
    pub(crate) name: String,
    /// What it says to the user.
    #[serde(default, deserialize_with = "value::text")]
    pub(crate) message: String,
    /// A Python traceback.
    #[serde(default, deserialize_with = "value::text")]
    debug: String,
}

impl Fault {
    /// The fault in the body of an answer, if that is one of Odoo's: another server's JSON may have
    /// a `name` as well, but no module in it.
    pub(crate) fn of_odoo(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok().filter(|fault: &Self| fault.name.contains('.'))
    }

    /// The error it means.
    pub(crate) fn into_error(self, call: Call<'_>) -> Error {
        let Call { settings, model, method } = call;
        tracing::debug!(
            odoo.model = model,
            odoo.method = method,
            odoo.exception = self.name,
            odoo.traceback = self.debug,
            "Odoo answered with an error"
        );
        let sentence = sentence(&self.message);
        let (model, method) = (model.to_owned(), method.to_owned());
        match self.name.as_str() {
            // Over `/jsonrpc` a bare refusal is about the key; whatever else it says, as "Too many
            // login failures", is not. `json2` tells apart what it means there.
            "odoo.exceptions.AccessDenied" if self.message == ACCESS_DENIED => {
                Error::AccessDenied { login: settings.login.clone() }
            }
            "odoo.exceptions.AccessDenied" | "odoo.http.SessionExpiredException" => {
                Error::KeyUnchecked { url: settings.shown_url(), detail: detail(&sentence) }
            }
            "odoo.exceptions.AccessError" => {
                Error::AccessError { login: settings.login.clone(), sentence }
            }
            "odoo.exceptions.UserError" if no_such_model(&self.message, &model) => {
                Error::UnknownModel { model }
            }
            "odoo.exceptions.UserError"
            | "odoo.exceptions.ValidationError"
            | "odoo.exceptions.RedirectWarning" => Error::Rejected { sentence },
            "odoo.exceptions.MissingError" => Error::Missing { sentence },
            // A bug in an addon has the same name, but does not name the method that was called.
            "builtins.AttributeError" if self.message.contains(&method) => {
                Error::UnknownMethod { model, method }
            }
            "builtins.ValueError" | "builtins.KeyError" => {
                Error::BadField { model, detail: detail(&sentence) }
            }
            "builtins.TypeError" | "builtins.IndexError" => {
                Error::BadArguments { model, method, detail: detail(&sentence) }
            }
            "odoo.exceptions.LockError"
            | "odoo.exceptions.ConcurrencyError"
            | "psycopg2.errors.SerializationFailure"
            | "psycopg2.errors.DeadlockDetected"
            | "psycopg2.errors.LockNotAvailable"
            | "psycopg2.extensions.TransactionRollbackError" => Error::Conflict,
            "psycopg2.OperationalError" if no_such_database(&self.message, &settings.db) => {
                Error::UnknownDatabase { db: settings.db.clone(), url: settings.shown_url() }
            }
            name if is_database_in_trouble(name) => {
                Error::DatabaseAway { url: settings.shown_url(), detail: detail(&sentence) }
            }
            name if name.ends_with("RequestEntityTooLarge") => Error::TooLarge,
            name => Error::Server { name: name.to_owned(), sentence },
        }
    }
}

/// What a bare refusal says, in every language.
pub(crate) const ACCESS_DENIED: &str = "Access Denied";

/// Whether an exception says that PostgreSQL cannot be used just now: it is away, overloaded, out
/// of something, or slower than its administrator allows.
fn is_database_in_trouble(name: &str) -> bool {
    matches!(
        name,
        "psycopg2.OperationalError"
            | "psycopg2.InterfaceError"
            | "psycopg2.pool.PoolError"
            | "odoo.sql_db.PoolError"
            | "psycopg2.errors.AdminShutdown"
            | "psycopg2.errors.CrashShutdown"
            | "psycopg2.errors.CannotConnectNow"
            | "psycopg2.errors.DatabaseDropped"
            | "psycopg2.errors.TooManyConnections"
            | "psycopg2.errors.ConnectionException"
            | "psycopg2.errors.ConnectionDoesNotExist"
            | "psycopg2.errors.ConnectionFailure"
            | "psycopg2.errors.SqlclientUnableToEstablishSqlconnection"
            // `statement_timeout` and its like.
            | "psycopg2.errors.QueryCanceled"
            | "psycopg2.extensions.QueryCanceledError"
            | "psycopg2.errors.IdleInTransactionSessionTimeout"
            | "psycopg2.errors.IdleSessionTimeout"
            | "psycopg2.errors.TransactionTimeout"
            // After a failover, until the pooler has noticed.
            | "psycopg2.errors.ReadOnlySqlTransaction"
            | "psycopg2.errors.InsufficientResources"
            | "psycopg2.errors.OutOfMemory"
            | "psycopg2.errors.DiskFull"
    )
}

/// Whether a message says that the model is unknown. `/jsonrpc` has a `UserError` for it, `/json/2`
/// a "not found"; both are English, since no language is asked for.
pub(crate) fn no_such_model(message: &str, model: &str) -> bool {
    message.contains(model)
        && (message.contains("doesn't exist") || message.contains("does not exist"))
        && !message.contains(&format!("{model}."))
}

/// Whether a message says that the database is unknown. PostgreSQL may speak another language, but
/// quotes the name. It quotes users and roles too, which often have the name of their database.
fn no_such_database(message: &str, db: &str) -> bool {
    message.contains(&format!("\"{db}\""))
        && !message.contains(&format!("user \"{db}\""))
        && !message.contains(&format!("role \"{db}\""))
}

/// A message as one short line that ends like a sentence, without a traceback.
pub(crate) fn sentence(message: &str) -> String {
    const LONGEST: usize = 400;
    let message = message.split("Traceback (most recent call last)").next().unwrap_or_default();
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "it gave no reason.".to_owned();
    }
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST).collect::<String>() + "…";
    }
    if !line.ends_with(['.', '!', '?', '…', ':', '。']) {
        line.push('.');
    }
    line
}

/// A sentence for brackets.
pub(crate) fn detail(sentence: &str) -> String {
    sentence.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_odoo_says_becomes_one_short_sentence() {
        for (message, expected) in [
            ("No permits to sync", "No permits to sync."),
            ("Are you sure?", "Are you sure?"),
            ("Not allowed.\n\n\t- Access Rights\n", "Not allowed. - Access Rights."),
            ("It broke.\nTraceback (most recent call last):\n  File x", "It broke."),
            ("", "it gave no reason."),
        ] {
            assert_eq!(sentence(message), expected);
        }
        assert_eq!(sentence(&"ä".repeat(1000)).chars().count(), 401);
    }

    #[test]
    fn a_database_is_unknown_only_when_it_is_the_database_that_is_named() {
        for (message, unknown) in [
            ("FATAL:  database \"permits\" does not exist", true),
            ("FATAL:  basis data \"permits\" tidak ada", true),
            ("FATAL:  role \"permits\" does not exist", false),
            ("FATAL:  password authentication failed for user \"permits\"", false),
            ("could not connect to server: Connection refused", false),
        ] {
            assert_eq!(no_such_database(message, "permits"), unknown, "{message}");
        }
    }
}
