//! Forecasts are correct, because they run the real rules.

use std::time::Duration;

use rate_tokens::{BudgetSettings, Class, Demand, Forecast, PerClass, forecast};

use crate::harness::{ANSWERED, Harness, REFUSED, ms};

fn idle(limit: u32) -> Harness {
    Harness::new(BudgetSettings::per_minute(limit).unwrap())
}

fn demand(urgent: u64, normal: u64, background: u64) -> Demand {
    Demand {
        calls: PerClass {
            urgent,
            interactive: 0,
            normal,
            background,
        },
        latency: ms(200),
    }
}

fn of(harness: &Harness, demand: Demand) -> Forecast {
    forecast(&harness.budget.status(harness.now), &demand)
}

fn within(actual: Duration, expected_s: f64, tolerance: f64) {
    let off = (actual.as_secs_f64() - expected_s).abs() / expected_s;
    assert!(off <= tolerance, "{actual:?}, expected about {expected_s} s");
}

#[test]
fn nothing_to_do_takes_no_time() {
    assert_eq!(of(&idle(100), demand(0, 0, 0)).all(), Duration::ZERO);
}

#[test]
fn calls_take_the_paced_interval_each() {
    within(
        of(&idle(100), demand(0, 101, 0)).granted_by.normal,
        100.0 * 0.606,
        0.02,
    );
    within(
        of(&idle(10), demand(0, 20, 0)).granted_by.normal,
        19.0 * 6.06,
        0.02,
    );
}

#[test]
fn a_hundred_thousand_calls_are_forecast_as_finely_as_a_thousand() {
    let thousand = of(&idle(100), demand(0, 5_000, 0)).all().as_secs_f64() / 5_000.0;
    let many = of(&idle(100), demand(0, 100_000, 0)).all();
    within(many, thousand * 100_000.0, 0.01);
    within(many, 100_000.0 * 0.615, 0.02);
}

#[test]
fn urgent_calls_finish_long_before_a_backlog_and_background_is_not_forgotten() {
    let forecast = of(&idle(100), demand(10, 5_000, 1_000));
    assert!(
        forecast.granted_by.urgent < Duration::from_secs(5),
        "{forecast:?}"
    );
    assert!(
        forecast.granted_by.background < forecast.granted_by.normal,
        "{forecast:?}"
    );
    within(forecast.all(), 6_010.0 * 0.615, 0.02);
}

#[test]
fn what_is_held_cooling_waiting_or_closed_delays_the_start() {
    let mut harness = idle(100);
    for _ in 0..90 {
        harness.pass(ms(606));
        let grant = harness.granted(Class::Normal).grant;
        harness.report(grant, ANSWERED);
    }
    for _ in 0..50 {
        harness.request(Class::Normal, "flow", 1);
    }
    let queued = of(&harness, demand(0, 50, 0)).all();
    assert!(queued > ms(99 * 600), "{queued:?}");

    harness.pass(ms(5_000));
    let grant = harness.granted(Class::Urgent).grant;
    harness.pass(ms(1));
    harness.report(grant, REFUSED);
    let closed = of(&harness, demand(1, 0, 0)).granted_by.urgent;
    assert_eq!(closed, ms(5_000));
}

#[test]
fn large_limits_are_forecast_too() {
    let forecast = of(&idle(6_000), demand(0, 60_000, 0));
    within(forecast.all(), 600.0 * 1.01, 0.03);
}
