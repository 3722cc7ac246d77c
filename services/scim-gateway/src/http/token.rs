//! Checks the token of a request.

use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// Checks the `Authorization` header. The token may be alone or follow `Bearer`, in any case, once or twice: this cannot change
/// which token is meant.
///
/// # Errors
/// What is wrong with the header. The text does not depend on the org, so an unknown org and a wrong token look the same to a client.
pub(super) fn check(headers: &HeaderMap, token: Option<&SecretString>) -> Result<(), &'static str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let given = values.next().map_or(Ok(""), |value| value.to_str());
    let Ok(given) = given else {
        return Err("the Authorization header holds characters that no token has");
    };
    if values.next().is_some() {
        return Err("there are several Authorization headers; send one, with Bearer and the token");
    }
    let given = given.trim();
    if given.is_empty() {
        return Err("the Authorization header is missing; send Bearer and the token of this org");
    }
    let is = |text: &str| {
        token.is_some_and(|token| bool::from(text.as_bytes().ct_eq(token.expose_secret().as_bytes())))
    };
    let mut rest = given;
    let mut bearer = false;
    while let Some(inner) = without_bearer(rest) {
        rest = inner;
        bearer = true;
    }
    if is(given) || is(rest) {
        return Ok(());
    }
    Err(match given.split_whitespace().next() {
        _ if bearer && rest.is_empty() => "there is no token after Bearer",
        Some(scheme) if !bearer && scheme.eq_ignore_ascii_case("Basic") => {
            "the Authorization header has a name and a password (Basic); send Bearer and the token of this org"
        }
        Some(scheme) if !bearer && scheme.len() < given.len() => {
            "the Authorization header has a scheme other than Bearer; send Bearer and the token of this org"
        }
        _ => "the bearer token is not the one in scim_token of this org's settings",
    })
}

/// Text after a separate word `Bearer` or `Bearer:`.
fn without_bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("Bearer".len())?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let apart = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("Bearer") && apart).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[&[u8]]) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = axum::http::HeaderValue::from_bytes(value).unwrap();
            headers.append(header::AUTHORIZATION, value);
        }
        check(&headers, Some(&SecretString::from("s3cret")))
    }

    #[test]
    fn the_token_is_taken_however_it_is_introduced() {
        for text in [
            "Bearer s3cret",
            "bearer s3cret",
            "BEARER   s3cret ",
            "Bearer\ts3cret",
            "Bearer: s3cret",
            "s3cret",
            " s3cret ",
            "Bearer Bearer s3cret",
        ] {
            assert_eq!(given(&[text.as_bytes()]), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_for_what_it_is() {
        for (values, word) in [
            (&[][..], "missing"),
            (&[b"".as_slice()], "missing"),
            (&[b"Bearer"], "no token after Bearer"),
            (&[b"Bearer "], "no token after Bearer"),
            (&[b"Bearer other"], "not the one"),
            (&[b"other"], "not the one"),
            (&[b"Bearers3cret"], "not the one"),
            (&[b"Bearer s3cret x"], "not the one"),
            (&[b"Basic czNjcmV0"], "(Basic)"),
            (&[b"SSWS s3cret"], "other than Bearer"),
            (&[b"Bearer s\xff"], "characters"),
            (&[b"Bearer s3cret", b"Bearer other"], "several"),
        ] {
            let refusal = given(values).unwrap_err();
            assert!(refusal.contains(word), "{values:?}: {refusal}");
        }
        assert!(
            check(
                &HeaderMap::from_iter([(header::AUTHORIZATION, "s3cret".parse().unwrap())]),
                None
            )
            .is_err()
        );
    }
}
