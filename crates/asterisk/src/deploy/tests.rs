use std::collections::BTreeMap;

use pbx_manifest::{AnySpec, Catalog, Kind};

use super::*;
use crate::config::{ConfigTree, Place, Secrets, render};

fn office() -> ConfigTree {
    let mut catalog = Catalog::default();
    for name in ["1001", "1002"] {
        let spec = AnySpec::from_json(Kind::Extension, &serde_json::json!({})).unwrap();
        catalog.insert(name.parse().unwrap(), BTreeMap::new(), spec);
    }
    let carrier = AnySpec::from_json(Kind::Carrier, &serde_json::json!({ "hosts": ["10.0.0.1"] })).unwrap();
    catalog.insert("main".parse().unwrap(), BTreeMap::new(), carrier);
    render(&catalog, &Secrets::default(), &Place::default())
}

fn lines(all: &[&str]) -> Vec<String> {
    all.iter().map(|line| (*line).to_owned()).collect()
}

/// Lines as Asterisk 22 writes them.
const REJECTED: &str = "[Nov 22 14:00:01] ERROR[4711]: res_sorcery_config.c:422 sorcery_config_internal_load: Could not create an object of type 'endpoint' with id '1001' from configuration file 'pjsip.conf'";
const OF_A_CARRIER: &str = "[Nov 22 14:00:01] ERROR[4711]: res_sorcery_config.c:422 sorcery_config_internal_load: Could not create an object of type 'endpoint' with id 'carrier-main' from configuration file 'pjsip.conf'";
const OF_A_CALL: &str = "[Nov 22 14:00:01] WARNING[4712][C-00000007]: app_dial.c:2680 dial_exec_full: Unable to create channel of type 'PJSIP' for '1002'";

#[test]
fn complaints_find_the_object_they_are_about() {
    let (before, after) = (ConfigTree::empty(), office());
    let changed = changed_sections(&before, &after);
    let file = after.file("pjsip.conf").unwrap();
    let line = file.sections().iter().find(|section| section.name == "1001").unwrap().line;
    let mut rejections = vec![Rejection::at("pjsip.conf", file, line, "SIP endpoint 1001 is not there")];
    attribute(&mut rejections, &lines(&[REJECTED, OF_A_CARRIER, OF_A_CALL]), &changed);
    assert_eq!(rejections.len(), 2);
    assert_eq!(rejections[0].asterisk, [REJECTED]);
    // Nothing read back told of the carrier: the complaint alone is a rejection, at its section.
    assert_eq!(rejections[1].object.as_ref().unwrap().to_string(), "carrier/main");
    assert_eq!(rejections[1].asterisk, [OF_A_CARRIER]);
    assert!(file.text().lines().nth(rejections[1].line.unwrap() - 1).unwrap().starts_with("[carrier-main]"));
}

#[test]
fn what_cannot_be_read_is_told_by_its_line() {
    let (before, after) = (ConfigTree::empty(), office());
    let changed = changed_sections(&before, &after);
    let file = after.file("pjsip.conf").unwrap();
    let line = file.sections().iter().find(|section| section.name == "1002").unwrap().line;
    let parsing = format!(
        "[Nov 22 14:00:01] ERROR[4711]: config_options.c:798 aco_process_var: Error parsing allow=evs at line {} of \
         /etc/asterisk/pbx.d/current/pjsip.conf",
        line + 2
    );
    let mut rejections = vec![Rejection::at("pjsip.conf", file, line, "SIP endpoint 1002 is not there")];
    attribute(&mut rejections, &lines(&[&parsing, &parsing.replace("pbx.d/current/pjsip", "other")]), &changed);
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].asterisk, [parsing]);
}

#[test]
fn a_complaint_is_not_given_to_what_only_has_the_same_name() {
    let (before, after) = (ConfigTree::empty(), office());
    let changed = changed_sections(&before, &after);
    // Of a group named as an extension, of one named as a type of SIP objects, of a DID with an extension's digits.
    for other in ["group/1001", "group/endpoint", "schedule/general", "did/1001"] {
        let mut rejections =
            vec![Rejection { object: Some(other.parse().unwrap()), ..Rejection::general("not there") }];
        attribute(&mut rejections, &lines(&[REJECTED]), &changed);
        assert_eq!(rejections[0].asterisk, Vec::<String>::new(), "{other}");
        assert_eq!(rejections[1].object.as_ref().unwrap().to_string(), "extension/1001");
    }
}

#[test]
fn complaints_about_calls_and_others_are_left_alone() {
    let (before, after) = (ConfigTree::empty(), office());
    let changed = changed_sections(&before, &after);
    let mut rejections = Vec::new();
    let others = [
        OF_A_CALL,
        "",
        "no format at all '1001'",
        &REJECTED.replace("1001", "10010"),
        &REJECTED.replace("'1001'", "1001"),
    ];
    attribute(&mut rejections, &lines(&others), &changed);
    assert_eq!(rejections, []);
    // Nothing changed: a complaint about an old section is not this apply's.
    attribute(&mut rejections, &lines(&[REJECTED]), &changed_sections(&after, &after));
    assert_eq!(rejections, []);
}
