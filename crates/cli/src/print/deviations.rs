//! Lists deviations. `status`, `plan` and `parked` use the same text.

use provisioning::{DeviationKind, Deviations};
use serde_json::Value;

/// Most items shown for each kind.
const ITEMS_MAX: usize = 20;

/// Returns the deviations in an answer. An answer without them has no deviation.
pub(crate) fn deviations(answer: &Value) -> Deviations {
    serde_json::from_value(answer["deviations"].clone()).unwrap_or_default()
}

/// Each kind on a line with its remedy, and its items below. Held and parked changes are shown elsewhere, with more details.
pub(crate) fn lines(deviations: &Deviations) -> Vec<String> {
    let shown_elsewhere = |kind| matches!(kind, DeviationKind::Held | DeviationKind::Parked);
    let outcome = deviations.iter().filter(|entry| !shown_elsewhere(entry.kind));
    outcome
        .flat_map(|entry| {
            let head = format!(
                "DIFFERS {}. {}",
                entry.kind.describe(entry.count),
                entry.kind.remedy()
            );
            let shown = entry.items.iter().take(ITEMS_MAX);
            let mut lines: Vec<String> = std::iter::once(head)
                .chain(shown.map(|item| format!("  - {}", item.message)))
                .collect();
            let more = entry.count.saturating_sub(entry.items.len().min(ITEMS_MAX));
            if more > 0 && !entry.items.is_empty() {
                lines.push(format!("  - and {more} more"));
            }
            lines
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_is_told_with_its_count_its_remedy_and_some_of_its_items() {
        let mut all = Deviations::default();
        all.add_count(DeviationKind::DeadLetter, 3);
        all.add_count(DeviationKind::Parked, 2);
        for n in 0..30 {
            all.add(DeviationKind::UnknownManager, None, || {
                format!("p{n}: no manager")
            });
        }
        let outcome = deviations(&json!({"deviations": all}));
        assert_eq!(outcome, all);
        assert_eq!(
            outcome.describe(),
            "2 items are parked; 30 managers are unknown; 3 events could not be used"
        );
        let lines = lines(&outcome);
        assert_eq!(
            lines[0],
            "DIFFERS 30 managers are unknown. Correct the manager at the source, or add that person to the roster."
        );
        assert_eq!(lines[21], "  - and 10 more");
        assert_eq!(
            lines[22],
            "DIFFERS 3 events could not be used. See: rollcall dead-letters"
        );
        assert!(deviations(&json!({})).is_empty());
    }
}
