//! Recordings: brought by whoever applies, converted once, never missing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_tests::{System, settings};

/// A second of 440 Hz in one of the formats that people have.
fn tone(ending: &str) -> Result<Vec<u8>> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/audio/tests/data");
    Ok(fs::read(data.join(format!("tone.{ending}")))?)
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
