//! Text with variables in it: `Hi {{1}}` or `Hi {{first_name}}`. Pure.

use std::collections::BTreeSet;

/// Text with variables in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// A variable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `{{1}}`: counted from 1.
    Position(usize),
    /// `{{name}}`.
    Name(String),
}

/// Why text is no pattern. Completes "`text` ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// `{{` without `}}`.
    #[error("has a variable that is not closed with }}}}")]
    Open,
    /// Something else between the braces.
    #[error("has a variable that is neither a number nor lower-case letters, digits and _")]
    Name,
    /// Both kinds in one text.
    #[error("mixes positional and named variables")]
    Mixed,
    /// The positions leave one out.
    #[error("must number its variables {{{{1}}}}, {{{{2}}}} and so on without a gap")]
    Gap,
}

impl Pattern {
    /// Text as it is, braces included.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// Reads text with variables.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(Invalid::Open)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Variable(variable(name.trim())?));
            rest = after;
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let pattern = Self(pieces);
        let (positions, names): (Vec<_>, Vec<_>) = pattern
            .variables()
            .into_iter()
            .partition(|variable| matches!(variable, Variable::Position(_)));
        if !positions.is_empty() && !names.is_empty() {
            return Err(Invalid::Mixed);
        }
        let counted = (1..).zip(&positions).all(|(at, position)| *position == Variable::Position(at));
        if counted { Ok(pattern) } else { Err(Invalid::Gap) }
    }

    /// The variables, each once, positions in their order.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let variables: BTreeSet<_> = self
            .0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Variable(variable) => Some(variable.clone()),
                Piece::Text(_) => None,
            })
            .collect();
        variables.into_iter().collect()
    }

    /// Whether the last thing in it is a variable, and the only one.
    #[must_use]
    pub fn ends_in_its_variable(&self) -> bool {
        self.variables().len() == 1 && matches!(self.0.last(), Some(Piece::Variable(_)))
    }

    /// With the values of `of` in the places of its variables.
    #[must_use]
    pub fn fill<'a>(&'a self, of: impl Fn(&Variable) -> Option<&'a str>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(variable) => filled.push_str(of(variable)?),
            }
        }
        Some(filled)
    }
}

fn variable(name: &str) -> Result<Variable, Invalid> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.parse::<usize>() {
        Ok(at) if at > 0 => Ok(Variable::Position(at)),
        _ if !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(word) => Ok(Variable::Name(name.to_owned())),
        _ => Err(Invalid::Name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_are_found_and_filled() {
        let pattern = Pattern::parse("Hi {{2}}, {{ 1 }} and {{2}}.").unwrap();
        assert!(pattern.variables() == [Variable::Position(1), Variable::Position(2)]);
        let value = |variable: &Variable| match variable {
            Variable::Position(1) => Some("a"),
            _ => Some("{{1}}"),
        };
        assert_eq!(pattern.fill(value).unwrap(), "Hi {{1}}, a and {{1}}.");
        assert_eq!(pattern.fill(|_| None), None);
        assert!(Pattern::parse("https://x/{{1}}").unwrap().ends_in_its_variable());
        assert!(!Pattern::parse("https://x/{{1}}?").unwrap().ends_in_its_variable());
        assert_eq!(Pattern::parse("").unwrap().fill(|_| None).unwrap(), "");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, invalid) in [
            ("{{1", Invalid::Open),
            ("{{}}", Invalid::Name),
            ("{{0}}", Invalid::Name),
            ("{{A}}", Invalid::Name),
            ("{{1a}}", Invalid::Name),
            ("{{1}} {{a}}", Invalid::Mixed),
            ("{{2}}", Invalid::Gap),
            ("{{1}} {{3}}", Invalid::Gap),
        ] {
            assert_eq!(Pattern::parse(text).err(), Some(invalid), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}a1_ x]{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let filled = pattern.fill(|_| Some("")).unwrap();
                prop_assert!(filled.len() <= text.len());
            }
        }

        #[test]
        fn text_without_braces_stays_as_it_is(text in "[^{}]{0,40}") {
            prop_assert_eq!(Pattern::parse(&text).unwrap().fill(|_| None).unwrap(), text);
        }
    }
}
