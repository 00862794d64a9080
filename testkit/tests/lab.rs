//! Every experiment of the laboratory, as small as it gets: it writes its files, with numbers that can be true, and the same ones again.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path, process::Command};

/// Runs an experiment and returns the rows of its CSV file, without the first.
fn rows(name: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let first = written(folder.path(), name, arguments);
    let again = written(folder.path(), name, arguments);
    assert!(first == again, "{name}: the same seed gives the same files");
    read(name, &first)
}

/// As [`rows`], of one run: for the experiments that take whole nodes longest.
fn rows_once(name: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    read(name, &written(tempfile::tempdir().unwrap().path(), name, arguments))
}

/// What the files hold.
fn read(name: &str, files: &[Vec<u8>; 2]) -> Vec<Vec<String>> {
    let text = String::from_utf8(files[0].clone()).unwrap();
    let rows: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    assert!(rows.len() > 3, "{name}: {text}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{name}: each row has a value for each column");
    assert!(files[1].starts_with(b"<svg") && files[1].len() > 1_000, "{name}: a plot");
    rows[1..].to_vec()
}

fn written(folder: &Path, name: &str, arguments: &[&str]) -> [Vec<u8>; 2] {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["--folder", folder.to_str().unwrap(), name])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    ["csv", "svg"].map(|kind| fs::read(folder.join(format!("{name}.{kind}"))).unwrap())
}

fn number(row: &[String], column: usize) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{row:?}: {} is no number", row[column]))
}

#[test]
fn reversal() {
    let rows = rows("reversal", &["--races", "500"]);
    assert_eq!(rows.len(), 10 * 60);
    for row in rows {
        let (share, measured, exact) = (number(&row, 0), row[3].parse(), number(&row, 4));
        assert_eq!(measured.is_ok(), share < 0.5, "{row:?}");
        let measured: f64 = measured.unwrap_or(1.0);
        assert!((measured - exact).abs() < 0.15, "{row:?}");
    }
}

#[test]
fn forks() {
    let rows = rows("forks", &["--blocks", "5"]);
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&number(row, 4))), "{rows:?}");
}

#[test]
fn retarget() {
    let rows = rows("retarget", &["--runs", "1"]);
    let steady: Vec<f64> = rows.iter().filter(|row| number(row, 2) < 0.0).map(|row| number(row, 3)).collect();
    let mean = steady.iter().sum::<f64>() / steady.len() as f64;
    assert!((540.0..660.0).contains(&mean), "before anything happens a block takes ten minutes, not {mean} s");
}

#[test]
fn incentive() {
    let rows = rows("incentive", &["--blocks", "2000"]);
    for row in rows.iter().filter(|row| row[0] == "selfish") {
        assert!((number(row, 6) - number(row, 7)).abs() < 0.08, "{row:?}");
    }
    assert!(rows.iter().all(|row| (0.0..1.0).contains(&number(row, 8))));
}

#[test]
fn finality() {
    let rows = rows("finality", &["--payments", "20", "--blocks", "8"]);
    for row in rows.iter().filter(|row| row[5] != "0") {
        assert!(number(row, 6) <= number(row, 7), "{row:?}");
    }
}

#[test]
fn throughput() {
    let rows = rows_once("throughput", &["--loads", "1,2", "--seconds", "20"]);
    assert!(rows.iter().all(|row| number(row, 5) <= number(row, 4)), "no more is settled than offered: {rows:?}");
}

#[test]
fn revocation() {
    let rows = rows_once("revocation", &["--seeds", "1", "--minutes", "1"]);
    for row in rows.iter().filter(|row| !row[3].is_empty()) {
        assert!(number(row, 2) > 0.0 && number(row, 3) <= number(row, 5), "{row:?}");
    }
}

#[test]
fn mistakes_are_told() {
    let lab = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_lab")).args(arguments).output().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = lab(&["--folder", &format!("{}/x", file.path().display()), "reversal"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("can't be made"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("revocation.svg")).unwrap();
    // A thousand seeds would take hours.
    let refused = lab(&["--folder", folder.path().to_str().unwrap(), "revocation", "--seeds", "1000"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("revocation.svg can't be written"));
    assert!(!lab(&["reversal", "--races", "0"]).status.success());
    assert!(!lab(&["nothing"]).status.success());
}
