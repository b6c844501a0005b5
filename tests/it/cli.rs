//! The program itself: its help, its exit codes, and what it shows of its settings.

use std::process::{Command, Output, Stdio};

use secrecy::SecretString;
use sicantik_sidecar::config::{Config, Flags};

const SECRET: &str = "s3cret-0123456789abcdef";

/// The program in an empty environment, in which nothing is set but `variables`.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sicantik-sidecar"))
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "100")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What it prints to stdout and stderr; its exit code has to be `code`.
fn printed(arguments: &[&str], variables: &[(&str, &str)], code: i32) -> String {
    let output = run(arguments, variables);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

#[test]
fn the_help_is_what_was_agreed_on() {
    let commands: [&[&str]; 13] = [
        &[],
        &["serve"],
        &["sync"],
        &["sync", "expiry"],
        &["sync", "permits"],
        &["sync", "all"],
        &["runs"],
        &["runs", "list"],
        &["runs", "show"],
        &["runs", "cancel"],
        &["doctor"],
        &["config"],
        &["completions"],
    ];
    let help: Vec<String> = commands
        .iter()
        .map(|command| {
            let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
            format!("$ sicantik-sidecar {}\n{}", arguments.join(" "), printed(&arguments, &[], 0))
        })
        .collect();
    insta::assert_snapshot!(help.join("\n"));
    insta::assert_snapshot!("simulate", printed(&["simulate", "--help"], &[], 0));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 20] = [
        (&[], "Usage:"),
        (&["nonsense"], "nonsense"),
        (&["sync"], "expiry"),
        (&["sync", "expiry", "--max-permits", "0"], "--max-permits"),
        (&["sync", "expiry", "--max-permits", "-1"], "-1"),
        (&["sync", "expiry", "--max-permits", "ten"], "ten"),
        (&["sync", "expiry", "--max-permits", "2147483648"], "2147483647"),
        (&["sync", "all", "--max-permits", "2147483648"], "2147483647"),
        (&["sync", "all", "--max-permits", "99999999999999999999"], "--max-permits"),
        (&["sync", "expiry", "--refresh-older-than", "0"], "--refresh-older-than"),
        (&["sync", "expiry", "--refresh-older-than", "2147483648"], "--refresh-older-than"),
        (&["sync", "all", "--refresh-older-than", "2147483648"], "--refresh-older-than"),
        // The largest number allowed: only settings are missing.
        (&["sync", "all", "--max-permits", "2147483647"], "ODOO_URL"),
        (&["sync", "expiry", "--api-key", "x"], "--api-key"),
        (&["sync", "expiry"], "ODOO_URL, ODOO_DB, ODOO_LOGIN, ODOO_API_KEY"),
        (&["config", "--odoo-url", "ftp://a"], "ftp://a"),
        (&["config", "--config", "/nowhere/a.toml"], "/nowhere/a.toml"),
        (&["config", "--request-rate", "-1"], "-1"),
        (&["serve"], "SIDECAR_TOKEN"),
        (&["completions", "tcsh"], "tcsh"),
    ];
    for (arguments, part) in cases {
        let said = printed(arguments, &[], 2);
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let json = run(&["sync", "expiry", "--json"], &[]);
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one object");
    assert_eq!((json.status.code(), &object["success"]), (Some(2), &false.into()));
}

#[test]
fn only_this_machine_is_listened_to() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost"] {
        let said = printed(&["simulate", "--listen", address], &[], 2);
        assert!(said.contains("--listen"), "{said}");
        let token = [("SIDECAR_TOKEN", SECRET)];
        let said = printed(&["serve", "--sidecar-listen", address], &token, 2);
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn settings_are_shown_and_secrets_are_not_wherever_they_come_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let secret_file = path("secret");
    std::fs::write(&secret_file, format!("{SECRET}\n")).expect("written");
    let url = format!("http://user:{SECRET}@127.0.0.1:8069/");
    let sources = [
        format!("[odoo]\nurl = '{url}'\napi_key = '{SECRET}'\n[sidecar]\ntoken = '{SECRET}'\n"),
        format!(
            "[odoo]\nurl = '{url}'\napi_key_file = '{secret_file}'\n[sidecar]\ntoken_file = '{secret_file}'\n"
        ),
    ];
    for source in sources {
        let file = path("settings.toml");
        std::fs::write(&file, source).expect("written");
        check(&printed(&["config", "--config", &file], &[], 0));
    }
    let of_environment = [
        ("ODOO_URL", url.as_str()),
        ("ODOO_API_KEY", SECRET),
        ("SIDECAR_TOKEN", SECRET),
        ("SIDECAR_LOG", "trace"),
    ];
    check(&printed(&["config"], &of_environment, 0));
    let of_files = [
        ("ODOO_URL", url.as_str()),
        ("ODOO_API_KEY_FILE", secret_file.as_str()),
        ("SIDECAR_TOKEN_FILE", secret_file.as_str()),
    ];
    check(&printed(&["config"], &of_files, 0));
    for arguments in [&["--help"][..], &["sync", "expiry", "--help"]] {
        let said = printed(arguments, &of_environment, 0);
        assert!(!said.contains(SECRET), "{said}");
    }
    let nothing = printed(&["config"], &[], 0);
    assert!(nothing.contains("odoo.api_key = (not set)"), "{nothing}");
    assert!(nothing.contains("sidecar.token = (not set)"), "{nothing}");
    assert!(nothing.contains("sidecar.listen = 127.0.0.1:8787"), "{nothing}");
}

#[test]
fn the_origin_of_each_value_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml").display().to_string();
    std::fs::write(&file, "[sicantik]\ntimeout = 7.5\n").expect("written");
    let variables =
        [("SIDECAR_CONFIG", file.as_str()), ("ODOO_DB", "karo"), ("SIDECAR_TOKEN", SECRET)];
    let shown = printed(&["config", "--origins", "--odoo-login", "rina"], &variables, 0);
    for (value, origin) in [
        ("# settings file: ", "variable SIDECAR_CONFIG"),
        ("odoo.db = karo", "variable ODOO_DB"),
        ("odoo.login = rina", "flag --odoo-login"),
        ("odoo.protocol = auto", "default"),
        ("sicantik.timeout = 7.5 s", &format!("file {file} (sicantik.timeout)")),
        ("sicantik.max_in_flight = (the connector's, or 32)", "the connector's setting"),
        ("sidecar.token = (set, hidden)", "variable SIDECAR_TOKEN"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(value)).expect(value);
        assert!(line.ends_with(&format!("  # {origin}")), "{line}");
    }
    assert!(!shown.contains(SECRET), "{shown}");
    // Without the flag only the values are shown.
    let shown = printed(&["config"], &variables, 0);
    assert!(shown.lines().all(|line| line.starts_with('#') || !line.contains('#')), "{shown}");
}

fn check(shown: &str) {
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("odoo.url = http://127.0.0.1:8069\n"), "{shown}");
    assert!(shown.contains("odoo.api_key = (set, hidden)"), "{shown}");
    assert!(shown.contains("sidecar.token = (set, hidden)"), "{shown}");
}

#[test]
fn settings_in_a_log_hold_no_secret() {
    let url = format!("http://user:{SECRET}@127.0.0.1:8069");
    let flags = Flags::default().with("odoo-url", url.as_str());
    let secret =
        |name: &str| ["ODOO_API_KEY", "SIDECAR_TOKEN"].contains(&name).then(|| SECRET.to_owned());
    let config = Config::load(&flags, secret).expect("settings");
    let odoo = sicantik_sidecar::odoo::Settings::new(
        url.parse().expect("an address"),
        "db",
        "login",
        SecretString::from(SECRET),
    );
    for shown in [
        format!("{config:?} {config:#?}"),
        format!("{flags:?} {flags:#?}"),
        format!("{odoo:?} {odoo:#?}"),
        format!("{:?}", config.token().expect("a token")),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    assert!(format!("{config:?}").contains("127.0.0.1:8069"));
}

#[test]
fn settings_are_shown_once_and_taken_by_every_command() {
    assert!(printed(&["--help"], &[], 0).contains("--odoo-url"));
    for command in [&["sync", "all"][..], &["sync"], &["runs", "show"], &["doctor"], &["serve"]] {
        let help = [command, &["--help"]].concat();
        let help = printed(&help, &[], 0);
        assert!(!help.contains("--odoo-url"), "{help}");
        assert!(help.contains("Every command takes settings"), "{help}");
    }
    for arguments in [&["config", "--odoo-db", "karo"][..], &["--odoo-db", "karo", "config"]] {
        assert!(printed(arguments, &[], 0).contains("odoo.db = karo"), "{arguments:?}");
    }
}

#[test]
fn there_are_pages_for_man() {
    let page = printed(&["man"], &[], 0);
    assert!(page.contains(".TH sicantik-sidecar 1") && page.contains("odoo\\-url"), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    printed(&["man", folder.path().to_str().expect("a path")], &[], 0);
    for name in
        ["sicantik-sidecar.1", "sicantik-sidecar-sync-expiry.1", "sicantik-sidecar-doctor.1"]
    {
        let page = std::fs::read_to_string(folder.path().join(name)).expect(name);
        assert!(page.contains("Example"), "{page}");
    }
    let said = printed(&["man", "/nowhere/at-all"], &[], 2);
    assert!(said.contains("cannot be written to /nowhere/at-all"), "{said}");
}

#[test]
fn shells_are_helped_to_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell], &[]);
        assert!(output.status.success() && output.stderr.is_empty());
        let script = text(&output.stdout);
        for word in ["sicantik-sidecar", "max-permits", "simulate"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
