//! The project's own chores: `cargo xtask <chore>`. One file for each.

mod bench;
mod demo;
mod fuzz;
mod generate;
mod lab;
mod picture;
mod project;
mod soak;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The project's own chores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Run everything that must hold before a change goes in
    Test,
    Soak(soak::Soak),
    Fuzz(fuzz::Fuzz),
    Bench(bench::Bench),
    Generate(generate::Generate),
    Demo(demo::Demo),
}

#[expect(clippy::print_stderr, reason = "errors of a command line go to the terminal")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    // What the lab does meanwhile, as building a root folder, is talk: it belongs to stderr.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).without_time().init();
    let done = match cli.chore {
        Chore::Lab(lab) => lab.run(),
        Chore::Test => test::run(),
        Chore::Soak(soak) => soak.run(),
        Chore::Fuzz(fuzz) => fuzz.run(),
        Chore::Bench(bench) => bench.run(),
        Chore::Generate(generate) => generate.run(),
        Chore::Demo(demo) => demo.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
