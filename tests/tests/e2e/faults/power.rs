//! A power cut at any call of an apply: what was not flushed may be gone, in any order. The calls of a real apply are written down, and
//! played to a disk that forgets.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_tests::System;

use super::states::States;

/// The calls that change files, and those that flush them.
const CALLS: &str = "?mkdir,mkdirat,?open,openat,write,pwrite64,fsync,fdatasync,?link,linkat,?symlink,symlinkat,?rename,renameat,\
    renameat2,?unlink,unlinkat,?rmdir";

/// Something on the disk, by number.
type Id = usize;
type Entries = BTreeMap<String, Id>;

/// A change of a folder's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Add(String, Id),
    Remove(String),
    /// At once, as a rename is.
    Move(String, String),
}

impl Entry {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Add(name, id) => drop(entries.insert(name.clone(), *id)),
            Self::Remove(name) => drop(entries.remove(name)),
            Self::Move(from, to) => {
                if let Some(id) = entries.remove(from) {
                    entries.insert(to.clone(), id);
                }
            }
        }
    }
}

#[derive(Debug)]
enum Thing {
    /// What is written down for ever, and what is not yet.
    Folder { durable: Entries, pending: Vec<Entry> },
    /// Its text where all of it is flushed. What is not flushed is anything.
    File { flushed: bool, text: Vec<u8> },
    /// Its target is written with its entry.
    Link(String),
}

/// A disk that has everything of the time before, and forgets what was not flushed since.
#[derive(Debug, Default)]
struct Disk {
    root: PathBuf,
    things: Vec<Thing>,
    /// Names that are one file have one number.
    inodes: HashMap<u64, Id>,
}

impl Disk {
    fn read(root: &Path) -> Result<Self> {
        let mut disk = Self { root: root.to_owned(), ..Self::default() };
        disk.read_folder(root)?;
        Ok(disk)
    }

    fn make(&mut self, thing: Thing) -> Id {
        self.things.push(thing);
        self.things.len() - 1
    }

    fn read_folder(&mut self, path: &Path) -> Result<Id> {
        use std::os::unix::fs::MetadataExt as _;
        let id = self.make(Thing::Folder { durable: Entries::new(), pending: Vec::new() });
        for entry in fs::read_dir(path)? {
            let (entry, path) = {
                let entry = entry?;
                (entry.file_name(), entry.path())
            };
            let meta = fs::symlink_metadata(&path)?;
            let found = if meta.is_dir() {
                self.read_folder(&path)?
            } else if meta.is_symlink() {
                let target = fs::read_link(&path)?.display().to_string();
                self.make(Thing::Link(target))
            } else if let Some(known) = self.inodes.get(&meta.ino()) {
                *known
            } else {
                let made = self.make(Thing::File { flushed: true, text: fs::read(&path)? });
                self.inodes.insert(meta.ino(), made);
                made
            };
            if let Thing::Folder { durable, .. } = &mut self.things[id] {
                durable.insert(entry.to_string_lossy().into_owned(), found);
            }
        }
        Ok(id)
    }

    /// A folder's entries as whoever runs sees them.
    fn entries(&self, id: Id) -> Option<Entries> {
        let Thing::Folder { durable, pending } = &self.things[id] else { return None };
        let mut entries = durable.clone();
        for entry in pending {
            entry.apply(&mut entries);
        }
        Some(entries)
    }

    /// What is at a path, as whoever runs sees it.
    fn find(&self, path: &str) -> Option<Id> {
        let mut id = 0;
        for part in Path::new(path).strip_prefix(&self.root).ok()?.components() {
            id = *self.entries(id)?.get(part.as_os_str().to_str()?)?;
        }
        Some(id)
    }

    /// The folder of a path and its name there.
    fn place(&self, path: &str) -> Option<(Id, String)> {
        let path = Path::new(path);
        Some((self.find(path.parent()?.to_str()?)?, path.file_name()?.to_str()?.to_owned()))
    }

    fn change(&mut self, folder: Id, entry: Entry) {
        if let Thing::Folder { pending, .. } = &mut self.things[folder] {
            pending.push(entry);
        }
    }

    fn add(&mut self, path: &str, thing: Thing) {
        if let Some((folder, name)) = self.place(path) {
            let id = self.make(thing);
            self.change(folder, Entry::Add(name, id));
        }
    }

    /// Takes a call as it was done.
    fn play(&mut self, call: &Call) -> Result<()> {
        match call {
            Call::Folder(path) => self.add(path, Thing::Folder { durable: Entries::new(), pending: Vec::new() }),
            Call::File(path) if self.find(path).is_none() => {
                // `.proven.next` has become `proven` when this is read.
                let text = fs::read(path.replace(".proven.next", "proven")).unwrap_or_default();
                self.add(path, Thing::File { flushed: false, text });
            }
            Call::Symlink(target, path) => self.add(path, Thing::Link(target.clone())),
            Call::Link(from, to) => {
                if let (Some(id), Some((folder, name))) = (self.find(from), self.place(to)) {
                    self.change(folder, Entry::Add(name, id));
                }
            }
            Call::Rename(from, to) => {
                if let (Some((folder, from)), Some((other, to))) = (self.place(from), self.place(to)) {
                    ensure!(folder == other, "a rename over folders is not atomic on every disk");
                    self.change(folder, Entry::Move(from, to));
                }
            }
            Call::Remove(path) => {
                if let Some((folder, name)) = self.place(path) {
                    self.change(folder, Entry::Remove(name));
                }
            }
            Call::File(path) | Call::Write(path) => {
                if let Some(Thing::File { flushed, .. }) = self.find(path).map(|id| &mut self.things[id]) {
                    *flushed = false;
                }
            }
            Call::Flush(path) => {
                let Some(id) = self.find(path) else { return Ok(()) };
                let now = self.entries(id);
                match &mut self.things[id] {
                    Thing::File { flushed, .. } => *flushed = true,
                    Thing::Folder { durable, pending } => {
                        *durable = now.unwrap_or_default();
                        pending.clear();
                    }
                    Thing::Link(_) => {}
                }
            }
            Call::Journal => {}
        }
        Ok(())
    }

    /// Ways in which the entries that are not flushed may have reached the disk: none, the first ones, one alone, or all but one.
    fn cuts(&self) -> Vec<HashMap<Id, Entries>> {
        let mut cuts = vec![HashMap::new()];
        for (id, thing) in self.things.iter().enumerate() {
            let Thing::Folder { durable, pending } = thing else { continue };
            let all = 0..pending.len();
            let first = (0..=pending.len()).map(|length| all.clone().filter(move |at| *at < length).collect());
            let alone = all.clone().skip(1).map(|one| vec![one]);
            let but_one = all.clone().rev().skip(1).map(|one| all.clone().filter(move |at| *at != one).collect());
            let ways: Vec<Entries> = first
                .chain(alone)
                .chain(but_one)
                .map(|reached: Vec<usize>| {
                    let mut entries = durable.clone();
                    for at in reached {
                        pending[at].apply(&mut entries);
                    }
                    entries
                })
                .collect();
            cuts = cuts
                .iter()
                .flat_map(|cut| {
                    ways.iter().map(move |way| {
                        let mut cut = cut.clone();
                        cut.insert(id, way.clone());
                        cut
                    })
                })
                .collect();
        }
        cuts
    }

    /// The revision that a disk leads to after a cut, all of whose files must be there and whole.
    fn live(&self, cut: &HashMap<Id, Entries>) -> Result<String> {
        let root = &cut[&0];
        let link = root.get("current").context("there is no `current`")?;
        let Thing::Link(target) = &self.things[*link] else { anyhow::bail!("`current` is no link") };
        let revisions = root.get("revisions").context("there are no revisions")?;
        let name = target.strip_prefix("revisions/").context("`current` leads elsewhere")?;
        let folder =
            cut[revisions].get(name).with_context(|| format!("`current` leads to {name}, which is not there"))?;
        for file in ["rtp.conf", "voicemail.conf", "extensions.conf", "pjsip.conf"] {
            let id = cut[folder].get(file).with_context(|| format!("{name}/{file} is not there"))?;
            let whole = matches!(&self.things[*id], Thing::File { flushed: true, .. });
            ensure!(whole, "{name}/{file} may be cut short");
        }
        if let Some(proven) = root.get("proven") {
            let Thing::File { flushed: true, text } = &self.things[*proven] else {
                anyhow::bail!("`proven` may be cut short")
            };
            let proven: u64 = String::from_utf8_lossy(text).trim().parse()?;
            ensure!(name.parse() == Ok(proven), "{proven} is said to be proven, and {name} is live");
        }
        Ok(name.to_owned())
    }
}

/// A call that changes files, with full paths.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Folder(String),
    File(String),
    Write(String),
    Flush(String),
    Link(String, String),
    Symlink(String, String),
    Rename(String, String),
    Remove(String),
    /// The journal of SQLite was flushed.
    Journal,
}

/// The paths in a call's arguments: those in quotes, joined to the folder `<…>` before them, or that of the first descriptor.
fn paths(arguments: &str) -> Vec<String> {
    let (mut paths, mut folder) = (Vec::new(), "");
    let mut rest = arguments;
    while let Some(at) = rest.find(['<', '"']) {
        let end = if rest[at..].starts_with('<') { '>' } else { '"' };
        let Some(length) = rest[at + 1..].find(end) else { break };
        let text = &rest[at + 1..at + 1 + length];
        if end == '>' {
            folder = text;
        } else {
            paths.push(Path::new(folder).join(text).display().to_string());
        }
        rest = &rest[at + length + 2..];
    }
    if paths.is_empty() {
        paths.push(folder.to_owned());
    }
    paths
}

/// The calls of a record of strace's that succeeded, in order. One that another thread interrupted is written in two parts.
fn calls(record: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in record.lines() {
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start();
        let whole;
        let said = if let Some(first) = said.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, first);
            continue;
        } else if let Some((_, last)) = said.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            whole = format!("{}{last}", begun.remove(thread).unwrap_or_default());
            &whole
        } else {
            said
        };
        let (Some((name, rest)), Some((_, result))) = (said.split_once('('), said.rsplit_once(" = ")) else { continue };
        if result.starts_with('-') {
            continue;
        }
        // The result may name a path as well.
        let arguments = rest.rsplit_once(" = ").map_or(rest, |(arguments, _)| arguments);
        let mut paths = paths(arguments).into_iter();
        let (first, second) = (paths.next().unwrap_or_default(), paths.next().unwrap_or_default());
        calls.push(match name {
            "mkdir" | "mkdirat" => Call::Folder(first),
            "open" | "openat" if arguments.contains("O_CREAT") => Call::File(first),
            "write" | "pwrite64" => Call::Write(first),
            "fsync" | "fdatasync" if first.ends_with("-wal") => Call::Journal,
            "fsync" | "fdatasync" => Call::Flush(first),
            "link" | "linkat" => Call::Link(first, second),
            "symlink" | "symlinkat" => Call::Symlink(first, second),
            "rename" | "renameat" | "renameat2" => Call::Rename(first, second),
            "unlink" | "unlinkat" | "rmdir" => Call::Remove(first),
            _ => continue,
        });
    }
    calls
}

#[test]
fn a_power_cut_leaves_one_whole_revision() -> Result<()> {
    // Few folders are kept, so that some are removed on the way.
    let system = System::builder().first("keep_revisions = 2\n").start()?;
    let mut states = States::learn(&system)?;
    states.go_on(&system)?;
    let folder = system.asterisk().etc().join("pbx.d");
    let mut disk = Disk::read(&folder)?;
    let before = format!("{:06}", system.health()?.revision.context("nothing is live")?);
    let trace = system.record(CALLS)?;
    let told = states.change(&system)?.end()?;
    let record = trace.end()?;
    told.1.clone().expect(0)?;
    states.check(&system, Some(&told))?;
    let after = format!("{:06}", system.health()?.revision.context("nothing is live")?);

    let calls = calls(&record);
    let journal = calls.iter().filter(|call| **call == Call::Journal).count();
    let (mut journalled, mut switched, mut cuts) = (0, false, 0);
    for call in &calls {
        disk.play(call).with_context(|| format!("{call:?}"))?;
        journalled += usize::from(*call == Call::Journal);
        switched |= matches!(call, Call::Rename(_, to) if Path::new(to) == folder.join("current"));
        for cut in disk.cuts() {
            cuts += 1;
            let live = disk.live(&cut).with_context(|| format!("after {call:?}:\n{record}"))?;
            // Never the new one before the switch is journalled, nor the old one once the new one is kept.
            ensure!(live == before || live == after, "{live} is live");
            ensure!(live == before || switched, "{live} is live before the switch");
            // The intent, what it changes, the switch, its end.
            if journal == 4 {
                ensure!(live == before || journalled >= 3, "{live} is live, and the journal does not know why");
                ensure!(live == after || journalled < 4, "the store keeps {after}, and {live} is live");
            }
        }
    }
    // With the power on, the disk of the model is the real one.
    let whole =
        calls.iter().any(|call| *call == Call::Flush(folder.join("revisions").join(&after).display().to_string()));
    ensure!(switched && whole && cuts > calls.len(), "the calls are not those of an apply:\n{record}");
    ensure!(journal == 4 || !system.store().starts_with("sqlite"), "{journal} flushes of the journal:\n{record}");
    let real = Disk::read(&folder)?;
    let names = |disk: &Disk, path: &str| {
        disk.find(&folder.join(path).display().to_string())
            .and_then(|id| disk.entries(id))
            .map(|entries| entries.into_keys().collect::<Vec<_>>())
    };
    for path in ["", "revisions", &format!("revisions/{after}")] {
        ensure!(
            names(&disk, path) == names(&real, path),
            "{path}: {:?} and {:?}",
            names(&disk, path),
            names(&real, path)
        );
    }
    Ok(())
}
