//! `confbridge.conf`: rooms, and who is who in them.
//!
//! A conference `8000` has the bridge `pbx-8000`, its callers the profile `pbx-8000` and its admins `pbx-8000-admin`. Who is which is
//! for the dialplan to say, which asks for the PIN: a profile that had one would ask again.

use pbx_manifest::kinds::Conference;
use pbx_manifest::{Catalog, Kind, Name, ObjectRef};

use super::file::ConfigFile;
use super::{sound, yes_no};

/// What keys do in a conference, for callers and for admins.
const MENUS: [(&str, &[(&str, &str)]); 2] = [
    (
        "pbx-menu",
        &[
            ("1", "toggle_mute"),
            ("4", "decrease_listening_volume"),
            ("6", "increase_listening_volume"),
            ("7", "decrease_talking_volume"),
            ("8", "leave_conference"),
            ("9", "increase_talking_volume"),
            ("*", "playback_and_continue(conf-usermenu)"),
        ],
    ),
    (
        "pbx-menu-admin",
        &[
            ("1", "toggle_mute"),
            ("2", "admin_toggle_conference_lock"),
            ("3", "admin_kick_last"),
            ("4", "decrease_listening_volume"),
            ("5", "admin_toggle_mute_participants"),
            ("6", "increase_listening_volume"),
            ("7", "decrease_talking_volume"),
            ("8", "leave_conference"),
            ("9", "increase_talking_volume"),
            ("*", "playback_and_continue(conf-adminmenu)"),
        ],
    ),
];

pub(super) fn render(catalog: &Catalog) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("confbridge.conf"));
    let mut rooms = catalog.conferences.iter().filter(|(_, object)| object.spec.enabled).peekable();
    if rooms.peek().is_none() {
        return file;
    }
    for (menu, keys) in MENUS {
        file.section(menu, "");
        file.set("type", "menu");
        for (key, action) in keys {
            file.set(key, action);
        }
    }
    for (name, object) in rooms {
        room(&mut file, catalog, name, &object.spec);
    }
    file
}

fn room(file: &mut ConfigFile, catalog: &Catalog, name: &Name, room: &Conference) {
    file.mark(Some(ObjectRef::new(Kind::Conference, name.clone())));
    file.section(&format!("pbx-{name}"), "");
    file.set("type", "bridge");
    file.set("max_members", room.max_members.unwrap_or(0));
    file.set("record_conference", yes_no(room.record));
    if room.record {
        // Behind its name comes the time at which it began.
        file.set("record_file", format_args!("pbx/conference-{name}.wav"));
        file.set("record_file_timestamp", "yes");
    }
    if let Some(language) = &catalog.settings().language {
        file.set("language", language);
    }
    let music = sound::music_or_default(catalog, room.hold_music.as_ref());
    let mut profile = |ending: &str, admin: bool| {
        file.section(&format!("pbx-{name}{ending}"), "");
        file.set("type", "user");
        file.set("admin", yes_no(admin));
        file.set("marked", yes_no(admin));
        file.set("wait_marked", yes_no(room.wait_for_admin && !admin));
        file.set("quiet", yes_no(!room.announce_joins));
        file.set("music_on_hold_when_empty", "yes");
        file.set("music_on_hold_class", music);
        file.set("dsp_drop_silence", "yes");
    };
    profile("", false);
    if room.admin_pin.is_some() {
        profile("-admin", true);
    }
}
