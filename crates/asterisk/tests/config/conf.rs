//! Asterisk's configuration language, read a second time: by its description (main/config.c), not by the writer's ideas.

use std::collections::BTreeMap;

/// A section with its options, inherited ones first, as Asterisk has them after parsing.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    pub name: String,
    pub template: bool,
    /// Key, value, line.
    pub options: Vec<(String, String, usize)>,
}

impl Category {
    /// The values of an option.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.options.iter().filter(|(own, ..)| own == key).map(|(_, value, _)| value.as_str()).collect()
    }

    /// The value that counts: the last one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).pop()
    }
}

/// A line without its comment; `block` is how deep block comments are open.
fn uncommented(line: &str, block: &mut usize) -> String {
    let letters: Vec<char> = line.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    // Where the search for comments goes on: an escaped `;` is not looked at again.
    let mut from = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        if *block > 0 {
            if rest.starts_with(&['-', '-', ';']) {
                *block -= 1;
                at += 3;
                from = at;
            } else {
                at += 1;
            }
            continue;
        }
        if letters[at] == ';' {
            if at > from && letters[at - 1] == '\\' {
                out.pop();
                out.push(';');
                at += 1;
                from = at;
                continue;
            }
            if rest.len() > 2 && rest[1] == '-' && rest[2] == '-' && rest.get(3) != Some(&'-') {
                *block += 1;
                at += 3;
                continue;
            }
            break;
        }
        out.push(letters[at]);
        at += 1;
    }
    out
}

/// Reads a file. What Asterisk would reject, drop with a warning or cut is an error.
pub fn parse(text: &str) -> Result<Vec<Category>, String> {
    let mut all: Vec<Category> = Vec::new();
    let mut block = 0;
    let mut current: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if line.len() > 8190 {
            return Err(format!("{number}: {} bytes are too long for a line", line.len()));
        }
        let line = uncommented(line, &mut block);
        if block > 0 {
            return Err(format!("{number}: a block comment opens"));
        }
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, more) = rest.split_once(']').ok_or_else(|| format!("{number}: no closing bracket"))?;
            if name.is_empty() || name.len() > 79 {
                return Err(format!("{number}: a section's name has {} bytes", name.len()));
            }
            let mut category = Category { name: name.to_owned(), template: false, options: Vec::new() };
            if !more.is_empty() {
                let inside = more
                    .strip_prefix('(')
                    .and_then(|more| more.strip_suffix(')'))
                    .ok_or_else(|| format!("{number}: {more}"))?;
                for word in inside.split(',') {
                    match word {
                        "!" => category.template = true,
                        "+" => {
                            current = Some(
                                all.iter()
                                    .position(|own| own.name == name)
                                    .ok_or_else(|| format!("{number}: nothing to add to"))?,
                            );
                        }
                        base => {
                            let base = all
                                .iter()
                                .find(|own| own.name == base)
                                .ok_or_else(|| format!("{number}: no template {base}"))?;
                            category.options.extend(base.options.clone());
                        }
                    }
                }
                if inside == "+" {
                    continue;
                }
            }
            all.push(category);
            current = Some(all.len() - 1);
            continue;
        }
        if line.starts_with('#') {
            return Err(format!("{number}: a directive"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("{number}: no `=`"))?;
        let value = value.strip_prefix('>').unwrap_or(value);
        let key = key.trim();
        if key.is_empty() || key.ends_with('+') {
            return Err(format!("{number}: a key is empty"));
        }
        let own = current.ok_or_else(|| format!("{number}: an option before any section"))?;
        all[own].options.push((key.to_owned(), value.trim().to_owned(), number));
    }
    Ok(all)
}

/// A step of the dialplan.
#[derive(Debug, Clone)]
pub struct Step {
    pub label: Option<String>,
    pub application: String,
    pub arguments: String,
    pub line: usize,
}

/// A context: its extensions with their steps, and what it includes.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub name: String,
    pub extensions: Vec<(String, Vec<Step>)>,
    pub hints: Vec<(String, String)>,
    pub includes: Vec<String>,
}

/// The contexts of a dialplan.
pub fn dialplan(text: &str) -> Result<Vec<Context>, String> {
    let mut contexts: Vec<Context> = Vec::new();
    for category in parse(text)? {
        if contexts.iter().any(|own| own.name == category.name) {
            return Err(format!("context {} is there twice", category.name));
        }
        let mut context = Context { name: category.name, ..Context::default() };
        for (key, value, line) in category.options {
            let step = match key.as_str() {
                "include" => {
                    context.includes.push(value);
                    continue;
                }
                "exten" => {
                    let (name, rest) = value.split_once(',').ok_or_else(|| format!("{line}: {value}"))?;
                    if name.is_empty()
                        || name.len() > 79
                        || name.contains([' ', '-']) && !name.starts_with('_') && name.chars().all(char::is_numeric)
                    {
                        return Err(format!("{line}: `{name}` is no extension"));
                    }
                    if let Some(devices) = rest.strip_prefix("hint,") {
                        context.hints.push((name.to_owned(), devices.to_owned()));
                        continue;
                    }
                    if context.extensions.iter().any(|(own, _)| own == name) {
                        return Err(format!("{line}: extension {name} of {} is there twice", context.name));
                    }
                    context.extensions.push((name.to_owned(), Vec::new()));
                    rest.strip_prefix("1,").ok_or_else(|| format!("{line}: {rest}"))?.to_owned()
                }
                "same" => value
                    .strip_prefix('n')
                    .ok_or_else(|| format!("{line}: {value}"))?
                    .trim_start_matches(',')
                    .to_owned(),
                other => return Err(format!("{line}: {other} in a dialplan")),
            };
            let (label, step) = match step.strip_prefix('(').and_then(|step| step.split_once("),")) {
                Some((label, step)) => (Some(label.to_owned()), step.to_owned()),
                None => (None, step),
            };
            let (application, arguments) = step.split_once('(').ok_or_else(|| format!("{line}: {step}"))?;
            // Arguments end at the last bracket, and nothing stands behind it.
            let arguments = arguments.strip_suffix(')').ok_or_else(|| format!("{line}: {step}"))?;
            if !application.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(format!("{line}: `{application}` is no application"));
            }
            let step = Step { label, application: application.to_owned(), arguments: arguments.to_owned(), line };
            context.extensions.last_mut().ok_or_else(|| format!("{line}: a step of nothing"))?.1.push(step);
        }
        contexts.push(context);
    }
    Ok(contexts)
}

/// Whether an extension's name or pattern takes what is dialled.
pub fn takes(name: &str, dialled: &str) -> bool {
    fn places(pattern: &[u8], dialled: &[u8]) -> bool {
        let one = |set: &dyn Fn(u8) -> bool| dialled.first().is_some_and(|c| set(*c));
        match pattern {
            [] => dialled.is_empty(),
            [b'!'] => true,
            [b'.'] => !dialled.is_empty(),
            [b'X', rest @ ..] => one(&|c| c.is_ascii_digit()) && places(rest, &dialled[1..]),
            [b'Z', rest @ ..] => one(&|c| (b'1'..=b'9').contains(&c)) && places(rest, &dialled[1..]),
            [b'N', rest @ ..] => one(&|c| (b'2'..=b'9').contains(&c)) && places(rest, &dialled[1..]),
            [b'[', rest @ ..] => {
                let Some(end) = rest.iter().position(|c| *c == b']') else { return false };
                let (inside, rest) = (&rest[..end], &rest[end + 1..]);
                let within = |c: u8| {
                    inside.windows(3).any(|three| three[1] == b'-' && (three[0]..=three[2]).contains(&c))
                        || inside.contains(&c) && c != b'-'
                };
                one(&within) && places(rest, &dialled[1..])
            }
            [own, rest @ ..] => dialled.first() == Some(own) && places(rest, &dialled[1..]),
        }
    }
    match name.strip_prefix('_') {
        Some(pattern) => places(pattern.as_bytes(), dialled.as_bytes()),
        None => name == dialled,
    }
}

/// Splits at a letter that stands outside of all brackets.
fn outside(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (byte, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            c if c == at && depth == 0 => {
                parts.push(&text[start..byte]);
                start = byte + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Everything that a step can lead to, as it is written.
fn targets(step: &Step) -> Vec<&str> {
    match step.application.as_str() {
        "Goto" | "Gosub" => vec![&step.arguments],
        "GotoIf" | "GosubIf" | "GotoIfTime" => {
            let parts = outside(&step.arguments, '?');
            outside(parts.last().unwrap_or(&""), ':').into_iter().filter(|target| !target.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

/// The steps that an extension of a context has, its own or an included one's.
fn find<'c>(by_name: &BTreeMap<&str, &'c Context>, context: &str, extension: &str) -> Option<&'c [Step]> {
    let context = by_name.get(context)?;
    let own = context.extensions.iter().find(|(name, _)| name == extension);
    own.or_else(|| context.extensions.iter().find(|(name, _)| takes(name, extension)))
        .map(|(_, steps)| steps.as_slice())
        .or_else(|| context.includes.iter().find_map(|include| find(by_name, include, extension)))
}

/// What is wrong with where steps lead: every target and every include must be there.
pub fn loose_ends(contexts: &[Context]) -> Vec<String> {
    let by_name: BTreeMap<&str, &Context> = contexts.iter().map(|context| (context.name.as_str(), context)).collect();
    let mut wrong = Vec::new();
    for context in contexts {
        wrong.extend(
            context
                .includes
                .iter()
                .filter(|include| !by_name.contains_key(include.as_str()))
                .map(|include| format!("{} includes {include}", context.name)),
        );
        for (extension, steps) in &context.extensions {
            for step in steps {
                for target in targets(step) {
                    let at = format!("line {}: {}({}): {target}", step.line, step.application, step.arguments);
                    // `Gosub(context,extension,1(arguments))`.
                    let target = target
                        .split_once('(')
                        .filter(|_| step.application == "Gosub")
                        .map_or(target, |(target, _)| target);
                    let parts = outside(target, ',');
                    let has = |steps: &[Step], priority: &str| {
                        priority.parse::<usize>().map_or_else(
                            |_| steps.iter().any(|step| step.label.as_deref() == Some(priority)),
                            |number| (1..=steps.len()).contains(&number),
                        )
                    };
                    // Where a call goes that somebody has turned over is known when it is there.
                    let kept =
                        |part: &str| ["${CUT(", "${DB(", "${EXTEN:"].iter().any(|begins| part.starts_with(begins));
                    let good = match parts[..] {
                        [label] if kept(label) => true,
                        [own, "1"] if kept(own) => true,
                        [own, priority] if !own.contains('$') => {
                            find(&by_name, &context.name, own).is_some_and(|steps| has(steps, priority))
                        }
                        [context, extension, "1"] if kept(context) && kept(extension) => true,
                        [label] => has(steps, label),
                        [context, extension, priority] if !context.contains('$') && !extension.contains('$') => {
                            find(&by_name, context, extension).is_some_and(|steps| has(steps, priority))
                        }
                        // Which extension is known when a call is there; the context is known now.
                        // Or it is asked for before, in the same extension.
                        [context, _, "1"] if !context.contains('$') => {
                            let asked = |step: &Step| {
                                step.arguments.split("DIALPLAN_EXISTS(").skip(1).any(|asked| {
                                    let other = asked.split(',').next().unwrap_or_default();
                                    other == context || !other.contains('$') && !by_name.contains_key(other)
                                })
                            };
                            by_name.contains_key(context) || steps.iter().any(asked)
                        }
                        [context, _, "1"] => {
                            // Asked for before: `GotoIf(${DIALPLAN_EXISTS(that)}?that)`.
                            step.application == "GotoIf"
                                && step.arguments.contains(&format!("DIALPLAN_EXISTS({context},"))
                        }
                        _ => false,
                    };
                    if !good {
                        wrong.push(at);
                    }
                }
            }
            // A call never falls off the end of an extension.
            let last = steps.last();
            let ends = last.is_some_and(|step| match step.application.as_str() {
                "Goto" | "Return" | "Hangup" => true,
                // One target of two is taken.
                "GotoIf" => targets(step).len() == 2,
                _ => false,
            });
            if !ends {
                wrong.push(format!("{},{extension} ends with {last:?}", context.name));
            }
        }
    }
    wrong
}
