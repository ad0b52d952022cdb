//! What a member of an open network, or a candidate, says of a node when asked why it is in, out or pending.

use quorate_consensus::assembly::{self, Candidacy};
use quorate_consensus::explanation::Said;
use quorate_consensus::{NodeId, Now};

use super::Member;
use crate::explanation::{Decided, Explanation, Stage, Suspicion, millis};

impl Member {
    pub(super) fn explain(&self, node: &NodeId, now: Now) -> Explanation {
        let decided = match (&self.assembly, &self.asking.chain) {
            (Some(assembly), _) => Decided::ByMembers(Box::new(assembly.explain(node, now))),
            (None, Some(chain)) => {
                let of_chain = assembly::Explanation::of_chain(node, chain);
                let candidacy = (*node == self.me)
                    .then(|| self.own_candidacy(now))
                    .flatten();
                Decided::ByMembers(Box::new(assembly::Explanation {
                    node: self.party(*node).into(),
                    candidacy,
                    ..of_chain
                }))
            }
            (None, None) => Decided::Nothing(self.party(*node).into()),
        };
        let watch = self.watches.get(node).map(|watch| watch.explain(now));
        Explanation {
            connections: self.connections.purposes(*node),
            suspicion: watch,
            ..Explanation::of(decided)
        }
    }

    /// How this node's own request stands.
    fn own_candidacy(&self, now: Now) -> Option<Candidacy> {
        let (record, opinions) = self.asking.request()?;
        let members = self.asking.chain.iter().flat_map(|chain| {
            let members = chain.membership().members();
            members.map(|member| member.node)
        });
        let opinions: Vec<Said> = opinions
            .map(|opinion| Said {
                voter: self.party(opinion.voter).into(),
                choice: opinion.choice,
                reason: opinion.reason.clone(),
            })
            .collect();
        let is_missing = |node: &NodeId| opinions.iter().all(|said| said.voter.id != *node);
        Some(Candidacy {
            incarnation: record.incarnation,
            opened_ms: record.opened_ms,
            age_ms: now.unix_ms.saturating_sub(record.opened_ms),
            endpoints: record.endpoints.clone(),
            missing: members
                .filter(is_missing)
                .map(|node| self.party(node).into())
                .collect(),
            opinions,
        })
    }
}

impl super::Watch {
    fn explain(&self, now: Now) -> Suspicion {
        let since = |then| millis(now.instant.saturating_duration_since(then));
        Suspicion {
            cause: "there is no link to it".to_owned(),
            tries: 0,
            stage: Stage::Watched {
                silent_for_ms: since(self.heard),
                refused_for_ms: self.refused_since.map(since),
            },
        }
    }
}
