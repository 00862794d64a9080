//! The rule that holds the workspace together: dependencies go down, and only down.
//!
//! Cargo itself refuses an upward edge only while it would close a circle, and never for the crates that implement a seam.
//! So the rule is read off the manifests, and broken on purpose below, rule by rule.

use std::{collections::BTreeSet, fmt, fs, path::PathBuf, process::Command};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The layers from the bottom up. In `crates/`, a folder of one word is a layer; a hyphen behind it makes an
/// implementation of one of that layer's seams.
const LAYERS: [&str; 6] = ["data", "network", "consensus", "incentive", "contract", "application"];

/// Layers from the bottom that do without the standard library.
const LAYERS_WITHOUT_STD: usize = 5;

/// Behind this, a package in `crates/` is named like its folder.
const PREFIX: &str = "health-chain-";

/// A package of the workspace, as far as the rule looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    /// From the root of the workspace, with forward slashes.
    folder: String,
    /// What it needs of the workspace.
    needs: Vec<Need>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    name: String,
    kind: DependencyKind,
    is_optional: bool,
    is_renamed: bool,
}

/// How a workspace breaks the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Breach {
    /// A layer points up or at itself, or an implementation points above its own layer.
    Upward { from: String, to: String, kind: DependencyKind },
    /// A layer names an implementation of a seam.
    LayerNamesImplementation { from: String, to: String, kind: DependencyKind },
    /// An implementation names one of another layer's seams.
    ImplementationNamesImplementation { from: String, to: String, kind: DependencyKind },
    /// Something in `crates/` needs something outside: the facade, the test kit, a binary.
    Outside { from: String, to: String, kind: DependencyKind },
    /// A layer does without the one directly below.
    LayerSkipped { from: String, below: String },
    /// A package goes by another name than its own.
    Renamed { from: String, to: String },
    /// A folder in `crates/` begins with no layer's name.
    NoLayer { folder: String },
    /// A package is not named after its folder.
    Misnamed { folder: String, name: String },
    /// A layer is not there.
    Missing { layer: &'static str },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upward { from, to, kind } => {
                write!(f, "{from} points up: its {kind} dependency {to} is no layer below it")
            }
            Self::LayerNamesImplementation { from, to, kind } => {
                write!(f, "the layer {from} names an implementation: {kind} dependency {to}; it may know the port only")
            }
            Self::ImplementationNamesImplementation { from, to, kind } => {
                write!(f, "{from} names another implementation: {kind} dependency {to}; of another layer")
            }
            Self::Outside { from, to, kind } => {
                write!(f, "{from} needs something outside crates/: {kind} dependency {to}")
            }
            Self::LayerSkipped { from, below } => {
                write!(f, "the layer {from} does not depend on {below}, the layer directly below it")
            }
            Self::Renamed { from, to } => write!(f, "{from} calls {to} by another name"),
            Self::NoLayer { folder } => write!(f, "{folder} begins with no layer's name; the layers are {LAYERS:?}"),
            Self::Misnamed { folder, name } => write!(f, "the package in {folder} is named {name}"),
            Self::Missing { layer } => write!(f, "there is no crates/{layer}"),
        }
    }
}

/// A package in `crates/` and where it belongs.
#[derive(Clone, Copy)]
struct Place {
    /// The layer it is, or whose seam it implements.
    rank: usize,
    is_layer: bool,
}

/// The place of the package in a folder; `None` outside `crates/`.
fn place(folder: &str) -> Option<Result<Place, Breach>> {
    let name = folder.strip_prefix("crates/")?;
    let (layer, is_layer) = name.split_once('-').map_or((name, true), |(layer, _)| (layer, false));
    let rank = LAYERS.iter().position(|known| *known == layer);
    Some(rank.map(|rank| Place { rank, is_layer }).ok_or_else(|| Breach::NoLayer { folder: folder.into() }))
}

/// Everything that is wrong with a workspace.
fn breaches(packages: &[Package]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for layer in LAYERS {
        if !packages.iter().any(|package| package.folder == format!("crates/{layer}")) {
            breaches.push(Breach::Missing { layer });
        }
    }
    for package in packages {
        match place(&package.folder) {
            None => {}
            Some(Err(breach)) => breaches.push(breach),
            Some(Ok(place)) => check_package(packages, package, place, &mut breaches),
        }
    }
    breaches
}

fn check_package(packages: &[Package], package: &Package, from: Place, breaches: &mut Vec<Breach>) {
    let folder = package.folder.trim_start_matches("crates/");
    if package.name != format!("{PREFIX}{folder}") {
        breaches.push(Breach::Misnamed { folder: package.folder.clone(), name: package.name.clone() });
    }
    for need in &package.needs {
        if need.is_renamed {
            breaches.push(Breach::Renamed { from: package.name.clone(), to: need.name.clone() });
        }
        let target = packages.iter().find(|target| target.name == need.name).and_then(|target| place(&target.folder));
        breaches.extend(check_edge(package, need, from, target));
    }
    if from.is_layer && from.rank > 0 {
        let below = format!("{PREFIX}{}", LAYERS[from.rank - 1]);
        let is_needed = |need: &Need| need.name == below && need.kind == DependencyKind::Normal && !need.is_optional;
        if !package.needs.iter().any(is_needed) {
            breaches.push(Breach::LayerSkipped { from: package.name.clone(), below });
        }
    }
}

fn check_edge(package: &Package, need: &Need, from: Place, to: Option<Result<Place, Breach>>) -> Option<Breach> {
    let (from_name, to_name, kind) = (package.name.clone(), need.name.clone(), need.kind);
    match to {
        None => Some(Breach::Outside { from: from_name, to: to_name, kind }),
        // Reported with its folder.
        Some(Err(_)) => None,
        Some(Ok(to)) if !to.is_layer && from.is_layer => {
            Some(Breach::LayerNamesImplementation { from: from_name, to: to_name, kind })
        }
        // One may be built on another of the same seam's.
        Some(Ok(to)) if !to.is_layer && to.rank == from.rank => None,
        Some(Ok(to)) if !to.is_layer => {
            Some(Breach::ImplementationNamesImplementation { from: from_name, to: to_name, kind })
        }
        Some(Ok(to)) => {
            let goes_down = if from.is_layer { to.rank < from.rank } else { to.rank <= from.rank };
            (!goes_down).then_some(Breach::Upward { from: from_name, to: to_name, kind })
        }
    }
}

/// Whether a crate's root says, for every build, that it does without the standard library.
fn is_no_std(root: &str) -> bool {
    root.lines().any(|line| line.trim() == "#![no_std]")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata reads the workspace")
}

/// The workspace's packages. Its manifests are read as they are written, so what is optional, or for another target, counts too.
fn workspace() -> Vec<Package> {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let package = |member: &&cargo_metadata::Package| {
        let folder =
            member.manifest_path.parent().and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok());
        let needs = member.dependencies.iter().filter(|dependency| names.contains(dependency.name.as_str()));
        Package {
            name: member.name.to_string(),
            folder: folder.expect("members lie in the workspace").as_str().replace('\\', "/"),
            needs: needs
                .map(|dependency| Need {
                    name: dependency.name.clone(),
                    kind: dependency.kind,
                    is_optional: dependency.optional,
                    is_renamed: dependency.rename.is_some(),
                })
                .collect(),
        }
    };
    members.iter().map(package).collect()
}

#[test]
fn dependencies_go_down() {
    let breaches = breaches(&workspace());
    let list: Vec<String> = breaches.iter().map(|breach| format!("\n- {breach}")).collect();
    assert!(breaches.is_empty(), "the layers are broken:{}", list.concat());
}

#[test]
fn every_folder_in_crates_is_a_member() {
    let members: BTreeSet<String> = workspace().into_iter().map(|package| package.folder).collect();
    for entry in fs::read_dir(root().join("crates")).expect("crates/ can be listed") {
        let name = entry.expect("crates/ can be listed").file_name().into_string().expect("names are UTF-8");
        assert!(members.contains(&format!("crates/{name}")), "crates/{name} is no member of the workspace");
    }
}

#[test]
fn layers_declare_their_seams_in_ports() {
    for layer in LAYERS {
        let ports = root().join("crates").join(layer).join("src/ports.rs");
        assert!(ports.is_file(), "the layer {layer} has no src/ports.rs");
    }
}

#[test]
fn layers_below_the_application_have_no_hands() {
    for layer in &LAYERS[..LAYERS_WITHOUT_STD] {
        let path = root().join("crates").join(layer).join("src/lib.rs");
        let source = fs::read_to_string(&path).expect("a layer has a src/lib.rs");
        assert!(is_no_std(&source), "{} does not say #![no_std]", path.display());
    }
}

/// Prints the table for the README: `cargo test -p health-chain-tests --test layers external -- --nocapture`.
#[test]
fn external_packages_of_a_layer_contain_those_of_the_layer_below() {
    let mut table = String::from("| layer | external packages |\n|---|---|\n");
    let mut below = BTreeSet::new();
    for layer in LAYERS {
        let packages = external_packages(layer);
        table += &format!("| {layer} | {} |\n", packages.len());
        let lost: Vec<_> = below.difference(&packages).collect();
        assert!(lost.is_empty() && !packages.is_empty(), "{layer} lacks what the layer below needs: {lost:?}");
        below = packages;
    }
    println!("\n{table}");
}

/// What one layer alone needs besides this workspace, with its default features, on 64-bit Linux: its normal dependencies and
/// theirs, macros included.
fn external_packages(layer: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--package", &format!("{PREFIX}{layer}"), "--edges", "normal", "--target"])
        .args(["x86_64-unknown-linux-gnu", "--prefix", "none", "--no-dedupe", "--format", "{p}", "--locked"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    // A line is `name version`, behind which stands `(proc-macro)` or, for packages of the workspace, `(folder)`.
    let lines = tree.lines().map(|line| line.trim_end_matches(" (proc-macro)"));
    lines.filter(|line| !line.is_empty() && !line.ends_with(')')).map(String::from).collect()
}

// The rule, broken on purpose.

/// A workspace in which all is well: six layers, an implementation, the test kit.
fn sound() -> Vec<Package> {
    let mut packages: Vec<Package> = LAYERS.iter().map(|layer| package(&format!("crates/{layer}"))).collect();
    for (rank, package) in packages.iter_mut().enumerate() {
        let below = LAYERS[..rank].iter().map(|below| need(&format!("{PREFIX}{below}"), DependencyKind::Normal));
        package.needs = below.collect();
    }
    let mut engine = package("crates/consensus-pow");
    engine.needs.push(need("health-chain-consensus", DependencyKind::Normal));
    engine.needs.push(need("health-chain-data", DependencyKind::Development));
    packages.push(engine);
    let mut stake = package("crates/consensus-pos");
    stake.needs.push(need("health-chain-consensus-pow", DependencyKind::Normal));
    packages.push(stake);
    packages.push(package("crates/data-sled"));
    let mut testkit = package("testkit");
    testkit.needs.push(need("health-chain-consensus-pow", DependencyKind::Normal));
    testkit.needs.push(need("health-chain-application", DependencyKind::Normal));
    packages.push(testkit);
    packages
}

fn package(folder: &str) -> Package {
    let name = format!("{PREFIX}{}", folder.trim_start_matches("crates/"));
    Package { name, folder: folder.into(), needs: Vec::new() }
}

fn need(name: &str, kind: DependencyKind) -> Need {
    Need { name: name.into(), kind, is_optional: false, is_renamed: false }
}

/// The sound workspace with one more edge.
fn with_edge(from: &str, to: &str, kind: DependencyKind) -> Vec<Package> {
    let mut packages = sound();
    find(&mut packages, from).needs.push(need(to, kind));
    packages
}

fn find<'a>(packages: &'a mut [Package], name: &str) -> &'a mut Package {
    packages.iter_mut().find(|package| package.name == name).expect("the sound workspace has this package")
}

const KINDS: [DependencyKind; 3] = [DependencyKind::Normal, DependencyKind::Development, DependencyKind::Build];

#[test]
fn a_sound_workspace_passes() {
    assert_eq!(breaches(&sound()), []);
}

#[test]
fn every_upward_edge_is_found_whatever_its_kind() {
    for (lower, from) in LAYERS.iter().enumerate() {
        for to in &LAYERS[lower..] {
            for kind in KINDS {
                let (from, to) = (format!("{PREFIX}{from}"), format!("{PREFIX}{to}"));
                let found = breaches(&with_edge(&from, &to, kind));
                assert_eq!(found, [Breach::Upward { from, to, kind }]);
            }
        }
    }
}

#[test]
fn an_implementation_above_its_layer_is_found() {
    let (from, to, kind) = ("health-chain-data-sled", "health-chain-network", DependencyKind::Development);
    let expected = Breach::Upward { from: from.into(), to: to.into(), kind };
    assert_eq!(breaches(&with_edge(from, to, kind)), [expected]);
}

#[test]
fn whoever_names_an_implementation_is_found() {
    for kind in KINDS {
        let (from, to) = ("health-chain-application", "health-chain-consensus-pow");
        let expected = Breach::LayerNamesImplementation { from: from.into(), to: to.into(), kind };
        assert_eq!(breaches(&with_edge(from, to, kind)), [expected]);
        let (from, to) = ("health-chain-consensus-pow", "health-chain-data-sled");
        let expected = Breach::ImplementationNamesImplementation { from: from.into(), to: to.into(), kind };
        assert_eq!(breaches(&with_edge(from, to, kind)), [expected]);
    }
}

#[test]
fn the_test_kit_is_found_in_any_crate() {
    for from in ["health-chain-data", "health-chain-application", "health-chain-data-sled"] {
        for kind in KINDS {
            let to = "health-chain-testkit";
            let expected = Breach::Outside { from: from.into(), to: to.into(), kind };
            assert_eq!(breaches(&with_edge(from, to, kind)), [expected]);
        }
    }
}

#[test]
fn a_layer_that_skips_the_one_below_is_found() {
    let expected =
        Breach::LayerSkipped { from: "health-chain-contract".into(), below: "health-chain-incentive".into() };
    let mut without = sound();
    find(&mut without, "health-chain-contract").needs.retain(|need| need.name != "health-chain-incentive");
    assert_eq!(breaches(&without), std::slice::from_ref(&expected));
    // An optional dependency, or one for tests, is none.
    let mut optional = sound();
    find(&mut optional, "health-chain-contract").needs.iter_mut().for_each(|need| need.is_optional = true);
    assert_eq!(breaches(&optional), std::slice::from_ref(&expected));
    let mut for_tests = sound();
    for need in &mut find(&mut for_tests, "health-chain-contract").needs {
        need.kind = DependencyKind::Development;
    }
    assert_eq!(breaches(&for_tests), [expected]);
}

#[test]
fn wrong_names_are_found() {
    let mut renamed = sound();
    find(&mut renamed, "health-chain-network").needs[0].is_renamed = true;
    let (from, to) = ("health-chain-network".into(), "health-chain-data".into());
    assert_eq!(breaches(&renamed), [Breach::Renamed { from, to }]);

    let mut misnamed = sound();
    find(&mut misnamed, "health-chain-consensus-pow").name = "health-chain-pow".into();
    find(&mut misnamed, "health-chain-testkit").needs.clear();
    find(&mut misnamed, "health-chain-consensus-pos").needs.clear();
    let (folder, name) = ("crates/consensus-pow".into(), "health-chain-pow".into());
    assert_eq!(breaches(&misnamed), [Breach::Misnamed { folder, name }]);

    let mut stray = sound();
    stray.push(package("crates/storage-sled"));
    assert_eq!(breaches(&stray), [Breach::NoLayer { folder: "crates/storage-sled".into() }]);

    let mut missing = sound();
    missing.retain(|package| package.name != "health-chain-application");
    find(&mut missing, "health-chain-testkit").needs.clear();
    assert_eq!(breaches(&missing), [Breach::Missing { layer: "application" }]);
}

#[test]
fn a_breach_says_who_and_what() {
    let kind = DependencyKind::Development;
    let breach = Breach::Upward { from: "health-chain-data".into(), to: "health-chain-network".into(), kind };
    let message = "health-chain-data points up: its dev dependency health-chain-network is no layer below it";
    assert_eq!(breach.to_string(), message);
}

#[test]
fn no_std_must_hold_for_every_build() {
    assert!(is_no_std("//! Docs.\n#![no_std]\nextern crate alloc;\n"));
    assert!(!is_no_std("//! #![no_std]\n"));
    assert!(!is_no_std("#![cfg_attr(not(test), no_std)]\n"));
    assert!(!is_no_std(""));
}
