//! The technical names of Odoo's models.

/// Permits.
pub const PERMIT: &str = "sicantik.permit";

/// Which server to ask for them, and how fast.
pub const CONNECTOR: &str = "sicantik.connector";

/// The ledger of runs.
pub const RUN: &str = "sicantik.sync.run";

/// The service, as Odoo sees it.
pub const SIDECAR: &str = "sicantik.sidecar";

/// The permits that a run could not settle.
pub const RUN_LINE: &str = "sicantik.sync.run.line";
