//! Where an Odoo is found, and which protocol is spoken, whatever stands in front of it.

use serde_json::json;
use sicantik_sidecar::odoo::{Client, Error, Protocol};

use crate::support::odoo::{Answer, FakeOdoo};
use crate::support::within;

const FORBIDDEN: Answer = Answer::Raw(403, "text/html", "<h1>Forbidden</h1>");
const NOT_FOUND: Answer = Answer::Raw(404, "text/html", "<h1>Not Found</h1>");

/// What Odoo says where the header with the key does not arrive.
const STRIPPED: Answer = Answer::Fault(
    401,
    "werkzeug.exceptions.Unauthorized",
    "User not authenticated, use an API Key with a Bearer Authorization header.",
);

/// All that was remarked, in one text.
fn remarks(client: &Client) -> String {
    let lines = client.remarks().iter().map(|one| format!("{} {}", one.finding, one.advice));
    lines.collect::<Vec<_>>().join("\n")
}

async fn works(odoo: &FakeOdoo, client: &Client) {
    odoo.answers([Answer::Value(json!(3))]);
    let count = within(client.call::<u64>("res.partner", "search_count", json!({}))).await;
    assert_eq!(count.expect("it answers"), 3);
}

#[tokio::test]
async fn the_address_of_a_page_is_used_without_the_page() {
    for (page, found_at, wrong) in [
        ("/odoo", "", "/odoo/"),
        ("/web", "", "/web/web/"),
        ("/web/login?redirect=%2Fodoo", "", "/web/login"),
        ("/odoo/action-12", "", "/odoo/"),
        ("/erp/web", "/erp", "/erp/web/web"),
    ] {
        let odoo = FakeOdoo::start().await;
        odoo.in_front(wrong, NOT_FOUND);
        if page.starts_with("/web") {
            odoo.in_front("/web/jsonrpc", NOT_FOUND);
        }
        odoo.in_front("/erp/web/jsonrpc", NOT_FOUND);
        let mut settings = odoo.settings(Protocol::Auto);
        let root = settings.url.as_str().trim_end_matches('/').to_owned();
        settings.url = format!("{root}{page}").parse().expect("an address");
        let client = odoo.client_with(settings).await;
        let said = remarks(&client);
        let advice = format!("Set ODOO_URL to {root}{found_at}.");
        assert!(said.contains(&advice) && said.contains(root.as_str()), "{page}: {said}");
        works(&odoo, &client).await;
    }
}

#[tokio::test]
async fn an_odoo_below_such_a_path_is_found_there() {
    let odoo = FakeOdoo::start().await;
    let mut settings = odoo.settings(Protocol::Auto);
    settings.url = settings.url.join("/odoo/").expect("an address");
    let client = odoo.client_with(settings).await;
    assert!(client.remarks().is_empty(), "{}", remarks(&client));
    works(&odoo, &client).await;
    assert!(odoo.seen()[0].path.starts_with("/odoo/"));
}

#[tokio::test]
async fn the_other_protocol_is_spoken_where_something_is_in_the_way_of_one() {
    // What is in the way, and what is said of it.
    let cases: [(&[(&str, Answer)], &str); 5] = [
        (&[("/json/2", FORBIDDEN)], "status 403, text/html"),
        (&[("/json/2", NOT_FOUND)], "status 404"),
        (&[("/json/2", STRIPPED)], "removes the header `Authorization`"),
        (&[("/json/2", Answer::Raw(401, "text/html", "login"))], "status 401"),
        (&[("/json/2", FORBIDDEN), ("/web", FORBIDDEN)], "/web/webclient/version_info"),
    ];
    for (in_front, expected) in cases {
        let odoo = FakeOdoo::start().await;
        for (path, answer) in in_front {
            odoo.in_front(path, answer.clone());
        }
        let client = odoo.client(Protocol::Auto).await;
        assert_eq!(client.protocol(), Protocol::Jsonrpc, "{in_front:?}");
        let said = remarks(&client);
        assert!(said.contains(expected) && said.contains("/jsonrpc is used instead"), "{said}");
        works(&odoo, &client).await;
    }

    let odoo = FakeOdoo::start().await;
    odoo.in_front("/web", FORBIDDEN).in_front("/jsonrpc", FORBIDDEN);
    let client = odoo.client(Protocol::Auto).await;
    assert_eq!((client.protocol(), client.version().major), (Protocol::Json2, 19));
    assert!(remarks(&client).contains("lets /json/2 through"), "{}", remarks(&client));
    works(&odoo, &client).await;
}

#[tokio::test]
async fn what_is_in_front_is_named_where_it_leaves_no_way() {
    let refused = async |odoo: &FakeOdoo, protocol| {
        within(Client::connect(&odoo.settings(protocol))).await.expect_err("no way")
    };
    for (protocol, path, answer, expected) in [
        (Protocol::Jsonrpc, "/jsonrpc", FORBIDDEN, "does not let /jsonrpc through (status 403"),
        (Protocol::Jsonrpc, "/jsonrpc", NOT_FOUND, "does not let /jsonrpc through (status 404"),
        (Protocol::Json2, "/json/2", FORBIDDEN, "does not let /json/2 through (status 403"),
        (Protocol::Json2, "/json/2", STRIPPED, "removes the header `Authorization`"),
        (Protocol::Auto, "/js", FORBIDDEN, "does not let /json/2 through (status 403"),
        (Protocol::Auto, "/", FORBIDDEN, "refuses the sidecar (403, text/html)"),
    ] {
        let odoo = FakeOdoo::start().await;
        odoo.in_front(path, answer);
        let error = refused(&odoo, protocol).await;
        let said = error.to_string();
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("revoked") && !said.contains("is not an Odoo"), "{said}");
        assert!(error.needs_change(), "{error:?}");
    }
    // A proxy in trouble is no proxy that forbids.
    let odoo = FakeOdoo::start().await;
    odoo.in_front("/json/2", Answer::Raw(524, "text/html", ""));
    let error = refused(&odoo, Protocol::Auto).await;
    assert!(matches!(error, Error::OddAnswer { status: 524, .. }), "{error:?}");
}

#[tokio::test]
async fn a_key_that_could_not_be_checked_is_not_called_wrong() {
    for (protocol, answer) in [
        (Protocol::Json2, Answer::Fault(403, "odoo.exceptions.AccessDenied", "Access Denied")),
        (Protocol::Json2, Answer::Fault(500, "psycopg2.errors.QueryCanceled", "statement timeout")),
        (
            Protocol::Jsonrpc,
            Answer::Fault(200, "psycopg2.errors.QueryCanceled", "statement timeout"),
        ),
        (
            Protocol::Jsonrpc,
            Answer::Fault(200, "odoo.exceptions.AccessDenied", "Too many login failures"),
        ),
    ] {
        let odoo = FakeOdoo::start().await;
        odoo.login(answer.clone());
        let error = within(Client::connect(&odoo.settings(protocol))).await.expect_err("not now");
        assert!(error.is_transient(), "{protocol:?} {answer:?}: {error:?}");
        assert!(!error.to_string().contains("revoked"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_named_without_what_may_be_secret() {
    let odoo = FakeOdoo::start().await;
    odoo.in_front("/", Answer::Raw(301, "text/html", ""));
    let error = within(Client::connect(&odoo.settings(Protocol::Auto))).await.expect_err("no Odoo");
    assert!(error.to_string().contains("/elsewhere"), "{error}");
}
