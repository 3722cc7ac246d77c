//! Address of this server as the client sees it, for locations in responses.
//!
//! It comes from `Forwarded` or the `X-Forwarded-` headers, whose first value is the client's, and otherwise from `Host`. A value
//! that is not a plain host with an optional port is ignored, so other text of a client never becomes part of an address.

use axum::http::{HeaderMap, Uri, header};

/// Scheme and host, as in `https://sync.corp.example`. `local` is the host if no header names one.
pub(super) fn origin(headers: &HeaderMap, uri: &Uri, local: &str) -> String {
    let forwarded = first_forwarded(headers);
    let scheme = forwarded
        .iter()
        .filter(|(name, _)| name == "proto")
        .map(|(_, value)| value.clone())
        .chain(first(headers, "x-forwarded-proto"))
        .find_map(|proto| {
            let known = ["https", "http"].into_iter();
            known
                .into_iter()
                .find(|scheme| proto.eq_ignore_ascii_case(scheme))
        })
        .unwrap_or("http");
    let host = forwarded
        .iter()
        .filter(|(name, _)| name == "host")
        .map(|(_, value)| value.clone())
        .chain(first(headers, "x-forwarded-host"))
        .chain(uri.authority().map(ToString::to_string))
        .chain(first(headers, header::HOST.as_str()))
        .find(|host| is_host(host));
    format!("{scheme}://{}", host.as_deref().unwrap_or(local))
}

/// First value of a header that may contain a list.
fn first(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(|value| value.trim().to_owned())
}

/// Pairs of the first element of `Forwarded` (RFC 7239), names in lower case.
fn first_forwarded(headers: &HeaderMap) -> Vec<(String, String)> {
    let element = first(headers, header::FORWARDED.as_str()).unwrap_or_default();
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| {
            let value = value.trim().trim_matches('"');
            (name.trim().to_ascii_lowercase(), value.to_owned())
        })
        .collect()
}

/// True if the text is a name, an IPv4 address or a bracketed IPv6 address, with an optional port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let inside = address.parse::<std::net::Ipv6Addr>().is_ok();
            (
                inside,
                rest.strip_prefix(':').or((!rest.is_empty()).then_some("-")),
            )
        }
        None => {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            let named = !name.is_empty() && name.len() <= 253 && name.bytes().all(good);
            (named && name.bytes().any(|b| b.is_ascii_alphanumeric()), port)
        }
    };
    host && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name.parse::<axum::http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        origin(&map, &Uri::from_static("/scim/acme/v2/Users"), "127.0.0.1:8080")
    }

    #[test]
    fn the_address_is_the_one_that_the_client_used() {
        for (headers, expected) in [
            (&[("host", "sync.corp.example")][..], "http://sync.corp.example"),
            (
                &[("host", "sync.corp.example:8443")],
                "http://sync.corp.example:8443",
            ),
            (&[("host", "[::1]:8080")], "http://[::1]:8080"),
            (
                &[("host", "10.0.0.7"), ("x-forwarded-proto", "https, http")],
                "https://10.0.0.7",
            ),
            (
                &[
                    ("host", "10.0.0.7"),
                    ("x-forwarded-host", "sync.corp.example, inner"),
                    ("x-forwarded-proto", "HTTPS"),
                ],
                "https://sync.corp.example",
            ),
            (
                &[
                    ("host", "10.0.0.7"),
                    (
                        "forwarded",
                        "for=1.2.3.4;host=\"sync.corp.example:443\";Proto=https, for=10.0.0.1;proto=http",
                    ),
                ],
                "https://sync.corp.example:443",
            ),
            (
                &[
                    ("host", "10.0.0.7"),
                    ("forwarded", "for=1.2.3.4"),
                    ("x-forwarded-proto", "https"),
                ],
                "https://10.0.0.7",
            ),
        ] {
            assert_eq!(of(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_host_becomes_no_part_of_an_address() {
        for bad in [
            "",
            " ",
            "javascript://evil",
            "evil.example/path",
            "user@evil.example",
            "evil.example:port",
            "evil.example:99999",
            "evil.example:80:80",
            "a b",
            "\"><script>",
            "[::1",
            "[evil]:80",
            "[::1]x",
            "...",
        ] {
            assert_eq!(of(&[("host", bad)]), "http://127.0.0.1:8080", "{bad}");
            assert_eq!(
                of(&[("host", "10.0.0.7"), ("x-forwarded-host", bad)]),
                "http://10.0.0.7",
                "{bad}"
            );
        }
        for bad in ["", "javascript", "ftp", "https:", "http://"] {
            assert_eq!(
                of(&[("host", "10.0.0.7"), ("x-forwarded-proto", bad)]),
                "http://10.0.0.7",
                "{bad}"
            );
        }
    }
}
