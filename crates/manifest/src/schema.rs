//! The language's own description: JSON Schemas for editors and pipelines, and the words of `explain`.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

use crate::call_test::CallTest;
use crate::document::{API_VERSION, Metadata};
use crate::kind::Kind;

/// The JSON Schema (2020-12) of one kind's manifest.
pub fn schema(kind: Kind) -> Json {
    alone(kind.title(), kind.about(), |generator| kind.spec_schema(generator))
}

/// The JSON Schema of call tests, which are read beside manifests.
pub fn test_schema() -> Json {
    alone(CallTest::TITLE, CallTest::ABOUT, SchemaGenerator::subschema_for::<CallTest>)
}

fn alone(title: &str, about: &str, spec: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let spec = spec(&mut generator);
    let document = document(title, &spec, &mut generator);
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!(title));
    schema.insert("description".into(), json!(about));
    if let Json::Object(document) = document {
        schema.extend(document);
    }
    schema.insert("$defs".into(), Json::Object(generator.take_definitions(true).into_iter().collect()));
    Json::Object(schema)
}

/// The JSON Schema of any manifest, for an editor that opens a file of them.
pub fn schema_of_all() -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        let spec = kind.spec_schema(&mut generator);
        kinds.push(document(kind.title(), &spec, &mut generator));
    }
    let spec = generator.subschema_for::<CallTest>();
    kinds.push(document(CallTest::TITLE, &spec, &mut generator));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pbx manifest",
        "oneOf": kinds,
        "$defs": generator.take_definitions(true),
    })
}

fn document(title: &str, spec: &Schema, generator: &mut SchemaGenerator) -> Json {
    let metadata = generator.subschema_for::<Metadata>();
    json!({
        "type": "object",
        "properties": {
            // Not required: editors check each document of a file by itself, and the first one's holds for those that say none.
            "apiVersion": {
                "const": API_VERSION,
                "description": "The version of the manifest language. The first document of a file needs it; it holds for all of them.",
            },
            "kind": { "const": title },
            "metadata": metadata,
            "spec": spec,
        },
        "required": ["kind", "metadata"],
        "additionalProperties": false,
    })
}

/// One field, as `explain` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What its values are: `text`, `a duration`, `list of codecs`.
    pub values: String,
    /// What it is for.
    pub about: String,
    /// Whether it must be given.
    pub required: bool,
    /// Its default, where the schema knows one.
    pub default: Option<Json>,
    /// Whether it has fields of its own.
    pub nested: bool,
}

/// What `explain` shows of a kind or a field: its description, its values, its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What it is for.
    pub about: String,
    /// What its values are.
    pub values: String,
    /// What each of its words means, where it takes words that are told.
    pub meanings: Vec<(String, String)>,
    /// Its default, where the schema knows one.
    pub default: Option<Json>,
    /// Values that it takes, for example.
    pub examples: Vec<String>,
    /// Its fields, in the order of the manifest.
    pub fields: Vec<Field>,
}

/// Explains `spec` of a kind, or a field below it (`callForward.busy`), or one of `metadata` (`metadata.labels`). `Err` names the fields
/// there are at the first unknown step.
pub fn explain(kind: Kind, path: &str) -> Result<Explanation, Vec<String>> {
    explain_in(&schema(kind), kind.about(), path)
}

/// The same of call tests.
pub fn explain_test(path: &str) -> Result<Explanation, Vec<String>> {
    explain_in(&test_schema(), CallTest::ABOUT, path)
}

fn explain_in(schema: &Json, own: &str, path: &str) -> Result<Explanation, Vec<String>> {
    let definitions = &schema["$defs"];
    let mut steps = path.split('.').filter(|step| !step.is_empty()).peekable();
    let root = steps.next_if(|step| ["metadata", "spec"].contains(step)).unwrap_or("spec");
    let mut at = resolve(&schema["properties"][root], definitions).clone();
    let mut about = if root == "spec" { own.to_owned() } else { words(&at, definitions) };
    for step in steps {
        let properties = properties(&at, definitions);
        if let Some((_, next)) = properties.iter().find(|(name, _)| name == step) {
            about = words(next, definitions);
            at = next.clone();
        } else if let Some(next) = any_property(&at, definitions) {
            let own = words(next, definitions);
            about = if own.is_empty() { about } else { own };
            at = next.clone();
        } else {
            return Err(properties.into_iter().map(|(name, _)| name).collect());
        }
    }
    let item = inner(&at, definitions);
    let required: Vec<&str> = item["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let fields = properties(&at, definitions)
        .into_iter()
        .map(|(name, schema)| Field {
            values: values(&schema, definitions),
            about: words(&schema, definitions),
            required: required.contains(&name.as_str()),
            default: default_of(&schema),
            nested: !properties(&schema, definitions).is_empty(),
            name,
        })
        .collect();
    let examples = item["examples"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
    let values = values(&at, definitions);
    let meanings = meanings(item, definitions);
    Ok(Explanation { about, values, meanings, default: default_of(&at), examples: examples.collect(), fields })
}

/// What the words of a schema mean.
fn meanings(schema: &Json, definitions: &Json) -> Vec<(String, String)> {
    let all = resolve(schema, definitions)["oneOf"].as_array().into_iter().flatten();
    let told = all.filter_map(|one| Some((one["const"].as_str()?.to_owned(), words(one, definitions))));
    told.filter(|(_, meaning)| !meaning.is_empty()).collect()
}

fn default_of(schema: &Json) -> Option<Json> {
    schema.get("default").filter(|value| !value.is_null() && !value.is_object()).cloned()
}

/// Follows `$ref` and `anyOf [.., null]` to the schema that says something.
pub(crate) fn resolve<'s>(schema: &'s Json, definitions: &'s Json) -> &'s Json {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return resolve(&definitions[name], definitions);
    }
    for key in ["anyOf", "allOf"] {
        if let Some(first) = schema[key].as_array().and_then(|any| any.iter().find(|schema| schema["type"] != "null")) {
            return resolve(first, definitions);
        }
    }
    schema
}

/// The schema whose properties are a field's fields: its own, or its list's items'.
fn inner<'s>(schema: &'s Json, definitions: &'s Json) -> &'s Json {
    let schema = resolve(schema, definitions);
    if schema["items"].is_object() { resolve(&schema["items"], definitions) } else { schema }
}

pub(crate) fn properties(schema: &Json, definitions: &Json) -> Vec<(String, Json)> {
    let item = inner(schema, definitions);
    item["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

/// The schema of what a map holds, whatever the name.
fn any_property<'s>(schema: &'s Json, definitions: &'s Json) -> Option<&'s Json> {
    let item = inner(schema, definitions);
    let forms = item["oneOf"].as_array().map_or(std::slice::from_ref(item), Vec::as_slice);
    forms.iter().find_map(|form| {
        let by_pattern = form["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
        by_pattern.or_else(|| form.get("additionalProperties").filter(|any| any.is_object()))
    })
}

fn words(schema: &Json, definitions: &Json) -> String {
    let own = schema["description"].as_str().or_else(|| resolve(schema, definitions)["description"].as_str());
    own.unwrap_or_default().replace('\n', " ")
}

fn values(schema: &Json, definitions: &Json) -> String {
    let named = schema["$ref"]
        .as_str()
        .or_else(|| schema["anyOf"].as_array().and_then(|any| any.iter().find_map(|schema| schema["$ref"].as_str())))
        .and_then(|path| path.rsplit('/').next());
    let schema = resolve(schema, definitions);
    if let Some(items) = schema.get("items") {
        return format!("list of {}", values(items, definitions));
    }
    let words: Vec<&str> = schema["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]))
        .filter_map(Json::as_str)
        .collect();
    if !words.is_empty() {
        return words.join("|");
    }
    match (named, schema["type"].as_str().or_else(|| schema["type"][0].as_str())) {
        (Some("Secret"), _) => "secret".into(),
        (_, Some("object")) if schema["properties"].is_null() => match any_property(schema, definitions) {
            Some(any) if !properties(any, definitions).is_empty() => "map of fields".into(),
            _ => "map of words".into(),
        },
        (_, Some("object")) => "fields".into(),
        (_, Some("boolean")) => "true|false".into(),
        (_, Some("integer")) => "number".into(),
        (Some(name), _) => {
            let mut text = String::new();
            for (at, c) in name.char_indices() {
                if c.is_uppercase() && at > 0 {
                    text.push(' ');
                }
                text.extend(c.to_lowercase());
            }
            text
        }
        (None, _) => "text".into(),
    }
}
