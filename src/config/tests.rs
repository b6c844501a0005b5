use std::time::Duration;

use chrono_tz::Tz;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::odoo::Protocol;
use crate::outbound::Limits;

mod readme;

fn connector() -> Connector {
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
    Flags::default().with("config", file.path().display().to_string())
}

fn no_variable(_: &str) -> Option<String> {
    None
}

#[test]
fn flags_override_variables_and_these_the_file_and_this_the_defaults() {
    let file = written(
        "[odoo]\nurl = 'http://a'\ndb = 'of_file'\nprotocol = 'json2'\n[sicantik]\nrequest_rate = 2.5\n",
    );
    let flags = flags(&file).with("odoo-db", "of_flag");
    let variable = |name: &str| {
        let key = "of_variable".to_owned();
        ["ODOO_DB", "ODOO_LOGIN", "ODOO_API_KEY"].contains(&name).then_some(key)
    };
    let config = Config::load(&flags, variable).unwrap();
    let odoo = config.odoo().unwrap();
    assert_eq!((odoo.db.as_str(), odoo.login.as_str()), ("of_flag", "of_variable"));
    assert_eq!((odoo.url.as_str(), odoo.protocol), ("http://a/", Protocol::Json2));
    let sicantik = config.sicantik("http://127.0.0.1/api", &connector()).unwrap();
    assert_eq!(sicantik.limits, Limits { rate: Some(2.5), max_in_flight: 8 });
    assert_eq!(sicantik.timeout, Duration::from_secs(20));
    assert_eq!(sicantik.time_zone, Tz::Asia__Jakarta);
}

#[test]
fn the_time_zone_is_the_connectors() {
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    for (tz, zone) in [
        (json!("Asia/Jayapura"), Tz::Asia__Jayapura),
        (json!(" Asia/Makassar "), Tz::Asia__Makassar),
        (json!(false), Tz::Asia__Jakarta),
        (json!("Asia/Kabanjahe"), Tz::Asia__Jakarta),
    ] {
        let connector = serde_json::from_value(json!({ "id": 1, "tz": tz })).unwrap();
        let settings = config.sicantik("http://127.0.0.1/api", &connector).unwrap();
        assert_eq!(settings.time_zone, zone, "{tz}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_no_secret_is_repeated() {
    let file = written("[odoo]\napi_key = 's3cret'\ndatabase = 'x'\n");
    let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("`database`"), "{error}");
    for line in [
        "api_key = s3cret",
        "api_key = 's3cret",
        "api_key = \"s3cret\\q\"",
        "api_key 's3cret'",
        "api_key = 's3cret' s3cret",
        "api_key = ['s3cret',",
        "api_key = 4s3cret",
    ] {
        let file = written(&format!("[odoo]\n{line}\n"));
        let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_not_repeated() {
    for (text, expected) in [
        ("[odoo]\napi_key = 4711\n", "expected a string"),
        ("[sicantik]\ntimeout = \"4711\"\n", "expected a number"),
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
    let key =
        |config: &Config| config.odoo.api_key.as_ref().unwrap().value.expose_secret().to_owned();
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
    let flags = Flags::default().with("odoo-url", "http://a");
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
        let flags = Flags::default().with("request-rate", rate.to_string());
        let config = Config::load(&flags, no_variable).unwrap();
        let sicantik = config.sicantik(url, &connector());
        assert_eq!(sicantik.is_ok(), allowed, "{rate} at {url}");
    }
}

#[test]
fn settings_out_of_range_are_errors() {
    for (flag, value, part) in [
        ("request-rate", "-1.0", "is out of range: give requests per second, up to 10"),
        ("request-rate", "NaN", "out of range"),
        ("request-rate", "many", "`many`, which is not a number"),
        ("timeout", "0", "0.05 to 600 seconds"),
        ("max-in-flight", "0", "at least 1"),
        ("max-in-flight", "1.5", "not a whole number"),
        ("odoo-url", "ftp://a", "not an http address"),
        ("odoo-url", "odoo:8069", "not an http address"),
        ("odoo-url", " ", "is empty: give one that begins with http:// or https://"),
        ("odoo-protocol", "xmlrpc", "auto, jsonrpc or json2"),
        ("sidecar-listen", "0.0.0.0:1", "other machines can reach"),
        ("config", "", "is empty"),
    ] {
        let flags = Flags::default().with(flag, value);
        let error = Config::load(&flags, no_variable).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(&format!("--{flag} is ")) && error.contains(part), "{error}");
    }
    // The same of a variable and of the file, each by its own name.
    let variable = |name: &str| (name == "SICANTIK_TIMEOUT").then(|| "0".to_owned());
    let error = Config::load(&Flags::default(), variable).unwrap_err().to_string();
    assert!(error.starts_with("SICANTIK_TIMEOUT is `0`"), "{error}");
    let file = written("[sicantik]\n\ntimeout = 0x0\n");
    let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
    assert!(error.starts_with("`sicantik.timeout` in the settings file "), "{error}");
    assert!(error.contains(", line 3, is `0`"), "{error}");
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    for url in ["", "ftp://a/api", "perizinan.example.go.id/api", "http://"] {
        let error = config.sicantik(url, &connector()).unwrap_err().to_string();
        assert!(error.contains("http://"), "{error}");
    }
}

#[test]
fn a_connector_cannot_lift_the_limits() {
    let config = Config::load(&Flags::default(), no_variable).unwrap();
    let of_flags =
        Flags::default().with("request-rate", "2").with("timeout", "3").with("max-in-flight", "4");
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
        let flags = Flags::default().with("odoo-url", url);
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
    let flags = Flags::default().with("sidecar-listen", "user:s3cret@127.0.0.1:8787");
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
    // A file of certificates is read at once.
    let certificate = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap().cert;
    let pem = written(&certificate.pem());
    let pem = pem.path().to_str().unwrap();
    let all = all.replace("/etc/ssl/odoo-ca.pem", pem).replace("/etc/ssl/sicantik-ca.pem", pem);
    let full = Config::load(&flags(&written(&all)), key).unwrap();
    let values = |config: &Config| -> Vec<_> {
        let entries = config.entries().into_iter();
        entries.map(|Entry { setting, value, .. }| (setting.key, value)).collect()
    };
    let shown = values(&full);
    for setting in settings() {
        let Some(key) = setting.key else { continue };
        let (_, value) = shown.iter().find(|(shown, _)| *shown == Some(key)).unwrap();
        match setting.default {
            Fallback::Value(default) => assert_eq!(value.as_deref(), Some(default)),
            Fallback::Connector(default) => {
                assert_eq!(value.as_deref(), Some(setting.with_unit(default).as_str()));
            }
            Fallback::None => assert!(value.is_some(), "{key}"),
        }
        let named = [format!("({})", setting.variable), format!("({}_FILE)", setting.variable)];
        assert!(named.iter().any(|name| example.contains(name)), "{key}");
    }
    let without_variable = Config::load(&flags(&written(example)), no_variable);
    assert!(without_variable.unwrap_err().to_string().contains("/etc/sicantik-sidecar.key"));
    let api_key = |name: &str| (name == "ODOO_API_KEY").then(|| "k".to_owned());
    // A token that may not be read is a matter of `serve` alone.
    let without_token = Config::load(&flags(&written(&all)), api_key).unwrap();
    assert!(without_token.odoo().is_ok());
    assert!(without_token.token().unwrap_err().to_string().contains("/etc/sicantik-sidecar.token"));
}

#[test]
fn an_unknown_section_is_named_with_those_that_there_are() {
    for (text, part) in [
        ("[odoo]\n[notices]\n", "line 2: unknown section `notices`, expected one of `odoo`"),
        ("url = 'http://a'\n", "line 1: unknown section `url`"),
        ("odoo = 's3cret'\n", "line 1: `odoo` is not a section"),
        ("[sidecar]\nlisten = 1\n", "line 2: `sidecar.listen` is of type integer"),
        ("[sidecar]\ntoken = 's3cret'\ntoken = 's3cret'\n", "line 3: duplicate key"),
    ] {
        let file = written(text);
        let error = Config::load(&flags(&file), no_variable).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn each_value_says_where_it_came_from() {
    let key_file = written("s3cret");
    let key_path = key_file.path().display().to_string();
    let file = written(
        "[odoo]\ndb = 'of_file'\n[sidecar]\ntoken_file = '/nowhere/token'\n[sicantik]\ntimeout = 7.0\n",
    );
    let path = file.path().display().to_string();
    let variable = |name: &str| match name {
        "SIDECAR_CONFIG" => Some(path.clone()),
        "ODOO_LOGIN" => Some("of_variable".to_owned()),
        "ODOO_API_KEY_FILE" => Some(key_path.clone()),
        _ => None,
    };
    let flags = Flags::default().with("odoo-url", "http://user:s3cret@a:1");
    let config = Config::load(&flags, variable).unwrap();
    let shown = config.with_origins();
    let lines: Vec<(&str, &str)> =
        shown.lines().map(|line| line.split_once("  #").unwrap_or((line, ""))).collect();
    let expected = [
        (format!("# settings file: {path}"), "variable SIDECAR_CONFIG".to_owned()),
        ("odoo.url = http://a:1".to_owned(), "flag --odoo-url".to_owned()),
        ("odoo.db = of_file".to_owned(), format!("file {path} (odoo.db)")),
        ("odoo.login = of_variable".to_owned(), "variable ODOO_LOGIN".to_owned()),
        ("odoo.api_key = (set, hidden)".to_owned(), "variable ODOO_API_KEY_FILE".to_owned()),
        ("odoo.protocol = auto".to_owned(), "default".to_owned()),
        ("odoo.ca_file = (not set)".to_owned(), String::new()),
        (
            "sicantik.request_rate = (the connector's, or 10 /s)".to_owned(),
            "the connector's setting".to_owned(),
        ),
        ("sicantik.timeout = 7 s".to_owned(), format!("file {path} (sicantik.timeout)")),
        (
            "sicantik.max_in_flight = (the connector's, or 32)".to_owned(),
            "the connector's setting".to_owned(),
        ),
        ("sicantik.ca_file = (not set)".to_owned(), String::new()),
        ("sidecar.listen = 127.0.0.1:8787".to_owned(), "default".to_owned()),
        (
            "sidecar.token = (its file cannot be read)".to_owned(),
            format!("file {path} (sidecar.token_file)"),
        ),
    ];
    let lines: Vec<_> =
        lines.iter().map(|(line, origin)| (line.trim_end(), origin.trim())).collect();
    let expected: Vec<_> =
        expected.iter().map(|(line, origin)| (line.as_str(), origin.as_str())).collect();
    assert_eq!(lines, expected);
    assert!(!shown.contains("s3cret"), "{shown}");
    let nothing = Config::load(&Flags::default(), no_variable).unwrap().with_origins();
    assert!(nothing.contains("odoo.api_key = (not set)\n"), "{nothing}");
}
