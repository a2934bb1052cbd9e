//! One AMI message: ordered headers over the bytes as they came.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use bytes::Bytes;

/// Where one header stands in its message's bytes. A `key_start` of [`OUTPUT_KEY`] is a line of an old-style
/// `Response: Follows`, which has no key on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) key_start: u32,
    pub(super) key_end: u32,
    pub(super) value_start: u32,
    pub(super) value_end: u32,
}

/// Marks a span whose key is `Output` without being written.
pub(super) const OUTPUT_KEY: u32 = u32::MAX;

impl Span {
    pub(super) fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        if self.key_start == OUTPUT_KEY { b"Output" } else { &bytes[self.key_start as usize..self.key_end as usize] }
    }

    pub(super) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.value_start as usize..self.value_end as usize]
    }
}

/// A response or an event: ordered pairs, keys compared without regard to case, values decoded when they are read.
///
/// Cloning is cheap: the bytes and the index are shared. A message shares the read buffer it came in, so whoever keeps one
/// for long should keep what it says (a typed view) instead.
///
/// A line without `: ` (as `GetConfig` writes for "No categories found") is a header with an empty key.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    spans: Arc<[Span]>,
}

impl Message {
    pub(super) fn new(bytes: Bytes, spans: &[Span]) -> Self {
        Self { bytes, spans: Arc::from(spans) }
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Never true for a decoded message: empty ones are ignored by the codec.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many bytes the message had on the wire.
    pub fn wire_len(&self) -> usize {
        self.bytes.len()
    }

    /// The raw value of the first header with this key.
    pub fn get_bytes(&self, key: &str) -> Option<&[u8]> {
        let span = self.spans.iter().find(|s| s.key(&self.bytes).eq_ignore_ascii_case(key.as_bytes()))?;
        Some(span.value(&self.bytes))
    }

    /// The value of the first header with this key; bytes that are not UTF-8 become U+FFFD.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get_bytes(key).map(String::from_utf8_lossy)
    }

    /// Every value of a repeated key (`Output`, `Variable`, `ChanVariable`), in order.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> + 'a {
        self.spans
            .iter()
            .filter(move |s| s.key(&self.bytes).eq_ignore_ascii_case(key.as_bytes()))
            .map(|s| String::from_utf8_lossy(s.value(&self.bytes)))
    }

    /// Every header in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.raw().map(|(k, v)| (String::from_utf8_lossy(k), String::from_utf8_lossy(v)))
    }

    /// Every header in order, as bytes.
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|s| (s.key(&self.bytes), s.value(&self.bytes)))
    }

    /// True if the header is there and has this value, without regard to case.
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get_bytes(key).is_some_and(|v| v.eq_ignore_ascii_case(value.as_bytes()))
    }

    /// `Response:` (`Success`, `Error`, `Goodbye`, `Follows`), if the message is an answer: its first header says so.
    pub fn response(&self) -> Option<Cow<'_, str>> {
        self.leading("Response")
    }

    /// `Event:`, the event's name, if the message is an event: its first header says so.
    pub fn event(&self) -> Option<Cow<'_, str>> {
        self.leading("Event")
    }

    fn leading(&self, key: &str) -> Option<Cow<'_, str>> {
        let first = self.spans.first()?;
        first
            .key(&self.bytes)
            .eq_ignore_ascii_case(key.as_bytes())
            .then(|| String::from_utf8_lossy(first.value(&self.bytes)))
    }

    /// `ActionID:`, wherever it stands: some list items have it last.
    pub fn action_id(&self) -> Option<Cow<'_, str>> {
        self.get("ActionID")
    }

    /// The value as text; a missing header is the empty text, as Asterisk itself treats it.
    pub fn text(&self, key: &str) -> String {
        self.get(key).map(Cow::into_owned).unwrap_or_default()
    }

    /// The value as text, or `None` if the header is missing or empty.
    pub fn optional(&self, key: &str) -> Option<String> {
        self.get(key).filter(|v| !v.is_empty()).map(Cow::into_owned)
    }

    /// The value of a header that Asterisk C-escapes, see [`unescape`].
    pub fn escaped(&self, key: &str) -> String {
        self.get(key).map(|v| unescape(&v).into_owned()).unwrap_or_default()
    }

    /// The value parsed, or `None` if it is missing or something else.
    pub fn number<T: FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.trim().parse().ok()
    }

    /// `Yes`/`No`, `True`/`False`, `1`/`0` or `on`/`off`; `None` for anything else.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.trim().to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => Some(true),
            "no" | "false" | "0" | "off" => Some(false),
            _ => None,
        }
    }
}

/// Equal when the same headers stand in the same order.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.raw().eq(other.raw())
    }
}

impl Eq for Message {}

/// Headers in order, without the values that are secrets: `PJSIPShowEndpoint` answers with plain-text passwords, and
/// command output can hold anything, so only its number of lines is shown.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        let mut output = 0_usize;
        for (key, value) in self.iter() {
            if key.eq_ignore_ascii_case("Output") {
                output += 1;
            } else {
                map.entry(&key, &redacted(&key, &value));
            }
        }
        if output > 0 {
            map.entry(&"Output", &format_args!("{output} lines"));
        }
        map.finish()
    }
}

/// The value, or a placeholder if the key (or, in `GetConfig` lines, the option before `=`) names a secret.
pub(super) fn redacted<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret(key) {
        return Cow::Borrowed("[hidden]");
    }
    match value.split_once('=') {
        Some((option, _)) if is_secret(option) => Cow::Owned(format!("{option}=[hidden]")),
        _ => Cow::Borrowed(value),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name == "key" || ["secret", "password", "passphrase", "md5", "token", "pin"].iter().any(|s| name.contains(s))
}

/// Undoes `ast_escape_c` (main/utils.c:2111): `\a \b \f \n \r \t \v \\ \' \" \?`.
///
/// Asterisk escapes `CallerIDName`, `ConnectedLineName` and `ChanVariable` of channel snapshots
/// (main/manager_channels.c:557,606), `Value` of `VarSet` (main/stasis_channels.c:1244) and presence texts, and nothing
/// else: the same name is raw in `OriginateResponse`, `Cdr` and `CEL`. An unknown or unfinished escape is kept as it is.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\x0b'),
            Some(same @ ('\\' | '\'' | '"' | '?')) => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    Cow::Owned(out)
}

/// Declares a struct that is read from the headers of a message: `field: Type = reader("Header")`, where the reader is one
/// of [`Message`]'s (`text`, `optional`, `escaped`, `number`, `flag`).
macro_rules! view {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $reader:ident($key:literal)),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = concat!("`", $key, "`.")]
                $(#[$doc])*
                pub $field: $type,
            )*
        }

        impl $name {
            /// Reads the view; headers that are missing are empty or `None`.
            pub fn read(message: &$crate::ami::Message) -> Self {
                Self { $($field: message.$reader($key)),* }
            }
        }
    };
}
pub(super) use view;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_name_as_asterisk_escapes_it() {
        // Measured: the name O'Br "q" \ ?x arrives like this in Newchannel.
        assert_eq!(unescape(r#"O\'Br \"q\" \\ \?x é"#), r#"O'Br "q" \ ?x é"#);
        assert_eq!(unescape(r"a\nb\qc\"), "a\nb\\qc\\");
        assert!(matches!(unescape("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn debug_hides_secrets() {
        let wire = b"Event: AuthDetail\r\nObjectName: 1001\r\nPassword: topsecret\r\nMd5Cred: cafe\r\n\
            Line-000000-000001: secret=topsecret\r\nOutput: password topsecret\r\n\r\n";
        let message = Message::parse(wire).unwrap();
        let shown = format!("{message:?}");
        assert!(!shown.contains("topsecret") && !shown.contains("cafe"), "{shown}");
        assert!(shown.contains("1001") && shown.contains("1 lines"), "{shown}");
        assert_eq!(message.get("password").as_deref(), Some("topsecret"));
    }
}
