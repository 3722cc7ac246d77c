//! One response: JSON or XML for a success, `{"Detail":..}` for a refusal of Litmos, an HTML page for a failure outside
//! Litmos's own code.

use crate::effect::Effect;
use crate::model::Refusal;
use crate::wire::{Body, Shape};

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    /// HTTP reason phrase. Litmos repeats the text of a refusal here.
    pub(crate) reason: Option<String>,
    pub(crate) retry_after_seconds: Option<u64>,
    /// Target of a redirect.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) effect: Option<Effect>,
}

impl Reply {
    pub(crate) fn empty(status: u16, effect: Effect) -> Self {
        Self {
            status,
            content_type: None,
            reason: None,
            retry_after_seconds: None,
            location: None,
            body: Vec::new(),
            effect: Some(effect),
        }
    }

    pub(crate) fn with(status: u16, shape: Shape, body: &Body<'_>) -> Self {
        Self {
            status,
            content_type: Some(shape.format.content_type()),
            reason: None,
            retry_after_seconds: None,
            location: None,
            body: shape.print(body),
            effect: None,
        }
    }

    pub(crate) fn and(self, effect: Effect) -> Self {
        Self {
            effect: Some(effect),
            ..self
        }
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        if matches!(
            refusal,
            Refusal::NoSuchEndpoint | Refusal::MethodNotAllowed | Refusal::Unhandled(_)
        ) {
            return html_page(refusal.status());
        }
        let detail = refusal.to_string();
        let body = serde_json::json!({ "Detail": detail }).to_string().into_bytes();
        Self {
            status: refusal.status(),
            content_type: Some("application/json"),
            reason: Some(detail),
            retry_after_seconds: None,
            location: None,
            body,
            effect: None,
        }
    }
}

/// A maintenance page that replaces all other responses.
pub(crate) fn maintenance_page(status: u16) -> Reply {
    let page = "<!DOCTYPE html>\n<html><head><title>Scheduled maintenance</title></head><body>\n\
        <h1>We will be back soon</h1>\n<p>The site is down for maintenance.</p>\n</body></html>\n";
    Reply {
        status,
        content_type: Some("text/html; charset=utf-8"),
        body: page.as_bytes().to_vec(),
        ..html_page(status)
    }
}

/// A redirect.
pub(crate) fn redirect(status: u16, location: String) -> Reply {
    Reply {
        location: Some(location),
        ..html_page(status)
    }
}

/// Error page of the web service framework, padded so that old browsers show it.
pub(crate) fn html_page(status: u16) -> Reply {
    let (title, text) = match status {
        404 => ("Service", "Endpoint not found."),
        405 => ("Service", "Method not allowed."),
        429 | 503 => ("Service Unavailable", "The service is unavailable."),
        _ => (
            "Request Error",
            "The server encountered an error processing the request.",
        ),
    };
    let padding = "x".repeat(700);
    let page = format!(
        "<!DOCTYPE html>\r\n<html>\r\n<head>\r\n<title>{title}</title>\r\n</head>\r\n<body>\r\n<div id=\"content\">\r\n\
         <p class=\"heading1\">{title}</p>\r\n<p>{text} The status is {status}.</p>\r\n</div>\r\n<!-- {padding} -->\r\n\
         </body>\r\n</html>\r\n"
    );
    Reply {
        status,
        content_type: Some("text/html"),
        reason: None,
        retry_after_seconds: None,
        location: None,
        body: page.into_bytes(),
        effect: None,
    }
}
