//! How queues call their members.

use pbx_manifest::kinds::Phone;

/// What a queue dials for a member. A telephone is dialled as it is; of several at one extension, all ring, by a call of their own.
pub(crate) fn interface(phone: &Phone<'_>) -> String {
    if phone.max_contacts == 1 { state(phone) } else { format!("Local/{}@pbx-agent/n", phone.name) }
}

/// What tells a queue whether a member is on the telephone.
pub(crate) fn state(phone: &Phone<'_>) -> String {
    format!("PJSIP/{}", phone.name)
}
