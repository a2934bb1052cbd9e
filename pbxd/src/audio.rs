//! The recordings: what comes in is converted once, what is named must be there, what is played stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pbx_api::{AudioList, AudioMissing, AudioView, ErrorBody, ErrorCode};
use pbx_asterisk::deploy::{AudioFolder, FilesError};
use pbx_audio::{DIGITS, Recording};
use pbx_manifest::{Action, Diagnostic, ObjectRef};
use pbx_store::RevisionId;

use crate::live::Live;
use crate::plan::Planned;
use crate::surroundings;
use crate::system::System;

/// Whether it can be a recording's name.
fn is_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A hash that came in a path; what is none would be a name of a file.
pub(crate) fn hash(text: &str) -> Result<&str, ErrorBody> {
    if is_hash(text) {
        return Ok(text);
    }
    Err(ErrorBody::new(ErrorCode::BadRequest, format!("`{}` names no recording", text.escape_debug()))
        .help(format!("the first {DIGITS} hex digits of the SHA-256 of its file; `pbxctl audio list` shows them")))
}

fn files(error: &FilesError) -> ErrorBody {
    ErrorBody::new(ErrorCode::Files, error.to_string())
        .help("`pbxctl doctor` says who may write in Asterisk's configuration folder")
}

fn internal(error: &impl std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string()).help("pbxd's log has more: journalctl -u pbxd")
}

fn not_found(hash: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("there is no recording {hash}"))
        .help("`pbxctl audio list` shows those there are")
}

/// Which of these are not there.
pub(crate) fn missing(system: &System, hashes: Vec<String>, may_upload: bool) -> Result<AudioMissing, ErrorBody> {
    let folder = system.audio();
    hashes.iter().try_for_each(|text| hash(text).map(|_| ()))?;
    Ok(AudioMissing { hashes: hashes.into_iter().filter(|hash| !folder.has(hash)).collect(), may_upload })
}

/// Takes a file in under the name of its content: converts it, unless it is there. Blocks for as long as that takes.
pub(crate) fn take_in(folder: &AudioFolder, name: &str, by: &str, bytes: &[u8]) -> Result<(), ErrorBody> {
    let hash = pbx_audio::name_of(bytes);
    if folder.has(&hash) {
        return Ok(());
    }
    let recording = Recording::read(bytes).map_err(|broken| {
        ErrorBody::new(ErrorCode::Invalid, format!("`{name}` cannot be played: {broken}")).help(broken.help())
    })?;
    let about = recording.about();
    let view = AudioView {
        hash: hash.clone(),
        name: name.to_owned(),
        format: about.format.to_owned(),
        rate: about.rate,
        channels: about.channels,
        seconds: (about.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        size: bytes.len() as u64,
        loudness: about.loudness.map(tenths),
        gain: tenths(about.gain),
        at: surroundings::now(),
        by: by.to_owned(),
        used_by: Vec::new(),
        kept_for: None,
    };
    let said = serde_json::to_vec(&view).map_err(|error| internal(&error))?;
    folder.keep(&hash, &recording.narrow(), &recording.wide(), &said).map_err(|error| files(&error))
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn read(folder: &AudioFolder, hash: &str) -> Result<AudioView, ErrorBody> {
    if !folder.has(hash) {
        return Err(not_found(hash));
    }
    let said = folder.about(hash).map_err(|error| files(&error))?;
    serde_json::from_slice(&said).map_err(|error| internal(&format!("{hash}.json: {error}")))
}

/// One recording, and what plays it now.
pub(crate) fn one(system: &System, hash: &str) -> Result<AudioView, ErrorBody> {
    let mut view = read(&system.audio(), hash)?;
    view.used_by = used(&system.live()).remove(hash).unwrap_or_default();
    Ok(view)
}

/// All recordings, by name, with what plays them.
pub(crate) async fn list(system: &System) -> Result<AudioList, ErrorBody> {
    let folder = system.audio();
    let hashes = folder.list().map_err(|error| files(&error))?;
    let mut used = used(&system.live());
    let kept = kept(system).await?;
    let mut audio = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let mut view = read(&folder, &hash)?;
        view.used_by = used.remove(&hash).unwrap_or_default();
        view.kept_for = kept.get(&hash).copied().filter(|_| view.used_by.is_empty());
        audio.push(view);
    }
    audio.sort_by(|a, b| (&a.name, &a.hash).cmp(&(&b.name, &b.hash)));
    Ok(AudioList { audio })
}

/// Takes a recording away, unless something plays it or can be gone back to and does. Nothing is applied meanwhile.
pub(crate) async fn delete(system: &Arc<System>, hash: &str, actor: &str) -> Result<AudioView, ErrorBody> {
    let lock = system.lock_within(actor, std::time::Duration::ZERO).await?;
    let deleted = async {
        let mut view = one(system, hash)?;
        view.kept_for = kept(system).await?.get(hash).copied();
        let refuse = |why: String, help: &str| Err(ErrorBody::new(ErrorCode::Conflict, why).help(help));
        if let [first, rest @ ..] = view.used_by.as_slice() {
            let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            return refuse(format!("`{}` is played by {first}{others}", view.name), "change what plays it first");
        }
        if let Some(revision) = view.kept_for {
            return refuse(
                format!("revision {revision}, which can be gone back to, plays `{}`", view.name),
                "`keep_revisions` and `keep_days` in pbxd.toml say how long revisions are kept",
            );
        }
        system.audio().remove(hash).map_err(|error| files(&error))?;
        Ok(view)
    };
    let ended = deleted.await;
    lock.end();
    ended
}

/// What plays each recording in the live revision.
fn used(live: &Live) -> BTreeMap<String, Vec<ObjectRef>> {
    let mut used: BTreeMap<String, Vec<ObjectRef>> = BTreeMap::new();
    for (object, _, audio) in live.catalog.audio() {
        let Some(hash) = audio.content() else { continue };
        let objects = used.entry(hash.to_owned()).or_default();
        if objects.last() != Some(&object) {
            objects.push(object);
        }
    }
    used
}

/// The recordings that revisions name whose folders are kept, each with the newest of them.
async fn kept(system: &System) -> Result<HashMap<String, u64>, ErrorBody> {
    let mut kept = HashMap::new();
    let mut seen = HashSet::new();
    for id in system.revisions().list().map_err(|error| files(&error))?.into_iter().rev() {
        let Some(revision) = i64::try_from(id).ok().and_then(|id| RevisionId::try_from(id).ok()) else { continue };
        // One that never came true cannot be gone back to.
        let Ok(rows) = system.store.objects_at(revision).await else { continue };
        for row in rows {
            if row.body.contains('@') && seen.insert((row.kind, row.name, row.revision)) {
                for hash in
                    row.body.split('@').skip(1).filter_map(|rest| rest.get(..DIGITS)).filter(|rest| is_hash(rest))
                {
                    kept.entry(hash.to_owned()).or_insert(id);
                }
            }
        }
    }
    Ok(kept)
}

/// What a plan names and is not there. Of what the plan does not touch, it is a warning: it must not keep anybody from changing
/// something else.
pub(crate) fn absent(system: &System, planned: &Planned) -> Vec<Diagnostic> {
    let folder = system.audio();
    let mut known = HashMap::new();
    let mut found = Vec::new();
    for (object, path, audio) in planned.catalog.audio() {
        let (message, help) = match audio.content() {
            Some(hash) if *known.entry(hash.to_owned()).or_insert_with(|| folder.has(hash)) => continue,
            Some(_) => (
                format!("the recording `{audio}` is not there"),
                format!("bring the file: `pbxctl audio upload {}`; it must be the same one", audio.path()),
            ),
            None => (
                format!("the content of `{audio}` is not named"),
                "`pbxctl audio upload FILE` brings a file, and says how to name it; `pbxctl apply -f` does both"
                    .to_owned(),
            ),
        };
        let touched =
            planned.view.changes.iter().any(|change| change.object == object && change.action != Action::Delete);
        let diagnostic =
            if touched { Diagnostic::error("audio", message) } else { Diagnostic::warning("audio", message) };
        found.push(diagnostic.at(object, format!("spec.{path}")).help(help));
    }
    found
}

/// The same for whoever cannot do anything about it: as warnings.
pub(crate) fn only_told(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for diagnostic in &mut found {
        diagnostic.severity = pbx_manifest::Severity::Warning;
    }
    found
}

/// Refuses a plan that names what is not there.
pub(crate) fn refuse_absent(system: &System, planned: &Planned) -> Result<Vec<Diagnostic>, ErrorBody> {
    let found = absent(system, planned);
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) = found.into_iter().partition(Diagnostic::is_error);
    if errors.is_empty() {
        return Ok(warnings);
    }
    let message = match errors.len() {
        1 => "a recording is not there".to_owned(),
        many => format!("{many} recordings are not there"),
    };
    Err(ErrorBody { diagnostics: errors, ..ErrorBody::new(ErrorCode::Invalid, message) }
        .help("nothing was changed; bring them with `pbxctl audio upload`, and try again"))
}
