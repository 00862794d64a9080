//! What `bench` says, and what it refuses.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Home, fail, succeed};
use health_chain::data_simd::{LaneVerifier, SignatureKernel, kernels};
use serde_json::Value;

fn positive(value: &Value) -> f64 {
    let number = value.as_f64().unwrap();
    assert!(number.is_finite() && number > 0.0, "{number}");
    number
}

#[test]
fn every_kernel_is_measured_at_everything_and_says_on_what() {
    let home = Home::new();
    let output = home.output(&["bench", "--quick", "--json", "--threads", "2"]);
    let report: Value = serde_json::from_str(&succeed(&output)).unwrap();
    assert!(!home.path().exists(), "it takes no folder");
    assert!(String::from_utf8(output.stderr).unwrap().contains("measuring nonce search"));

    assert_eq!(report["program"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["program"]["compiler"].as_str().unwrap().starts_with("rustc "));
    assert_eq!(report["is_quick"], true);
    assert!(report["machine"]["threads"].as_u64().unwrap() > 0);
    if cfg!(target_os = "linux") {
        assert_eq!(report["load_before"].as_array().unwrap().len(), 3);
        assert_eq!(report["load_after"].as_array().unwrap().len(), 3);
        assert!(!report["machine"]["flags"].as_array().unwrap().is_empty());
    }

    let names: Vec<&str> = kernels().into_iter().map(|kernel| kernel.name()).collect();
    assert_eq!(report["kernels"], Value::from(names.clone()));
    let layouts = report["layouts"].as_u64().unwrap();
    let turns = layouts * report["runs"].as_u64().unwrap();
    assert!(layouts > 1 && turns >= 5);
    let figures = report["figures"].as_array().unwrap();
    for figure in figures {
        let spread = &figure["per_second"];
        let [low, median, high] = ["lower_quartile", "median", "upper_quartile"].map(|part| positive(&spread[part]));
        assert!(low <= median && median <= high, "{figure}");
        assert_eq!(spread["turns"], turns);
    }
    let find = |measure: &str, contestant: &str, threads: u64| {
        let is_it = |figure: &&Value| {
            figure["measure"] == measure && figure["contestant"] == contestant && figure["threads"] == threads
        };
        let mut found = figures.iter().filter(is_it);
        let figure = found.next().unwrap_or_else(|| panic!("{measure} by {contestant} on {threads} is missing"));
        assert!(found.next().is_none(), "{measure} by {contestant} on {threads} stands there twice");
        figure
    };
    let mut expected = vec![("verify", "batch"), ("seal", "seal"), ("open", "open")];
    for measure in ["nonce search", "merkle root", "content root"] {
        expected.extend(names.iter().map(|name| (measure, *name)));
    }
    if LaneVerifier::with(SignatureKernel::Ifma).is_ok() {
        expected.push(("verify", "ifma"));
    }
    for (measure, contestant) in &expected {
        assert!(find(measure, contestant, 1)["over_one_thread"].is_null());
        positive(&find(measure, contestant, 2)["over_one_thread"]["median"]);
    }
    find("verify", "single", 1);
    assert_eq!(figures.len(), 2 * expected.len() + 1);
}

#[test]
fn one_kernel_alone_in_a_table() {
    let home = Home::new();
    let table = succeed(&home.output(&["bench", "--quick", "--kernel", "portable", "--threads", "1"]));
    assert!(table.contains("processor") && table.contains("load") && table.contains("all vectors passed"), "{table}");
    let rows = |name: &str| table.lines().filter(|line| line.trim_start().starts_with(name)).count();
    assert_eq!(rows("portable "), 3, "{table}");
    for name in ["avx2 ", "sha-ni ", "avx512 "] {
        assert_eq!(rows(name), 0, "{table}");
    }
    for unit in ["MH/s", "M leaves/s", "GB/s", "k signatures/s"] {
        assert!(table.contains(unit), "{table}");
    }
    assert!(!table.contains("times one thread"), "{table}");
}

#[test]
fn a_kernel_that_is_not_there_is_refused_with_those_that_are() {
    let home = Home::new();
    let output = home.output(&["bench", "--quick", "--kernel", "avx1024"]);
    let said = fail(&output);
    assert!(output.stdout.is_empty());
    assert!(said.contains("no kernel is called \"avx1024\""), "{said}");
    let names: Vec<&str> = kernels().into_iter().map(|kernel| kernel.name()).collect();
    assert!(said.contains(&format!("this processor has: {}", names.join(", "))), "{said}");
    for threads in ["0", "70000", "many"] {
        assert!(!home.output(&["bench", "--quick", "--threads", threads]).status.success());
    }
}
