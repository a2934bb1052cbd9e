//! `test`: call tests, tried on paper before a customer hears what is wrong.

use std::fmt::Write as _;

use pbx_manifest::{Position, TestDocument};
use pbx_routing::trace::{Call, Coverage, Miss, Trace, Tracer, Uncovered, check_tests, judge};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::cli::{Files, Rows};
use crate::failure::{Exit, Failure};
use crate::show;
use crate::system::{Places, System, short};
use crate::table::Table;
use crate::ui::{Look, Style};

/// Try the call tests in manifests on paper
///
/// Tests are documents of `kind: CallTest`. They are tried on the system that the other documents declare; where there are none but
/// tests, on the live one. `pbxctl explain calltest` shows what they say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl test -f office/
  pbxctl test -f office/ --only 'christmas*'
  pbxctl test -f calls.yaml                 On the live system
  pbxctl test -f office/ -o junit > calls.xml
  pbxctl test -f office/ --coverage --coverage-min 80%")]
pub struct TestArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    rows: Rows,
    /// Only tests with this name; `*` stands for anything
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Say which steps and turns no test has walked
    #[arg(long)]
    coverage: bool,
    /// Fail below this share of steps and turns
    #[arg(long, value_name = "SHARE", value_parser = share)]
    coverage_min: Option<f64>,
    /// The form of the result
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    output: Form,
}

/// The form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    Table,
    /// For scripts
    Json,
    /// For pipelines that show tests
    Junit,
}

fn share(text: &str) -> Result<f64, String> {
    let (number, percent) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let number = number.parse::<f64>().ok();
    // Whoever writes `0.8` does not mean less than one per cent.
    number
        .filter(|share| (0.0..=100.0).contains(share) && (percent || *share == 0.0 || *share >= 1.0))
        .ok_or_else(|| "a share from `0%` to `100%`, as in `80%`".into())
}

/// What became of a test.
struct Outcome<'t> {
    test: &'t TestDocument,
    /// Nothing for one that is turned off.
    tried: Option<Tried>,
}

struct Tried {
    labels: Vec<String>,
    end: String,
    misses: Vec<Miss>,
}

impl Outcome<'_> {
    fn failed(&self) -> bool {
        self.tried.as_ref().is_some_and(|tried| !tried.misses.is_empty())
    }

    fn word(&self) -> &'static str {
        match &self.tried {
            None => "skipped",
            Some(tried) if tried.misses.is_empty() => "passed",
            Some(_) => "failed",
        }
    }
}

/// How much was walked.
struct Walked {
    done: usize,
    all: usize,
    missing: Vec<Uncovered>,
}

impl Walked {
    /// In percent. Of nothing, all was walked.
    fn share(&self) -> f64 {
        // Counts of steps are far below what a float holds.
        #[expect(clippy::cast_precision_loss, reason = "counts of steps")]
        let (walked, all) = (self.done as f64, self.all as f64);
        if self.all == 0 { 100.0 } else { walked * 100.0 / all }
    }
}

/// Runs it.
pub fn run(args: &TestArgs, app: &mut App) -> Result<Exit, Failure> {
    let system = System::read(app, &args.files.file, args.rows)?;
    let tests: Vec<&TestDocument> = system.tests.iter().filter(|test| wanted(args, test)).collect();
    if tests.is_empty() {
        let failure = Failure::failed("empty", "there is no call test to try");
        return Err(failure.help("a test is a document of `kind: CallTest`; `pbxctl explain calltest` shows one"));
    }
    system.refuse_errors(&app.sources)?;
    let wrong = check_tests(&system.catalog, &system.graph, &system.tests, &app.sources);
    if !wrong.is_empty() {
        let message = show::plural(wrong.len(), "error in the call tests", "errors in the call tests");
        return Err(Failure::failed("invalid", message).help("no test was tried").with(wrong));
    }
    let tracer = Tracer::new(&system.catalog, &system.graph);
    let mut coverage = Coverage::new(&system.catalog, &system.graph);
    let outcomes: Vec<Outcome<'_>> = tests
        .into_iter()
        .map(|test| {
            let tried = test.test.enabled.then(|| {
                let call = Call::new(&system.catalog, &test.test.call, None);
                let trace = tracer.trace(&call, &test.test.given);
                coverage.add(&trace);
                tried(test, &trace)
            });
            Outcome { test, tried }
        })
        .collect();
    let walked = (args.coverage || args.coverage_min.is_some()).then(|| {
        let (done, all) = coverage.counts();
        Walked { done, all, missing: coverage.missing() }
    });
    let short_of = args.coverage_min.filter(|least| walked.as_ref().is_some_and(|walked| walked.share() < *least));
    let good = !outcomes.iter().any(Outcome::failed) && short_of.is_none();
    let mut places = system.places(&app.sources);
    let text = match args.output {
        Form::Json => {
            let document = told(&outcomes, walked.as_ref(), good, &mut places);
            format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
        }
        Form::Junit => junit(&outcomes, &mut places),
        Form::Table => shown(&outcomes, walked.as_ref().filter(|_| args.coverage), &mut places, app.ui.look()),
    };
    drop(places);
    app.ui.text(&text);
    app.ui.flush();
    app.ui.talk(&summary(&outcomes, walked.as_ref(), short_of));
    // The process ends soon: taking ten thousand objects apart first would only cost time.
    drop(outcomes);
    std::mem::forget(coverage);
    std::mem::forget(system);
    Ok(if good { Exit::Done } else { Exit::Failed })
}

fn tried(test: &TestDocument, trace: &Trace<'_>) -> Tried {
    Tried {
        labels: trace.labels().map(str::to_owned).collect(),
        end: trace.end.to_string(),
        misses: judge(&test.test.expect, trace),
    }
}

/// Whether a test is asked for.
fn wanted(args: &TestArgs, test: &TestDocument) -> bool {
    let Some(only) = &args.only else { return true };
    glob::Pattern::new(only).map_or_else(|_| test.name.as_str() == only, |pattern| pattern.matches(test.name.as_str()))
}

/// The outcome in a line.
fn summary(outcomes: &[Outcome<'_>], walked: Option<&Walked>, short_of: Option<f64>) -> String {
    let count = |word: &str| outcomes.iter().filter(|outcome| outcome.word() == word).count();
    let (failed, skipped) = (count("failed"), count("skipped"));
    let tests = show::plural(outcomes.len(), "call test", "call tests");
    let mut text = match failed {
        0 => format!("{tests}: all passed"),
        failed => format!("{tests}: {failed} failed"),
    };
    if skipped > 0 {
        let _ = write!(text, ", {skipped} turned off");
    }
    text.push('.');
    if let Some(walked) = walked {
        let _ = write!(text, " {:.1}% of steps and turns walked ({} of {})", walked.share(), walked.done, walked.all);
        if let Some(least) = short_of {
            let _ = write!(text, ", less than {least}%");
        }
        text.push('.');
    }
    text
}

/// For people: a line for each test, then what went otherwise.
fn shown(outcomes: &[Outcome<'_>], walked: Option<&Walked>, places: &mut Places<'_>, look: Look) -> String {
    let mut table = Table::new(&["TEST", "RESULT", "ENDS", "PATH"]).gives_way("PATH");
    for outcome in outcomes {
        let (end, path) =
            outcome.tried.as_ref().map(|tried| (tried.end.as_str(), tried.labels.join(" "))).unwrap_or_default();
        table.row([outcome.test.name.as_str(), outcome.word(), end, &path]);
    }
    let mut text = table.text(look);
    for outcome in outcomes.iter().filter(|outcome| outcome.failed()) {
        let Some(tried) = &outcome.tried else { continue };
        let place = places.in_test(outcome.test, "metadata.name").map(|place| format!("  {}", short(&place)));
        let heading = look.paint(Style::Bad, &format!("{} failed", outcome.test.name));
        let _ = writeln!(text, "\n{heading}{}", look.paint(Style::Faint, &place.unwrap_or_default()));
        for miss in &tried.misses {
            let (expected, decided) = where_(outcome.test, miss, places);
            let field = miss.path.strip_prefix("spec.").unwrap_or(&miss.path);
            let at = |place: Option<String>| {
                look.paint(Style::Faint, &place.map(|place| format!("  {place}")).unwrap_or_default())
            };
            let expected = at(expected.as_ref().map(short));
            let _ = writeln!(text, "  {field}");
            let _ = writeln!(text, "    expected  {}{expected}", look.paint(Style::New, &miss.expected));
            let decided = at(decided.as_ref().map(short).or_else(|| miss.decided.as_ref().map(ToString::to_string)));
            let _ = writeln!(text, "    traced    {}{decided}", look.paint(Style::Gone, &miss.traced));
            if !miss.why.is_empty() {
                let _ = writeln!(text, "    because   {}", miss.why);
            }
        }
        let _ = writeln!(text, "  {}", look.paint(Style::Faint, &tried.labels.join(" → ")));
    }
    if let Some(walked) = walked.filter(|walked| !walked.missing.is_empty()) {
        let _ = writeln!(text, "\n{}", look.paint(Style::Heading, "No test walks"));
        for missing in &walked.missing {
            let _ = match (&missing.reason, &missing.to) {
                (Some(reason), Some(to)) => writeln!(text, "  {}: {reason} → {to}", missing.step),
                _ => writeln!(text, "  {}", missing.step),
            };
        }
    }
    text
}

/// Where what was expected stands, and what decided otherwise.
fn where_(test: &TestDocument, miss: &Miss, places: &mut Places<'_>) -> (Option<Position>, Option<Position>) {
    (places.in_test(test, &miss.path), miss.decided.as_ref().and_then(|field| places.of(field)))
}

/// For scripts.
fn told(outcomes: &[Outcome<'_>], walked: Option<&Walked>, good: bool, places: &mut Places<'_>) -> Json {
    let tests: Vec<Json> = outcomes
        .iter()
        .map(|outcome| {
            let mut document = json!({ "name": outcome.test.name, "result": outcome.word() });
            if let Some(tried) = &outcome.tried {
                document["path"] = json!(tried.labels);
                document["end"] = json!(tried.end);
                let misses = tried.misses.iter().map(|miss| {
                    let (expected, decided) = where_(outcome.test, miss, places);
                    let mut told = json!(miss);
                    told["position"] = json!(expected);
                    told["decidedAt"] = json!(decided);
                    told
                });
                document["misses"] = misses.collect();
            }
            document
        })
        .collect();
    let count = |word: &str| outcomes.iter().filter(|outcome| outcome.word() == word).count();
    let mut document = json!({
        "good": good,
        "passed": count("passed"),
        "failed": count("failed"),
        "skipped": count("skipped"),
        "tests": tests,
    });
    if let Some(walked) = walked {
        let share = (walked.share() * 10.0).round() / 10.0;
        document["coverage"] =
            json!({ "percent": share, "walked": walked.done, "all": walked.all, "missing": walked.missing });
    }
    document
}

/// For pipelines that show tests: the form of `JUnit`.
fn junit(outcomes: &[Outcome<'_>], places: &mut Places<'_>) -> String {
    let count = |word: &str| outcomes.iter().filter(|outcome| outcome.word() == word).count();
    let (all, failed, skipped) = (outcomes.len(), count("failed"), count("skipped"));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"pbxctl test\" tests=\"{all}\" \
         failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\">\n"
    );
    for outcome in outcomes {
        let place = places.in_test(outcome.test, "metadata.name");
        let file = place.map(|place| format!(" file=\"{}\" line=\"{}\"", xml(&place.file), place.line));
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"calls\" time=\"0\"{}",
            xml(outcome.test.name.as_str()),
            file.unwrap_or_default()
        );
        match &outcome.tried {
            None => text.push_str("><skipped/></testcase>\n"),
            Some(tried) if tried.misses.is_empty() => text.push_str("/>\n"),
            Some(tried) => {
                let first =
                    tried.misses.first().map(|miss| format!("expected {}, traced {}", miss.expected, miss.traced));
                let _ = writeln!(text, ">\n      <failure message=\"{}\">", xml(&first.unwrap_or_default()));
                for miss in &tried.misses {
                    let (_, decided) = where_(outcome.test, miss, places);
                    let decided = decided.as_ref().map(|place| format!(" ({})", short(place))).unwrap_or_default();
                    let line = format!(
                        "{}: expected {}, traced {}: {}{decided}",
                        miss.path, miss.expected, miss.traced, miss.why
                    );
                    let _ = writeln!(text, "{}", xml(&line));
                }
                let _ = writeln!(text, "{}\n      </failure>\n    </testcase>", xml(&tried.labels.join(" → ")));
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// A text as XML carries it.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // What XML cannot carry at all.
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => out.push(c),
        }
    }
    out
}
