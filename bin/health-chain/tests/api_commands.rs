//! The commands, one after the other, as a newcomer tries them.
#![cfg(unix)]

mod common;

use std::fs;

use common::{Home, fail, is_private, succeed};

#[test]
fn help_names_every_command_and_every_command_has_its_own() {
    let home = Home::new();
    let help = succeed(&home.output(&["--help"]));
    let commands = ["init", "run", "mine", "status", "keys", "script", "bench"];
    let chain_commands = ["wallet", "validators", "bond", "unbond", "withdraw", "council"];
    for command in commands.into_iter().chain(chain_commands) {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in: {help}");
        let own = succeed(&home.output(&[command, "--help"]));
        assert!(own.contains(&format!("Usage: health-chain {command}")), "{own}");
    }
    let nested: [(&str, &[&str]); 3] = [
        ("keys", &["new", "show"]),
        ("wallet", &["balance", "address", "send", "mint"]),
        ("council", &["show", "apply", "remove", "vote"]),
    ];
    for (command, own) in nested {
        for own in own {
            let said = succeed(&home.output(&[command, own, "--help"]));
            assert!(said.contains(&format!("Usage: health-chain {command} {own}")), "{said}");
        }
    }
    assert!(succeed(&home.output(&["init", "--help"])).contains("--genesis"));
}

#[test]
fn a_script_is_written_read_and_run() {
    let home = Home::new();
    let ran = |arguments: &[&str]| home.output(&[&["script"], arguments].concat());
    let said = succeed(&ran(&["run", "ADD 5 NUMEQUAL", "--unlock", "2 3", "--trace"]));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}");
    assert_eq!((lines[2], lines[5]), ("lock       0  ADD  [05]", "unlocked"));
    assert!(fail(&ran(&["run", "ADD 5 NUMEQUAL", "--unlock", "2 4"])).contains("the script ends in false"));
    assert!(fail(&ran(&["run", "NONSENSE"])).contains("word 0 is no opcode"));
    // What the command line itself does not take ends with another status.
    for (arguments, reason) in [
        (&["run", "1", "--rules", "P2SH,NONSENSE"] as &[&str], "no rule of that name"),
        (&["show", "4f6"], "hexadecimal"),
    ] {
        let refused = ran(arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(reason));
    }
    assert_eq!(succeed(&ran(&["assemble", "-1 16 DUP"])), "4f6076\n");
    assert_eq!(succeed(&ran(&["show", "4f6076"])), "    0  -1\n    1  16\n    2  DUP\n");
}

#[test]
fn a_folder_is_made_once() {
    let home = Home::new();
    let said = succeed(&home.init(&[]));
    assert!(said.contains("development network") && said.contains("mine --blocks 3"), "{said}");
    assert!(is_private(&home.file("words.secret")) && is_private(&home.file("node-key.secret")));
    assert!(is_private(&home.path()));
    let words = fs::read_to_string(home.file("words.secret")).unwrap();
    assert_eq!(words.split_whitespace().count(), 24);

    let said = fail(&home.init(&[]));
    assert!(said.contains("already") && said.contains("next:"), "{said}");
    assert_eq!(fs::read_to_string(home.file("words.secret")).unwrap(), words);

    fs::remove_file(home.file("genesis.toml")).unwrap();
    for command in [&["init"] as &[&str], &["run"], &["mine"], &["status"]] {
        let said = fail(&home.output(command));
        assert!(said.contains("half made") && said.contains("genesis.toml"), "{said}");
    }
    assert!(!home.file("genesis.toml").exists());
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let home = Home::new();
    let said = fail(&home.init(&["--connect", &home.address.to_string()]));
    assert!(
        said.contains("where it is to connect to") && said.contains("next: give it an address of its own"),
        "{said}"
    );
    let refused = home.init(&["--connect", "localhost:7070"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("as in 10.0.0.1:7070"));
    let said = fail(&home.output(&["--log", "==", "init"]));
    let causes: Vec<&str> = said.lines().filter(|line| line.contains("because:")).collect();
    assert_eq!(causes.len(), 1, "a cause is told once: {said}");
    assert!(!home.path().exists());
}

#[test]
fn without_a_folder_every_command_says_how_to_make_one() {
    let home = Home::new();
    for command in [&["run"] as &[&str], &["mine"], &["status"], &["keys", "show"]] {
        let said = fail(&home.output(command));
        assert!(said.contains("is not a node's folder") && said.contains("init"), "{said}");
        assert!(!home.path().exists());
    }
}

#[test]
fn mined_blocks_are_there_after_a_restart() {
    let home = Home::easy();
    let before = home.status();
    assert_eq!((&before["height"], &before["source"]), (&0.into(), &"store".into()));
    assert!(!home.file("chain").exists());

    let said = succeed(&home.output(&["mine", "--blocks", "3"]));
    let heights: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("block ")?.split(' ').next()).collect();
    assert_eq!(heights, ["1", "2", "3"], "{said}");
    assert!(said.contains("made 3 of 3 blocks"), "{said}");
    let after = home.status();
    assert_eq!(after["height"], 3);
    assert_eq!(after["chain"], before["chain"]);
    assert!(said.contains(after["tip"].as_str().unwrap()), "{said}");
    assert_eq!(after["supply"][0]["symbol"], "EUR");

    succeed(&home.output(&["mine", "-n", "2"]));
    assert_eq!(home.status()["height"], 5);
}

#[test]
fn the_authority_of_a_chain_makes_its_blocks_and_nobody_else_does() {
    let home = Home::new();
    succeed(&home.init(&["--consensus", "solo"]));
    let genesis = fs::read_to_string(home.file("genesis.toml")).unwrap();
    fs::write(home.file("genesis.toml"), genesis.replace("interval_seconds = 10", "interval_seconds = 1")).unwrap();
    succeed(&home.output(&["mine", "--blocks", "2"]));
    assert_eq!(home.status()["height"], 2);

    let other = Home::new();
    succeed(&other.init(&["--genesis", home.file("genesis.toml").to_str().unwrap()]));
    assert_eq!(other.status()["chain"], home.status()["chain"]);
    assert!(fail(&other.output(&["mine"])).contains("only the authority"));
}

#[test]
fn one_node_makes_public_private_and_consortium_chains() {
    for engine in ["pos", "bft"] {
        let home = Home::new();
        succeed(&home.init(&["--consensus", engine]));
        succeed(&home.output(&["mine", "--blocks", "2"]));
        assert_eq!(home.status()["height"], 2, "{engine}");

        // Whoever joins checks the blocks, and is not among those who agree on them yet.
        let other = Home::new();
        succeed(&other.init(&["--genesis", home.file("genesis.toml").to_str().unwrap()]));
        assert_eq!(other.status()["chain"], home.status()["chain"], "{engine}");
    }
}

#[test]
fn a_file_of_secrets_named_by_mistake_is_not_shown() {
    let (home, other) = (Home::easy(), Home::new());
    let words = fs::read_to_string(home.file("words.secret")).unwrap();
    let said = fail(&other.init(&["--genesis", home.file("words.secret").to_str().unwrap()]));
    assert!(said.contains("words.secret is malformed at line 1"), "{said}");
    let words: Vec<&str> = words.split_whitespace().collect();
    assert!(words.windows(3).all(|three| !said.contains(&three.join(" "))), "{said}");
}

#[test]
fn malformed_files_are_named_with_the_line() {
    let home = Home::easy();
    let config = fs::read_to_string(home.file("config.toml")).unwrap();
    let line = config.lines().position(|line| line.starts_with("connect")).unwrap() + 1;
    fs::write(home.file("config.toml"), config.replace("connect = []", "connect = [\"nowhere\"]")).unwrap();
    let said = fail(&home.output(&["run"]));
    assert!(said.contains("config.toml is malformed") && said.contains(&format!("line {line}")), "{said}");
    fs::write(home.file("config.toml"), config.replace("connect", "conect")).unwrap();
    let said = fail(&home.output(&["mine"]));
    assert!(said.contains(&format!("line {line}")) && said.contains("conect"), "{said}");

    let genesis = fs::read_to_string(home.file("genesis.toml")).unwrap();
    fs::write(home.file("genesis.toml"), genesis.replace("decimals = 2", "decimals = two")).unwrap();
    let line = genesis.lines().position(|line| line.starts_with("decimals")).unwrap() + 1;
    let said = fail(&home.output(&["status"]));
    assert!(said.contains("genesis.toml is malformed") && said.contains(&format!("line {line}")), "{said}");
    // Well-formed, and yet no chain.
    fs::write(home.file("genesis.toml"), genesis.replace("threshold = 1", "threshold = 2")).unwrap();
    let said = fail(&home.output(&["status"]));
    assert!(said.contains("genesis.toml does not describe a chain") && said.contains("2 of 1 issuers"), "{said}");
}

#[test]
fn a_genesis_document_changed_after_the_first_block_is_another_chain() {
    let home = Home::easy();
    succeed(&home.output(&["mine"]));
    let genesis = fs::read_to_string(home.file("genesis.toml")).unwrap();
    fs::write(home.file("genesis.toml"), genesis.replace("development", "another")).unwrap();
    let said = fail(&home.output(&["status"]));
    assert!(said.contains("the store holds chain") && said.contains("next: genesis.toml was changed"), "{said}");
}

#[test]
fn keys_follow_from_the_words_and_words_are_shown_only_where_asked_for() {
    let home = Home::new();
    succeed(&home.init(&[]));
    let words = fs::read_to_string(home.file("words.secret")).unwrap();
    let shown = succeed(&home.output(&["keys", "show"]));
    assert!(shown.contains("identity") && shown.contains("contact card") && shown.contains("node"), "{shown}");
    // A single word may stand there by chance: "key" is one of BIP39's.
    let list: Vec<&str> = words.split(' ').collect();
    assert!(list.windows(3).all(|three| !shown.contains(&three.join(" "))), "{shown}");
    let output = home.output(&["keys", "show", "--secret"]);
    assert!(succeed(&output).contains(&words));
    assert!(String::from_utf8(output.stderr).unwrap().contains("WARN"));

    let identity = |text: &str| text.lines().find(|line| line.starts_with("identity")).unwrap().to_owned();
    let again = Home::new();
    succeed(&again.init(&["--words", home.file("words.secret").to_str().unwrap()]));
    assert_eq!(identity(&succeed(&again.output(&["keys", "show"]))), identity(&shown));

    for count in [12, 24] {
        let made = succeed(&home.output(&["keys", "new", "--words", &count.to_string()]));
        let words = made.lines().find_map(|line| line.strip_prefix("words")).unwrap();
        assert_eq!(words.split_whitespace().count(), count, "{made}");
        assert_ne!(identity(&made), identity(&shown));
    }
    assert!(!home.output(&["keys", "new", "--words", "13"]).status.success());
}

#[test]
fn files_that_hold_no_secrets_are_refused() {
    let home = Home::easy();
    let words = fs::read_to_string(home.file("words.secret")).unwrap();
    fs::write(home.file("words.secret"), words.replacen(' ', " zzz ", 1)).unwrap();
    let said = fail(&home.output(&["mine"]));
    assert!(said.contains("words.secret does not hold"), "{said}");
    assert!(!said.contains(words.split(' ').next_back().unwrap()), "{said}");
    fs::write(home.file("words.secret"), words).unwrap();
    fs::write(home.file("node-key.secret"), "00").unwrap();
    assert!(fail(&home.output(&["mine"])).contains("node-key.secret does not hold"));
}
