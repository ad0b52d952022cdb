//! Five members, two candidates, a dead member: whatever the network and crashes do, all chains are prefixes of one, and in
//! calm weather everything gets decided.

use proptest::prelude::*;

use super::crowd::Crowd;

const MEMBERS: u64 = 5;

#[derive(Debug, Clone)]
enum Step {
    Deliver { which: usize, is_kept: bool },
    Lose { which: usize },
    Lead { who: usize },
    Allow { who: usize },
    Accuse { who: usize },
    Meet { who: usize, whom: usize },
    CatchUp { who: usize },
    Restart { who: usize },
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 1000 }))]

    #[test]
    fn never_two_decisions_of_one_epoch_and_in_the_end_all_are_made(
        allowed_first: bool,
        steps in prop::collection::vec((step(), prop::option::weighted(0.03, 0..4usize)), 1..300),
    ) {
        let mut crowd = Crowd::new(MEMBERS);
        if allowed_first {
            for number in 1..=MEMBERS {
                crowd.allow_all(number, None);
                crowd.accuse(number, None);
            }
        }
        for (step, crash_after) in steps {
            take(&mut crowd, step, crash_after);
        }
        crowd.calm();
    }
}

fn take(crowd: &mut Crowd, step: Step, crash_after: Option<usize>) {
    let numbers: Vec<u64> = crowd.stations.keys().copied().collect();
    let number = |which: usize| numbers[which % numbers.len()];
    let waiting = crowd.wire.len();
    match step {
        // Mostly what came early: then ballots get somewhere.
        Step::Deliver { which, is_kept } if waiting > 0 => {
            let which = which % waiting.min(40);
            crowd.deliver(which, crash_after);
            if !is_kept {
                crowd.wire.remove(which);
            }
        }
        Step::Lose { which } if waiting > 0 => {
            crowd.wire.remove(which % waiting);
        }
        Step::Deliver { .. } | Step::Lose { .. } => {}
        Step::Lead { who } => crowd.lead(number(who), crash_after),
        Step::Allow { who } => crowd.allow_all(number(who), crash_after),
        Step::Accuse { who } => crowd.accuse(number(who), crash_after),
        Step::Meet { who, whom } => crowd.meet(number(who), number(whom)),
        Step::CatchUp { who } => crowd.catch_up(number(who), crash_after),
        Step::Restart { who } => crowd.restart(number(who)),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..7usize;
    prop_oneof![
        40 => (any::<usize>(), prop::bool::weighted(0.1))
            .prop_map(|(which, is_kept)| Step::Deliver { which, is_kept }),
        2 => any::<usize>().prop_map(|which| Step::Lose { which }),
        3 => who().prop_map(|who| Step::Lead { who }),
        1 => who().prop_map(|who| Step::Allow { who }),
        1 => who().prop_map(|who| Step::Accuse { who }),
        1 => (who(), who()).prop_map(|(who, whom)| Step::Meet { who, whom }),
        1 => who().prop_map(|who| Step::CatchUp { who }),
        1 => who().prop_map(|who| Step::Restart { who }),
    ]
}
