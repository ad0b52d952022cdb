//! Open networks over real sockets: founding, entering, refusing, gossip.

use std::time::Duration;

use quorate_node::explanation::Decided;
use quorate_node::{Admission, Discovery, Event, Events, Node};
use tokio::time::timeout;

const ANY: &str = "127.0.0.1:0";

/// Waits for an event, and fails with what came instead.
async fn until<T>(events: &mut Events, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let mut seen = Vec::new();
    let found = timeout(Duration::from_secs(20), async {
        while let Some(event) = events.next().await {
            if let Some(found) = pick(&event) {
                return Some(found);
            }
            seen.push(event.to_string());
        }
        None
    });
    match found.await {
        Ok(Some(found)) => found,
        _ => panic!("{what} never came; these did:\n{}", seen.join("\n")),
    }
}

fn is_in(event: &Event) -> Option<()> {
    matches!(event, Event::Joined { .. }).then_some(())
}

#[tokio::test]
async fn three_members_find_each_other_and_talk() {
    let bootstrap = Node::bootstrap(ANY.parse().unwrap()).spawn().await.unwrap();
    let discovery = Discovery::by_bootstraps([bootstrap.address().to_string()]);
    let mut members = Vec::new();
    for _ in 0..3 {
        let member = Node::member(ANY.parse().unwrap(), discovery.clone())
            .admission(Admission::allow_all())
            .spawn()
            .await
            .unwrap();
        let mut events = member.events();
        until(&mut events, "joined", is_in).await;
        members.push((member, events));
    }
    let published = members[0].0.broadcast("hello").await.unwrap();
    for (_, events) in &mut members[1..] {
        until(events, "the message", |event| match event {
            Event::Message(delivery) if delivery.id == published.id => Some(()),
            _ => None,
        })
        .await;
    }
    for (member, _) in &members {
        assert_eq!(member.members().await.len(), 3);
        let last = member.explain(members[2].0.id()).await.unwrap();
        let Decided::ByMembers(decided) = &last.decided else {
            panic!("{last}");
        };
        let by = &decided.decided.as_ref().unwrap().by;
        assert_eq!(by.len(), 2, "{last}");
    }
    assert_eq!(bootstrap.explain(members[0].0.id()).await, None);
    for (member, _) in members.into_iter().rev() {
        member.leave().await;
    }
    bootstrap.leave().await;
}
