//! `rtp.conf`: the ports of speech, and how browsers find a way through address translation.

use pbx_manifest::{Catalog, Kind, ObjectRef};

use super::Secrets;
use super::file::ConfigFile;

pub(super) fn render(catalog: &Catalog, secrets: &Secrets) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("rtp.conf"));
    let Some((name, settings)) = catalog.settings.iter().next() else { return file };
    let (rtp, ice) = (&settings.spec.rtp, &settings.spec.ice);
    if rtp.first_port.is_none() && ice.stun.is_empty() && ice.turn.is_empty() {
        return file;
    }
    file.mark(Some(ObjectRef::new(Kind::Settings, name.clone())));
    // Asterisk reads options of the first `[general]` alone, which is the main file's: this adds to it.
    file.section("general", "(+)");
    if let (Some(first), Some(last)) = (rtp.first_port, rtp.last_port) {
        file.set("rtpstart", first);
        file.set("rtpend", last);
    }
    if let Some(stun) = ice.stun.first() {
        file.set("stunaddr", stun);
    }
    if let Some(turn) = ice.turn.first() {
        file.set("turnaddr", &turn.server);
        file.set("turnusername", &turn.username);
        file.secret("turnpassword", secrets.get(Kind::Settings, name, "ice.turn[0].password"));
    }
    file
}
