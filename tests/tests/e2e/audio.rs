//! Recordings: brought by whoever applies, converted once, never missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_lab::{Caller, Place};
use pbx_tests::{Injection, SOON, System, carrier, did, extension, manifest, settings};

use super::faults::as_user;

/// A second of 440 Hz in one of the formats that people have.
fn tone(ending: &str) -> Result<Vec<u8>> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/audio/tests/data");
    Ok(fs::read(data.join(format!("tone.{ending}")))?)
}

/// Two seconds of 880 Hz as a WAV of 44.1 kHz.
fn high() -> Result<Vec<u8>> {
    let samples = (0..88_200).map(|at| (f64::from(at) / 44_100.0 * 880.0 * std::f64::consts::TAU).sin() * 3000.0);
    let samples: Vec<u8> = samples.flat_map(|sample| (sample as i16).to_le_bytes()).collect();
    let size = u32::try_from(samples.len())?;
    let mut wav = [b"RIFF", &(36 + size).to_le_bytes()[..], b"WAVEfmt \x10\0\0\0\x01\0\x01\0"].concat();
    wav.extend([44_100_u32, 88_200].iter().flat_map(|rate| rate.to_le_bytes()));
    wav.extend([b"\x02\0\x10\0data", &size.to_le_bytes()[..], &samples].concat());
    Ok(wav)
}

fn place(system: &System, name: &str, bytes: &[u8]) -> Result<()> {
    let path = system.dir().join("manifests").join(name);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, bytes)?)
}

/// What Asterisk is given of recordings, by their names.
fn kept(system: &System) -> Result<Vec<String>> {
    let folder = system.asterisk().etc().join("pbx.d/audio");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

const WELCOME: &str = "---\nkind: Announcement\nmetadata: { name: welcome }\nspec: { file: audio/welcome.mp3 }\n";
const JAZZ: &str = "---\nkind: HoldMusic\nmetadata: { name: jazz }\nspec: { files: [\"audio/jazz/*\"] }\n";

#[test]
fn what_a_manifest_names_is_brought_and_converted_once() -> Result<()> {
    let system = System::start()?;
    system.write("office.yaml", &[&settings(""), WELCOME, JAZZ].concat())?;

    // Without the files: told with their places, and nothing happens.
    let refused = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(1)?;
    ensure!(refused.stderr.contains("there is no file `audio/welcome.mp3`"), "{refused}");
    ensure!(refused.stderr.contains("no file matches `audio/jazz/*`"), "{refused}");
    ensure!(refused.stderr.contains("office.yaml:"), "{refused}");
    ensure!(system.pbxctl(&["validate", "-f", "office.yaml"])?.expect(1)?.stdout.contains("no file matches"));

    // A broken one is refused with what is wrong with it, by validate and by pbxd.
    place(&system, "audio/welcome.mp3", b"<!doctype html><title>Not found</title>")?;
    place(&system, "audio/jazz/b.flac", &tone("flac")?)?;
    place(&system, "audio/jazz/a.m4a", &tone("m4a")?)?;
    let validated = system.pbxctl(&["validate", "-f", "office.yaml"])?.expect(1)?;
    let words = "`audio/welcome.mp3` cannot be played: it is a web page (HTML), and no recording";
    ensure!(validated.stdout.contains(words), "{validated}");
    let refused = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(1)?;
    ensure!(refused.stderr.contains(words) && refused.stderr.contains("office.yaml:"), "{refused}");
    ensure!(system.health()?.revision.is_none(), "something was applied");

    // Now all is there: the plan names the content, and the files are beside the revisions.
    place(&system, "audio/welcome.mp3", &tone("mp3")?)?;
    system.pbxctl(&["validate", "-f", "office.yaml"])?.expect(0)?;
    let applied = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    ensure!(applied.stdout.contains("audio/welcome.mp3@"), "{applied}");
    let files = kept(&system)?;
    ensure!(files.len() == 9 && files.iter().all(|name| !name.starts_with('.')), "{files:?}");
    let again = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    ensure!(again.stdout.contains("Nothing to change."), "{again}");
    let music = system.pbxctl(&["get", "music/jazz", "-o", "json"])?.expect(0)?.json()?;
    let played: Vec<&str> =
        music["spec"]["files"].as_array().context("no files")?.iter().filter_map(|f| f.as_str()).collect();
    ensure!(played.len() == 2 && played[0].starts_with("audio/jazz/a.m4a@"), "{played:?}");

    // Another file of the same name is a change; the same file under another name is converted no second time.
    place(&system, "audio/welcome.mp3", &tone("ogg")?)?;
    place(&system, "audio/jazz/c.flac", &tone("flac")?)?;
    let differs = system.pbxctl(&["diff", "-f", "office.yaml"])?.expect(2)?;
    ensure!(differs.stdout.contains("file: audio/welcome.mp3@") && differs.stdout.contains("c.flac@"), "{differs}");
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    ensure!(kept(&system)?.len() == 12, "{:?}", kept(&system)?);

    // Asterisk itself reads both files, and may not write beside them.
    let hash = files.iter().find_map(|name| name.strip_suffix(".wav16")).context("no wideband file")?;
    let path = system.asterisk().etc().join("pbx.d/audio").join(hash);
    let convert = |from: &str, to: &Path| system.asterisk().cli(&format!("file convert {from} {}", to.display()));
    for (ending, rate, raw) in [("wav", 8000_u32, "sln"), ("wav16", 16_000, "sln16")] {
        let from = path.with_extension(ending);
        let wav = fs::read(&from)?;
        assert_eq!(wav[24..28], rate.to_le_bytes());
        let converted = system.asterisk().spool().join(format!("heard.{raw}"));
        let said = convert(&from.display().to_string(), &converted)?;
        ensure!(said.contains("Converted"), "{said}");
        // The very samples, untouched. It counts the header's 44 bytes as some of them (`wav_read` in format_wav.c), and so
        // leaves the last two milliseconds out, of any WAV.
        ensure!(
            fs::read(&converted)? == wav[44..wav.len() - 44],
            "Asterisk reads something else in {}",
            from.display()
        );
    }
    let said = convert(&format!("{}.wav", path.display()), &path.with_extension("sln"))?;
    ensure!(said.contains("Unable to open output file"), "{said}");
    Ok(())
}

#[test]
fn recordings_are_uploaded_named_by_hand_and_taken_away() -> Result<()> {
    let system = System::start()?;
    place(&system, "hello.wav", &tone("mp3")?)?;
    place(&system, "broken.mp3", &tone("mp3")?[..1500])?;
    let refused = system.pbxctl(&["audio", "upload", "broken.mp3", "hello.wav"])?.expect(1)?;
    ensure!(refused.stderr.contains("`broken.mp3` cannot be played: it is cut short"), "{refused}");
    let named = refused.stdout.trim().to_owned();
    let (name, hash) = named.split_once('@').with_context(|| named.clone())?;
    ensure!(name == "hello.wav" && hash.len() == 32, "{named}");
    let again = system.pbxctl(&["audio", "upload", "hello.wav"])?.expect(0)?;
    ensure!(again.stdout.trim() == named && again.stderr.contains("was there already"), "{again}");

    // What was never brought is refused by object and field, with what to do.
    let absent = "00112233445566778899aabbccddeeff";
    let manifest = |file: &str| {
        [settings(""), format!("---\nkind: Announcement\nmetadata: {{ name: hi }}\nspec: {{ file: \"{file}\" }}\n")]
            .concat()
    };
    system.write("office.yaml", &manifest(&format!("bye.mp3@{absent}")))?;
    let refused = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(1)?;
    ensure!(refused.stderr.contains(&format!("the recording `bye.mp3@{absent}` is not there")), "{refused}");
    ensure!(
        refused.stderr.contains("pbxctl audio upload bye.mp3") && refused.stderr.contains("office.yaml:"),
        "{refused}"
    );

    // By hand, without a file beside the manifest.
    system.write("office.yaml", &manifest(&named))?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    let list = system.pbxctl(&["audio", "list", "-o", "json"])?.expect(0)?.json()?;
    let one = &list["audio"][0];
    ensure!(one["hash"] == hash && one["format"] == "MP3" && one["usedBy"][0] == "announcement/hi", "{list}");
    let wide = system.pbxctl(&["audio", "list", "-o", "wide"])?.expect(0)?;
    ensure!(wide.stdout.contains("MP3, 44100 Hz, stereo") && wide.stdout.contains("announcement/hi"), "{wide}");
    system.pbxctl(&["audio", "download", "hello.wav", "--out", "heard.wav"])?.expect(0)?;
    let checked = system.pbxctl(&["audio", "check", "heard.wav"])?.expect(0)?;
    ensure!(checked.stdout.contains("16000 Hz") && checked.stdout.contains("-20."), "{checked}");

    // What is played stays, and what can be gone back to.
    let refused = system.pbxctl(&["audio", "delete", "hello.wav", "--yes"])?.expect(5)?;
    ensure!(refused.stderr.contains("is played by announcement/hi"), "{refused}");
    system.pbxctl(&["delete", "announcement/hi", "--yes"])?.expect(0)?;
    let refused = system.pbxctl(&["audio", "delete", &hash[..8], "--yes"])?.expect(5)?;
    ensure!(refused.stderr.contains("which can be gone back to"), "{refused}");
    ensure!(system.pbxctl(&["audio", "prune", "--yes"])?.expect(0)?.stdout.contains("Nothing to take away."));
    system.pbxctl(&["rollback", "1", "--yes"])?.expect(0)?;

    // What nothing plays goes.
    place(&system, "unused.flac", &tone("flac")?)?;
    system.pbxctl(&["audio", "upload", "unused.flac"])?.expect(0)?;
    let pruned = system.pbxctl(&["audio", "prune", "--yes"])?.expect(0)?;
    ensure!(pruned.stdout.contains("Took 1 recording away.") && kept(&system)?.len() == 3, "{pruned}");

    // A name that is no name of a recording reaches no file.
    let told = system.pbxctl(&["audio", "delete", "../../pjsip.conf", "--yes"])?.expect(1)?;
    ensure!(told.stderr.contains("there is no recording"), "{told}");
    Ok(())
}

/// What keeping a recording does that can fail: the calls, the end of the file's name or nothing for the folder, and which of them.
const CALLS: [(&str, &str, u32); 8] = [
    ("?open,openat", ".wav.next", 1),
    ("write", ".wav.next", 1),
    ("?chown,fchownat", ".wav16.next", 1),
    ("fsync", ".wav16.next", 1),
    ("?rename,renameat,renameat2", ".wav16.next", 1),
    ("fsync", "", 2),
    ("write", ".json.next", 1),
    ("?rename,renameat,renameat2", ".json.next", 1),
];

#[test]
fn a_recording_is_kept_whole_or_not_at_all() -> Result<()> {
    let mut system = System::start()?;
    place(&system, "hello.mp3", &tone("mp3")?)?;
    place(&system, "first.flac", &tone("flac")?)?;
    let hash = |name: &str| -> Result<String> {
        let checked = system.pbxctl(&["audio", "check", name, "-o", "json"])?.expect(0)?.json()?;
        Ok(checked[0]["hash"].as_str().context("no hash")?.to_owned())
    };
    let hash = hash("hello.mp3")?;
    // The folder is made by the first.
    system.pbxctl(&["audio", "upload", "first.flac"])?.expect(0)?;
    let folder = system.asterisk().etc().join("pbx.d/audio");
    let at = |(calls, ending, nth): (&'static str, &str, u32), what: &str| Injection {
        calls,
        path: if ending.is_empty() { folder.clone() } else { folder.join(format!(".{hash}{ending}")) },
        nth,
        what: what.to_owned(),
    };
    for call in CALLS {
        let trace = system.inject(&at(call, "error=ENOSPC"))?;
        let told = system.pbxctl(&["audio", "upload", "hello.mp3"])?.expect(1)?;
        ensure!(trace.has_injected()?, "nothing failed at {call:?}: {told}");
        trace.end()?;
        ensure!(told.stderr.contains("pbx.d/audio") && told.stderr.contains("os error 28"), "{call:?}: {told}");
        ensure!(kept(&system)?.iter().all(|name| !name.starts_with('.')), "{call:?}: {:?}", kept(&system)?);
        let list = system.pbxctl(&["audio", "list", "-o", "name"])?.expect(0)?;
        ensure!(!list.stdout.contains(&hash), "{call:?}: half a recording is there");
    }
    for call in CALLS {
        let trace = system.inject(&at(call, "signal=SIGKILL"))?;
        system.pbxctl(&["audio", "upload", "hello.mp3"])?.expect(6)?;
        pbx_lab::until("the end of pbxd", SOON, || Ok((!system.is_pbxd_running()).then_some(())))?;
        drop(trace);
        system.kill_pbxd();
        system.start_pbxd()?;
        ensure!(kept(&system)?.iter().all(|name| !name.starts_with('.')), "{call:?}: {:?}", kept(&system)?);
        system.pbxctl(&["audio", "upload", "hello.mp3"])?.expect(0)?;
        ensure!(kept(&system)?.len() == 6, "{call:?}: {:?}", kept(&system)?);
        system.pbxctl(&["audio", "delete", "hello.mp3", "--yes"])?.expect(0)?;
    }
    Ok(())
}

#[test]
fn who_may_only_look_is_told_what_would_be_brought() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can be another user");
        return Ok(());
    }
    let system = System::builder().config("\n[access]\nviewer_users = [\"nobody\"]\n").start()?;
    let viewer = 65_534;
    system.write("office.yaml", &[&settings(""), WELCOME].concat())?;
    place(&system, "audio/welcome.mp3", &tone("mp3")?)?;
    let told = as_user(&system, viewer, &["diff", "-f", "office.yaml"])?.expect(2)?;
    ensure!(told.to_string().contains("is not there") && told.stdout.contains("audio/welcome.mp3@"), "{told}");
    as_user(&system, viewer, &["apply", "-f", "office.yaml", "--yes"])?.expect(3)?;
    let told = as_user(&system, viewer, &["audio", "upload", "audio/welcome.mp3"])?.expect(3)?;
    ensure!(told.stderr.contains("plan:apply") && kept(&system)?.is_empty(), "{told}");
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    as_user(&system, viewer, &["audio", "download", "welcome.mp3", "--out", "/dev/null/x"])?.expect(1)?;
    as_user(&system, viewer, &["audio", "list"])?.expect(0)?;
    Ok(())
}

/// An announcement from an MP3, and what comes of another file under its name.
#[test]
fn callers_hear_it() -> Result<()> {
    const LINE: &str = "+351210001000";
    let system = System::start()?;
    let place_of_carrier = Place::take()?;
    let line = did(LINE, "carrier: main, destination: announcement/welcome");
    let carrier = carrier("main", place_of_carrier.ip(), "");
    system.write("office.yaml", &[&settings(""), WELCOME, &carrier, &line].concat())?;
    place(&system, "audio/welcome.mp3", &tone("mp3")?)?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    // Asterisk hangs up behind the announcement; who would do so at the same moment meets its BYE.
    let caller = Caller::at(place_of_carrier).hold();
    let heard = caller.call(LINE, system.ip())?;
    ensure!(heard.expect_answer()?.heard.has_tone(440), "{} s heard", heard.heard.seconds());

    // A higher one under the same name.
    place(&system, "audio/welcome.mp3", &high()?)?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    let heard = caller.call(LINE, system.ip())?;
    ensure!(
        heard.expect_answer()?.heard.has_tone(880) && !heard.heard.has_tone(440),
        "{} s heard",
        heard.heard.seconds()
    );
    system.pbxctl(&["rollback", "1", "--yes"])?.expect(0)?;
    ensure!(
        caller.call(LINE, system.ip())?.expect_answer()?.heard.has_tone(440),
        "what was gone back to plays something else"
    );
    Ok(())
}

/// Whoever waits in a queue hears its music, and whoever a filter denies hears what it says of that.
#[test]
fn whoever_waits_hears_music_and_whoever_is_denied_why() -> Result<()> {
    const LINE: &str = "+351210001000";
    let system = System::start()?;
    let place_of_carrier = Place::take()?;
    let queue =
        "members: [{ extension: \"1001\" }], joinEmpty: never, leaveEmpty: never, holdMusic: jazz, blockFilter: spam";
    let parts = [
        settings(""),
        extension("1001", ""),
        carrier("main", place_of_carrier.ip(), ""),
        WELCOME.to_owned(),
        JAZZ.to_owned(),
        manifest("BlockFilter", "spam", "deny: [{ caller: \"+44*\" }], denied: announcement/welcome"),
        manifest("Queue", "support", queue),
        did(LINE, "carrier: main, destination: queue/support"),
    ];
    system.write("office.yaml", &parts.concat())?;
    place(&system, "audio/welcome.mp3", &high()?)?;
    place(&system, "audio/jazz/one.mp3", &tone("mp3")?)?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    let caller = Caller::at(place_of_carrier).from("+351912345678").hold_for(Duration::from_secs(3));
    let heard = caller.call(LINE, system.ip())?.expect_answer()?.heard.clone();
    ensure!(heard.has_tone(440) && !heard.has_tone(880), "{} s of another music", heard.seconds());
    let denied = caller.from("+44123456789").hold().call(LINE, system.ip())?.expect_answer()?.heard.clone();
    ensure!(denied.has_tone(880) && !denied.has_tone(440), "{} s of something else", denied.seconds());
    Ok(())
}
