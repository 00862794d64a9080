//! Stake, as those who run a node put it up and take it back.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fail, succeed, wait_until};
use serde_json::Value;

const EPOCH_BLOCKS: u64 = 4;

/// A chain where the owner of the folder decides until enough is bonded, quicker than `init` makes it.
fn founded() -> Home {
    let home = Home::new();
    succeed(&home.init(&["--consensus", "pos"]));
    home.change_genesis(&[
        ("interval_millis = 1000", "interval_millis = 100"),
        ("propose_millis = 3000", "propose_millis = 500"),
        ("rebroadcast_millis = 2000", "rebroadcast_millis = 300"),
        ("\nblocks = 10", &format!("\nblocks = {EPOCH_BLOCKS}")),
        ("evidence_blocks = 100", "evidence_blocks = 30"),
    ]);
    home
}

/// What is known of a key that decides, or has something bonded.
fn validator(home: &Home, key: &str) -> Option<Value> {
    let standing = home.json(&["validators", "--json"]);
    standing["validators"].as_array().unwrap().iter().find(|entry| entry["key"] == key).cloned()
}

fn votes(home: &Home, key: &str) -> u64 {
    validator(home, key).map_or(0, |entry| entry["power"].as_u64().unwrap())
}

fn height(home: &Home) -> u64 {
    home.json(&["validators", "--json"])["height"].as_u64().unwrap()
}

fn balance(home: &Home) -> String {
    succeed(&home.output(&["wallet", "balance"])).trim_end().into()
}

#[test]
fn a_second_node_bonds_decides_along_and_takes_its_stake_back() {
    let (founder, second) = (founded(), Home::new());
    let (genesis, address) = (founder.file("genesis.toml"), founder.address.to_string());
    succeed(&second.init(&["--genesis", genesis.to_str().unwrap(), "--connect", &address]));
    let said = fail(&founder.output(&["wallet", "mint", "5000"]));
    assert!(said.contains("no node runs on") && said.contains("next: start it"), "{said}");

    let nodes = [founder.run(&["--mine"]), second.run(&["--mine"])];
    let (first_key, key) = (founder.identity(), second.identity());
    assert_eq!((votes(&founder, &first_key), votes(&founder, &key)), (1, 0));
    let said = fail(&second.output(&["bond", "1500"]));
    assert!(said.contains("1500.01 EUR are needed") && said.contains("can spend 0.00 EUR"), "{said}");

    // Nobody but the issuer mints.
    assert!(fail(&second.output(&["wallet", "mint", "1"])).contains("does not issue token"));
    let said = succeed(&founder.output(&["wallet", "mint", "5000"]));
    assert!(said.starts_with("minted 5000.00 EUR in transaction"), "{said}");
    let payee = succeed(&second.output(&["wallet", "address"]));
    succeed(&founder.output(&["wallet", "send", "2000.50", "--to", payee.trim_end(), "--fee", "0.10"]));
    assert_eq!(balance(&founder), "2999.40 EUR", "what was just sent is gone at once");
    wait_until("the second has been paid", || balance(&second) == "2000.50 EUR");

    succeed(&founder.output(&["bond", "1000"]));
    let said = fail(&second.output(&["bond", "99.99"]));
    assert!(said.contains("one vote costs 100.00 EUR, and 99.99 EUR buy none"), "{said}");
    let said = succeed(&second.output(&["bond", "1500"]));
    assert!(said.contains(&format!("bonded 1500.00 EUR behind {key}")), "{said}");
    assert!(fail(&second.output(&["withdraw"])).contains("nothing to withdraw"));
    wait_until("both decide", || (votes(&second, &first_key), votes(&second, &key)) == (10, 15));
    // Neither has two thirds alone, so whatever is decided now, both have decided.
    let both = height(&founder);
    wait_until("an epoch passes", || height(&founder) > both + EPOCH_BLOCKS);

    let said = fail(&second.output(&["withdraw"]));
    assert!(said.contains("nothing to withdraw") && said.contains("next: give notice first"), "{said}");
    assert!(fail(&second.output(&["unbond", "1500.01"])).contains("150001 is to be unbonded"));
    assert!(succeed(&second.output(&["unbond"])).contains("gave notice of 1500.00 EUR"));
    wait_until("notice is given", || validator(&second, &key).is_some_and(|entry| entry["bond"]["amount"] == 0));
    let leaving = validator(&second, &key).unwrap()["bond"]["leaving"][0].clone();
    let free_from = leaving["free_from"].as_u64().unwrap();
    assert_eq!(leaving["amount"], 150_000);
    let said = fail(&second.output(&["withdraw"]));
    assert!(said.contains(&format!("locked until height {free_from}")), "{said}");
    wait_until("its votes are gone", || votes(&founder, &key) == 0);
    wait_until("the bond is free", || height(&second) + 1 >= free_from);
    assert!(succeed(&second.output(&["withdraw"])).contains("withdrew 1500.00 EUR"));
    // All but the fees of bonding and unbonding.
    wait_until("it is paid out", || validator(&second, &key).is_none());
    assert_eq!(balance(&second), "2000.48 EUR");

    for node in nodes {
        let (status, log) = node.interrupt();
        assert_eq!(status.code(), Some(0), "{log}");
    }
    assert!(!founder.file("orders.secret").exists());
    // A stopped node's folder still shows what there is.
    assert_eq!(balance(&second), "2000.48 EUR");
    assert_eq!(votes(&second, &first_key), 10);
}

#[test]
fn chains_without_stake_say_so() {
    let home = Home::easy();
    for command in [&["bond", "1000"] as &[&str], &["unbond"], &["withdraw"]] {
        assert!(fail(&home.output(command)).contains("stake does not decide on this chain"), "{command:?}");
    }
    assert!(fail(&home.output(&["validators"])).contains("this chain has no validators"));
    assert!(fail(&home.output(&["council", "show"])).contains("no council decides on this chain"));
    assert!(fail(&home.output(&["wallet", "mint", "1.234"])).contains("at most 2 behind a point"));
    assert!(fail(&home.output(&["wallet", "mint", "1", "--token", "XYZ"])).contains("no token XYZ"));
}

#[test]
fn a_node_takes_orders_from_its_owner_only() {
    use std::{fs, io::Write, net::TcpStream};

    let home = founded();
    let node = home.run(&["--mine"]);
    assert!(common::is_private(&home.file("orders.secret")));
    let note = fs::read_to_string(home.file("orders.secret")).unwrap();
    let (address, word) = note.trim_end().split_once(' ').unwrap();
    let say = |line: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        // Closed with what was said unread, the connection may be reset.
        let _ = std::io::Read::read_to_string(&mut stream, &mut answer);
        answer
    };
    let order = |word: &str, until: u64| {
        format!("{{\"word\":\"{word}\",\"order\":{{\"Wallet\":\"Balance\"}},\"until\":{until}}}\n")
    };
    assert_eq!(say(&order(&"0".repeat(64), u64::MAX)), "");
    assert_eq!(say("nonsense\n"), "");
    assert!(say(&order(word, 0)).contains("has not carried it out"), "its time is over");
    assert_eq!(say(&order(word, u64::MAX)), "{\"Ok\":{\"printed\":\"0.00 EUR\\n\",\"paper\":null}}\n");
    drop(node);
    // It was killed, so the note is still there, and nobody listens.
    assert!(home.file("orders.secret").exists());
    assert_eq!(balance(&home), "0.00 EUR");
}
