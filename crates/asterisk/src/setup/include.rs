//! The one line by which a main file takes what pbxd writes.

use super::{Edit, Place, Tree, What};

/// The file that the main file of a name includes.
pub fn target(name: &str) -> String {
    format!("pbx.d/current/{name}")
}

/// Where a main file, or a file that it includes, includes what pbxd writes.
pub fn included(tree: &Tree, name: &str) -> Vec<Place> {
    let wanted = target(name);
    let same = |own: &str| own == wanted || own.ends_with(&format!("/{wanted}"));
    let lines = tree.lines.iter().filter(|line| matches!(&line.what, What::Include { name, .. } if same(name)));
    lines.map(|line| line.place).collect()
}

/// The sections of a main file that what pbxd writes adds to: Asterisk reads the first of a name alone, and rejects the whole file
/// when what is added to is not there before.
pub fn added_to(name: &str) -> &'static [&'static str] {
    match name {
        "rtp.conf" | "queues.conf" => &["general"],
        "voicemail.conf" => &["general", "zonemessages"],
        _ => &[],
    }
}

/// A main file that is not there yet, without the include.
pub fn main_file(name: &str) -> String {
    let about = format!("; {name}: your own part. What pbxd manages is included at the end.\n");
    match name {
        "extensions.conf" => format!("{about}\n[general]\nstatic = yes\nwriteprotect = yes\n"),
        "pjsip.conf" => about,
        "voicemail.conf" => format!("{about}\n[general]\n\n[zonemessages]\n"),
        _ => format!("{about}\n[general]\n"),
    }
}

impl Tree {
    /// The edits, by file, after which what pbxd writes is included exactly once, and where it can be.
    ///
    /// Some must have a section before it, to which the generated file adds ([`added_to`]).
    pub fn include_once(&self, name: &str) -> Vec<(usize, Edit)> {
        let mut edits = Vec::new();
        let places = included(self, name);
        let there = |base: &str| {
            self.lines.iter().position(|line| {
                matches!(&line.what, What::Section { name, options } if name.eq_ignore_ascii_case(base)
                    && options.iter().all(|option| option != "!" && option != "+"))
            })
        };
        let bases = added_to(name);
        let missing: Vec<&str> = bases.iter().copied().filter(|base| there(base).is_none()).collect();
        let after = bases.iter().filter_map(|base| there(base)).max().unwrap_or_default();
        let position = |place: &Place| {
            self.lines.iter().position(|line| line.place == *place && matches!(line.what, What::Include { .. }))
        };
        let follows = |place: &&Place| missing.is_empty() && position(place).is_some_and(|at| at >= after);
        let good = places.iter().find(follows);
        edits.extend(
            places.iter().filter(|place| Some(*place) != good).map(|place| (place.file, Edit::Remove(place.line))),
        );
        if good.is_none() {
            let mut text: Vec<String> = missing.iter().map(|base| format!("\n[{base}]\n")).collect();
            text.push(format!("\n; What pbxd manages.\n#include \"{}\"\n", target(name)));
            edits.push((0, Edit::Append(text.concat())));
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::apply;

    fn once(name: &str, text: &str) -> String {
        let mut find = |wanted: &str| {
            let there = wanted.contains("pbx.d");
            Ok::<_, ()>(if there { vec![(wanted.to_owned(), b"; nothing\n".to_vec())] } else { Vec::new() })
        };
        let tree = Tree::read(name, text.as_bytes().to_vec(), &mut find).unwrap();
        let edits: Vec<Edit> = tree.include_once(name).into_iter().map(|(_, edit)| edit).collect();
        String::from_utf8(apply(text.as_bytes(), &edits)).unwrap()
    }

    const LINE: &str = "\n; What pbxd manages.\n#include \"pbx.d/current/pjsip.conf\"\n";

    #[test]
    fn the_include_comes_once() {
        assert_eq!(once("pjsip.conf", "[a]\ntype = aor"), format!("[a]\ntype = aor\n{LINE}"));
        assert_eq!(once("pjsip.conf", &format!("[a]\n{LINE}")), format!("[a]\n{LINE}"));
        let twice = "#include pbx.d/current/pjsip.conf\n[a]\n#tryinclude \"/etc/asterisk/pbx.d/current/pjsip.conf\"\n";
        assert_eq!(once("pjsip.conf", twice), "#include pbx.d/current/pjsip.conf\n[a]\n");
        assert_eq!(
            once("pjsip.conf", "; #include \"pbx.d/current/pjsip.conf\"\n"),
            format!("; #include \"pbx.d/current/pjsip.conf\"\n{LINE}")
        );
    }

    #[test]
    fn what_is_added_to_is_there_before() {
        let line = "\n; What pbxd manages.\n#include \"pbx.d/current/rtp.conf\"\n";
        assert_eq!(once("rtp.conf", "[general]\nrtpstart=1\n"), format!("[general]\nrtpstart=1\n{line}"));
        assert_eq!(once("rtp.conf", "; nothing\n"), format!("; nothing\n\n[general]\n{line}"));
        assert_eq!(once("rtp.conf", "#include \"pbx.d/current/rtp.conf\"\n[general]\n"), format!("[general]\n{line}"));
        // An earlier version needed no zones.
        let line = "\n; What pbxd manages.\n#include \"pbx.d/current/voicemail.conf\"\n";
        assert_eq!(
            once("voicemail.conf", "[general]\n#include \"pbx.d/current/voicemail.conf\"\n"),
            format!("[general]\n\n[zonemessages]\n{line}")
        );
        assert_eq!(
            once("voicemail.conf", "[zonemessages]\n#include \"pbx.d/current/voicemail.conf\"\n[general]\n"),
            format!("[zonemessages]\n[general]\n{line}")
        );
    }
}
