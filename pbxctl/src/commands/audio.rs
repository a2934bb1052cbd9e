//! `audio`: recordings, brought to pbxd, looked at and taken away.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use pbx_api::AudioView;
use pbx_audio::{About, DIGITS, Recording};
use pbx_manifest::Grid;
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::audio::{Bar, bytes, missing, name_of, send};
use crate::cli::{Consent, Format, formats};
use crate::failure::{Exit, Failure};
use crate::table::Table;
use crate::{complete, objects, show};

/// Bring recordings, look at them, and take them away
///
/// What manifests name beside them is brought by `apply` itself. MP3, WAV, FLAC, Ogg Vorbis, M4A and AAC are read; each is made as
/// loud as the others, and kept as Asterisk plays it without transcoding.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio upload welcome.mp3               Prints how manifests name it
  pbxctl audio list
  pbxctl audio check audio/*                    What is wrong with files, without pbxd
  pbxctl audio convert welcome.mp3 --out out/   What callers would hear
  pbxctl audio prune")]
pub struct Audio {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Upload(Upload),
    List(List),
    Check(Check),
    Convert(Convert),
    Download(Download),
    Delete(Delete),
    Prune(Prune),
}

/// Bring recordings to pbxd
///
/// Prints how manifests name each: its name, and behind the `@` its content. Written so, it needs no file beside the manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio upload welcome.mp3
  pbxctl audio upload jingles/*.flac -o json")]
struct Upload {
    /// Files of MP3, WAV, FLAC, Ogg Vorbis, M4A or AAC
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["name", "json"]), default_value = "name", value_name = "FORM")]
    output: Format,
}

/// List the recordings, and what plays them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio list
  pbxctl audio list -o wide
  pbxctl audio list --unused -o name")]
struct List {
    /// Only those that nothing plays, and nothing that can be gone back to
    #[arg(long)]
    unused: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "csv", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Say what files are, or what is wrong with them
///
/// Asks nobody. Ends with 1 where a file cannot be played.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio check welcome.mp3
  pbxctl audio check audio/* -o json")]
struct Check {
    /// Files
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Convert a file as pbxd would, to listen to it
///
/// Asks nobody. Writes NAME.wav, which narrow telephones hear (8 kHz), and NAME.wav16, which wideband ones do (16 kHz).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio convert welcome.mp3 --out /tmp")]
struct Convert {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// The folder to write into
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
}

/// Fetch a recording as wideband telephones hear it: a WAV of 16 kHz
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio download welcome.mp3 --out welcome.wav")]
struct Download {
    /// Its name, its hash, or the beginning of that
    #[arg(value_name = "RECORDING", add = ArgValueCompleter::new(complete::recordings))]
    recording: String,
    /// The file to write
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,
}

/// Take recordings away
///
/// One that an object plays, or a revision that can be gone back to, is not taken away.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio delete welcome.mp3
  pbxctl audio delete 3f2a90 --yes")]
struct Delete {
    /// Names, hashes, or beginnings of those
    #[arg(value_name = "RECORDING", required = true, add = ArgValueCompleter::new(complete::recordings))]
    recordings: Vec<String>,
    #[command(flatten)]
    consent: Consent,
}

/// Take all recordings away that nothing plays
///
/// Nor anything that can be gone back to.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl audio prune
  pbxctl audio prune --dry-run")]
struct Prune {
    #[command(flatten)]
    consent: Consent,
    /// Show which, and take none away
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn run(args: &Audio, app: &mut App) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Upload(args) => upload(args, app),
        Verb::List(args) => list(args, app),
        Verb::Check(args) => check(args, app),
        Verb::Convert(args) => convert(args, app),
        Verb::Download(args) => download(args, app),
        Verb::Delete(args) => {
            let all = app.ask(async |client| client.audio().await)?.audio;
            let mut chosen = Vec::new();
            for word in &args.recordings {
                let one = find(&all, word)?;
                if !chosen.contains(one) {
                    chosen.push(one.clone());
                }
            }
            delete(app, &chosen, args.consent.yes, false)
        }
        Verb::Prune(args) => {
            let all = app.ask(async |client| client.audio().await)?.audio;
            let chosen: Vec<AudioView> = all.into_iter().filter(AudioView::is_unused).collect();
            delete(app, &chosen, args.consent.yes, args.dry_run)
        }
    }
}

/// A failure of one file, from what is wrong and what to do.
fn unusable(why: &str) -> Failure {
    let mut lines = why.lines();
    let failure = Failure::failed("audio", lines.next().unwrap_or_default());
    lines.fold(failure, Failure::help)
}

/// Several failures as one: of one, itself.
fn together(app: &mut App, mut failures: Vec<Failure>) -> Result<Exit, Failure> {
    let Some(last) = failures.pop() else { return Ok(Exit::Done) };
    let count = failures.len() + 1;
    if count == 1 {
        return Err(last);
    }
    let mut help = Vec::new();
    for failure in failures.into_iter().chain([last]) {
        app.ui.talk(&failure.message);
        failure.help.into_iter().for_each(|line| {
            if !help.contains(&line) {
                help.push(line);
            }
        });
    }
    let failure = Failure::failed("audio", show::plural(count, "file cannot be played", "files cannot be played"));
    Err(help.into_iter().fold(failure, Failure::help))
}

fn upload(args: &Upload, app: &mut App) -> Result<Exit, Failure> {
    let (mut good, mut failures) = (Vec::new(), Vec::new());
    for path in &args.files {
        match bytes(path) {
            Ok(read) => good.push((path, pbx_audio::name_of(&read))),
            Err(why) => failures.push(unusable(&why)),
        }
    }
    let absent = missing(app, good.iter().map(|(_, hash)| hash.clone()).collect())?;
    let wanted: Vec<_> =
        good.iter().filter(|(_, hash)| absent.contains(hash)).map(|(path, _)| path.as_path()).collect();
    let bar = Bar::new(app, &wanted);
    let mut brought: Vec<AudioView> = Vec::new();
    let mut lines = Vec::new();
    for (path, hash) in &good {
        let name = name_of(path);
        if absent.contains(hash) && !brought.iter().any(|view| view.hash == *hash) {
            let sent = bytes(path).map_err(|why| unusable(&why))?;
            match send(app, &bar, hash, &name, sent) {
                Ok(view) => brought.push(view),
                Err(failure) if failure.code == "invalid" => {
                    failures.push(failure);
                    continue;
                }
                Err(failure) => return Err(failure),
            }
        }
        lines.push(format!("{name}@{hash}"));
    }
    drop(bar);
    if args.output == Format::Json && failures.is_empty() {
        let mut all = app.ask(async |client| client.audio().await)?;
        all.audio.retain(|view| good.iter().any(|(_, hash)| *hash == view.hash));
        app.ui.json(&all);
    } else if args.output != Format::Json {
        for line in &lines {
            app.ui.line(line);
        }
        let there = lines.len() - brought.len().min(lines.len());
        if there > 0 {
            let what = show::plural(there, "recording was", "recordings were");
            app.ui.talk(&format!("{what} there already."));
        }
    }
    together(app, failures)
}

fn list(args: &List, app: &mut App) -> Result<Exit, Failure> {
    let mut list = app.ask(async |client| client.audio().await)?;
    if args.unused {
        list.audio.retain(AudioView::is_unused);
    }
    match args.output {
        Format::Json => app.ui.json(&list),
        Format::Name => list.audio.iter().for_each(|view| app.ui.line(&named(view))),
        Format::Csv => {
            let header = [
                "name", "hash", "format", "rate", "channels", "seconds", "size", "loudness", "gain", "at", "by",
                "usedBy", "keptFor",
            ];
            let rows = list.audio.iter().map(|view| {
                let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
                vec![
                    view.name.clone(),
                    view.hash.clone(),
                    view.format.clone(),
                    view.rate.to_string(),
                    view.channels.to_string(),
                    view.seconds.to_string(),
                    view.size.to_string(),
                    number(view.loudness),
                    number(Some(view.gain)),
                    view.at.to_string(),
                    view.by.clone(),
                    view.used_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"),
                    view.kept_for.map(|revision| revision.to_string()).unwrap_or_default(),
                ]
            });
            let grid = Grid { header: header.map(str::to_owned).to_vec(), rows: rows.collect() };
            let text = objects::csv(&grid)?;
            app.ui.text(&text);
        }
        _ if list.audio.is_empty() => app.ui.talk(if args.unused {
            "Every recording is played by something."
        } else {
            "There is no recording yet; `pbxctl audio upload FILE` brings one."
        }),
        _ => {
            app.ui.page();
            let wide = args.output == Format::Wide;
            let text = shown(&list.audio, wide).text(if wide { app.ui.look().wide() } else { app.ui.look() });
            app.ui.text(&text);
        }
    }
    Ok(Exit::Done)
}

/// As manifests name it.
fn named(view: &AudioView) -> String {
    format!("{}@{}", view.name, view.hash)
}

fn shown(audio: &[AudioView], wide: bool) -> Table {
    let mut headings = vec!["NAME", "HASH", "LENGTH", "SIZE", "USED BY"];
    if wide {
        headings.extend(["FORMAT", "LOUDNESS", "GAIN", "SINCE", "BROUGHT BY"]);
    }
    let mut table = Table::new(&headings).never_cut("HASH").gives_way("USED BY");
    for view in audio {
        let mut used: Vec<String> = view.used_by.iter().map(ToString::to_string).collect();
        used.extend(view.kept_for.map(|revision| format!("(revision {revision})")));
        let mut row = vec![
            view.name.clone(),
            if wide { view.hash.clone() } else { view.hash.chars().take(SHORT).collect() },
            length(view.seconds),
            size(view.size),
            used.join(","),
        ];
        if wide {
            row.extend([
                format!("{}, {} Hz, {}", view.format, view.rate, channels(view.channels)),
                loudness(view.loudness),
                gain(view.gain),
                show::instant(view.at),
                view.by.clone(),
            ]);
        }
        table.row(row);
    }
    table
}

/// How much of a hash is shown where there is little room; enough to name it.
const SHORT: usize = 12;
/// The least of a hash that names a recording.
const LEAST: usize = 6;

fn length(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round();
    format!("{}:{:04.1}", (tenths / 600.0).floor(), (tenths % 600.0) / 10.0)
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn channels(count: u16) -> String {
    match count {
        1 => "mono".into(),
        2 => "stereo".into(),
        more => format!("{more} channels"),
    }
}

fn loudness(loudness: Option<f64>) -> String {
    loudness.map_or_else(|| "silent".into(), |loudness| format!("{loudness:.1} LUFS"))
}

fn gain(gain: f64) -> String {
    format!("{gain:+.1} dB")
}

/// The recording that a word means.
fn find<'a>(all: &'a [AudioView], word: &str) -> Result<&'a AudioView, Failure> {
    let hash = word.rsplit_once('@').map_or(word, |(_, hash)| hash);
    let is_hash = (LEAST..=DIGITS).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let by_name: Vec<&AudioView> = all.iter().filter(|view| view.name == word).collect();
    let found = if by_name.is_empty() && is_hash {
        all.iter().filter(|view| view.hash.starts_with(&hash.to_lowercase())).collect()
    } else {
        by_name
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let failure = Failure::failed("notFound", format!("there is no recording `{word}`"));
            Err(match pbx_manifest::nearest(word, all.iter().map(|view| view.name.as_str())) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`pbxctl audio list` shows those there are"),
            })
        }
        several => {
            let failure = Failure::usage(format!("`{word}` is the name of {} recordings", several.len()));
            Err(several.iter().fold(failure, |failure, view| {
                failure.help(format!("`{}`, of {}, by {}", &view.hash[..SHORT], show::instant(view.at), view.by))
            }))
        }
    }
}

/// What a file is, as a table's cells.
fn cells(about: &About) -> [String; 6] {
    [
        about.format.to_owned(),
        format!("{} Hz", about.rate),
        channels(about.channels),
        length(about.duration.as_secs_f64()),
        loudness(about.loudness),
        gain(about.gain),
    ]
}

fn read(path: &std::path::Path) -> Result<(String, Recording), Failure> {
    let bytes = bytes(path).map_err(|why| unusable(&why))?;
    let recording = Recording::read(&bytes).map_err(|broken| {
        Failure::failed("audio", format!("`{}` cannot be played: {broken}", path.display())).help(broken.help())
    })?;
    Ok((pbx_audio::name_of(&bytes), recording))
}

fn check(args: &Check, app: &mut App) -> Result<Exit, Failure> {
    let mut table = Table::new(&["FILE", "FORMAT", "RATE", "CHANNELS", "LENGTH", "LOUDNESS", "GAIN"]);
    let (mut failures, mut good, mut all) = (Vec::new(), 0, Vec::new());
    for path in &args.files {
        let shown = path.display().to_string();
        match read(path) {
            Ok((hash, recording)) => {
                let about = recording.about();
                all.push(json!({
                    "file": shown,
                    "hash": hash,
                    "format": about.format,
                    "rate": about.rate,
                    "channels": about.channels,
                    "seconds": about.duration.as_secs_f64(),
                    "loudness": about.loudness,
                    "gain": about.gain,
                }));
                table.row(std::iter::once(shown).chain(cells(about)));
                good += 1;
            }
            Err(failure) => {
                all.push(json!({ "file": shown, "error": failure.message, "help": failure.help }));
                failures.push(failure);
            }
        }
    }
    if args.output == Format::Json {
        app.ui.json(&Json::Array(all));
        return Ok(if failures.is_empty() { Exit::Done } else { Exit::Failed });
    }
    if good > 0 {
        let text = table.text(app.ui.look());
        app.ui.text(&text);
        app.ui.flush();
    }
    together(app, failures)
}

fn convert(args: &Convert, app: &mut App) -> Result<Exit, Failure> {
    let (_, recording) = read(&args.file)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut table = Table::new(&["FILE", "FORMAT", "RATE", "CHANNELS", "LENGTH", "LOUDNESS", "GAIN"]);
    table.row(std::iter::once(args.file.display().to_string()).chain(cells(recording.about())));
    for (ending, wav, rate) in
        [("wav", recording.narrow(), pbx_audio::NARROW), ("wav16", recording.wide(), pbx_audio::WIDE)]
    {
        let path = args.out.join(format!("{name}.{ending}"));
        if path == args.file {
            return Err(Failure::usage(format!("`{}` would be written over itself", path.display()))
                .help("name another folder with `--out`"));
        }
        // What was written is looked at as any file is.
        let after =
            Recording::read(&wav).map_or_else(|broken| broken.to_string(), |again| loudness(again.about().loudness));
        super::export::write(&path, &wav)?;
        let seconds = length(recording.about().duration.as_secs_f64());
        table.row([path.display().to_string(), "WAV".into(), format!("{rate} Hz"), channels(1), seconds, after]);
    }
    let text = table.text(app.ui.look());
    app.ui.text(&text);
    Ok(Exit::Done)
}

fn download(args: &Download, app: &mut App) -> Result<Exit, Failure> {
    let all = app.ask(async |client| client.audio().await)?.audio;
    let one = find(&all, &args.recording)?;
    let wav = app.ask(async |client| client.audio_download(&one.hash).await)?;
    super::export::write(&args.out, &wav)?;
    app.ui.talk(&format!("Wrote {} of `{}` to {}.", size(wav.len() as u64), one.name, args.out.display()));
    Ok(Exit::Done)
}

fn delete(app: &mut App, chosen: &[AudioView], yes: bool, dry_run: bool) -> Result<Exit, Failure> {
    if chosen.is_empty() {
        app.ui.line("Nothing to take away.");
        return Ok(Exit::Done);
    }
    if !dry_run {
        crate::deploy::must_be_able_to_ask(app, yes, "`pbxctl audio list`")?;
    }
    let text = shown(chosen, false).text(app.ui.look());
    app.ui.text(&text);
    let what = show::plural(chosen.len(), "recording", "recordings");
    if dry_run {
        app.ui.line(&format!("\n{what} would be taken away."));
        return Ok(Exit::Done);
    }
    if !yes && !app.ui.ask(&format!("Take {what} away?"))? {
        return Err(Failure::failed("cancelled", "cancelled; nothing was changed")
            .help("run the command again when it should be"));
    }
    for view in chosen {
        app.ask(async |client| client.audio_delete(&view.hash).await)?;
    }
    app.ui.line(&format!("\nTook {what} away."));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, hash: &str) -> AudioView {
        AudioView {
            hash: hash.into(),
            name: name.into(),
            format: "MP3".into(),
            rate: 44_100,
            channels: 2,
            seconds: 61.25,
            size: 2_345_678,
            loudness: None,
            gain: 0.0,
            at: jiff::Timestamp::UNIX_EPOCH,
            by: "ana".into(),
            used_by: Vec::new(),
            kept_for: None,
        }
    }

    #[test]
    fn a_recording_is_named_in_many_ways() {
        let all = [
            view("welcome.mp3", "3f2a90aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            view("jazz.mp3", "3f2a91aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            view("jazz.mp3", "77777777777777777777777777777777"),
        ];
        for word in ["welcome.mp3", "3f2a90", "3F2A90aa", "welcome.mp3@3f2a90aaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(find(&all, word).unwrap(), &all[0], "{word}");
        }
        assert_eq!(find(&all, "wellcome.mp3").unwrap_err().help, ["did you mean `welcome.mp3`?"]);
        assert_eq!(find(&all, "jazz.mp3").unwrap_err().message, "`jazz.mp3` is the name of 2 recordings");
        assert!(find(&all, "3f2a9").is_err());
    }

    #[test]
    fn figures_are_for_people() {
        assert_eq!(
            [length(0.0), length(61.25), length(59.96), length(3600.0)],
            ["0:00.0", "1:01.3", "1:00.0", "60:00.0"]
        );
        assert_eq!([size(999), size(2345), size(2_345_678)], ["999 B", "2.3 kB", "2.3 MB"]);
        assert_eq!((gain(6.0), gain(-3.25), loudness(None)), ("+6.0 dB".into(), "-3.2 dB".into(), "silent".into()));
    }
}
