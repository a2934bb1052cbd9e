//! What reading costs grows as the text does, whatever the text.

use std::time::Duration;

use pbx_manifest::{Source, Table, check, locate, parse};

/// How long this thread has been on a processor, as Linux counts it: what others do meanwhile does not matter.
fn cpu_time() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "Linux' own file; its error says enough")]
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// What a text is called, the text of a size, and the smaller size.
type Text<'t> = (&'t str, &'t dyn Fn(usize) -> String, usize);

/// What a source costs, from its first letter to the last finding: as often as it takes to be measured by a clock that Linux moves on
/// every few milliseconds.
fn cost(source: Source) -> Duration {
    const LONG_ENOUGH: Duration = Duration::from_millis(100);
    let sources = [source];
    let begin = cpu_time();
    for runs in 1.. {
        let parsed = parse(&sources);
        let mut found = check(&parsed.catalog());
        locate(&sources, &parsed.documents, &mut found);
        let took = cpu_time().saturating_sub(begin);
        if took >= LONG_ENOUGH {
            return took / runs;
        }
    }
    unreachable!("time goes on")
}

#[test]
fn eight_times_the_text_costs_about_eight_times_as_much() {
    const EXTENSION: &str = "apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: \"1001\" }\nspec:\n";
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let route = |name: &str, patterns: String| {
        format!(
            "---\napiVersion: pbx/v1\nkind: OutboundRoute\nmetadata: {{ name: {name} }}\nspec: {{ carriers: [one], patterns: [{patterns}] }}\n"
        )
    };
    let texts: [Text<'_>; 18] = [
        ("a long word for a zone", &|n| format!("{}  language: {}\n", EXTENSION, "x".repeat(n)), 100_000),
        (
            "a long zone",
            &|n| {
                format!(
                    "apiVersion: pbx/v1\nkind: Settings\nmetadata: {{ name: pbx }}\nspec: {{ timeZone: {} }}\n",
                    "x".repeat(n)
                )
            },
            5_000,
        ),
        ("a long kind", &|n| format!("kind: {}\nmetadata: {{ name: x }}\n", "x".repeat(n)), 100_000),
        ("a long field", &|n| format!("{}  ? {}\n  : 1\n", EXTENSION, "x".repeat(n)), 100_000),
        ("many unknown fields", &|n| format!("{EXTENSION}{}", many(n, &|at| format!("  f{at}: 1\n"))), 2_000),
        (
            "many labels",
            &|n| {
                let labels = many(n, &|at| format!("l{at}: x, "));
                format!("apiVersion: pbx/v1\nkind: Extension\nmetadata: {{ name: \"1001\", labels: {{ {labels} }} }}\n")
            },
            500,
        ),
        ("many bad items", &|n| format!("{EXTENSION}  permissions: [{}]\n", many(n, &|at| format!("Bad{at}, "))), 250),
        ("many good items", &|n| format!("{EXTENSION}  permissions: [{}]\n", many(n, &|at| format!("p{at}, "))), 2_000),
        (
            "many fields merged",
            &|n| {
                let fields = many(n, &|at| format!("  f{at}: 1\n"));
                format!("a: &a\n{fields}b:\n  <<: [*a, *a, *a, *a, *a, *a, *a, *a]\n")
            },
            500,
        ),
        ("many aliases", &|n| format!("a: &a {{ b: [1, 2, 3] }}\nc: [{}]\n", "*a, ".repeat(n)), 2_000),
        ("many anchors", &|n| format!("a: [{}]\n", many(n, &|at| format!("&x{at} [1], "))), 2_000),
        (
            "many members",
            &|n| {
                let members = many(n, &|at| format!("\"{at}\", "));
                format!(
                    "apiVersion: pbx/v1\nkind: ExtensionGroup\nmetadata: {{ name: x }}\nspec: {{ members: [{members}] }}\n"
                )
            },
            250,
        ),
        (
            "many hours",
            &|n| {
                let hours = "09:00-10:00, ".repeat(n);
                format!(
                    "apiVersion: pbx/v1\nkind: Schedule\nmetadata: {{ name: x }}\nspec: {{ open: [{{ days: daily, hours: [{hours}] }}] }}\n"
                )
            },
            500,
        ),
        (
            "many patterns of one order",
            &|n| many(4, &|of| route(&format!("r{of}"), many(n, &|at| format!("_{of}{at:06}X., ")))),
            200,
        ),
        (
            "many numbers outside",
            &|n| {
                let callers = many(n, &|at| format!("{{ from: \"+1{at}\", destination: external/00{at:06} }}, "));
                let did = format!(
                    "---\napiVersion: pbx/v1\nkind: Did\nmetadata: {{ name: \"+351210001000\" }}\nspec: {{ destination: hangup, callers: [{callers}] }}\n"
                );
                route("abroad", many(n, &|at| format!("\"00{at:06}\", "))) + &did
            },
            200,
        ),
        (
            "many carriers",
            &|n| {
                many(n, &|at| {
                    let (a, b) = (at / 200, at % 200);
                    format!(
                        "---\napiVersion: pbx/v1\nkind: Carrier\nmetadata: {{ name: c{at} }}\nspec: {{ hosts: [192.0.2.1], addresses: [10.{a}.{b}.0/24, 10.{a}.{b}.7, 10.255.{b}.0/24] }}\n"
                    )
                })
            },
            100,
        ),
        ("many documents that are no YAML", &|n| many(n, &|_| format!("---\n{EXTENSION}  displayName: \"Ana\n")), 200),
        ("many documents, repeated", &|n| many(n, &|_| format!("---\n{EXTENSION}  displayName: Ana\n")), 200),
    ];
    for (what, text, size) in texts {
        grows_evenly(what, size, |size| Source::new("large.yaml", text(size)));
    }
}

#[test]
fn eight_times_the_rows_cost_about_eight_times_as_much() {
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let texts: [Text<'_>; 8] = [
        (
            "good rows",
            &|n| format!("kind,name,displayName\n{}", many(n, &|at| format!("Extension,{at},Ana {at}\n"))),
            250,
        ),
        ("bad rows", &|n| format!("kind,name,email\n{}", many(n, &|at| format!("Extension,{at},nobody\n"))), 250),
        (
            "rows with findings between objects",
            &|n| format!("kind,name,permissions\n{}", many(n, &|at| format!("Extension,{at},unheard-of\n"))),
            250,
        ),
        ("one object in every row", &|n| format!("kind,name\n{}", "Extension,1001\n".repeat(n)), 250),
        ("a row beyond its header", &|n| format!("kind,name\nExtension,1001{}\n", ",x".repeat(n)), 2_000),
        ("rows without a cell", &|n| format!("kind,name\n{}Extension,1001\n", "\n".repeat(n)), 20_000),
        ("a wide header", &|n| format!("kind,name,{}\nExtension,1001\n", many(n, &|at| format!("labels.l{at},"))), 100),
        ("a long cell", &|n| format!("kind,name,email\nExtension,1001,\"{}\"\n", "x\n".repeat(n)), 20_000),
    ];
    for (what, text, size) in texts {
        grows_evenly(what, size, |size| Source::rows("large.csv", text(size), Table::default()));
    }
}

fn grows_evenly(what: &str, size: usize, source: impl Fn(usize) -> Source) {
    let (small, large) = (cost(source(size)), cost(source(8 * size)));
    // By the square it would be 64 times; the rest is for caches, and for what is too small to measure.
    let most = small * 32 + Duration::from_millis(20);
    assert!(large < most, "{what}: {small:?} for {size}, {large:?} for eight times as much");
}
