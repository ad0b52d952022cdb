//! Seeds that do not let everybody in: an operator at the prompt, and invitations.

use std::fs;

use crate::network::{Network, PATIENCE};

const QUIET: &[&str] = &["--messages", "0"];

#[test]
fn an_operator_is_asked_at_the_prompt_and_its_word_decides() {
    let mut net = Network::planned(1);
    let seed = net.seed_with_prompt(0, &["--admit", "ask"]);
    net.expect(seed, "listens at");
    net.types(seed, "pending");
    net.expect(seed, "Nobody waits");
    let liked = net.peer(QUIET);
    let name = net.address(liked).to_owned();
    net.expect(seed, &format!("Join request from peer {name}"));
    net.expect(seed, &format!("{name} waits for your word: allow 1,"));
    net.types(seed, "pending");
    net.expect(seed, &format!("1: {name} (key "));
    net.types(seed, "allow 2");
    net.expect(seed, "Nobody who waits is called 2");
    net.types(seed, "allow 1");
    net.expect(seed, &format!("Allowed: {name}"));
    net.expect(liked, "Joined the network");

    let disliked = net.peer(QUIET);
    let name = net.address(disliked).to_owned();
    net.expect(seed, &format!("{name} waits for your word: allow 2,"));
    net.types(seed, &format!("deny {name} I do not know you"));
    net.expect(seed, &format!("Denied: {name}"));
    let at = net.address(seed).to_owned();
    let words = format!("{at} says: its operator denies it: I do not know you");
    net.expect(disliked, &words);
    assert!(net.find(disliked, "Joined the network").is_none());
    net.types(seed, &format!("explain {name}"));
    net.expect(seed, &format!("{name} ("));
    let name = net.address(liked).to_owned();
    net.types(seed, &format!("explain {name}"));
    net.expect(seed, &format!("{name} ("));
    net.expect(seed, &format!("signed by {at}"));
}

#[test]
fn an_invitation_that_a_seed_printed_brings_one_peer_in() {
    let mut net = Network::planned(1);
    let address = net.seeds()[0].clone();
    let printing = net.launch("seed", &address, &["--invite", "--valid", "1h"]);
    net.exit(printing, PATIENCE);
    let printed = fs::read_to_string(net.path("0.stdout")).unwrap();
    let invitation = printed.trim();
    assert!(invitation.starts_with("quorate-invite-1-"), "{printed:?}");
    let beside = net.stderr(printing);
    let signer = beside
        .strip_prefix("signed by ")
        .and_then(|rest| rest.split_once(';'));
    let (signer, _) = signer.unwrap_or_else(|| panic!("{beside:?}"));

    let seed = net.launch("seed", &address, &["--admit", "invited"]);
    net.expect(seed, "listens at");
    assert!(
        net.find(seed, signer).is_some(),
        "{signer} is not the seed's key"
    );
    let guest = net.peer(&["--messages", "0", "--invitation", invitation]);
    net.expect(guest, "Joined the network");
    let second = net.peer(&["--messages", "0", "--invitation", invitation]);
    net.expect(second, "the invitation was used by ");
    let stranger = net.peer(QUIET);
    net.expect(stranger, "expected an invitation, got none");
}

#[test]
fn an_invitation_by_an_operator_counts_where_its_key_is_named() {
    let mut net = Network::planned(1);
    let nowhere = net.free_address();
    let printing = net.launch("seed", &nowhere, &["--invite", "--data", "operator"]);
    net.exit(printing, PATIENCE);
    let beside = net.stderr(printing);
    let warning = format!("warning: {nowhere} is not in config.csv\nsigned by ");
    let rest = beside.strip_prefix(&warning);
    let rest = rest.unwrap_or_else(|| panic!("{beside:?}"));
    let (operator, _) = rest.split_once(';').unwrap();
    let printed = fs::read_to_string(net.path("0.stdout")).unwrap();

    let address = net.seeds()[0].clone();
    let admit = ["--admit", "invited", "--operator", operator];
    let seed = net.launch("seed", &address, &admit);
    net.expect(seed, "listens at");
    let guest = net.peer(&["--messages", "0", "--invitation", printed.trim()]);
    net.expect(guest, "Joined the network");
}

#[test]
fn seeds_are_unseated_by_address_and_by_the_key_that_is_shown_without_a_look_at_the_list() {
    let mut net = Network::planned(3);
    let seeds = [0, 1, 2].map(|line| net.seed_with_prompt(line, &["--prompt"]));
    net.expect_mesh(&seeds);
    let gone = net.address(seeds[2]).to_owned();
    net.types(seeds[0], &format!("unseat {gone}"));
    net.expect(seeds[0], "Wanted");
    net.expect(seeds[1], &format!("SEAT of {gone} challenged"));
    let met = format!("Seed {gone} is ");
    let line = net.expect(seeds[1], &met).text;
    let (_, key) = line.split_once(&met).unwrap();
    net.types(seeds[1], &format!("unseat {}", &key[..8]));
    net.expect_all(&seeds[..2], "ELECTORATE of epoch 1: ");
    net.expect(seeds[2], "UNSEATED");
}
