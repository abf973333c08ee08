//! Licence expressions: `MIT OR (Apache-2.0 WITH LLVM-exception AND ISC)`, and the old form `MIT/Apache-2.0`. Pure.

use std::iter::Peekable;

use anyhow::{Result, bail, ensure};

/// Whether an expression is satisfied when exactly the licences of `allow` are accepted.
pub(crate) fn satisfied(expression: &str, allow: &[String]) -> Result<bool> {
    let words = words(expression);
    let mut words = words.iter().map(String::as_str).peekable();
    let outcome = any(&mut words, allow, 0)?;
    ensure!(words.next().is_none(), "cannot read the licence expression {expression:?}");
    Ok(outcome)
}

fn words(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn any<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allow: &[String], depth: usize) -> Result<bool> {
    let mut outcome = all(words, allow, depth)?;
    while words.next_if_eq(&"OR").is_some() {
        outcome |= all(words, allow, depth)?;
    }
    Ok(outcome)
}

fn all<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allow: &[String], depth: usize) -> Result<bool> {
    let mut outcome = one(words, allow, depth)?;
    while words.next_if_eq(&"AND").is_some() {
        outcome &= one(words, allow, depth)?;
    }
    Ok(outcome)
}

fn one<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allow: &[String], depth: usize) -> Result<bool> {
    ensure!(depth < 32, "a licence expression is nested too deeply");
    match words.next() {
        Some("(") => {
            let outcome = any(words, allow, depth + 1)?;
            ensure!(words.next() == Some(")"), "a licence expression lacks a closing parenthesis");
            Ok(outcome)
        }
        Some(word) if !matches!(word, ")" | "OR" | "AND" | "WITH") => {
            let mut licence = word.to_owned();
            if words.next_if_eq(&"WITH").is_some() {
                let Some(exception) = words.next() else {
                    bail!("a licence expression ends after WITH")
                };
                licence = format!("{licence} WITH {exception}");
            }
            Ok(allow.contains(&licence))
        }
        other => bail!("a licence expression has {other:?} where a licence should be"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str) -> bool {
        let allow = ["MIT", "Apache-2.0", "ISC", "Unicode-3.0"].map(str::to_owned);
        satisfied(expression, &allow).unwrap()
    }

    #[test]
    fn one_accepted_alternative_is_enough_and_every_conjunct_is_needed() {
        assert!(check("MIT"));
        assert!(check("GPL-3.0-only OR MIT"));
        assert!(!check("GPL-3.0-only AND MIT"));
        assert!(check("Unlicense/MIT"));
        assert!(check("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!check("(MIT OR Apache-2.0) AND OpenSSL"));
        assert!(check("GPL-2.0-only OR Apache-2.0 AND ISC"));
    }

    #[test]
    fn an_exception_is_part_of_the_licence() {
        assert!(!check("Apache-2.0 WITH LLVM-exception"));
        assert!(check("Apache-2.0 WITH LLVM-exception OR MIT"));
    }

    #[test]
    fn nonsense_is_refused() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "WITH MIT", "AND", &"(".repeat(100)] {
            assert!(satisfied(expression, &[]).is_err(), "{expression:?}");
        }
    }
}
