//! The wheel against a list that is searched: same timers, same ticks, same order.

use std::collections::BTreeMap;

use asyncfd_core::wheel::{Progress, Wheel};
use proptest::prelude::*;

/// A naive model: every pending timer with its deadline and its turn within the tick.
struct Model {
    now: u64,
    turn: u64,
    pending: BTreeMap<u32, (u64, u64)>,
}

impl Model {
    fn set(&mut self, id: u32, deadline: u64) {
        self.turn += 1;
        self.pending.insert(id, (deadline.max(self.now), self.turn));
    }

    fn advance(&mut self, now: u64) -> Vec<u32> {
        self.now = self.now.max(now);
        let mut due: Vec<_> =
            self.pending.iter().map(|(&id, &at)| (at, id)).filter(|((at, _), _)| *at <= self.now).collect();
        due.sort_unstable();
        due.iter().for_each(|(_, id)| {
            self.pending.remove(id);
        });
        due.into_iter().map(|(_, id)| id).collect()
    }
}

fn advance(wheel: &mut Wheel, now: u64) -> Vec<u32> {
    let mut fired = Vec::new();
    assert_eq!(wheel.advance(now, &mut usize::MAX.clone(), |id| fired.push(id)), Progress::Done);
    fired
}

#[derive(Clone, Debug)]
enum Step {
    Start(u32, u64),
    Postpone(u32, u64),
    Cancel(u32),
    Advance(u64),
    /// The clock jumps: to the past, or far ahead.
    Jump(i64),
}

fn span() -> impl Strategy<Value = u64> {
    // Around the borders of levels, and anywhere.
    prop_oneof![
        4 => 0..200u64,
        4 => prop::sample::select(vec![0u64, 1, 5, 64, 70, 4096, 5000]),
        2 => (0..6u32, -3..4i64).prop_map(|(level, off)| (1u64 << (6 * (level + 1))).saturating_add_signed(off)),
        2 => 0..(1u64 << 13),
        1 => 0..(1u64 << 40),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            5 => (0..24u32, span()).prop_map(|(id, after)| Step::Start(id, after)),
            3 => (0..24u32, span()).prop_map(|(id, after)| Step::Postpone(id, after)),
            2 => (0..24u32).prop_map(Step::Cancel),
            4 => span().prop_map(Step::Advance),
            1 => (-1000..1_000_000i64).prop_map(Step::Jump),
        ],
        1..120,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever is started, postponed and cancelled: each timer fires in its tick, in order, and never early. With any
    /// budget the same timers fire in the same order.
    #[test]
    fn fires_what_a_list_would_fire(begin in span(), steps in steps(), budget in 1..40usize) {
        let mut wheel = Wheel::new(begin);
        let mut model = Model { now: begin, turn: 0, pending: BTreeMap::new() };
        for step in steps {
            match step {
                Step::Start(id, after) => { wheel.start(id, model.now + after); model.set(id, model.now + after); }
                Step::Postpone(id, after) => {
                    wheel.postpone(id, model.now + after);
                    if model.pending.contains_key(&id) { model.set(id, model.now + after); }
                }
                Step::Cancel(id) => prop_assert_eq!(wheel.cancel(id), model.pending.remove(&id).is_some()),
                Step::Advance(_) | Step::Jump(_) => {
                    let now = match step {
                        Step::Advance(by) => model.now + by,
                        Step::Jump(by) => model.now.saturating_add_signed(by),
                        _ => unreachable!(),
                    };
                    let mut fired = Vec::new();
                    loop {
                        let mut left = budget;
                        let progress = wheel.advance(now, &mut left, |id| fired.push(id));
                        if progress == Progress::Done { break; }
                        prop_assert!(left < budget, "it says there is more and does nothing");
                    }
                    prop_assert_eq!(fired, model.advance(now));
                }
            }
            prop_assert_eq!(wheel.len(), model.pending.len());
            let earliest = model.pending.values().map(|(at, _)| *at).min();
            match (wheel.next_tick(), earliest) {
                (Some(next), Some(earliest)) => prop_assert!(next <= earliest && next >= model.now),
                (next, earliest) => prop_assert_eq!(next, earliest),
            }
            for (&id, &(at, _)) in &model.pending {
                prop_assert_eq!(wheel.deadline(id), Some(at));
            }
        }
        // Waking up at each tick that the wheel names fires everything on time.
        while let Some(next) = wheel.next_tick() {
            prop_assert_eq!(advance(&mut wheel, next), model.advance(next));
        }
        prop_assert!(model.pending.is_empty());
    }

    /// Timers that are started, postponed and cancelled by the timers that fire, with little budget.
    #[test]
    fn what_a_timer_does_to_others_is_kept(actions in prop::collection::vec((0..16u32, 0..16u32, 0..3u8, 0..300u64), 1..80), budget in 1..6usize) {
        let mut wheel = Wheel::new(0);
        let mut deadline = [None; 16];
        for id in 0..16 {
            wheel.start(id, u64::from(id) * 7);
            deadline[id as usize] = Some(u64::from(id) * 7);
        }
        let mut actions = actions.into_iter();
        let mut now = 0;
        while let Some(next) = wheel.next_tick() {
            now = now.max(next);
            let mut fired = Vec::new();
            let progress = wheel.advance(now, &mut budget.clone(), |id| fired.push(id));
            for &id in &fired {
                let due = deadline[id as usize].take();
                prop_assert!(due.is_some_and(|due| due <= now), "{id} was due at {due:?}, and it is {now}");
            }
            for (_, other, what, after) in actions.by_ref().take(2 * fired.len()) {
                let pending = &mut deadline[other as usize];
                match what {
                    0 => { wheel.start(other, now + after); *pending = Some((now + after).max(now)); }
                    1 => { wheel.postpone(other, now + after); if pending.is_some() { *pending = Some((now + after).max(now)); } }
                    _ => prop_assert_eq!(wheel.cancel(other), pending.take().is_some()),
                }
            }
            if progress == Progress::Done { now += 1; }
        }
        prop_assert_eq!(deadline.iter().flatten().count(), 0);
    }

    /// Many in one slot, taken out anywhere and put in again: those that are left come in the order of their starts.
    #[test]
    fn a_crowded_slot_keeps_its_order(count in 1..100u32, changes in prop::collection::vec((0..100u32, any::<bool>()), 0..300), budget in 1..30usize) {
        let mut wheel = Wheel::new(0);
        let mut expected: Vec<u32> = (0..count).collect();
        for id in 0..count { wheel.start(id, 5000); }
        for (id, start) in changes {
            let at = expected.iter().position(|&other| other == id);
            prop_assert_eq!(wheel.cancel(id), at.is_some());
            if let Some(at) = at { expected.remove(at); }
            if start { wheel.start(id, 5000); expected.push(id); }
        }
        let mut fired = Vec::new();
        while wheel.advance(5000, &mut budget.clone(), |id| fired.push(id)) == Progress::More {}
        prop_assert_eq!(fired, expected);
        prop_assert!(wheel.is_empty());
    }
}

#[test]
fn each_border_of_a_level_fires_in_its_tick() {
    for begin in [0, 1, 63, 64, 4095, (1 << 36) - 1, (1 << 36) + 12_345] {
        for level in 0..7 {
            for off in -2..3i64 {
                let after = (1u64 << (6 * level)).saturating_add_signed(off).max(1);
                let mut wheel = Wheel::new(begin);
                wheel.start(7, begin + after);
                assert_eq!(advance(&mut wheel, begin + after - 1), [], "{begin} + {after}: early");
                assert_eq!(advance(&mut wheel, begin + after), [7], "{begin} + {after}");
            }
        }
    }
}

#[test]
fn far_beyond_the_top_level_is_kept_and_fires_in_its_tick() {
    let far = 5 * (1u64 << 36) + 17;
    let mut wheel = Wheel::new(3);
    wheel.start(1, 3 + far);
    let mut wakeups = 0;
    while let Some(next) = wheel.next_tick().filter(|&next| next < 3 + far) {
        assert_eq!(advance(&mut wheel, next), []);
        wakeups += 1;
        assert!(wakeups < 100, "waiting is not to be busy");
    }
    assert_eq!(advance(&mut wheel, 3 + far), [1]);
}

#[test]
fn reset_much_later_and_reset_to_earlier() {
    let mut wheel = Wheel::new(0);
    wheel.start(1, 10);
    wheel.postpone(1, 1_000_000);
    assert_eq!(advance(&mut wheel, 999_999), []);
    wheel.postpone(1, 2_000_000);
    wheel.postpone(1, 1_000_010);
    assert_eq!(wheel.next_tick().map(|next| next <= 1_000_010), Some(true));
    assert_eq!(advance(&mut wheel, 1_000_009), []);
    assert_eq!(advance(&mut wheel, 1_000_010), [1]);
}

#[test]
fn a_timer_that_starts_itself_again_does_not_keep_an_advance_from_ending() {
    let mut wheel = Wheel::new(0);
    wheel.start(1, 5);
    assert_eq!(advance(&mut wheel, 5), [1]);
    for past in [0, 4, 5] {
        wheel.start(1, past);
        assert_eq!(wheel.next_tick(), Some(5));
        assert_eq!(advance(&mut wheel, 5), [1], "once in each advance, without time going by");
    }
    assert_eq!(wheel.next_tick(), None);
}

#[test]
fn a_cancelled_timer_of_the_past_asks_for_no_advance() {
    let mut wheel = Wheel::new(9);
    wheel.start(1, 3);
    assert!(wheel.cancel(1));
    assert_eq!(wheel.next_tick(), None);
    wheel.start(1, 70);
    assert_eq!(advance(&mut wheel, 69), []);
    assert_eq!(wheel.next_tick(), Some(70));
}

#[test]
fn ten_thousand_timers_of_one_tick_fire_in_order_within_the_budget() {
    let mut wheel = Wheel::new(0);
    for id in 0..10_000 {
        wheel.start(id, if id % 2 == 0 { 40 } else { 5_000 });
        if id % 2 == 0 {
            wheel.postpone(id, 5_000);
        }
    }
    let mut fired = Vec::new();
    let mut calls = 0;
    loop {
        let mut budget = 4096;
        calls += 1;
        let progress = wheel.advance(5_000, &mut budget, |id| fired.push(id));
        if progress == Progress::Done {
            break;
        }
    }
    assert!(fired.iter().copied().eq(0..10_000), "out of order");
    assert!(calls > 3, "{calls} calls: the budget did not hold");
}
