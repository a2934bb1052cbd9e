//! `cargo xtask bench`: how fast it is, beside something that everybody knows.

mod calls;
mod dialplan;
mod system;

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use clap::Args;
use fs_err as fs;
use pbx_asterisk::ami::{Codec, Limits};
use pbx_asterisk::config::{ConfigTree, Place, Secrets, render};
use pbx_asterisk::deploy::changed_sections;
use pbx_lab::ensure_packages;
use pbx_manifest::{Source, parse};
use pbx_routing::{CallGraph, check_system};
use tokio_util::codec::Decoder as _;

use crate::project::{self, say};

/// Where results are kept.
const RESULTS: &str = "benches/RESULTS.md";

/// Of so many runs the fastest counts: whatever else the machine does can only make one slower.
const RUNS: usize = 3;

/// Only loads the documents, with the parser in C; everything else is left out.
const PYTHON: &str = "import sys, time, yaml
best = None
for _ in range(int(sys.argv[2])):
    begin = time.perf_counter()
    with open(sys.argv[1]) as file:
        count = sum(1 for _ in yaml.load_all(file, Loader=yaml.CSafeLoader))
    took = time.perf_counter() - begin
    best = took if best is None else min(best, took)
print(count, best)
";

/// What measures a part, and adds its rows to the table.
type Part = fn(&mut String) -> Result<()>;

/// What is measured, in this order.
const PARTS: [(&str, Part); 6] = [
    ("manifests", |table| [1_000, 10_000, 100_000].into_iter().try_for_each(|count| manifests(count, table))),
    ("events", decode),
    ("commands", system::commands),
    ("paper", calls::paper),
    ("dialplan", dialplan::calls),
    ("system", |table| system::changes(10_000, table)),
];

/// Measure, on a release build
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only these
    #[arg(value_name = "PART", value_parser = PARTS.map(|(name, _)| name))]
    only: Vec<String>,
    /// Write the table to benches/RESULTS.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// Also a whole system of 100,000 extensions: many minutes, nearly all of them Asterisk's own
    #[arg(long)]
    large: bool,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        if cfg!(debug_assertions) {
            project::run(&mut project::cargo(&["build", "--release", "-p", "pbxd", "-p", "pbxctl", "-p", "xtask"]))?;
            // Not by `cargo run`: for one package alone it would choose other features, and build everything again.
            let debug = std::env::current_exe()?;
            let target = debug.ancestors().nth(2).context("no target folder")?;
            let mut again = Command::new(target.join("release/xtask"));
            return project::run(
                again
                    .arg("bench")
                    .args(&self.only)
                    .args(self.write.then_some("--write"))
                    .args(self.large.then_some("--large")),
            );
        }
        let mut table = String::from("| what | measured | beside it |\n|---|---|---|\n");
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        for (_, measure) in PARTS.into_iter().filter(|(name, _)| wanted(name)) {
            measure(&mut table)?;
        }
        if self.large {
            system::changes(100_000, &mut table)?;
        }
        let text = format!(
            "# Measured\n\n`cargo xtask bench --write` on {}. The best of {RUNS} runs each.\n\n{table}",
            machine()
        );
        say(&text);
        if self.write {
            let path = project::root().join(RESULTS);
            fs::create_dir_all(path.parent().context("a folder")?)?;
            fs::write(path, text)?;
        }
        Ok(())
    }
}

/// The shortest of the usual runs, and what the last one gave.
fn best<T>(run: impl FnMut() -> T) -> (Duration, T) {
    best_of(RUNS, run)
}

/// The shortest of some runs, and what the last one gave.
fn best_of<T>(runs: usize, mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut shortest = Duration::MAX;
    let mut timed = || {
        let begin = Instant::now();
        let value = run();
        shortest = shortest.min(begin.elapsed());
        value
    };
    let mut value = timed();
    for _ in 1..runs {
        value = timed();
    }
    (shortest, value)
}

/// Extensions of a size of system, and a DID for each tenth.
fn office(count: u32) -> String {
    let mut text = String::from(
        "apiVersion: pbx/v1\nkind: ExtensionProfile\nmetadata: { name: desk }\nspec:\n  codecs: [g722, alaw]\n  \
         voicemail: { enabled: true }\n---\nkind: Carrier\nmetadata: { name: main }\nspec: { hosts: [192.0.2.1] }\n",
    );
    for n in 0..count {
        let number = 1_000_000 + n;
        let _ = write!(
            text,
            "---\nkind: Extension\nmetadata:\n  name: \"{number}\"\n  labels: {{ site: s{} }}\nspec:\n  \
             displayName: Person {n}\n  email: person{n}@example.com\n  profile: desk\n",
            n % 50
        );
        if n % 10 == 0 {
            let _ = write!(
                text,
                "---\nkind: Did\nmetadata: {{ name: \"+35121{number}\" }}\nspec: {{ carrier: main, destination: extension/{number} }}\n"
            );
        }
    }
    text
}

/// Reading, checking and rendering, beside a Python that only reads.
fn manifests(count: u32, table: &mut String) -> Result<()> {
    let sources = [Source::new("bench.yaml", office(count))];
    let (reading, parsed) = best(|| parse(&sources));
    let (checking, found) = best(|| {
        let catalog = parsed.catalog();
        check_system(&catalog, &CallGraph::new(&catalog))
    });
    ensure!(!parsed.diagnostics.iter().chain(&found).any(pbx_manifest::Diagnostic::is_error), "a wrong manifest");
    let catalog = parsed.catalog();
    let secrets = Secrets::default();
    let (rendering, tree) = best(|| render(&catalog, &secrets, &Place::default()));
    let differs = |from: &ConfigTree| changed_sections(from, &tree).len();
    ensure!(differs(&tree.clone()) == 0 && differs(&ConfigTree::empty()) > count as usize, "what differs is not told");
    let bytes: usize = tree.files().map(|(_, file)| file.text().len()).sum();

    if Command::new("python3")
        .args(["-c", "import yaml; yaml.CSafeLoader"])
        .status()
        .map_or(true, |status| !status.success())
    {
        ensure_packages(&["python3-yaml"])?;
    }
    let place = pbx_lab::Place::take()?;
    let path = place.dir().join("bench.yaml");
    fs::write(&path, &sources[0].text)?;
    let output = Command::new("python3").args(["-c", PYTHON]).arg(&path).arg(RUNS.to_string()).output()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let (documents, seconds) =
        words.trim().split_once(' ').with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(documents.parse() == Ok(parsed.documents.len()), "{documents} documents");
    let python = Duration::from_secs_f64(seconds.parse()?);

    let name = format!("{count} extensions, {} DIDs", count / 10);
    let times = python.as_secs_f64() / (reading + checking).as_secs_f64();
    row(
        table,
        &format!("{name}: read and check"),
        reading + checking,
        &format!("PyYAML's CSafeLoader only reads: {} ({times:.0} times)", took(python)),
    );
    row(table, &format!("{name}: render"), rendering, &format!("{:.1} MB of configuration", megabytes(bytes)));
    Ok(())
}

/// Events of calls, decoded, beside the copy of the same bytes.
fn decode(table: &mut String) -> Result<()> {
    let mut wire = String::new();
    for n in 0..100_000 {
        let _ = write!(
            wire,
            "Event: Newstate\r\nPrivilege: call,all\r\nChannel: PJSIP/1001-{n:08x}\r\nChannelState: 5\r\nChannelStateDesc: Ringing\r\n\
             CallerIDNum: 1001\r\nCallerIDName: Ana Reyes\r\nConnectedLineNum: 1002\r\nConnectedLineName: Bruno Costa\r\n\
             Language: en\r\nAccountCode: \r\nContext: pbx-class-internal\r\nExten: 1002\r\nPriority: 6\r\n\
             Uniqueid: 1790000000.{n}\r\nLinkedid: 1790000000.{n}\r\n\r\n"
        );
    }
    let wire = wire.into_bytes();
    let (decoding, frames) = best(|| {
        let mut codec = Codec::without_banner(Limits::default());
        let mut buffer = BytesMut::new();
        let mut frames = 0;
        // As they come from a socket.
        for piece in wire.chunks(65_536) {
            buffer.extend_from_slice(piece);
            while let Ok(Some(frame)) = codec.decode(&mut buffer) {
                std::hint::black_box(frame);
                frames += 1;
            }
        }
        frames
    });
    ensure!(frames == 100_000, "{frames} events");
    let (copying, _) = best(|| std::hint::black_box(wire.clone()));
    let rate = megabytes(wire.len()) / decoding.as_secs_f64();
    let limit = megabytes(wire.len()) / copying.as_secs_f64();
    row(
        table,
        "100000 AMI events decoded",
        decoding,
        &format!("{rate:.0} MB/s; a copy of the same bytes {limit:.0} MB/s"),
    );
    Ok(())
}

fn row(table: &mut String, what: &str, time: Duration, beside: &str) {
    line(table, what, &took(time), beside);
}

fn line(table: &mut String, what: &str, measured: &str, beside: &str) {
    let _ = writeln!(table, "| {what} | {measured} | {beside} |");
    say(&format!("{what}: {measured}, {beside}"));
}

fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rounded number of megabytes")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// The processor and the number of its cores.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{}, {cores} cores", name.trim_start_matches([' ', '\t', ':']))
}
