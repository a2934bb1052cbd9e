//! What a PBX is: the kinds of objects, read with positions, merged by field, checked and compared.
//!
//! Pure: no files, no clock, no randomness. Text comes in, values come out; each stage is a type:
//! [`Source`] → [`Document`] → [`Catalog`], and for what is kept, [`Record`]s that a set's documents are merged into.
//!
//! To add a kind: its type with [`Spec`] in a file of `kinds/`, and a line in the list of `kind.rs`. Reading, schema, `explain`,
//! `get`, `diff`, `export` and completions follow from these; then render it where its calls go (crate `routing`) or where its
//! files are made (crate `asterisk`).

mod call_test;
mod check;
mod de;
mod dest;
mod diagnostic;
mod document;
mod effective;
mod kind;
pub mod kinds;
mod locate;
mod patterns;
mod record;
mod schema;
mod secret;
mod sound;
mod source;
mod table;
mod text;
mod time;
mod yaml;

pub use call_test::{At, CallFrom, CallTest, DialString, Expect, Given, Press, TestCall, TestDocument};
pub use check::{Checker, check, missing_reference};
pub use dest::{Caller, Destination, Hangup};
pub use diagnostic::{Diagnostic, Severity, nearest};
pub use document::{API_VERSION, Document, Label, Metadata, Origin, Parsed, parse, read_spec};
pub use effective::Wanted;
pub use kind::{AnySpec, Catalog, Kind, Object, ObjectRef, Spec};
pub use locate::{Locator, locate};
pub use patterns::PatternIndex;
pub use record::{
    Action, Conflict, Declaration, FieldChange, Meta, ObjectChange, Patch, Record, Records, catalog, changes, fields,
    is_secret_form, plain, revise,
};
pub use schema::{Explanation, Field, explain, explain_test, schema, schema_of_all, test_schema};
pub use secret::{
    Secret, clash as secret_clash, make as make_secret, value_error as secret_error, value_error_at as secret_error_at,
    weakness as secret_weakness,
};
pub use sound::{Audio, CONTENT_DIGITS, Prompt};
pub use source::{Position, Source, Span, Table};
pub use table::{COVER, Entry, Grid, cover, grid, grid_of, is_secret, is_secret_path, is_table, mask};
pub use text::{
    Codec, DisplayName, Duration, Email, Endpoint, FeatureCode, FilePath, Host, Name, Network, Number, Pattern,
    Permission, Place, Prefix, Refused, Text, TimeZone,
};
pub use time::{Date, Days, Hours, Yearly};
