use std::collections::BTreeMap;

use pbx_manifest::{AnySpec, Catalog, Kind};

use super::*;
use crate::config::{FILES, Place, Secrets, render};

fn tree(name: &str) -> ConfigTree {
    let mut catalog = Catalog::default();
    let spec = AnySpec::from_json(Kind::Extension, &serde_json::json!({ "displayName": name })).unwrap();
    catalog.insert("1001".parse().unwrap(), BTreeMap::new(), spec);
    render(&catalog, &Secrets::default(), &Place::default())
}

fn place() -> (tempfile::TempDir, Revisions) {
    let folder = tempfile::tempdir().unwrap();
    let revisions = Revisions::new(folder.path());
    (folder, revisions)
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn meta(revisions: &Revisions, id: u64, name: &str) -> std::fs::Metadata {
    std::fs::metadata(revisions.folder(id).join(name)).unwrap()
}

#[test]
fn what_did_not_change_is_the_same_file_and_what_did_is_later() {
    let (_folder, revisions) = place();
    let first = revisions.stage(1, &tree("Ana"), None, now()).unwrap();
    assert_eq!((first.changed.len(), first.linked.len()), (FILES.len(), 0));
    // The same size, the same moment, and even a clock that was set back.
    for (id, at) in [(2, now()), (3, now() - Duration::from_hours(1))] {
        let staged = revisions.stage(id, &tree(if id == 2 { "Eva" } else { "Ina" }), Some(id - 1), at).unwrap();
        assert_eq!(staged.changed, ["pjsip.conf"]);
        let (old, new) = (meta(&revisions, id - 1, "pjsip.conf"), meta(&revisions, id, "pjsip.conf"));
        assert_eq!(old.len(), new.len());
        assert!(new.modified().unwrap() > old.modified().unwrap(), "Asterisk would not read it");
        for name in staged.linked {
            assert_eq!(meta(&revisions, id - 1, name).ino(), meta(&revisions, id, name).ino(), "{name}");
        }
    }
}

#[test]
fn a_file_that_stays_gets_its_mode_back() {
    let (_folder, revisions) = place();
    revisions.stage(1, &tree("Ana"), None, now()).unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(revisions.folder(1).join("extensions.conf"), everyone).unwrap();
    let staged = revisions.stage(2, &tree("Eva"), Some(1), now()).unwrap();
    assert!(staged.linked.contains(&"extensions.conf"), "{:?}", staged.linked);
    assert_eq!(meta(&revisions, 2, "extensions.conf").mode() & 0o7777, 0o640);
}

#[test]
fn files_are_readable_by_the_group_and_by_nobody_else() {
    let (folder, revisions) = place();
    revisions.stage(1, &tree("Ana"), None, now()).unwrap();
    for path in [revisions.root().to_owned(), revisions.root().join("revisions"), revisions.folder(1)] {
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o750, "{}", path.display());
    }
    for (name, file) in tree("Ana").files() {
        let there = meta(&revisions, 1, name);
        assert_eq!((there.mode() & 0o7777, there.gid()), (0o640, std::fs::metadata(folder.path()).unwrap().gid()));
        assert_eq!(fs::read(revisions.folder(1).join(name)).unwrap(), file.text().as_bytes());
    }
}

#[test]
fn what_an_interrupted_try_left_is_replaced() {
    let (_folder, revisions) = place();
    revisions.stage(1, &tree("Ana"), None, now()).unwrap();
    revisions.activate(1).unwrap();
    let left = revisions.folder(2);
    fs::create_dir(&left).unwrap();
    fs::write(left.join("pjsip.conf"), "[half").unwrap();
    fs::write(left.join("other.conf"), "x").unwrap();
    std::os::unix::fs::symlink("revisions/000009", revisions.root().join(".current.next")).unwrap();
    revisions.stage(2, &tree("Eva"), Some(1), now()).unwrap();
    assert!(!left.join("other.conf").exists());
    assert_eq!(fs::read_to_string(left.join("pjsip.conf")).unwrap(), tree("Eva").file("pjsip.conf").unwrap().text());
    assert_eq!(revisions.current().unwrap(), Some(1));
    revisions.activate(2).unwrap();
    assert_eq!(revisions.current().unwrap(), Some(2));
    // A base that is no longer there is written out in full.
    fs::remove_dir_all(revisions.folder(1)).unwrap();
    assert_eq!(revisions.stage(3, &tree("Eva"), Some(1), now()).unwrap().changed.len(), FILES.len());
}

/// One rename: whoever looks, as often as can be, finds all files of one revision.
#[test]
fn at_any_instant_the_files_are_of_one_revision() {
    let (_folder, revisions) = place();
    assert_eq!(revisions.current().unwrap(), None);
    revisions.stage(1, &tree("Ana"), None, now()).unwrap();
    revisions.stage(2, &tree("Eva"), Some(1), now()).unwrap();
    revisions.activate(1).unwrap();
    let link = revisions.root().join("current");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let target = fs::read_link(&link).unwrap();
                assert!(target == Path::new("revisions/000001") || target == Path::new("revisions/000002"));
                looks += 1;
            }
            looks
        });
        for at in 0..50 {
            revisions.activate(1 + at % 2).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(looks.join().unwrap() > 0);
    });
    assert!(revisions.root().join(".current.next").symlink_metadata().is_err());
}

#[test]
fn the_empty_revision_is_not_written_anew_while_it_is_live() {
    let (_folder, revisions) = place();
    revisions.activate_empty(now()).unwrap();
    let before = meta(&revisions, 0, "pjsip.conf").ino();
    let folder = fs::metadata(revisions.folder(0)).unwrap().ino();
    revisions.activate_empty(now()).unwrap();
    assert_eq!(
        (meta(&revisions, 0, "pjsip.conf").ino(), fs::metadata(revisions.folder(0)).unwrap().ino()),
        (before, folder)
    );
    revisions.stage(1, &tree("Ana"), Some(0), now()).unwrap();
    revisions.activate(1).unwrap();
    revisions.activate_empty(now()).unwrap();
    assert_eq!(revisions.current().unwrap(), Some(0));
}

#[test]
fn old_revisions_go_and_named_ones_stay() {
    let (_folder, revisions) = place();
    assert_eq!(revisions.list().unwrap(), Vec::<u64>::new());
    for id in [1, 2, 3, 10, 1_000_000] {
        revisions.stage(id, &ConfigTree::empty(), None, now()).unwrap();
    }
    fs::create_dir(revisions.root().join("revisions/notes")).unwrap();
    let ever = Duration::MAX;
    revisions.prune(2, ever, now(), &[1, 3]).unwrap();
    assert_eq!(revisions.list().unwrap(), [1, 3, 10, 1_000_000]);
    revisions.prune(0, ever, now(), &[1_000_000]).unwrap();
    assert_eq!(revisions.list().unwrap(), [1_000_000]);
    assert!(revisions.root().join("revisions/notes").exists());
    revisions.prune(5, ever, now(), &[]).unwrap();
    assert_eq!(revisions.list().unwrap(), [1_000_000]);
}

#[test]
fn revisions_of_long_ago_go_though_they_are_few() {
    let (_folder, revisions) = place();
    let days = |days: u64| Duration::from_hours(24 * days);
    for (id, age) in [(1, 40), (2, 31), (3, 29), (4, 90), (5, 0)] {
        revisions.stage(id, &ConfigTree::empty(), None, now()).unwrap();
        let folder = std::fs::OpenOptions::new().read(true).open(revisions.folder(id)).unwrap();
        folder.set_modified(now() - days(age)).unwrap();
    }
    // The live one and the one before stay, however old they are.
    revisions.prune(20, days(30), now(), &[5, 4]).unwrap();
    assert_eq!(revisions.list().unwrap(), [3, 4, 5]);
    // A clock that was set back makes nothing old.
    revisions.prune(20, days(30), now() - days(400), &[5, 4]).unwrap();
    assert_eq!(revisions.list().unwrap(), [3, 4, 5]);
}
