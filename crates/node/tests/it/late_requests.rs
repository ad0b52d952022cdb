//! What a candidate asked on a connection that is dead is read after what it asked on the next: inputs in an order that
//! sockets seldom show.

use quorate_node::NodeId;
use quorate_node::roles::Member;

use crate::roles::{Driver, Input, founder};

const WHO: u64 = 6;

/// A founder whom a candidate has asked on two connections, what came on the older of which is read last: a request of so
/// many milliseconds before the other.
fn asked_twice(earlier_by: u64) -> Driver<Member> {
    let mut driver = founder(1);
    let who = NodeId::from(WHO);
    let [old, new] = [0; 2].map(|_| driver.knock(who).unwrap());
    let at = driver.now.unix_ms;
    driver.request(old, who, at - earlier_by);
    driver.request(new, who, at);
    driver.request(old, who, at - earlier_by);
    let newest = driver.record_of(who, at);
    driver.close(old);
    driver.record = Some(newest);
    driver
}

/// The candidate answers the last probe, and whatever follows takes its course.
fn is_let_in(driver: &mut Driver<Member>) -> bool {
    let dials = driver.dials.len();
    assert!(dials > 0, "no probe of the candidate");
    driver.step(Input::Answer(dials - 1, None, true));
    let conns = driver.conns.len();
    driver.step(Input::Echo(conns - 1));
    for _ in 0..8 {
        driver.step(Input::Written(true));
        driver.step(Input::Wait(1000));
    }
    driver.admitted == [NodeId::from(WHO)]
}

#[test]
fn the_same_request_read_late_does_not_move_its_candidate_to_a_dead_connection() {
    assert!(is_let_in(&mut asked_twice(0)));
}

#[test]
fn an_earlier_request_read_late_does_not_replace_a_newer_one() {
    assert!(is_let_in(&mut asked_twice(500)));
}
