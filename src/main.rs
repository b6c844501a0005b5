//! The `sicantik-sidecar` program.

fn main() {}
