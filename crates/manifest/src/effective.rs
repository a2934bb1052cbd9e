//! The values that hold in an object: its own, its profile's, the defaults. All of them, or those that a list of ten thousand
//! objects shows, and then nothing is made of the others.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde_json::{Error, Map, Value as Json};

use crate::kind::{Catalog, Kind, ObjectRef};

impl Catalog {
    /// The fields of an object, each with the value that holds; only those that are wanted, where some are.
    pub fn effective(&self, object: &ObjectRef, wanted: Option<&Wanted>) -> Option<Json> {
        let mut effective = self.spec_json(object, wanted)?;
        if object.kind == Kind::Extension
            && let Some(phone) = self.phone(&object.name)
        {
            let mut shared = phone.shared(|field| wanted.is_none_or(|wanted| wanted.has(field)));
            if let Some(wanted) = wanted {
                wanted.keep(&mut shared);
            }
            overlay(&mut effective, shared);
        }
        Some(effective)
    }
}

/// Lays values over others, field by field; what is nothing is left out.
fn overlay(under: &mut Json, over: Json) {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            for (key, value) in over.into_iter().filter(|(_, value)| !value.is_null()) {
                overlay(under.entry(key).or_insert(Json::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Which fields are wanted, by path below the spec, as in `callerId.number`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By their first step: the ways on from there; none where all of it is wanted.
    steps: Vec<(String, Vec<Wanted>)>,
}

impl Wanted {
    /// These paths. Of one that leads into another, the shorter holds.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut wanted = Self::default();
        for path in paths {
            wanted.add(path);
        }
        wanted
    }

    fn add(&mut self, path: &str) {
        let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
        let known = self.steps.iter().position(|(own, _)| own == step);
        match (known, rest) {
            (Some(at), None) => self.steps[at].1.clear(),
            (Some(at), Some(rest)) => {
                if let Some(below) = self.steps[at].1.first_mut() {
                    below.add(rest);
                }
            }
            (None, rest) => {
                let below = rest.map(|rest| Self::new([rest]));
                self.steps.push((step.to_owned(), below.into_iter().collect()));
            }
        }
    }

    /// Whether a field, or one below it, is wanted.
    pub fn has(&self, field: &str) -> bool {
        self.steps.iter().any(|(own, _)| own == field)
    }

    /// Takes out of a value what is not wanted.
    pub fn keep(&self, value: &mut Json) {
        let Json::Object(map) = value else { return };
        map.retain(|key, value| {
            let Some((_, below)) = self.steps.iter().find(|(own, _)| own == key) else { return false };
            if let Some(below) = below.first() {
                below.keep(value);
            }
            true
        });
    }

    /// The wanted fields of a spec. Of the others nothing is made.
    pub(crate) fn of(&self, spec: &impl Serialize) -> Json {
        let mut picked = spec.serialize(Picker { wanted: self, picked: Map::new() }).unwrap_or_default();
        self.keep(&mut picked);
        picked
    }
}

/// Serialises the fields of a struct that are wanted.
struct Picker<'w> {
    wanted: &'w Wanted,
    picked: Map<String, Json>,
}

impl SerializeStruct for Picker<'_> {
    type Ok = Json;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if self.wanted.has(key) {
            self.picked.insert(key.to_owned(), serde_json::to_value(value)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Json, Error> {
        Ok(Json::Object(self.picked))
    }
}

/// What is no struct is no spec.
macro_rules! no_spec {
    ($($method:ident($($of:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $of),*) -> Result<$ok, Error> {
            Err(Error::custom("a spec is a group of fields"))
        })*
    };
}

type No = Impossible<Json, Error>;

impl Serializer for Picker<'_> {
    type Ok = Json;
    type Error = Error;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = Self;
    type SerializeStructVariant = No;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    no_spec! {
        serialize_bool(bool) -> Json;
        serialize_i8(i8) -> Json;
        serialize_i16(i16) -> Json;
        serialize_i32(i32) -> Json;
        serialize_i64(i64) -> Json;
        serialize_u8(u8) -> Json;
        serialize_u16(u16) -> Json;
        serialize_u32(u32) -> Json;
        serialize_u64(u64) -> Json;
        serialize_f32(f32) -> Json;
        serialize_f64(f64) -> Json;
        serialize_char(char) -> Json;
        serialize_str(&str) -> Json;
        serialize_bytes(&[u8]) -> Json;
        serialize_none() -> Json;
        serialize_unit() -> Json;
        serialize_unit_struct(&'static str) -> Json;
        serialize_unit_variant(&'static str, u32, &'static str) -> Json;
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Json, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Json, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Json, Error> {
        Err(Error::custom("a spec is a group of fields"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_way_into_a_field_takes_no_more_than_it_leads_to() {
        let whole = json!({ "a": { "b": 1, "c": { "d": 2, "e": 3 } }, "f": [1], "g": null });
        let kept = |paths: &[&str]| {
            let mut value = whole.clone();
            Wanted::new(paths.iter().copied()).keep(&mut value);
            value
        };
        assert_eq!(kept(&["f", "a.c.e"]), json!({ "a": { "c": { "e": 3 } }, "f": [1] }));
        assert_eq!(kept(&["a.b", "a"]), json!({ "a": { "b": 1, "c": { "d": 2, "e": 3 } } }));
        assert_eq!(kept(&["a", "a.b"]), kept(&["a.b", "a"]));
        assert_eq!(kept(&["a.b", "a.c.d"]), json!({ "a": { "b": 1, "c": { "d": 2 } } }));
        assert_eq!(kept(&["nothing.here", "g"]), json!({ "g": null }));
        assert_eq!(kept(&[]), json!({}));
    }
}
