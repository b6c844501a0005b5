//! What can go wrong between the sidecar and Odoo, in sentences that a user can act on.
//!
//! A variant exists only where a caller branches on it, or where the advice differs. `fault.rs`
//! turns the names on the wire into variants, the protocols' own files turn statuses.

use super::{Protocol, model};

/// A call to Odoo that brought no result. `Display` is one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Odoo does not know the key: it is mistyped, revoked or expired (keys of internal users live
    /// 90 days at most). Only where Odoo says so: a refusal without a reason is
    /// [`Error::KeyUnchecked`].
    #[error(
        "Odoo refused the API key for `{login}`: it is wrong, expired or revoked, or the login is. \
         Run `deploy/technical_user.py` again and use the key that it prints (a user who can log \
         in makes one under Preferences > Security)."
    )]
    AccessDenied {
        /// The login that the key is for.
        login: String,
    },
    /// Odoo could not check the key. It hides why: a database that is slow or restarts looks like
    /// this.
    #[error(
        "Odoo at {url} could not check the API key just now ({detail}); that does not mean that \
         the key is wrong. Try again in a minute; if it stays, Odoo's log says why."
    )]
    KeyUnchecked {
        /// Odoo's address.
        url: String,
        /// What Odoo said.
        detail: String,
    },
    /// Odoo got the call without the key, which was sent: something on the way took it off.
    #[error(
        "Odoo at {url} got no API key: something in front of it, such as a proxy, removes the \
         header `Authorization`. Have it passed on, or set ODOO_PROTOCOL to `jsonrpc`."
    )]
    KeyStripped {
        /// Odoo's address.
        url: String,
    },
    /// Odoo answers at the address, but not under the path of its API.
    #[error(
        "Odoo answers at {url}, but something in front of it, such as a proxy or a firewall, does \
         not let {path} through (status {status}, {detail}): have POST requests to {url}{path} \
         passed on{}.",
        other_protocol(.path)
    )]
    Blocked {
        /// Odoo's address.
        url: String,
        /// The path of the API.
        path: &'static str,
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer: its content type.
        detail: String,
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
    /// No secure connection was made, so nothing was executed.
    #[error("There is no secure connection to Odoo at {url}: {cause}. {remedy}")]
    Tls {
        /// Odoo's address.
        url: String,
        /// Why.
        cause: String,
        /// What to do about it, as a sentence.
        remedy: String,
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
    /// Something else answered where an Odoo was a moment ago: a page of a proxy, or of an Odoo in
    /// trouble.
    #[error(
        "Odoo at {url} worked a moment ago, and now something else answers (status {status}, \
         {detail}): Odoo or the proxy in front of it is in trouble. Try again later; their logs \
         say more."
    )]
    OddAnswer {
        /// Odoo's address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer: its content type.
        detail: String,
    },
    /// Something else answered, or a proxy in place of an Odoo that is down. No Odoo has been seen
    /// there before.
    #[error("{}", not_odoo(.url, *.status, .detail))]
    NotOdoo {
        /// The address asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer: its content type, or where a redirect leads.
        detail: String,
    },
    /// PostgreSQL rolled the transaction back because of others, more often than Odoo retries.
    #[error("Odoo was too busy with the same records to finish: nothing was changed. Try again.")]
    Conflict,
    /// Odoo runs, but its PostgreSQL does not let it in, or does not answer in time.
    #[error("Odoo at {url} cannot use its database just now ({detail}). Try again later.")]
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
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::Conflict
            | Self::DatabaseAway { .. }
            | Self::KeyUnchecked { .. }
            | Self::OddAnswer { .. } => true,
            Self::NotOdoo { status, .. } => is_trouble(*status),
            _ => false,
        }
    }

    /// The error as it is once Odoo has answered: what looks like a wrong address or database then
    /// is an Odoo, or a proxy before it, in trouble.
    pub(super) fn after_proof(self) -> Self {
        match self {
            Self::NotOdoo { url, status, detail } => Self::OddAnswer { url, status, detail },
            Self::KeyStripped { url } => {
                Self::OddAnswer { url, status: 401, detail: "the API key was removed".to_owned() }
            }
            Self::UnknownDatabase { db, url } => Self::DatabaseAway {
                url,
                detail: format!("`{db}` was there and is not served now"),
            },
            error => error,
        }
    }

    /// Whether a person has to change something, in Odoo or in the settings, before it can succeed.
    pub fn needs_change(&self) -> bool {
        match self {
            Self::AccessDenied { .. }
            | Self::Tls { .. }
            | Self::KeyStripped { .. }
            | Self::Blocked { .. }
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
    if is_ours(model) { "sicantik_sidecar" } else { "sicantik_connector" }
}

/// Whether a model is certainly ours.
fn is_ours(model: &str) -> bool {
    model.starts_with(model::RUN) || model == model::SIDECAR
}

/// The addon that a model is from, for a sentence.
fn the_addon(model: &str) -> &'static str {
    if is_ours(model) { "the addon `sicantik_sidecar`" } else { "the addon that brings it" }
}

fn listed(fields: &[String]) -> String {
    let quoted: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
    format!("the field{} {}", if fields.len() == 1 { "" } else { "s" }, quoted.join(", "))
}

/// Whether a status says that a server, or a proxy before it, is in trouble or too busy, whatever
/// it is. Those from 520 on are Cloudflare's.
pub(super) fn is_trouble(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 507..=599)
}

/// What else could be done where a path is blocked.
fn other_protocol(path: &str) -> &'static str {
    if path == Protocol::Json2.path() { ", or set ODOO_PROTOCOL to `auto`" } else { "" }
}

fn not_odoo(url: &str, status: u16, detail: &str) -> String {
    match status {
        300..=399 => format!(
            "{url} answered {status}, a redirect ({detail}): set the address (ODOO_URL) that it \
             leads to."
        ),
        401 | 403 | 407 => format!(
            "Something at {url} refuses the sidecar ({status}, {detail}), such as a proxy that wants \
             a login of its own: have it let the sidecar through, or give Odoo's own address \
             (ODOO_URL), such as http://127.0.0.1:8069."
        ),
        429 => format!("The proxy in front of Odoo at {url} asks to slow down. Try again later."),
        500 => format!(
            "What answers at {url} has failed ({status}, {detail}): if that is Odoo, its log says \
             why. Try again later, or correct the address (ODOO_URL)."
        ),
        status if is_trouble(status) => format!(
            "The proxy in front of Odoo at {url} answered {status} ({detail}): Odoo behind it is \
             down or overloaded. Start it, or try again later."
        ),
        _ => format!(
            "What answers at {url} is not an Odoo (status {status}, {detail}): correct the address \
             (ODOO_URL)."
        ),
    }
}

#[cfg(test)]
mod tests;
