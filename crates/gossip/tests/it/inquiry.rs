//! How an investigation goes, and how it ends.

use std::collections::BTreeSet;
use std::time::Instant;

use quorate_gossip::{
    Finding, Inquiry, InquiryConfig, InquiryError, InquiryOutput, PANEL_SIZE, panel_order,
};

use crate::support::{Id, ms, start};

const ME: Id = [1];
const SUSPECT: Id = [0];
type Outputs = Vec<InquiryOutput<Id, Id>>;

/// An inquiry of rank 0 among this many other members, with ten fillers.
fn among(others: u8, now: Instant) -> Inquiry<Id, Id> {
    ranked(0, others, now)
}

fn ranked(rank: usize, others: u8, now: Instant) -> Inquiry<Id, Id> {
    let members = (0..=others).map(|id| [id]);
    let fillers = (100..110).map(|id| [id]);
    Inquiry::new(
        ME,
        SUSPECT,
        7,
        members,
        fillers,
        rank,
        InquiryConfig::default(),
        now,
    )
}

fn drain(inquiry: &mut Inquiry<Id, Id>) -> Outputs {
    std::iter::from_fn(|| inquiry.poll_output()).collect()
}

fn asked(outputs: &Outputs) -> Vec<Id> {
    let ask = |output: &InquiryOutput<Id, Id>| match output {
        InquiryOutput::Ask(peer) => *peer,
        other => panic!("{other:?}"),
    };
    outputs.iter().map(ask).collect()
}

#[test]
fn rank_zero_asks_the_panel_at_once_and_itself_if_it_is_on_it() {
    let now = start();
    let mut inquiry = among(5, now);
    let asked = asked(&drain(&mut inquiry));
    assert_eq!(asked, panel_order(&SUSPECT, 7, (0..=5).map(|id| [id])));
    assert!(asked.contains(&ME));
}

#[test]
fn higher_ranks_wait_their_turn() {
    let now = start();
    let delay = InquiryConfig::default().rank_delay;
    let mut inquiry = ranked(2, 5, now);
    assert_eq!(inquiry.poll_timeout(), Some(now + delay * 2));
    let early = inquiry.handle_testimony([2], Finding::Unreachable, [2], now);
    assert_eq!(early, Err(InquiryError::NotStarted));
    inquiry.handle_timeout(now + delay * 2 - ms(1));
    assert_eq!(drain(&mut inquiry), []);
    inquiry.handle_timeout(now + delay * 2);
    assert_eq!(drain(&mut inquiry).len(), 5);
}

#[test]
fn a_quorum_of_the_panel_makes_one_report() {
    let now = start();
    let mut inquiry = among(20, now);
    let panel = asked(&drain(&mut inquiry));
    assert_eq!(panel.len(), PANEL_SIZE);
    // One finds it alive, which is not enough to stop the others.
    inquiry
        .handle_testimony(panel[0], Finding::Alive, panel[0], now)
        .unwrap();
    // In reverse, to see that the report is in the panel's order.
    for witness in panel[3..8].iter().rev() {
        assert_eq!(drain(&mut inquiry), []);
        inquiry
            .handle_testimony(*witness, Finding::Unreachable, *witness, now)
            .unwrap();
    }
    let testimonies = panel[3..8].to_vec();
    assert_eq!(
        drain(&mut inquiry),
        [InquiryOutput::Report {
            testimonies,
            silent: vec![]
        }]
    );
    assert_eq!(inquiry.poll_timeout(), None);
    let late = inquiry.handle_testimony(panel[1], Finding::Unreachable, panel[1], now);
    assert_eq!(late, Err(InquiryError::Ended));
    inquiry.handle_timeout(now + ms(60_000));
    inquiry.handle_unavailable(panel[2], now);
    assert_eq!(drain(&mut inquiry), []);
}

#[test]
fn it_is_dismissed_as_soon_as_the_panel_cannot_confirm_it_any_more() {
    let now = start();
    let mut inquiry = among(20, now);
    let panel = asked(&drain(&mut inquiry));
    for witness in &panel[..3] {
        inquiry
            .handle_testimony(*witness, Finding::Alive, *witness, now)
            .unwrap();
        assert_eq!(drain(&mut inquiry), []);
    }
    // Five of eight would have to find it unreachable, and four have not.
    inquiry
        .handle_testimony(panel[3], Finding::Alive, panel[3], now)
        .unwrap();
    let alive = panel[..4]
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(drain(&mut inquiry), [InquiryOutput::Dismissed { alive }]);
}

#[test]
fn strangers_and_repetitions_are_refused_without_effect() {
    let now = start();
    let mut inquiry = among(4, now);
    let panel = asked(&drain(&mut inquiry));
    let mut testify =
        |witness| inquiry.handle_testimony(witness, Finding::Unreachable, witness, now);
    assert_eq!(testify(SUSPECT), Err(InquiryError::NotOnPanel));
    assert_eq!(testify([100]), Err(InquiryError::NotOnPanel));
    assert_eq!(testify(panel[0]), Ok(()));
    for _ in 0..5 {
        assert_eq!(testify(panel[0]), Err(InquiryError::Duplicate));
    }
    let change_of_mind = inquiry.handle_testimony(panel[0], Finding::Alive, panel[0], now);
    assert_eq!(change_of_mind, Err(InquiryError::Duplicate));
    assert_eq!(drain(&mut inquiry), []);
}

#[test]
fn the_silent_are_replaced_by_the_next_in_the_order() {
    let now = start();
    let timeout = InquiryConfig::default().answer_timeout;
    let order = panel_order(&SUSPECT, 7, (0..=20).map(|id| [id]));
    let mut inquiry = among(20, now);
    let panel = asked(&drain(&mut inquiry));
    for witness in &panel[..4] {
        inquiry
            .handle_testimony(*witness, Finding::Unreachable, *witness, now)
            .unwrap();
    }
    // One cannot be reached: it is replaced without waiting.
    inquiry.handle_unavailable(panel[4], now);
    assert_eq!(asked(&drain(&mut inquiry)), order[8..9]);
    // Those who have answered, or were never asked, cannot be unavailable.
    inquiry.handle_unavailable(panel[0], now);
    inquiry.handle_unavailable(order[15], now);
    assert_eq!(drain(&mut inquiry), []);

    assert_eq!(inquiry.poll_timeout(), Some(now + timeout));
    let now = now + timeout;
    inquiry.handle_timeout(now);
    assert_eq!(asked(&drain(&mut inquiry)), order[9..13]);
    // Too late: it has lost its seat.
    let late = inquiry.handle_testimony(panel[5], Finding::Unreachable, panel[5], now);
    assert_eq!(late, Err(InquiryError::NotOnPanel));

    inquiry
        .handle_testimony(order[10], Finding::Unreachable, order[10], now)
        .unwrap();
    let testimonies = [&order[..4], &order[10..11]].concat();
    let silent = order[4..9]
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(
        drain(&mut inquiry),
        [InquiryOutput::Report {
            testimonies,
            silent
        }]
    );
}

#[test]
fn with_too_few_members_the_fillers_are_asked() {
    let now = start();
    let fillers = panel_order(&SUSPECT, 7, (100..110).map(|id| [id]));
    let mut inquiry = among(1, now);
    assert_eq!(asked(&drain(&mut inquiry)), [ME, fillers[0], fillers[1]]);
    inquiry.handle_unavailable(fillers[0], now);
    assert_eq!(asked(&drain(&mut inquiry)), [fillers[2]]);
    for witness in [ME, fillers[2]] {
        inquiry
            .handle_testimony(witness, Finding::Unreachable, witness, now)
            .unwrap();
    }
    let testimonies = vec![ME, fillers[2]];
    assert_eq!(
        drain(&mut inquiry),
        [InquiryOutput::Report {
            testimonies,
            silent: vec![fillers[0]]
        }]
    );
}

#[test]
fn at_the_deadline_it_fails_and_names_the_silent() {
    let begin = start();
    // Those asked last are still within their time when the deadline comes.
    let config = InquiryConfig {
        deadline: ms(6000),
        ..InquiryConfig::default()
    };
    let members = (0..200).map(|id| [id]);
    let mut inquiry: Inquiry<Id, Id> = Inquiry::new(ME, SUSPECT, 7, members, [], 0, config, begin);
    let mut all = BTreeSet::new();
    for wake_up in [2500, 5000, 6000] {
        all.extend(asked(&drain(&mut inquiry)));
        assert_eq!(inquiry.poll_timeout(), Some(begin + ms(wake_up)));
        inquiry.handle_timeout(begin + ms(wake_up));
    }
    assert_eq!(all.len(), 3 * PANEL_SIZE);
    let silent = all.into_iter().collect();
    assert_eq!(drain(&mut inquiry), [InquiryOutput::Failed { silent }]);
}

#[test]
fn with_nobody_to_ask_it_fails_and_never_reports() {
    let now = start();
    let mut inquiry: Inquiry<Id, Id> = Inquiry::new(
        ME,
        SUSPECT,
        7,
        [SUSPECT],
        [],
        0,
        InquiryConfig::default(),
        now,
    );
    assert_eq!(
        drain(&mut inquiry),
        [InquiryOutput::Failed { silent: vec![] }]
    );
}

#[test]
fn a_node_does_not_investigate_itself() {
    let now = start();
    let mut inquiry: Inquiry<Id, Id> =
        Inquiry::new(ME, ME, 7, [SUSPECT], [], 0, InquiryConfig::default(), now);
    assert_eq!(
        drain(&mut inquiry),
        [InquiryOutput::Dismissed { alive: vec![ME] }]
    );
}
