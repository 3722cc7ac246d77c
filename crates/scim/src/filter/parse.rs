//! Parser for filters and paths: recursive descent with a depth limit.

use super::{AttributePath, Comparison, Filter, Literal, MAX_FILTER_BYTES, MAX_FILTER_DEPTH, ParsedFilter};
use crate::error::{ScimError, ScimType};

impl Filter {
    /// Parses the value of a `filter` parameter, after percent-decoding.
    ///
    /// # Errors
    /// `invalidFilter`, with the expected text and the character position.
    pub fn parse(text: &str) -> Result<ParsedFilter, ScimError> {
        let mut parser = Parser::over(text)?;
        let filter = parser.disjunction(0)?;
        parser.end("expected and, or, or the end; put a value with blanks in double quotes")?;
        Ok(ParsedFilter {
            filter,
            warnings: parser.warnings,
        })
    }
}

impl AttributePath {
    /// Parses the `path` of a PATCH operation, or a key of a value without a path.
    ///
    /// # Errors
    /// `invalidPath`, with the expected text and the character position.
    pub fn parse(text: &str) -> Result<AttributePath, ScimError> {
        let parse = || {
            let mut parser = Parser::over(text)?;
            let path = parser.path(0)?;
            parser.end("expected the end of the path")?;
            Ok(path)
        };
        parse().map_err(|error: ScimError| error.with_type(ScimType::InvalidPath))
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte offset, always on a character boundary.
    at: usize,
    /// True inside `[...]`, where another bracket is not valid SCIM.
    in_brackets: bool,
    warnings: Vec<String>,
}

impl<'a> Parser<'a> {
    fn over(text: &'a str) -> Result<Parser<'a>, ScimError> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(ScimError::invalid_filter(format!(
                "a filter or path of {} bytes is too long; at most {MAX_FILTER_BYTES} are read",
                text.len()
            )));
        }
        Ok(Parser {
            text,
            at: 0,
            in_brackets: false,
            warnings: Vec::new(),
        })
    }

    fn disjunction(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut any = vec![self.conjunction(depth)?];
        while self.word("or") {
            any.push(self.conjunction(depth)?);
        }
        Ok(if any.len() == 1 {
            any.remove(0)
        } else {
            Filter::Or(any)
        })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut all = vec![self.term(depth)?];
        while self.word("and") {
            all.push(self.term(depth)?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Filter::And(all)
        })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, ScimError> {
        if depth >= MAX_FILTER_DEPTH {
            return Err(self.error(&format!("nesting deeper than {MAX_FILTER_DEPTH} is not read")));
        }
        if self.symbol('(') {
            let inner = self.disjunction(depth + 1)?;
            self.require(')')?;
            return Ok(inner);
        }
        if self.negation() {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        let path = self.path(depth)?;
        if self.word("pr") {
            return Ok(Filter::Present(path));
        }
        for comparison in Comparison::ALL {
            if self.word(comparison.as_str()) {
                let value = self.literal()?;
                return Ok(Filter::Compare(path, comparison, value));
            }
        }
        if path.has_selector() && path.part().is_none() {
            return Ok(Filter::Any(path));
        }
        Err(self.error("expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr"))
    }

    fn path(&mut self, depth: usize) -> Result<AttributePath, ScimError> {
        self.blanks();
        let start = self.at;
        let raw = self.name();
        let Some(path) = AttributePath::from_name(raw) else {
            self.at = start;
            return Err(self.error("expected an attribute name"));
        };
        if self.in_brackets || path.part().is_some() || !self.rest().starts_with('[') {
            return Ok(path);
        }
        self.at += 1;
        self.in_brackets = true;
        let selector = self.disjunction(depth + 1);
        self.in_brackets = false;
        let selector = selector?;
        self.require(']')?;
        if !self.rest().starts_with('.') {
            return Ok(path.select(selector, None));
        }
        self.at += 1;
        let part = self.name();
        if part.is_empty() || part.contains(['.', ':']) {
            return Err(self.error("expected the name of a sub-attribute"));
        }
        Ok(path.select(selector, Some(part.to_owned())))
    }

    fn literal(&mut self) -> Result<Literal, ScimError> {
        self.blanks();
        match self.rest().chars().next() {
            Some('"') => return self.quoted().map(Literal::Text),
            Some(open) if let Some(closing) = closing_of(open) => {
                return self.quoted_otherwise(closing).map(Literal::Text);
            }
            _ => {}
        }
        let closing = if self.in_brackets { ']' } else { ')' };
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || c == ')' || c == closing)
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if word.is_empty()
            || ["and", "or", "not"]
                .iter()
                .any(|joint| word.eq_ignore_ascii_case(joint))
        {
            return Err(self.error("expected a value"));
        }
        if word.contains(['"', '(']) || word.ends_with(|c| closing_of(c).is_some()) {
            return Err(
                self.error("the value has a quote or parenthesis in it; put all of it in double quotes")
            );
        }
        self.at += end;
        if word.eq_ignore_ascii_case("true") {
            return Ok(Literal::Boolean(true));
        }
        if word.eq_ignore_ascii_case("false") {
            return Ok(Literal::Boolean(false));
        }
        if word.eq_ignore_ascii_case("null") {
            return Ok(Literal::Null);
        }
        // Digits without quotes may be an id. A number that loses digits would find nobody, so it is read as text.
        if let Ok(serde_json::Value::Number(number)) = serde_json::from_str(word)
            && number.to_string() == word
        {
            return Ok(Literal::Number(number));
        }
        self.warnings.push(format!(
            "the value at character {} is not in double quotes; read as text",
            self.column()
        ));
        Ok(Literal::Text(word.to_owned()))
    }

    /// Parses a JSON string. In an invalid one, only quotes and backslashes count as escaped: `"CORP\mira"` is a login name.
    fn quoted(&mut self) -> Result<String, ScimError> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        for (offset, c) in self.rest().char_indices() {
            match c {
                '"' if !escaped => {
                    let end = self.at + offset + 1;
                    let raw = &self.text[start..end];
                    self.at = end;
                    return Ok(self.unescape(raw));
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        self.at = start;
        Err(self.error("the quote that opens here is never closed"))
    }

    /// Parses a value in other quotes, up to a quote at the end of a word: `'o'hara'` is one name.
    fn quoted_otherwise(&mut self, closing: &[char]) -> Result<String, ScimError> {
        let open = self.rest().chars().next().map_or(0, char::len_utf8);
        let inner = &self.rest()[open..];
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            let after = &inner[at + c.len_utf8()..];
            let ends_word =
                after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || matches!(c, ')' | ']'));
            if closing.contains(&c) && !escaped && ends_word {
                self.at += open + at + c.len_utf8();
                self.warnings.push(format!(
                    "the value before character {} is in quotes that JSON does not know; read as text",
                    self.column()
                ));
                let mut text = inner[..at].to_owned();
                for quote in closing {
                    text = text.replace(&format!("\\{quote}"), &quote.to_string());
                }
                return Ok(text);
            }
            escaped = c == '\\' && !escaped;
        }
        Err(self.error("the quote that opens here is never closed"))
    }

    fn unescape(&mut self, raw: &str) -> String {
        if let Ok(text) = serde_json::from_str(raw) {
            return text;
        }
        self.warnings.push(format!(
            "the text before character {} is no JSON string; read loosely",
            self.column()
        ));
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw[1..raw.len() - 1].chars();
        while let Some(c) = rest.next() {
            match (c, rest.clone().next()) {
                ('\\', Some(next @ ('"' | '\\'))) => {
                    text.push(next);
                    rest.next();
                }
                (c, _) => text.push(c),
            }
        }
        text
    }

    /// Parses `not`, with or without a parenthesis after it, but not an attribute called `not`.
    fn negation(&mut self) -> bool {
        let before = self.at;
        self.blanks();
        if self.name().eq_ignore_ascii_case("not") {
            self.blanks();
            let next = self.rest();
            let attribute = next.split_whitespace().next().is_some_and(|word| {
                word.eq_ignore_ascii_case("pr")
                    || Comparison::ALL
                        .iter()
                        .any(|c| word.eq_ignore_ascii_case(c.as_str()))
            });
            if !attribute {
                return true;
            }
        }
        self.at = before;
        false
    }

    /// Consumes the keyword if it is the next whole word, in any case.
    fn word(&mut self, keyword: &str) -> bool {
        let before = self.at;
        self.blanks();
        if self.name().eq_ignore_ascii_case(keyword) {
            return true;
        }
        self.at = before;
        false
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '-' | '.' | ':');
        let end = rest.find(|c| !part_of_name(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn symbol(&mut self, symbol: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    fn require(&mut self, symbol: char) -> Result<(), ScimError> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(self.error(&format!("expected {symbol:?}")))
        }
    }

    fn end(&mut self, expected: &str) -> Result<(), ScimError> {
        self.blanks();
        if self.rest().is_empty() {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn column(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn error(&self, problem: &str) -> ScimError {
        ScimError::invalid_filter(format!("at character {}: {problem}", self.column()))
    }
}

/// Closing quotes for an opening quote that people and office programs use instead of `"`.
fn closing_of(open: char) -> Option<&'static [char]> {
    match open {
        '\'' => Some(&['\'']),
        '\u{2018}' | '\u{2019}' | '\u{201a}' => Some(&['\u{2018}', '\u{2019}']),
        '\u{201c}' | '\u{201d}' | '\u{201e}' => Some(&['\u{201c}', '\u{201d}']),
        '`' => Some(&['`']),
        _ => None,
    }
}
