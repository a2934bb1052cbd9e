//! The configuration that an instance starts with: our small one, or Debian's with the addresses changed.

use crate::instance::Ports;
use crate::root::AsteriskRoot;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::Path;

/// Modules that no PBX of ours uses. Some would bind a port on all addresses, where two instances collide; the others
/// complain about a missing configuration or take time to load.
const NOLOAD: &[&str] = &[
    "app_adsiprog",
    "app_alarmreceiver",
    "app_amd",
    "app_festival",
    "app_followme",
    "app_getcpeid",
    "app_minivm",
    "app_morsecode",
    "app_sms",
    "app_test",
    "app_voicemail_imap",
    "app_voicemail_odbc",
    "app_zapateller",
    "cdr_adaptive_odbc",
    "cdr_custom",
    "cdr_manager",
    "cdr_odbc",
    "cdr_pgsql",
    "cdr_radius",
    "cdr_sqlite3_custom",
    "cdr_syslog",
    "cdr_tds",
    "cel_custom",
    "cel_odbc",
    "cel_pgsql",
    "cel_radius",
    "cel_sqlite3_custom",
    "cel_tds",
    "chan_console",
    "chan_dahdi",
    "chan_iax2",
    "chan_mgcp",
    "chan_mobile",
    "chan_motif",
    "chan_ooh323",
    "chan_oss",
    "chan_unistim",
    "func_odbc",
    "pbx_ael",
    "pbx_dundi",
    "pbx_lua",
    "res_adsi",
    "res_aeap",
    "res_calendar",
    "res_calendar_caldav",
    "res_calendar_ews",
    "res_calendar_exchange",
    "res_calendar_icalendar",
    "res_chan_stats",
    "res_config_ldap",
    "res_config_odbc",
    "res_config_pgsql",
    "res_config_sqlite3",
    "res_corosync",
    "res_endpoint_stats",
    "res_fax_spandsp",
    "res_geolocation",
    "res_hep",
    "res_hep_pjsip",
    "res_hep_rtcp",
    "res_odbc",
    "res_odbc_transaction",
    "res_phoneprov",
    "res_pjsip_geolocation",
    "res_pjsip_phoneprov_provider",
    "res_pjsip_stir_shaken",
    "res_pktccops",
    "res_smdi",
    "res_snmp",
    "res_speech_aeap",
    "res_statsd",
    "res_stir_shaken",
    "res_stun_monitor",
    "res_xmpp",
];

/// What the small configuration depends on.
pub(crate) struct Setup<'a> {
    pub(crate) ip: Ipv4Addr,
    pub(crate) dir: &'a Path,
    pub(crate) root: &'a AsteriskRoot,
    pub(crate) secret: &'a str,
    pub(crate) rtp: &'a RangeInclusive<u16>,
}

/// `asterisk.conf`: the only file that names folders.
pub(crate) fn asterisk_conf(setup: &Setup<'_>) -> String {
    let dir = setup.dir.display();
    format!(
        "[directories]\n\
         astcachedir => {dir}/cache\n\
         astetcdir => {dir}/etc\n\
         astmoddir => {modules}\n\
         astvarlibdir => {dir}/lib\n\
         astdbdir => {dir}/lib\n\
         astkeydir => {dir}/lib\n\
         astdatadir => {data}\n\
         astagidir => {dir}/lib/agi-bin\n\
         astspooldir => {dir}/spool\n\
         astrundir => {dir}/run\n\
         astlogdir => {dir}/log\n\
         astsbindir => {root}/usr/sbin\n\
         \n\
         [options]\n\
         documentation_language = en_US\n\
         defaultlanguage = en\n",
        modules = setup.root.modules().display(),
        data = setup.root.data().display(),
        root = setup.root.dir().display(),
    )
}

/// `modules.conf`: everything but what is of no use here.
fn modules_conf() -> String {
    NOLOAD.iter().fold("[modules]\nautoload = yes\n".to_owned(), |mut text, module| {
        let _ = writeln!(text, "noload = {module}.so");
        text
    })
}

/// Our small configuration: file name to contents. Transports, phones and a dialplan are the business of whoever uses
/// the instance.
pub(crate) fn small(setup: &Setup<'_>) -> BTreeMap<String, String> {
    let Setup { ip, dir, secret, rtp, .. } = setup;
    let Ports { ami, http, https, .. } = Ports::FIXED;
    let dir = dir.display();
    let mut files = BTreeMap::new();
    let mut file = |name: &str, text: String| files.insert(name.to_owned(), text);
    file("asterisk.conf", asterisk_conf(setup));
    file("modules.conf", modules_conf());
    file(
        "manager.conf",
        format!(
            "[general]\nenabled = yes\nbindaddr = {ip}\nport = {ami}\nwebenabled = no\n\n\
             [pbxd]\nsecret = {secret}\nread = all\nwrite = all\nwritetimeout = 5000\n"
        ),
    );
    file(
        "http.conf",
        format!(
            "[general]\nenabled = yes\nbindaddr = {ip}\nbindport = {http}\n\
             tlsenable = yes\ntlsbindaddr = {ip}:{https}\n\
             tlscertfile = {dir}/etc/keys/lab.crt\ntlsprivatekey = {dir}/etc/keys/lab.key\n"
        ),
    );
    file(
        "ari.conf",
        format!("[general]\nenabled = yes\n\n[pbxd]\ntype = user\npassword = {secret}\npassword_format = plain\n"),
    );
    file(
        "logger.conf",
        "[general]\ndateformat = %F %T.%3q\n\n[logfiles]\nmessages.log => notice,warning,error,verbose(3)\n".to_owned(),
    );
    file("rtp.conf", format!("[general]\nrtpstart = {}\nrtpend = {}\n", rtp.start(), rtp.end()));
    file("extensions.conf", "[general]\nstatic = yes\nwriteprotect = yes\n".to_owned());
    file("voicemail.conf", "[general]\nformat = wav\nminsecs = 1\n\n[zonemessages]\n".to_owned());
    file("indications.conf", indications());
    file(
        "cdr.conf",
        "[general]\nenable = yes\n\n[csv]\nusegmtime = yes\nloguniqueid = yes\nloguserfield = yes\n".to_owned(),
    );
    file("prometheus.conf", "[general]\nenabled = no\n".to_owned());
    file("musiconhold.conf", format!("[default]\nmode = files\ndirectory = {dir}/lib/moh\n"));
    file("queues.conf", "[general]\n".to_owned());
    // Present and empty: their modules then load without a complaint.
    for name in [
        "acl.conf",
        "agents.conf",
        "ccss.conf",
        "chan_websocket.conf",
        "cli_aliases.conf",
        "cel.conf",
        "cli.conf",
        "codecs.conf",
        "confbridge.conf",
        "features.conf",
        "pjproject.conf",
        "pjsip.conf",
        "pjsip_notify.conf",
        "pjsip_wizard.conf",
        "queuerules.conf",
        "res_fax.conf",
        "res_http_media_cache.conf",
        "res_parking.conf",
        "sorcery.conf",
        "stasis.conf",
        "udptl.conf",
        "websocket_client.conf",
    ] {
        file(name, String::new());
    }
    files
}

/// Without tones for a country, `Playtones(busy)` and the ringing of an application are silent.
fn indications() -> String {
    "[general]\ncountry = us\n\n[us]\ndescription = United States\nringcadence = 2000,4000\ndial = 350+440\n\
     busy = 480+620/500,0/500\nring = 440+480/2000,0/4000\ncongestion = 480+620/250,0/250\n\
     callwaiting = 440/300,0/10000\ndialrecall = !350+440/100,!0/100,!350+440/100,!0/100,350+440\n\
     record = 1400/500,0/15000\ninfo = !950/330,!1400/330,!1800/330,0\n\
     stutter = !350+440/100,!0/100,!350+440/100,!0/100,!350+440/100,!0/100,350+440\n"
        .to_owned()
}

/// The edits that let Debian's stock configuration run beside others: folders, addresses and modules that bind ports
/// on all addresses. Nothing else differs: `manager.conf` has no user, `http.conf` is off.
pub(crate) fn stock(setup: &Setup<'_>, mut read: impl FnMut(&str) -> String) -> BTreeMap<String, String> {
    let ip = setup.ip.to_string();
    let mut edited = BTreeMap::new();
    edited.insert("asterisk.conf".to_owned(), asterisk_conf(setup));
    for name in ["manager.conf", "http.conf"] {
        edited.insert(name.to_owned(), set_key(&read(name), "general", "bindaddr", &ip));
    }
    let rtp = set_key(&read("rtp.conf"), "general", "rtpstart", &setup.rtp.start().to_string());
    edited.insert("rtp.conf".to_owned(), set_key(&rtp, "general", "rtpend", &setup.rtp.end().to_string()));
    let noload = NOLOAD.iter().fold(String::new(), |mut text, module| {
        let _ = writeln!(text, "noload => {module}.so");
        text
    });
    edited.insert(
        "modules.conf".to_owned(),
        read("modules.conf").replacen("[global]", &format!("{noload}\n[global]"), 1),
    );
    edited
}

/// Sets one key of one section of an Asterisk configuration file, and leaves every other byte as it is.
///
/// The first line of the section that sets the key is replaced; otherwise a line is added right after the header, and
/// the section at the end of the file when there is none.
pub fn set_key(text: &str, section: &str, key: &str, value: &str) -> String {
    let header = format!("[{section}]");
    let line = format!("{key} = {value}");
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|line| line.trim_start().starts_with(&header)) else {
        return format!("{}\n{header}\n{line}\n", text.trim_end());
    };
    let end = lines[start + 1..].iter().position(|line| line.starts_with('[')).map_or(lines.len(), |n| start + 1 + n);
    let sets = |line: &&str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    match lines[start..end].iter().position(sets) {
        Some(n) => lines[start + n] = &line,
        None => lines.insert(start + 1, &line),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_changes_and_nothing_else() {
        let text = "; a\n[general]\nport = 1\n;bindaddr = x\n[other]\nbindaddr = y\n";
        assert_eq!(
            set_key(text, "general", "bindaddr", "127.10.0.1"),
            "; a\n[general]\nbindaddr = 127.10.0.1\nport = 1\n;bindaddr = x\n[other]\nbindaddr = y\n"
        );
        assert_eq!(
            set_key(text, "other", "bindaddr", "z"),
            "; a\n[general]\nport = 1\n;bindaddr = x\n[other]\nbindaddr = z\n"
        );
        assert_eq!(set_key("[a]\n", "b", "k", "v"), "[a]\n[b]\nk = v\n");
    }
}
