//! Step one: the listing, read completely although it moves while it is read.
//!
//! The order of the listing has no tie-break and new permits come in at its front, so pages
//! overlap, repeat and miss rows. Three things make the reading complete all the same: each page
//! is asked for with some rows of the next, so that small movements lose nothing; signs that rows
//! have moved further (a row on two pages, an edge that does not fit the next page's) make the
//! whole be read again in other pages, until nothing new comes; and a look back at the front
//! catches what came in meanwhile.
//!
//! - `page`: one page, in smaller parts where it cannot be had whole; `paging`: which pages there
//!   are; `sweep`: all of them, once; `repeats`: whether they still bring anything new.
//! - `entry`, `seen`: what has been seen, and whether it moved.
//! - `store`: what goes to Odoo, and when; `import`: the whole; `imported`: what came of it.

mod entry;
mod import;
mod imported;
mod page;
mod paging;
mod repeats;
mod seen;
mod store;
mod sweep;

pub use import::{Import, ImportEnded, import};
pub use imported::{Imported, Remark};
pub use page::PageRead;
pub use paging::Paging;
pub use repeats::Repetition;
pub use store::Ledger;
pub use sweep::{Swept, sweep};
