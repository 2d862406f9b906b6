//! Random orders of the steps, for many CPUs.

use std::rc::Rc;

use crate::coroutines::Coroutines;
use crate::explore::{Choice, choices, finish, take};
use crate::setup::Setup;
use crate::violation::{CounterExample, Violation};
use crate::world::{self, World};

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Shuffled {
    /// Steps of all runs.
    pub nr_steps: u64,
    /// The first violation that was found, and the seed of its run.
    pub counter_example: Option<(u64, CounterExample)>,
}

/// Runs it once for each seed. Time leaps on average once in `leap_every` steps.
#[must_use]
pub fn shuffle(setup: &Setup, seeds: std::ops::Range<u64>, leap_every: u32) -> Shuffled {
    let setup = Rc::new(setup.clone());
    let mut coroutines = Coroutines::new(setup.nr_cpus());
    let mut shuffled = Shuffled::default();
    for seed in seeds {
        World::reset(&setup, false);
        let mut random = oorandom::Rand32::new(seed);
        let violation = loop {
            if let Some(violation) = world::with(|world| world.violation) {
                break Some(violation);
            }
            let choice = match pick(&setup, &mut random, leap_every) {
                Ok(Some(choice)) => choice,
                Ok(None) => {
                    world::check_end();
                    break world::with(|world| world.violation);
                }
                Err(violation) => break Some(violation),
            };
            shuffled.nr_steps += 1;
            take(choice, &mut coroutines);
        };
        finish(&setup, &mut coroutines);
        if let Some(violation) = violation {
            let steps = Vec::new();
            let counter_example = CounterExample { violation, steps };
            shuffled.counter_example = Some((seed, counter_example));
            break;
        }
    }
    shuffled
}

/// Draws what happens next; nothing, when all is over.
fn pick(
    setup: &Setup,
    random: &mut oorandom::Rand32,
    leap_every: u32,
) -> Result<Option<Choice>, Violation> {
    let may_leap = world::with(|world| world.nr_leaps() < setup.nr_leaps);
    if may_leap && random.rand_range(0..leap_every) == 0 {
        return Ok(Some(Choice::Leap));
    }
    // To draw from all until one is ready costs less than to look at all, as
    // long as many are.
    for _ in 0..8 {
        let cpu = random.rand_range(0..setup.nr_cpus());
        if world::with(|world| world.is_ready(cpu)) {
            return Ok(Some(Choice::Cpu(cpu)));
        }
    }
    let mut choices = choices(setup)?;
    if choices.len() > 1 {
        choices.retain(|choice| matches!(choice, Choice::Cpu(_)));
    }
    let nr_choices = u32::try_from(choices.len()).unwrap_or(u32::MAX);
    Ok((nr_choices > 0).then(|| choices[random.rand_range(0..nr_choices) as usize]))
}
