//! `cargo xtask generate`: everything in the tree that is made from the code.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Command};
use clap_mangen::Man;
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
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    into.insert(format!("man/{}", man.get_filename()), String::from_utf8_lossy(&page).into_owned());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        pages(below, into)?;
    }
    Ok(())
}
