//! The story, chapter by chapter. Each checks what it shows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quorate_node::client::Client;
use quorate_node::consensus::{DeadReport, Finding, Inquiry, Testimony};
use quorate_node::event::Way;
use quorate_node::gossip::Panel;
use quorate_node::protocol::{Message, Purpose, RoleKind};
use quorate_node::{Event, Identity, NodeId};

use crate::cast::{Cast, Heard};
use crate::show::Show;

const SEEDS: usize = 3;
const PEERS: usize = 8;
const LINKS_MIN: usize = 3;
const PATIENCE: Duration = Duration::from_secs(8);

/// Tells it all; an error says what did not happen.
pub(crate) async fn tell() -> Result<(), String> {
    let began = Instant::now();
    let show = Show::new();
    show.chapter("Quorate: nobody enters and nobody is thrown out by one party's word");
    let mut cast = registration(&show).await?;
    coverage(&show, &mut cast).await?;
    let victim = death(&show, &mut cast).await?;
    forgery(&show, &mut cast).await?;
    comeback(&show, &mut cast, victim).await?;
    departure(&show, &mut cast).await?;
    summary(&show, &mut cast, began).await
}

/// Seeds meet, peers are voted in, links come up.
async fn registration(show: &Show) -> Result<Cast, String> {
    let mut cast = Cast::new(SEEDS).await?;
    show.chapter(format_args!(
        "1. Registration: {SEEDS} seeds, {PEERS} peers, 2 of {SEEDS} seeds decide"
    ));
    for index in 1..=PEERS {
        let identity = Identity::generate().map_err(|error| error.to_string())?;
        cast.start_peer(&format!("peer{index}"), identity).await?;
    }
    let ids = ids(&cast, 0);
    let everywhere = |heard: &[Heard]| {
        ids.iter().all(|who| {
            let admitted: BTreeSet<NodeId> = heard
                .iter()
                .filter(|heard| heard.who == *who)
                .filter_map(|heard| match &heard.event {
                    Event::Admitted { member, .. } => Some(member.id),
                    _ => None,
                })
                .collect();
            admitted.len() == PEERS
        })
    };
    cast.wait(
        "every peer admitted, in every roster",
        PATIENCE,
        0,
        everywhere,
    )
    .await?;
    let first = cast.actors[SEEDS].node.id();
    for heard in &cast.heard {
        if heard.who != cast.actors[0].node.id() {
            continue;
        }
        match &heard.event {
            Event::RegisterProposal { candidate, .. } if candidate.id == first => {
                show.note(&heard.event)
            }
            Event::RegisterVote { candidate, .. } if candidate.id == first => {
                show.note(&heard.event)
            }
            Event::Admitted { member, .. } if member.id == first => show.note(&heard.event),
            _ => {}
        }
    }
    for actor in &cast.actors {
        let members = actor.node.members().await.len();
        if members != PEERS {
            return Err(format!(
                "{} knows {members} members, not {PEERS}",
                actor.name
            ));
        }
    }
    show.good(format_args!(
        "{PEERS} peers admitted by quorum; all {} rosters list them",
        cast.actors.len()
    ));
    let links = linked(&cast).await?;
    show.good(format_args!(
        "{links} links in the overlay, at least {LINKS_MIN} at each peer, each opened by a certificate"
    ));
    Ok(cast)
}

/// Every peer says something; everybody else hears it once.
async fn coverage(show: &Show, cast: &mut Cast) -> Result<(), String> {
    show.chapter("2. Gossip: every message reaches every other peer exactly once");
    let from = cast.heard.len();
    let peers = ids(cast, SEEDS);
    for (index, actor) in cast.actors[SEEDS..].iter().enumerate() {
        let text = format!("{}:127.0.0.1:{}", quorate_examples::timestamp(), index + 1);
        let published = actor.node.broadcast(text).await;
        let published =
            published.map_err(|error| format!("{} could not broadcast: {error}", actor.name))?;
        if published.neighbors == 0 {
            return Err(format!("{} handed its message to nobody", actor.name));
        }
    }
    let all = PEERS * (PEERS - 1);
    let deliveries = |heard: &[Heard]| {
        heard
            .iter()
            .filter(|heard| matches!(heard.event, Event::Message(_)))
            .count()
    };
    cast.wait("every message at every peer", PATIENCE, from, |heard| {
        deliveries(heard) >= all
    })
    .await?;
    // A second copy would come now.
    cast.listen_for(Duration::from_millis(300)).await;
    let heard = &cast.heard[from..];
    let copies = |origin: usize, receiver: usize| {
        heard
            .iter()
            .filter(|heard| heard.who == peers[receiver])
            .filter(|heard| matches!(&heard.event, Event::Message(delivery) if delivery.origin.id == peers[origin]))
            .count()
    };
    let names: Vec<String> = cast.actors[SEEDS..]
        .iter()
        .map(|actor| actor.name.clone())
        .collect();
    show.coverage(&names, copies);
    for origin in 0..PEERS {
        for receiver in (0..PEERS).filter(|receiver| *receiver != origin) {
            let count = copies(origin, receiver);
            if count != 1 {
                return Err(format!(
                    "{} heard {count} copies of {}'s message",
                    names[receiver], names[origin]
                ));
            }
        }
    }
    let hops = heard.iter().filter_map(|heard| match &heard.event {
        Event::Message(delivery) => Some(delivery.hop_count),
        _ => None,
    });
    show.good(format_args!(
        "{all} deliveries, each once, over at most {} links",
        hops.max().unwrap_or_default()
    ));
    Ok(())
}

/// One peer is killed without a word; six steps remove it.
async fn death(show: &Show, cast: &mut Cast) -> Result<usize, String> {
    let victim = SEEDS + 2;
    let (id, name) = (
        cast.actors[victim].node.id(),
        cast.actors[victim].name.clone(),
    );
    show.chapter(format_args!("3. Death: {name} is killed without a word"));
    let from = cast.heard.len();
    let killed = Instant::now();
    cast.actors[victim].node.abort();
    let survivors: Vec<NodeId> = ids(cast, 0)
        .into_iter()
        .filter(|other| *other != id)
        .collect();
    cast.wait(&format!("DEAD_CONFIRMED of {name} at every survivor"), PATIENCE, from, |heard| {
        survivors.iter().all(|who| {
            heard.iter().any(|heard| {
                heard.who == *who && matches!(&heard.event, Event::DeadConfirmed { member, .. } if member.id == id)
            })
        })
    })
    .await?;
    type Pick = fn(&Event, NodeId) -> bool;
    let steps: [(&str, Pick); 6] = [
        (
            "1 Detection: a neighbour's link breaks",
            |event, id| matches!(event, Event::LinkDown { peer, .. } if peer.id == id),
        ),
        (
            "2 Suspicion: its own probe fails too",
            |event, id| matches!(event, Event::Suspected { suspect, .. } if suspect.id == id),
        ),
        (
            "3 Peer consensus: SUSPECT_REQUEST, _RESPONSE",
            |event, id| matches!(event, Event::SuspectResponse { suspect, way: Way::Received, .. } if suspect.id == id),
        ),
        (
            "4 Escalation: DEAD_REPORT to the seeds",
            |event, id| matches!(event, Event::DeadReport { report, way: Way::Sent, .. } if report.suspect == id),
        ),
        (
            "5 Seed consensus: DEAD_PROPOSAL, DEAD_VOTE",
            |event, id| matches!(event, Event::DeadVote { suspect, .. } if suspect.id == id),
        ),
        (
            "6 Purge: DEAD_CONFIRMED at the first",
            |event, id| matches!(event, Event::DeadConfirmed { member, .. } if member.id == id),
        ),
    ];
    let ms = |heard: &Heard| heard.at.saturating_duration_since(killed).as_secs_f64() * 1000.0;
    for (what, pick) in steps {
        let first = cast.heard[from..]
            .iter()
            .find(|heard| pick(&heard.event, id));
        let first = first.ok_or_else(|| format!("missing: step {what}"))?;
        let detail = match &first.event {
            Event::DeadReport {
                report, reporter, ..
            } => quorate_node::event::dead_node_line(report, reporter),
            _ => format!("at {}", cast.name_of(first.who)),
        };
        show.step(ms(first), what, detail);
    }
    let confirmed = cast.heard[from..]
        .iter()
        .filter(|heard| steps[5].1(&heard.event, id));
    let last = confirmed.map(ms).fold(0.0, f64::max);
    show.step(
        last,
        "  … and at the last of all survivors",
        format_args!("{} nodes", survivors.len()),
    );
    agree(cast, victim, PEERS - 1).await?;
    show.good("all rosters are equal again, without it");
    Ok(victim)
}

/// One liar, then a whole panel of liars: a live peer stays.
async fn forgery(show: &Show, cast: &mut Cast) -> Result<(), String> {
    let (target, liar) = (SEEDS, SEEDS + 1);
    let suspect = cast.actors[target].node.id();
    let (name, liar_name) = (
        cast.actors[target].name.clone(),
        cast.actors[liar].name.clone(),
    );
    show.chapter(format_args!(
        "4. Forgery: {liar_name} reports {name}, which lives, as dead"
    ));
    let incarnation = 1;
    let members: Vec<NodeId> = cast.actors[0]
        .node
        .members()
        .await
        .iter()
        .map(|member| member.id)
        .collect();
    let seeds: Vec<NodeId> = ids(cast, 0)[..SEEDS].to_vec();
    let panel = Panel::new(&suspect, incarnation, members, seeds, &BTreeSet::new());
    let panelists: Vec<Identity> = cast
        .actors
        .iter()
        .filter(|actor| panel.contains(&actor.node.id()))
        .map(|actor| actor.identity.clone())
        .collect();
    let endpoint = cast.actors[target].address.to_string();
    let liar_key = cast.actors[liar].identity.clone();
    for (attempt, witnesses, why) in [
        (1, std::slice::from_ref(&liar_key), "one witness, itself"),
        (2, &panelists[..], "its whole panel lies for it"),
    ] {
        let from = cast.heard.len();
        let inquiry = Inquiry {
            network: cast.seeds.network(),
            suspect,
            incarnation,
            attempt,
        };
        let testimonies = witnesses
            .iter()
            .map(|witness| Testimony::sign(witness.key(), inquiry, Finding::Unreachable, "a lie"))
            .collect();
        let opened_ms =
            u64::try_from(quorate_examples::unix_time().as_millis()).unwrap_or(u64::MAX);
        let report = DeadReport::sign(
            liar_key.key(),
            inquiry,
            endpoint.clone(),
            opened_ms,
            testimonies,
            Vec::new(),
        );
        let seed = cast.actors[0].address.to_string();
        let client = Client::connect(
            &liar_key,
            &seed,
            &cast.seeds,
            Purpose::Register,
            RoleKind::Peer,
        )
        .await;
        let mut client = client.map_err(|error| error.to_string())?;
        client
            .send(&Message::DeadReport(report))
            .await
            .map_err(|error| error.to_string())?;
        let seed = cast.actors[0].node.id();
        let refused = |heard: &Heard| {
            heard.who == seed
                && matches!(&heard.event, Event::DeadReportRefused { suspect: about, .. } if about.id == suspect)
        };
        cast.wait(
            &format!("the forged report refused ({why})"),
            PATIENCE,
            from,
            |heard| heard.iter().any(refused),
        )
        .await?;
        let told = cast.heard[from..].iter().find(|heard| refused(heard));
        if let Some(Heard {
            event: Event::DeadReportRefused { reason, .. },
            ..
        }) = told
        {
            show.good(format_args!("{why}: refused: {reason}"));
        }
    }
    if cast.actors[0]
        .node
        .members()
        .await
        .iter()
        .all(|member| member.id != suspect)
    {
        return Err(format!("{name} was evicted by a forged report"));
    }
    show.good(format_args!("{name} is a member still"));
    Ok(())
}

/// The dead peer starts again with its key.
async fn comeback(show: &Show, cast: &mut Cast, victim: usize) -> Result<(), String> {
    let (name, identity) = (
        cast.actors[victim].name.clone(),
        cast.actors[victim].identity.clone(),
    );
    let id = identity.id();
    show.chapter(format_args!("5. Return: {name} starts again with its key"));
    let from = cast.heard.len();
    let place = cast.start_peer(&name, identity).await?;
    let returned = cast.actors.remove(place);
    cast.actors[victim] = returned;
    let joined =
        |heard: &Heard| heard.who == id && matches!(heard.event, Event::Joined { incarnation: 2 });
    cast.wait(
        &format!("{name} back at incarnation 2"),
        PATIENCE,
        from,
        |heard| heard.iter().any(joined),
    )
    .await?;
    agree(cast, usize::MAX, PEERS).await?;
    show.good(format_args!(
        "{name} found its old life ended by certificate, took incarnation 2 and was voted in again"
    ));
    let from = cast.heard.len();
    cast.wait(&format!("{name} linked"), PATIENCE, 0, |heard| {
        heard
            .iter()
            .rev()
            .any(|heard| heard.who == id && matches!(heard.event, Event::LinkUp(_)))
    })
    .await?;
    let published = cast.actors[victim].node.broadcast("back again").await;
    published.map_err(|error| format!("{name} could not broadcast: {error}"))?;
    cast.wait("its message at every other peer", PATIENCE, from, |heard| {
        let news = |heard: &&Heard| matches!(&heard.event, Event::Message(delivery) if delivery.origin.id == id);
        heard.iter().filter(news).count() == PEERS - 1
    })
    .await?;
    show.good("and everybody hears it again");
    Ok(())
}

/// A peer leaves by its own word.
async fn departure(show: &Show, cast: &mut Cast) -> Result<(), String> {
    let leaver = SEEDS + PEERS - 1;
    let (id, name) = (
        cast.actors[leaver].node.id(),
        cast.actors[leaver].name.clone(),
    );
    show.chapter(format_args!("6. Departure: {name} leaves by its own word"));
    let from = cast.heard.len();
    cast.actors[leaver].node.leave().await;
    let others: Vec<NodeId> = ids(cast, 0)
        .into_iter()
        .filter(|other| *other != id)
        .collect();
    cast.wait(
        &format!("everybody knows that {name} has left"),
        PATIENCE,
        from,
        |heard| {
            others.iter().all(|who| {
                heard.iter().any(|heard| {
                    heard.who == *who
                        && matches!(&heard.event, Event::Left(member) if member.id == id)
                })
            })
        },
    )
    .await?;
    // A suspicion would begin now.
    cast.listen_for(Duration::from_millis(500)).await;
    let is_suspicion = |heard: &&Heard| {
        matches!(&heard.event, Event::Suspected { suspect, .. } if suspect.id == id)
            || matches!(&heard.event, Event::DeadConfirmed { member, .. } if member.id == id)
    };
    if let Some(heard) = cast.heard[from..].iter().find(is_suspicion) {
        return Err(format!(
            "a departure was taken for a death: {}",
            heard.event
        ));
    }
    agree(cast, leaver, PEERS - 1).await?;
    show.good(format_args!(
        "all {} others know; nobody suspected anything",
        others.len()
    ));
    Ok(())
}

async fn summary(show: &Show, cast: &mut Cast, began: Instant) -> Result<(), String> {
    let count =
        |pick: fn(&Event) -> bool| cast.heard.iter().filter(|heard| pick(&heard.event)).count();
    let seed = cast.actors[0].node.id();
    let at_seed = |pick: fn(&Event) -> bool| {
        let there = cast.heard.iter().filter(|heard| heard.who == seed);
        there.filter(|heard| pick(&heard.event)).count()
    };
    let admissions = at_seed(|event| matches!(event, Event::Admitted { .. }));
    let evictions = at_seed(|event| matches!(event, Event::DeadConfirmed { .. }));
    let departures = at_seed(|event| matches!(event, Event::Left(_)));
    let deliveries = count(|event| matches!(event, Event::Message(_)));
    show.chapter("Summary");
    if (admissions, evictions, departures) != (PEERS + 1, 1, 1) {
        return Err(format!(
            "expected {} admissions, 1 eviction and 1 departure, got {admissions}, {evictions} and {departures}",
            PEERS + 1
        ));
    }
    show.good(format_args!(
        "{admissions} admissions, {evictions} eviction, {departures} departure, 2 forgeries refused, {deliveries} deliveries"
    ));
    for actor in cast.actors.iter().rev() {
        actor.node.leave().await;
    }
    show.good(format_args!(
        "everything stopped; {:.1} s in all",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Waits until every peer has its links; how many there are.
async fn linked(cast: &Cast) -> Result<usize, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut ends = Vec::new();
        for actor in &cast.actors[SEEDS..] {
            ends.push(actor.node.neighbors().await.len());
        }
        if ends.iter().all(|links| *links >= LINKS_MIN) {
            return Ok(ends.iter().sum::<usize>() / 2);
        }
        if Instant::now() > deadline {
            return Err(format!(
                "missing after {PATIENCE:?}: {LINKS_MIN} links at every peer"
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until all rosters but one node's have so many members, and checks that they are the same.
async fn agree(cast: &Cast, except: usize, members: usize) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut lists = Vec::new();
        for (index, actor) in cast.actors.iter().enumerate() {
            if index != except {
                let list: Vec<_> = actor
                    .node
                    .members()
                    .await
                    .iter()
                    .map(|m| (m.id, m.incarnation))
                    .collect();
                lists.push(list);
            }
        }
        if lists
            .iter()
            .all(|list| list.len() == members && *list == lists[0])
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "missing after {PATIENCE:?}: equal rosters of {members} members everywhere"
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The keys of the cast from a place on.
fn ids(cast: &Cast, from: usize) -> Vec<NodeId> {
    cast.actors[from..]
        .iter()
        .map(|actor| actor.node.id())
        .collect()
}
