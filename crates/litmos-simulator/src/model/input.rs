//! Reads records sent by clients. Their fields may be missing, null, or of a similar type.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::Refusal;

/// One field of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// The fields of one JSON object or XML element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Parses a body with one object.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| Refusal::BodyUnreadable(error.to_string()))
    }

    /// Parses a body with an array of objects, or with an object that has such an array under `wrapper`.
    pub(crate) fn list_from_body(body: &[u8], wrapper: &str) -> Result<Vec<Self>, Refusal> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| Refusal::BodyUnreadable(error.to_string()))?;
        let items = match value {
            Value::Array(items) => items,
            Value::Object(mut map) => match map.remove(wrapper) {
                Some(Value::Array(items)) => items,
                _ => {
                    return Err(Refusal::BodyUnreadable(format!(
                        "an array or an object with {wrapper}[]"
                    )));
                }
            },
            _ => return Err(Refusal::BodyUnreadable("an array is needed".to_owned())),
        };
        items
            .into_iter()
            .map(|item| match item {
                Value::Object(map) => Ok(Self(map)),
                _ => Err(Refusal::BodyUnreadable("every item must be an object".to_owned())),
            })
            .collect()
    }

    /// Reads a text field. Numbers and booleans are converted to text, like by a string member in .NET.
    pub(crate) fn text(&self, name: &str) -> Result<Given<String>, Refusal> {
        match self.0.get(name) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(Value::String(text)) => Ok(Given::Value(text.clone())),
            Some(Value::Number(number)) => Ok(Given::Value(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Given::Value(flag.to_string())),
            Some(Value::Array(_) | Value::Object(_)) => {
                Err(Refusal::BodyUnreadable(format!("{name} must be a text")))
            }
        }
    }

    /// Reads a boolean field. Also accepts the texts `true` and `false`, and `1` and `0` as in XML.
    pub(crate) fn flag(&self, name: &str) -> Result<Given<bool>, Refusal> {
        match self.0.get(name) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(Value::Bool(flag)) => Ok(Given::Value(*flag)),
            Some(Value::String(word)) if word.is_empty() => Ok(Given::Null),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") || word == "1" => {
                Ok(Given::Value(true))
            }
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") || word == "0" => {
                Ok(Given::Value(false))
            }
            Some(_) => Err(Refusal::BodyUnreadable(format!("{name} must be true or false"))),
        }
    }

    /// All fields as text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.0.iter().map(|(name, value)| {
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            (name.as_str(), text)
        })
    }

    /// Reads a list of texts. `None` if the field is missing or of another type.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0.get(name)?.as_array()?;
        Some(
            items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
        )
    }
}

/// Parses a date in any format that Litmos accepts, as UTC: with a day, a minute or a second, with a blank or a `T`,
/// with or without `Z`.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text))
        .or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)))
        .ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_date_form_is_read_as_utc() {
        for text in [
            "2024-03-05",
            "2024-03-05 00:00",
            "2024-03-05 00:00:00",
            "2024-03-05T00:00:00",
            "2024-03-05T00:00:00Z",
        ] {
            assert_eq!(
                timestamp(text).map(|moment| moment.to_string()),
                Some("2024-03-05T00:00:00Z".to_owned())
            );
        }
        for text in ["", "05/03/2024", "yesterday", "2024-13-01"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_come_as_words_too_and_anything_else_is_refused() {
        let fields = Fields::from_body(br#"{"a":"True","b":false,"c":null,"d":1,"e":""}"#).unwrap();
        assert_eq!(fields.flag("a").unwrap(), Given::Value(true));
        assert_eq!(fields.flag("b").unwrap(), Given::Value(false));
        assert_eq!(fields.flag("c").unwrap(), Given::Null);
        assert_eq!(fields.flag("e").unwrap(), Given::Null);
        assert_eq!(fields.flag("f").unwrap(), Given::Absent);
        assert!(fields.flag("d").is_err());
    }
}
