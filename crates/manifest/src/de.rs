//! From a tree of nodes to typed values, with errors that know the field and the place.
//!
//! A [`serde::Deserializer`] of our own, because the types must decide what a scalar means (a number written `+351…` is text, a
//! name written `0123` keeps its zero) and because every error must point at the words to mend.

use std::fmt;

use serde::de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::source::Span;
use crate::yaml::{Key, Node, Value};

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a map, by key.
    Key(String),
    /// Into a list, by index.
    Index(usize),
}

/// Writes a path as `spec.members[2].extension`.
pub fn path_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(at) => {
                text.push('[');
                text.push_str(&at.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// What kind of thing is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A value that its type refused; lines after the first are help.
    Refused(String),
    /// A field that the type does not have.
    UnknownField {
        /// As written.
        field: String,
        /// The fields that there are.
        known: &'static [&'static str],
    },
    /// A word that is not one of the allowed ones.
    UnknownVariant {
        /// As written.
        variant: String,
        /// The words that are allowed.
        known: &'static [&'static str],
    },
    /// A field that must be there and is not.
    MissingField(&'static str),
    /// A value of another shape.
    WrongType {
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
}

/// A value that is not what its type wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// Where it stands; set by the innermost value that knows.
    pub span: Option<Span>,
    /// From the root to the value, innermost step first while the error travels out; see [`Error::path`].
    steps: Vec<Step>,
}

impl Error {
    fn new(problem: Problem) -> Self {
        Self { problem, span: None, steps: Vec::new() }
    }

    /// The steps from the root to the value.
    pub fn path(&self) -> Vec<Step> {
        self.steps.iter().rev().cloned().collect()
    }

    /// What is missing in a map, or after a colon, has no words of its own: its key says where.
    fn at_key(mut self, key: Span, nothing: bool) -> Self {
        if self.steps.is_empty() && (nothing || matches!(self.problem, Problem::MissingField(_))) {
            self.span = Some(key);
        }
        self
    }

    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    fn inside(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Refused(text) => f.write_str(text),
            Problem::UnknownField { field, .. } => write!(f, "unknown field `{field}`"),
            Problem::UnknownVariant { variant, .. } => write!(f, "`{variant}` is not one of the allowed words"),
            Problem::MissingField(field) => write!(f, "field `{field}` is missing"),
            Problem::WrongType { found, expected } => write!(f, "expected {expected}, found {found}"),
        }
    }
}

impl std::error::Error for Error {}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the text `{}`", text.escape_debug()),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map | Unexpected::StructVariant => "a map".into(),
        other => other.to_string(),
    }
}

fn expected_words(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "a boolean" => "`true` or `false`".into(),
        "a string" => "text".into(),
        "a sequence" => "a list".into(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0".into(),
        words if words.starts_with("struct ") => "a map of fields".into(),
        words if words.starts_with("enum ") => "a word".into(),
        _ => words,
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Refused(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongType { found: describe(found), expected: expected_words(expected) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => {
                Self::new(Problem::Refused(format!("{} is too large", describe(found))))
            }
            _ => Self::invalid_type(found, expected),
        }
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownField { field: field.to_owned(), known })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownVariant { variant: variant.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::MissingField(field))
    }
}

/// Reads a value of type `T` from a node.
pub fn from_node<T: de::DeserializeOwned>(node: &Node<'_>) -> Result<T, Error> {
    T::deserialize(NodeDe(node))
}

struct NodeDe<'n, 't>(&'n Node<'t>);

impl<'n> NodeDe<'n, '_> {
    fn scalar(&self) -> Option<(&'n str, bool)> {
        match &self.0.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            _ => None,
        }
    }

    fn unexpected(&self) -> Unexpected<'n> {
        match &self.0.value {
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
            Value::Scalar { .. } if self.0.is_null() => Unexpected::Unit,
            Value::Scalar { text, plain: true } if text == "true" => Unexpected::Bool(true),
            Value::Scalar { text, plain: true } if text == "false" => Unexpected::Bool(false),
            Value::Scalar { text, plain } => match text.parse() {
                Ok(number) if *plain => Unexpected::Signed(number),
                _ => Unexpected::Str(text),
            },
        }
    }

    fn wrong(&self, expected: &dyn Expected) -> Error {
        de::Error::invalid_type(self.unexpected(), expected)
    }

    fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self.scalar() {
            Some((text, true)) => text.parse().ok(),
            _ => None,
        }
    }
}

macro_rules! unsigned {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let span = self.0.span;
            match self.number::<u64>() {
                Some(value) => visitor.visit_u64(value),
                None => Err(self.wrong(&visitor)),
            }
            .map_err(|error| error.at(span))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for NodeDe<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match &self.0.value {
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Scalar { text, plain } => match text.as_ref() {
                _ if self.0.is_null() => visitor.visit_unit(),
                "true" if *plain => visitor.visit_bool(true),
                "false" if *plain => visitor.visit_bool(false),
                text if *plain && (text == "0" || !text.starts_with(['0', '+'])) => match text.parse::<i64>() {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_str(text),
                },
                text => visitor.visit_str(text),
            },
        }
        .map_err(|error: Error| error.at(span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match self.scalar() {
            Some(("true", true)) => visitor.visit_bool(true),
            Some(("false", true)) => visitor.visit_bool(false),
            _ => Err(self.wrong(&"`true` or `false`")),
        }
        .map_err(|error| error.at(span))
    }

    unsigned!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match self.scalar() {
            Some((text, _)) if !self.0.is_null() => visitor.visit_str(text),
            _ => Err(self.wrong(&visitor)),
        }
        .map_err(|error: Error| error.at(span))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            _ => Err(self.wrong(&"a list")),
        }
        .map_err(|error| error.at(span))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.0.span;
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            // `spec:` with nothing under it is an empty map.
            _ if self.0.is_null() => visitor.visit_map(Entries { entries: [].iter(), value: None }),
            _ => Err(self.wrong(&"a map of fields")),
        }
        .map_err(|error| error.at(span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let span = self.0.span;
        match &self.0.value {
            Value::Scalar { text, .. } if !self.0.is_null() => visitor.visit_enum(text.as_ref().into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(OneKey { key: &entries[0].0, value: &entries[0].1 })
            }
            Value::Map(_) => Err(Error::new(Problem::Refused("exactly one of the forms must be given here".into()))),
            _ => Err(self.wrong(&"a word")),
        }
        .map_err(|error: Error| error.at(span))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

struct Items<'n, 't> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node<'t>>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((at, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(NodeDe(node)).map(Some).map_err(|error| error.at(node.span).inside(Step::Index(at)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'n, 't> {
    entries: std::slice::Iter<'n, (Key<'t>, Node<'t>)>,
    value: Option<&'n (Key<'t>, Node<'t>)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        let key = &entry.0;
        seed.deserialize(key.text.as_ref().into_deserializer())
            .map(Some)
            .map_err(|error: Error| error.at(key.span).inside(Step::Key(key.text.to_string())))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        // Nothing after a colon has no words of its own to point at: point at the key.
        let span = if node.is_null() { key.span } else { node.span };
        seed.deserialize(NodeDe(node))
            .map_err(|error| error.at_key(key.span, node.is_null()).at(span).inside(Step::Key(key.text.to_string())))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

struct OneKey<'n, 't> {
    key: &'n Key<'t>,
    value: &'n Node<'t>,
}

impl<'de> de::EnumAccess<'de> for OneKey<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let variant = seed
            .deserialize(self.key.text.as_ref().into_deserializer())
            .map_err(|error: Error| error.at(self.key.span).inside(Step::Key(self.key.text.to_string())))?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for OneKey<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(de::Error::invalid_type(Unexpected::Map, &"a word"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        let step = Step::Key(self.key.text.to_string());
        seed.deserialize(NodeDe(self.value)).map_err(|error| error.at(self.value.span).inside(step))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("this form takes one value"))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let step = Step::Key(self.key.text.to_string());
        de::Deserializer::deserialize_struct(NodeDe(self.value), "", fields, visitor)
            .map_err(|error| error.inside(step))
    }
}
