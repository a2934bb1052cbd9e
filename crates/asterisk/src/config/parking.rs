//! `res_parking.conf`: where calls are parked.
//!
//! What is dialled for a lot and its slots is in the dialplan. Asterisk makes such extensions by itself, and where two lots meet in one
//! context it takes them away from all lots and gives none of them back: each lot has a context that nobody comes to.

use pbx_manifest::{Catalog, Kind, Name, ObjectRef};

use super::file::ConfigFile;
use super::{dialplan, sound};

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
        file.set("parkpos", lot.slots);
        // Nobody dials it: the code during a call parks by way of an extension that does, which Asterisk makes in the lot's own context.
        file.set("parkext", "park");
        // By this the states of its slots are known: `park:701@CONTEXT`.
        file.set("context", dialplan::parked_context(name));
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
