//! `cargo xtask demo`: the whole thing on a fresh machine, up to a call that went through.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use pbx_lab::{Behaviour, Caller, Phone, PhoneSpec, Place};
use pbx_tests::{CommandOutput, SOON, System};

use crate::project::{self, say};

/// The address of the example's carrier.
const CARRIER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 0, 0, 50);
const MAIN_LINE: &str = "+351210001000";
const CUSTOMER: &str = "+351912345678";

/// The web server of the demonstration's Asterisk.
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = {ip}\ntlsenable = yes\ntlsbindaddr = {ip}:8089\n\
    tlscertfile = {etc}/keys/lab.crt\ntlsprivatekey = {etc}/keys/lab.key\n";

/// The password of the two telephones that the demonstration plays. It comes from the environment, as a secret should.
const PASSWORD: &str = "DEMO_PASSWORD";

/// Bring everything up, apply the example, place a call, and leave a shell
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the call, and clean up
    #[arg(long)]
    once: bool,
    /// Draw what the commands of the README's picture write, into this SVG file, and end
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    picture: Option<std::path::PathBuf>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<()> {
        say(
            "── what the lab needs: packages, and an Asterisk 22 in a folder of its own; a fresh machine takes minutes",
        );
        pbx_lab::prepare(&["sip-tester", "util-linux"])?;
        say("── build");
        project::run(&mut project::cargo(&["build", "--workspace", "--bins"]))?;
        say("── the demonstration");
        let office = Office::open()?;
        office.call()?;
        if let Some(path) = &self.picture {
            office.picture(path)?;
        }
        if self.once || self.picture.is_some() {
            say("Everything is stopped and removed.");
            return Ok(());
        }
        office.shell()
    }
}

/// The demonstration's system and its people.
struct Office {
    // Telephones go before the system that they are registered with.
    phones: Vec<Phone>,
    carrier: Caller,
    system: System,
}

impl Office {
    fn open() -> Result<Self> {
        let carrier = Caller::at(Place::at(CARRIER)?).from(CUSTOMER).name("A customer");
        // What Debian ships, with the web server on: the example has an extension for browsers.
        let system = System::builder().stock().file("http.conf", HTTP).start()?;
        let version = system.asterisk().cli("core show version")?;
        let version = version.split('+').next().unwrap_or(&version).to_owned();
        say(&format!(
            "1. {version} runs at {}, with the configuration that Debian ships (and its web server on).",
            system.ip()
        ));
        say("2. `pbxctl setup` let pbxd in: a line in each of eight files, and a user of the manager interface.");

        // What is special to this machine is a set of its own; the example's files stay as they are.
        system.write(
            "machine.yaml",
            "apiVersion: pbx/v1\nkind: Settings\nmetadata: { name: pbx }\nspec:\n  transports:\n    \
             udp: { bind: \"{ip}:5060\" }\n    tcp: { bind: \"{ip}:5060\" }\n\
             ---\nkind: Extension\nmetadata: { name: \"1001\" }\nspec: { password: { env: DEMO_PASSWORD } }\n\
             ---\nkind: Extension\nmetadata: { name: \"1002\" }\nspec: { password: { env: DEMO_PASSWORD } }\n",
        )?;
        let password = format!("demo-{}", system.asterisk().pid().unwrap_or_default());
        let example = project::root().join("examples/small-office");
        let example = example.to_str().context("the project's folder has a name that is no text")?;
        let apply = |args: &[&str]| -> Result<CommandOutput> {
            let mut command = system.command(&[&["apply", "--yes"], args].concat())?;
            CommandOutput::from(command.env(PASSWORD, &password).output()?).expect(0)
        };
        apply(&["-f", "machine.yaml", "--set", "machine"])?;
        let applied = apply(&["-f", example, "-m", "the demonstration"])?;
        say("3. `pbxctl apply -f examples/small-office` said:");
        say(&format!("      {}", applied.stdout.trim().lines().last().unwrap_or_default()));
        let again = apply(&["-f", example])?;
        ensure!(again.stdout.contains("Nothing to change."), "the second apply is not empty:\n{again}");
        say("   Applied again, it said: Nothing to change.");

        let mut phones = Vec::new();
        for (number, rings) in [("1001", 400), ("1002", 100)] {
            let spec = PhoneSpec::new(number, password.as_str(), system.ip());
            phones.push(Phone::register(&spec, &Behaviour::answer_after(Duration::from_millis(rings)))?);
        }
        say("4. Two telephones registered: 1001, Ana Reyes, and 1002, Bruno Costa.");
        Ok(Self { phones, carrier, system })
    }

    /// A customer calls the main line, whose rule sends callers of that network to the sales group.
    fn call(&self) -> Result<()> {
        let result = self.carrier.call(MAIN_LINE, self.system.ip())?;
        let seconds = result.expect_answer()?.took.as_secs_f64();
        let call = self.phones[0].wait_calls(1, SOON)?.remove(0);
        let shown = call.from_name.unwrap_or_default();
        say(&format!("5. {CUSTOMER} called {MAIN_LINE} from the carrier's address: the telephone of Ana Reyes showed"));
        say(&format!("   \"{shown}\", rang and was answered. The call took {seconds:.1} s."));
        Ok(())
    }

    /// A terminal as someone would see it: a typo, its message, the manifest mended, applied, and applied again.
    fn picture(&self, path: &Path) -> Result<()> {
        let wrong = "apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: \"1004\" }\nspec:\n  displayName: Duarte Lima\n  \
                     profile: desk\n  ringTimout: 30s\n  codecs: [g722, alaww]\n";
        let right = wrong.replace("alaww", "alaw").replace("ringTimout", "ringTimeout");
        let mut screen = String::new();
        let mut show = |args: &[&str]| -> Result<()> {
            let mut command = self.system.command(&[&["--color", "always"], args].concat())?;
            let output = command.env("COLUMNS", "100").output()?;
            let shown = args.iter().filter(|arg| **arg != "--yes").copied().collect::<Vec<_>>().join(" ");
            screen.extend(["\u{1b}[1m$ pbxctl ", &shown, "\u{1b}[0m\n"]);
            for bytes in [&output.stdout, &output.stderr] {
                let text = String::from_utf8_lossy(bytes);
                screen.push_str(text.trim_end());
                screen.push('\n');
            }
            Ok(())
        };
        self.system.write("duarte.yaml", wrong)?;
        show(&["apply", "-f", "duarte.yaml", "--yes"])?;
        self.system.write("duarte.yaml", &right)?;
        show(&["apply", "-f", "duarte.yaml", "--yes"])?;
        show(&["apply", "-f", "duarte.yaml", "--yes"])?;
        show(&["get", "extensions", "-l", "team=sales"])?;
        let screen: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
        let screen = screen.join("\n").replace("\n\u{1b}[1m$", "\n\n\u{1b}[1m$");
        fs_err::write(path, crate::picture::svg(&screen, 100))?;
        Ok(())
    }

    fn shell(&self) -> Result<()> {
        let folder = std::env::current_exe()?;
        let own = [self.system.dir(), folder.parent().unwrap_or(Path::new("."))].map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)))?;
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        say("\nIt is yours. This shell knows where pbxd is; what you could try:");
        for line in [
            "pbxctl get extensions -o wide                     what there is",
            "pbxctl describe did/+351210001000                 every field, and who set it",
            "pbxctl edit extension/1002                        change it in an editor; Asterisk has it when it is over",
            "pbxctl diff -f examples/small-office              what an apply would change; nothing, so far",
            "pbxctl history                                    what was applied, by whom; pbxctl rollback 2 goes back to now",
            "asterisk -rx 'pjsip show endpoints'               what Asterisk says",
            "exit                                              stops and removes everything",
        ] {
            say(&format!("  {line}"));
        }
        say("");
        // How the shell's last command ended says nothing about the demonstration.
        Command::new(shell)
            .current_dir(project::root())
            .env("PATH", path)
            .env("PBXCTL_SOCKET", self.system.socket())
            .env("PBXD_CONFIG", self.system.dir().join("pbxd.toml"))
            .status()
            .context("the shell does not start: set SHELL")?;
        say("Everything is stopped and removed.");
        Ok(())
    }
}
