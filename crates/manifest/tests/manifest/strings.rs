//! Every field of every kind that takes text, found in the schema: a new kind or field is there by itself.
//!
//! Used by the tests of every crate that must carry what is written in one.

use pbx_manifest::{Kind, Name, schema};
use serde_json::{Map, Value as Json, json};

/// Stands where the text goes.
const HERE: &str = "\u{1}here\u{1}";

/// A field that takes text, in a manifest that is otherwise as it should be.
pub struct StringField {
    /// Of which kind.
    pub kind: Kind,
    /// Its path as findings name it: `spec.callForward.busy`, `metadata.labels.team`, `spec.members[0]`.
    pub path: String,
    /// A text that it takes.
    pub good: String,
    manifest: Json,
}

impl StringField {
    /// The manifest with a text in the field, and a name for its object.
    pub fn manifest(&self, name: &str, text: &str) -> Json {
        let mut manifest = self.manifest.clone();
        if self.path != "metadata.name" {
            manifest["metadata"]["name"] = json!(name);
        }
        put(&mut manifest, text);
        manifest
    }

    /// What was read at the field of a document's labels or spec. A secret is read elsewhere.
    pub fn read<'d>(&self, document: &'d pbx_manifest::Document) -> Option<&'d str> {
        let path = match self.path.strip_prefix("spec.") {
            Some(path) => path,
            None if self.path == "metadata.name" => return Some(document.object.name.as_str()),
            None if self.path == "metadata.renamedFrom" => return document.renamed_from.as_ref().map(Name::as_str),
            None => {
                return document.meta.labels.get(self.path.strip_prefix("metadata.labels.")?).map(String::as_str);
            }
        };
        for (secret, value) in document.spec.secrets() {
            if let (true, pbx_manifest::Secret::Literal(value)) = (secret == path, value) {
                return Some(value);
            }
        }
        document.fields.pointer(&format!("/{}", path.replace(['.', '['], "/").replace(']', "")))?.as_str()
    }
}

/// Puts a text in its place.
fn put(value: &mut Json, text: &str) {
    match value {
        Json::String(own) if own == HERE => text.clone_into(own),
        Json::Array(items) => items.iter_mut().for_each(|item| put(item, text)),
        Json::Object(map) => map.values_mut().for_each(|value| put(value, text)),
        _ => {}
    }
}

/// A name that an object of a kind can have.
pub fn name(kind: Kind, number: usize) -> String {
    let candidates =
        [format!("n-{number}"), format!("{}", 20_000 + number), format!("+3519{number:05}"), "pbx".to_owned()];
    let takes = |name: &&String| name.parse::<Name>().is_ok_and(|name| kind.check_name(&name).is_ok());
    candidates.iter().find(takes).unwrap_or_else(|| panic!("no name for a {kind}")).clone()
}

/// The fields of a kind that take text, with the specs of objects of that kind to stand in: fields that `spec` has, and others,
/// one at a time, beside them.
pub fn strings(kind: Kind, spec: Option<&Json>) -> Vec<StringField> {
    let schema = schema(kind);
    let walk = Walk { definitions: &schema["$defs"] };
    let spec_schema = &schema["properties"]["spec"];
    let metadata = &schema["properties"]["metadata"];
    let good_spec = spec.cloned().unwrap_or_else(|| walk.example(spec_schema));
    let good_metadata = json!({ "name": name(kind, 1) });
    let whole = |metadata: Json, spec: Json| json!({ "apiVersion": "pbx/v1", "kind": kind.title(), "metadata": metadata, "spec": spec });
    let mut all = Vec::new();
    for (path, good, value) in walk.strings(metadata, &good_metadata) {
        let good = if path == ".name" { name(kind, 2) } else { good };
        all.push(StringField {
            kind,
            path: format!("metadata{path}"),
            good,
            manifest: whole(value, good_spec.clone()),
        });
    }
    for (path, good, value) in walk.strings(spec_schema, &good_spec) {
        all.push(StringField {
            kind,
            path: format!("spec{path}"),
            good,
            manifest: whole(good_metadata.clone(), value),
        });
    }
    all
}

struct Walk<'s> {
    definitions: &'s Json,
}

impl<'s> Walk<'s> {
    fn resolve(&self, schema: &'s Json) -> &'s Json {
        match schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            Some(name) => self.resolve(&self.definitions[name]),
            None => schema,
        }
    }

    /// Fields of an object of which exactly one must be there.
    fn either(schema: &Json) -> Vec<&str> {
        let forms = schema["oneOf"].as_array().into_iter().flatten().filter(|_| schema["properties"].is_object());
        forms.filter_map(|form| form["required"][0].as_str()).collect()
    }

    fn alternatives(&self, schema: &'s Json) -> Option<Vec<&'s Json>> {
        if !Self::either(schema).is_empty() {
            return None;
        }
        let any = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema[*word].as_array())?;
        Some(any.iter().map(|one| self.resolve(one)).filter(|one| one["type"] != "null").collect())
    }

    fn is(schema: &Json, what: &str) -> bool {
        schema["type"] == what || schema["type"].as_array().is_some_and(|types| types.iter().any(|one| one == what))
    }

    /// A value that a schema accepts, with no more fields than it must have.
    fn example(&self, schema: &'s Json) -> Json {
        let schema = self.resolve(schema);
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)).or_else(|| schema["examples"].get(0))
        {
            return value.clone();
        }
        if let Some(first) = self.alternatives(schema).and_then(|all| all.first().copied()) {
            return self.example(first);
        }
        if Self::is(schema, "object") {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let fields = required
                .chain(Self::either(schema).first().copied())
                .map(|field| (field.to_owned(), self.example(&schema["properties"][field])));
            return Json::Object(fields.collect());
        }
        if Self::is(schema, "array") {
            return json!([self.example(&schema["items"])]);
        }
        if Self::is(schema, "string") {
            return json!("text");
        }
        if Self::is(schema, "boolean") { json!(true) } else { schema.get("minimum").cloned().unwrap_or(json!(1)) }
    }

    /// Each place for text in a value of a schema: its path, a good text for it, and the value with the place marked.
    fn strings(&self, schema: &'s Json, base: &Json) -> Vec<(String, String, Json)> {
        let schema = self.resolve(schema);
        if let Some(all) = self.alternatives(schema) {
            // Words to choose from are one place.
            let mut found: Vec<(String, String, Json)> = Vec::new();
            for (path, good, value) in all.into_iter().flat_map(|one| self.strings(one, base)) {
                if !found.iter().any(|(own, ..)| *own == path) {
                    found.push((path, good, value));
                }
            }
            return found;
        }
        if Self::is(schema, "string") {
            let good = self.example(schema).as_str().unwrap_or("text").to_owned();
            return vec![(String::new(), good, json!(HERE))];
        }
        if Self::is(schema, "array") {
            let inside = self.strings(&schema["items"], &Json::Null).into_iter();
            return inside.map(|(path, good, value)| (format!("[0]{path}"), good, json!([value]))).collect();
        }
        let mut found = Vec::new();
        if Self::is(schema, "object") {
            // Of a form that excludes others, as a secret's, only its own fields; else what is there already.
            let own = if base.is_object()
                && schema["required"]
                    .as_array()
                    .is_none_or(|all| all.iter().all(|field| base.get(field.as_str().unwrap_or_default()).is_some()))
            {
                base.clone()
            } else {
                self.example(schema)
            };
            // A key that the pattern of keys takes: a word, or a key of a telephone.
            let key = |pattern: &str| if pattern.starts_with("^[0-9") { "1" } else { "team" };
            let free = schema["patternProperties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(pattern, schema)| (key(pattern), schema));
            let fields =
                schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema));
            for (field, inner) in fields.chain(free) {
                for (path, good, value) in self.strings(inner, own.get(field).unwrap_or(&Json::Null)) {
                    let mut whole: Map<String, Json> = own.as_object().cloned().unwrap_or_default();
                    let either = Self::either(schema);
                    whole.retain(|other, _| !(either.contains(&field) && either.contains(&other.as_str())));
                    whole.insert(field.to_owned(), value);
                    found.push((format!(".{field}{path}"), good, Json::Object(whole)));
                }
            }
        }
        found
    }
}

/// Texts that nobody should be able to hurt with, and what each is.
pub const HOSTILE: [(&str, &str); 46] = [
    ("a line break", "a\nb"),
    ("a line break at the end", "ab\n"),
    ("a line break of Windows", "a\r\nb"),
    ("a section in a second line", "x\n[general]\nenabled=yes"),
    ("a tab", "a\tb"),
    ("a comment", ";"),
    ("a comment that is not closed", ";--"),
    ("a comment behind text", "a;b"),
    ("a comment that is not closed behind text", "a;--b"),
    ("the end of a comment", "a--;b"),
    ("an escaped comment", "a\\;b"),
    ("a directive", "#include x"),
    ("a directive that runs", "#exec id"),
    ("a function", "${SHELL(id)}"),
    ("a variable behind text", "a${EXTEN}"),
    ("an expression", "$["),
    ("an expression behind text", "a$[1+1]"),
    ("a dollar", "$"),
    ("a comma", ","),
    ("a comma between", "a,b"),
    ("a bar", "a|b"),
    ("an ampersand", "a&b"),
    ("a caret", "a^b"),
    ("a bracket", "]"),
    ("a section", "[general](!)"),
    ("parentheses", "a)b(c"),
    ("a step", "1)n,Hangup()"),
    ("braces", "}{"),
    ("an option", "a = b"),
    ("an option's end", "=> b"),
    ("a greater", ">b"),
    ("an address", "<sip:x@y>"),
    ("a quote", "a\"b"),
    ("an apostrophe", "a'b"),
    ("a backslash", "a\\"),
    ("a backtick", "`id`"),
    ("NUL", "a\0b"),
    ("an escape", "a\u{1b}[2Jb"),
    ("a mark that turns text around", "a\u{202e}b"),
    ("a mark from right to left", "a\u{200f}b"),
    ("a mark of Arabic letters", "a\u{61c}b"),
    ("a separator of lines", "a\u{2028}b"),
    ("letters of Latin-1", "Zoë Müller ÿ"),
    ("letters of elsewhere", "東京🙂"),
    ("the folder above", "../../etc/passwd"),
    ("nothing", ""),
];

/// The same with ten thousand letters, and each beside a good text, which some fields want to begin or end with.
pub fn hostile(good: &str) -> Vec<String> {
    let mut all: Vec<String> = HOSTILE.iter().map(|(_, text)| (*text).to_owned()).collect();
    all.push("x".repeat(10_000));
    all.push(format!("{good}{}", "x".repeat(10_000)));
    for (_, text) in HOSTILE.iter().filter(|(_, text)| !text.is_empty()) {
        let middle = good.char_indices().nth(good.chars().count() / 2).map_or(0, |(at, _)| at);
        all.push(format!("{good}{text}"));
        all.push(format!("{text}{good}"));
        all.push(format!("{}{text}{}", &good[..middle], &good[middle..]));
    }
    all
}
