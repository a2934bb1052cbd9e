//! What can be typed, before it means anything.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use pbx_manifest::{Kind, Label, Name};

use crate::commands::Command;

/// Declare what a telephone system should be, and have pbxd make it so
///
/// Manifests in files say what should be. `plan` shows what would change, `apply` does it and proves that Asterisk has it.
#[derive(Debug, Parser)]
#[command(
    name = "pbxctl",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_subcommands = false
)]
#[command(after_help = "Examples:
  pbxctl validate -f office/           Find every mistake in manifests, without pbxd
  pbxctl diff -f office/               What an apply would change
  pbxctl apply -f office/              Show it, ask, do it, prove it
  pbxctl get extensions -l team=sales  What there is
  pbxctl explain extension             Which fields there are

Exit status:
  0 done             1 failed           2 differences exist (diff)
  3 not allowed      4 rolled back      5 conflict
  6 unreachable      7 safety limit     64 wrong usage")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// pbxd's socket [env: PBXCTL_SOCKET] [default: /run/pbxd/pbxd.sock]
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// When to colour
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: When,
    /// Show no progress
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Never page long output
    #[arg(long, global = true)]
    pub no_pager: bool,
}

impl Global {
    /// pbxd's socket: as named here, else by the environment, else the usual one.
    pub fn socket(&self) -> PathBuf {
        self.named_socket().unwrap_or_else(|| "/run/pbxd/pbxd.sock".into())
    }

    /// pbxd's socket, where somebody has named one.
    pub fn named_socket(&self) -> Option<PathBuf> {
        let named = self.socket.clone().or_else(|| std::env::var_os("PBXCTL_SOCKET").map(PathBuf::from));
        named.filter(|path| !path.as_os_str().is_empty())
    }
}

/// The name of a set.
pub fn set(text: &str) -> Result<String, String> {
    match text.parse::<pbx_manifest::Name>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a set is named in lower-case letters, digits and `-`, as in `default`".into()),
    }
}

/// A revision's number.
pub fn revision(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a revision is a number, as `pbxctl history` shows them".into())
}

/// A span of time, as `60s` or `5m`.
pub fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let read = text.parse::<pbx_manifest::Duration>().map_err(|refused| refused.0.replace('\n', "; "))?;
    Ok(std::time::Duration::from_secs(read.seconds()))
}

/// A span of time of at least a second.
pub fn some_seconds(text: &str) -> Result<std::time::Duration, String> {
    let read = seconds(text)?;
    if read.is_zero() { Err("at least a second, as in `5m`".into()) } else { Ok(read) }
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For people with room.
    Wide,
    /// For scripts.
    Json,
    /// Manifests.
    Yaml,
    /// For spreadsheets and scripts.
    Csv,
    /// For spreadsheets.
    Xlsx,
    /// One `kind/name` a line.
    Name,
}

const FORMATS: [(&str, Format); 7] = [
    ("table", Format::Table),
    ("wide", Format::Wide),
    ("json", Format::Json),
    ("yaml", Format::Yaml),
    ("csv", Format::Csv),
    ("xlsx", Format::Xlsx),
    ("name", Format::Name),
];

/// The forms that a command has, by their words.
pub fn formats(words: &'static [&'static str]) -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(words)
        .map(|word| FORMATS.iter().find(|(known, _)| *known == word).map_or(Format::Table, |(_, format)| *format))
}

/// Where manifests are read.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// Files, folders (with everything below), globs, or `-` for standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true, num_args = 1.., value_hint = clap::ValueHint::AnyPath)]
    pub file: Vec<PathBuf>,
}

/// Where manifests are read, by a command that looks at the live system where none are named.
#[derive(Debug, Clone, Args)]
pub struct MaybeFiles {
    /// Files, folders (with everything below), globs, or `-` for standard input; may be repeated [default: the live system]
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., value_hint = clap::ValueHint::AnyPath)]
    pub file: Vec<PathBuf>,
}

/// How tables are read.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rows {
    /// What the rows of CSV and XLSX files are that do not say so themselves, as `extension`
    #[arg(long, value_name = "KIND", value_parser = kind, add = ArgValueCompleter::new(crate::complete::kinds))]
    pub kind: Option<Kind>,
}

fn kind(word: &str) -> Result<Kind, String> {
    word.parse().map_err(|refused: pbx_manifest::Refused| refused.to_string())
}

/// Whether to ask.
#[derive(Debug, Clone, Copy, Args)]
pub struct Consent {
    /// Do it without asking; needed where there is no terminal
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// How commands are carried out that say themselves what changes.
#[derive(Debug, Clone, Args)]
pub struct Manner {
    #[command(flatten)]
    pub consent: Consent,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write over configuration files that somebody has changed by hand
    #[arg(long)]
    pub overwrite_drift: bool,
    /// Write the files without asking Asterisk: for building images
    #[arg(long)]
    pub no_reload: bool,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json"]), default_value = "table", value_name = "FORM")]
    pub output: Format,
}

/// Selects by labels.
#[derive(Debug, Clone, Args)]
pub struct Selector {
    /// Only objects with this label; may be repeated, or several by commas
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = label)]
    pub label: Vec<String>,
}

fn label(text: &str) -> Result<String, String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("a label is written `key=value`, as in `team=sales`".into());
    };
    // What no object can have would select nothing, and read like an answer.
    if key.parse::<Name>().is_err() {
        return Err(format!(
            "no label has the key `{}`: lower-case letters, digits and `-`; labels select as `team=sales`, and not by `!=`",
            key.escape_debug()
        ));
    }
    if value.parse::<Label>().is_err() {
        return Err(format!("no label has the value `{}`: letters, digits and `. _ -`", value.escape_debug()));
    }
    Ok(text.to_owned())
}

/// Whether the command line asks for JSON: known before it is parsed, for errors in it have to be JSON too.
pub fn wants_json(args: &[OsString]) -> bool {
    let words: Vec<&str> =
        args.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--").collect();
    // `render -o` names a folder.
    words.iter().find(|word| !word.starts_with('-')) != Some(&"render")
        && (words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
            || words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        crate::command().debug_assert();
    }

    #[test]
    fn json_is_recognised_in_every_spelling() {
        let asks = |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "pbxctl get ext -o json",
            "pbxctl get -ojson",
            "pbxctl get -o=json",
            "pbxctl plan --output json",
            "pbxctl x --output=json",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "pbxctl get ext",
            "pbxctl get json",
            "pbxctl render -f a -o json",
            "pbxctl get -o yaml",
            "pbxctl get -- -o json",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
