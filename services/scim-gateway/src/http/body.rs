//! Reads a request body within limits, unpacks it, and parses it as JSON.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;
use scim::{ScimError, read_json};
use serde_json::Value;

/// Largest body, before and after unpacking: a full push of the largest supported group. A larger body is a mistake of the client.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Most bytes that are read, and dropped, of a body that is too large: its sender then gets an error response instead of a broken
/// connection.
const READ_MAX: usize = 64 * 1024 * 1024;

/// First bytes of gzip data. JSON never begins with them.
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Value, ScimError> {
    let bytes = collected(body).await?;
    let bytes = unpacked(headers, bytes)?;
    let content_type = ContentType::of(headers);
    if !bytes.is_ascii()
        && content_type
            .charset
            .as_deref()
            .is_some_and(|charset| !is_utf8(charset))
    {
        return Err(ScimError::unsupported(format!(
            "the body is written in {}; send it in UTF-8",
            content_type.charset.unwrap_or_default()
        )));
    }
    read_json(&bytes).map_err(|error| match content_type.media {
        Some(media) if !media.ends_with("json") => ScimError::unsupported(format!(
            "the Content-Type is {media}, and the body is no JSON; send application/scim+json"
        )),
        _ => error,
    })
}

async fn collected(body: Body) -> Result<Vec<u8>, ScimError> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut size) = (Vec::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ScimError::invalid_syntax("the body broke off; send it again"))?;
        size += chunk.len();
        if size <= BODY_MAX {
            bytes.extend_from_slice(&chunk);
        } else if size > READ_MAX {
            break;
        }
    }
    if size > BODY_MAX {
        Err(too_large())
    } else {
        Ok(bytes)
    }
}

fn too_large() -> ScimError {
    ScimError::too_large(format!(
        "the body is larger than {BODY_MAX} bytes; send fewer members at once"
    ))
}

fn unpacked(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, ScimError> {
    let encodings: Vec<String> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("of unknown letters").split(','))
        .map(|encoding| encoding.trim().to_ascii_lowercase())
        .filter(|encoding| !encoding.is_empty() && encoding != "identity")
        .collect();
    let packed = match encodings.as_slice() {
        // Some proxies unpack a body and keep the header. Others pack it and omit the header.
        [] => bytes.starts_with(&GZIP),
        [one] if one == "gzip" || one == "x-gzip" => bytes.starts_with(&GZIP) || !looks_like_json(&bytes),
        other => {
            let other: String = other.join(", ").chars().take(60).collect();
            return Err(ScimError::unsupported(format!(
                "the Content-Encoding {other} is not read here; send gzip or identity"
            )));
        }
    };
    if !packed {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let bound = BODY_MAX as u64 + 1;
    MultiGzDecoder::new(bytes.as_slice())
        .take(bound)
        .read_to_end(&mut plain)
        .map_err(|_| ScimError::invalid_syntax("the body is no whole gzip; send it again"))?;
    if plain.len() > BODY_MAX {
        Err(too_large())
    } else {
        Ok(plain)
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[' | 0xef))
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known))
}

struct ContentType {
    media: Option<String>,
    charset: Option<String>,
}

impl ContentType {
    fn of(headers: &HeaderMap) -> ContentType {
        let text = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty());
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"').to_owned())
        });
        ContentType {
            media: media.map(|media| media.chars().take(60).collect::<String>().to_ascii_lowercase()),
            charset,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const USER: &[u8] = br#"{"userName": "mira"}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn of(headers: &[(&str, &str)], body: Vec<u8>) -> Result<Value, ScimError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name.parse::<axum::http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        read(&map, Body::from(body)).await
    }

    #[tokio::test]
    async fn bodies_are_read_however_they_are_packed() {
        let marked = [b"\xef\xbb\xbf", USER].concat();
        for (headers, body) in [
            (&[][..], USER.to_vec()),
            (
                &[("content-type", "application/json; charset=UTF-8")],
                USER.to_vec(),
            ),
            (
                &[("content-type", "Application/SCIM+JSON;charset=\"utf-8\"")],
                USER.to_vec(),
            ),
            (&[("content-type", "text/plain")], USER.to_vec()),
            (
                &[("content-type", "application/json; charset=iso-8859-1")],
                USER.to_vec(),
            ),
            (&[], marked.clone()),
            (&[("content-encoding", "gzip")], gzip(USER)),
            (&[("content-encoding", "GZIP")], gzip(&marked)),
            (
                &[("content-encoding", "x-gzip")],
                [gzip(&USER[..7]), gzip(&USER[7..])].concat(),
            ),
            (&[("content-encoding", "identity")], USER.to_vec()),
            (&[("content-encoding", "gzip")], USER.to_vec()),
            (&[], gzip(USER)),
        ] {
            let read = of(headers, body)
                .await
                .unwrap_or_else(|error| panic!("{headers:?}: {error}"));
            assert_eq!(read["userName"], "mira", "{headers:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_with_its_own_status() {
        let bomb = gzip(&vec![b' '; 4 * BODY_MAX]);
        assert!(bomb.len() < BODY_MAX);
        let mut broken = gzip(USER);
        broken.truncate(20);
        for (headers, body, status, word) in [
            (&[("content-encoding", "gzip")][..], bomb, 413, "larger than"),
            (&[("content-encoding", "gzip")], broken, 400, "no whole gzip"),
            (
                &[("content-encoding", "gzip")],
                b"\x00\x01".to_vec(),
                400,
                "no whole gzip",
            ),
            (
                &[("content-encoding", "br")],
                USER.to_vec(),
                415,
                "br is not read",
            ),
            (
                &[("content-encoding", "gzip, gzip")],
                gzip(&gzip(USER)),
                415,
                "gzip, gzip",
            ),
            (
                &[("content-type", "application/xml")],
                b"<user/>".to_vec(),
                415,
                "application/xml",
            ),
            (
                &[("content-type", "application/x-www-form-urlencoded")],
                b"userName=mira".to_vec(),
                415,
                "application/scim+json",
            ),
            (
                &[("content-type", "application/json; charset=iso-8859-1")],
                "{\"userName\": \"m\u{fc}ller\"}".into(),
                415,
                "iso-8859-1",
            ),
            (
                &[("content-type", "application/json")],
                b"{".to_vec(),
                400,
                "no JSON",
            ),
            (&[], vec![b' '; BODY_MAX + 1], 413, "larger than"),
        ] {
            let error = of(headers, body).await.unwrap_err();
            assert_eq!(error.status(), status, "{headers:?}: {error}");
            assert!(error.detail().contains(word), "{headers:?}: {error}");
        }
    }
}
