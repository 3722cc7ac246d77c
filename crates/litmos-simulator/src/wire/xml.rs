//! Records as XML.

use super::{Body, Record, Value};

const NAMESPACE: &str = " xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"";

pub(super) fn print(body: &Body<'_>) -> Vec<u8> {
    let mut out = String::new();
    match body {
        Body::One(record) => element(&mut out, record.name, NAMESPACE, &record.fields),
        Body::List { root, items, .. } => {
            out.push_str(&format!("<{root}{NAMESPACE}>"));
            items
                .iter()
                .for_each(|item| element(&mut out, item.name, "", &item.fields));
            out.push_str(&format!("</{root}>"));
        }
        Body::CustomFields(pairs) => {
            out.push_str(&format!("<UserCustomField{NAMESPACE}>"));
            for (name, value) in pairs {
                out.push_str("<Parameter fieldname=\"");
                escape(&mut out, name);
                out.push_str("\">");
                escape(&mut out, value.unwrap_or_default());
                out.push_str("</Parameter>");
            }
            out.push_str("</UserCustomField>");
        }
    }
    out.into_bytes()
}

fn element(out: &mut String, name: &str, attributes: &str, fields: &[(&'static str, Value<'_>)]) {
    out.push_str(&format!("<{name}{attributes}>"));
    for (field, value) in fields {
        match value {
            Value::Null => out.push_str(&format!("<{field} i:nil=\"true\"/>")),
            Value::Text(text) if text.is_empty() => out.push_str(&format!("<{field}/>")),
            Value::Text(text) => {
                out.push_str(&format!("<{field}>"));
                escape(out, text);
                out.push_str(&format!("</{field}>"));
            }
            Value::Bool(flag) => out.push_str(&format!("<{field}>{flag}</{field}>")),
            Value::Int(number) => out.push_str(&format!("<{field}>{number}</{field}>")),
            Value::Number(number) => out.push_str(&format!("<{field}>{number}</{field}>")),
            Value::Record(Record { fields, .. }) => element(out, field, "", fields),
            Value::List(items) => {
                out.push_str(&format!("<{field}>"));
                items
                    .iter()
                    .for_each(|item| element(out, item.name, "", &item.fields));
                out.push_str(&format!("</{field}>"));
            }
        }
    }
    out.push_str(&format!("</{name}>"));
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 cannot contain most control characters.
            control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
}
