//! Parses `Retry-After`, in seconds or as a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long the response asks to wait. A date is compared with the response's own `Date`, or with `now` if there is none. A
/// number that is too large becomes the longest possible wait, and the caller limits it.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = seconds(text) {
        return Some(seconds);
    }
    let until = date_ms(text)?;
    let message = headers.get(DATE).and_then(|value| value.to_str().ok());
    let now_ms = || i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
    let from = message.and_then(date_ms).or_else(now_ms)?;
    Some(Duration::from_millis(
        u64::try_from(until.saturating_sub(from)).unwrap_or(0),
    ))
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let more = u64::from(part.bytes().any(|byte| byte != b'0'));
    let whole: u64 = whole.parse().unwrap_or(u64::from(u32::MAX));
    Some(Duration::from_secs(whole.min(u64::from(u32::MAX)) + more))
}

fn date_ms(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(retry: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&headers, now).map(|after| after.as_secs())
    }

    #[test]
    fn seconds_and_dates_of_any_length_are_read() {
        let noon = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (retry, date, wait) in [
            ("120", None, Some(120)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            ("1.5", None, Some(2)),
            ("86400", None, Some(86_400)),
            ("99999999999999999999999", None, Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:51:37 GMT", None, Some(120)),
            ("Sun, 06 Nov 1994 09:49:37 GMT", Some(noon), Some(3_600)),
            // Uses Litmos's own clock, even if ours is wrong.
            (
                "Mon, 07 Nov 1994 08:50:07 GMT",
                Some("Mon, 07 Nov 1994 08:49:37 GMT"),
                Some(30),
            ),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(noon), Some(0)),
            ("soon", None, None),
            ("-5", None, None),
            ("", None, None),
        ] {
            assert_eq!(asked(retry, date), wait, "{retry:?} {date:?}");
        }
    }
}
