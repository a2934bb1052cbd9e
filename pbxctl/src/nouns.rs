//! What a command is about: kinds and objects, in any of the ways in which people name them.

use pbx_manifest::{Kind, Name, ObjectRef};

use crate::failure::Failure;

/// What was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nouns {
    /// Whole kinds.
    Kinds(Vec<Kind>),
    /// Single objects, in the order named.
    Objects(Vec<ObjectRef>),
}

/// Reads `extensions`, `ext,groups`, `all`, `ext 1001 1002`, `extension/1001 did/+351…`.
pub fn parse(words: &[String]) -> Result<Nouns, Failure> {
    let Some(first) = words.first() else {
        return Err(Failure::usage("what of? name a kind or an object").help(kinds_help()));
    };
    if words.iter().any(|word| word.contains('/')) {
        return each(words).map(object).collect::<Result<_, _>>().map(Nouns::Objects);
    }
    if words.len() == 1 {
        let mut kinds = Vec::new();
        for word in first.split(',').filter(|word| !word.is_empty()) {
            if word == "all" {
                return Ok(Nouns::Kinds(Kind::ALL.to_vec()));
            }
            let kind = kind(word)?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        return Ok(Nouns::Kinds(kinds));
    }
    if first == "all" {
        return Err(Failure::usage("`all` is every kind, and takes no names")
            .help(format!("a kind and names, as in `extension {}`", words[1])));
    }
    let kind = kind(first)?;
    each(&words[1..])
        .map(|word| name(kind, word).map(|name| ObjectRef::new(kind, name)))
        .collect::<Result<_, _>>()
        .map(Nouns::Objects)
}

/// No name has a comma: names may be joined by them, as kinds are.
fn each(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty())
}

/// Reads words that must name objects.
pub fn objects(words: &[String]) -> Result<Vec<ObjectRef>, Failure> {
    match parse(words)? {
        Nouns::Objects(objects) => Ok(objects),
        Nouns::Kinds(kinds) => Err(match kinds.as_slice() {
            [Kind::Settings] => {
                Failure::usage("which settings? this needs a name").help("there is one: `settings/pbx`")
            }
            [kind] => Failure::usage(format!("which {}? this needs a name", kind.singular()))
                .help("as in `extension/1001` or `extension 1001`"),
            _ => Failure::usage("which object? this needs a kind and a name")
                .help("as in `extension/1001` or `extension 1001`"),
        }),
    }
}

/// Whether a word means the call tests, which are read beside objects.
pub fn is_call_test(word: &str) -> bool {
    matches!(word.to_lowercase().replace('-', "").as_str(), "calltest" | "calltests")
}

/// Reads a kind by any of its words.
pub fn kind(word: &str) -> Result<Kind, Failure> {
    word.parse::<Kind>().map_err(|refused| {
        if !word.is_empty() && word.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit()) {
            return Failure::usage(format!("`{word}` is a number, and not a kind"))
                .help(format!("an extension is named `extension/{word}`, a number of yours `did/{word}`"));
        }
        refused_usage(&refused.to_string())
    })
}

fn name(kind: Kind, word: &str) -> Result<Name, Failure> {
    let name: Name = word.parse().map_err(|refused: pbx_manifest::Refused| refused_usage(&refused.to_string()))?;
    if kind == Kind::Extension && is_range(word) {
        return Err(Failure::usage(format!("`{word}` is a range, and this takes extensions one by one"))
            .help("ranges are for `pbxctl extension enable`, `disable`, `set`, `passwd` and `delete`; `-l team=sales` chooses by label"));
    }
    kind.check_name(&name).map_err(|refused| refused_usage(&refused.to_string()))?;
    Ok(name)
}

/// Whether a word means all numbers from one to another, as `1000-1999`.
fn is_range(word: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    word.split_once('-').is_some_and(|(from, to)| number(from) && number(to))
}

fn object(word: &str) -> Result<ObjectRef, Failure> {
    let Some((kind_word, name_word)) = word.split_once('/') else {
        return Err(Failure::usage(format!("`{}` names no object", word.escape_debug()))
            .help("a kind and a name, as in `extension/1001`; either all with a `/`, or a kind and then its names"));
    };
    let kind = kind(kind_word)?;
    Ok(ObjectRef::new(kind, name(kind, name_word)?))
}

fn refused_usage(text: &str) -> Failure {
    let mut lines = text.lines();
    let mut failure = Failure::usage(lines.next().unwrap_or_default());
    failure.help = lines.map(str::to_owned).collect();
    failure
}

fn kinds_help() -> String {
    format!("the kinds are {}, or `all`", Kind::ALL.iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn people_name_things_in_many_ways() {
        let one = |text: &str| text.parse::<ObjectRef>().unwrap();
        assert_eq!(parse(&words("extensions")).unwrap(), Nouns::Kinds(vec![Kind::Extension]));
        assert_eq!(
            parse(&words("ext,groups,Extension")).unwrap(),
            Nouns::Kinds(vec![Kind::Extension, Kind::ExtensionGroup])
        );
        assert_eq!(parse(&words("all")).unwrap(), Nouns::Kinds(Kind::ALL.to_vec()));
        assert_eq!(
            parse(&words("ext 1001 1002")).unwrap(),
            Nouns::Objects(vec![one("extension/1001"), one("extension/1002")])
        );
        for joined in ["ext 1001,1002", "ext/1001,ext/1002"] {
            assert_eq!(
                parse(&words(joined)).unwrap(),
                Nouns::Objects(vec![one("extension/1001"), one("extension/1002")])
            );
        }
        assert_eq!(
            parse(&words("extension/1001 did/+351210001000")).unwrap(),
            Nouns::Objects(vec![one("extension/1001"), one("did/+351210001000")])
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest() {
        let said = |line: &str| {
            parse(&words(line)).map(|_| ()).map_err(|failure| (failure.message, failure.help)).unwrap_err()
        };
        assert_eq!(said("extenions"), ("`extenions` is not a kind".into(), vec!["did you mean `extensions`?".into()]));
        assert_eq!(said("1001").1, ["an extension is named `extension/1001`, a number of yours `did/1001`"]);
        assert_eq!(said("ext ana").0, "`ana` cannot be an extension's number");
        let range = said("ext 1000-1003");
        assert!(range.0.starts_with("`1000-1003` is a range") && range.1[0].contains("`pbxctl extension"), "{range:?}");
        assert_eq!(said("extension/1000-1003"), range);
        assert!(said("all 1001").0.starts_with("`all` is every kind"));
        let which = |line: &str| objects(&words(line)).unwrap_err();
        assert_eq!(which("settings").help, ["there is one: `settings/pbx`"]);
        assert_eq!(which("all").message, "which object? this needs a kind and a name");
        assert!(said("ext/1001 1002").0.starts_with("`1002` names no object"));
        assert!(said("").0.starts_with("what of?"));
        assert!(objects(&words("ext")).unwrap_err().message.starts_with("which extension?"));
    }
}
