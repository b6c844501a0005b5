//! The program itself, as a child of the test.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sicantik_sidecar::odoo::Protocol;
use tokio::process::{Child, Command};

use super::odoo::{DB, FakeOdoo, KEY, LOGIN};

/// The program with `arguments`, in an environment in which nothing is set but how to reach `odoo`.
pub(crate) fn program(odoo: &FakeOdoo, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sicantik-sidecar"));
    command
        .args(arguments)
        .env_clear()
        .env("ODOO_URL", odoo.settings(Protocol::Auto).url.as_str())
        .envs([("ODOO_DB", DB), ("ODOO_LOGIN", LOGIN), ("ODOO_API_KEY", KEY)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The result of a program.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The one object of `--json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no object: {self:?}"))
    }
}

/// Runs it to its end.
pub(crate) async fn finished(mut command: Command) -> Finished {
    ended(command.spawn().expect("the program runs")).await
}

/// Waits for its end.
pub(crate) async fn ended(child: Child) -> Finished {
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
    let output = output.await.expect("an end").expect("an output");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    Finished { code: output.status.code(), stdout, stderr }
}

/// Presses Ctrl-C.
pub(crate) async fn interrupt(child: &Child) {
    let id = child.id().expect("it runs");
    let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {id}")).status().await;
    assert!(kill.expect("a shell").success());
}
