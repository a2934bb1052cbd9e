//! Plans of those who may not apply them: what such a plan must not tell.

use pbx_api::{ErrorBody, ErrorCode, PlanRequest};
use pbx_manifest::{Diagnostic, ObjectRef};

use crate::live::Live;

/// Takes secrets that are there already out of a request: told that one changes, or that it does not, somebody could guess until they
/// have it; a box's PIN in a minute. Returns what they are told instead, where there were any.
///
/// # Errors
///
/// When new secrets are what is asked for.
pub(crate) fn unseen(live: &Live, request: &mut PlanRequest) -> Result<Option<Diagnostic>, ErrorBody> {
    if !request.new_secrets.is_empty() {
        let told = ErrorBody::new(ErrorCode::NotAllowed, "secrets are changed by those who may apply");
        return Err(told.help("it needs the permission plan:apply"));
    }
    let mut count = 0;
    for declared in &mut request.declarations {
        let object = &declared.declaration.object;
        // With another name an object brings its secrets along.
        let old = declared.declaration.renamed_from.as_ref().map(|name| ObjectRef::new(object.kind, name.clone()));
        let kept = |path: &str| {
            [Some(object), old.as_ref()]
                .into_iter()
                .flatten()
                .any(|object| live.secrets.of(object).is_some_and(|kept| kept.contains_key(path)))
        };
        let before = declared.secrets.len();
        declared.secrets.retain(|path, _| !kept(path));
        count += before - declared.secrets.len();
    }
    let what = if count == 1 { "one secret was".into() } else { format!("{count} secrets were") };
    let told = Diagnostic::warning("secrets-not-compared", format!("{what} not compared with what is kept"))
        .help("only those who may apply see whether a secret changes");
    Ok((count > 0).then_some(told))
}
