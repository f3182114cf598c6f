//! From text to the clauses of a query, with `sqlparser` for tokens and expressions; and the text
//! without its literals, for the audit log: a literal can be patient data (PHI-1).

#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's enumerations grow")]

use crate::error::QueryError;
use crate::limits::{AUDIT_TEXT_BYTES_MAX, PARSE_DEPTH_MAX, TEXT_BYTES_MAX};
use crate::names;
use sqlparser::ast::{Expr, Ident, ObjectName, OrderByExpr, Spanned};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Tokenizer, Word};

/// Identifiers are plain; what stands in double quotes is a text, see [`crate::compile`].
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_ascii_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_ascii_alphanumeric() || character == '_'
    }
}

/// What is selected, and its name if it is given one.
pub(crate) type Item = (Expr, Option<Ident>);

/// The clauses of a query.
#[derive(Debug, Default)]
pub(crate) struct Clauses {
    /// `None`: every usual column.
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) from: Option<Ident>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    pub(crate) order_by: Vec<OrderByExpr>,
    pub(crate) limit: Option<Expr>,
}

/// The text, to name places in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a>(pub(crate) &'a str);

/// Something that begins at a place of the text.
pub(crate) trait Placed {
    /// Where it begins.
    fn begin(&self) -> Location;
}

impl Placed for Ident {
    fn begin(&self) -> Location {
        self.span.start
    }
}

impl Placed for Expr {
    fn begin(&self) -> Location {
        self.span().start
    }
}

impl Placed for ObjectName {
    fn begin(&self) -> Location {
        self.span().start
    }
}

impl Source<'_> {
    /// The character, from 1, of a place.
    fn place(self, location: Location) -> usize {
        let number = |number: u64| usize::try_from(number).unwrap_or(0);
        let (line, column) = (number(location.line), number(location.column));
        if line == 0 {
            return self.0.chars().count() + 1;
        }
        let before = self.0.split_inclusive('\n').take(line - 1).map(|line| line.chars().count());
        before.sum::<usize>() + column
    }

    pub(crate) fn error(self, reason: impl Into<String>, placed: &impl Placed) -> QueryError {
        QueryError::text(reason, self.place(placed.begin()))
    }
}

/// Takes a text apart.
pub(crate) fn parse(text: &str) -> Result<Clauses, QueryError> {
    let source = Source(text);
    if text.len() > TEXT_BYTES_MAX {
        return Err(QueryError::Limit { what: "bytes of text", max: TEXT_BYTES_MAX });
    }
    let tokens = Tokenizer::new(&Plain, text).tokenize_with_location().map_err(|error| {
        let is_open = ["Unterminated", "Expected close delimiter"];
        let reason = if is_open.iter().any(|begin| error.message.starts_with(begin)) {
            "a text or comment is not closed"
        } else {
            "this cannot be read"
        };
        QueryError::text(reason, source.place(error.location))
    })?;
    let mut parser = Parser::new(&Plain)
        .with_recursion_limit(PARSE_DEPTH_MAX)
        .with_tokens_with_locations(tokens);
    clauses(&mut parser).map_err(|error| match error {
        ParserError::RecursionLimitExceeded => {
            QueryError::Limit { what: "levels of parentheses", max: PARSE_DEPTH_MAX }
        }
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => {
            let place = source.place(parser.peek_token().span.start);
            QueryError::text(expectation(&message), place_in(&message, source).unwrap_or(place))
        }
    })
}

fn clauses(parser: &mut Parser<'_>) -> Result<Clauses, ParserError> {
    let mut clauses = Clauses::default();
    if parser.parse_keyword(Keyword::SELECT) {
        if !parser.consume_token(&Token::Mul) {
            clauses.items = Some(parser.parse_comma_separated(item)?);
        }
        parser.expect_keyword(Keyword::FROM)?;
        clauses.from = Some(parser.parse_identifier()?);
    } else if parser.parse_keyword(Keyword::FROM) {
        clauses.from = Some(parser.parse_identifier()?);
    } else {
        clauses.filter = Some(parser.parse_expr()?);
    }
    if clauses.from.is_some() && parser.parse_keyword(Keyword::WHERE) {
        clauses.filter = Some(parser.parse_expr()?);
    }
    if parser.parse_keywords(&[Keyword::GROUP, Keyword::BY]) {
        clauses.group_by = parser.parse_comma_separated(Parser::parse_expr)?;
    }
    if parser.parse_keyword(Keyword::HAVING) {
        clauses.having = Some(parser.parse_expr()?);
    }
    if parser.parse_keywords(&[Keyword::ORDER, Keyword::BY]) {
        clauses.order_by = parser.parse_comma_separated(Parser::parse_order_by_expr)?;
    }
    if parser.parse_keyword(Keyword::LIMIT) {
        clauses.limit = Some(parser.parse_expr()?);
    }
    let _optional = parser.consume_token(&Token::SemiColon);
    let rest = parser.peek_token();
    if rest.token == Token::EOF { Ok(clauses) } else { parser.expected("end of the query", rest) }
}

fn item(parser: &mut Parser<'_>) -> Result<Item, ParserError> {
    let expression = parser.parse_expr()?;
    let is_named = parser.parse_keyword(Keyword::AS);
    let alias = if is_named { Some(parser.parse_identifier()?) } else { None };
    Ok((expression, alias))
}

/// What the parser expected, without what it found: that is the caller's text.
fn expectation(message: &str) -> String {
    let expected = message.strip_prefix("Expected: ").and_then(|rest| rest.split(", found").next());
    match expected {
        Some(expected) => format!("expected {expected}"),
        None => "this cannot be read".to_owned(),
    }
}

/// The place at the end of the parser's message.
fn place_in(message: &str, source: Source<'_>) -> Option<usize> {
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(source.place(Location { line: line.parse().ok()?, column: column.parse().ok()? }))
}

/// The text in lower case without literals, comments and unknown names; bounded.
pub(crate) fn without_literals(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let Ok(tokens) = Tokenizer::new(&Plain, text).tokenize() else {
        return "?".to_owned();
    };
    let mut shown = String::new();
    for token in &tokens {
        let piece = match token {
            Token::Whitespace(_) => " ".to_owned(),
            Token::Word(word) => known_word(word),
            Token::Number(..) => "?".to_owned(),
            other => {
                let punctuation = other.to_string();
                let is_plain = punctuation.chars().all(|one| one.is_ascii_punctuation())
                    && !punctuation.contains(['\'', '"']);
                if is_plain { punctuation } else { "?".to_owned() }
            }
        };
        if shown.len() + piece.len() > AUDIT_TEXT_BYTES_MAX {
            shown.push_str("...");
            break;
        }
        if piece != " " || !shown.ends_with(' ') {
            shown.push_str(&piece);
        }
    }
    shown.trim().to_owned()
}

fn known_word(word: &Word) -> String {
    let name = word.value.to_ascii_lowercase();
    let is_keyword = word.keyword != Keyword::NoKeyword;
    let is_known = is_keyword || names::is_known(&name) || crate::functions::is_known(&name);
    if word.quote_style.is_none() && is_known { name } else { "?".to_owned() }
}
