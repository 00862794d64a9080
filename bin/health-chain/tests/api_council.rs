//! A council of institutions, as those who run their nodes admit to it and remove from it.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Home, fail, succeed, wait_until};

/// Three institutions that have founded a chain, quicker than `init` makes it, and a fourth one that follows it.
fn founded() -> [Home; 4] {
    let homes = [(); 4].map(|()| Home::new());
    let [first, second, third, fourth] = &homes;
    let address = first.address.to_string();
    for home in [second, third] {
        succeed(&home.init(&["--connect", &address]));
    }
    let founder = |name: &str, home: &Home| format!("{name}={}", home.identity());
    let (second_founder, third_founder) = (founder("Second", second), founder("Third", third));
    let founders = ["--founder", &second_founder, "--founder", &third_founder];
    let said = succeed(&first.init(&[&["--consensus", "bft", "--name", "First"], &founders[..]].concat()));
    assert!(
        said.contains("3 of 3 founders admit institutions")
            && said.contains("need this genesis.toml")
            && !said.contains("mine --blocks"),
        "{said}"
    );
    first.change_genesis(&[
        ("interval_millis = 1000", "interval_millis = 100"),
        ("propose_millis = 3000", "propose_millis = 500"),
        ("rebroadcast_millis = 2000", "rebroadcast_millis = 300"),
        ("\nblocks = 10", "\nblocks = 4"),
    ]);
    let genesis = first.file("genesis.toml");
    for home in [second, third] {
        fs::copy(&genesis, home.file("genesis.toml")).unwrap();
    }
    let others = [second.address.to_string(), third.address.to_string()];
    let connect = ["--connect", &address, "--connect", &others[0], "--connect", &others[1]];
    succeed(&fourth.init(&[&["--genesis", genesis.to_str().unwrap()], &connect[..]].concat()));
    homes
}

/// How many seats the council has, and how many votes `key` has on blocks.
fn standing(home: &Home, key: &str) -> (usize, u64) {
    let council = home.json(&["council", "show", "--json"]);
    let validators = home.json(&["validators", "--json"]);
    let entry = validators["validators"].as_array().unwrap().iter().find(|entry| entry["key"] == key).cloned();
    (council["seats"].as_array().unwrap().len(), entry.map_or(0, |entry| entry["power"].as_u64().unwrap()))
}

fn goes_on(home: &Home, blocks: u64) {
    let height = || home.json(&["validators", "--json"])["height"].as_u64().unwrap();
    let before = height();
    wait_until("blocks are decided", || height() >= before + blocks);
}

#[test]
fn three_validators_admit_a_fourth_and_remove_it_again() {
    let homes = founded();
    let [first, second, third, fourth] = &homes;
    let papers = tempfile::tempdir().unwrap();
    let path = |name: &str| papers.path().join(name).to_str().unwrap().to_owned();
    let (admit, remove) = (path("admit"), path("remove"));
    let mut nodes = homes.each_ref().map(|home| Some(home.run(&["--mine"])));
    let key = fourth.identity();
    goes_on(fourth, 1);
    assert_eq!(standing(fourth, &key), (3, 0));

    assert!(fail(&fourth.output(&["council", "apply", &admit])).contains("next: say what it is called: --name"));
    let said = succeed(&fourth.output(&["council", "apply", &admit, "--name", "Fourth"]));
    assert!(said.contains("a seat with 1 votes for: Fourth") && said.contains("votes        0 of 3"), "{said}");
    let said = fail(&fourth.output(&["council", "vote", &admit]));
    assert!(said.contains(&format!("{key} has no seat in the council")), "{said}");
    for home in [first, second] {
        // A vote counts once, however often it is given.
        succeed(&home.output(&["council", "vote", &admit]));
        let said = succeed(&home.output(&["council", "vote", &admit]));
        assert!(said.contains("Hand the paper on"), "{said}");
    }
    let said = succeed(&third.output(&["council", "show", &admit]));
    assert!(said.contains("votes        2 of 3, where 3 decide"), "{said}");
    assert!(said.contains("registry     2 approvals, where 3 are needed"), "{said}");
    let said = succeed(&third.output(&["council", "vote", &admit]));
    assert!(said.contains("sent to the registry") && said.contains("sent to the council"), "{said}");
    wait_until("the fourth decides along", || standing(fourth, &key) == (4, 1));
    let said = fail(&first.output(&["council", "vote", &admit]));
    assert!(said.contains("decision 1, where 2 is next") && said.contains("begin the paper anew"), "{said}");
    assert!(fail(&fourth.output(&["council", "apply", &path("again")])).contains("has a seat already"));

    // Three of four decide, so without the third one the fourth has to.
    drop(nodes[2].take());
    goes_on(first, 3);
    nodes[2] = Some(third.run(&["--mine"]));

    let nobody = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assert!(
        fail(&first.output(&["council", "remove", nobody, &remove])).contains("no seat in the council has the key")
    );
    let said = succeed(&first.output(&["council", "remove", &key, &remove]));
    assert!(said.contains("no seat any more for: Fourth") && said.contains("votes        1 of 4, where 3"), "{said}");
    succeed(&second.output(&["council", "vote", &remove]));
    let said = succeed(&third.output(&["council", "vote", &remove]));
    assert!(said.contains("sent to the council") && !said.contains("registry"), "{said}");
    wait_until("the fourth decides no more", || standing(first, &key) == (3, 0));
    drop(nodes[3].take());
    goes_on(first, 3);

    for node in nodes.into_iter().flatten() {
        let (status, log) = node.interrupt();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(
            log.contains("block made") && !log.contains("vote"),
            "who votes for what is logged where it is asked for: {log}"
        );
    }
    let said = succeed(&first.output(&["council", "show"]));
    assert!(said.contains("decisions so far  2") && said.contains("3, of which 3 decide"), "{said}");
    assert!(said.contains("First, institution") && !said.contains("Fourth"), "{said}");
}
