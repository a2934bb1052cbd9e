//! pbxd: keeps the desired state of an Asterisk system, and makes Asterisk match it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    pbxd::run(pbxd::Args::parse())
}
