//! Streams between two hosts in simulated time, with and without trouble.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use node_env::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fault::{Fault, Planned};
use crate::net::Profile;
use crate::trace::Trace;
use crate::{HostContext, Seed, World};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, context: &HostContext, text: &str) {
    let at = context.time.monotonic_micros() / 1_000;
    log.lock().unwrap().push(format!("{at} {text}"));
}

/// Answers each line with the same line.
fn echo(context: HostContext) -> futures::future::LocalBoxFuture<'static, ()> {
    async move {
        let listener = context.network.listen(&context.address(7)).await.unwrap();
        loop {
            let (mut reader, mut writer) = listener.accept().await.unwrap().split();
            tokio::spawn(async move { drop(tokio::io::copy(&mut reader, &mut writer).await) });
        }
    }
    .boxed_local()
}

/// Asks host 1 again and again, over a new stream when the old one is broken.
fn asker(
    log: Log,
    rounds: u32,
) -> impl Fn(HostContext) -> futures::future::LocalBoxFuture<'static, ()> {
    move |context| {
        let log = Arc::clone(&log);
        async move {
            for round in 0..rounds {
                let asked = ask(&context, round);
                let limit = std::time::Duration::from_secs(5);
                match tokio::time::timeout(limit, asked).await {
                    Ok(Ok(())) => note(&log, &context, "answered"),
                    Ok(Err(error)) => note(&log, &context, &error.kind().to_string()),
                    Err(_) => note(&log, &context, "no answer"),
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            std::future::pending().await
        }
        .boxed_local()
    }
}

async fn ask(context: &HostContext, round: u32) -> std::io::Result<()> {
    let mut stream = context.network.connect("127.0.0.1:7").await?;
    let sent = vec![u8::try_from(round % 250).unwrap(); 40_000];
    stream.write_all(&sent).await?;
    let mut answer = vec![0; sent.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(sent, answer);
    Ok(())
}

fn run(seed: u64, rounds: u32, seconds: u64, faults: Vec<Planned>) -> (Vec<String>, u64, u64) {
    let trace = Arc::new(Trace::new(false));
    let log = Log::default();
    let mut world = World::new(Seed(seed), Profile::CALM, faults, Arc::clone(&trace));
    world.add(1, 0, echo);
    world.add(2, 5_000, asker(Arc::clone(&log), rounds));
    world.run_until(seconds * 1_000_000, |_| {});
    let log = log.lock().unwrap().clone();
    (log, trace.summary().hash, world.net_counts().resets)
}

fn fault(at_ms: u64, for_ms: u64, fault: Fault) -> Planned {
    Planned { at_micros: at_ms * 1_000, host: 1, for_micros: for_ms * 1_000, fault }
}

fn counted(log: &[String], what: &str) -> usize {
    log.iter().filter(|line| line.ends_with(what)).count()
}

#[test]
fn a_calm_network_answers_and_a_seed_repeats() {
    let (log, hash, resets) = run(1, 10, 3, Vec::new());
    assert_eq!((log.len(), counted(&log, "answered"), resets), (10, 10, 0));
    assert_eq!(run(1, 10, 3, Vec::new()).1, hash);
    assert_ne!(run(2, 10, 3, Vec::new()).1, hash);
}

#[test]
fn a_short_cut_delays_and_a_long_one_times_out() {
    let (log, ..) = run(1, 10, 30, vec![fault(300, 500, Fault::CutWith { other: 2 })]);
    assert_eq!(counted(&log, "answered"), 10, "{log:?}");
    let (log, ..) = run(1, 10, 60, vec![fault(300, 8_000, Fault::CutTo { other: 2 })]);
    assert!(counted(&log, "no answer") >= 1, "{log:?}");
    assert!(log.last().unwrap().ends_with("answered"), "{log:?}");
}

#[test]
fn a_killed_process_resets_and_refuses_and_a_power_cut_is_silent() {
    let (log, ..) = run(1, 20, 30, vec![fault(300, 1_000, Fault::Kill)]);
    assert_eq!(log.len(), 20);
    assert!(log.last().unwrap().ends_with("answered"), "{log:?}");
    let (log, ..) = run(1, 20, 60, vec![fault(300, 7_000, Fault::PowerCut)]);
    assert!(counted(&log, "no answer") >= 1, "{log:?}");
    assert!(log.last().unwrap().ends_with("answered"), "{log:?}");
}

#[test]
fn a_paused_process_takes_no_part_and_then_goes_on() {
    let (log, ..) = run(1, 10, 20, vec![fault(300, 2_000, Fault::Pause)]);
    assert_eq!(counted(&log, "answered"), 10, "{log:?}");
    let gap = |log: &[String]| {
        let at = |line: &String| line.split(' ').next().unwrap().parse::<u64>().unwrap();
        log.windows(2).map(|pair| at(&pair[1]) - at(&pair[0])).max().unwrap()
    };
    assert!((1_900..2_600).contains(&gap(&log)), "{log:?}");
}

#[test]
fn streams_that_ended_are_forgotten() {
    let trace = Arc::new(Trace::new(false));
    let log = Log::default();
    let mut world = World::new(Seed(4), Profile::CALM, Vec::new(), trace);
    world.add(1, 0, echo);
    world.add(2, 5_000, asker(log, 50));
    world.run_until(20_000_000, |_| {});
    assert_eq!((world.net_counts().connects, world.net_streams()), (50, 0));
}
