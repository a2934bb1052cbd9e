//! What `res_pjsip` has loaded. These need `system` (registrations `system` or `reporting`).

use std::time::Duration;

use crate::ami::{
    error::AmiError,
    message::{Message, view},
};

use super::{Action, Reply, Request};

/// 10,000 endpoints take 0.5 s; a busy machine may need a lot more.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// Every endpoint.
#[derive(Debug, Clone, Copy)]
pub struct PJSIPShowEndpoints;

view! {
    /// One endpoint of [`PJSIPShowEndpoints`].
    EndpointItem {
        name: String = text("ObjectName"),
        transport: Option<String> = optional("Transport"),
        /// Names, separated by commas.
        aors: Option<String> = optional("Aor"),
        /// Names, separated by commas.
        auths: Option<String> = optional("Auths"),
        /// Names, separated by commas.
        outbound_auths: Option<String> = optional("OutboundAuths"),
        /// `aor/uri,` for each.
        contacts: Option<String> = optional("Contacts"),
        /// `Not in use`, `Unavailable`, ...
        device_state: String = text("DeviceState"),
        /// Channels, separated by commas; `0` when measured without any.
        active_channels: String = text("ActiveChannels"),
    }
}

impl Action for PJSIPShowEndpoints {
    type Answer = Vec<EndpointItem>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowEndpoints").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // pjsip_configuration.c:2046
        Ok(reply.list(&["No endpoints found"])?.iter().map(EndpointItem::read).collect())
    }
}

/// One endpoint with everything that belongs to it, passwords included. `None` if there is none of this name.
#[derive(Debug, Clone)]
pub struct PJSIPShowEndpoint(pub String);

/// The answer to [`PJSIPShowEndpoint`]: one message for each object, options under their names in CamelCase
/// (`DtlsAutoGenerateCert` for `dtls_auto_generate_cert`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointDetail {
    /// `EndpointDetail`, `AuthDetail`, `AorDetail`, `ContactStatusDetail`, `TransportDetail`, `IdentifyDetail`.
    pub objects: Vec<Message>,
}

impl EndpointDetail {
    /// The objects that came as this event.
    pub fn of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Message> + 'a {
        self.objects.iter().filter(move |m| m.is("Event", event))
    }

    /// The endpoint's own options.
    pub fn endpoint(&self) -> Option<&Message> {
        self.of("EndpointDetail").next()
    }
}

impl Action for PJSIPShowEndpoint {
    type Answer = Option<EndpointDetail>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowEndpoint").header("Endpoint", &self.0)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // Measured: `Unable to retrieve endpoint 9`.
        if !reply.succeeded() && reply.message().starts_with("Unable to retrieve endpoint") {
            return Ok(None);
        }
        Ok(Some(EndpointDetail { objects: reply.list(&[])? }))
    }
}

/// Every contact that has been qualified or registered.
#[derive(Debug, Clone, Copy)]
pub struct PJSIPShowContacts;

view! {
    /// One contact of [`PJSIPShowContacts`].
    ContactItem {
        /// `aor;@hash` for a registration, `aor@@hash` for one from the configuration.
        name: String = text("ObjectName"),
        uri: String = text("Uri"),
        endpoint: Option<String> = optional("Endpoint"),
        /// `Reachable`, `Unreachable`, `NonQualified`, `Unknown`, ...
        status: String = text("Status"),
        /// Microseconds, or `N/A`.
        roundtrip_usec: Option<u64> = number("RoundtripUsec"),
        user_agent: Option<String> = optional("UserAgent"),
        /// Seconds since 1970.
        expires: Option<u64> = number("RegExpire"),
        via_address: Option<String> = optional("ViaAddr"),
    }
}

impl ContactItem {
    /// The address of record that it is of. Asterisk 22 names it only within the contact's own name: read off a running one.
    pub fn aor(&self) -> &str {
        self.name.split(";@").next().and_then(|name| name.split("@@").next()).unwrap_or(&self.name)
    }
}

impl Action for PJSIPShowContacts {
    type Answer = Vec<ContactItem>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowContacts").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // pjsip_options.c:2468
        Ok(reply.list(&["No Contacts found"])?.iter().map(ContactItem::read).collect())
    }
}

/// Every address of record.
#[derive(Debug, Clone, Copy)]
pub struct PJSIPShowAors;

view! {
    /// One address of record of [`PJSIPShowAors`].
    AorItem {
        name: String = text("ObjectName"),
        max_contacts: Option<u32> = number("MaxContacts"),
        /// `aor/uri`, separated by commas.
        contacts: Option<String> = optional("Contacts"),
        mailboxes: Option<String> = optional("Mailboxes"),
        /// Seconds; 0 is never.
        qualify_frequency: Option<u32> = number("QualifyFrequency"),
        default_expiration: Option<u32> = number("DefaultExpiration"),
        minimum_expiration: Option<u32> = number("MinimumExpiration"),
        maximum_expiration: Option<u32> = number("MaximumExpiration"),
        remove_existing: Option<bool> = flag("RemoveExisting"),
        remove_unavailable: Option<bool> = flag("RemoveUnavailable"),
    }
}

impl Action for PJSIPShowAors {
    type Answer = Vec<AorItem>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowAors").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // res_pjsip/location.c:1281
        Ok(reply.list(&["No AORs found"])?.iter().map(AorItem::read).collect())
    }
}

/// Every registration with a carrier.
#[derive(Debug, Clone, Copy)]
pub struct PJSIPShowRegistrationsOutbound;

view! {
    /// One registration of [`PJSIPShowRegistrationsOutbound`].
    RegistrationItem {
        name: String = text("ObjectName"),
        server_uri: String = text("ServerUri"),
        client_uri: String = text("ClientUri"),
        /// `Registered`, `Unregistered`, `Rejected`, ...
        status: String = text("Status"),
        /// Seconds until the next attempt.
        next: Option<u64> = number("NextReg"),
        outbound_auth: Option<String> = optional("OutboundAuth"),
        transport: Option<String> = optional("Transport"),
        endpoint: Option<String> = optional("Endpoint"),
        /// Seconds.
        retry_interval: Option<u32> = number("RetryInterval"),
        /// Seconds.
        expiration: Option<u32> = number("Expiration"),
    }
}

impl Action for PJSIPShowRegistrationsOutbound {
    type Answer = Vec<RegistrationItem>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowRegistrationsOutbound").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        Ok(reply.list_of("OutboundRegistrationDetail")?.iter().map(RegistrationItem::read).collect())
    }
}

/// Every registration at others with all its options, under their names in CamelCase.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationDetails;

impl Action for RegistrationDetails {
    type Answer = Vec<Message>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowRegistrationsOutbound").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        reply.list_of("OutboundRegistrationDetail")
    }
}

/// Every account, passwords included, with all its options, under their names in CamelCase.
#[derive(Debug, Clone, Copy)]
pub struct PJSIPShowAuths;

impl Action for PJSIPShowAuths {
    type Answer = Vec<Message>;

    fn request(&self) -> Request {
        Request::new("PJSIPShowAuths").within(LIST_LIMIT)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // Measured.
        reply.list(&["No Auths found"])
    }
}
