//! Tables: what rows say, where their mistakes stand, and that what is written reads back.

use std::collections::BTreeMap;

use pbx_manifest::{
    COVER, Diagnostic, Document, Entry, Grid, Kind, Parsed, Source, Table, check, grid, grid_of, locate, mask, parse,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::office;

fn source(text: &str) -> Source {
    Source::rows("people.csv", text, Table::default())
}

fn read(text: &str) -> Parsed {
    parse(&[source(text)])
}

/// The fields of the only row.
fn row(text: &str) -> Json {
    let parsed = read(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    let [document] = parsed.documents.as_slice() else { panic!("{text}: {:?}", parsed.documents) };
    document.fields.clone()
}

/// Where and what, a line each.
fn said(parsed: &Parsed) -> Vec<String> {
    parsed
        .diagnostics
        .iter()
        .map(|found| {
            let at = found.position.as_ref().unwrap();
            format!("{at} {} {}", at.cell.as_deref().unwrap_or_default(), found.message)
        })
        .collect()
}

fn csv(grid: &Grid) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(&grid.header).chain(&grid.rows) {
        writer.write_record(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn entries(documents: &[Document]) -> Vec<Entry<'_>> {
    documents.iter().map(|document| (&document.object, &document.meta, &document.fields)).collect()
}

#[test]
fn a_row_is_the_document_that_its_yaml_would_be() {
    let table = read(
        "kind,name,labels.team,displayName,email,voicemail.enabled,codecs,maxCalls,callerId.number,ringTimeout\n\
         Extension,1001,sales,Ana Reyes,ana@example.com,yes,alaw;ulaw,3,+351210001001,25s\n",
    );
    let yaml = parse(&[Source::new(
        "people.yaml",
        "apiVersion: pbx/v1
kind: Extension
metadata: { name: \"1001\", labels: { team: sales } }
spec: { displayName: Ana Reyes, email: ana@example.com, voicemail: { enabled: true }, codecs: [alaw, ulaw], maxCalls: 3, callerId: { number: \"+351210001001\" }, ringTimeout: 25s }
",
    )]);
    assert_eq!((&table.diagnostics, &yaml.diagnostics), (&vec![], &vec![]));
    let (row, document) = (&table.documents[0], &yaml.documents[0]);
    assert_eq!((&row.object, &row.meta, &row.spec), (&document.object, &document.meta, &document.spec));
    assert_eq!(row.fields, document.fields);
    assert_eq!(document.scope, None);
    assert_eq!(
        row.scope.as_deref().unwrap(),
        [
            "metadata.labels.team",
            "spec.displayName",
            "spec.email",
            "spec.voicemail.enabled",
            "spec.codecs",
            "spec.maxCalls",
            "spec.callerId.number",
            "spec.ringTimeout"
        ]
    );
}

#[test]
fn cells_mean_what_their_column_is() {
    for (text, fields) in [
        ("name,owner\n0123,0123\n", json!({ "owner": "0123" })),
        ("name,owner\n1,true\n", json!({ "owner": "true" })),
        ("name,owner\n1,null\n", json!({ "owner": "null" })),
        ("name,owner\n1,~\n", json!({ "owner": "~" })),
        ("name,owner\n1,\"\"\"\"\"\"\n", json!({ "owner": "" })),
        ("name,owner\n1,\n", json!({})),
        ("name,owner\n1,\"  \"\n", json!({})),
        ("name,owner\n1\n", json!({})),
        ("name,owner\n1,2026-12-25\n", json!({ "owner": "2026-12-25" })),
        ("name,owner\n 1 ,  IT \n", json!({ "owner": "IT" })),
        ("name,owner\n1,IT\u{a0}\n", json!({ "owner": "IT\u{a0}" })),
        ("name,webrtc\n1,TRUE\n", json!({ "webrtc": true })),
        ("name,webrtc\n1,No\n", json!({ "webrtc": false })),
        ("name,maxCalls\n1, 3\n", json!({ "maxCalls": 3 })),
        ("name;codecs\n1;\"alaw;ulaw\"\n", json!({ "codecs": ["alaw", "ulaw"] })),
        ("name,codecs\n1,alaw; ulaw;\n", json!({ "codecs": ["alaw", "ulaw"] })),
        ("name,permissions\n1,[]\n", json!({ "permissions": [] })),
        ("name,permissions\n1,\"[\"\"a\"\",\"\"b\"\"]\"\n", json!({ "permissions": ["a", "b"] })),
        ("name,password\n1,generate\n", json!({ "password": { "generate": true } })),
        ("name,password\n1,stored\n", json!({ "password": { "stored": true } })),
        ("name,password\n1,{ env: X }\n", json!({ "password": { "env": "X" } })),
        ("name,password.env\n1,X\n", json!({ "password": { "env": "X" } })),
        (
            "name,voicemail\n1,\"{ enabled: true, attach: false }\"\n",
            json!({ "voicemail": { "enabled": true, "attach": false } }),
        ),
        ("name,spec.email\n1,a@b.cc\n", json!({ "email": "a@b.cc" })),
        ("\u{feff}name,email\r\n1,a@b.cc\r\n,\r\n,,,\r\n", json!({ "email": "a@b.cc" })),
        ("sep=;\nname;email\n1;a@b.cc\n", json!({ "email": "a@b.cc" })),
        ("name,email,,\n1,a@b.cc,,\n", json!({ "email": "a@b.cc" })),
        ("\n\nname,email\n\n1,a@b.cc", json!({ "email": "a@b.cc" })),
    ] {
        let table = Table { kind: Some(Kind::Extension), ..Table::default() };
        let parsed = parse(&[Source::rows("people.csv", text, table)]);
        assert_eq!(said(&parsed), Vec::<String>::new(), "{text:?}");
        assert_eq!(parsed.documents.len(), 1, "{text:?}");
        assert_eq!(parsed.documents[0].fields, fields, "{text:?}");
    }
    assert_eq!(
        row(
            "kind,name,callers,destination\nDid,+351210001000,\"[{\"\"from\"\":\"\"+35191*\"\",\"\"destination\"\":\"\"hangup\"\"}]\",hangup\n"
        ),
        json!({ "callers": [{ "from": "+35191*", "destination": "hangup" }], "destination": "hangup" })
    );
    assert_eq!(
        row("kind,name,hosts\nCarrier,main,[2001:db8::1]:5060;sip.example.com\n"),
        json!({ "hosts": ["[2001:db8::1]:5060", "sip.example.com"] })
    );
    assert_eq!(
        row(
            "kind,name,open,closed\nSchedule,office,\"[{ days: mon-fri, hours: ['09:00-18:00'] }]\",[{ date: 2026-12-25 }]\n"
        ),
        json!({ "open": [{ "days": "mon-fri", "hours": ["09:00-18:00"] }], "closed": [{ "date": "2026-12-25" }] })
    );
}

#[test]
fn every_mistake_is_said_with_its_cell() {
    let parsed = read(
        "kind,name,displayName,email,webrtc,maxCalls,voicemail.pin\n\
         Extension,1001,Ana Reyes,ana,maybe,many,12\n\
         Extension,ana,\"two\nlines\",a@b.cc,yes,,\n\
         Extension,,x,,,,\n\
         extension,1004,x,,,,\n\
         ,1005,x,,,,\n\
         Extension,1006,#N/A,,,3.5E+11,,beyond,x\n\
         Extension,1001,again,,,,\n",
    );
    assert_eq!(
        said(&parsed),
        [
            "people.csv:2:4 D2 `ana` is not an e-mail address",
            "people.csv:2:5 E2 expected `true` or `false`, found the text `maybe`",
            "people.csv:2:6 F2 expected a whole number from 0, found the text `many`",
            "people.csv:3:2 B3 `ana` cannot be an extension's number",
            "people.csv:3:3 C3 character 4 is a line break, which cannot be carried to Asterisk",
            "people.csv:5:2 B4 field `name` is missing",
            "people.csv:6:1 A5 there is no kind `extension`",
            "people.csv:7:1 A6 which kind is this row?",
            "people.csv:8:8 H7 this cell and 1 more of its row stand under no title",
            "people.csv:8:3 C7 `#N/A` is a formula's error, not a value",
            "people.csv:8:6 F7 `3.5E+11` is a number that the spreadsheet has shortened",
            "people.csv:9:2 B8 extension/1001 is declared twice",
        ]
    );
    for found in &parsed.diagnostics {
        assert!(!found.help.is_empty() || found.code == "type", "{found:?}");
        assert!(found.label.is_some(), "{found:?}");
    }
    // Where a cell's bytes are, its text is.
    let text = "kind,name,email\nExtension,1001,\"ana, or so\"\n";
    let at = read(text).diagnostics[0].position.clone().unwrap();
    assert_eq!(&text[at.bytes.0..at.bytes.1], "\"ana, or so\"");
}

#[test]
fn an_object_in_two_rows_names_both() {
    let sheet =
        |text: &str| Source::rows("b.xlsx", text, Table { sheet: Some("Extensions".into()), ..Table::default() });
    let parsed = parse(&[source("kind,name\nExtension,1001\nExtension,1002\n"), sheet("name\n1003\n1002\n")]);
    let [found] = parsed.diagnostics.as_slice() else { panic!("{:?}", parsed.diagnostics) };
    assert_eq!(found.position.as_ref().unwrap().to_string(), "b.xlsx: sheet Extensions, cell A3");
    assert_eq!(found.help[0], "first declared at people.csv:3:2");
    assert_eq!(found.label.as_deref(), Some("name"));
}

#[test]
fn headers_are_known_or_refused() {
    for (header, message, help) in [
        ("kind,name,displyName", "unknown column `displyName`", "did you mean `displayName`?"),
        ("kind,name,Display name", "unknown column `Display name`", "did you mean `displayName`?"),
        ("kind,name,E-Mail", "unknown column `E-Mail`", "did you mean `email`?"),
        ("kind,Name", "unknown column `Name`", "did you mean `name`?"),
        ("kind,name,voicemail.enable", "unknown column `voicemail.enable`", "did you mean `voicemail.enabled`?"),
        (
            "kind,name,notes of mine",
            "unknown column `notes of mine`",
            "`pbxctl explain extension` shows the fields; to keep a column of notes, move it to another sheet",
        ),
        ("kind,name,labels", "unknown column `labels`", "a label has a column of its own, as `labels.team`"),
        (
            "kind,name,labels.Team X",
            "`Team X` is not a name",
            "lower-case letters, digits and `-`, at most 63, as in `team-x`; or a number with its `+`",
        ),
        ("kind,name,email,email", "the column `email` is given twice", "the other one is at people.csv:1:3"),
        (
            "kind,name,email,spec.email",
            "the columns `email` and `spec.email` hold the same field",
            "the other one is at people.csv:1:3",
        ),
        (
            "kind,name,voicemail,voicemail.enabled",
            "the columns `voicemail` and `voicemail.enabled` hold the same field",
            "the other one is at people.csv:1:3",
        ),
        (
            "kind,email,displayName",
            "there is no column `name`",
            "the first row names the fields, as in `name,displayName,email`",
        ),
        (
            "name,email",
            "which kind are these rows?",
            "name it with `--kind extension`, or in a column `kind`; a sheet can have it as its name",
        ),
    ] {
        let parsed = read(&format!("{header}\nExtension,1001,,\n"));
        let [found] = parsed.diagnostics.as_slice() else { panic!("{header}: {:?}", parsed.diagnostics) };
        assert_eq!((found.message.as_str(), found.help[0].as_str()), (message, help), "{header}");
    }
    assert_eq!(read("name,a;name\n").diagnostics[0].code, "delimiter");
    let wide = format!("name,{}\n1\n", (0..20_000).map(|at| format!("labels.a{at}")).collect::<Vec<_>>().join(","));
    assert_eq!(said(&read(&wide)), ["people.csv:1:1001 ALM1 this table has 20001 columns"]);
    let cut = read("kind,name,displayName\nExtension,1001,Ana\nExtension,1002");
    assert_eq!(said(&cut), ["people.csv:3:3 C3 the last row has 2 of 3 cells, and no line break: is the file whole?"]);
}

#[test]
fn a_kind_comes_from_the_row_the_sheet_or_the_command() {
    let kinds = |table: Table, text: &str| -> Vec<String> {
        let parsed = parse(&[Source::rows("a", text, table)]);
        assert_eq!(parsed.diagnostics.iter().filter(|found| found.is_error()).count(), 0, "{:?}", parsed.diagnostics);
        parsed.documents.iter().map(|document| document.object.to_string()).collect()
    };
    let table = |sheet: Option<&str>, kind| Table { sheet: sheet.map(str::to_owned), kind, ..Table::default() };
    assert_eq!(kinds(table(None, Some(Kind::Extension)), "name\n1\n"), ["extension/1"]);
    assert_eq!(kinds(table(Some("Extensions"), Some(Kind::Did)), "name\n1\n"), ["extension/1"]);
    assert_eq!(kinds(table(Some("ext"), None), "name\n1\n"), ["extension/1"]);
    assert_eq!(
        kinds(
            table(Some("Dids"), None),
            "kind,name,destination,displayName\n,+351210001000,hangup,\nExtension,1,,Ana\n"
        ),
        ["did/+351210001000", "extension/1"]
    );
    // A field that only another kind has is unknown where its cell is filled.
    let mixed = read("kind,name,destination,displayName\nDid,+351210001000,hangup,x\nExtension,1,,Ana\n");
    assert_eq!(said(&mixed), ["people.csv:2:4 D2 unknown field `displayName`"]);
    let missing = read("kind,name,destination\nDid,+351210001000,\nExtensionGroup,sales,\n");
    assert_eq!(
        said(&missing),
        ["people.csv:2:3 C2 field `destination` is missing", "people.csv:3:2 B3 field `members` is missing"]
    );
    assert_eq!(missing.diagnostics[0].help, ["fill in this cell"]);
    assert_eq!(missing.diagnostics[1].help, ["add a column `members`"]);
}

#[test]
fn protected_and_renamed_are_columns() {
    let parsed = read(
        "kind,name,renamedFrom,protected\nExtension,1001,1000,yes\nExtension,1002,,\nExtension,1003,x y,perhaps\n",
    );
    assert_eq!(
        said(&parsed),
        [
            "people.csv:4:3 C4 `x y` is not a name",
            "people.csv:4:4 D4 expected `true` or `false`, found the text `perhaps`"
        ]
    );
    let [one, two] = parsed.documents.as_slice() else { panic!("{:?}", parsed.documents) };
    assert!(one.meta.protected && one.renamed_from.as_ref().is_some_and(|name| name.as_str() == "1000"));
    assert!(!two.meta.protected && two.renamed_from.is_none());
    assert_eq!(two.scope.as_deref().unwrap(), ["metadata.protected"]);
    let entries = entries(&parsed.documents);
    assert_eq!(csv(&grid(&entries)), "kind,name,protected\nExtension,1001,true\nExtension,1002,\n");
}

#[test]
fn a_scope_is_that_of_the_rows_kind() {
    let parsed =
        read("kind,name,destination,displayName,password.env\nDid,+351210001000,hangup,,\nExtension,1,,Ana,\n");
    let scope = |at: usize| parsed.documents[at].scope.as_deref().unwrap().to_vec();
    assert_eq!(scope(0), ["spec.destination"]);
    assert_eq!(scope(1), ["spec.displayName", "spec.password"]);
}

#[test]
fn secrets_in_the_open_are_said_once_for_a_column() {
    let parsed = read(
        "kind,name,password,voicemail.enabled,voicemail.pin\nExtension,1,hunter22,yes,4321\nExtension,2,hunter23,yes,\n",
    );
    assert!(parsed.diagnostics.iter().all(|found| found.severity == pbx_manifest::Severity::Warning));
    assert_eq!(
        said(&parsed),
        [
            "people.csv:2:3 C2 2 secrets stand in the open in this column",
            "people.csv:2:5 E2 a secret stands in the open here"
        ]
    );
    assert_eq!(parsed.documents[0].fields["password"], json!({ "stored": true }));
}

#[test]
fn a_secrets_form_in_other_letters_is_no_secret() {
    for (cell, form) in [("Generate", "generate"), (" GENERATE ", "generate"), ("Stored", "stored")] {
        let parsed = read(&format!("kind,name,password\nExtension,1001,{cell}\nExtension,1002,{form}\n"));
        let [found] = parsed.diagnostics.as_slice() else { panic!("{cell}: {:?}", parsed.diagnostics) };
        assert!(found.is_error(), "{found:?}");
        assert_eq!(found.help, [format!("did you mean `{form}`?")]);
        assert_eq!(found.position.as_ref().unwrap().to_string(), "people.csv:2:3");
        // The other row is read all the same.
        assert_eq!(parsed.documents.len(), 1);
    }
}

#[test]
fn secrets_are_covered_and_nothing_moves() {
    let text = "kind,name,password,email\nExtension,1,hunter22,a@b.cc\nExtension,2,\"hunt\"\"er,é\n\",x\nExtension,3,generate,\n";
    let mut source = source(text);
    let emails = |source: &Source| -> Vec<_> {
        let found = parse(std::slice::from_ref(source)).diagnostics.into_iter();
        found.filter(|found| found.label.as_deref() == Some("email")).map(|found| found.position).collect()
    };
    let before = emails(&source);
    mask(&mut source);
    assert_eq!(
        source.text.replace(COVER, "*"),
        text.replace("hunter22", "********").replace("hunt\"\"er,é", "****\"\"*****")
    );
    assert_eq!(emails(&source), before);
    assert_eq!(before.len(), 1);
}

#[test]
fn checks_between_objects_find_the_cell() {
    let sources =
        [source("kind,name,profile,callForward.busy\nExtension,1001,,extension/1009\nExtension,1002,desc,\n")];
    let parsed = parse(&sources);
    let mut found = check(&parsed.catalog());
    locate(&sources, &parsed.documents, &mut found);
    let places: Vec<(String, Option<&str>)> = found
        .iter()
        .map(|found: &Diagnostic| (found.position.as_ref().unwrap().to_string(), found.label.as_deref()))
        .collect();
    assert_eq!(places, [("people.csv:2:4".into(), Some("not found")), ("people.csv:3:3".into(), Some("not found"))]);
}

#[test]
fn a_cell_that_could_not_be_read_is_refused_even_where_its_row_is_empty() {
    let unread = [(0, 2), (1, 1), (2, 0), (3, 9)].map(|at| (at, "no value\nopen it".to_owned()));
    let table = Table { sheet: Some("extensions".into()), unread: unread.into(), ..Table::default() };
    let parsed = parse(&[Source::rows("a.xlsx", "name,email\n1\n\n2\n", table)]);
    let cells: Vec<&str> =
        parsed.diagnostics.iter().filter_map(|found| found.position.as_ref()?.cell.as_deref()).collect();
    // The last one stands beside the table.
    assert_eq!(cells, ["C1", "B2", "A3"]);
    assert_eq!(parsed.documents.len(), 1);
}

#[test]
fn columns_stand_in_the_order_of_the_manifest_and_can_be_chosen() {
    let documents = office::documents(
        "apiVersion: pbx/v1
kind: Extension
metadata: { name: \"1001\", labels: { team: sales, site: a } }
spec: { voicemail: { enabled: true }, displayName: Ana Reyes, codecs: [alaw, ulaw], permissions: [], owner: \"\", password: { env: X } }
---
kind: Extension
metadata: { name: \"1002\" }
spec: { email: a@b.cc }
"
        .into(),
    );
    let all = entries(&documents);
    assert_eq!(
        csv(&grid(&all)),
        "kind,name,labels.site,labels.team,displayName,email,owner,password,voicemail.enabled,codecs,permissions\n\
         Extension,1001,a,sales,Ana Reyes,,\"\"\"\"\"\",\"{\"\"env\"\":\"\"X\"\"}\",true,alaw;ulaw,[]\n\
         Extension,1002,,,,a@b.cc,,,,,\n"
    );
    let chosen = |titles: &[&str]| {
        let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
        grid_of(&all, &[Kind::Extension], &titles).map(|grid| csv(&grid))
    };
    assert_eq!(
        chosen(&["name", "email", "labels.team", "voicemail"]).unwrap(),
        "name,email,labels.team,voicemail\n1001,,sales,\"{\"\"enabled\"\":true}\"\n1002,a@b.cc,,\n"
    );
    assert_eq!(chosen(&["name", "emial"]).unwrap_err(), "there is no column `emial`\ndid you mean `email`?");
    assert!(chosen(&["name", "name"]).unwrap_err().starts_with("the column `name` is asked for twice"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_office_reads_back_from_its_tables(seed: u64, crlf: bool, one_table: bool) {
        let documents = office::documents(office::text(&office::manifests(seed, 4)));
        let mut groups: BTreeMap<Option<Kind>, Vec<Entry<'_>>> = BTreeMap::new();
        for (document, entry) in documents.iter().zip(entries(&documents)) {
            groups.entry((!one_table).then_some(document.object.kind)).or_default().push(entry);
        }
        for (_, entries) in groups {
            let text = csv(&grid(&entries));
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            let parsed = read(&text);
            let errors: Vec<&Diagnostic> = parsed.diagnostics.iter().filter(|found| found.is_error()).collect();
            prop_assert!(errors.is_empty(), "{:?}\n{}", errors, text);
            prop_assert_eq!(parsed.documents.len(), entries.len());
            for (document, (object, meta, spec)) in parsed.documents.iter().zip(&entries) {
                prop_assert_eq!((&document.object, &document.meta, &document.fields), (*object, *meta, *spec));
            }
        }
    }

    #[test]
    fn no_table_ends_the_process(text in "(kind,name,email|name;codecs)[\n](.|[\n\",;]){0,60}") {
        let sources = [source(&text)];
        let parsed = parse(&sources);
        for found in &parsed.diagnostics {
            let at = found.position.as_ref().unwrap();
            prop_assert!(text.get(at.bytes.0..at.bytes.1).is_some());
        }
    }
}
