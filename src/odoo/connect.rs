//! How an Odoo is found, and which protocol is spoken with it: people copy its address from a
//! browser, and what stands in front of it does not let everything through.

use url::Url;

use super::error::is_trouble;
use super::json2::Json2;
use super::jsonrpc::JsonRpc;
use super::version::{Version, ask_version, ask_version_by_jsonrpc};
use super::{Error, Protocol, Settings};

/// From this version on there is `/json/2`.
const JSON2_SINCE: u32 = 19;

/// What a path of Odoo's own begins with. An Odoo that is served below such a path is found before
/// what stands in front of it is tried.
const PAGES: [&str; 7] = ["web", "odoo", "my", "jsonrpc", "xmlrpc", "json", "scoped_app"];

/// Something on the way that was got around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What was found, and what was done about it.
    pub finding: String,
    /// How to make it unnecessary, as a sentence.
    pub advice: String,
}

/// A connection in one of the protocols.
pub(super) enum Api {
    JsonRpc(JsonRpc),
    Json2(Json2),
}

/// An Odoo that lets the user in.
pub(super) struct Found {
    /// With the address at which it was found.
    pub(super) settings: Settings,
    pub(super) version: Version,
    pub(super) api: Api,
    pub(super) remarks: Vec<Remark>,
    /// Calls sent so far.
    pub(super) calls: u64,
}

/// Asks the server its version, chooses the protocol, and proves database and key with one call.
pub(super) async fn connect(settings: &Settings) -> Result<Found, Error> {
    let mut search = Search { settings: settings.clone(), remarks: Vec::new(), calls: 0 };
    let (version, api) = match search.version().await {
        Ok(version) => {
            let api = search.api(&version).await?;
            (version, api)
        }
        Err(error) => search.json2_alone(error).await?,
    };
    let Search { settings, remarks, calls } = search;
    Ok(Found { settings, version, api, remarks, calls })
}

struct Search {
    settings: Settings,
    remarks: Vec<Remark>,
    calls: u64,
}

impl Search {
    /// The version of the Odoo at the address, or before the page that the address leads to.
    async fn version(&mut self) -> Result<Version, Error> {
        let error = match self.version_here().await {
            Err(error) if is_stranger(&error) => error,
            settled => return settled,
        };
        let given = self.settings.url.clone();
        let shown = self.settings.shown_url();
        for url in before_page(&given) {
            self.settings.url = url;
            if let Ok(version) = self.version_here().await {
                let found = self.settings.shown_url();
                self.remarks.push(Remark {
                    finding: format!(
                        "Odoo is at {found}: {shown} is a page of it. The address before the page \
                         is used"
                    ),
                    advice: format!("Set ODOO_URL to {found}."),
                });
                return Ok(version);
            }
        }
        self.settings.url = given;
        Err(error)
    }

    /// The version of the Odoo at the address, where at least `/jsonrpc` is let through.
    async fn version_here(&mut self) -> Result<Version, Error> {
        self.calls += 1;
        let error = match ask_version(&self.settings).await {
            Err(error) if is_stranger(&error) => error,
            settled => return settled,
        };
        self.calls += 1;
        let Ok(version) = ask_version_by_jsonrpc(&self.settings).await else { return Err(error) };
        if self.settings.protocol != Protocol::Jsonrpc {
            self.remarks.push(Remark {
                finding: format!(
                    "Something in front of Odoo at {} does not let /web/webclient/version_info \
                     through{}; Odoo told its version over /jsonrpc",
                    self.settings.shown_url(),
                    in_brackets(&error),
                ),
                advice: "Nothing has to be done while /jsonrpc is let through.".to_owned(),
            });
        }
        Ok(version)
    }

    /// An Odoo of which only `/json/2` is let through does not tell its version. `error` says what
    /// came instead.
    async fn json2_alone(&mut self, error: Error) -> Result<(Version, Api), Error> {
        let is_refusal = matches!(error, Error::NotOdoo { status: 401 | 403..=405, .. });
        if !is_refusal || self.settings.protocol == Protocol::Jsonrpc {
            return Err(error);
        }
        self.calls += 1;
        let Ok(api) = Json2::connect(&self.settings).await else { return Err(error) };
        self.remarks.push(Remark {
            finding: format!(
                "Something in front of Odoo at {} lets /json/2 through, and does not let Odoo be \
                 asked for its version{}",
                self.settings.shown_url(),
                in_brackets(&error),
            ),
            advice: "Nothing has to be done while /json/2 is let through.".to_owned(),
        });
        let version = Version { text: format!("{JSON2_SINCE} or later"), major: JSON2_SINCE };
        Ok((version, Api::Json2(api)))
    }

    /// The protocol that suits the version, or the other one where something is in the way of it.
    async fn api(&mut self, version: &Version) -> Result<Api, Error> {
        self.calls += 1;
        if !speaks_json2(self.settings.protocol, version)? {
            let api = JsonRpc::connect(&self.settings).await;
            return api.map(Api::JsonRpc).map_err(|error| blocked(error, Protocol::Jsonrpc));
        }
        let error = match Json2::connect(&self.settings).await {
            Ok(api) => return Ok(Api::Json2(api)),
            Err(error) => blocked(error, Protocol::Json2),
        };
        let Some(obstacle) = obstacle(&error).filter(|_| self.settings.protocol == Protocol::Auto)
        else {
            return Err(error);
        };
        self.calls += 1;
        match JsonRpc::connect(&self.settings).await {
            Ok(api) => {
                self.remarks.push(Remark {
                    finding: format!(
                        "/json/2 cannot be used at {}: {obstacle}. /jsonrpc is used instead",
                        self.settings.shown_url()
                    ),
                    advice: "Have it passed on, or set ODOO_PROTOCOL to `jsonrpc`, which Odoo \
                             serves until version 22."
                        .to_owned(),
                });
                Ok(Api::JsonRpc(api))
            }
            Err(second) if is_stranger(&second) => Err(error),
            // Odoo itself says what is wrong.
            Err(second) => Err(second),
        }
    }
}

/// Whether what answers seems to be no Odoo. One in trouble is no stranger.
fn is_stranger(error: &Error) -> bool {
    matches!(error, Error::NotOdoo { .. }) && !error.is_transient()
}

/// The error of a protocol's first call, now that Odoo has told its version.
fn blocked(error: Error, protocol: Protocol) -> Error {
    match error {
        Error::NotOdoo { url, status, detail } if !is_trouble(status) => {
            Error::Blocked { url, path: protocol.path(), status, detail }
        }
        error @ Error::NotOdoo { .. } => error.after_proof(),
        error => error,
    }
}

/// What is in the way of `/json/2`, if something on the way is.
fn obstacle(error: &Error) -> Option<String> {
    match error {
        Error::Blocked { status, detail, .. } => Some(format!(
            "something in front of Odoo, such as a proxy, does not let it through (status {status}, \
             {detail})"
        )),
        Error::KeyStripped { .. } => Some(
            "something in front of Odoo, such as a proxy, removes the header `Authorization`"
                .to_owned(),
        ),
        Error::UnknownDatabase { db, .. } => Some(format!(
            "it is not there for the database `{db}` (status 404), because of a proxy or of Odoo's \
             `dbfilter`"
        )),
        _ => None,
    }
}

fn in_brackets(error: &Error) -> String {
    match error {
        Error::NotOdoo { status, detail, .. } => format!(" (status {status}, {detail})"),
        _ => String::new(),
    }
}

/// Where the Odoo may be that has the page at `url`: before the page and, since a website puts the
/// language there, at the root.
fn before_page(url: &Url) -> Vec<Url> {
    let segments: Vec<&str> = url.path_segments().into_iter().flatten().collect();
    let Some(page) = segments.iter().position(|segment| PAGES.contains(segment)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in [segments[..page].join("/"), String::new()] {
        let mut before = url.clone();
        before.set_path(&path);
        before.set_query(None);
        before.set_fragment(None);
        if !found.contains(&before) {
            found.push(before);
        }
    }
    found
}

/// Whether `/json/2` is to be spoken, where `protocol` is asked for.
fn speaks_json2(protocol: Protocol, version: &Version) -> Result<bool, Error> {
    match protocol {
        Protocol::Auto => Ok(version.major >= JSON2_SINCE),
        Protocol::Jsonrpc => Ok(false),
        Protocol::Json2 if version.major < JSON2_SINCE => Err(Error::Settings(format!(
            "Odoo {} does not speak /json/2, which came with 19: set ODOO_PROTOCOL to `auto` or \
             `jsonrpc`.",
            version.text
        ))),
        Protocol::Json2 => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_page_leads_to_what_is_before_it() {
        for (address, expected) in [
            ("http://a.example/odoo", vec!["http://a.example/"]),
            ("http://a.example/odoo/action-7/12?debug=1#x", vec!["http://a.example/"]),
            ("https://a.example:8069/web/login", vec!["https://a.example:8069/"]),
            ("http://a.example/erp/web/", vec!["http://a.example/erp", "http://a.example/"]),
            ("http://a.example/id/odoo", vec!["http://a.example/id", "http://a.example/"]),
            ("http://a.example/xmlrpc/2/common", vec!["http://a.example/"]),
            ("http://a.example/erp", vec![]),
            ("http://a.example/website", vec![]),
            ("http://a.example", vec![]),
        ] {
            let found = before_page(&Url::parse(address).expect("an address"));
            assert_eq!(found.iter().map(Url::as_str).collect::<Vec<_>>(), expected, "{address}");
        }
    }
}
