//! What comes in.

use jiff::Timestamp;
use pbx_manifest::{CallFrom, Catalog, Name, TestCall};

/// Where a call comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// From outside: the digits that were called, without a `+`, and the carrier; nothing for the DID's own.
    Outside {
        /// The digits.
        number: String,
        /// The carrier.
        carrier: Option<Name>,
    },
    /// A telephone of the house dials.
    Telephone {
        /// The extension.
        extension: Name,
        /// What it dials.
        number: String,
    },
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where it comes in.
    pub entry: Entry,
    /// The caller's number without its `+`; nothing for an anonymous one.
    pub caller: Option<String>,
    /// When it comes.
    pub at: Option<Timestamp>,
}

impl Call {
    /// The call that somebody describes. A number that calls is an extension's where there is one, unless a DID is called. `at` holds
    /// where the description does not say when.
    pub fn new(catalog: &Catalog, call: &TestCall, at: Option<Timestamp>) -> Self {
        let dialled = call.to.as_str();
        let digits = dialled.strip_prefix('+').unwrap_or(dialled);
        let is_did = || catalog.dids.contains_key(dialled) || catalog.dids.contains_key(format!("+{digits}").as_str());
        let extension = match &call.from {
            Some(CallFrom::Extension(name)) => Some(name.clone()),
            Some(CallFrom::Number(number)) if call.carrier.is_none() && !is_did() => {
                catalog.extensions.get_key_value(number.as_str()).map(|(name, _)| name.clone())
            }
            _ => None,
        };
        let caller = match (&extension, &call.from) {
            (Some(extension), _) => Some(extension.to_string()),
            (None, Some(CallFrom::Number(number))) => Some(number.digits().to_owned()),
            _ => None,
        };
        let entry = match extension {
            Some(extension) => Entry::Telephone { extension, number: dialled.to_owned() },
            None => Entry::Outside { number: digits.to_owned(), carrier: call.carrier.clone() },
        };
        let zone = &catalog.settings().time_zone;
        Self { entry, caller, at: call.at.map_or(at, |own| own.instant(zone)) }
    }
}
