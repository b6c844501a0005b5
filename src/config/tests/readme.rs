//! The README lists the settings, and each is described.

use std::fmt::Write;

use crate::config::{Fallback, SettingKind, settings};

/// The table of settings as the README has it.
fn readme_table() -> String {
    let mut table = "\
        | flag | variable | in the file | default | meaning |\n\
        | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let code = |name: Option<&str>| name.map_or(String::new(), |name| format!("`{name}`"));
    for setting in settings() {
        let flag = setting.flag.map(|flag| format!("--{flag}"));
        let default = match setting.default {
            Fallback::None => String::new(),
            Fallback::Value(value) => value.to_owned(),
            Fallback::Connector(value) => {
                format!("the connector's, or {}", setting.with_unit(value))
            }
        };
        let rows = [(setting.key.map(str::to_owned), setting.variable.to_owned(), setting.meaning)];
        let file = (setting.file_key(), setting.file_variable(), "or a file that holds it");
        let is_secret = matches!(setting.kind, SettingKind::Secret);
        for (key, variable, meaning) in rows.into_iter().chain(is_secret.then_some(file)) {
            let cells = [code(flag.as_deref()), code(Some(&variable)), code(key.as_deref())];
            writeln!(table, "| {} | {default} | {meaning} |", cells.join(" | ")).unwrap();
        }
    }
    table.replace("|  |", "| |").replace("|  |", "| |")
}

#[test]
fn the_readme_lists_exactly_the_settings() {
    let readme = include_str!("../../../README.md");
    let table = readme_table();
    assert!(readme.contains(&table), "the README's table of settings should be:\n{table}");
}

#[test]
fn every_setting_is_described() {
    let mut names = std::collections::HashSet::new();
    for setting in settings() {
        let key = setting.key.unwrap_or_default();
        assert!(!setting.meaning.is_empty() && !setting.expected.is_empty(), "{key}");
        assert!(names.insert(setting.variable), "{}", setting.variable);
        assert!(setting.flag.is_none_or(|flag| names.insert(flag)), "{key}");
        assert!(setting.key.is_none_or(|key| names.insert(key)), "{key}");
        if matches!(setting.kind, SettingKind::Secret) {
            assert_eq!(setting.flag, None, "{key}: arguments are visible");
        }
    }
}
