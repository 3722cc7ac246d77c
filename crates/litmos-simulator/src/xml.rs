//! Parses the XML that clients send: elements, attributes and text.
//!
//! Supports the five named entities and numeric character references. Document types are refused, as in WCF, so there are
//! no entities to expand. Prefixes of names are removed: no client that works with Litmos needs them. Text after the root
//! element is ignored, because WCF's serializer stops there: one client sends a root element for each of several items.

/// Deepest nesting that is accepted. Litmos's own bodies have three levels.
const DEPTH_MAX: usize = 16;

/// One element with its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// Text directly inside the element, including CDATA.
    pub(crate) text: String,
}

/// Error of invalid or unsupported XML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("there is no element")]
    Empty,
    #[error("the text ends inside {0}")]
    Cut(&'static str),
    #[error("a document type is not allowed")]
    DocumentType,
    #[error("<{open}> is closed by </{close}>")]
    Mismatch { open: String, close: String },
    #[error("</{0}> closes nothing")]
    Stray(String),
    #[error("&{0}; is not known; write &amp; for &")]
    Entity(String),
    #[error("an attribute of <{0}> is malformed")]
    Attribute(String),
    #[error("elements are nested more than {DEPTH_MAX} deep")]
    Depth,
    #[error("`<` is not followed by a name")]
    Name,
}

impl Element {
    /// Parses a document.
    pub(crate) fn parse(text: &str) -> Result<Self, XmlError> {
        Reader { rest: text }.document()
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// True if the element is marked as null.
    pub(crate) fn is_nil(&self) -> bool {
        matches!(self.attribute("nil"), Some("true" | "1"))
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn document(mut self) -> Result<Element, XmlError> {
        let mut open: Vec<Element> = Vec::new();
        while !self.rest.is_empty() {
            let text = self.text_before_markup();
            match open.last_mut() {
                Some(element) => element.text.push_str(&unescaped(text)?),
                None if text.trim().is_empty() => {}
                None => return Err(XmlError::Empty),
            }
            if self.rest.is_empty() {
                break;
            }
            if self.take("<!--") {
                self.until("-->", "a comment")?;
            } else if self.take("<?") {
                self.until("?>", "a processing instruction")?;
            } else if self.take("<![CDATA[") {
                let text = self.until("]]>", "character data")?;
                open.last_mut().ok_or(XmlError::Empty)?.text.push_str(text);
            } else if self.take("<!") {
                return Err(XmlError::DocumentType);
            } else if self.take("</") {
                let close = local(self.until(">", "an end tag")?.trim_end());
                let element = open.pop().ok_or_else(|| XmlError::Stray(close.to_owned()))?;
                if element.name != close {
                    return Err(XmlError::Mismatch {
                        open: element.name,
                        close: close.to_owned(),
                    });
                }
                if let Some(root) = settle(element, &mut open) {
                    return Ok(root);
                }
            } else {
                self.take("<");
                let (element, is_empty) = self.start_tag()?;
                if is_empty {
                    if let Some(root) = settle(element, &mut open) {
                        return Ok(root);
                    }
                } else if open.len() < DEPTH_MAX {
                    open.push(element);
                } else {
                    return Err(XmlError::Depth);
                }
            }
        }
        Err(if open.is_empty() {
            XmlError::Empty
        } else {
            XmlError::Cut("an element")
        })
    }

    /// Parses a start tag up to its `>`. Also returns whether it ended with `/>`.
    fn start_tag(&mut self) -> Result<(Element, bool), XmlError> {
        let name = self.name();
        if name.is_empty() {
            return Err(XmlError::Name);
        }
        let mut element = Element {
            name: local(name).to_owned(),
            ..Element::default()
        };
        loop {
            self.rest = self.rest.trim_start();
            if self.take("/>") {
                return Ok((element, true));
            }
            if self.take(">") {
                return Ok((element, false));
            }
            if self.rest.is_empty() {
                return Err(XmlError::Cut("a tag"));
            }
            let malformed = || XmlError::Attribute(local(name).to_owned());
            let attribute = self.name();
            self.rest = self.rest.trim_start();
            if attribute.is_empty() || !self.take("=") {
                return Err(malformed());
            }
            self.rest = self.rest.trim_start();
            let value = if self.take("\"") {
                self.until("\"", "an attribute")?
            } else if self.take("'") {
                self.until("'", "an attribute")?
            } else {
                return Err(malformed());
            };
            if !attribute.starts_with("xmlns") {
                element
                    .attributes
                    .push((local(attribute).to_owned(), unescaped(value)?));
            }
        }
    }

    fn text_before_markup(&mut self) -> &'t str {
        let (text, rest) = self.rest.split_at(self.rest.find('<').unwrap_or(self.rest.len()));
        self.rest = rest;
        text
    }

    fn name(&mut self) -> &'t str {
        let is_end = |character: char| {
            character.is_whitespace() || matches!(character, '/' | '>' | '=' | '<' | '"' | '\'')
        };
        let (name, rest) = self
            .rest
            .split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    fn take(&mut self, start: &str) -> bool {
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, end: &str, inside: &'static str) -> Result<&'t str, XmlError> {
        let (text, rest) = self.rest.split_once(end).ok_or(XmlError::Cut(inside))?;
        self.rest = rest;
        Ok(text)
    }
}

/// Adds a finished element to its parent. Returns the root element, which has no parent.
fn settle(element: Element, open: &mut [Element]) -> Option<Element> {
    match open.last_mut() {
        Some(around) => {
            around.children.push(element);
            None
        }
        None => Some(element),
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn unescaped(text: &str) -> Result<String, XmlError> {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let unknown = || XmlError::Entity(piece.chars().take(12).collect());
        let (name, after) = piece.split_once(';').ok_or_else(unknown)?;
        out.push(character(name).ok_or_else(unknown)?);
        out.push_str(after);
    }
    Ok(out)
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_elements_attributes_entities_and_character_data_are_read() {
        let text = "\u{20}<?xml version='1.0'?><!-- x --><a:Users xmlns:a='urn:x'><User i:nil=\"true\" b = '&#65;&lt;'/>\
                    <User>x &amp; <![CDATA[<y>]]>&#x42;</User></a:Users>\n";
        let root = Element::parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.children.len()), ("Users", 2));
        assert!(root.children[0].is_nil());
        assert_eq!(root.children[0].attribute("b"), Some("A<"));
        assert_eq!(root.children[1].text, "x & <y>B");
    }

    #[test]
    fn what_is_not_xml_is_refused_by_its_fault() {
        let cases = [
            ("", XmlError::Empty),
            ("{}", XmlError::Empty),
            ("<a>", XmlError::Cut("an element")),
            ("<a", XmlError::Cut("a tag")),
            ("<a><!-- ", XmlError::Cut("a comment")),
            ("</a>", XmlError::Stray("a".to_owned())),
            ("x<a/>", XmlError::Empty),
            ("<a b>x</a>", XmlError::Attribute("a".to_owned())),
            ("<a>&x;</a>", XmlError::Entity("x;".to_owned())),
            ("<a>1 & 2</a>", XmlError::Entity(" 2".to_owned())),
            ("<!DOCTYPE a><a/>", XmlError::DocumentType),
            ("<a>< b/></a>", XmlError::Name),
        ];
        for (text, error) in cases {
            assert_eq!(Element::parse(text), Err(error), "{text}");
        }
        assert_eq!(Element::parse(&"<a>".repeat(40)), Err(XmlError::Depth));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_escaped_text_comes_back(text in "\\PC{0,40}", soup in "[<>/&;a!\\[\\]='\" -]{0,40}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
            prop_assert_eq!(Element::parse(&format!("<a>{escaped}</a>")).unwrap().text, text);
            let _ = Element::parse(&soup);
        }
    }
}
