//! The first thing that a reader looks for: each protocol's medians beside each
//! other.

use maud::{Markup, html};

use crate::metrics::Metric;
use crate::summary::median;

use super::digest::OWN;
use super::figures::Figures;
use super::row::Row;
use super::scene::{Scene, Setup};
use super::spans::capital;
use super::units::{cpus, real, three_digits, time};

/// A table per setup in which protocols can be held against each other.
pub(super) fn section(figures: &Figures) -> Markup {
    let scenes = figures.parts.iter().map(|part| &part.scene);
    let setups = scenes.flat_map(|scene| scene.setups.iter().map(move |setup| (scene, setup)));
    let tables: Vec<_> = setups
        .filter_map(|(scene, setup)| table(scene, setup))
        .collect();
    html! {
        @if !tables.is_empty() {
            section #glance {
                h2 { "At a glance" }
                div.sides { @for table in &tables { (table) } }
                p.note {
                    "Medians, each also as a multiple of " (OWN) "'s under the same \
                     circumstances. How they are spread is shown below."
                }
            }
        }
    }
}

fn table(scene: &Scene, setup: &Setup) -> Option<Markup> {
    let count = setup.shared_count(Metric::Stall)?;
    let rows: Vec<_> = setup
        .with(Metric::Stall)
        .filter(|row| row.cpus == count)
        .collect();
    let own = *rows.iter().find(|row| row.protocol == OWN)?;
    if rows.len() < 2 {
        return None;
    }
    Some(html! {
        table.figures {
            caption { (capital(&scene.name)) ", " (cpus(count)) small { (setup.detail) } }
            thead { tr {
                th { "protocol" }
                th.number { "stall" } th.number { "×" } th.number { "gate" } th.number { "×" }
            } }
            tbody { @for row in &rows {
                tr {
                    th scope="row" { (row.label) }
                    (cells(row, own, Metric::Stall))
                    (cells(row, own, Metric::Gate))
                }
            } }
        }
    })
}

fn cells(row: &Row, own: &Row, metric: Metric) -> Markup {
    let of = |row: &Row| median(row.values(metric));
    let ratio = |own: u64, other: u64| three_digits(real(other) / real(own));
    let own = of(own).filter(|&own| own > 0);
    html! {
        @match of(row) {
            Some(median) => {
                td.number.main { (time(real(median))) }
                td.number { (own.map_or_else(String::new, |own| ratio(own, median))) }
            }
            None => { td.number { "–" } td {} }
        }
    }
}
