//! `voicemail.conf`: the boxes of extensions and those that many share, in a context of their own.

use std::collections::BTreeSet;

use pbx_manifest::{Catalog, Destination, Duration, Email, Kind, ObjectRef, TimeZone};

use super::file::ConfigFile;
use super::{Secrets, yes_no};

/// The voicemail context of every box.
pub(super) const CONTEXT: &str = "pbx";

/// How many messages a box holds where nothing is said.
const MESSAGES: u32 = 100;

/// What a time is said as: the day as one would say it, and the hour of 24.
const SAID: &str = "'vm-received' Q 'digits/at' R";

/// A box, whoever's it is.
struct Mailbox<'c> {
    object: ObjectRef,
    /// The field of its PIN.
    pin: &'static str,
    full_name: String,
    email: Option<&'c Email>,
    attach: bool,
    delete: bool,
    zone: &'c TimeZone,
    max_messages: Option<u32>,
    max_length: Option<Duration>,
    operator: Option<&'c Destination>,
}

/// The name of a zone in Asterisk's list, apart from those of the main file.
fn zone_name(zone: &TimeZone) -> String {
    format!("pbx-{zone}")
}

pub(super) fn render(catalog: &Catalog, secrets: &Secrets) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("voicemail.conf"));
    let settings = catalog.settings();
    let own = catalog.extensions.iter().filter_map(|(name, object)| {
        let phone = catalog.phone(name).filter(|phone| phone.voicemail && object.spec.enabled)?;
        let own = &object.spec.voicemail;
        Some(Mailbox {
            object: ObjectRef::new(Kind::Extension, name.clone()),
            pin: "voicemail.pin",
            full_name: phone.display_name.map(ToString::to_string).unwrap_or_default(),
            email: object.spec.email.as_ref(),
            attach: phone.voicemail_attach,
            delete: phone.voicemail_delete,
            zone: own.time_zone.as_ref().unwrap_or(&settings.time_zone),
            max_messages: own.max_messages,
            max_length: own.max_length,
            operator: own.operator.as_ref(),
        })
    });
    let shared = catalog.mailboxes.iter().filter(|(_, object)| object.spec.enabled).map(|(name, object)| {
        let own = &object.spec;
        Mailbox {
            object: ObjectRef::new(Kind::Mailbox, name.clone()),
            pin: "pin",
            full_name: own.display_name.as_ref().map_or_else(|| name.to_string(), ToString::to_string),
            email: own.email.as_ref(),
            attach: own.attach,
            delete: own.delete_after_mail,
            zone: own.time_zone.as_ref().unwrap_or(&settings.time_zone),
            max_messages: own.max_messages,
            max_length: own.max_length,
            operator: own.operator.as_ref(),
        }
    });
    let boxes: Vec<Mailbox<'_>> = own.chain(shared).collect();
    // Without a box there is no section: a system without voicemail needs no module for it.
    if boxes.is_empty() {
        return file;
    }
    // Names and texts are in it. Asterisk takes what it mails for ISO-8859-1 otherwise, and an accent arrives as two other letters.
    file.section("general", "(+)");
    file.set("charset", "UTF-8");
    // Asterisk reads zones of the first section of that name alone, which is the main file's: this adds to it.
    file.section("zonemessages", "(+)");
    for zone in boxes.iter().map(|one| one.zone).collect::<BTreeSet<_>>() {
        file.set(&zone_name(zone), format_args!("{zone}|{SAID}"));
    }
    file.section(CONTEXT, "");
    for one in boxes {
        line(&mut file, one, secrets);
    }
    file
}

fn line(file: &mut ConfigFile, one: Mailbox<'_>, secrets: &Secrets) {
    let mut options = vec![
        // Asterisk would write a PIN that its owner changes into this very file.
        "passwordlocation=spooldir".to_owned(),
        format!("attach={}", yes_no(one.attach)),
        format!("delete={}", yes_no(one.delete)),
        format!("tz={}", zone_name(one.zone)),
        format!("maxmsg={}", one.max_messages.unwrap_or(MESSAGES)),
        format!("operator={}", yes_no(one.operator.is_some())),
    ];
    // A directory leads to whom one can call, which a shared box is not.
    options.extend((one.object.kind == Kind::Mailbox).then(|| "hidefromdir=yes".to_owned()));
    options.extend(one.max_length.map(|length| format!("maxsecs={}", length.seconds())));
    let name = one.object.name.clone();
    let pin = secrets.get(one.object.kind, &name, one.pin);
    let email = one.email.map(ToString::to_string).unwrap_or_default();
    file.mark(Some(one.object));
    file.line_with_secret(&format!("{name} => "), pin, &format!(",{},{email},,{}", one.full_name, options.join("|")));
}
