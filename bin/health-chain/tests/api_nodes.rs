//! Running nodes: asked, stopped, joined by others.
#![cfg(unix)]

mod common;

use std::{fs, thread, time::Duration};

use common::{Home, fail, succeed, wait_until};

#[test]
fn a_running_node_answers_and_ctrl_c_ends_it_in_order() {
    let home = Home::easy();
    succeed(&home.output(&["mine", "--blocks", "4"]));
    let node = home.run(&[]);
    let asked = home.status();
    assert_eq!((&asked["source"], &asked["height"]), (&"node".into(), &4.into()));
    assert_eq!(asked["address"], home.address.to_string());

    let said = fail(&home.output(&["mine"]));
    assert!(said.contains("the store is in use by another process") && said.contains("next:"), "{said}");
    let said = succeed(&home.output(&["status"]));
    assert!(said.starts_with(&format!("A node runs at {}", home.address)), "{said}");

    let (status, log) = node.interrupt();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
    let stored = home.status();
    assert_eq!((&stored["source"], &stored["tip"]), (&"store".into(), &asked["tip"]));
}

#[test]
fn ctrl_c_ends_a_node_that_makes_blocks() {
    let home = Home::easy();
    let node = home.run(&["--mine"]);
    wait_until("it has made blocks", || home.status()["height"].as_u64() > Some(2));
    let asked = home.status();
    let (status, log) = node.interrupt();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("block made"), "{log}");
    assert!(home.status()["height"].as_u64() >= asked["height"].as_u64());
}

#[test]
fn a_node_joins_with_the_genesis_document_and_comes_to_the_same_tip() {
    let first = Home::easy();
    succeed(&first.output(&["mine", "--blocks", "5"]));
    let second = Home::new();
    let (genesis, address) = (first.file("genesis.toml"), first.address.to_string());
    succeed(&second.init(&["--genesis", genesis.to_str().unwrap(), "--connect", &address]));
    assert_eq!(fs::read(second.file("genesis.toml")).unwrap(), fs::read(genesis).unwrap());

    let nodes = [first.run(&[]), second.run(&[])];
    wait_until("the second has all blocks", || second.status()["height"] == 5);
    assert_eq!(second.status()["source"], "node");

    let peers = |home: &Home| {
        let said = succeed(&home.output(&["peers", "--json"]));
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["peers"].take()
    };
    let (of_first, of_second) = (peers(&first), peers(&second));
    assert_eq!(of_first.as_array().unwrap().len(), 1);
    assert_eq!(of_first[0]["dialled"], "by-the-peer");
    assert_eq!(of_second[0]["address"], first.address.to_string());
    let keys = succeed(&second.output(&["keys", "show"]));
    assert!(keys.contains(of_first[0]["id"].as_str().unwrap()), "{keys}");
    assert!(succeed(&first.output(&["peers"])).starts_with("1 connected, 0 banned\n"));
    for node in nodes {
        assert_eq!(node.interrupt().0.code(), Some(0));
    }
    assert!(fail(&first.output(&["peers"])).contains("no node runs"));
    let (first, second) = (first.status(), second.status());
    assert_eq!(first["source"], "store");
    for what in ["chain", "tip", "height", "state_hash", "supply"] {
        assert_eq!(first[what], second[what], "{what}");
    }
}

#[test]
fn addresses_in_use_and_silent_nodes_are_named() {
    let home = Home::easy();
    let node = home.run(&[]);
    let other = Home::easy();
    let config = fs::read_to_string(other.file("config.toml")).unwrap();
    let taken = config.replace(&other.address.to_string(), &home.address.to_string());
    fs::write(other.file("config.toml"), taken).unwrap();
    let said = fail(&other.output(&["run"]));
    assert!(said.contains(&format!("cannot accept connections at {}", home.address)), "{said}");
    assert!(said.contains("next: set another address"), "{said}");

    // Changed while the node runs, so that it is asked where it is not.
    let config = fs::read_to_string(home.file("config.toml")).unwrap();
    let elsewhere = config.replace(&home.address.to_string(), &other.address.to_string());
    fs::write(home.file("config.toml"), elsewhere).unwrap();
    let said = fail(&home.output(&["status"]));
    assert!(said.contains("a node runs on") && said.contains("nothing was heard"), "{said}");
    fs::write(home.file("config.toml"), config.replace(&home.address.port().to_string(), "0")).unwrap();
    assert!(fail(&home.output(&["status"])).contains("a port that the system has chosen"));
    assert_eq!(node.interrupt().0.code(), Some(0));
}

#[test]
fn who_is_alone_is_told_so_and_why() {
    let (home, other) = (Home::easy(), Home::new());
    succeed(&other.init(&[]));
    let stranger = other.run(&[]);
    let config = fs::read_to_string(home.file("config.toml")).unwrap();
    let config = config.replace("connect = []", &format!("connect = [\"{}\"]", other.address));
    fs::write(home.file("config.toml"), config.replace("status_seconds = 30", "status_seconds = 1")).unwrap();
    let node = home.run(&[]);
    wait_until("it says that it is alone", || node.has_said("no peer is connected"));
    wait_until("it says why", || node.has_said("connection given up") && node.has_said("is another one"));
    assert_eq!(node.interrupt().0.code(), Some(0));
    assert_eq!(stranger.interrupt().0.code(), Some(0));
}

/// Nobody is served after a reorganisation of more than twelve blocks until somebody has looked.
#[test]
fn after_a_deep_reorganisation_somebody_has_to_say_that_the_gateway_may_go_on() {
    let (shorter, longer) = (Home::easy(), Home::new());
    succeed(&longer.init(&["--genesis", shorter.file("genesis.toml").to_str().unwrap()]));
    succeed(&shorter.output(&["mine", "--blocks", "16"]));
    // Blocks that pay nobody are the same wherever they are made, if they have the same time: that of the clock, or a second after genesis.
    thread::sleep(Duration::from_millis(2_100));
    succeed(&longer.output(&["mine", "--blocks", "18"]));
    assert!(fail(&shorter.output(&["resume"])).contains("no node runs"));
    let config = fs::read_to_string(shorter.file("config.toml")).unwrap();
    fs::write(shorter.file("config.toml"), config.replace("status_seconds = 30", "status_seconds = 1")).unwrap();
    let nodes = [longer.run(&[]), shorter.run(&["--connect", &longer.address.to_string()])];
    wait_until("it has all blocks", || shorter.status()["height"] == 18);
    wait_until("it says that it serves nobody", || nodes[1].has_said("the gateway serves nobody"));
    let said = succeed(&shorter.output(&["resume"]));
    assert!(said.contains("undid 16 blocks"), "{said}");
    assert!(succeed(&shorter.output(&["resume"])).contains("serves already"));
    for node in nodes {
        assert_eq!(node.interrupt().0.code(), Some(0));
    }
}
