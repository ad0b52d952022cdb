//! A member's store: the chain of decisions of an open network.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use quorate_examples::visible;
use quorate_node::consensus::succession::{Chain, Change, Founding, Link};
use quorate_node::consensus::{Ed25519, NodeId, assembly};
use quorate_node::store::RestoredMember;

use crate::exporting;
use crate::view::Said;

pub(crate) struct Opened {
    /// Whose store it is.
    pub(crate) node: NodeId,
    pub(crate) founding: Option<Founding>,
    pub(crate) links: Vec<Arc<Link>>,
    /// As far as it holds.
    pub(crate) chain: Option<Chain>,
    /// What is wrong with what follows.
    pub(crate) fault: Option<String>,
}

impl Opened {
    pub(crate) fn new(node: NodeId, held: RestoredMember) -> Self {
        let mut this = Self {
            node,
            founding: held.founding,
            links: held.links,
            chain: None,
            fault: None,
        };
        match this.founding.clone().map(|f| Chain::found(f, &Ed25519)) {
            None => {}
            Some(Err(error)) => this.fault = Some(format!("the founding does not hold: {error}")),
            Some(Ok(mut chain)) => {
                for link in &this.links {
                    if let Err(error) = chain.extend(link.clone(), &Ed25519) {
                        let epoch = chain.membership().epoch();
                        this.fault = Some(format!(
                            "the decision of epoch {epoch} does not hold, nor what follows it: {error}"
                        ));
                        break;
                    }
                }
                this.chain = Some(chain);
            }
        }
        this
    }

    pub(crate) fn known(&self) -> BTreeSet<NodeId> {
        let mut known = BTreeSet::from([self.node]);
        known.extend(self.founding.iter().map(|founding| founding.record.node));
        for link in &self.links {
            match &link.change {
                Change::Admit { record, .. } => known.extend([record.node]),
                Change::Evict { suspects } => known.extend(suspects.keys()),
                Change::Leave(leave) => known.extend([leave.member]),
            }
        }
        known
    }

    pub(crate) fn list(&self) -> String {
        let Some(chain) = &self.chain else {
            return format!("Node {} is in no network\n", self.node);
        };
        let membership = chain.membership();
        let mut text = format!(
            "Open network {}: {} members after {} decisions\n",
            membership.network(),
            membership.len(),
            membership.epoch()
        );
        let addressed = |node: &NodeId| {
            let record = chain.last_record(node);
            let first = record.and_then(|record| record.endpoints.first());
            visible(first.map_or("", String::as_str))
        };
        for node in self.known() {
            let (standing, life) = match (membership.member(&node), membership.last_life(&node)) {
                (Some(record), _) => ("in", record.incarnation),
                (None, Some(life)) => ("out", life),
                (None, None) => continue,
            };
            // Writing to a text does not fail.
            let _written = writeln!(
                text,
                "{standing:<7}  {:<21}  {node}  incarnation {life}",
                addressed(&node)
            );
        }
        if let Some(fault) = &self.fault {
            let _written = writeln!(text, "NOT PROVEN beyond this: {}", visible(fault));
        }
        text
    }

    pub(crate) fn explain(&self, node: &NodeId) -> String {
        let explained = self.chain.as_ref().map_or_else(
            || format!("{} is in no network by this store", node.short()),
            |chain| assembly::Explanation::of_chain(node, chain).to_string(),
        );
        match &self.fault {
            Some(fault) => format!("{explained}\nNOT PROVEN beyond this: {}", visible(fault)),
            None => explained,
        }
    }

    pub(crate) fn verify(&self) -> Said {
        let text = match &self.fault {
            Some(fault) => format!("{}\n", visible(fault)),
            None => format!(
                "a founding and {} decisions checked: all hold\n",
                self.links.len()
            ),
        };
        let text = match self.founding {
            None => "there is no chain: this node never got into a network\n".to_owned(),
            Some(_) => text,
        };
        Said {
            text,
            is_good: self.fault.is_none(),
        }
    }

    pub(crate) fn export(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&exporting::MemberStore::of(self))
    }
}
