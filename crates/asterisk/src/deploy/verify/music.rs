//! Music on hold, read back: Asterisk drops a class that it does not take, and plays another one.

use std::collections::HashMap;

use super::{ChangedSection, Rejection, Verification, options, read};
use crate::ami::action::Command;
use crate::ami::{AmiError, Client};

/// A class as two commands of Asterisk's show it.
#[derive(Default)]
struct Class {
    /// How many there are of the name.
    count: usize,
    shown: HashMap<String, String>,
    files: Vec<String>,
}

/// Reads `Class: NAME` and the lines below it.
fn classes(lines: &[String], mut each: impl FnMut(&str, Option<(&str, &str)>)) {
    let mut name = "";
    for line in lines {
        let Some((key, value)) = line.trim().split_once(": ") else { continue };
        if key == "Class" {
            name = value.trim();
            each(name, None);
        } else {
            each(name, Some((key, value.trim())));
        }
    }
}

/// Reads back classes.
pub(super) async fn music(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
) -> Result<(), AmiError> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut all: HashMap<String, Class> = HashMap::new();
    classes(&client.call(&Command("moh show classes".into())).await?.lines, |name, line| {
        let class = all.entry(name.to_owned()).or_default();
        match line {
            None => class.count += 1,
            Some((key, value)) => {
                class.shown.insert(key.to_owned(), value.to_owned());
            }
        }
    });
    classes(&client.call(&Command("moh show files".into())).await?.lines, |name, line| {
        if let Some(("File", file)) = line {
            all.entry(name.to_owned()).or_default().files.push(file.to_owned());
        }
    });
    for change in changed {
        let Some((file, section)) = change.after else {
            found.music += 1;
            let gone = change.before.map(|(_, section)| section.name.as_str()).unwrap_or_default();
            if all.contains_key(gone) {
                let message = format!("the music {gone} should be gone, and is still there");
                found.rejections.push(Rejection::general(message));
            }
            continue;
        };
        found.music += 1;
        let name = section.name.as_str();
        let mut reject = |at: usize, message: String| {
            found.rejections.push(Rejection::at(change.file, file, at, message));
        };
        let Some(class) = all.get(name).filter(|class| class.count > 0) else {
            reject(section.line, format!("the music {name} is not there"));
            continue;
        };
        if class.count > 1 {
            let message =
                format!("the music {name} is there twice: a musiconhold.conf of your own has a class of that name");
            reject(section.line, message);
            continue;
        }
        let mut files = Vec::new();
        for (key, value, at) in options(file, section) {
            let shown = match key {
                "mode" => "Mode",
                "application" => "Application",
                "format" => "Format",
                "entry" => {
                    files.push(read(value));
                    continue;
                }
                _ => continue,
            };
            let has = class.shown.get(shown).map_or("", String::as_str);
            if has != read(value) {
                reject(at, format!("the music {name}: {key} should be {}, and is {has}", read(value)));
            }
        }
        if files != class.files && !files.is_empty() {
            reject(section.line, format!("the music {name} does not play the files that it should, in their order"));
        }
    }
    Ok(())
}
