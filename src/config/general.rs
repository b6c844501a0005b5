//! Settings of the program as such, which no file has a key for.

use super::setting::{Fallback, Setting, SettingKind};

/// Which file to read settings from.
pub(super) static CONFIG: Setting = Setting {
    key: None,
    flag: Some("config"),
    variable: "SIDECAR_CONFIG",
    kind: SettingKind::Text("FILE"),
    default: Fallback::None,
    meaning: "Read settings from this TOML file",
    expected: "the path of a TOML file",
};

/// What is logged.
pub static LOG: Setting = Setting {
    key: None,
    flag: None,
    variable: "SIDECAR_LOG",
    kind: SettingKind::Text("FILTER"),
    default: Fallback::Value("warn; info for `serve` and `simulate`"),
    meaning: "What is logged to stderr: `info`, `debug`, or a filter such as \
              `sicantik_sidecar=debug,hyper=info`",
    expected: "a level or a filter",
};
