//! `report.html`: all of it on one page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::metrics::{Metrics, Stage};

use super::digest::growth;
use super::figures::{Figures, Part};
use super::scene::name;
use super::spans::capital;
use super::{Plot, glance, tables};

/// How it looks.
const STYLE: &str = include_str!("style.css");

/// The page; `traced` says whether there is a trace beside it.
pub(super) fn page(metrics: &Metrics, figures: &Figures, traced: bool) -> String {
    let title = "Muster: what a rendezvous costs";
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p.lead {
                        "A rendezvous stops all CPUs of a machine, loads microcode on every core \
                         and lets them go together. Shown is how long the machine stands still, \
                         where that time goes, and what other loaders' protocols take for it."
                    }
                    (contents(figures))
                }
                main {
                    (gaps(metrics, figures))
                    (glance::section(figures))
                    @for part in &figures.parts { (section(part)) }
                    @if !figures.timelines.is_empty() {
                        section #timelines {
                            h2 { "Single loads" }
                            @for plot in &figures.timelines { (figure(plot)) }
                        }
                    }
                    section #provenance {
                        h2 { "Provenance" }
                        div.sides {
                            (tables::facts("Made by", &metrics.provenance))
                            @if let Some(clock) = &metrics.clock { (tables::facts("Clock", clock)) }
                        }
                    }
                    (files(figures, traced))
                }
            }
        }
    };
    markup.into_string()
}

fn contents(figures: &Figures) -> Markup {
    html! {
        nav { ul {
            @for part in &figures.parts {
                li { a href=(format!("#{}", part.scene.slug)) { (part.scene.name) } }
            }
            @if !figures.timelines.is_empty() { li { a href="#timelines" { "single loads" } } }
            li { a href="#provenance" { "provenance" } }
            li { a href="#files" { "files" } }
        } }
    }
}

/// What is missing, before anything else is shown.
fn gaps(metrics: &Metrics, figures: &Figures) -> Markup {
    let has = |stage| figures.parts.iter().any(|part| part.scene.stage == stage);
    let stages = [Stage::Guest, Stage::Native, Stage::Simulated];
    let missing: Vec<_> = stages.into_iter().filter(|stage| !has(*stage)).collect();
    let nothing = figures.parts.is_empty();
    html! {
        @if nothing || !missing.is_empty() || !metrics.not_measured.is_empty() {
            section.gaps #not-measured {
                h2 { "Not measured" }
                @if nothing { p { "Nothing was measured: there is no series with a value." } }
                ul {
                    @for reason in &metrics.not_measured { li { (reason) } }
                    @for stage in missing { li { (name(stage, None)) ": no figures here" } }
                }
            }
        }
    }
}

fn section(part: &Part) -> Markup {
    let scene = &part.scene;
    html! {
        section id=(scene.slug) {
            h2 { (capital(&scene.name)) }
            p.note { (meaning(scene.stage)) }
            @for (setup, plots) in scene.setups.iter().zip(&part.of_setups) {
                @if scene.setups.len() > 1 { h3 { (setup.detail) } }
                @if let Some(growth) = growth(setup) { (tables::growth(&growth)) }
                @for plot in plots { (figure(plot)) }
            }
            @if let Some(plot) = &part.matrix { (figure(plot)) }
            @for setup in &scene.setups {
                h3 { "Medians and percentiles: " (scene.name) }
                p.note { (setup.detail) }
                (tables::loads(setup))
            }
            @if !scene.others.is_empty() {
                h3 { "Other figures: " (scene.name) }
                (tables::others(&scene.others))
            }
        }
    }
}

/// What the figures of a stage stand for.
fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::Guest => {
            "The unikernel in a virtual machine. Its times contain what the hypervisor does; \
             under emulation they say nothing about hardware."
        }
        Stage::Native => {
            "The same protocols on pinned threads of the host: true times of this machine's \
             caches, with whatever else it ran."
        }
        Stage::Simulated => {
            "The same protocols in virtual time, with modelled costs of cache lines: comparable \
             with each other at any size, and no measurement of a machine."
        }
    }
}

fn figure(plot: &Plot) -> Markup {
    html! {
        figure {
            (PreEscaped(&plot.svg))
            figcaption {
                (plot.caption) " "
                a href=(plot.file) { (plot.file) }
            }
        }
    }
}

fn files(figures: &Figures, traced: bool) -> Markup {
    html! {
        section #files {
            h2 { "Files" }
            ul {
                li { a href="metrics.json" { "metrics.json" } ": every value of every series" }
                @if traced {
                    li {
                        a href="trace.json" { "trace.json" }
                        ": the single loads, for Perfetto (ui.perfetto.dev, “Open trace file”) \
                         or chrome://tracing"
                    }
                }
                @for plot in figures.plots() {
                    li { a href=(plot.file) { (plot.file) } ": " (plot.title) }
                }
            }
        }
    }
}
