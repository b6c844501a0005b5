//! Connectors, permits and the schema, as Odoo answers them.

use chrono::{NaiveDate, TimeZone, Utc};
use serde_json::{Value, json};
use sicantik_sidecar::odoo::connector::{AddressPlace, FindError};
use sicantik_sidecar::odoo::{Error, Mode, Protocol, Schema, connector, permit};

use crate::support::odoo::{Answer, BOTH, FakeOdoo};
use crate::support::within;

const SEED_PERMIT: [&str; 5] =
    ["registration_id", "permit_number", "expiry_date", "status", "last_sync_date"];
const SEED_CONNECTOR: [&str; 6] = [
    "name",
    "api_url",
    "active",
    "last_expiry_sync_date",
    "total_expiry_synced",
    "last_expiry_sync_duration",
];
const NO_RUN: Answer = Answer::Fault(
    404,
    "werkzeug.exceptions.NotFound",
    "the model 'sicantik.sync.run' does not exist",
);

fn fields(names: &[&str]) -> Answer {
    let map: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "type": "char" }))).collect();
    Answer::Value(Value::Object(map))
}

async fn plain(odoo: &FakeOdoo) -> (sicantik_sidecar::odoo::Client, Schema) {
    let client = odoo.client(Protocol::Json2).await;
    odoo.answers([fields(&SEED_PERMIT), fields(&SEED_CONNECTOR), NO_RUN]);
    let schema = within(Schema::read(&client)).await.expect("the seed's models suffice");
    (client, schema)
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

#[tokio::test]
async fn the_mode_follows_the_models_there_are() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = plain(&odoo).await;
    assert_eq!(schema.mode, Mode::Plain);
    assert!(schema.permit_has("last_sync_date") && !schema.permit_has("expiry_checked_at"));
    odoo.answers([fields(&SEED_PERMIT), fields(&SEED_CONNECTOR), fields(&["state"])]);
    assert_eq!(within(Schema::read(&client)).await.expect("read").mode, Mode::Ledger);

    odoo.answers([fields(&["permit_number"])]);
    odoo.answers([fields(&SEED_CONNECTOR)]);
    let error = within(Schema::read(&client)).await.expect_err("two fields are not there");
    assert!(error.to_string().contains("lacks the fields `expiry_date`, `status`"), "{error}");

    let missing = "the model 'sicantik.permit' does not exist";
    odoo.answers([Answer::Fault(404, "werkzeug.exceptions.NotFound", missing)]);
    let error = within(Schema::read(&client)).await.expect_err("no such model");
    assert!(matches!(&error, Error::UnknownModel { model } if model == "sicantik.permit"));
    assert!(error.to_string().contains("install the addon"), "{error}");
}

#[tokio::test]
async fn pages_go_by_id_through_every_domain_up_to_the_limit() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = plain(&odoo).await;
    // Where Odoo has nothing, another module may have stored an empty text.
    let row = |id: i64| {
        let nothing = if id % 2 == 0 { json!(false) } else { json!(" ") };
        json!({ "id": id, "permit_number": "503/1", "registration_id": nothing })
    };
    let before = odoo.seen().len();
    odoo.answers([
        Answer::Value(json!([row(3), row(9)])),
        Answer::Value(json!([])),
        Answer::Value(json!([row(4), row(5)])),
        Answer::Value(json!([row(6)])),
    ]);
    let domains = vec![vec![json!(["status", "=", "active"])], vec![json!(["id", "!=", 0])]];
    let mut pages = permit::pages(&client, &schema, domains, Some(5)).with_page_size(2);
    let mut ids = Vec::new();
    while let Some(page) = within(pages.next_page()).await.expect("a page") {
        assert!(page.iter().all(|one| one.registration_id.is_none()));
        ids.extend(page.into_iter().map(|one| one.id));
    }
    assert_eq!(ids, [3, 9, 4, 5, 6]);
    let asked: Vec<_> = odoo.seen()[before..]
        .iter()
        .map(|call| (call.kwargs["domain"].clone(), call.kwargs["limit"].clone()))
        .collect();
    assert_eq!(
        asked,
        [
            (json!([["status", "=", "active"], ["id", ">", 0]]), json!(2)),
            (json!([["status", "=", "active"], ["id", ">", 9]]), json!(2)),
            (json!([["id", "!=", 0], ["id", ">", 0]]), json!(2)),
            (json!([["id", "!=", 0], ["id", ">", 5]]), json!(1)),
        ]
    );
    assert!(within(pages.next_page()).await.expect("the end stays the end").is_none());
}

#[tokio::test]
async fn plain_writes_are_grouped_by_date_and_a_refused_group_goes_one_by_one() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = plain(&odoo).await;
    let before = odoo.seen().len();
    let refused = || Answer::Fault(422, "odoo.exceptions.ValidationError", "Too early");
    let yes = || Answer::Value(json!(true));
    // 2026: both at once. 2027: refused, then one good and one bad.
    odoo.answers([yes(), refused(), yes(), refused()]);
    let dates = [
        (1, day("2026-01-31")),
        (2, day("2027-01-31")),
        (3, day("2026-01-31")),
        (4, day("2027-01-31")),
    ];
    let now = Utc.with_ymd_and_hms(2025, 11, 23, 7, 0, 0).single().expect("a moment");
    let done = within(permit::write_dates(&client, &schema, &dates, now)).await.expect("written");
    assert_eq!(done.written, [1, 3, 2]);
    assert_eq!(done.rejected, [(4, "Too early.".to_owned())]);
    let seen = &odoo.seen()[before..];
    assert_eq!(
        seen[0].kwargs,
        json!({ "ids": [1, 3], "vals": {
            "expiry_date": "2026-01-31", "last_sync_date": "2025-11-23 07:00:00",
        } })
    );
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_refused_permit_stops_no_other() {
    let now = Utc.with_ymd_and_hms(2025, 11, 23, 7, 0, 0).single().expect("a moment");
    let dates = [1, 2, 3].map(|id| (id, day("2027-01-31")));
    for (status, name, said) in [
        (403, "odoo.exceptions.AccessError", "Another company's"),
        (404, "odoo.exceptions.MissingError", "Deleted"),
        (422, "odoo.exceptions.UserError", "Locked"),
        (422, "builtins.ValueError", "invalid literal for int()"),
        (500, "builtins.KeyError", "'x'"),
        (500, "builtins.TypeError", "unsupported operand"),
        (500, "builtins.AttributeError", "'NoneType' object has no attribute 'write'"),
        (500, "builtins.ZeroDivisionError", "division by zero"),
        (500, "psycopg2.errors.CheckViolation", "violates a check"),
    ] {
        for protocol in BOTH {
            let odoo = FakeOdoo::start().await;
            let (_, schema) = plain(&odoo).await;
            let client = odoo.client(protocol).await;
            odoo.handle(move |seen| {
                let ids = seen.kwargs["ids"].as_array().expect("ids");
                let fault = Answer::Fault(status, name, said);
                Some(if ids.contains(&json!(2)) { fault } else { Answer::Value(json!(true)) })
            });
            let written = within(permit::write_dates(&client, &schema, &dates, now)).await;
            let written = written.expect("two are written");
            assert_eq!(written.written, [1, 3], "{name}");
            let [(2, sentence)] = written.rejected.as_slice() else { panic!("{written:?}") };
            // Whose method is missing is not in the answer any more.
            let said =
                if name.ends_with("AttributeError") { "Another module failed" } else { said };
            assert!(sentence.contains(said), "{name}: {sentence}");
        }
    }
}

#[tokio::test]
async fn an_error_that_concerns_all_permits_ends_the_writing() {
    let now = Utc.with_ymd_and_hms(2025, 11, 23, 7, 0, 0).single().expect("a moment");
    let denied = || Answer::Fault(403, "odoo.exceptions.AccessError", "No right");
    let away = || Answer::Raw(503, "text/html", "");
    let dates = [(1, day("2026-01-31")), (2, day("2027-01-31")), (3, day("2027-01-31"))];
    // One alone, then two together and one by one.
    for (answers, of, expected) in [
        (vec![denied(); 4], 3, "AccessError"),
        (vec![denied()], 1, "1 rejected"),
        (vec![Answer::Value(json!(true)), denied(), denied(), denied()], 3, "2 rejected"),
        (vec![denied(), denied(), away()], 3, "OddAnswer"),
        (vec![away()], 3, "OddAnswer"),
        (vec![Answer::Fault(401, "werkzeug.exceptions.Unauthorized", "")], 3, "AccessDenied"),
    ] {
        let odoo = FakeOdoo::start().await;
        let (client, schema) = plain(&odoo).await;
        odoo.answers(answers);
        let result = within(permit::write_dates(&client, &schema, &dates[..of], now)).await;
        let shown = match &result {
            Ok(written) => format!("{} rejected", written.rejected.len()),
            Err(error) => format!("{error:?}"),
        };
        assert!(shown.starts_with(expected), "{shown} instead of {expected}");
    }
}

#[tokio::test]
async fn statistics_are_added_to_what_is_there() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = plain(&odoo).await;
    odoo.answers([
        Answer::Value(json!([{ "id": 2, "total_expiry_synced": 40 }])),
        Answer::Value(json!(true)),
    ]);
    let now = Utc.with_ymd_and_hms(2025, 11, 23, 7, 0, 0).single().expect("a moment");
    within(connector::write_statistics(&client, &schema, 2, 2, 1.5, now)).await.expect("written");
    let seen = odoo.seen();
    let values = &seen.last().expect("the write").kwargs["vals"];
    assert_eq!(
        values,
        &json!({
            "last_expiry_sync_date": "2025-11-23 07:00:00", "last_expiry_sync_duration": 1.5,
            "total_expiry_synced": 42,
        })
    );
}

#[tokio::test]
async fn a_connector_is_found_by_name_by_id_or_as_the_only_one() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = plain(&odoo).await;
    let karo = json!({ "id": 1, "name": "Karo", "api_url": "https://a/api" });
    let dairi = json!({ "id": 2, "name": "1", "api_url": false });
    let both = json!([karo, dairi]);
    for (rows, wanted, expected) in [
        (json!([karo]), None, Ok(1)),
        (both.clone(), Some("Karo"), Ok(1)),
        // A name before an id.
        (both.clone(), Some("1"), Ok(2)),
        (both.clone(), Some("2"), Ok(2)),
        (both.clone(), None, Err("are `Karo` (id 1), `1` (id 2)")),
        (both.clone(), Some("Medan"), Err("no active connector `Medan`")),
        (json!([karo, karo]), Some("Karo"), Err("Several")),
        (json!([]), None, Err("make one under")),
    ] {
        odoo.answers([Answer::Value(rows.clone())]);
        let found = within(connector::find(&client, &schema, wanted, false)).await;
        match (found, expected) {
            (Ok(found), Ok(id)) => assert_eq!(found.id, id, "{wanted:?}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{wanted:?}: {found:?}"),
        }
    }
    odoo.answers([Answer::Value(both)]);
    let error = within(connector::find(&client, &schema, Some("2"), true)).await;
    assert!(matches!(error, Err(FindError::NoAddress { .. })), "{error:?}");
}

/// Fields, of which `config_id` leads to another model.
fn fields_with_config(names: &[&str]) -> Answer {
    let Answer::Value(Value::Object(mut map)) = fields(names) else { panic!("fields") };
    let relation = json!({ "type": "many2one", "relation": "sicantik.config" });
    map.insert("config_id".to_owned(), relation);
    Answer::Value(Value::Object(map))
}

/// An Odoo whose connectors keep their address in a configuration with these fields.
async fn with_config(
    odoo: &FakeOdoo,
    connector: &[&str],
    config: &[&str],
) -> (sicantik_sidecar::odoo::Client, Schema) {
    let client = odoo.client(Protocol::Json2).await;
    odoo.answers([fields(&SEED_PERMIT), fields_with_config(connector), fields(config), NO_RUN]);
    let schema = within(Schema::read(&client)).await.expect("an address is not demanded");
    assert_eq!(odoo.seen()[2].model, "sicantik.config");
    (client, schema)
}

const CONFIG: [&str; 5] =
    ["id", "api_url", "api_timeout", "rate_limit_enabled", "rate_limit_requests"];

#[tokio::test]
async fn a_connector_without_an_address_has_that_of_its_configuration() {
    let odoo = FakeOdoo::start().await;
    let (client, schema) = with_config(&odoo, &["name", "active"], &CONFIG).await;
    let connectors = json!([
        { "id": 1, "name": "Karo", "config_id": [7, "Production"] },
        { "id": 2, "name": "Dairi", "config_id": [8, "Slow"] },
        { "id": 3, "name": "Medan", "config_id": false },
    ]);
    let configurations = json!([
        {
            "id": 7, "api_url": "https://a/api", "api_timeout": 30, "rate_limit_enabled": true,
            "rate_limit_requests": 5,
        },
        {
            "id": 8, "api_url": "https://b/api", "api_timeout": 0, "rate_limit_enabled": false,
            "rate_limit_requests": 1,
        },
    ]);
    odoo.answers([Answer::Value(connectors), Answer::Value(configurations)]);
    let found = within(connector::active(&client, &schema)).await.expect("connectors");
    let shown: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.api_url.as_str(), one.request_rate, one.request_timeout))
        .collect();
    assert_eq!(
        shown,
        [
            ("Karo", "https://a/api", Some(5.0), Some(30.0)),
            ("Dairi", "https://b/api", None, None),
            ("Medan", "", None, None),
        ]
    );
    let seen = odoo.seen();
    let [.., connectors, configurations] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(connectors.kwargs["fields"], json!(["name", "config_id"]));
    assert_eq!((&*configurations.model, &*configurations.method), ("sicantik.config", "read"));
    assert_eq!(configurations.kwargs, json!({ "ids": [7, 8], "fields": CONFIG }));
}

#[tokio::test]
async fn a_connectors_own_address_comes_before_its_configurations() {
    let odoo = FakeOdoo::start().await;
    let own = ["name", "api_url", "request_rate"];
    let (client, schema) = with_config(&odoo, &own, &["id", "api_url"]).await;
    let karo = json!({
        "id": 1, "name": "Karo", "api_url": "https://own/api", "request_rate": 3.0,
        "config_id": [7, "Production"],
    });
    odoo.answers([Answer::Value(json!([karo]))]);
    let found = within(connector::find(&client, &schema, None, true)).await.expect("Karo");
    assert_eq!((found.api_url.as_str(), found.request_rate), ("https://own/api", Some(3.0)));

    // Without one, the configuration's; its model knows no rate, so the connector's stays.
    let mut karo = karo;
    karo["api_url"] = json!(" ");
    let config = json!([{ "id": 7, "api_url": "https://a/api" }]);
    odoo.answers([Answer::Value(json!([karo])), Answer::Value(config)]);
    let found = within(connector::find(&client, &schema, None, true)).await.expect("Karo");
    assert_eq!((found.api_url.as_str(), found.request_rate), ("https://a/api", Some(3.0)));
}

#[tokio::test]
async fn an_address_that_is_missing_is_asked_for_where_it_belongs() {
    let odoo = FakeOdoo::start().await;
    let karo = |config: Value| json!([{ "id": 1, "name": "Karo", "config_id": config }]);
    let (client, schema) = with_config(&odoo, &["name"], &CONFIG).await;
    let empty = json!([{ "id": 7, "api_url": false, "rate_limit_enabled": false }]);
    odoo.answers([Answer::Value(karo(json!([7, "Production"]))), Answer::Value(empty)]);
    let error =
        within(connector::find(&client, &schema, None, true)).await.expect_err("no address");
    let place = AddressPlace::Configuration;
    assert!(matches!(&error, FindError::NoAddress { place: at, .. } if *at == place), "{error:?}");
    assert!(error.to_string().contains("its configuration in Odoo"), "{error}");

    // No field for an address anywhere: `--api-url` alone does.
    odoo.answers([fields(&SEED_PERMIT), fields(&["name"]), NO_RUN]);
    let schema = within(Schema::read(&client)).await.expect("an address is not demanded");
    odoo.answers([Answer::Value(karo(json!(false))), Answer::Value(karo(json!(false)))]);
    let found = within(connector::find(&client, &schema, None, false)).await.expect("Karo");
    assert_eq!(found.api_url, "");
    let error =
        within(connector::find(&client, &schema, None, true)).await.expect_err("no address");
    assert!(error.to_string().contains("give it with --api-url"), "{error}");
}
