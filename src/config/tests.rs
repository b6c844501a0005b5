use serde_json::json;

use super::*;

fn connector() -> odoo::Connector {
    serde_json::from_value(json!({
        "id": 1, "name": "Karo", "api_url": "", "request_rate": 5.0, "request_timeout": 20.0,
        "max_in_flight": 8, "page_size": 100, "tz": "Asia/Jakarta",
    }))
    .unwrap()
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn flags(file: &tempfile::NamedTempFile) -> Flags {
    Flags { config: Some(file.path().to_owned()), ..Flags::default() }
}

fn no_variable(_: &str) -> Option<String> {
    None
}

#[test]
fn flags_go_over_the_file_and_the_file_over_defaults() {
    let file = written(
        "[odoo]\nurl = 'http://a'\ndb = 'of_file'\nprotocol = 'json2'\n[sicantik]\nrequest_rate = 2.5\n",
    );
    let flags = Flags { odoo_db: Some("of_flag".into()), ..flags(&file) };
    let config = Config::load(&flags, no_variable).unwrap();
    assert_eq!(config.odoo_db.as_deref(), Some("of_flag"));
    assert_eq!(config.odoo_url.as_deref(), Some("http://a"));
    assert_eq!(config.odoo_protocol, Protocol::Json2);
    let sicantik = config.sicantik("http://127.0.0.1/api", &connector()).unwrap();
    assert_eq!(sicantik.limits, Limits { rate: Some(2.5), max_in_flight: 8 });
    assert_eq!(sicantik.timeout, Duration::from_secs(20));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_no_secret_is_repeated() {
    let file = written("[odoo]\napi_key = 's3cret'\ndatabase = 'x'\n");
    let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("`database`"), "{error}");
    let file = written("[odoo]\napi_key = s3cret\n");
    let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_not_repeated() {
    for (text, expected) in [
        ("[odoo]\napi_key = 4711\n", "expected a string"),
        ("[sicantik]\ntimeout = \"4711\"\n", "expected f64"),
    ] {
        let file = written(text);
        let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains(expected), "{error}");
        assert!(!error.contains("4711"), "{error}");
    }
}

#[test]
fn a_secret_comes_from_the_environment_before_the_file_and_never_shows() {
    let key_file = written("of_key_file\n");
    let file = written(&format!("[odoo]\napi_key_file = '{}'\n", key_file.path().display()));
    let config = Config::load(&flags(&file), no_variable).unwrap();
    let key = |config: &Config| config.odoo_api_key.as_ref().unwrap().expose_secret().to_owned();
    assert_eq!(key(&config), "of_key_file");
    let variable = |name: &str| (name == "ODOO_API_KEY").then(|| "of_environment".to_owned());
    let config = Config::load(&flags(&file), variable).unwrap();
    assert_eq!(key(&config), "of_environment");
    for shown in [config.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("of_environment"), "{shown}");
    }
    assert!(config.to_string().contains("odoo.api_key = (set, hidden)"));
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    let flags = Flags { odoo_url: Some("http://a".into()), ..Flags::default() };
    let error = Config::load(&flags, no_variable).unwrap().odoo().unwrap_err().to_string();
    assert!(error.contains("ODOO_DB, ODOO_LOGIN, ODOO_API_KEY") && !error.contains("ODOO_URL"));
}

#[test]
fn only_this_machine_may_be_asked_faster_than_promised() {
    for (rate, url, allowed) in [
        (0.0, "http://127.0.0.1:8099/api", true),
        (5_000.0, "http://localhost/api", true),
        (0.0, "http://[::1]/api", true),
        (10.0, "https://perizinan.example.go.id/api", true),
        (10.5, "https://perizinan.example.go.id/api", false),
        (0.0, "https://perizinan.example.go.id/api", false),
        (0.0, "http://localhost.example.go.id/api", false),
    ] {
        let flags = Flags { request_rate: Some(rate), ..Flags::default() };
        let config = Config::load(&flags, no_variable).unwrap();
        let sicantik = config.sicantik(url, &connector());
        assert_eq!(sicantik.is_ok(), allowed, "{rate} at {url}");
    }
}

#[test]
fn settings_out_of_range_are_errors() {
    for flags in [
        Flags { request_rate: Some(-1.0), ..Flags::default() },
        Flags { request_rate: Some(f64::NAN), ..Flags::default() },
        Flags { timeout: Some(0.0), ..Flags::default() },
        Flags { max_in_flight: Some(0), ..Flags::default() },
        Flags { odoo_url: Some("ftp://a".into()), ..Flags::default() },
        Flags { odoo_url: Some("odoo:8069".into()), ..Flags::default() },
        Flags { odoo_url: Some(" ".into()), ..Flags::default() },
    ] {
        assert!(Config::load(&flags, no_variable).is_err(), "{flags:?}");
    }
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    for url in ["", "ftp://a/api", "perizinan.example.go.id/api", "http://"] {
        let error = config.sicantik(url, &connector()).unwrap_err().to_string();
        assert!(error.contains("http://"), "{error}");
    }
}

#[test]
fn a_connector_cannot_lift_the_limits() {
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    let of_flags = Flags {
        request_rate: Some(2.0),
        timeout: Some(3.0),
        max_in_flight: Some(4),
        ..Flags::default()
    };
    let of_flags = Config::load(&of_flags, no_variable).unwrap();
    for (field, value, variable) in [
        ("request_rate", json!(-1.0), "SICANTIK_REQUEST_RATE"),
        ("request_rate", json!(1e300), "SICANTIK_REQUEST_RATE"),
        ("request_timeout", json!(-10.0), "SICANTIK_TIMEOUT"),
        ("request_timeout", json!(1e9), "SICANTIK_TIMEOUT"),
        ("max_in_flight", json!(-32), "SICANTIK_MAX_IN_FLIGHT"),
    ] {
        let mut row = json!({ "id": 1, "name": "Karo" });
        row[field] = value;
        let connector = serde_json::from_value(row).unwrap();
        for url in ["http://127.0.0.1/api", "https://perizinan.example.go.id/api"] {
            let error = config.sicantik(url, &connector).unwrap_err().to_string();
            assert!(error.contains("`Karo`") && error.contains(variable), "{error}");
            let settings = of_flags.sicantik(url, &connector).unwrap();
            assert_eq!(settings.limits, Limits { rate: Some(2.0), max_in_flight: 4 });
        }
    }
    for unset in [json!(0), json!(0.0), json!(false), json!(null)] {
        let row = json!({
            "id": 1, "request_rate": unset, "request_timeout": unset, "max_in_flight": unset,
        });
        let connector = serde_json::from_value(row).unwrap();
        let settings = config.sicantik("http://127.0.0.1/api", &connector).unwrap();
        assert_eq!(settings.limits, Limits { rate: Some(10.0), max_in_flight: 32 });
        assert_eq!(settings.timeout, Duration::from_secs(10));
    }
}

#[test]
fn an_address_that_cannot_be_used_is_shown_without_its_password() {
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    for url in [
        "user:s3cret@odoo:8069",
        "ftp://user:s3cret@odoo:8069",
        "http://user:s3cret@",
        "http://user:s3cret@odoo:port",
        "http://user:p@s3cret@odoo:port",
        "http://user:s3cret/@odoo",
        "//user:s3cret@odoo:8069",
    ] {
        let flags = Flags { odoo_url: Some(url.into()), ..Flags::default() };
        let file = written(&format!("[odoo]\nurl = '{url}'\n"));
        for error in [
            Config::load(&flags, no_variable).unwrap_err(),
            Config::load(&self::flags(&file), no_variable).unwrap_err(),
            config.sicantik(url, &connector()).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(!error.contains("s3cret") && error.contains("`…@"), "{error}");
        }
    }
    let listen = Some("user:s3cret@127.0.0.1:8787".to_owned());
    let flags = Flags { sidecar_listen: listen, ..Flags::default() };
    let error = Config::load(&flags, no_variable).unwrap_err().to_string();
    for shown in [error, format!("{flags:?}")] {
        assert!(!shown.contains("s3cret") && shown.contains("…@127.0.0.1:8787"), "{shown}");
    }
}

#[test]
fn the_example_file_can_be_used_and_names_every_setting_with_its_default() {
    let example = include_str!("../../deploy/sicantik-sidecar.toml");
    let setting = |line: &str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let all: String = example
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|bare| setting(bare)).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_ne!(all, example);
    let key =
        |name: &str| ["ODOO_API_KEY", "SIDECAR_TOKEN"].contains(&name).then(|| "k".to_owned());
    let as_it_is = Config::load(&flags(&written(example)), key).unwrap();
    assert!(as_it_is.odoo().is_ok());
    let full = Config::load(&flags(&written(&all)), key).unwrap();
    assert_eq!(full.request_rate, Some(DEFAULT_RATE));
    assert_eq!(full.timeout, Some(DEFAULT_TIMEOUT));
    assert_eq!(full.max_in_flight, Some(DEFAULT_MAX_IN_FLIGHT));
    assert_eq!(full.sidecar_listen, DEFAULT_LISTEN);
    assert_eq!(full.odoo_protocol, as_it_is.odoo_protocol);
    let without_variable = Config::load(&flags(&written(example)), no_variable);
    assert!(without_variable.unwrap_err().to_string().contains("/etc/sicantik-sidecar.key"));
    let api_key = |name: &str| (name == "ODOO_API_KEY").then(|| "k".to_owned());
    // A token that may not be read is a matter of `serve` alone.
    let without_token = Config::load(&flags(&written(&all)), api_key).unwrap();
    assert!(without_token.odoo().is_ok());
    assert!(without_token.token().unwrap_err().to_string().contains("/etc/sicantik-sidecar.token"));
}
