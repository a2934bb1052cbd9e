//! `drift`: how what is differs from what should be.

use std::time::Duration;

use pbx_api::Drift;

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::show;
use crate::ui::{Look, Style};

/// Show how files, Asterisk and what was set by hand differ from what should be
///
/// Compares the configuration files with what was written, asks Asterisk for all that it has loaded, and lists the fields that
/// were set by hand rather than by manifests. Ends with 2 when anything differs, with 0 when nothing does, and with 6 when Asterisk
/// could not be asked, whatever else differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl drift || mail -s drift ops@example.com
  pbxctl drift --no-manual               Fields set by hand are fine here
  pbxctl drift --watch --every 30s       Tells each change, until interrupted")]
pub struct DriftArgs {
    /// Leave out fields that were set by hand
    #[arg(long)]
    no_manual: bool,
    /// Go on, and tell whenever something changes
    #[arg(long)]
    watch: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::cli::seconds, requires = "watch")]
    every: Duration,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &DriftArgs, app: &mut App) -> Result<Exit, Failure> {
    let mut last = None;
    loop {
        let mut drift = app.ask(async |client| client.drift().await)?;
        if args.no_manual {
            drift.manual.clear();
        }
        // What Asterisk has is not known, whatever else differs.
        let exit = if drift.not_asked.is_some() {
            Exit::Unreachable
        } else if drift.is_empty(true) {
            Exit::Done
        } else {
            Exit::Differs
        };
        if last.as_ref() != Some(&drift) {
            tell(args, app, &drift);
            app.ui.flush();
        }
        if !args.watch {
            return Ok(exit);
        }
        last = Some(drift);
        let interrupted = app.wait(async {
            tokio::select! {
                () = tokio::time::sleep(args.every.max(Duration::from_secs(1))) => false,
                _ = tokio::signal::ctrl_c() => true,
            }
        })?;
        if interrupted {
            return Ok(exit);
        }
    }
}

fn tell(args: &DriftArgs, app: &mut App, drift: &Drift) {
    if args.output == Format::Json {
        app.ui.json(drift);
        return;
    }
    if let Some(why) = &drift.not_asked {
        app.ui.talk(&format!("Asterisk was not asked: {why}"));
    }
    let text = text(drift, app.ui.look());
    if text.is_empty() && drift.not_asked.is_some() {
        app.ui.line("All files are as written.");
    } else if text.is_empty() {
        let asterisk = show::verified(&drift.verified)
            .map_or_else(String::new, |verified| format!(", and Asterisk has {verified} as meant"));
        app.ui.line(&format!("Nothing differs: all files are as written{asterisk}."));
    } else {
        app.ui.text(&text);
        if let Some(next) = next(drift) {
            app.ui.talk(&next);
        }
    }
}

/// What to do about it.
fn next(drift: &Drift) -> Option<String> {
    let again = drift.revision.map_or_else(String::new, |live| format!(", or `pbxctl rollback {live}`"));
    if !drift.files.is_empty() {
        // As long as a file is changed, every apply is refused that is not told to write over it.
        let again = again.replace('`', "").trim_start_matches(", or ").to_owned();
        let again = if again.is_empty() { "pbxctl apply -f …".to_owned() } else { again };
        return Some(format!(
            "What should stay of the files belongs into the manifests. `{again} --overwrite-drift` writes what is meant over them, \
             reloads all that is not as meant, and reads it back; without that flag, every apply is refused."
        ));
    }
    (!drift.asterisk.is_empty())
        .then(|| format!("The next apply of anything{again}, reloads all of it and reads it back."))
}

fn text(drift: &Drift, look: Look) -> String {
    let mut parts = Vec::new();
    let mut section = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            parts.push(format!("{}\n{}\n", look.paint(Style::Heading, heading), lines.join("\n")));
        }
    };
    let mut files = Vec::new();
    if let Some(other) = drift.files_revision {
        let live = drift.revision.map_or("nothing".into(), |live| format!("revision {live}"));
        files.push(format!("  Asterisk reads the files of revision {other}, and {live} is live"));
    }
    for file in &drift.files {
        files.push(format!("  {}", show::drifted(file)));
        if !file.diff.is_empty() {
            files.push(show::unified(&file.diff, look));
        }
    }
    section("Files", files);
    let asterisk = drift.asterisk.iter().map(|failure| {
        let object = failure.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        format!("  {object}{}", failure.message)
    });
    section("Asterisk", asterisk.collect());
    let manual = drift.manual.iter().map(|field| {
        let what = match (&field.path, &field.value) {
            (Some(path), Some(value)) => format!("{}: {}", show::field(path), show::value(value)),
            (Some(path), None) => format!("{}: taken away", show::field(path)),
            (None, _) => "the object itself".into(),
        };
        let at = show::instant(field.at);
        format!("  {}  {what}  (revision {} by {}, {at})", field.object, field.revision, field.by)
    });
    section("Set by hand", manual.collect());
    parts.join("\n")
}
