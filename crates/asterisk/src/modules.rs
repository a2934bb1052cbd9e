//! The modules of Asterisk that the generated configuration is made of.
//!
//! Asterisk reads a dialplan that calls a function it has not without a word, and the call fails when it comes. So what is needed is
//! asked for before.

use futures_util::future::try_join_all;

use crate::ami::action::ModuleCheck;
use crate::ami::{AmiError, Client};
use crate::config::ConfigTree;

/// A module, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// Its file, as `chan_pjsip.so`.
    pub name: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
    /// The applications and functions of the dialplan that it has, as far as they are used.
    pub has: &'static [&'static str],
}

const fn module(name: &'static str, purpose: &'static str, has: &'static [&'static str]) -> Module {
    Module { name, purpose, has }
}

/// Without one of these, calls fail in every system.
pub const NEEDED: [Module; 33] = [
    module("res_pjsip.so", "SIP", &[]),
    module("chan_pjsip.so", "SIP calls", &[]),
    module("res_pjsip_registrar.so", "registering telephones", &[]),
    module("res_pjsip_session.so", "SIP calls", &[]),
    module("res_pjsip_sdp_rtp.so", "speech", &[]),
    module("res_pjsip_nat.so", "telephones behind a router", &[]),
    module("res_pjsip_caller_id.so", "caller ids", &[]),
    module("res_pjsip_endpoint_identifier_user.so", "recognising telephones", &[]),
    module("res_pjsip_endpoint_identifier_ip.so", "recognising carriers", &[]),
    module("res_pjsip_authenticator_digest.so", "passwords", &[]),
    module("res_pjsip_outbound_authenticator_digest.so", "carriers' passwords", &[]),
    module("res_pjsip_header_funcs.so", "what a call says of itself", &["PJSIP_HEADER"]),
    module("res_rtp_asterisk.so", "speech", &[]),
    module("pbx_config.so", "the dialplan", &[]),
    module("app_dial.so", "calling", &["Dial"]),
    module("app_stack.so", "the dialplan's subroutines", &["Gosub", "GosubIf", "Return", "LOCAL"]),
    module("app_exec.so", "the dialplan's conditions", &["ExecIf"]),
    module("app_mixmonitor.so", "recording", &["MixMonitor"]),
    module("app_echo.so", "the echo test", &["Echo"]),
    module("func_callerid.so", "caller ids", &["CALLERID"]),
    module("func_channel.so", "the dialplan's conditions", &["CHANNEL"]),
    module("func_cut.so", "parts of what was dialled", &["CUT"]),
    module("func_devstate.so", "whether a telephone is free", &["DEVICE_STATE"]),
    module("func_dialplan.so", "finding extensions", &["DIALPLAN_EXISTS"]),
    module("func_global.so", "the dialplan's memory", &["GLOBAL"]),
    module("func_groupcount.so", "limits of carriers' channels", &["GROUP", "GROUP_COUNT"]),
    module("func_hangupcause.so", "why a call was refused", &["HANGUPCAUSE", "HANGUPCAUSE_KEYS", "HangupCauseClear"]),
    module("func_logic.so", "the dialplan's conditions", &["IF", "IFTIME"]),
    module("func_pjsip_aor.so", "calling telephones", &["PJSIP_AOR"]),
    module("func_pjsip_contact.so", "calling telephones", &["PJSIP_CONTACT"]),
    module("func_strings.so", "the dialplan's conditions", &["FILTER", "LEN", "REGEX", "SHIFT", "STRFTIME"]),
    module("res_pjsip_dtmf_info.so", "keys that telephones send as messages", &[]),
    module("res_pjsip_refer.so", "transfers", &[]),
];

/// Modules for what only some systems have: the file, and the words in it that ask for one.
pub const OPTIONAL: [(&str, &str, Module); 13] = [
    (
        "pjsip.conf",
        "\ntype = registration",
        module("res_pjsip_outbound_registration.so", "registering with carriers", &[]),
    ),
    ("pjsip.conf", "\nwebrtc = yes", module("res_srtp.so", "encrypted speech", &[])),
    ("pjsip.conf", "\nwebrtc = yes", module("res_pjsip_transport_websocket.so", "telephones in browsers", &[])),
    ("pjsip.conf", "\nwebrtc = yes", module("res_http_websocket.so", "telephones in browsers", &[])),
    ("pjsip.conf", "\nmedia_encryption = sdes", module("res_srtp.so", "encrypted speech", &[])),
    ("pjsip.conf", "\nsubscribe_context = ", module("res_pjsip_exten_state.so", "lamps of other telephones", &[])),
    ("pjsip.conf", "\nmailboxes = ", module("app_voicemail.so", "voicemail", &["VoiceMail", "VoiceMailMain"])),
    ("pjsip.conf", "\nmailboxes = ", module("res_pjsip_mwi.so", "the lamp for new messages", &[])),
    ("voicemail.conf", "\n[pbx]", module("app_voicemail.so", "voicemail", &["VoiceMail", "VoiceMailMain"])),
    ("musiconhold.conf", "\nmode = ", module("res_musiconhold.so", "music on hold", &[])),
    ("confbridge.conf", "\ntype = ", module("app_confbridge.so", "conferences", &["ConfBridge"])),
    (
        "queues.conf",
        "\nstrategy = ",
        module(
            "app_queue.so",
            "queues",
            &["Queue", "AddQueueMember", "RemoveQueueMember", "PauseQueueMember", "UnpauseQueueMember", "QUEUE_MEMBER"],
        ),
    ),
    ("res_parking.conf", "\nparkpos = ", module("res_parking.so", "parking", &["Park", "ParkedCall"])),
];

/// Modules of applications and functions that only some dialplans call.
pub const CALLED: [Module; 7] = [
    module("app_directory.so", "finding extensions by name", &["Directory"]),
    module("app_directed_pickup.so", "taking each other's calls", &["Pickup", "PickupChan"]),
    module("app_playback.so", "announcements", &["Playback"]),
    module("app_read.so", "keys that callers press", &["Read"]),
    module("func_db.so", "what holds between two applies", &["DB", "DB_DELETE"]),
    module("func_md5.so", "the PINs of conferences", &["MD5"]),
    module("func_math.so", "the dialplan's conditions", &["MATH"]),
];

/// Whether a dialplan calls an application or a function: where it first does.
fn calls(dialplan: &str, word: &str) -> Option<usize> {
    let wanted = format!("{word}(");
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    dialplan.match_indices(&wanted).map(|(at, _)| at).find(|at| !dialplan[..*at].ends_with(letter))
}

/// What files need besides [`NEEDED`], each with the file and the line (from 1) that first asks for it. `text` gives a file's text.
pub fn optional<'t>(text: impl Fn(&str) -> &'t str) -> Vec<(Module, &'static str, usize)> {
    let mut found: Vec<(Module, &'static str, usize)> = Vec::new();
    let line = |text: &str, at: usize| text[..at].matches('\n').count() + 1;
    for (name, words, module) in OPTIONAL {
        if found.iter().any(|(there, ..)| there.name == module.name) {
            continue;
        }
        let text = text(name);
        if let Some(at) = text.find(words) {
            // The words begin behind the end of a line, or within one.
            let at = at + usize::from(words.starts_with('\n'));
            found.push((module, name, line(text, at)));
        }
    }
    let dialplan = text("extensions.conf");
    for module in CALLED {
        if let Some(at) = module.has.iter().filter_map(|word| calls(dialplan, word)).min() {
            found.push((module, "extensions.conf", line(dialplan, at)));
        }
    }
    found
}

/// What a tree needs and Asterisk has not loaded; with the file and the line that asks for it, where only some systems need it.
pub(crate) async fn missing(
    client: &Client,
    tree: &ConfigTree,
) -> Result<Vec<(Module, Option<(&'static str, usize)>)>, AmiError> {
    let optional = optional(|name| tree.file(name).map_or("", |file| file.text()));
    let optional = optional.into_iter().map(|(module, name, line)| (module, Some((name, line))));
    let needed = NEEDED.into_iter().map(|module| (module, None)).chain(optional);
    let asked = needed.map(async |(module, asked)| {
        match client.call(&ModuleCheck(module.name.to_owned())).await {
            Ok(loaded) => Ok((!loaded.0).then_some((module, asked))),
            // A manager user that may not ask.
            Err(AmiError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_ask_for_their_modules_once_and_say_where() {
        let text = "[a]\ntype = endpoint\nwebrtc = yes\nmedia_encryption = sdes\n[b]\ntype = registration\n";
        let of = |text: &'static str| optional(move |name| if name == "pjsip.conf" { text } else { "" });
        let names: Vec<(&str, usize)> = of(text).iter().map(|(module, _, line)| (module.name, *line)).collect();
        assert_eq!(
            names,
            [
                ("res_pjsip_outbound_registration.so", 6),
                ("res_srtp.so", 3),
                ("res_pjsip_transport_websocket.so", 3),
                ("res_http_websocket.so", 3)
            ]
        );
        assert_eq!(of("[a]\ntype = endpoint\n"), []);
    }
}
