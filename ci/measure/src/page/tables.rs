//! The tables of the page.

use maud::{Markup, html};
use serde_json::Value;

use crate::metrics::{Metric, Series, Unit};
use crate::summary::Summary;

use super::digest::{Growth, OWN};
use super::row::{Row, topology};
use super::scene::Setup;
use super::units::{cpus, grouped, real, time};

/// The medians and percentiles of a setup's loads, a row per protocol and CPUs.
pub(super) fn loads(setup: &Setup) -> Markup {
    let shown = [
        Metric::CallInSkew,
        Metric::GateLast,
        Metric::Load,
        Metric::Follow,
        Metric::Leave,
    ];
    // Protocols are set apart where each has several rows.
    let several = setup.rows.iter().any(|row| row.cpus != setup.rows[0].cpus);
    let medians: Vec<_> = shown
        .into_iter()
        .filter(|&m| setup.with(m).next().is_some())
        .collect();
    html! {
        div.wide {
            table.figures.grouped[several] {
                thead {
                    tr {
                        th rowspan="2" { "protocol" }
                        th.number rowspan="2" { "CPUs" }
                        th.number rowspan="2" { "loads" }
                        th.group colspan="5" { "stall" }
                        th.group colspan="4" { "gate" }
                        @for metric in &medians { th.group { (spoken(*metric)) } }
                    }
                    tr {
                        @for name in ["median", "p10", "p90", "p99", "max", "median", "p90", "p99", "max"] {
                            th.number { (name) }
                        }
                        @for _ in &medians { th.number { "median" } }
                    }
                }
                tbody {
                    @for (number, row) in setup.rows.iter().enumerate() {
                        @let begins = number > 0 && setup.rows[number - 1].label != row.label;
                        tr.begins[begins] { (load(row, &medians)) }
                    }
                }
            }
        }
    }
}

fn load(row: &Row, medians: &[Metric]) -> Markup {
    let spread = |metric| Summary::new(row.values(metric));
    let (stall, gate) = (spread(Metric::Stall), spread(Metric::Gate));
    let count = stall.or(gate).map(|spread| spread.count);
    let of = |spread: Option<Summary>, part: fn(&Summary) -> u64| {
        html! { td.number { (cell(spread.as_ref().map(part))) } }
    };
    html! {
        th scope="row" { (row.label) }
        td.number title=(topology(row)) { (row.cpus) }
        td.number { @if let Some(count) = count { (grouped(count)) } @else { "–" } }
        td.number.main { (cell(stall.map(|spread| spread.p50))) }
        (of(stall, |s| s.p10)) (of(stall, |s| s.p90)) (of(stall, |s| s.p99)) (of(stall, |s| s.max))
        td.number.main { (cell(gate.map(|spread| spread.p50))) }
        (of(gate, |s| s.p90)) (of(gate, |s| s.p99)) (of(gate, |s| s.max))
        @for metric in medians { (of(spread(*metric), |s| s.p50)) }
    }
}

/// The median stalls over the number of CPUs, and where the others fall behind.
pub(super) fn growth(growth: &Growth) -> Markup {
    html! {
        div.wide {
            table.figures {
                thead { tr {
                    th { "median stall" }
                    @for cpus in &growth.cpus { th.number { (cpus) " CPUs" } }
                    th.number { "longer than " (OWN) "'s from" }
                } }
                tbody { @for line in &growth.lines { tr {
                    th scope="row" { (line.label) }
                    @for stall in &line.stalls { td.number { (cell(*stall)) } }
                    td.number { @if let Some(nr) = line.longer_from { (cpus(nr)) } @else { "–" } }
                } } }
            }
        }
    }
}

/// Series that belong to no protocol's load.
pub(super) fn others(series: &[Series]) -> Markup {
    html! {
        div.wide {
            table.figures {
                thead { tr {
                    th { "metric" } th { "protocol" } th.number { "CPUs" } th { "CPU" }
                    th.number { "values" }
                    @for name in ["median", "p10", "p90", "p99", "max"] { th.number { (name) } }
                } }
                tbody { @for series in series { tr { (other(series)) } } }
            }
        }
    }
}

fn other(series: &Series) -> Markup {
    let summary = Summary::new(&series.values);
    let dimensions = &series.dimensions;
    let text = |value: u64| match series.unit {
        Unit::Ns => time(real(value)),
        Unit::Instructions => format!("{} instr.", grouped(value)),
    };
    html! {
        th scope="row" { (spoken(series.metric)) }
        td { (dimensions.protocol.as_deref().unwrap_or("–")) }
        td.number { (dimensions.cpus) }
        td { @if let Some(cpu) = dimensions.cpu { (cpu) } @else { "all" } }
        td.number { (grouped(summary.map_or(0, |summary| summary.count))) }
        @if let Some(Summary { p10, p50, p90, p99, max, .. }) = summary {
            td.number.main { (text(p50)) }
            @for value in [p10, p90, p99, max] { td.number { (text(value)) } }
        }
    }
}

/// A JSON object as names and values; what lies deeper is named by its way.
pub(super) fn facts(title: &str, object: &Value) -> Markup {
    let mut lines = Vec::new();
    flatten("", object, &mut lines);
    html! {
        @if !lines.is_empty() {
            table.facts {
                caption { (title) }
                tbody {
                    @for (name, value) in &lines {
                        tr { th scope="row" { (name) } td { (value) } }
                    }
                }
            }
        }
    }
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name} · {part}"),
    };
    match value {
        Value::Null => {}
        Value::Object(parts) => {
            for (part, value) in parts {
                flatten(&below(&part.replace('_', " ")), value, lines);
            }
        }
        Value::Array(parts) if parts.iter().any(|part| part.is_object() || part.is_array()) => {
            for (number, value) in parts.iter().enumerate() {
                flatten(&below(&number.to_string()), value, lines);
            }
        }
        Value::Array(parts) => {
            let parts: Vec<_> = parts.iter().map(plain).collect();
            lines.push((name.to_owned(), parts.join(", ")));
        }
        value => lines.push((name.to_owned(), plain(value))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn cell(ns: Option<u64>) -> String {
    ns.map_or_else(|| "–".to_owned(), |ns| time(real(ns)))
}

fn spoken(metric: Metric) -> String {
    match metric {
        Metric::CallInSkew => "skew".to_owned(),
        Metric::GateLast => "gate for all".to_owned(),
        other => other.name().replace('_', " "),
    }
}
