//! `cargo xtask generate`: everything in the tree that is made from the code.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use fs_err as fs;
use pbx_manifest::Kind;

use crate::project;

/// The folders that hold nothing else.
const FOLDERS: [&str; 3] = ["schemas", "man", "completions"];

/// Write the schemas, the man pages and the completions
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Compare with what is there instead, and fail when it is stale
    #[arg(long)]
    check: bool,
}

impl Generate {
    pub(crate) fn run(&self) -> Result<()> {
        if self.check { check() } else { write() }
    }
}

/// Fails with the names of the files that are not what the code says.
pub(crate) fn check() -> Result<()> {
    let root = project::root();
    let wanted = files()?;
    let mut stale: Vec<String> = wanted
        .iter()
        .filter(|(name, text)| fs::read(root.join(name)).ok().as_deref() != Some(text.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    stale.extend(present(&root)?.into_iter().filter(|name| !wanted.contains_key(name)));
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask generate` and commit what it writes", stale.join(", "));
    }
    Ok(())
}

fn write() -> Result<()> {
    let root = project::root();
    let wanted = files()?;
    for name in present(&root)?.into_iter().filter(|name| !wanted.contains_key(name)) {
        fs::remove_file(root.join(name))?;
    }
    for (name, text) in wanted {
        let path = root.join(&name);
        if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            fs::create_dir_all(path.parent().unwrap_or(&root))?;
            fs::write(path, text)?;
            project::say(&name);
        }
    }
    Ok(())
}

/// What is in the folders now.
fn present(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let path = root.join(folder);
        if path.exists() {
            for entry in fs::read_dir(path)? {
                found.push(format!("{folder}/{}", entry?.file_name().to_string_lossy()));
            }
        }
    }
    Ok(found)
}

/// Every generated file, by its path.
fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut schema = |name: &str, schema: &serde_json::Value| -> Result<()> {
        files.insert(format!("schemas/{name}.json"), serde_json::to_string_pretty(schema)? + "\n");
        Ok(())
    };
    for kind in Kind::ALL {
        schema(kind.singular(), &pbx_manifest::schema(*kind))?;
    }
    schema("calltest", &pbx_manifest::test_schema())?;
    schema("manifest", &pbx_manifest::schema_of_all())?;
    schema("openapi", &pbx_api::openapi(env!("CARGO_PKG_VERSION")))?;
    for mut command in [pbxctl::command(), pbxd::command()] {
        command.build();
        pages(&command, &mut files).context("cannot write a man page")?;
    }
    for (shell, name) in [("bash", "pbxctl.bash"), ("zsh", "_pbxctl"), ("fish", "pbxctl.fish")] {
        let script = pbxctl::completion(shell).with_context(|| format!("pbxctl has no completion for {shell}"))?;
        files.insert(format!("completions/{name}"), script);
    }
    Ok(files)
}

/// A page for a command and for each one below it.
fn pages(command: &Command, into: &mut BTreeMap<String, String>) -> io::Result<()> {
    // What stands after the help is ours to write: as it comes, it would be one paragraph under the heading "EXTRA".
    let after = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let man = Man::new(command.clone().after_help(None::<&str>).after_long_help(None::<&str>));
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = String::from_utf8_lossy(&page).into_owned() + &sections(after.as_deref().unwrap_or_default());
    into.insert(format!("man/{}", man.get_filename()), page);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        pages(below, into)?;
    }
    Ok(())
}

/// The paragraphs of a text as sections: each begins with its heading and a colon. Lines below a heading stay lines, as examples of
/// commands must; text behind it is text.
fn sections(text: &str) -> String {
    let mut roff = Roff::new();
    let start = roff.render();
    for paragraph in text.split("\n\n") {
        let Some((heading, body)) = paragraph.split_once(':') else { continue };
        roff.control("SH", [heading.trim().to_uppercase().as_str()]);
        match body.strip_prefix('\n') {
            Some(lines) => {
                roff.control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                roff.control("fi", []);
            }
            None => {
                roff.text([roman(body.trim())]);
            }
        }
    }
    roff.render().strip_prefix(&start).map(str::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_line_by_line() {
        let text = "Examples:\n  pbxctl get ext -o wide\n  pbxctl trace '.x'     Why\n\nExit status: 0 done,\n1 failed";
        assert_eq!(
            sections(text),
            ".SH EXAMPLES\n.nf\npbxctl get ext \\-o wide\npbxctl trace \\*(Aq.x\\*(Aq     Why\n.fi\n\
             .SH \"EXIT STATUS\"\n0 done,\n1 failed\n"
        );
        assert_eq!(sections(""), "");
    }

    /// What stands after the help of a command is all in its page.
    #[test]
    fn no_paragraph_is_left_out() {
        let mut commands = vec![pbxctl::command(), pbxd::command()];
        while let Some(command) = commands.pop() {
            let after = command.get_after_long_help().or_else(|| command.get_after_help());
            for paragraph in
                after.map(ToString::to_string).unwrap_or_default().split("\n\n").filter(|own| !own.is_empty())
            {
                let heading = paragraph.split(':').next().unwrap_or_default();
                assert!(paragraph.contains(':') && heading.len() < 20, "{}: {paragraph}", command.get_name());
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
