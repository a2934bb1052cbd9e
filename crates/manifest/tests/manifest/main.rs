//! What manifests mean, by value.

#![expect(clippy::unwrap_used, reason = "tests")]

mod checks;
mod office;
mod reader;
mod records;
mod schema;
mod tables;
mod values;
