//! Terms that cannot work are refused with the reason. Valid terms survive a round trip.

use rate_tokens::{BudgetSettings, NAME_BYTES_MAX, NameRefused, Pacing, SettingsError, Terms, WorkerId};

use crate::harness::ms;

fn refused(change: impl FnOnce(&mut Terms)) -> SettingsError {
    let mut terms = Terms::per_minute(100);
    change(&mut terms);
    BudgetSettings::new(terms).unwrap_err()
}

#[test]
fn each_rule_names_its_setting() {
    assert_eq!(refused(|terms| terms.limit = 0), SettingsError::LimitZero);
    assert_eq!(
        refused(|terms| terms.limit = 200_000),
        SettingsError::LimitTooLarge { limit: 200_000 }
    );
    assert_eq!(
        refused(|terms| terms.share_percent = 0),
        SettingsError::Share { percent: 0 }
    );
    assert_eq!(
        refused(|terms| terms.window = ms(10)),
        SettingsError::Window { ms: 10 }
    );
    assert_eq!(
        refused(|terms| terms.guard = ms(60_000)),
        SettingsError::Guard { ms: 60_000 }
    );
    assert_eq!(
        refused(|terms| terms.clock_error_ppm = 20_000),
        SettingsError::ClockError { ppm: 20_000 }
    );
    assert_eq!(
        refused(|terms| terms.permit_ttl = ms(5)),
        SettingsError::PermitTtl { ms: 5 }
    );
    assert_eq!(
        refused(|terms| terms.settle = ms(3_600_000)),
        SettingsError::Settle { ms: 3_600_000 }
    );
    assert_eq!(
        refused(|terms| terms.pacing = Pacing::Even { permille: 900 }),
        SettingsError::Pacing { permille: 900 }
    );
    assert_eq!(
        refused(|terms| terms.burst = 101),
        SettingsError::Burst {
            burst: 101,
            limit: 100
        }
    );
    assert_eq!(
        refused(|terms| terms.reserve = 100),
        SettingsError::Reserve {
            reserve: 100,
            tokens: 100
        }
    );
    assert_eq!(
        refused(|terms| terms.worker_max = 0),
        SettingsError::WorkerMaxZero
    );
    assert_eq!(
        refused(|terms| terms.background_floor_percent = 80),
        SettingsError::BackgroundFloor { percent: 80 }
    );
}

#[test]
fn defaults_are_sound_for_every_limit() {
    for limit in (1..200).chain([1_000, 100_000]) {
        let settings = BudgetSettings::per_minute(limit).unwrap();
        assert_eq!(settings.tokens(), limit);
    }
}

#[test]
fn a_share_shrinks_the_ring_but_never_to_nothing() {
    let of = |limit, share_percent| {
        BudgetSettings::new(Terms {
            share_percent,
            reserve: 0,
            ..Terms::per_minute(limit)
        })
        .unwrap()
        .tokens()
    };
    assert_eq!((of(100, 60), of(3, 10)), (60, 1));
}

#[test]
fn settings_are_checked_again_when_they_are_read() {
    let settings = BudgetSettings::per_minute(100).unwrap();
    let json = serde_json::to_string(&settings).unwrap();
    assert!(json.contains(r#""window_ms":60000"#), "{json}");
    assert_eq!(serde_json::from_str::<BudgetSettings>(&json).unwrap(), settings);
    let broken = json.replace(r#""limit":100"#, r#""limit":0"#);
    let error = serde_json::from_str::<BudgetSettings>(&broken).unwrap_err();
    assert!(error.to_string().starts_with("limit is 0"), "{error}");
}

#[test]
fn names_are_bounded() {
    assert_eq!(WorkerId::new(""), Err(NameRefused::Empty { what: "worker" }));
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(
        WorkerId::new(&long),
        Err(NameRefused::TooLong {
            what: "worker",
            bytes: NAME_BYTES_MAX + 1
        })
    );
}
