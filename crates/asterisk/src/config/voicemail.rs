//! `voicemail.conf`: the boxes of extensions, in a context of their own.

use pbx_manifest::{Catalog, Kind, ObjectRef};

use super::Secrets;
use super::file::ConfigFile;

/// The voicemail context of every box.
pub(super) const CONTEXT: &str = "pbx";

pub(super) fn render(catalog: &Catalog, secrets: &Secrets) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("voicemail.conf"));
    for (name, object) in &catalog.extensions {
        let Some(phone) = catalog.phone(name).filter(|phone| phone.voicemail && object.spec.enabled) else { continue };
        // Without a box there is no section: a system without voicemail needs no module for it.
        if file.sections().is_empty() {
            file.section(CONTEXT, "");
        }
        file.mark(Some(ObjectRef::new(Kind::Extension, name.clone())));
        let text = |value: Option<String>| value.unwrap_or_default();
        let options = [
            // Asterisk would write a PIN that its owner changes into this very file.
            "passwordlocation=spooldir".to_owned(),
            format!("attach={}", if phone.voicemail_attach { "yes" } else { "no" }),
            format!("delete={}", if phone.voicemail_delete { "yes" } else { "no" }),
        ];
        file.line_with_secret(
            &format!("{name} => "),
            secrets.get(Kind::Extension, name, "voicemail.pin"),
            &format!(
                ",{},{},,{}",
                text(phone.display_name.map(ToString::to_string)),
                text(object.spec.email.as_ref().map(ToString::to_string)),
                options.join("|")
            ),
        );
    }
    file
}
