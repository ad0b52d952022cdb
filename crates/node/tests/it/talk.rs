//! What tests say on a bare connection, and how they wait for the answer.

use std::sync::Arc;

use quorate_node::client::{Client, ClientError};
use quorate_node::consensus::Proof;
use quorate_node::protocol::{Goodbye, Message, Purpose, RoleKind, RosterMessage};
use quorate_node::{Identity, NodeId};

use crate::net::{Actor, Net};

/// The nonce of the round trips below; the nodes' own are random.
const NONCE: u64 = 0x5e77_1ed0_0000_0001;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Said(Goodbye),
    /// Without a word.
    Closed,
}

impl Net {
    /// A connection to a node under a key.
    pub(crate) async fn connect(
        &self,
        identity: &Identity,
        to: &Actor,
        purpose: Purpose,
        role: RoleKind,
    ) -> Client {
        let connecting = Client::connect(identity, &to.address, &self.list, purpose, role);
        connecting.await.unwrap()
    }

    /// A link to a peer under a key, up by a genuine certificate.
    pub(crate) async fn link(
        &self,
        identity: &Identity,
        passport: Arc<Proof>,
        to: &Actor,
    ) -> Client {
        let mut client = self
            .connect(identity, to, Purpose::Link, RoleKind::Peer)
            .await;
        client.send(&Message::Passport(passport)).await.unwrap();
        client.send(&Message::Welcome).await.unwrap();
        // What a peer says soon after a link is up.
        hear(&mut client, |message| {
            matches!(message, Message::Neighbors(_)).then_some(())
        })
        .await;
        client
    }

    /// The proof of a node's standing, as a peer has it.
    pub(crate) async fn proof_of(&self, node: NodeId) -> Arc<Proof> {
        let from = self.peers.last().unwrap();
        let mut client = self
            .connect(
                &self.seeds[0].identity,
                from,
                Purpose::Register,
                RoleKind::Seed,
            )
            .await;
        let want = RosterMessage::Want(vec![node]);
        client.send(&Message::Roster(want)).await.unwrap();
        let proofs = hear(&mut client, |message| match message {
            Message::Roster(RosterMessage::Proofs(proofs)) => Some(proofs),
            _ => None,
        });
        proofs.await.remove(0)
    }
}

/// Reads on until something comes that is waited for.
pub(crate) async fn hear<T>(client: &mut Client, pick: impl Fn(Message) -> Option<T>) -> T {
    loop {
        let message = client.receive().await.unwrap();
        let text = format!("{message:?}");
        if let Some(picked) = pick(message.clone()) {
            return picked;
        }
        assert!(
            !matches!(message, Message::Goodbye(_)),
            "the connection ended: {text}"
        );
    }
}

/// Reads on until the connection ends.
pub(crate) async fn end(client: &mut Client) -> End {
    loop {
        match client.receive().await {
            Ok(Message::Goodbye(goodbye)) => return End::Said(goodbye),
            Ok(_) => {}
            Err(ClientError::Closed | ClientError::Frame(_)) => return End::Closed,
            Err(error) => panic!("the connection did not end: {error}"),
        }
    }
}

/// The goodbye that ends the connection.
pub(crate) async fn goodbye(client: &mut Client) -> Goodbye {
    match end(client).await {
        End::Said(goodbye) => goodbye,
        End::Closed => panic!("expected a goodbye, the connection was closed without one"),
    }
}

/// A round trip: when it returns, the node has handled everything that was sent before. How the connection ended, if it
/// did.
pub(crate) async fn handled(client: &mut Client) -> Option<End> {
    // A connection that is closing may take it or not; what is read tells.
    let _sent = client.send(&Message::Probe { nonce: NONCE }).await;
    loop {
        match client.receive().await {
            Ok(Message::Echo { nonce: NONCE, .. }) => return None,
            Ok(Message::Goodbye(goodbye)) => return Some(End::Said(goodbye)),
            Ok(_) => {}
            Err(ClientError::Closed | ClientError::Frame(_)) => return Some(End::Closed),
            Err(error) => panic!("no round trip: {error}"),
        }
    }
}
