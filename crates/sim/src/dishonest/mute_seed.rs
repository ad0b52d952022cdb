//! A seed that answers nothing: it accepts connections and says hello, and then never another word. No votes, no echoes, no
//! certificates.
//!
//! Attacks: that the others decide without it, and that nobody waits for it for ever. Expected: a quorum of the others admits
//! and evicts as if it were down; candidates that ask it try the next seed; its connections are found silent and dialled
//! again.

use quorate_node::roles::{Frame, Output};

use super::tampering::{Deviation, Hands};

#[derive(Debug)]
pub(super) struct MuteSeed;

impl Deviation for MuteSeed {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        let is_said = matches!(
            output,
            Output::Send {
                frame: Frame::Message(_),
                ..
            }
        );
        if !is_said {
            hands.pass(output);
        }
    }
}
