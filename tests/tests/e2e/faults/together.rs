//! Several who change the system at the same time.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_tests::{CommandOutput, Fault, System, extension, settings};

use super::states::{self, States, revisions};

/// As many shells as a busy team has open.
const SHELLS: usize = 10;

/// What an apply began with, it ends with: another folder, or another Asterisk, would have half of it.
#[test]
fn a_new_configuration_waits_for_the_apply_to_end() -> Result<()> {
    let system = System::builder().proxied().start()?;
    let mut states = States::learn(&system)?;
    let path = system.dir().join("pbxd.toml");
    let right = fs::read_to_string(&path)?;
    let elsewhere = right.replace("config_dir = \"", "config_dir = \"/none");
    let held = system.proxy().at("Action: Reload", Fault::Hold);
    let change = states.change(&system)?;
    held.wait()?;
    let reload = |text: &str| -> Result<()> {
        fs::write(&path, text)?;
        let pid = system.pbxd_id().context("no pbxd")?.to_string();
        ensure!(Command::new("kill").args(["-HUP", &pid]).status()?.success());
        Ok(())
    };
    reload(&elsewhere)?;
    system.wait_pbxd_log("told to read the configuration again")?;
    held.release();
    change.end()?.1.expect(0)?;
    system.wait_pbxd_log("the configuration was read again")?;
    let log = system.pbxd_log();
    ensure!(log.find("apply ended") < log.rfind("the configuration was read again"), "{log}");
    ensure!(log.matches("the configuration was read again").count() == 1, "{log}");
    states.took();
    reload(&right)?;
    pbx_lab::until("the right one to be taken", pbx_tests::SOON, || {
        Ok((system.health()?.asterisk.files_revision == system.health()?.revision).then_some(()))
    })?;
    states.check(&system, None)
}

/// What a file begins with.
const HEAD: &str = "apiVersion: pbx/v1";

#[test]
fn ten_applies_at_once_are_done_or_refused() -> Result<()> {
    let system = System::start()?;
    system.apply(&settings(""))?;
    let number = |shell: usize| (2000 + shell).to_string();
    for shell in 0..SHELLS {
        system.write(&format!("{shell}.yaml"), &extension(&number(shell), "").replace("---", HEAD))?;
    }
    let command = |shell: usize| -> Result<_> {
        let (file, set) = (format!("{shell}.yaml"), format!("shell-{shell}"));
        let mut command = system.command(&["apply", "-f", &file, "--set", &set, "--yes"])?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    };
    let mut waiting: Vec<usize> = (0..SHELLS).collect();
    let mut done = 0;
    while !waiting.is_empty() {
        let shells: Vec<_> =
            waiting.iter().map(|shell| Ok((*shell, command(*shell)?.spawn()?))).collect::<Result<_>>()?;
        let before = waiting.len();
        waiting.clear();
        for (shell, child) in shells {
            let output: CommandOutput = child.wait_with_output()?.into();
            match output.code {
                0 => done += 1,
                5 => {
                    // Who was refused is told what to do, and has changed nothing.
                    ensure!(output.stderr.contains("help: "), "{output}");
                    waiting.push(shell);
                }
                _ => output.expect(0).map(drop)?,
            }
        }
        ensure!(waiting.len() < before, "nobody got through");
        // What is there is what was told as done, and nothing else.
        let endpoints = system.asterisk().cli("pjsip show endpoints")?;
        for shell in 0..SHELLS {
            ensure!(endpoints.contains(&number(shell)) != waiting.contains(&shell), "shell {shell}:\n{endpoints}");
        }
        states::history(&system, system.health()?.revision)?;
        let committed = revisions(&system)?.iter().filter(|revision| revision["state"] == "committed").count();
        ensure!(committed == done + 1, "{committed} revisions after {done} applies");
    }
    Ok(())
}
