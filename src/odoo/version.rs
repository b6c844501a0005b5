//! Which Odoo this is, asked without a login.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::jsonrpc::JsonRpc;
use super::transport::Transport;
use super::{Error, Settings};

/// The version of an Odoo server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As Odoo writes it, for people: `19.0-20250918`, `saas~18.2+e`.
    pub text: String,
    /// The number that decides what it can do: 19 for both `19.0` and `saas~19.1`.
    pub major: u32,
}

#[derive(Deserialize)]
struct Info {
    server_version: String,
    server_version_info: Vec<Value>,
}

impl Info {
    fn version(self) -> Option<Version> {
        let major = self.server_version_info.first().and_then(major)?;
        Some(Version { text: self.server_version, major })
    }
}

/// Asks the server its version. It fails as [`super::Client::connect`] does where no Odoo answers.
pub(super) async fn ask_version(settings: &Settings) -> Result<Version, Error> {
    #[derive(Deserialize)]
    struct Envelope {
        result: Info,
    }
    // `GET /web/version` is there from 19 only.
    let body = json!({ "jsonrpc": "2.0", "params": {} });
    let transport = Transport::new(settings, HeaderMap::new())?;
    let answer = transport.post(settings, "/web/webclient/version_info", &body).await?;
    match serde_json::from_str::<Envelope>(&answer.body) {
        Ok(envelope) if answer.status == 200 => envelope.result.version(),
        _ => None,
    }
    .ok_or_else(|| answer.not_odoo(settings))
}

/// The same over `/jsonrpc`, where the other way is blocked.
pub(super) async fn ask_version_by_jsonrpc(settings: &Settings) -> Result<Version, Error> {
    let result = JsonRpc::version(settings).await?;
    let call = Call { settings, model: "common", method: "version" };
    let info: Info = call.read(&result)?;
    info.version().ok_or_else(|| call.unreadable("a version without a number"))
}

/// A number, or on Odoo Online text such as `saas~18`.
fn major(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|major| u32::try_from(major).ok()),
        Value::String(text) => text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_number_is_read_from_a_number_or_the_name_of_a_rolling_release() {
        for (value, expected) in [
            (json!(19), Some(19)),
            (json!("saas~18"), Some(18)),
            (json!("17"), Some(17)),
            (json!("master"), None),
            (json!(null), None),
            (json!(-3), None),
        ] {
            assert_eq!(major(&value), expected, "{value}");
        }
    }
}
