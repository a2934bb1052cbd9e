//! `res_parking.conf`: where calls are parked.
//!
//! Asterisk makes the extensions of a lot and the hints of its slots by itself, in a context of the lot's own: two lots can never meet
//! there, for which it would refuse all of them.

use pbx_manifest::{Catalog, Kind, Name, ObjectRef};

use super::file::ConfigFile;
use super::sound;

/// The context in which a lot's number and its slots can be dialled, with the slots' hints.
pub(super) fn context(name: &Name) -> String {
    format!("pbx-parked-{name}")
}

/// The context to which calls come back that nobody has taken, where they go to a place of their own.
pub(super) fn comeback(name: &Name) -> String {
    format!("pbx-comeback-{name}")
}

pub(super) fn render(catalog: &Catalog) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("res_parking.conf"));
    for (name, object) in catalog.parking.iter().filter(|(_, object)| object.spec.enabled) {
        let lot = &object.spec;
        file.mark(Some(ObjectRef::new(Kind::ParkingLot, name.clone())));
        file.section(name.as_str(), "");
        file.set("parkext", &lot.number);
        // Otherwise the number would park in the channel's own lot.
        file.set("parkext_exclusive", "yes");
        file.set("parkpos", lot.slots);
        file.set("context", context(name));
        file.set("parkinghints", "yes");
        file.set("parkingtime", lot.timeout.seconds());
        let back = lot.comeback.is_some();
        file.set("comebacktoorigin", if back { "no" } else { "yes" });
        if back {
            file.set("comebackcontext", comeback(name));
        }
        file.set("parkedmusicclass", sound::music_or_default(catalog, lot.hold_music.as_ref()));
    }
    file
}
