//! Failed calls and what to do about them, derived in one place from status, headers and the message in the response.

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

/// Most characters that are kept of a message in a response.
const SAID_MAX: usize = 400;

/// Kind of a failure. It decides what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The permit had expired. Nothing was sent.
    Void,
    /// Litmos refused because of its rate limit. Nothing was done.
    RateLimited { retry_after: Option<Duration> },
    /// The user name or team exists already.
    Exists,
    /// Litmos refuses these values, now and later.
    Rejected {
        /// Attribute at fault, if the message names one.
        attribute: Option<String>,
    },
    /// This Litmos does not have the call. Public sources disagree about changing and deleting teams.
    NoSuchCall,
    /// The object of the call does not exist.
    Gone,
    /// The API key was refused (401).
    Credentials,
    /// This call is not permitted (403): either with this key at all, or for this item only.
    Forbidden,
    /// The response is a redirect. Nothing was done: redirects are not followed.
    Redirected,
    /// An error on the server. The request may have taken effect.
    Retry,
    /// No connection. Litmos did not receive the request.
    NotSent,
    /// Sent without a response. The request may have taken effect.
    Unknown,
    /// A success response with an unreadable body.
    Broken,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// Name of the call, such as `user.create`.
    pub call: &'static str,
    pub status: Option<u16>,
    /// Message of Litmos, without markup and bounded. Otherwise a description of what happened.
    pub message: String,
    /// The response does not look like one of Litmos: a web page, or an unexpected document.
    pub foreign: bool,
    pub permit_id: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.call)?;
        if let Some(status) = self.status {
            write!(f, "Litmos answered {status}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// True if the request may have taken effect although the response does not say so.
    pub fn may_have_taken_effect(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Retry | FailureKind::Unknown | FailureKind::Broken
        )
    }

    /// True if this Litmos does not have the call. Public sources disagree about changing and deleting teams. The object of the
    /// call may exist.
    pub fn no_such_call(&self) -> bool {
        self.kind == FailureKind::NoSuchCall
    }

    /// True if Litmos could not read the body. Another form of it may work.
    pub fn body_unreadable(&self) -> bool {
        matches!(self.kind, FailureKind::Rejected { .. }) && self.status == Some(400)
    }
}

/// Returns kind and message of an unsuccessful response.
pub(crate) fn judged(
    method: &Method,
    status: u16,
    retry_after: Option<Duration>,
    message: String,
) -> (FailureKind, String) {
    let kind = classify(method, status, retry_after, &message);
    let message = match kind {
        FailureKind::NoSuchCall => {
            let message = format!("this Litmos has no such call: {message}");
            message.chars().take(SAID_MAX).collect()
        }
        _ => message,
    };
    (kind, message)
}

/// 503 means only that Litmos refuses because of its rate limit.
fn classify(method: &Method, status: u16, retry_after: Option<Duration>, message: &str) -> FailureKind {
    match status {
        429 | 503 => FailureKind::RateLimited { retry_after },
        401 => FailureKind::Credentials,
        403 => FailureKind::Forbidden,
        300..=399 => FailureKind::Redirected,
        // A page of the web framework, sent before Litmos searches for anything. A read with a user name that looks like a path
        // gets it too, and no user has such a name. A write contains only ids, which are safe in a path.
        404 if *method != Method::GET && message.to_ascii_lowercase().contains("endpoint not found") => {
            FailureKind::NoSuchCall
        }
        405 => FailureKind::NoSuchCall,
        404 => FailureKind::Gone,
        409 if message.to_ascii_lowercase().contains("exists") => FailureKind::Exists,
        500..=599 | 408 => FailureKind::Retry,
        _ => FailureKind::Rejected {
            attribute: attribute_in(message),
        },
    }
}

fn attribute_in(message: &str) -> Option<String> {
    const NAMES: [(&str, &str); 12] = [
        ("username", "UserName"),
        ("user name", "UserName"),
        ("e-mail", "Email"),
        ("email", "Email"),
        ("culture", "Culture"),
        ("job role", "JobRole"),
        ("jobrole", "JobRole"),
        ("firstname", "FirstName"),
        ("lastname", "LastName"),
        ("mobile", "PhoneMobile"),
        ("manager", "ManagerId"),
        ("accesslevel", "AccessLevel"),
    ];
    let message = message.to_ascii_lowercase();
    NAMES
        .iter()
        .find(|(words, _)| message.contains(words))
        .map(|(_, name)| (*name).to_owned())
}

/// Message of an error body: a JSON detail if there is one, otherwise the text of a page without markup.
pub(crate) fn words(body: &[u8], reason: &str) -> String {
    let detail = serde_json::from_slice::<Value>(body).ok().and_then(|value| {
        let named = ["Detail", "Message", "message", "Error", "error"]
            .into_iter()
            .find_map(|name| value.get(name));
        named.or(Some(&value)).and_then(Value::as_str).map(str::to_owned)
    });
    let text = detail.unwrap_or_else(|| text_of(&String::from_utf8_lossy(body)));
    let text = if text.trim().is_empty() {
        reason.to_owned()
    } else {
        text
    };
    let plain: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
}

/// Text without tags, scripts, styles and comments.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start..];
        let end = if tag.starts_with("<!--") {
            tag.find("-->").map(|at| at + 3)
        } else if tag.to_ascii_lowercase().starts_with("<style") {
            tag.to_ascii_lowercase().find("</style>").map(|at| at + 8)
        } else {
            tag.find('>').map(|at| at + 1)
        };
        rest = end.map_or("", |end| &tag[end..]);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_answer_says_what_to_do() {
        let kind = |status, message| classify(&Method::PUT, status, None, message);
        assert_eq!(kind(409, "UserName already exists"), FailureKind::Exists);
        let rejected = |name: &str| FailureKind::Rejected {
            attribute: Some(name.to_owned()),
        };
        assert_eq!(kind(409, "Culture is invalid"), rejected("Culture"));
        assert_eq!(kind(409, "Username too short"), rejected("UserName"));
        assert_eq!(
            kind(400, "cannot parse"),
            FailureKind::Rejected { attribute: None }
        );
        assert_eq!(kind(406, "bad date"), FailureKind::Rejected { attribute: None });
        assert_eq!(kind(401, ""), FailureKind::Credentials);
        assert_eq!(kind(403, ""), FailureKind::Forbidden);
        for status in [301, 302, 307, 308] {
            assert_eq!(kind(status, ""), FailureKind::Redirected);
        }
        assert_eq!(kind(404, ""), FailureKind::Gone);
        for status in [429, 503] {
            assert_eq!(kind(status, "x"), FailureKind::RateLimited { retry_after: None });
        }
        for status in [500, 502, 504] {
            assert_eq!(kind(status, ""), FailureKind::Retry);
        }
    }

    #[test]
    fn a_call_that_litmos_does_not_have_is_no_proof_that_a_thing_is_gone() {
        let failure = |method: &Method, status, message: &str| {
            let (kind, message) = judged(method, status, None, message.to_owned());
            Failure {
                kind,
                call: "team.update",
                status: Some(status),
                message,
                foreign: false,
                permit_id: None,
            }
        };
        let page = "Service Endpoint not found. Please see the service help page.";
        for (method, status) in [(Method::PUT, 404), (Method::DELETE, 405), (Method::GET, 405)] {
            let refused = failure(&method, status, page);
            assert!(refused.no_such_call(), "{refused}");
            assert!(
                refused
                    .message
                    .starts_with("this Litmos has no such call: Service"),
                "{refused}"
            );
        }
        for (method, message) in [(Method::PUT, "Team not found"), (Method::GET, page)] {
            let gone = failure(&method, 404, message);
            assert_eq!(gone.kind, FailureKind::Gone, "{gone}");
            assert!(!gone.no_such_call() && gone.message == message);
        }
        let unreadable = failure(&Method::POST, 400, "The request body could not be read");
        assert!(unreadable.body_unreadable() && !unreadable.no_such_call());
        assert!(!failure(&Method::POST, 409, "Name is required").body_unreadable());
    }

    #[test]
    fn words_are_taken_from_json_pages_and_empty_bodies() {
        assert_eq!(
            words(br#"{"Detail":"UserName already exists"}"#, "x"),
            "UserName already exists"
        );
        let page = b"<html><head><style>p{}</style><title>Request Error</title></head><!-- xxx --><body><p>It failed.</p></body>";
        assert_eq!(words(page, "x"), "Request Error It failed.");
        assert_eq!(words(b"", "Service Unavailable"), "Service Unavailable");
        assert_eq!(words(b"\"plain\"", "x"), "plain");
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(words(&body, "r").chars().count() <= SAID_MAX);
        }

        #[test]
        fn no_page_makes_it_panic(page in "[<>!a-z/ \\-é]{0,60}") {
            words(page.as_bytes(), "r");
        }
    }
}
