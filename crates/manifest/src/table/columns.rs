//! The columns that a kind can have, from its schema: every field that one cell can hold.

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::kind::Kind;
use crate::schema::{properties, resolve};

/// How a cell's text becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`, `yes` or `no`.
    Truth,
    /// Texts, separated by `;`.
    Texts,
    /// A secret in the open, or one of its forms.
    Secret,
    /// Whatever has parts of its own, written as YAML or JSON.
    Parts,
}

/// A field that can be a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its path below `spec`.
    pub(crate) path: String,
    /// How its cells are read.
    pub(crate) shape: Shape,
}

/// The columns of a kind, in the order of its manifest. What has fields is followed by them.
pub(crate) fn columns(kind: Kind) -> Vec<Column> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let spec = kind.spec_schema(&mut generator).to_value();
    let definitions = Json::Object(generator.take_definitions(true).into_iter().collect());
    let mut columns = Vec::new();
    below("", &spec, &definitions, &mut columns);
    columns
}

fn below(prefix: &str, schema: &Json, definitions: &Json, into: &mut Vec<Column>) {
    for (name, schema) in properties(schema, definitions) {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let shape = shape(&schema, definitions);
        into.push(Column { path: path.clone(), shape });
        let list = resolve(&schema, definitions)["items"].is_object();
        if shape == Shape::Parts && !list {
            below(&path, &schema, definitions, into);
        }
    }
}

fn shape(schema: &Json, definitions: &Json) -> Shape {
    let schema = resolve(schema, definitions);
    // A secret's forms are its alternatives.
    let forms = |key: &str| {
        schema["oneOf"].as_array().is_some_and(|any| any.iter().any(|one| one["properties"][key].is_object()))
    };
    if forms("generate") && forms("stored") {
        return Shape::Secret;
    }
    let words = |schema: &Json| {
        schema["type"] == "string"
            || schema["enum"].is_array()
            || schema["oneOf"].as_array().is_some_and(|any| any.iter().all(|one| one["const"].is_string()))
    };
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("boolean") => Shape::Truth,
        Some("integer") => Shape::Number,
        Some("array") if words(resolve(&schema["items"], definitions)) => Shape::Texts,
        Some("string") => Shape::Text,
        _ if words(schema) => Shape::Text,
        _ => Shape::Parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(kind: Kind, path: &str) -> Option<Shape> {
        columns(kind).into_iter().find(|column| column.path == path).map(|column| column.shape)
    }

    #[test]
    fn shapes_follow_from_types() {
        for (kind, path, shape) in [
            (Kind::Extension, "displayName", Shape::Text),
            (Kind::Extension, "enabled", Shape::Truth),
            (Kind::Extension, "voicemail", Shape::Parts),
            (Kind::Extension, "voicemail.enabled", Shape::Truth),
            (Kind::Extension, "voicemail.pin", Shape::Secret),
            (Kind::Extension, "codecs", Shape::Texts),
            (Kind::Extension, "allowFrom", Shape::Texts),
            (Kind::Extension, "maxCalls", Shape::Number),
            (Kind::Extension, "record", Shape::Text),
            (Kind::Extension, "transport", Shape::Text),
            (Kind::Extension, "ringTimeout", Shape::Text),
            (Kind::Carrier, "registration.password", Shape::Secret),
            (Kind::Carrier, "registration.username", Shape::Text),
            (Kind::Did, "callers", Shape::Parts),
            (Kind::Schedule, "open", Shape::Parts),
            (Kind::ExtensionGroup, "members", Shape::Texts),
            (Kind::Settings, "featureCodes.voicemail", Shape::Text),
        ] {
            assert_eq!(shape_of(kind, path), Some(shape), "{kind} {path}");
        }
        assert_eq!(shape_of(Kind::Did, "callers.from"), None);
        assert_eq!(shape_of(Kind::Extension, "password.env"), None);
    }
}
