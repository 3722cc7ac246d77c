//! The figures side by side, and the goals.

use super::Column;
use super::measures::{CROWDS, LOOK_UPS, Measured};
use super::wire::Sample;

/// The goals of the SCIM gateway.
const CREATE_P50_MS: f64 = 1.8;
const CREATES_32: f64 = 1_500.0;
const CREATES_200: f64 = 3_000.0;
const LOOK_UP_P50_MS: f64 = 1.0;
const HEALTH_MS: f64 = 50.0;
/// How much slower another org may become.
const BESIDE: f64 = 2.0;

/// Rows in the order of the table.
fn rows() -> Vec<String> {
    let mut rows: Vec<String> = ["create, 1", "create, 32", "create, 200"]
        .map(str::to_owned)
        .into();
    rows.extend(
        [
            "create in another org, alone",
            "create in another org, beside 200",
        ]
        .map(str::to_owned),
    );
    rows.extend(
        LOOK_UPS
            .iter()
            .flat_map(|what| CROWDS.map(|(crowd, _)| format!("look-up by {what}, {crowd}"))),
    );
    rows.extend(["other filter, 32", "health meanwhile", "member PATCH, 1"].map(str::to_owned));
    rows
}

fn cell(sample: &Sample) -> String {
    let Some((p50, p99)) = sample.ms(0.5).zip(sample.ms(0.99)) else {
        let statuses: Vec<String> = sample.statuses.keys().map(u16::to_string).collect();
        return if statuses.is_empty() {
            "no answer".to_owned()
        } else {
            statuses.join(" ")
        };
    };
    let found = if sample.wrong { "finds nothing: " } else { "" };
    let mut cell = format!("{found}{p50:.2} / {p99:.1} ms, {:.0}/s", sample.rate());
    for (status, count) in sample.statuses.iter().filter(|(status, _)| **status >= 300) {
        cell.push_str(&format!(", {status} x {count}"));
    }
    if sample.broken > 0 {
        cell.push_str(&format!(", {} broken", sample.broken));
    }
    cell
}

/// One row for each measure, one column for each server.
pub(super) fn figures(columns: &[Column], people: u64) -> String {
    const NAME: usize = 44;
    const WIDTH: usize = 40;
    let mut lines = vec![format!(
        "{people} people; p50 / p99, successes a second; the number after a measure is that of connections"
    )];
    let names: String = columns
        .iter()
        .map(|column| format!("  {:<WIDTH$}", column.name))
        .collect();
    lines.push(format!("{:<NAME$}{names}", "").trim_end().to_owned());
    for row in rows() {
        let cells: String = columns
            .iter()
            .map(|column| {
                format!(
                    "  {:<WIDTH$}",
                    column.measured.get(&row).map_or_else(|| "-".to_owned(), cell)
                )
            })
            .collect();
        lines.push(format!("{row:<NAME$}{cells}").trim_end().to_owned());
    }
    lines.join("\n")
}

/// A goal, what was found, and whether it is reached; nothing where it was not measured.
struct Goal {
    what: String,
    found: String,
    reached: bool,
}

fn p50_below(measured: &Measured, row: &str, name: &str, limit: f64) -> Option<Goal> {
    let sample = measured.get(row)?;
    let p50 = sample.ms(0.5);
    let but = if sample.wrong {
        ", finds nothing"
    } else if sample.is_clean() {
        ""
    } else {
        ", some refused"
    };
    Some(Goal {
        what: format!("{name}{row}: p50 < {limit} ms, all answered"),
        found: p50.map_or_else(|| "none succeeded".to_owned(), |p50| format!("{p50:.2} ms{but}")),
        reached: p50.is_some_and(|p50| p50 < limit) && sample.is_clean(),
    })
}

fn rate_above(measured: &Measured, row: &str, limit: f64) -> Option<Goal> {
    let sample = measured.get(row)?;
    Some(Goal {
        what: format!("{row}: > {limit} a second, no 503"),
        found: format!("{:.0} a second, 503 x {}", sample.rate(), sample.count(503)),
        reached: sample.rate() > limit && sample.is_clean(),
    })
}

fn ahead(columns: &[Column]) -> Option<Goal> {
    let p50 = |column: &Column| column.measured.get("create, 1").and_then(|sample| sample.ms(0.5));
    let ours = p50(columns.first()?)?;
    let (name, best) = columns[1..]
        .iter()
        .filter_map(|column| Some((&column.name, p50(column)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Goal {
        what: "create, 1: ahead of every peer".to_owned(),
        found: format!("{ours:.2} ms; best of the others {name}, {best:.2} ms"),
        reached: ours < best,
    })
}

fn beside(measured: &Measured) -> Option<Goal> {
    let alone = measured.get("create in another org, alone")?.ms(0.5);
    let beside = measured.get("create in another org, beside 200")?.ms(0.5);
    let both = alone.zip(beside);
    let found = both.map_or_else(
        || "no create succeeded".to_owned(),
        |(alone, beside)| format!("{:.1} x ({alone:.2} ms alone, {beside:.2} ms)", beside / alone),
    );
    Some(Goal {
        what: format!("create in another org beside 200: p50 at most {BESIDE} x"),
        found,
        reached: both.is_some_and(|(alone, beside)| beside <= BESIDE * alone),
    })
}

fn health(measured: &Measured, name: &str) -> Option<Goal> {
    let slowest = measured.get("health meanwhile")?.ms(1.0)?;
    let limited = measured.get("other filter, 32")?.count(429);
    Some(Goal {
        what: format!("{name}32 other filters at once: health within {HEALTH_MS} ms, 429 for some"),
        found: format!("{slowest:.0} ms at most, 429 x {limited}"),
        reached: slowest <= HEALTH_MS && limited > 0,
    })
}

/// Which goals ours reaches.
pub(super) fn goals(columns: &[Column]) -> String {
    let Some(ours) = columns.first() else {
        return String::new();
    };
    let measured = &ours.measured;
    let mut goals = vec![
        p50_below(measured, "create, 1", "", CREATE_P50_MS),
        ahead(columns),
        rate_above(measured, "create, 32", CREATES_32),
        rate_above(measured, "create, 200", CREATES_200),
        beside(measured),
    ];
    // Those at the large store count, where it was made.
    let large = columns.get(1).filter(|column| column.name.starts_with("at "));
    let (at, column) = large.map_or((String::new(), ours), |column| {
        (format!("{}: ", column.name), column)
    });
    for what in LOOK_UPS {
        for (crowd, _) in CROWDS {
            let row = format!("look-up by {what}, {crowd}");
            goals.push(p50_below(&column.measured, &row, &at, LOOK_UP_P50_MS));
        }
    }
    goals.push(health(&column.measured, &at));
    let lines = goals.into_iter().flatten().map(|goal| {
        let message = if goal.reached { "reached" } else { "NOT reached" };
        format!("{:<80} {:<56} {message}", goal.what, goal.found)
    });
    lines.collect::<Vec<_>>().join("\n")
}
