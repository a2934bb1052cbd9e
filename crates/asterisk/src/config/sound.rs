//! What is played, as Asterisk is told of it.

use pbx_manifest::{Audio, Catalog, Name, Prompt};

use super::Place;

/// Asterisk's own class of music, which is played wherever none is named.
const DEFAULT_MUSIC: &str = "default";

/// A file of audio, without its ending: Asterisk picks the one that fits the call.
pub(super) fn audio(place: &Place, audio: &Audio) -> String {
    // One that was not uploaded is shown before an apply, and never applied.
    format!("{}/pbx.d/audio/{}", place.directory, audio.content().unwrap_or("not-uploaded"))
}

/// A prompt; nothing where its announcement is turned off.
pub(super) fn prompt(catalog: &Catalog, place: &Place, prompt: &Prompt) -> Option<String> {
    match prompt {
        Prompt::Sound(name) => Some(name.to_string()),
        Prompt::Announcement(name) => {
            let object = catalog.announcements.get(name).filter(|object| object.spec.enabled)?;
            Some(audio(place, &object.spec.file))
        }
    }
}

/// The class of music that is played for one that manifests name, where that is turned on.
pub(super) fn music<'c>(catalog: &Catalog, named: Option<&'c Name>) -> Option<&'c str> {
    let on = |name: &&Name| catalog.music.get(*name).is_some_and(|object| object.spec.enabled);
    named.filter(on).map(Name::as_str)
}

/// The same, where a class must be named.
pub(super) fn music_or_default<'c>(catalog: &Catalog, named: Option<&'c Name>) -> &'c str {
    music(catalog, named).unwrap_or(DEFAULT_MUSIC)
}
