//! What a candidate asked on a connection that is dead is read after what it asked on the next, and what became of an earlier
//! life of it is heard after it asks in a later one: inputs in an order that sockets seldom show.

use quorate_node::NodeId;
use quorate_node::roles::Member;

use crate::driver::{Driver, founder, one_of_three};
use crate::fuzz::open_chain;

const WHO: u64 = 6;

/// A founder whom a candidate has asked on two connections, what came on the older of which is read last: a request of so
/// many milliseconds before the other.
fn asked_twice(earlier_by: u64) -> Driver<Member> {
    let mut driver = founder(1);
    let who = NodeId::from(WHO);
    let [old, new] = [0; 2].map(|_| driver.knock(who).unwrap());
    let at = driver.now.unix_ms;
    driver.request(old, who, 1, at - earlier_by);
    driver.request(new, who, 1, at);
    driver.request(old, who, 1, at - earlier_by);
    let newest = driver.record_of(who, 1, at);
    driver.close(old);
    driver.record = Some(newest);
    driver
}

fn is_let_in(mut driver: Driver<Member>) -> bool {
    driver.let_in();
    driver.admitted == [NodeId::from(WHO)]
}

#[test]
fn the_same_request_read_late_does_not_move_its_candidate_to_a_dead_connection() {
    assert!(is_let_in(asked_twice(0)));
}

#[test]
fn an_earlier_request_read_late_does_not_replace_a_newer_one() {
    assert!(is_let_in(asked_twice(500)));
}

#[test]
fn a_member_that_catches_up_with_an_earlier_life_of_a_candidate_tells_it_to_ask_again() {
    let mut driver = one_of_three(1);
    let who = NodeId::from(7);
    let conn = driver.knock(who).unwrap();
    driver.request(conn, who, 2, driver.now.unix_ms);
    assert_eq!(driver.refused, []);
    // Meanwhile it entered, and later left, in life 1.
    driver.learn(NodeId::from(4), open_chain(4).links_from(2).to_vec());
    assert_eq!(driver.admitted, [who]);
    assert_eq!(driver.refused, [conn]);
}

#[test]
fn a_member_that_is_asked_by_one_it_has_not_heard_of_answers_when_it_has() {
    let mut driver = one_of_three(1);
    let who = NodeId::from(7);
    let conn = driver.ask_to_be_neighbor(who);
    assert_eq!(driver.answered, []);
    driver.learn(NodeId::from(4), open_chain(4).links_from(2).to_vec());
    assert_eq!(driver.admitted, [who]);
    assert_eq!(driver.answered, [conn]);
}
