//! Any bytes as a configuration file of somebody's own: read, edited by setup, read and edited again.
//!
//! Nothing may panic; setup's edits, made twice, change nothing the second time; every byte that no edit names stays.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pbx_asterisk::config::FILES;
use pbx_asterisk::setup::{
    Directories, Edit, Manager, NeededUser, Own, READ, Tree, WRITE, What, apply, conflicts, included, masked,
    missing_classes,
};

/// A second file, which the first may include, stands behind this line.
const NEXT: &[u8] = b"\n#next\n";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(NEXT.len()).position(|part| part == NEXT);
    let (main, other) = at.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + NEXT.len()..]));
    for (name, _) in FILES {
        include(name, main, other);
    }
    manager(main, other);
    let tree = read("pjsip.conf", main, other);
    drop(Directories::of(&tree));
    let all = Some(&tree);
    let own = Own {
        pjsip: all,
        wizard: all,
        extensions: all,
        voicemail: all,
        queues: all,
        music: all,
        parking: all,
        conferences: all,
        sorcery: all,
        extconfig: all,
    };
    for found in conflicts(&own) {
        let lines = tree.files.iter().filter(|file| file.name == found.file).map(|file| count(&file.bytes)).max();
        assert!(found.line.is_none_or(|line| line >= 1 && Some(line) <= lines), "{found:?}");
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (before, after) = masked("voicemail.conf", &text(main), &text(other));
    assert_eq!(before.lines().count(), text(main).lines().count());
    assert_eq!(after.lines().count(), text(other).lines().count());
});

fn count(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

/// A file, which finds whatever pbxd writes, and one other file.
fn read(name: &str, main: &[u8], other: &[u8]) -> Tree {
    let mut budget = 64_usize;
    let mut find = |wanted: &str| {
        let bytes = if wanted.contains("pbx.d/current/") { &b"; nothing\n"[..] } else { other };
        // A file that includes itself many times would be read many times that, ten times over.
        let other_left = wanted == "other" && budget > 0;
        budget -= usize::from(other_left);
        let there = other_left || wanted.contains("pbx.d/current/");
        Ok::<_, std::convert::Infallible>(if there { vec![(wanted.to_owned(), bytes.to_vec())] } else { Vec::new() })
    };
    let Ok(tree) = Tree::read(name, main.to_vec(), &mut find);
    for line in &tree.lines {
        let file = &tree.files[line.place.file];
        assert!((1..=count(&file.bytes)).contains(&line.place.line), "{line:?}");
    }
    tree
}

/// The edits of the main file; `None` where one is of another file, or would be lost in a comment that nothing closes.
fn edited(tree: &Tree, main: &[u8], edits: Vec<(usize, Edit)>) -> Option<Vec<u8>> {
    if edits.iter().any(|(file, _)| *file != 0) || tree.files[0].open_comment.is_some() {
        return None;
    }
    let edits: Vec<Edit> = edits.into_iter().map(|(_, edit)| edit).collect();
    if edits.is_empty() {
        assert_eq!(apply(main, &edits), main, "nothing to do changes nothing");
        return None;
    }
    let after = apply(main, &edits);
    untouched(main, &after, &edits);
    let said = |text: &[u8]| -> Vec<(usize, What)> {
        let tree = read("a.conf", text, b"");
        tree.lines.into_iter().filter(|line| line.place.file == 0).map(|line| (line.place.line, line.what)).collect()
    };
    let named = |number: usize| {
        edits.iter().any(|edit| matches!(edit, Edit::Remove(line) | Edit::Replace(line, _) if *line == number))
    };
    // No comment begins to say something, and nothing that was said becomes a comment.
    let added: usize = edits.iter().map(lines_of).sum();
    let kept: Vec<What> = said(main).into_iter().filter(|(line, _)| !named(*line)).map(|(_, what)| what).collect();
    let now = said(&after);
    assert!(now.len() <= kept.len() + added, "{now:?}");
    let mut rest = now.into_iter().map(|(_, what)| what);
    assert!(kept.iter().all(|what| rest.any(|own| own == *what)), "{:?}", String::from_utf8_lossy(&after));
    Some(after)
}

/// How many lines an edit may say.
fn lines_of(edit: &Edit) -> usize {
    match edit {
        Edit::Remove(_) => 0,
        Edit::Replace(_, text) | Edit::After(_, text) | Edit::Append(text) => text.lines().count(),
    }
}

/// Lines that no edit names are there, byte by byte and in their order.
fn untouched(before: &[u8], after: &[u8], edits: &[Edit]) {
    let named = |number: usize| {
        edits.iter().any(|edit| matches!(edit, Edit::Remove(line) | Edit::Replace(line, _) if *line == number))
    };
    let mut rest = after.split(|byte| *byte == b'\n');
    for (at, line) in before.split(|byte| *byte == b'\n').enumerate().filter(|(at, _)| !named(at + 1)) {
        assert!(rest.any(|own| own == line), "line {} is gone", at + 1);
    }
}

fn include(name: &str, main: &[u8], other: &[u8]) {
    let tree = read(name, main, other);
    let fatal = tree.fatal().is_some();
    let Some(after) = edited(&tree, main, tree.include_once(name)) else { return };
    let again = read(name, &after, other);
    assert_eq!(again.include_once(name), [], "{name} is edited twice: {:?}", String::from_utf8_lossy(&after));
    assert_eq!(included(&again, name).len(), 1);
    assert!(fatal || again.fatal().is_none(), "{name} was good before it was edited: {:?}", again.fatal());
}

fn manager(main: &[u8], other: &[u8]) {
    let tree = read("manager.conf", main, other);
    let own = Manager::of(&tree);
    let fatal = tree.fatal().is_some();
    if let Some(after) = edited(&tree, main, own.open(&tree)) {
        let again = read("manager.conf", &after, other);
        let opened = Manager::of(&again);
        assert!(opened.enabled, "it is on: {:?}", String::from_utf8_lossy(&after));
        assert_eq!(opened.open(&again), []);
        assert!(fatal || again.fatal().is_none());
    }
    let needed = NeededUser { name: "pbxd".into(), secret: "s3cret".into() };
    if let Some(user) = Manager::user(&tree, &needed.name) {
        if let Some(after) = edited(&tree, main, Manager::mend(&user, &needed)) {
            let again = read("manager.conf", &after, other);
            let user = Manager::user(&again, &needed.name).expect("the user is there");
            assert_eq!(user.secret.as_deref(), Some("s3cret"), "{:?}", String::from_utf8_lossy(&after));
            assert_eq!(missing_classes(&user.read, &READ), Vec::<&str>::new());
            assert_eq!(missing_classes(&user.write, &WRITE), Vec::<&str>::new());
            assert_eq!(Manager::mend(&user, &needed), []);
        }
    }
}
