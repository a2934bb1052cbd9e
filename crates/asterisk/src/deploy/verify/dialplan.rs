//! Contexts, read back.

use std::collections::BTreeSet;

use futures_util::stream::TryStreamExt;

use super::{ChangedSection, Rejection, Verification, ask, read};
use crate::ami::action::ShowDialPlan;
use crate::ami::{AmiError, Client};
use crate::config::REMARK;

/// One line of a context, as Asterisk lists it: extension, priority (a number or `hint`), application, arguments; an include has
/// its context as arguments.
type DialplanLine = (String, String, String, String);

/// The lines that a context's text means.
fn meant(text: &str) -> Vec<(DialplanLine, usize)> {
    let mut lines = Vec::new();
    let mut extension = String::new();
    let mut priority = 0;
    for (at, line) in text.lines().enumerate() {
        if let Some(context) = line.strip_prefix("include => ") {
            lines.push(((String::new(), "include".into(), String::new(), context.to_owned()), at));
            continue;
        }
        let step = if let Some(rest) = line.strip_prefix("exten => ") {
            let Some((name, rest)) = rest.split_once(',') else { continue };
            name.clone_into(&mut extension);
            if let Some(devices) = rest.strip_prefix("hint,") {
                lines.push(((extension.clone(), "hint".into(), devices.to_owned(), String::new()), at));
                continue;
            }
            priority = 1;
            rest.split_once(',').map_or("", |(_, step)| step)
        } else if let Some(rest) = line.strip_prefix(" same => n") {
            priority += 1;
            rest.split_once(',').map_or("", |(_, step)| step)
        } else {
            continue;
        };
        let step = read(step.split_once(REMARK).map_or(step, |(step, _)| step));
        let (application, arguments) = step.split_once('(').unwrap_or((&step, ""));
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        lines.push(((extension.clone(), priority.to_string(), application.to_owned(), arguments.to_owned()), at));
    }
    lines
}

/// Reads back the contexts that changed.
pub(super) async fn contexts(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
    progress: &mut impl FnMut(usize, usize),
) -> Result<(), AmiError> {
    let total = changed.len();
    let names: Vec<String> = changed
        .iter()
        .map(|change| change.after.or(change.before).map_or_else(String::new, |(_, section)| section.name.clone()))
        .collect();
    let mut answers = ask(client, names.into_iter().map(ShowDialPlan).collect());
    let mut next = changed.iter();
    while let (Some(answer), Some(change)) = (answers.try_next().await?, next.next()) {
        found.contexts += 1;
        progress(found.contexts, total);
        let items = match answer {
            Ok(items) => items,
            Err(why) => {
                let mut rejection = match change.after {
                    Some((file, section)) => Rejection::at(
                        "extensions.conf",
                        file,
                        section.line,
                        format!("context {} cannot be read back", section.name),
                    ),
                    None => Rejection::general("a context that should be gone cannot be read back"),
                };
                rejection.asterisk.push(why);
                found.rejections.push(rejection);
                continue;
            }
        };
        let has: BTreeSet<DialplanLine> = items
            .into_iter()
            .filter(|item| item.registrar.as_deref() == Some("pbx_config"))
            .map(|item| match item.include {
                Some(context) => (String::new(), "include".into(), String::new(), context),
                None => (
                    item.extension.unwrap_or_default(),
                    item.priority.unwrap_or_default(),
                    item.application.unwrap_or_default(),
                    item.arguments,
                ),
            })
            .collect();
        let Some((file, section)) = change.after else {
            if let Some((_, section)) = change.before.filter(|_| !has.is_empty()) {
                found
                    .rejections
                    .push(Rejection::general(format!("context {} should be gone, and is still there", section.name)));
            }
            continue;
        };
        let wants = meant(file.section_text(section));
        if has.is_empty() && !wants.is_empty() {
            let message = format!("context {} is not there", section.name);
            found.rejections.push(Rejection::at("extensions.conf", file, section.line, message));
            continue;
        }
        let mut missing = wants.iter().filter(|(line, _)| !has.contains(line));
        if let Some(((extension, priority, application, _), at)) = missing.next() {
            let more = missing.count();
            let what = match priority.as_str() {
                "include" => "an include is missing".to_owned(),
                "hint" => format!("hint {extension} is missing"),
                _ => format!("step {priority} of {extension}, {application}, is not as it was written"),
            };
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            found.rejections.push(Rejection::at(
                "extensions.conf",
                file,
                section.line + at,
                format!("in context {}: {what}{more}", section.name),
            ));
        }
        let wanted: BTreeSet<&DialplanLine> = wants.iter().map(|(line, _)| line).collect();
        if let Some((extension, priority, application, _)) = has.iter().find(|line| !wanted.contains(line)) {
            found.rejections.push(Rejection::at(
                "extensions.conf",
                file,
                section.line,
                format!(
                    "context {} also has step {priority} of {extension}, {application}, which was not written",
                    section.name
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(extension: &str, priority: &str, application: &str, arguments: &str) -> DialplanLine {
        (extension.into(), priority.into(), application.into(), arguments.into())
    }

    #[test]
    fn a_context_means_its_steps() {
        let text = "[a]\nexten => _X!,1,Set(A=b,c\\;d)\n same => n(here),Goto(x,${EXTEN},1) ; did/+1\n same => n,GotoIf($[(1)]?here)\n\
                    exten => s,1,Return()\ninclude => b\nexten => _XXXX,hint,PJSIP/${EXTEN}\n; a comment\n";
        let found = meant(text);
        assert_eq!(
            found,
            [
                (step("_X!", "1", "Set", "A=b,c;d"), 1),
                (step("_X!", "2", "Goto", "x,${EXTEN},1"), 2),
                (step("_X!", "3", "GotoIf", "$[(1)]?here"), 3),
                (step("s", "1", "Return", ""), 4),
                (step("", "include", "", "b"), 5),
                (step("_XXXX", "hint", "PJSIP/${EXTEN}", ""), 6),
            ]
        );
    }
}
