//! Manifests as the tests need them: `{ip}` and `{etc}` in them become the system's address and folder.

/// The settings of every test: transports at the system's own address. More fields of `spec` may follow, as `, language: en`.
pub fn settings(more: &str) -> String {
    format!(
        "apiVersion: pbx/v1\nkind: Settings\nmetadata: {{ name: pbx }}\nspec: {{ timeZone: Europe/Lisbon, \
         transports: {{ udp: {{ bind: \"{{ip}}:5060\" }}, tcp: {{ bind: \"{{ip}}:5060\" }} }}{more} }}\n"
    )
}

/// An extension with the password `secret-NUMBER`. More fields of `spec` may follow.
pub fn extension(number: &str, more: &str) -> String {
    format!(
        "---\nkind: Extension\nmetadata: {{ name: \"{number}\" }}\nspec: {{ password: secret-{number}, qualify: 0s{more} }}\n"
    )
}

/// A carrier that is known by its address. More fields of `spec` may follow.
pub fn carrier(name: &str, host: impl std::fmt::Display, more: &str) -> String {
    format!(
        "---\nkind: Carrier\nmetadata: {{ name: {name} }}\nspec: {{ hosts: [\"{host}:5060\"], codecs: [ulaw], qualify: 0s{more} }}\n"
    )
}

/// A number that is called from outside, with the fields of its `spec`.
pub fn did(number: &str, spec: &str) -> String {
    manifest("Did", number, spec)
}

/// An object of any kind, with the fields of its `spec`.
pub fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("---\nkind: {kind}\nmetadata: {{ name: \"{name}\" }}\nspec: {{ {spec} }}\n")
}
