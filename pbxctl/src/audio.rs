//! Recordings are read where the command runs, beside the manifests, and named by their content; those that pbxd has not got are
//! brought to it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pbx_api::{AudioHashes, AudioView, ErrorCode};
use pbx_audio::{Broken, LARGEST, Recording};
use pbx_manifest::{Audio, Diagnostic, Document, Locator, ObjectRef, Origin, Secret, Source, read_spec};
use serde_json::Value as Json;

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::{input, show};

/// A file that a manifest names.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called, as the manifest has it.
    pub called: String,
    /// What names its content.
    pub hash: String,
    /// Which fields name it.
    places: Vec<(Origin, ObjectRef, String)>,
}

impl File {
    /// Its name without folders.
    fn name(&self) -> String {
        name_of(&self.path)
    }

    /// What is wrong with it, at each of its places.
    fn findings(&self, message: &str, help: &[String]) -> Vec<(Origin, Diagnostic)> {
        let finding = |object: &ObjectRef, path: &str| {
            let mut finding = Diagnostic::error("audio", message).at(object.clone(), path);
            finding.help.extend(help.iter().cloned());
            finding
        };
        self.places.iter().map(|(origin, object, path)| (*origin, finding(object, path))).collect()
    }

    fn broken(&self, broken: &Broken) -> Vec<(Origin, Diagnostic)> {
        let message = format!("`{}` cannot be played: {broken}", self.called);
        self.findings(&message, &[broken.help().to_owned()])
    }
}

/// A path's last part.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Reads a file, or says why it cannot be read: what is wrong, and below it what to do.
pub fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.strip_prefix(".").unwrap_or(path).display();
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file `{shown}`"),
        std::io::ErrorKind::PermissionDenied => format!("`{shown}` may not be read by you"),
        _ => format!("`{shown}` cannot be read: {error}"),
    };
    let about = fs_err::metadata(path).map_err(refused)?;
    if about.is_dir() {
        return Err(format!("`{shown}` is a folder\nfor all files in it, write `{shown}/*.mp3` where a list is taken"));
    }
    if !about.is_file() {
        return Err(format!("`{shown}` is no file"));
    }
    if about.len() > LARGEST as u64 {
        return Err(format!("`{shown}` cannot be played: {}\n{}", Broken::TooLarge, Broken::TooLarge.help()));
    }
    fs_err::read(path).map_err(refused)
}

/// Names the content of each file that the manifests name, in their fields; a glob becomes the files that match it. What cannot be
/// read is told with its place.
pub fn resolve(sources: &[Source], documents: &mut [Document]) -> Result<Vec<File>, Vec<Diagnostic>> {
    let mut files: BTreeMap<PathBuf, File> = BTreeMap::new();
    let mut found = Vec::new();
    let mut locator = Locator::new(sources);
    for document in documents {
        let folder = input::folder(&sources[document.origin.source]);
        let open: Vec<(String, Audio)> = document
            .spec
            .audio()
            .into_iter()
            .filter(|(_, audio)| audio.content().is_none())
            .map(|(path, audio)| (path, audio.clone()))
            .collect();
        if open.is_empty() {
            continue;
        }
        // From behind, so that what a glob becomes moves no other item's place.
        for (path, audio) in open.iter().rev() {
            let place = (document.origin, document.object.clone(), format!("spec.{path}"));
            let named = matches(&folder, audio).and_then(|paths| {
                paths.iter().map(|called| content(&folder, called, &place, &mut files)).collect::<Result<Vec<_>, _>>()
            });
            match named {
                Ok(named) => put(&mut document.fields, path, named),
                Err(why) => {
                    let mut lines = why.lines();
                    let mut finding = Diagnostic::error("audio", lines.next().unwrap_or_default()).at(place.1, place.2);
                    finding.help.extend(lines.map(str::to_owned));
                    locator.place(document.origin, &mut finding);
                    found.push(finding);
                }
            }
        }
        // The fields do not have what stands in the open, which is still to be sent.
        let mut fields = document.fields.clone();
        for (path, secret) in document.spec.secrets() {
            if let (Secret::Literal(value), Some(place)) = (secret, at(&mut fields, &path)) {
                *place = Json::String(value.clone());
            }
        }
        if let Ok(spec) = read_spec(&document.object, &fields) {
            document.spec = spec;
        }
    }
    if found.is_empty() { Ok(files.into_values().collect()) } else { Err(found) }
}

/// The files that a field means, as they are called from its manifest's folder.
fn matches(folder: &Path, audio: &Audio) -> Result<Vec<String>, String> {
    // A file may have such letters in its name.
    if !audio.is_glob() || folder.join(audio.path()).is_file() {
        return Ok(vec![audio.path().to_owned()]);
    }
    let beside = glob::Pattern::escape(&folder.display().to_string());
    let pattern = if Path::new(audio.path()).is_absolute() {
        audio.path().to_owned()
    } else {
        format!("{beside}/{}", audio.path())
    };
    let all = glob::glob(&pattern).map_err(|error| format!("`{}` is not a glob: {}", audio.path(), error.msg))?;
    let mut names = Vec::new();
    for path in all.filter_map(Result::ok).filter(|path| path.is_file()) {
        let called = path.strip_prefix(folder).unwrap_or(&path);
        match called.to_str() {
            Some(called) if name_of(called.as_ref()).starts_with('.') => {}
            Some(called) => names.push(called.to_owned()),
            None => return Err(format!("the name of `{}` is not UTF-8\nrename it", called.display())),
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(format!("no file matches `{}`\na path starts from the folder of its manifest", audio.path()));
    }
    Ok(names)
}

/// A file's name with its content; the file is remembered.
fn content(
    folder: &Path,
    called: &str,
    place: &(Origin, ObjectRef, String),
    files: &mut BTreeMap<PathBuf, File>,
) -> Result<String, String> {
    let path = folder.join(called);
    if !files.contains_key(&path) {
        let hash = pbx_audio::name_of(&bytes(&path).map_err(|why| {
            if why.contains('\n') { why } else { format!("{why}\na path starts from the folder of its manifest") }
        })?);
        files.insert(path.clone(), File { path: path.clone(), called: called.to_owned(), hash, places: Vec::new() });
    }
    let Some(file) = files.get_mut(&path) else { return Err(format!("`{called}` is lost")) };
    file.places.push(place.clone());
    let named = format!("{called}@{}", file.hash);
    named.parse::<Audio>().map(|_| named).map_err(|refused| refused.0)
}

/// Puts names where one stood: several only into a list.
fn put(fields: &mut Json, path: &str, mut named: Vec<String>) {
    let list = path.strip_suffix(']').and_then(|path| path.rsplit_once('['));
    if let Some((list, index)) = list
        && let (Some(Json::Array(items)), Ok(index)) = (at(fields, list), index.parse::<usize>())
        && index < items.len()
    {
        items.splice(index..=index, named.into_iter().map(Json::String));
    } else if let (Some(value), 1) = (at(fields, path), named.len()) {
        *value = Json::String(named.remove(0));
    }
}

/// A value by its path.
fn at<'v>(fields: &'v mut Json, path: &str) -> Option<&'v mut Json> {
    path.split('.').try_fold(fields, |value, step| {
        let (name, indices) = step.split_once('[').map_or((step, ""), |(name, rest)| (name, rest));
        let value = value.get_mut(name)?;
        let mut indices = indices.split('[').filter_map(|index| index.strip_suffix(']')?.parse::<usize>().ok());
        indices.try_fold(value, |value, index| value.get_mut(index))
    })
}

/// Names the content of what manifests name, for a command that acts on them, and brings pbxd what it has not got.
pub fn bring(app: &mut App, documents: &mut [Document]) -> Result<(), Failure> {
    let files = resolve(&app.sources, documents).map_err(unusable)?;
    upload(app, &files)
}

/// The same, where there is no pbxd: only names.
pub fn name(app: &App, documents: &mut [Document]) -> Result<(), Failure> {
    resolve(&app.sources, documents).map(|_| ()).map_err(unusable)
}

fn unusable(found: Vec<Diagnostic>) -> Failure {
    let message = show::plural(found.len(), "recording cannot be used", "recordings cannot be used");
    Failure::failed("audio", message).help("nothing was changed").with(found)
}

/// What is wrong with recordings that can be read: each is decoded, on as many cores as there are.
pub fn check(sources: &[Source], files: &[File]) -> Vec<Diagnostic> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some((at, file)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, files.get(at)?)))
        {
            let wrong = match bytes(&file.path) {
                Ok(bytes) => Recording::read(&bytes).err().map(|broken| file.broken(&broken)),
                Err(why) => Some(file.findings(&why, &[])),
            };
            if let Some(wrong) = wrong {
                told.lock().unwrap_or_else(PoisonError::into_inner).insert(at, wrong);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(files.len());
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    placed(sources, told.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().flatten().collect())
}

fn placed(sources: &[Source], found: Vec<(Origin, Diagnostic)>) -> Vec<Diagnostic> {
    let mut locator = Locator::new(sources);
    let place = |(origin, mut finding)| {
        locator.place(origin, &mut finding);
        finding
    };
    found.into_iter().map(place).collect()
}

/// Brings pbxd those that it has not got; what it cannot play is told with its places.
fn upload(app: &mut App, files: &[File]) -> Result<(), Failure> {
    let by_hash: HashMap<&str, &File> = files.iter().map(|file| (file.hash.as_str(), file)).collect();
    let mut hashes: Vec<String> = files.iter().map(|file| file.hash.clone()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.is_empty() {
        return Ok(());
    }
    let missing = app.ask(async |client| client.audio_missing(&AudioHashes { hashes }).await)?;
    // Whoever may only look is told in the plan what will be brought by who applies it.
    if !missing.may_upload {
        return Ok(());
    }
    let wanted: Vec<&File> = missing.hashes.iter().filter_map(|hash| by_hash.get(hash.as_str()).copied()).collect();
    let mut found = Vec::new();
    let bar = Bar::new(app, &wanted.iter().map(|file| file.path.as_path()).collect::<Vec<_>>());
    for file in wanted {
        let name = file.name();
        let sent = bytes(&file.path).map_err(|why| Failure::failed("audio", why))?;
        if pbx_audio::name_of(&sent) != file.hash {
            return Err(Failure::failed("audio", format!("`{}` is changed while it is read", file.path.display()))
                .help("run the command again when nobody writes it"));
        }
        match send(app, &bar, &file.hash, &name, sent) {
            Ok(_) => {}
            Err(failure) if failure.code == word(ErrorCode::Invalid) => {
                let message = failure.message.replacen(&format!("`{name}`"), &format!("`{}`", file.called), 1);
                found.extend(file.findings(&message, &failure.help));
            }
            Err(failure) => return Err(failure),
        }
    }
    drop(bar);
    if found.is_empty() { Ok(()) } else { Err(unusable(placed(&app.sources, found))) }
}

fn word(code: ErrorCode) -> &'static str {
    Failure::from(pbx_api::ErrorBody::new(code, "")).code
}

/// Brings one file.
pub fn send(app: &mut App, bar: &Bar, hash: &str, name: &str, bytes: Vec<u8>) -> Result<AudioView, Failure> {
    let size = bytes.len() as u64;
    let shown = bar.0.clone();
    let from = shown.as_ref().map_or(0, ProgressBar::position);
    if let Some(bar) = &shown {
        bar.set_message(name.to_owned());
    }
    let converting = format!("{name}, converting");
    let sent = move |gone: u64| {
        if let Some(bar) = &shown {
            bar.set_position(from + gone);
            if gone == size {
                bar.set_message(converting.clone());
            }
        }
    };
    app.ask(async |client| client.audio_upload(hash, name, bytes, sent).await)
}

/// Asks which of these pbxd has not got, for somebody who is going to bring them.
pub fn missing(app: &mut App, hashes: Vec<String>) -> Result<Vec<String>, Failure> {
    let missing = app.ask(async |client| client.audio_missing(&AudioHashes { hashes }).await)?;
    if missing.may_upload {
        return Ok(missing.hashes);
    }
    Err(Failure::new(
        Exit::NotAllowed,
        "notAllowed",
        "you may not bring recordings: it needs the permission plan:apply",
    )
    .help("an administrator adds users and groups under [access] in pbxd.toml, then: systemctl reload pbxd"))
}

/// How far files have come, on a terminal.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// For these files.
    pub fn new(app: &mut App, files: &[&Path]) -> Self {
        if files.is_empty() || !app.ui.progress {
            return Self(None);
        }
        app.ui.flush();
        let total = files.iter().filter_map(|path| fs_err::metadata(path).ok()).map(|about| about.len()).sum();
        let bar = ProgressBar::new(total);
        let style = ProgressStyle::with_template("{spinner} Uploading {bar:30} {bytes}/{total_bytes} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(folder: &Path, name: &str, text: &str) -> Result<Vec<Document>, Vec<Diagnostic>> {
        let name = folder.join(name).display().to_string();
        let sources = if Path::new(&name).extension().is_some_and(|ending| ending == "csv") {
            [Source::rows(name, text, pbx_manifest::Table::default())]
        } else {
            [Source::new(name, text)]
        };
        let mut parsed = pbx_manifest::parse(&sources);
        assert!(parsed.diagnostics.iter().all(|found| !found.is_error()), "{:?}", parsed.diagnostics);
        resolve(&sources, &mut parsed.documents).map(|_| parsed.documents)
    }

    #[test]
    fn a_secret_in_the_open_is_still_known_beside_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("hello.mp3"), "one").unwrap();
        let text = "apiVersion: pbx/v1\nkind: Mailbox\nmetadata: { name: office }\nspec: { pin: \"4711\", greeting: hello.mp3 }\n";
        let documents = resolved(folder.path(), "a.yaml", text).unwrap();
        assert_eq!(documents[0].spec.secrets(), [("pin".to_owned(), &Secret::Literal("4711".into()))]);
        assert_eq!(documents[0].spec.audio()[0].1.content(), Some(pbx_audio::name_of(b"one").as_str()));
        assert!(!documents[0].fields.to_string().contains("4711"), "{}", documents[0].fields);
    }

    #[test]
    fn files_are_named_by_their_content_and_globs_become_files() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("jazz")).unwrap();
        for (name, text) in [("b.mp3", "one"), ("a.mp3", "two"), (".hidden.mp3", "three"), ("notes.txt", "four")] {
            fs_err::write(folder.path().join("jazz").join(name), text).unwrap();
        }
        let (one, two) = (pbx_audio::name_of(b"one"), pbx_audio::name_of(b"two"));
        let known = "intro.mp3@00112233445566778899aabbccddeeff";
        let text = format!(
            "apiVersion: pbx/v1\nkind: HoldMusic\nmetadata: {{ name: jazz }}\nspec: {{ files: [{known}, jazz/*.mp3, jazz/b.mp3] }}\n"
        );
        let documents = resolved(folder.path(), "a.yaml", &text).unwrap();
        let files = serde_json::json!([
            known,
            format!("jazz/a.mp3@{two}"),
            format!("jazz/b.mp3@{one}"),
            format!("jazz/b.mp3@{one}")
        ]);
        assert_eq!(documents[0].fields["files"], files);
        let typed: Vec<String> = documents[0].spec.audio().iter().map(|(_, audio)| audio.to_string()).collect();
        assert_eq!(serde_json::json!(typed), files);
        let rows = "kind,name,files\nHoldMusic,jazz,jazz/*.mp3\n";
        let documents = resolved(folder.path(), "a.csv", rows).unwrap();
        assert_eq!(
            documents[0].fields["files"],
            serde_json::json!([format!("jazz/a.mp3@{two}"), format!("jazz/b.mp3@{one}")])
        );
        let text = "apiVersion: pbx/v1\nkind: Soundboard\nmetadata: { name: fun }\nspec: { clips: { clap: { file: jazz/b.mp3 } } }\n";
        let documents = resolved(folder.path(), "b.yaml", text).unwrap();
        assert_eq!(documents[0].fields["clips"]["clap"]["file"], format!("jazz/b.mp3@{one}"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("jazz")).unwrap();
        let told = |name: &str, text: &str| {
            let found = resolved(folder.path(), name, text).unwrap_err();
            let at = found[0].position.clone().unwrap();
            (at.line, at.column, found[0].message.replace(&format!("{}/", folder.path().display()), ""))
        };
        let text = "apiVersion: pbx/v1\nkind: Announcement\nmetadata: { name: hi }\nspec:\n  file: hi.mp3\n";
        assert_eq!(told("a.yaml", text), (5, 9, "there is no file `hi.mp3`".into()));
        assert_eq!(told("a.yaml", &text.replace("hi.mp3", "jazz")), (5, 9, "`jazz` is a folder".into()));
        let text = "kind,name,files\nHoldMusic,jazz,jazz/*.mp3\n";
        assert_eq!(told("a.csv", text), (2, 3, "no file matches `jazz/*.mp3`".into()));
    }
}
