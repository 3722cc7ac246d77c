//! Texts for a person who mistyped a name or a value.

use toml::Value;

/// Most letters that may differ between a mistyped name and the suggested one.
const SLIP_MAX: usize = 3;

/// `; did you mean ...?` if a similar name is known, else all known names.
pub(crate) fn nearest(wrong: &str, known: &[&str]) -> String {
    let best = known.iter().map(|name| (distance(wrong, name), *name)).min();
    match best {
        Some((steps, name)) if steps <= SLIP_MAX && steps < name.chars().count() => {
            format!("; did you mean {name}?")
        }
        Some(_) => format!("; known here: {}", known.join(", ")),
        None => String::new(),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "a switch",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Letters to insert, remove or replace until `a` is `b` (Levenshtein), with one row of the table in memory.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_letters() {
        for (a, b, steps) in [
            ("", "", 0),
            ("listen", "listen", 0),
            ("lissten", "listen", 1),
            ("", "url", 3),
        ] {
            assert_eq!(distance(a, b), steps, "{a} to {b}");
            assert_eq!(distance(b, a), steps, "{b} to {a}");
        }
    }

    #[test]
    fn a_name_that_shares_nothing_is_answered_with_what_is_known() {
        assert_eq!(nearest("xyz", &["url", "token"]), "; known here: url, token");
        assert_eq!(nearest("tokn", &["url", "token"]), "; did you mean token?");
        assert_eq!(nearest("anything", &[]), "");
    }
}
