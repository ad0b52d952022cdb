//! Planted faults: what each breaks holds without it.

use quorate_gossip::{Config, Message, Output};
use quorate_planted::{Fault, with};

use crate::support::{
    ANN, BOB, CAT, Engine, Id, ME, ZOE, accept, delivered, drain, engine, forwarded_to, gossip,
    offer, said, start,
};

/// Whether something goes wrong with the fault, and only then.
fn assert_breaks(fault: Fault, goes_wrong: impl Fn() -> bool) {
    assert!(!with(None, &goes_wrong), "without {fault}");
    assert!(with(Some(fault), &goes_wrong), "with {fault}");
}

/// An engine between Ann and Bob that has heard one message of Zoe's, from Ann.
fn informed() -> Engine {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    assert!(accept(&mut engine, ANN, &said(ZOE, 0, 0, "hello"), now));
    engine
}

#[test]
fn message_list_forgets() {
    let delivered_of = |origin: Id| {
        let (mut engine, content) = (informed(), said(origin, 0, 0, "hello"));
        engine
            .handle_message(BOB, gossip(&content, 3), start())
            .unwrap();
        let outputs = drain(&mut engine);
        assert!(
            forwarded_to(&outputs).is_empty(),
            "or it would go round for ever"
        );
        delivered(&outputs).len()
    };
    assert_breaks(Fault::MessageListForgets, || delivered_of(ZOE) == 1);
    with(Some(Fault::MessageListForgets), || {
        assert_eq!(delivered_of(ME), 0);
    });
}

#[test]
fn repair_off() {
    assert_breaks(Fault::RepairOff, || {
        let mut engine = informed();
        engine.handle_link_up(CAT, start());
        let is_announcement = |output: &Output<Id>| {
            let Output::Send { message, .. } = output else {
                return false;
            };
            matches!(message, Message::IHave { .. })
        };
        !drain(&mut engine).iter().any(is_announcement)
    });
}

#[test]
fn forwarding_off() {
    assert_breaks(Fault::ForwardingOff, || {
        let mut engine = engine(Config::default(), &[ANN, BOB], start());
        let content = said(ZOE, 0, 0, "hello");
        let check = offer(&mut engine, ANN, &content, start()).unwrap();
        engine.handle_checked(check, quorate_gossip::Verdict::Accept, start());
        let outputs = drain(&mut engine);
        assert_eq!(delivered(&outputs), [content.id()]);
        forwarded_to(&outputs).is_empty()
    });
}
