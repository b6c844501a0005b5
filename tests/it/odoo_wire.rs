//! What goes over the wire, and what is retried when an answer is lost.

use std::time::Duration;

use serde_json::{Value, json};
use sicantik_sidecar::odoo::{Client, Error, Protocol};

use crate::support::odoo::{Answer, BOTH, DB, FakeOdoo, KEY};
use crate::support::within;

#[tokio::test]
async fn the_version_chooses_the_protocol_unless_told() {
    for (version, asked, expected) in [
        (json!([19, 0]), Protocol::Auto, Protocol::Json2),
        (json!(["saas~19", 1]), Protocol::Auto, Protocol::Json2),
        (json!([18, 0]), Protocol::Auto, Protocol::Jsonrpc),
        (json!(["saas~18", 2]), Protocol::Auto, Protocol::Jsonrpc),
        (json!([19, 0]), Protocol::Jsonrpc, Protocol::Jsonrpc),
    ] {
        let odoo = FakeOdoo::start().await;
        odoo.version(Answer::Value(json!({
            "server_version": "of the test", "server_version_info": version,
        })));
        let client = odoo.client(asked).await;
        assert_eq!(client.protocol(), expected, "{version}");
        assert_eq!(client.uid(), 7);
        assert_eq!(client.calls(), 2);
    }
}

#[tokio::test]
async fn a_call_says_the_same_over_both_protocols() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers([Answer::Value(json!(true))]);
        let kwargs = json!({ "ids": [1, 2], "vals": { "name": "é <&>" } });
        let done: bool =
            within(client.call("res.partner", "write", kwargs.clone())).await.expect("ok");
        assert!(done);
        let seen = &odoo.seen()[0];
        assert_eq!((seen.model.as_str(), seen.method.as_str()), ("res.partner", "write"));
        assert_eq!(seen.kwargs, kwargs);
        if protocol == Protocol::Json2 {
            assert_eq!(seen.path, "/json/2/res.partner/write");
            assert_eq!(seen.headers["authorization"], format!("bearer {KEY}"));
            assert_eq!(seen.headers["x-odoo-database"], DB);
            assert_eq!(seen.headers["content-type"], "application/json");
        } else {
            assert_eq!(seen.path, "/jsonrpc");
        }
    }
}

#[tokio::test]
async fn odoo_may_be_served_below_a_path() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let mut settings = odoo.settings(protocol);
        settings.url = settings.url.join("/erp/").expect("an address");
        let client = odoo.client_with(settings).await;
        odoo.answers([Answer::Value(json!(3))]);
        let count: u64 =
            within(client.call("res.partner", "search_count", json!({ "domain": [] })))
                .await
                .expect("ok");
        assert_eq!(count, 3);
        assert!(odoo.seen()[0].path.starts_with("/erp/"));
    }
}

#[tokio::test]
async fn connections_are_kept() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers((0..20).map(|number| Answer::Value(json!(number))));
        for number in 0..20 {
            let got: i64 =
                within(client.call("res.partner", "count", json!({}))).await.expect("ok");
            assert_eq!(got, number);
        }
        // One for the version, one for everything else.
        assert!(odoo.connections() <= 2, "{} connections", odoo.connections());
        assert_eq!(client.calls(), 22);
    }
}

async fn with_retries(odoo: &FakeOdoo, protocol: Protocol) -> Client {
    let mut settings = odoo.settings(protocol);
    settings.retry_budget = Duration::from_secs(8);
    odoo.client_with(settings).await
}

#[tokio::test]
async fn an_idempotent_call_is_retried_until_it_is_answered() {
    let troubles = [
        vec![
            Answer::Drop,
            Answer::Raw(502, "text/html", "<html>"),
            Answer::Fault(500, "psycopg2.errors.SerializationFailure", "could not serialize"),
        ],
        vec![
            Answer::Raw(524, "text/html", "<html>"),
            Answer::Raw(500, "text/html", "<html>"),
            Answer::Raw(200, "text/html", "<html>"),
        ],
        vec![
            Answer::Raw(200, "application/json", "{\"status\": \"maintenance\"}"),
            Answer::Fault(403, "odoo.exceptions.AccessDenied", "Too many login failures"),
            Answer::Fault(500, "psycopg2.errors.QueryCanceled", "statement timeout"),
        ],
    ];
    for protocol in BOTH {
        for trouble in &troubles {
            let odoo = FakeOdoo::start().await;
            let client = with_retries(&odoo, protocol).await;
            odoo.answers(trouble.clone());
            odoo.answers([Answer::Value(json!([1]))]);
            let kwargs = json!({ "domain": [] });
            let ids: Vec<i64> = within(client.call_idempotent("res.partner", "search", kwargs))
                .await
                .expect("in the end");
            assert_eq!(ids, [1]);
            let seen = odoo.seen();
            assert_eq!(seen.len(), 4);
            assert!(seen.iter().all(|call| call.kwargs == seen[0].kwargs), "the same each time");
            assert_eq!(client.calls(), 6);
        }
    }
}

#[tokio::test]
async fn other_calls_are_sent_once_whatever_happens() {
    for protocol in BOTH {
        for answer in [
            Answer::Drop,
            Answer::Raw(503, "text/html", "<html>"),
            Answer::Fault(500, "psycopg2.errors.SerializationFailure", "could not serialize"),
        ] {
            let odoo = FakeOdoo::start().await;
            let client = with_retries(&odoo, protocol).await;
            odoo.answers([answer]);
            let error = within(client.call::<Value>("res.partner", "create", json!({})))
                .await
                .expect_err("it fails");
            assert!(error.is_transient(), "{error:?}");
            assert_eq!(odoo.seen().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_lasting_error_is_not_retried_and_the_budget_ends() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = with_retries(&odoo, protocol).await;
        odoo.answers([Answer::Fault(422, "odoo.exceptions.UserError", "no")]);
        let error = within(client.call_idempotent::<Value>("res.partner", "read", json!({}))).await;
        assert!(matches!(error, Err(Error::Rejected { .. })), "{error:?}");
        assert_eq!(odoo.seen().len(), 1);

        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers([Answer::Drop]);
        let error = within(client.call_idempotent::<Value>("res.partner", "read", json!({}))).await;
        assert!(matches!(error, Err(Error::Lost { .. })), "without retry_budget: {error:?}");
        assert_eq!(odoo.seen().len(), 1);
    }
}
