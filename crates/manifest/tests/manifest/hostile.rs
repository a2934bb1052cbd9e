//! Hostile text in every field of every kind: refused by the field's name, or read as the very same text.

use pbx_manifest::{Diagnostic, Kind, Parsed, Source, parse};

use crate::strings::{StringField, hostile, name, strings};

fn read(field: &StringField, text: &str) -> Parsed {
    let manifest = field.manifest(&name(field.kind, 3), text).to_string();
    parse(&[Source { name: "hostile.yaml".into(), text: manifest, table: None }])
}

fn every_field() -> impl Iterator<Item = StringField> {
    Kind::ALL.iter().flat_map(|kind| strings(*kind, None))
}

#[test]
fn every_field_that_takes_text_is_found() {
    let all: Vec<String> = every_field().map(|field| format!("{} {}", field.kind, field.path)).collect();
    for known in [
        "extension metadata.name",
        "extension metadata.labels.team",
        "extension spec.displayName",
        "extension spec.password",
        "extension spec.password.env",
        "extension spec.voicemail.pin.file",
        "extension spec.callForward.busy",
        "extension spec.codecs[0]",
        "carrier spec.registration.authUsername",
        "did spec.callers[0].from",
        "schedule spec.open[0].hours[0]",
        "schedule spec.closed[0].name",
        "schedule spec.closed[0].date",
        "schedule spec.closed[0].yearly",
        "settings spec.ice.turn[0].server",
        "settings spec.transports.tls.privateKey",
    ] {
        assert!(all.iter().any(|own| own == known), "{known} is not among {all:#?}");
    }
    for kind in Kind::ALL {
        assert!(all.iter().any(|own| own.starts_with(&format!("{kind} spec."))), "{kind} has no text?");
    }
}

#[test]
fn hostile_text_is_refused_by_name_or_read_as_it_is() {
    let mut accepted = 0;
    for field in every_field() {
        let at = format!("{} {}", field.kind, field.path);
        let good = read(&field, &field.good);
        let errors: Vec<&Diagnostic> = good.diagnostics.iter().filter(|found| found.is_error()).collect();
        assert!(errors.is_empty(), "{at}: `{}` should be accepted: {errors:?}", field.good);
        assert_eq!(field.read(&good.documents[0]), Some(field.good.as_str()), "{at}");
        for text in hostile(&field.good) {
            let shown: String = text.chars().take(60).collect();
            let parsed = read(&field, &text);
            let errors: Vec<&Diagnostic> = parsed.diagnostics.iter().filter(|found| found.is_error()).collect();
            if let [document] = &parsed.documents[..] {
                assert!(errors.is_empty());
                assert_eq!(field.read(document), Some(text.as_str()), "{at}: {shown:?} became something else");
                accepted += 1;
                continue;
            }
            let named = errors
                .iter()
                .filter(|error| error.path == field.path || field.path == "metadata.name" && error.code == "name");
            let named: Vec<_> = named.collect();
            assert_eq!(errors.len(), 1, "{at}: {shown:?}: {errors:?}");
            assert_eq!(named.len(), 1, "{at}: {shown:?} is refused without the field's name: {errors:?}");
            assert!(
                errors[0].position.is_some() && !errors[0].message.contains(['\n', '\0', '\u{202e}', '\u{1b}']),
                "{at}: {errors:?}"
            );
            let words = errors[0].help.iter().chain([&errors[0].message]);
            assert!(words.clone().all(|line| line.len() < 1_000), "{at}: {shown:?} is repeated at length");
            assert!(words.count() > 1, "{at}: {shown:?} is refused without help");
        }
    }
    assert!(accepted > 500, "only {accepted} texts were accepted: what is tried is not what people write");
}

/// A byte of Latin-1 is no UTF-8, wherever it stands: the file is refused with the byte's place.
#[test]
fn latin_1_is_refused_with_its_place() {
    for field in every_field() {
        let text = format!("# first\n{}", field.manifest(&name(field.kind, 3), "LATIN"));
        let at = text.find("LATIN").unwrap();
        let mut bytes = text.into_bytes();
        bytes[at] = 0xe9;
        assert_eq!(Source::from_bytes("latin", bytes).unwrap_err(), (2, at - "# first\n".len() + 1), "{}", field.path);
    }
}

/// A group with a field that is named as a form of secrets would read as a secret when nothing else is named in it; see `record.rs`. A
/// clip's file is told from a secret's by its content.
#[test]
fn no_group_is_mistaken_for_a_secret() {
    for kind in Kind::ALL {
        let schema = pbx_manifest::schema(*kind);
        for (name, definition) in
            schema["$defs"].as_object().unwrap().iter().filter(|(name, _)| !["Secret", "Clip"].contains(&name.as_str()))
        {
            let fields = definition["properties"].as_object().into_iter().flatten().map(|(field, _)| field.as_str());
            let own_spec = schema["properties"]["spec"]["$ref"] == format!("#/$defs/{name}");
            let forms: Vec<&str> =
                fields.filter(|field| ["generate", "env", "file", "stored"].contains(field)).collect();
            assert!(own_spec || forms.is_empty(), "{kind}: give {forms:?} of {name} other names");
        }
    }
}
