//! Configuration files as Asterisk's parser reads them (main/config.c), with the place of everything.

use std::collections::HashMap;

/// How deep files may include others (config.c, MAX_INCLUDE_LEVEL).
const DEPTH: usize = 10;

/// Gives the files that a name or a glob stands for, sorted, with what is in them; none for what is not there.
pub type Find<'f, E> = dyn FnMut(&str) -> Result<Vec<(String, Vec<u8>)>, E> + 'f;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which of [`Tree::files`].
    pub file: usize,
    /// Its line, from 1.
    pub line: usize,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `[name](options)`.
    Section {
        /// What stands in the brackets.
        name: String,
        /// What stands in the parentheses: `!`, `+`, names of templates.
        options: Vec<String>,
    },
    /// `key = value`, `key => value`.
    Option {
        /// Before the sign.
        key: String,
        /// After it.
        value: String,
    },
    /// `#include "name"`, `#tryinclude "name"`.
    Include {
        /// What is included; may be a glob.
        name: String,
        /// Whether its absence makes Asterisk reject the whole file.
        required: bool,
    },
    /// `#exec`.
    Exec(String),
    /// Makes Asterisk reject the whole file; why.
    Fatal(String),
}

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub place: Place,
    /// What.
    pub what: What,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its name as it was included, relative to the configuration folder.
    pub name: String,
    /// What is in it: bytes, because nobody promised an encoding.
    pub bytes: Vec<u8>,
    /// The line of a `;--` that nothing closes: what comes after it is a comment, also what would be appended.
    pub open_comment: Option<usize>,
}

/// An option of a section with what it inherits resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Before the sign.
    pub key: String,
    /// After it.
    pub value: String,
    /// Where it is written: in a template, when it is inherited.
    pub place: Place,
    /// Whether it comes from a template.
    pub inherited: bool,
}

/// A section with what it inherits and what is added to it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What stands in the brackets.
    pub name: String,
    /// Whether it is only there to inherit from.
    pub template: bool,
    /// Where it begins.
    pub place: Place,
    /// Its last own line.
    pub end: Place,
    /// Its options in the order in which a module gets them.
    pub entries: Vec<Entry>,
}

impl Section {
    /// The value of an option: the last one given, as nearly every module has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key.eq_ignore_ascii_case(key))
    }

    /// The value of an option.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(|entry| entry.value.as_str())
    }
}

/// A main file with everything that it includes, in the order in which Asterisk reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The files; the first is the main file.
    pub files: Vec<Text>,
    /// The lines that say something. What a file includes stands right after the line that includes it.
    pub lines: Vec<Line>,
}

impl Tree {
    /// Reads a main file and what it includes.
    pub fn read<E>(name: &str, bytes: Vec<u8>, find: &mut Find<'_, E>) -> Result<Self, E> {
        let mut tree = Self::default();
        tree.add(name.to_owned(), bytes, 1, find)?;
        let first = tree.lines.iter().position(|line| matches!(line.what, What::Section { .. }));
        let before = first.unwrap_or(tree.lines.len());
        for line in &mut tree.lines[..before] {
            if let What::Option { key, .. } = &line.what {
                line.what = What::Fatal(format!("`{key}` stands before any [section]"));
            }
        }
        Ok(tree)
    }

    fn add<E>(&mut self, name: String, bytes: Vec<u8>, depth: usize, find: &mut Find<'_, E>) -> Result<(), E> {
        let file = self.files.len();
        let (said, open_comment) = lines(&bytes);
        self.files.push(Text { name, bytes, open_comment });
        for (line, what) in said {
            let place = Place { file, line };
            let include = match &what {
                What::Include { name, required } => Some((name.clone(), *required)),
                _ => None,
            };
            self.lines.push(Line { place, what });
            let Some((wanted, required)) = include else { continue };
            if depth >= DEPTH {
                let why = format!("files are included more than {DEPTH} deep");
                self.lines.push(Line { place, what: What::Fatal(why) });
                continue;
            }
            let found = find(&wanted)?;
            if found.is_empty() && required {
                let why = format!("`{wanted}` is included and not there");
                self.lines.push(Line { place, what: What::Fatal(why) });
            }
            for (name, bytes) in found {
                self.add(name, bytes, depth + 1, find)?;
            }
        }
        Ok(())
    }

    /// The name of the file of a place.
    pub fn file(&self, place: Place) -> &str {
        &self.files[place.file].name
    }

    /// Why Asterisk rejects the file, if it does, and where.
    pub fn fatal(&self) -> Option<(Place, &str)> {
        self.lines.iter().find_map(|line| match &line.what {
            What::Fatal(why) => Some((line.place, why.as_str())),
            _ => None,
        })
    }

    /// The sections in order. Those opened by `(+)` are part of the one that they add to.
    pub fn sections(&self) -> Vec<Section> {
        let mut all: Vec<Section> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut open: Option<usize> = None;
        for line in &self.lines {
            match &line.what {
                What::Section { name, options } => {
                    let key = name.to_ascii_lowercase();
                    if options.iter().any(|option| option.starts_with('+')) {
                        open = by_name.get(&key).copied();
                        continue;
                    }
                    let mut section = Section {
                        name: name.clone(),
                        template: options.iter().any(|option| option == "!"),
                        place: line.place,
                        end: line.place,
                        entries: Vec::new(),
                    };
                    for parent in options.iter().filter_map(|option| by_name.get(&option.to_ascii_lowercase())) {
                        let inherited = all[*parent].entries.iter().cloned();
                        section.entries.extend(inherited.map(|entry| Entry { inherited: true, ..entry }));
                    }
                    // `(+)` and templates mean the first section of a name.
                    by_name.entry(key).or_insert(all.len());
                    open = Some(all.len());
                    all.push(section);
                }
                What::Option { key, value } => {
                    let Some(section) = open.and_then(|at| all.get_mut(at)) else { continue };
                    let entry = Entry { key: key.clone(), value: value.clone(), place: line.place, inherited: false };
                    section.entries.push(entry);
                    if section.place.file == line.place.file {
                        section.end = section.end.max(line.place);
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// The first section of a name that is no template.
    pub fn section(&self, name: &str) -> Option<Section> {
        self.sections().into_iter().find(|section| !section.template && section.name.eq_ignore_ascii_case(name))
    }
}

/// The lines of a file that say something, with their numbers from 1, and the line of a comment that nothing closes.
fn lines(bytes: &[u8]) -> (Vec<(usize, What)>, Option<usize>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut nest: Vec<usize> = Vec::new();
    let mut said = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        // To Asterisk, which is written in C, a line ends where its text does.
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = uncommented(&String::from_utf8_lossy(line), at + 1, &mut nest);
        if let Some(what) = what(text.trim()) {
            said.push((at + 1, what));
        }
    }
    (said, nest.first().copied())
}

/// A line without its comments. `nest` holds the lines of the block comments that are open.
pub(super) fn uncommented(line: &str, number: usize, nest: &mut Vec<usize>) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(';') {
        let (head, tail) = (&rest[..at], &rest[at + 1..]);
        if let Some(escaped) = head.strip_suffix('\\') {
            if nest.is_empty() {
                out.push_str(escaped);
                out.push(';');
            }
        } else if tail.starts_with("--") && !tail.starts_with("---") {
            if nest.is_empty() {
                out.push_str(head);
            }
            nest.push(number);
            rest = &tail[2..];
            continue;
        } else if !nest.is_empty() {
            if head.ends_with("--") {
                nest.pop();
            }
        } else {
            out.push_str(head);
            return out;
        }
        rest = tail;
    }
    if nest.is_empty() {
        out.push_str(rest);
    }
    out
}

/// What a line without comments says; nothing for what Asterisk drops with at most a warning.
fn what(line: &str) -> Option<What> {
    if let Some(rest) = line.strip_prefix('[') {
        let Some((name, rest)) = rest.split_once(']') else {
            return Some(What::Fatal(format!("`{line}` has no `]`")));
        };
        let options = match rest.trim_start().strip_prefix('(') {
            None => Vec::new(),
            Some(rest) => match rest.split_once(')') {
                None => return Some(What::Fatal(format!("`{line}` has no `)`"))),
                Some((options, _)) => options.split(',').map(|option| option.trim().to_owned()).collect(),
            },
        };
        return Some(What::Section { name: name.to_owned(), options });
    }
    if let Some(rest) = line.strip_prefix('#') {
        let (word, name) = rest.split_once(char::is_whitespace)?;
        let name = name.trim();
        let quoted = |open: char, close: char| name.strip_prefix(open).and_then(|rest| rest.split(close).next());
        let name = quoted('"', '"').or_else(|| quoted('<', '>')).unwrap_or(name).to_owned();
        return match word.to_ascii_lowercase().as_str() {
            "include" => Some(What::Include { name, required: true }),
            "tryinclude" => Some(What::Include { name, required: false }),
            "exec" => Some(What::Exec(name)),
            _ => None,
        };
    }
    let (key, value) = line.split_once('=')?;
    let value = value.strip_prefix('>').unwrap_or(value);
    let key = key.trim_end().trim_end_matches('+').trim_end();
    (!key.is_empty()).then(|| What::Option { key: key.to_owned(), value: value.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Tree {
        let (name, text) = files[0];
        let mut find = |wanted: &str| {
            let prefix = wanted.strip_suffix("*.conf");
            let found = files.iter().filter(|(name, _)| prefix.map_or(*name == wanted, |dir| name.starts_with(dir)));
            Ok::<_, ()>(found.map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
        };
        Tree::read(name, text.as_bytes().to_vec(), &mut find).unwrap()
    }

    fn says(text: &str) -> Vec<String> {
        let tree = read(&[("a.conf", text)]);
        tree.lines
            .iter()
            .map(|line| match &line.what {
                What::Section { name, options } => format!("{}: [{name}]({})", line.place.line, options.join(",")),
                What::Option { key, value } => format!("{}: {key} = {value}", line.place.line),
                What::Include { name, required } => format!("{}: include {name} {required}", line.place.line),
                What::Exec(command) => format!("{}: exec {command}", line.place.line),
                What::Fatal(why) => format!("{}: {why}", line.place.line),
            })
            .collect()
    }

    #[test]
    fn lines_are_read_as_asterisk_reads_them() {
        assert_eq!(
            says(
                "; a comment\n[general](!) ; of all\nport=5038 ; here\nexten => s,1,NoOp(a\\;b)\nallow += ulaw\n\
                 ;-- a\nsecret = x\n--;\nb=1;-- c --;\n ;--- no block\nc = 2\n[a](general,+)\n#nothing here\nno sign\n"
            ),
            [
                "2: [general](!)",
                "3: port = 5038",
                "4: exten = s,1,NoOp(a;b)",
                "5: allow = ulaw",
                "9: b = 1",
                "11: c = 2",
                "12: [a](general,+)"
            ]
        );
    }

    #[test]
    fn what_makes_asterisk_reject_a_file_is_found() {
        assert_eq!(says("[a\n"), ["1: `[a` has no `]`"]);
        assert_eq!(says("[a](b\n"), ["1: `[a](b` has no `)`"]);
        assert_eq!(says("x = 1\n[a]\n"), ["1: `x` stands before any [section]", "2: [a]()"]);
        assert_eq!(
            says("[a]\n#include gone.conf\n#tryinclude <gone.conf>\n"),
            [
                "1: [a]()",
                "2: include gone.conf true",
                "2: `gone.conf` is included and not there",
                "3: include gone.conf false"
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_read_as_far_as_asterisk_reads_them() {
        assert_eq!(says("[a]\nb = 1\0;-- c\nd\0 = 2\ne = 3\r4\r\n"), ["1: [a]()", "2: b = 1", "4: e = 3\r4"]);
    }

    #[test]
    fn a_comment_that_nothing_closes_is_known() {
        assert_eq!(read(&[("a.conf", "[a]\n;-- x\n[b]\n")]).files[0].open_comment, Some(2));
        assert_eq!(read(&[("a.conf", "[a]\npassword=a;--b\n")]).files[0].open_comment, Some(2));
        assert_eq!(read(&[("a.conf", "[a]\n;-- x --;\n[b]\n")]).files[0].open_comment, None);
    }

    #[test]
    fn sections_have_what_they_inherit_and_what_is_added_in_other_files() {
        let tree = read(&[
            ("m.conf", "[t](!)\nread = call\n[general]\nport = 1\n#include \"d/*.conf\"\n"),
            ("d/a.conf", "enabled = yes\n[pbxd](t)\nsecret = x\n[general](+)\nport = 2\n"),
        ]);
        let general = tree.section("general").unwrap();
        assert_eq!(general.value("ENABLED"), Some("yes"));
        assert_eq!(general.value("port"), Some("2"));
        assert_eq!(tree.file(general.get("port").unwrap().place), "d/a.conf");
        let user = tree.section("pbxd").unwrap();
        assert_eq!((user.value("read"), user.value("secret")), (Some("call"), Some("x")));
        assert!(user.get("read").unwrap().inherited);
        assert!(tree.section("t").is_none());
    }

    #[test]
    fn files_that_include_themselves_end() {
        let tree = read(&[("a.conf", "#include a.conf\n")]);
        assert!(tree.fatal().unwrap().1.contains("10 deep"));
    }
}
