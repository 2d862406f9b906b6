//! One load: a track per CPU.

use plotters::style::RGBColor;

use crate::iteration::{CpuTimes, Iteration};

use super::axis::{Axis, index};
use super::canvas::{self, Canvas, Failure, GAP, HEAD, PLAIN, UNITS, WIDTH};
use super::colour::of_phase;
use super::phases::{Phase, PhaseSpan, phases};
use super::scene::{name, slug};
use super::{Plot, Timeline, file_name};

/// More CPUs than these are thinned out.
const MOST: usize = 64;

/// What a CPU's track shows below its phases.
const STOPPED: RGBColor = RGBColor(0xe8, 0xe8, 0xe8);

/// The earliest moment of a load, in ns.
pub(super) fn origin_ns(iteration: &Iteration) -> u64 {
    let moments = iteration.cpus.iter().flat_map(CpuTimes::moments);
    moments.min().unwrap_or_default()
}

/// The tracks of a load, the `number`th of the page; none where no CPU noted
/// anything.
pub(super) fn plot(number: usize, timeline: &Timeline) -> Result<Option<Plot>, Failure> {
    let iteration = &timeline.iteration;
    let origin_ns = origin_ns(iteration);
    let Some(end_ns) = iteration.cpus.iter().flat_map(CpuTimes::moments).max() else {
        return Ok(None);
    };
    let shown = thinned(iteration);
    let names: Vec<_> = shown.iter().map(|cpu| cpu.cpu.to_string()).collect();
    let spans: Vec<_> = shown.iter().map(|cpu| phases(iteration, cpu)).collect();
    let nr = i32::try_from(shown.len()).unwrap_or(i32::MAX / 32);
    let track = (640 / nr).clamp(15, 34);
    let title = format!("One load: {}", timeline.title);
    let mut below = name(timeline.stage, None);
    if shown.len() < iteration.cpus.len() {
        let (some, all) = (shown.len(), iteration.cpus.len());
        below = format!("{below} · {some} of {all} CPUs are shown");
    }
    let entries = Legend::of(&spans);
    let height = (116 + nr * track).max(116 + entries.height() / UNITS);
    let svg = canvas::svg((WIDTH, height), &title, &below, |canvas| {
        let x = Axis::linear_time("time since the first call-in", end_ns - origin_ns);
        let y = Axis::rows("CPU", &names);
        let frame = canvas.frame(x, y, entries.width())?;
        for (number, (cpu, spans)) in shown.iter().zip(&spans).enumerate() {
            let y = index(shown.len() - number) - 0.5;
            let bar = |from_ns: u64, to_ns: u64, half: f64, colour| {
                let at = |ns: u64| frame.x.at_whole(ns - origin_ns);
                let (from, to) = (
                    frame.place(at(from_ns), y + half),
                    frame.place(at(to_ns), y - half),
                );
                canvas.bar(from, to, colour)
            };
            if let Some((from_ns, to_ns)) = cpu.called_in_ns.zip(cpu.left_ns)
                && from_ns <= to_ns
            {
                bar(from_ns, to_ns, 0.38, STOPPED)?;
            }
            for span in spans.iter().filter(|span| span.from_ns < span.to_ns) {
                bar(span.from_ns, span.to_ns, 0.38, of_phase(span.phase))?;
            }
            if let Some(at_ns) = cpu.called_in_ns {
                let (x, top) = frame.place(frame.x.at_whole(at_ns - origin_ns), y + 0.44);
                let (_, bottom) = frame.place(0.0, y - 0.44);
                canvas.bar((x, top), (x + 3, bottom), super::colour::INK)?;
            }
        }
        entries.draw(canvas)
    })?;
    Ok(Some(Plot {
        file: file_name(&[
            "timeline",
            &number.to_string(),
            timeline.stage.name(),
            &slug(&timeline.title),
        ]),
        caption: format!(
            "One load from the first call-in to the last CPU out, {}: a track per CPU. A black \
             line is the CPU's call-in. Bars are the phases that the legend names; where only \
             light grey is seen, the CPU stands still for something else, such as another core's \
             write. A phase that is shorter than a hair is drawn as one.{}",
            name(timeline.stage, None),
            thinning_note(shown.len(), iteration.cpus.len())
        ),
        title,
        svg,
    }))
}

fn thinning_note(shown: usize, all: usize) -> String {
    if shown == all {
        return String::new();
    }
    format!(
        " Of {all} CPUs {shown} are shown: evenly chosen ones, and those that called in last and \
         left last."
    )
}

/// The CPUs that are shown: neighbours of a core beside each other.
fn thinned(iteration: &Iteration) -> Vec<&CpuTimes> {
    let mut cpus: Vec<_> = iteration.cpus.iter().collect();
    cpus.sort_by_key(|cpu| (cpu.core, cpu.cpu));
    let every = cpus.len().div_ceil(MOST - 2).max(1);
    if cpus.len() <= MOST {
        return cpus;
    }
    let latest = |moment: fn(&CpuTimes) -> Option<u64>| {
        let last = iteration.cpus.iter().max_by_key(|cpu| moment(cpu));
        last.map(|cpu| cpu.cpu)
    };
    let kept = [latest(|cpu| cpu.called_in_ns), latest(|cpu| cpu.left_ns)];
    let numbered = cpus.into_iter().enumerate();
    let chosen =
        numbered.filter(|(at, cpu)| at.is_multiple_of(every) || kept.contains(&Some(cpu.cpu)));
    chosen.map(|(_, cpu)| cpu).collect()
}

/// What the colours stand for, as far as they occur.
struct Legend(Vec<(&'static str, RGBColor)>);

impl Legend {
    const LINE: i32 = 22 * UNITS;
    const SAMPLE: i32 = 14 * UNITS;

    fn of(tracks: &[Vec<PhaseSpan>]) -> Self {
        let occurs = |phase: &Phase| {
            let spans = tracks.iter().flatten();
            spans
                .clone()
                .any(|span| span.phase == *phase && span.from_ns < span.to_ns)
        };
        let phases = Phase::ALL.into_iter().filter(occurs);
        let phases = phases.map(|phase| (phase.name(), of_phase(phase)));
        Self(phases.chain([("otherwise stopped", STOPPED)]).collect())
    }

    fn width(&self) -> i32 {
        let names = self.0.iter().map(|(name, _)| *name);
        GAP + Self::SAMPLE + 8 * UNITS + PLAIN.longest(names)
    }

    fn height(&self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(1) * Self::LINE
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Result<(), Failure> {
        let left = canvas.beside(self.width());
        let mut y = HEAD + Self::LINE / 2;
        for (name, colour) in &self.0 {
            let half = Self::SAMPLE / 2;
            canvas.bar((left, y - half), (left + Self::SAMPLE, y + half), *colour)?;
            canvas.text((left + Self::SAMPLE + 8 * UNITS, y), name, PLAIN)?;
            y += Self::LINE;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Stage;

    fn iteration(cpus: u32) -> Iteration {
        let cpu = |cpu: u32| CpuTimes {
            cpu,
            core: cpu,
            called_in_ns: Some(u64::from(if cpu == 77 { 999 } else { cpu })),
            gate_ns: Some(1100),
            left_ns: Some(u64::from(2000 + cpu)),
            ..CpuTimes::default()
        };
        Iteration {
            cpus: (0..cpus).map(cpu).collect(),
        }
    }

    #[test]
    fn many_cpus_are_thinned_and_those_that_came_and_left_last_stay() {
        assert_eq!(thinned(&iteration(64)).len(), 64);
        let many = iteration(500);
        let shown: Vec<_> = thinned(&many).iter().map(|cpu| cpu.cpu).collect();
        assert!(shown.len() <= MOST, "{}", shown.len());
        assert!(shown.contains(&0) && shown.contains(&77) && shown.contains(&499));
    }

    #[test]
    fn a_load_of_which_nothing_is_known_is_not_drawn() {
        let timeline = |iteration| Timeline {
            title: "t".to_owned(),
            stage: Stage::Native,
            iteration,
        };
        let silent = Iteration {
            cpus: vec![CpuTimes::default()],
        };
        assert!(plot(1, &timeline(silent)).unwrap().is_none());
        assert!(plot(1, &timeline(Iteration::default())).unwrap().is_none());
        let drawn = plot(1, &timeline(iteration(500))).unwrap().unwrap();
        assert!(drawn.svg.contains("of 500 CPUs are shown"));
        assert!(drawn.caption.contains("Of 500 CPUs"));
    }
}
