//! What a voter says of a node when asked why it is in, out or pending.

use super::Council;
use super::matter::Own;
use crate::explanation::{EndedVote, Explanation, OpenVote, OwnVote, Reader, Withheld};
use crate::id::{NodeId, ProposalId};
use crate::text::cut;
use crate::time::Now;
use crate::vote::REASON_LEN_MAX;

impl Council {
    /// Why a node is in, out or pending: its standing with its certificate, the votes about it that are open here, and the
    /// last one that came to nothing. Changes nothing.
    pub fn explain(&self, node: &NodeId, now: Now) -> Explanation {
        let reader = Reader {
            roster: &self.roster,
            electorate: &self.electorate,
            now_ms: now.unix_ms,
        };
        let about = self
            .matters
            .values()
            .filter(|matter| matter.proposal().subject() == *node);
        let open = about.map(|matter| {
            let left = matter.deadline.saturating_duration_since(now.instant);
            OpenVote {
                count: reader.count(matter.proposal(), &matter.tally),
                own: match &matter.own {
                    Own::Judging => OwnVote::Judging,
                    Own::Persisting => OwnVote::Persisting,
                    Own::Cast(choice) => OwnVote::Cast(*choice),
                    Own::Withheld(why) => OwnVote::Withheld(why.clone()),
                },
                is_carried: matter.carried,
                closes_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            }
        });
        let ended = self.ends.of(node).map(|ended| EndedVote {
            count: reader.count(&ended.proposal, &ended.tally),
            end: ended.end,
        });
        Explanation {
            open: open.collect(),
            ended,
            ..Explanation::of(node, &self.roster, &self.electorate, now.unix_ms)
        }
    }

    /// The caller cannot answer [`Output::Judge`](super::Output::Judge), and why: this voter gives no vote. As not
    /// answering, but [`explain`](Self::explain) says so.
    pub fn handle_no_judgement(&mut self, id: ProposalId, reason: &str) {
        if let Some(matter) = self.matters.get_mut(&id)
            && matches!(matter.own, Own::Judging)
        {
            let why = cut(reason, REASON_LEN_MAX).to_owned();
            matter.own = Own::Withheld(Withheld::NoSay(why));
        }
    }
}
