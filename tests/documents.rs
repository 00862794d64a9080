//! The words that can be checked: the protocol's text names exactly the tags and kinds that the code has, and no link in the
//! workspace's texts leads nowhere.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What every tag of a hash begins and ends with.
const TAG: (&str, &str) = ("HC/", "/v1");

#[test]
fn the_protocol_names_every_tag_and_no_other() {
    let mut code = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        code.extend(text.split('"').filter(|part| is_tag(part)).map(String::from));
    }
    assert!(code.len() > 20, "tags are found in the code at all: {code:?}");
    let text = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let named: BTreeSet<String> = text.split(['"', '`']).filter(|part| is_tag(part)).map(String::from).collect();
    assert_eq!(code.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "in the code and not in the text");
    assert_eq!(named.difference(&code).collect::<Vec<_>>(), Vec::<&String>::new(), "in the text and not in the code");
}

#[test]
fn the_protocol_numbers_the_kinds_as_the_code_does() {
    let text = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let table = text.split("| kind | | kind | |").nth(1).unwrap();
    let cells: Vec<&str> = table.split("\n\n").next().unwrap().split('|').map(str::trim).collect();
    let named: BTreeSet<(String, String)> = cells
        .windows(2)
        .filter(|pair| !pair[0].is_empty() && pair[0].bytes().all(|byte| byte.is_ascii_digit()))
        .map(|pair| (pair[1].into(), pair[0].into()))
        .collect();
    let mut code = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().map(str::trim) {
            // pub const NAME: Kind = Kind(7);
            let Some((name, number)) =
                line.strip_prefix("pub const ").and_then(|rest| rest.split_once("(")).filter(|(head, _)| {
                    head.ends_with(": Kind = Kind")
                        || head.ends_with(": Self = Self") && file.ends_with("transaction.rs")
                })
            else {
                continue;
            };
            let name = name.split(':').next().unwrap();
            code.insert((name.to_owned(), number.trim_end_matches(");").to_owned()));
        }
    }
    assert_eq!(named, code);
}

#[test]
fn every_link_leads_somewhere() {
    let (mut links, mut broken) = (0, Vec::new());
    for file in files(&root(), "md") {
        let text = fs::read_to_string(&file).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            links += 1;
            let path = file.parent().unwrap().join(target.split('#').next().unwrap());
            if !path.exists() {
                broken.push(format!("{} links to {target}", file.display()));
            }
        }
    }
    assert!(links > 0, "links are found at all");
    assert!(broken.is_empty(), "{broken:#?}");
}

fn is_tag(text: &str) -> bool {
    text.starts_with(TAG.0) && text.ends_with(TAG.1) && !text.contains(char::is_whitespace)
}

/// The source files of all crates, their tests left out.
fn sources() -> Vec<PathBuf> {
    let all = files(&root().join("crates"), "rs");
    all.into_iter().filter(|file| file.components().any(|part| part.as_os_str() == "src")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files below `folder` with this extension, without what was built or hidden.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}
