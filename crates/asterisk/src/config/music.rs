//! `musiconhold.conf`: what callers hear while they wait.

use pbx_manifest::kinds::Order;
use pbx_manifest::{Catalog, Kind, ObjectRef};

use super::file::ConfigFile;
use super::{Place, sound};

/// The program that plays streams. Asterisk runs it by its whole path, and takes 255 letters of that and what it is told.
pub(crate) const FFMPEG: &str = "/usr/bin/ffmpeg";

pub(super) fn render(catalog: &Catalog, place: &Place) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("musiconhold.conf"));
    for (name, object) in catalog.music.iter().filter(|(_, object)| object.spec.enabled) {
        let music = &object.spec;
        file.mark(Some(ObjectRef::new(Kind::HoldMusic, name.clone())));
        file.section(name.as_str(), "");
        if let Some(stream) = &music.stream {
            file.set("mode", "custom");
            // A stream that does not answer would be asked for ten times a second. Only of a `directory` that is an address Asterisk
            // lets 20 s pass before it runs the program again; what it appends of it is an option for no output, which is passed over.
            file.set("directory", "http://again");
            file.set("application", format_args!("{FFMPEG} -v 8 -i {stream} -ac 1 -ar 16000 -f s16le - -f"));
            file.set("format", "slin16");
            continue;
        }
        file.set("mode", "playlist");
        if music.order == Order::Random {
            file.set("sort", "random");
        }
        for audio in &music.files {
            file.set("entry", sound::audio(place, audio));
        }
    }
    file
}
