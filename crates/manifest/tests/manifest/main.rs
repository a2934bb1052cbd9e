//! What manifests mean, by value.

#![expect(clippy::unwrap_used, reason = "tests")]

mod checks;
mod cost;
mod hostile;
mod office;
mod reader;
mod records;
mod schema;
mod strings;
mod tables;
mod values;
