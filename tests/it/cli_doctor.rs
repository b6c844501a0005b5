//! What `doctor` says of the service, its token, its nights and its files.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, KEY};
use crate::support::program::{Finished, finished, program};
use crate::support::sicantik::Simulator;
use crate::support::web::{Reply, Web};

const TOKEN: &str = "token-of-the-tests-0123456789";
const DIGEST: &str = "0b22685f9b78c09f405c9b3d827428f629ced40ecce59d38ea57c3b8ff3d85f6";

/// A service that answers, takes the token, and reaches Odoo.
async fn service() -> Web {
    service_that(true).await
}

async fn service_that(reaches_odoo: bool) -> Web {
    Web::start(move |asked| {
        let health = json!({
            "status": "ok", "version": env!("CARGO_PKG_VERSION"), "odoo_reachable": reaches_odoo,
            "problem": if reaches_odoo { Value::Null } else { json!("No such database.") },
        });
        if asked.target == "/health" {
            let mut open = health;
            open["problem"] = Value::Null;
            return Some(Reply::ok(open.to_string()));
        }
        if asked.headers["authorization"] != format!("Bearer {TOKEN}") {
            return Some(Reply::status(401, ""));
        }
        Some(Reply::ok(json!({ "jsonrpc": "2.0", "id": 1, "result": health }).to_string()))
    })
    .await
}

/// What a well-kept Odoo says of itself.
fn well_kept() -> Value {
    let action = |name: &str| {
        json!({
            "name": name, "exists": true, "active": true, "next_call": "2099-01-01 19:00:00",
        })
    };
    json!({
        "last_seen": "2026-01-01 01:00:00", "worker": "host:1:abc", "silent": false,
        "url": "http://127.0.0.1:8787", "token": "same",
        "actions": [action("Nightly"), action("Morning")],
    })
}

/// What `doctor` prints beside `service`, with `setup` in Odoo and more variables.
async fn doctor(
    service: Option<&Web>,
    setup: Option<Value>,
    variables: &[(&str, &str)],
) -> Finished {
    let simulator = Simulator::start(sicantik_sidecar::sicantik::simulator::Options {
        permits: 3,
        clean: true,
        ..Default::default()
    })
    .await;
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind_with(&odoo, Vec::new(), move |seen| {
        if seen.method != "describe_setup" {
            return None;
        }
        let Some(mut setup) = setup.clone() else {
            let name = "werkzeug.exceptions.NotFound";
            return Some(Answer::Fault(404, name, "the method 'describe_setup' does not exist"));
        };
        if setup["token"] == "same" {
            setup["token"] = match seen.kwargs["token_digest"].as_str() {
                Some(DIGEST) => json!("same"),
                Some(_) => json!("other"),
                None => json!("unknown"),
            };
        }
        Some(Answer::Value(setup))
    });
    ledger.add(QueuedRun::of("expiry", simulator.base.as_str()));
    let listen = match service {
        Some(web) => web.base().origin().ascii_serialization().replace("http://", ""),
        // Nobody listens there.
        None => "127.0.0.1:9".to_owned(),
    };
    let mut command = program(&odoo, &["doctor"]);
    command.env("SIDECAR_LISTEN", listen).env("SIDECAR_TOKEN", TOKEN);
    command.envs(variables.iter().copied());
    finished(command).await
}

/// The lines of problems.
fn problems(said: &Finished) -> Vec<&str> {
    said.stdout.lines().filter(|line| line.starts_with('✗')).collect()
}

#[tokio::test]
async fn all_is_well_where_service_and_odoo_know_each_other() {
    let service = service().await;
    let said = doctor(Some(&service), Some(well_kept()), &[]).await;
    assert_eq!((said.code, problems(&said)), (Some(0), vec![]), "{said:?}");
    for expected in [
        "✓ The service answers at 127.0.0.1:",
        "✓ Odoo heard of the service last at",
        "✓ Odoo has the service's token",
        "✓ Odoo calls \"Nightly\" next at 2099-01-0",
        "No problems found.",
    ] {
        assert!(said.stdout.contains(expected), "{expected}: {}", said.stdout);
    }
    assert!(!said.stdout.contains(TOKEN) && !said.stderr.contains(TOKEN));
}

#[tokio::test]
async fn a_service_that_is_down_is_a_problem_unless_another_is_at_work() {
    let mut setup = well_kept();
    let said = doctor(None, Some(setup.clone()), &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("but Odoo hears of host:1:abc"), "{}", said.stdout);
    setup["silent"] = json!(true);
    for setup in [Some(setup), None] {
        let said = doctor(None, setup, &[]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(problems(&said)[0].contains("The service does not answer at 127.0.0.1:9"));
        assert!(said.stdout.contains("systemctl start sicantik-sidecar"), "{}", said.stdout);
    }
}

#[tokio::test]
async fn what_odoo_and_the_service_do_not_agree_on_is_a_problem() {
    let set = |pairs: &[(&str, Value)]| {
        let mut setup = well_kept();
        for (pointer, value) in pairs {
            *setup.pointer_mut(pointer).expect("there") = value.clone();
        }
        setup
    };
    for (setup, expected) in [
        (set(&[("/token", json!("missing"))]), "Odoo has no token for the service"),
        (set(&[("/token", json!("other"))]), "Odoo's token is not the one that is set here"),
        (set(&[("/silent", json!(true))]), "Odoo has not heard of the service for a minute"),
        (
            set(&[("/silent", json!(true)), ("/last_seen", json!(false))]),
            "for a minute (last: never)",
        ),
        (set(&[("/actions/0/active", json!(false))]), "\"Nightly\" is switched off"),
        (set(&[("/actions/1/exists", json!(false))]), "\"Morning\" is missing"),
        (set(&[("/actions/0/next_call", json!("2020-01-01 19:00:00"))]), "\"Nightly\" was due at"),
    ] {
        let service = service().await;
        let said = doctor(Some(&service), Some(setup), &[]).await;
        assert_eq!(said.code, Some(1), "{expected}: {said:?}");
        let found = problems(&said);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {}", said.stdout);
    }
}

#[tokio::test]
async fn a_service_that_is_not_well_says_so() {
    let elsewhere = service_that(false).await;
    let said = doctor(Some(&elsewhere), Some(well_kept()), &[]).await;
    assert!(said.stdout.contains("✗ The service cannot use Odoo: No such database."), "{said:?}");

    let stranger = Web::start(|_| Some(Reply::ok("<html>"))).await;
    let said = doctor(Some(&stranger), Some(well_kept()), &[]).await;
    assert!(problems(&said)[0].contains("is not the sidecar's service"), "{said:?}");

    let service = service().await;
    let other = [("SIDECAR_TOKEN", "another-token-0123456789")];
    let said = doctor(Some(&service), Some(well_kept()), &other).await;
    let found = problems(&said);
    assert!(found[0].contains("does not take the token that is set here"), "{said:?}");
    assert!(found[1].contains("Odoo's token is not the one"), "{said:?}");
    assert_eq!(said.code, Some(1));
}

#[tokio::test]
async fn a_secret_that_others_may_read_is_a_problem() {
    let service = service().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: String, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        path.display().to_string()
    };
    for mode in [0o644, 0o604, 0o602, 0o640, 0o600] {
        // As the script prints it, and people store it.
        let key = file("key", format!("ODOO_API_KEY={KEY}\n"), mode);
        let token = file("token", TOKEN.to_owned(), 0o600);
        // The environment's own are left out: a file is named.
        let variables = [
            ("ODOO_API_KEY", ""),
            ("ODOO_API_KEY_FILE", key.as_str()),
            ("SIDECAR_TOKEN", ""),
            ("SIDECAR_TOKEN_FILE", token.as_str()),
        ];
        let said = doctor(Some(&service), Some(well_kept()), &variables).await;
        let is_open = mode & 0o007 != 0;
        assert_eq!(said.code, Some(i32::from(is_open)), "{mode:o}: {said:?}");
        assert_eq!(problems(&said).len(), usize::from(is_open), "{mode:o}: {said:?}");
        assert_eq!(said.stdout.contains(&format!("chmod o= {key}")), is_open, "{said:?}");
        assert!(said.stdout.contains(&format!("✓ {token}, which holds the service's token")));
    }
    let settings = file("a.toml", format!("[sidecar]\ntoken = '{TOKEN}'\n"), 0o644);
    let variables = [("SIDECAR_CONFIG", settings.as_str()), ("SIDECAR_TOKEN", "")];
    let said = doctor(Some(&service), Some(well_kept()), &variables).await;
    assert!(problems(&said)[0].contains("a.toml, which holds the service's token"), "{said:?}");
}
