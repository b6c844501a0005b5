//! Locks a SICANTIK server for one command of this machine, where no run in Odoo's ledger does.
//!
//! The promised rate is that of all requests together. The ledger keeps runs apart; dry runs and
//! plain mode have none, so two of them, started by two crontabs perhaps, would double the rate.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;

use super::failure::Failure;

/// Holds a server for this process until dropped. The system releases it even if the process is
/// killed.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub(super) struct HostLock(#[expect(dead_code, reason = "held for its lock")] Option<File>);

impl HostLock {
    /// Locks `server`, as [`crate::outbound::server`] names it.
    ///
    /// # Errors
    ///
    /// [`Failure`] with exit code 4, if another command of this machine holds it.
    pub(super) fn acquire(server: &str) -> Result<Self, Failure> {
        let file = match open(server) {
            Ok(file) => file,
            // Without a folder for temporary files the work matters more than the lock.
            Err(error) => return Ok(Self::unknown(server, &error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(Failure::conflict(format!(
                "Another command of this machine is asking SICANTIK at {server}: wait for its end."
            ))),
            Err(TryLockError::Error(error)) => Ok(Self::unknown(server, &error)),
        }
    }

    fn unknown(server: &str, error: &io::Error) -> Self {
        tracing::warn!(%error, "Cannot tell whether another command queries {server}");
        Self(None)
    }
}

/// The file whose lock stands for the server. It is empty, so reading it is enough, whoever made
/// it; a link in its place is not followed when it is created.
fn open(server: &str) -> io::Result<File> {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = server.chars().map(safe).collect();
    let path: PathBuf = std::env::temp_dir().join(format!("sicantik-sidecar-{name}.lock"));
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(&path),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_locked_once_and_released() {
        let name = format!("kept.example:{}", std::process::id());
        let first = HostLock::acquire(&name).expect("it is free");
        let refused = HostLock::acquire(&name).expect_err("it is locked").to_string();
        assert!(refused.contains(&name), "{refused}");
        drop(HostLock::acquire("another.example").expect("it is another server"));
        drop(first);
        drop(HostLock::acquire(&name).expect("it was released"));
        std::fs::remove_file(
            std::env::temp_dir()
                .join(format!("sicantik-sidecar-kept-example-{}.lock", std::process::id())),
        )
        .expect("the file is there");
    }
}
