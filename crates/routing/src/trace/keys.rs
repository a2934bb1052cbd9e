//! What callers press.

use pbx_manifest::{Destination, Hangup, Name};

use super::walk::{Turn, Walk};
use crate::{Edge, NodeId, Step, When};

/// What became of a try.
enum Pressed {
    Way(usize, String),
    Silence,
    Wrong,
}

impl<'g> Walk<'g, '_> {
    /// A key is waited for.
    pub(super) fn menu(&mut self, id: &'g NodeId, step: &'g Step, edges: &'g [Edge]) -> Turn {
        let Step::Menu { prompt, retries, invalid, silence, direct, .. } = step else {
            return Turn::Hangup(Hangup::Congestion, String::new());
        };
        let allowed: &'g [Name] = match id {
            NodeId::Menu(menu, _) if *direct => self.graph().direct.get(menu).map_or(&[], Vec::as_slice),
            _ => &[],
        };
        let mut last = When::TimedOut;
        for _ in 0..=*retries {
            self.hear(prompt.as_ref());
            let keys = self.press();
            match choice(keys, allowed, edges) {
                Choice::Extension(name) => {
                    self.happens(format!("dialled {keys}"));
                    return Self::dialled_directly(name, edges);
                }
                Choice::Pressed(Pressed::Way(at, why)) => {
                    self.happens(format!("pressed {keys}"));
                    return Turn::Way(at, why);
                }
                Choice::Pressed(Pressed::Silence) => {
                    self.happens("nothing is pressed");
                    self.hear(silence.as_ref());
                    last = When::TimedOut;
                }
                Choice::Pressed(Pressed::Wrong) => {
                    self.happens(format!("pressed {keys}, which means nothing here"));
                    self.hear(invalid.as_ref());
                    last = When::Invalid;
                }
            }
        }
        let why = if last == When::TimedOut { "nothing was pressed" } else { "a wrong key was pressed" };
        let tries = retries + 1;
        Self::leave(edges, &last, &format!("{why}, {tries} {} over", if tries == 1 { "time" } else { "times" }))
    }

    /// An extension was dialled at a menu: no edge says so, for there is one for each of them.
    fn dialled_directly(name: &Name, edges: &[Edge]) -> Turn {
        let to = NodeId::To(Destination::Extension(name.clone()));
        if let Some(at) = edges.iter().position(|edge| edge.to == to) {
            return Turn::Way(at, format!("dialled {name}"));
        }
        Turn::Direct(to, format!("dialled {name}"))
    }

    /// Digits are waited for.
    pub(super) fn collect(&mut self, step: &'g Step, edges: &[Edge]) -> Turn {
        let Step::Collect { prompt, most, least, into, retries, invalid, .. } = step else {
            return Turn::Hangup(Hangup::Congestion, String::new());
        };
        for _ in 0..=*retries {
            self.hear(prompt.as_ref());
            let keys = self.press();
            // `#` ends; what is pressed after the last digit is not for here.
            let keys = keys.split('#').next().unwrap_or_default().chars().take(*most as usize);
            let digits: String = keys.filter(char::is_ascii_digit).collect();
            if digits.is_empty() {
                self.happens("nothing is pressed");
                continue;
            }
            self.happens(format!("pressed {digits}"));
            if digits.len() >= *least as usize {
                self.variables.insert(into, digits.clone());
                return Self::leave(edges, &When::Otherwise, &format!("`{into}` is `{digits}`"));
            }
            self.hear(invalid.as_ref());
        }
        Self::leave(edges, &When::TimedOut, "too few digits were pressed")
    }
}

enum Choice<'g> {
    Extension(&'g Name),
    Pressed(Pressed),
}

/// What keys mean at a menu. Only where an extension that may be dialled begins with the first one are further ones waited for; then
/// all of them count together.
fn choice<'g>(keys: &str, allowed: &'g [Name], edges: &[Edge]) -> Choice<'g> {
    let Some(first) = keys.chars().next() else { return Choice::Pressed(Pressed::Silence) };
    let longest = allowed.iter().map(|name| name.as_str().len()).max().unwrap_or_default();
    let begins = allowed.iter().any(|name| name.as_str().starts_with(first));
    let meant: String = if begins && longest > 1 {
        // The hash ends the input, wherever it is not the first key.
        let behind = keys[first.len_utf8()..].split('#').next().unwrap_or_default();
        let behind = behind.chars().filter(char::is_ascii_digit).take(longest - 1);
        std::iter::once(first).chain(behind).collect()
    } else {
        first.to_string()
    };
    let extension = || allowed.binary_search_by(|name| name.as_str().cmp(&meant)).ok().map(|at| &allowed[at]);
    let is = |key: pbx_manifest::kinds::Key| meant.chars().eq(std::iter::once(key.as_char()));
    let found = edges.iter().position(|edge| matches!(edge.when, When::Key(key) if is(key)));
    // A key of the menu's own goes before an extension of one digit.
    if found.is_none()
        && begins
        && let Some(extension) = extension()
    {
        return Choice::Extension(extension);
    }
    Choice::Pressed(match found {
        Some(at) => Pressed::Way(at, format!("key {first}")),
        None => Pressed::Wrong,
    })
}
