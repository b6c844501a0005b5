//! What the server sees of the pace, on a clock of its own.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// The most instants in any half-open window of one second.
fn most_in_a_second(mut times: Vec<Instant>) -> usize {
    times.sort();
    let count = |first: usize| {
        times[first..].iter().take_while(|&&time| time < times[first] + SECOND).count()
    };
    (0..times.len()).map(count).max().unwrap_or_default()
}

/// How one request fares.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How long nobody asks before it.
    idle: Duration,
    /// How late its turn's timer fires.
    late: Duration,
    /// How much of the margin it uses up: 0…1.
    delay: f64,
    /// How long its answer takes from there.
    answer: Duration,
    /// How long it waits for a connection, if it does.
    connect: Option<Duration>,
}

enum Sign {
    Connected,
    Answered,
}

/// Lets one request after the other pass; returns when the server saw them, in the order in which
/// they left, and when the last one left.
fn seen(pace: &mut Pace, fates: &[Fate]) -> (Vec<Instant>, Instant) {
    let mut now = Instant::now();
    let mut arrivals = Vec::new();
    let mut signs: Vec<(Instant, TurnId, Sign)> = Vec::new();
    for fate in fates {
        now += fate.idle;
        loop {
            signs.sort_by_key(|(at, ..)| *at);
            let due = pace.due().filter(|due| *due > now);
            // Signs come while the turn is waited for, and bring it forward.
            let until = due.unwrap_or(now);
            if signs.first().is_some_and(|(at, ..)| *at <= until) {
                let (at, id, sign) = signs.remove(0);
                now = now.max(at);
                match sign {
                    Sign::Connected => pace.note_connected(id, at),
                    Sign::Answered => pace.note_answer(id, at),
                }
                continue;
            }
            let Some(due) = due else { break };
            now = due + fate.late;
            pace.note_lateness(fate.late);
        }
        let id = pace.take_turn(now);
        let mut left = now;
        if let Some(connect) = fate.connect {
            pace.note_connecting(id);
            left += connect;
            signs.push((left, id, Sign::Connected));
        }
        let margin = pace.taken.back().expect("the one just taken").margin;
        let arrival = left + margin.mul_f64(fate.delay);
        arrivals.push(arrival);
        signs.push((arrival + fate.answer, id, Sign::Answered));
    }
    (arrivals, now)
}

fn fate() -> impl Strategy<Value = Fate> {
    let idle = prop_oneof![4 => Just(0), 1 => 0u64..1_500];
    let late = prop_oneof![4 => 0u64..3, 1 => 0u64..120];
    let connect = prop_oneof![3 => Just(None), 1 => (0u64..2_900).prop_map(Some)];
    (idle, late, 0.0..=1.0, 0u64..3_000, connect).prop_map(
        |(idle, late, delay, answer, connect)| Fate {
            idle: ms(idle),
            late: ms(late),
            delay,
            answer: ms(answer),
            connect: connect.map(ms),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// However late timers fire, connections come and requests arrive, up to what the machine has
    /// shown, no second sees too many.
    #[test]
    fn no_second_sees_more_than_the_rate_on_a_jittery_machine(
        rate in 1.0f64..40.0,
        fates in proptest::collection::vec(fate(), 20..150),
    ) {
        let (arrivals, _) = seen(&mut Pace::new(rate), &fates);
        prop_assert!(most_in_a_second(arrivals) <= rate.floor() as usize, "at {rate}");
    }
}

const PROMPT: Fate = Fate { idle: ms(0), late: ms(1), delay: 0.1, answer: ms(50), connect: None };

#[test]
fn a_first_request_that_arrives_late_is_not_crowded() {
    // As on a machine under load: the first three arrive 170, 73 and 18 ms late.
    let mut fates = [Fate { answer: ms(150), ..PROMPT }; 30];
    for (fate, connect) in fates.iter_mut().zip([165, 70, 15]) {
        fate.connect = Some(ms(connect));
    }
    fates[0].delay = 0.4;
    let (arrivals, _) = seen(&mut Pace::new(10.0), &fates);
    assert_eq!(most_in_a_second(arrivals), 10);
}

#[test]
fn a_quiet_machine_keeps_the_full_rate() {
    for (answer, connects) in [(50, 1), (150, 2), (2_500, 26)] {
        let mut fates = [Fate { answer: ms(answer), ..PROMPT }; 500];
        for fate in &mut fates[..connects] {
            fate.connect = Some(ms(3));
        }
        let began = Instant::now();
        let (_, last) = seen(&mut Pace::new(10.0), &fates);
        let took = last - began;
        let most = if answer < 500 { ms(50_800) } else { ms(51_100) };
        assert!(took <= most, "{took:?} where an answer takes {answer} ms");
    }
}

#[test]
fn the_margin_follows_the_machine_and_comes_back() {
    let mut pace = Pace::new(10.0);
    assert_eq!(pace.margin(), LEAST_MARGIN);
    pace.note_lateness(ms(80));
    assert_eq!(pace.margin(), ms(160));
    pace.note_lateness(ms(900));
    assert_eq!(pace.margin(), LARGEST_MARGIN);
    seen(&mut pace, &[PROMPT; 150]);
    assert_eq!(pace.margin(), LEAST_MARGIN);
}
