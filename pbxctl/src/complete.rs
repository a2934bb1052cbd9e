//! Completion of what exists right now: kinds, and the names of live objects.
//!
//! A shell waits for this at every press of a key: pbxd has a moment to answer, and silence is an answer too.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;
use pbx_api::{Client, ClientError};
use pbx_manifest::Kind;

use crate::cli::{Global, When};

/// The environment variable by which a shell's script asks for candidates.
const VARIABLE: &str = "COMPLETE";

/// The script that makes a shell complete `pbxctl`.
pub fn script(shell: &str) -> Option<String> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    shells.completer(shell)?.write_registration(VARIABLE, "pbxctl", "pbxctl", "pbxctl", &mut script).ok()?;
    String::from_utf8(script).ok()
}

/// Kinds, and after a kind the names of its objects.
pub fn nouns(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    if let Some((word, _)) = current.split_once('/') {
        let Some(kind) = Kind::find(word) else { return Vec::new() };
        return matching(names(kind).into_iter().map(|name| format!("{word}/{name}")), current);
    }
    let typed: Vec<String> = typed();
    match typed.iter().find_map(|word| Kind::find(word)) {
        Some(kind) => matching(names(kind).into_iter(), current),
        None => Kind::ALL
            .iter()
            .filter(|kind| kind.plural().starts_with(current))
            .map(|kind| CompletionCandidate::new(kind.plural()).help(Some(kind.about().into())))
            .chain(matching(Kind::ALL.iter().map(|kind| format!("{}/", kind.singular())), current))
            .collect(),
    }
}

/// The numbers of extensions.
pub fn extensions(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    matching(names(Kind::Extension).into_iter(), current)
}

/// The names of schedules.
pub fn schedules(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    matching(names(Kind::Schedule).into_iter(), current)
}

/// The names of block filters.
pub fn filters(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    matching(names(Kind::BlockFilter).into_iter(), current)
}

/// Kinds.
pub fn kinds(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let kinds = Kind::ALL.iter().filter(|kind| kind.singular().starts_with(current));
    kinds.map(|kind| CompletionCandidate::new(kind.singular()).help(Some(kind.about().into()))).collect()
}

/// The names of recordings.
pub fn recordings(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let asked = ask(async |client| client.audio().await);
    let names = asked.into_iter().flat_map(|list| list.audio).map(|view| view.name);
    let mut names: Vec<String> = names.collect();
    names.dedup();
    matching(names.into_iter(), current)
}

/// Kinds, and below a kind its fields.
pub fn fields(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let Some((kind, path)) = current.split_once('.') else { return kinds(OsStr::new(current)) };
    let Some(found) = Kind::find(kind) else { return Vec::new() };
    let above = path.rsplit_once('.').map_or("", |(above, _)| above);
    let Ok(explanation) = pbx_manifest::explain(found, above) else { return Vec::new() };
    let prefix = if above.is_empty() { format!("{kind}.") } else { format!("{kind}.{above}.") };
    let fields = explanation.fields.into_iter().map(|field| (format!("{prefix}{}", field.name), field.about));
    fields
        .filter(|(word, _)| word.starts_with(current))
        .map(|(word, about)| CompletionCandidate::new(word).help(Some(about.into())))
        .collect()
}

fn matching(words: impl Iterator<Item = String>, current: &str) -> Vec<CompletionCandidate> {
    words.filter(|word| word.starts_with(current)).map(CompletionCandidate::new).collect()
}

/// The words after the verb that are no options: the shell hands over the whole line behind `--`.
fn typed() -> Vec<String> {
    let line: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(2).collect();
    let done = line.len().saturating_sub(1);
    line.into_iter().take(done).skip(1).filter(|word| !word.starts_with('-')).collect()
}

/// The socket that the line names, or the usual one.
fn socket() -> PathBuf {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(2).collect();
    let named = words.windows(2).find(|pair| pair[0] == "--socket").map(|pair| pair[1].clone());
    let named = named.or_else(|| words.iter().find_map(|word| Some(word.strip_prefix("--socket=")?.to_owned())));
    let global = Global { socket: named.map(PathBuf::from), color: When::Never, no_progress: true, no_pager: true };
    global.socket()
}

fn names(kind: Kind) -> Vec<String> {
    let mut names = Vec::new();
    let each = |view: pbx_api::ObjectView| names.push(view.object.name.to_string());
    match ask(async |client| client.each_object(Some(kind), &[], &[], each).await) {
        Some(()) => names,
        None => Vec::new(),
    }
}

/// What pbxd says to a question, if it says it at once.
fn ask<T, F: Future<Output = Result<T, ClientError>>>(question: impl FnOnce(Client) -> F) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = question(Client::new(socket()));
    runtime.block_on(async { tokio::time::timeout(Duration::from_millis(500), answer).await }).ok()?.ok()
}
