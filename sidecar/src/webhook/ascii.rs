//! JSON in the form that every receiver's signature check survives.
//!
//! Purpose: compact JSON in pure ASCII. Characters outside it are written as `\uXXXX` in lowercase, astral ones as surrogate pairs; `/` and
//! `@` stay plain. Receivers that hash the raw bytes, ones that escape again before they hash, and (for ASCII text) ones that parse and
//! serialize again all compute the same signature. DEL counts as outside, since the escaping receivers' pattern ends at `~`. Pure.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use zeroize::Zeroizing;

/// Writes a value. Wiped when dropped, as bodies hold content.
///
/// # Errors
/// Those of the value's own `Serialize`; none for the types of this crate.
pub fn to_vec<T: Serialize>(value: &T) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(1024));
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *body, Ascii))?;
    Ok(body)
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.bytes().position(|byte| byte >= 0x7f) {
            let (plain, other) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = other.chars();
            if let Some(char) = chars.next() {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        String::from_utf8(to_vec(&text).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_escapes_that_signatures_depend_on() {
        for (text, json) in [
            ("plain / @ text", r#""plain / @ text""#),
            ("Grüße", r#""Gr\u00fc\u00dfe""#),
            ("👋🏽", r#""\ud83d\udc4b\ud83c\udffd""#),
            ("\u{7f}\u{80}", r#""\u007f\u0080""#),
            ("\"\\\u{8}\u{c}\n\r\t\u{1f}\u{0}", r#""\"\\\b\f\n\r\t\u001f\u0000""#),
            ("\u{2028}\u{feff}\u{10ffff}", r#""\u2028\ufeff\udbff\udfff""#),
            ("~é~", r#""~\u00e9~""#),
            ("", r#""""#),
        ] {
            assert_eq!(written(text), json);
        }
    }

    proptest! {
        #[test]
        fn ascii_only_and_the_same_when_read_back(text in any::<String>()) {
            let json = written(&text);
            prop_assert!(json.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn names_of_members_are_escaped_too(name in any::<String>(), value in any::<String>()) {
            let object = serde_json::json!({ name: [value] });
            let json = to_vec(&object).unwrap();
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), object);
        }

        /// Receivers that parse and serialize again get the same bytes for what is printable ASCII.
        #[test]
        fn naive_receivers_agree_on_ascii(text in "[ -~]*") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
