//! Configuration that is shown: without its secrets.

use std::collections::HashSet;

use crate::config::MASK;

/// The values in a line that nobody else should see, as byte ranges of it.
fn secret(file: &str, line: &str) -> Option<std::ops::Range<usize>> {
    let (key, _) = line.split_once('=')?;
    let mut start = key.len() + 1;
    if line[start..].starts_with('>') {
        start += 1;
    }
    start += line[start..].len() - line[start..].trim_start().len();
    let value = line[start..].trim_end();
    let key = key.trim().trim_start_matches(';').trim().to_ascii_lowercase();
    let named = ["secret", "password", "passwd", "pwd", "md5_cred", "token"];
    if named.iter().any(|word| key.contains(word)) {
        return (!value.is_empty()).then(|| start..start + value.len());
    }
    // A voicemail box: `1001 => PIN,Name,...`
    if file.ends_with("voicemail.conf") && line.contains("=>") && !key.is_empty() {
        let pin = value.split(',').next().unwrap_or_default();
        return (!pin.is_empty()).then(|| start..start + pin.len());
    }
    // A store's URL: `postgres://user:password@host/database`
    let (_, rest) = value.split_once("://")?;
    let (account, _) = rest.split_once('@')?;
    let (user, password) = account.split_once(':')?;
    let from = start + (value.len() - rest.len()) + user.len() + 1;
    Some(from..from + password.len())
}

/// Two versions of a file with their secrets masked: equal lines stay equal, and a secret that changed is seen to change.
pub fn masked(file: &str, before: &str, after: &str) -> (String, String) {
    let values: HashSet<&str> =
        before.lines().filter_map(|line| secret(file, line).map(|range| &line[range])).collect();
    let side = |text: &str, old: bool| {
        let mut out = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let body = line.trim_end_matches('\n');
            match secret(file, body) {
                Some(range) => {
                    out.push_str(&body[..range.start]);
                    out.push_str(MASK);
                    if !old && !before.is_empty() && !values.contains(&body[range.clone()]) {
                        out.push_str(" (new)");
                    }
                    out.push_str(&body[range.end..]);
                    out.push_str(&line[body.len()..]);
                }
                None => out.push_str(line),
            }
        }
        out
    };
    (side(before, true), side(after, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_and_changes_do() {
        let before = "[a]\nsecret = old\nport = 1\n;password=x\n";
        let after = "[a]\nsecret = new\nport = 2\n;password=x\n";
        let (old, new) = masked("manager.conf", before, after);
        assert_eq!(old, "[a]\nsecret = ********\nport = 1\n;password=********\n");
        assert_eq!(new, "[a]\nsecret = ******** (new)\nport = 2\n;password=********\n");
    }

    #[test]
    fn boxes_and_addresses_of_stores_have_secrets_too() {
        let shown = |file: &str, text: &str| masked(file, "", text).1;
        assert_eq!(shown("voicemail.conf", "1234 => 4242,Ana,a@b\n"), "1234 => ********,Ana,a@b\n");
        assert_eq!(shown("extensions.conf", "exten => s,1,Dial(x)\n"), "exten => s,1,Dial(x)\n");
        assert_eq!(shown("pbxd.toml", "store = \"postgres://u:p@h/d\"\n"), "store = \"postgres://u:********@h/d\"\n");
        assert_eq!(shown("pbxd.toml", "store = \"sqlite:///a@b\"\n"), "store = \"sqlite:///a@b\"\n");
        assert_eq!(shown("rtp.conf", "turnpassword=x"), "turnpassword=********");
        assert_eq!(shown("a.conf", "auth_type = userpass\n"), "auth_type = userpass\n");
    }
}
