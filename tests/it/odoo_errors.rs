//! Every kind of error, over both protocols, and what answers where there is no Odoo.

use serde_json::{Value, json};
use sicantik_sidecar::odoo::{Client, Error, Protocol};
use tokio::net::TcpListener;

use crate::support::odoo::{Answer, BOTH, DB, FakeOdoo, LOGIN, settings};
use crate::support::within;

const HTML: &str = "<html><body><h1>Bad Gateway</h1></body></html>";

async fn failure(odoo: &FakeOdoo, protocol: Protocol, answer: Answer) -> Error {
    let client = odoo.client(protocol).await;
    odoo.answers([answer]);
    let call = client.call::<Value>("res.partner", "nosuch", json!({ "ids": [5] }));
    within(call).await.expect_err("the fake Odoo fails")
}

/// The variant alone, for tables.
fn variant(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

async fn table(rows: &[(u16, &'static str, &'static str, &str)], protocols: &[Protocol]) {
    for protocol in protocols {
        for (status, name, message, expected) in rows {
            let odoo = FakeOdoo::start().await;
            let answer = Answer::Fault(*status, name, message);
            let error = failure(&odoo, *protocol, answer).await;
            assert_eq!(variant(&error), *expected, "{protocol:?} {name}: {error}");
            let text = error.to_string();
            assert!(!text.contains("Traceback") && !text.contains('\n'), "{text}");
        }
    }
}

#[tokio::test]
async fn an_exception_is_the_same_error_over_both_protocols() {
    let rows = [
        (403, "odoo.exceptions.AccessError", "You are not allowed.\n\nAsk.", "AccessError"),
        (422, "odoo.exceptions.UserError", "No permits to sync", "Rejected"),
        (422, "odoo.exceptions.ValidationError", "The number is taken", "Rejected"),
        (422, "odoo.exceptions.UserError", "Partner res.partner doesn't fit", "Rejected"),
        (
            404,
            "odoo.exceptions.MissingError",
            "Record does not exist or has been deleted.\n(Record: res.partner(99999,), User: 5)",
            "Missing",
        ),
        (500, "builtins.ValueError", "Invalid field 'x' on 'res.partner'", "BadField"),
        (500, "builtins.KeyError", "'x'", "BadField"),
        (422, "builtins.TypeError", "got an unexpected keyword argument 'x'", "BadArguments"),
        (422, "builtins.IndexError", "list index out of range", "BadArguments"),
        (409, "odoo.exceptions.LockError", "could not obtain lock", "Conflict"),
        (500, "psycopg2.errors.SerializationFailure", "could not serialize", "Conflict"),
        (
            500,
            "psycopg2.OperationalError",
            "FATAL: the database system is shutting down",
            "DatabaseAway",
        ),
        (
            500,
            "psycopg2.errors.QueryCanceled",
            "canceling statement due to statement timeout",
            "DatabaseAway",
        ),
        (500, "psycopg2.errors.DiskFull", "could not extend file", "DatabaseAway"),
        (500, "psycopg2.errors.ReadOnlySqlTransaction", "read-only", "DatabaseAway"),
        (500, "psycopg2.OperationalError", "password failed for user \"permits\"", "DatabaseAway"),
        (413, "werkzeug.exceptions.RequestEntityTooLarge", "too large", "TooLarge"),
        (500, "builtins.AttributeError", "'NoneType' object has no attribute 'id'", "Server"),
        (500, "builtins.ZeroDivisionError", "division by zero", "Server"),
    ];
    table(&rows, &BOTH).await;
}

#[tokio::test]
async fn errors_that_jsonrpc_words_differently() {
    let rows = [
        (200, "odoo.exceptions.AccessDenied", "Access Denied", "AccessDenied"),
        (
            200,
            "odoo.exceptions.AccessDenied",
            "Too many login failures, please wait a bit before trying again.",
            "KeyUnchecked",
        ),
        (200, "odoo.exceptions.UserError", "Object res.partner doesn't exist", "UnknownModel"),
        (
            200,
            "builtins.AttributeError",
            "The method 'res.partner.nosuch' does not exist",
            "UnknownMethod",
        ),
        (
            200,
            "builtins.AttributeError",
            "type object 'res.partner' has no attribute 'nosuch'",
            "UnknownMethod",
        ),
        (
            200,
            "psycopg2.OperationalError",
            "FATAL:  database \"permits\" does not exist\n",
            "DatabaseAway",
        ),
    ];
    table(&rows, &[Protocol::Jsonrpc]).await;
}

#[tokio::test]
async fn errors_that_json2_words_differently() {
    let not_found = "werkzeug.exceptions.NotFound";
    let rows = [
        (401, "werkzeug.exceptions.Unauthorized", "Invalid apikey", "AccessDenied"),
        // Any exception while the key is checked, as a statement that timed out.
        (403, "odoo.exceptions.AccessDenied", "Access Denied", "KeyUnchecked"),
        (403, "odoo.http.SessionExpiredException", "Session expired", "KeyUnchecked"),
        (
            401,
            "werkzeug.exceptions.Unauthorized",
            "User not authenticated, use an API Key with a Bearer Authorization header.",
            "OddAnswer",
        ),
        (503, "werkzeug.exceptions.ServiceUnavailable", "in maintenance", "OddAnswer"),
        (404, not_found, "the model 'res.partner' does not exist", "UnknownModel"),
        (404, not_found, "The method 'res.partner.nosuch' does not exist", "UnknownMethod"),
        (422, "werkzeug.exceptions.UnprocessableEntity", "cannot call it with ids", "BadArguments"),
    ];
    table(&rows, &[Protocol::Json2]).await;
}

#[tokio::test]
async fn whatever_answers_in_the_middle_of_a_run_passes() {
    let page = "text/html";
    let json = "application/json";
    for protocol in BOTH {
        for (status, kind, body) in [
            (524, page, HTML),
            (500, page, HTML),
            (502, page, HTML),
            (503, json, "{\"message\": \"no upstream\"}"),
            (429, json, "{\"name\": \"TooManyRequests\", \"message\": \"slow down\"}"),
            (403, page, HTML),
            (401, page, HTML),
            (400, page, HTML),
            (303, page, HTML),
            (200, page, HTML),
            (200, json, "{\"jsonrpc\": \"2.0\", \"id\""),
            (200, json, ""),
        ] {
            let odoo = FakeOdoo::start().await;
            let error = failure(&odoo, protocol, Answer::Raw(status, kind, body)).await;
            let shown = format!("{protocol:?} {status} {kind} {body}: {error:?}");
            assert!(
                matches!(&error, Error::OddAnswer { status: s, .. } if *s == status),
                "{shown}"
            );
            assert!(error.is_transient() && !error.needs_change(), "{shown}");
            let said = error.to_string();
            assert!(!said.contains("<html>") && said.contains("a moment ago"), "{shown}");
        }
        let odoo = FakeOdoo::start().await;
        let error = failure(&odoo, protocol, Answer::Raw(413, page, HTML)).await;
        assert!(matches!(error, Error::TooLarge), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_may_have_been_executed() {
    for protocol in BOTH {
        for answer in [Answer::Drop, Answer::Half, Answer::Silence] {
            let odoo = FakeOdoo::start().await;
            let error = failure(&odoo, protocol, answer.clone()).await;
            assert!(matches!(error, Error::Lost { .. }), "{protocol:?} {answer:?}: {error:?}");
            assert!(error.is_transient());
        }
    }
}

#[tokio::test]
async fn a_result_that_is_missing_or_strange_names_the_call_and_the_place() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers([Answer::Nothing, Answer::Value(json!([{ "id": 1 }, { "id": "x" }]))]);
        for place in ["", "[1].id"] {
            let call = client.call::<Vec<std::collections::BTreeMap<String, i64>>>(
                "res.partner",
                "search_read",
                json!({}),
            );
            let error = within(call).await.expect_err("it cannot be read");
            assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("res.partner.search_read") && text.contains(place), "{text}");
        }
    }
}

async fn refused(odoo: &FakeOdoo, protocol: Protocol) -> Error {
    within(Client::connect(&odoo.settings(protocol))).await.expect_err("it lets nobody in")
}

#[tokio::test]
async fn connecting_tells_a_wrong_key_from_an_unknown_database() {
    let odoo = FakeOdoo::start().await;
    odoo.login(Answer::Value(json!(false)));
    let error = refused(&odoo, Protocol::Jsonrpc).await;
    assert!(matches!(&error, Error::AccessDenied { login } if login == LOGIN), "{error:?}");
    odoo.login(Answer::Fault(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"));
    let error = refused(&odoo, Protocol::Json2).await;
    assert!(matches!(&error, Error::AccessDenied { login } if login == LOGIN), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("expired or revoked"), "{said}");
    assert!(said.contains("Run `deploy/technical_user.py` again"), "{said}");

    let gone = "connection to server failed: FATAL:  database \"permits\" does not exist\n";
    odoo.login(Answer::Fault(200, "psycopg2.OperationalError", gone));
    let error = refused(&odoo, Protocol::Jsonrpc).await;
    assert!(matches!(&error, Error::UnknownDatabase { db, .. } if db == DB), "{error:?}");
    odoo.login(Answer::Raw(404, "text/html", "<h1>Not Found</h1><p>No database is selected</p>"));
    let error = refused(&odoo, Protocol::Json2).await;
    assert!(matches!(&error, Error::UnknownDatabase { db, .. } if db == DB), "{error:?}");
}

#[tokio::test]
async fn a_database_that_has_answered_is_unavailable_and_not_unknown() {
    let odoo = FakeOdoo::start().await;
    let error = failure(&odoo, Protocol::Json2, Answer::Raw(404, "text/html", HTML)).await;
    assert!(matches!(error, Error::DatabaseAway { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn connecting_tells_an_odoo_that_is_down_from_a_proxy_and_from_another_server() {
    for protocol in BOTH {
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = free.local_addr().expect("its address");
        drop(free);
        let down = settings(&format!("http://{addr}"), protocol);
        let error = within(Client::connect(&down)).await.expect_err("nobody listens");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(error.is_transient());
        assert!(error.to_string().contains("Connection refused"), "{error}");

        let odoo = FakeOdoo::start().await;
        odoo.version(Answer::Raw(502, "text/html", HTML));
        let error = refused(&odoo, protocol).await;
        assert!(matches!(error, Error::NotOdoo { status: 502, .. }), "{error:?}");
        assert!(error.to_string().contains("proxy in front of Odoo"), "{error}");
        for (status, body) in [(200, HTML), (404, HTML), (200, "{\"hello\": 1}"), (302, "")] {
            let odoo = FakeOdoo::start().await;
            odoo.in_front("/", Answer::Raw(status, "text/html", body));
            let error = refused(&odoo, protocol).await;
            assert!(matches!(error, Error::NotOdoo { .. }), "{error:?}");
            assert!(!error.is_transient(), "{error:?}");
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let ftp = settings("ftp://127.0.0.1/", Protocol::Auto);
    let error = within(Client::connect(&ftp)).await.expect_err("not http");
    assert!(matches!(error, Error::Settings(_)), "{error:?}");

    let odoo = FakeOdoo::start().await;
    odoo.version(Answer::Value(json!({
        "server_version": "17.0", "server_version_info": [17, 0, 0, "final", 0, ""],
    })));
    let error = refused(&odoo, Protocol::Json2).await;
    assert!(matches!(&error, Error::Settings(text) if text.contains("17.0")), "{error:?}");
}

#[tokio::test]
async fn https_where_only_http_is_spoken_was_not_reached() {
    let odoo = FakeOdoo::start().await;
    let mut settings = odoo.settings(Protocol::Auto);
    settings.url.set_scheme("https").expect("an address");
    let error = within(Client::connect(&settings)).await.expect_err("no TLS there");
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("Use http://"), "{error}");
}
