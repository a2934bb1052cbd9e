//! YAML text to a tree of nodes that know where they stand.
//!
//! One pass, and the tree keeps what people wrote: `+351210001000` stays text, `0123` keeps its zero, and a quoted `"true"`
//! can be told from a plain one. What a scalar means is decided where its type is known, in [`crate::de`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::source::Span;

/// How deep maps and lists may nest: far beyond any manifest, far below a stack's end.
const MAX_DEPTH: usize = 64;
/// How many nodes aliases may add to a file, so that a few lines cannot grow into a billion nodes.
const MAX_ALIASED_NODES: usize = 1_000_000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node<'t> {
    /// Its words in the source.
    pub span: Span,
    /// What was written.
    pub value: Value<'t>,
}

/// What was written, before anyone asked for a type.
#[derive(Debug, Clone)]
pub enum Value<'t> {
    /// A scalar, `plain` when it was written without quotes or block markers.
    Scalar {
        /// The text after unquoting.
        text: Cow<'t, str>,
        /// Without quotes: may be read as a number, a boolean or null.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node<'t>>),
    /// A mapping, in the order written, its keys unique.
    Map(Vec<(Key<'t>, Node<'t>)>),
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub struct Key<'t> {
    /// The key.
    pub text: Cow<'t, str>,
    /// Where it stands.
    pub span: Span,
}

/// What is wrong with the YAML itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it.
    pub help: Option<String>,
}

impl<'t> Node<'t> {
    /// A value that stands in no file.
    pub fn of(json: &'t serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let scalar = |text: Cow<'t, str>, plain| Value::Scalar { text, plain };
        let value = match json {
            Json::Null => scalar("null".into(), true),
            Json::Bool(value) => scalar(if *value { "true" } else { "false" }.into(), true),
            Json::Number(number) => scalar(number.to_string().into(), true),
            Json::String(text) => scalar(text.into(), false),
            Json::Array(items) => Value::List(items.iter().map(Self::of).collect()),
            Json::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (Key { text: key.into(), span: Span::default() }, Self::of(value)))
                    .collect(),
            ),
        };
        Self { span: Span::default(), value }
    }
}

impl Node<'_> {
    /// The node's nodes, itself included: what an alias to it costs.
    fn weight(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::weight).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, value)| value.weight()).sum::<usize>(),
        }
    }

    /// How many levels it nests: what an alias to it adds to the place where it stands.
    fn depth(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or_default(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or_default(),
        }
    }

    /// Whether this is what YAML calls null: nothing, `~` or `null`, unquoted.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_ref(), "" | "~" | "null"))
    }

    /// Whether this is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
    }

    /// The key as written, if this is a map that has it.
    pub fn key(&self, key: &str) -> Option<&Key<'_>> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().map(|(k, _)| k).find(|k| k.text == key)
    }
}

/// Reads every document of a text. Documents with nothing in them are left out.
///
/// A file that cannot be read to its end still gives the documents before the error, and the error.
pub fn read(text: &str) -> (Vec<Node<'_>>, Option<YamlError>) {
    let mut documents = Vec::new();
    for document in Documents::new(text) {
        match document {
            Ok(node) => documents.push(node),
            Err(error) => return (documents, Some(error)),
        }
    }
    (documents, None)
}

/// The documents of a text, one at a time: a tree is done with before the next one is made, so that the memory of one is
/// enough for all. Documents with nothing in them are left out. One that cannot be read is an error in its place, and reading goes on
/// with the next line `---`: wherever it stands, it begins a document.
pub struct Documents<'t> {
    reader: Option<Reader<'t>>,
    /// What is left of the text from where reading last began, and how many characters stand before it.
    rest: &'t str,
    before: u32,
    /// The first character of the document that is read.
    start: u32,
    /// What was last told.
    told: Option<YamlError>,
}

impl<'t> Documents<'t> {
    /// The documents of a text.
    pub fn new(text: &'t str) -> Self {
        Self::within(text, 0)
    }

    /// The documents of the rest of a text, before which so many characters stand.
    pub fn within(rest: &'t str, before: u32) -> Self {
        Self { reader: Some(Reader::new(rest, before, 0)), rest, before, start: before, told: None }
    }

    /// The first character of the document that was read last.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Begins anew with the document after the one that cannot be read, if there is one.
    fn go_on(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let behind = self.rest.char_indices().zip(self.before..).skip((self.start - self.before) as usize);
        let next = behind.map(|((byte, c), at)| (byte, c, at)).find(|(byte, c, _)| {
            let marker = self.rest[*byte..].strip_prefix("\n---").filter(|_| *c == '\n');
            marker.is_some_and(|line| line.chars().next().is_none_or(char::is_whitespace))
        });
        if let Some((byte, _, at)) = next {
            (self.rest, self.before, self.start) = (&self.rest[byte + 1..], at + 1, at + 1);
            self.reader = Some(Reader::new(self.rest, self.before, reader.aliased));
        }
    }
}

impl<'t> Iterator for Documents<'t> {
    type Item = Result<Node<'t>, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let reader = self.reader.as_mut()?;
            let read = match reader.next() {
                Ok((Event::DocumentStart(_), span)) => {
                    self.start = span.start;
                    reader.document()
                }
                Ok((Event::StreamEnd, _)) => {
                    self.reader = None;
                    return None;
                }
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match read {
                Ok(node) if node.is_null() => {}
                Ok(node) => return Some(Ok(node)),
                Err(error) => {
                    self.go_on();
                    // Between two documents, it is met again by the second one.
                    if self.told.as_ref() != Some(&error) {
                        self.told = Some(error.clone());
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// How many characters of the file stand before the text.
    before: u32,
    /// The anchors of the document so far, by the parser's id.
    anchors: HashMap<usize, Node<'t>>,
    aliased: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, before: u32, aliased: usize) -> Self {
        Self { parser: Parser::new_from_str(text), before, anchors: HashMap::new(), aliased }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let at = |index: usize| self.before + index as u32;
                Ok((event, Span { start: at(span.start.index()), end: at(span.end.index()) }))
            }
            Some(Err(error)) => {
                let at = self.before + error.marker().index() as u32;
                let (message, help) = in_plain_words(error.info());
                Err(YamlError { message, span: Span { start: at, end: at + 1 }, help: help.map(str::to_owned) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Result<Node<'t>, YamlError> {
        self.anchors.clear();
        let (event, span) = self.next()?;
        self.node(event, span, 0)
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node<'t>, YamlError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, _tag) => {
                (anchor, Node { span, value: Value::Scalar { text, plain: style == ScalarStyle::Plain } })
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                };
                (anchor, Node { span: Span { start: span.start, end: end.end }, value: Value::List(items) })
            }
            Event::MappingStart(anchor, _) => {
                let (entries, end) = self.entries(depth)?;
                (anchor, Node { span: Span { start: span.start, end: end.end }, value: Value::Map(entries) })
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(YamlError { message: "a value is missing here".into(), span, help: None }),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node<'t>, YamlError> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(YamlError {
                message: "an alias to an anchor that is not in this document".into(),
                span,
                help: None,
            });
        };
        self.aliased += node.weight();
        if self.aliased > MAX_ALIASED_NODES {
            return Err(YamlError {
                message: format!("aliases add more than {MAX_ALIASED_NODES} values to this file"),
                span,
                help: Some("write out the values that are meant".into()),
            });
        }
        // Aliases to what holds aliases would nest without limit otherwise.
        if depth + node.depth() > MAX_DEPTH {
            return Err(too_deep(span));
        }
        // The value stands where its anchor stands, so that a message about it points at words that can be mended.
        Ok(node.clone())
    }

    fn entries(&mut self, depth: usize) -> Result<(Vec<(Key<'t>, Node<'t>)>, Span), YamlError> {
        let mut entries: Vec<(Key<'t>, Node<'t>)> = Vec::new();
        let mut merged = Vec::new();
        let end = loop {
            let (event, span) = self.next()?;
            let text = match event {
                Event::MappingEnd => break span,
                Event::Scalar(text, ..) => text,
                _ => {
                    return Err(YamlError {
                        message: "a field's name must be a word, not a list or a map".into(),
                        span,
                        help: Some("as in `displayName: Ana Reyes`".into()),
                    });
                }
            };
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            if text == "<<" {
                merged.push(value);
            } else {
                entries.push((Key { text, span }, value));
            }
        };
        refuse_duplicates(&entries)?;
        let mut known: HashSet<String> = if merged.is_empty() {
            HashSet::new()
        } else {
            entries.iter().map(|(key, _)| key.text.to_string()).collect()
        };
        for node in merged {
            let maps = match node.value {
                Value::List(items) => items,
                _ => vec![node],
            };
            for node in maps {
                let Value::Map(map) = node.value else {
                    return Err(YamlError {
                        message: "`<<` merges a map, and this is not one".into(),
                        span: node.span,
                        help: Some("write `<<: *name`, where `&name` marks a map above".into()),
                    });
                };
                for (key, value) in map {
                    if known.insert(key.text.to_string()) {
                        entries.push((key, value));
                    }
                }
            }
        }
        Ok((entries, end))
    }
}

fn too_deep(span: Span) -> YamlError {
    YamlError {
        message: format!("nested deeper than {MAX_DEPTH} levels"),
        span,
        help: Some("no manifest needs that: is a bracket repeated?".into()),
    }
}

/// What the parser says, as someone would who does not know its grammar.
fn in_plain_words(info: &str) -> (String, Option<&'static str>) {
    let (message, help) = match info {
        info if info.contains("tab") => {
            ("a tab indents this line", "YAML is indented with spaces: put two in its place")
        }
        "mapping values are not allowed in this context" | "mapping values are not allowed in this block" => (
            "a `:` makes this a key, and no key may stand here",
            "text with `: ` in it needs quotes, as in `\"Reception: ground floor\"`; or this line is indented wrongly",
        ),
        info if info.contains("did not find expected key") => {
            ("this line is indented unlike the lines above it", "fields of one map start in the same column")
        }
        info if info.contains("did not find expected '-' indicator") => {
            ("this line does not belong to the list above it", "items of one list start with `- ` in the same column")
        }
        info if info.contains("did not find expected node content") => {
            ("a value is missing here", "is there a comma or a bracket too many?")
        }
        info if info.contains("unknown anchor") => (
            "an alias to nothing: no `&` of this name stands above",
            "text that starts with `*` needs quotes, as in `\"*97\"`",
        ),
        info if info.contains("indentation in flow construct") => {
            ("a `{` or `[` above is not closed", "every `{` needs its `}`, and every `[` its `]`")
        }
        info if info.contains("illegal placement of ':'") => {
            ("no `:` may stand here", "is a `[` or `{` above not closed? text with `:` in it needs quotes")
        }
        info if info.contains("Unicode character escape") => (
            "an escape in this text is no letter of its own",
            "a pair as `\\ud83d\\ude00` is one letter that JSON wrote in two parts: write the letter itself",
        ),
        info if info.contains("escape character") => {
            ("a `\\` in this text begins no escape", "a `\\` itself is written `\\\\`, or the text in single quotes")
        }
        info if info.contains("quoted scalar") => ("this text in quotes is not closed", "add the quote at its end"),
        info if info.contains("<document start>") => {
            ("a new document begins here without `---`", "put a line `---` before it")
        }
        info if info.contains("',' or ']'") => ("a `[` above is not closed", "add `]`, or the comma between two items"),
        info if info.contains("',' or '}'") => {
            ("a `{` above is not closed", "add `}`, or the comma between two fields")
        }
        other => return (format!("this is not YAML: {other}"), None),
    };
    (message.to_owned(), Some(help))
}

fn refuse_duplicates(entries: &[(Key<'_>, Node<'_>)]) -> Result<(), YamlError> {
    let repeated = if entries.len() <= 16 {
        entries.iter().enumerate().find(|(at, (key, _))| entries[..*at].iter().any(|(other, _)| other.text == key.text))
    } else {
        let mut seen = HashSet::with_capacity(entries.len());
        entries.iter().enumerate().find(|(_, (key, _))| !seen.insert(key.text.as_ref()))
    };
    match repeated {
        None => Ok(()),
        Some((_, (key, _))) => Err(YamlError {
            message: format!("`{}` is given twice", key.text),
            span: key.span,
            help: Some(match key.text.as_ref() {
                "apiVersion" | "kind" | "metadata" | "spec" => {
                    "is a line `---` missing before it? one stands between two manifests".into()
                }
                _ => "remove one of them: which one counts would be a guess".into(),
            }),
        }),
    }
}
