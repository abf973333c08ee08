//! JSON as clients write it.
//!
//! Purpose: reads the members a request is known to have, straight from the text and without a tree in between. Unknown members are passed
//! over, of duplicate members the last counts, `null` is the same as absent, and a value of the wrong kind is remembered as such so that the
//! error can name it. Nesting is skipped without recursion, so its depth costs no stack.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A value that should not be nested.
#[derive(Default)]
pub(super) enum Scalar<'a> {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// A string; borrowed from the request if it has no escapes.
    Text(Cow<'a, str>),
    /// A whole number, as digits: some clients write phone numbers so.
    Integer(String),
    /// `true` or `false`.
    Flag(bool),
    /// Something else.
    Other,
}

impl<'a> Scalar<'a> {
    /// The text, numbers written out. `Ok(None)` if absent.
    ///
    /// # Errors
    /// `()` if it is neither.
    pub(super) fn into_text(self) -> Result<Option<Cow<'a, str>>, ()> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Integer(digits) => Ok(Some(Cow::Owned(digits))),
            Self::Flag(_) | Self::Other => Err(()),
        }
    }

    /// The flag, also as a word. `Ok(None)` if absent.
    ///
    /// # Errors
    /// `()` if it is neither.
    pub(super) fn into_flag(self) -> Result<Option<bool>, ()> {
        match self {
            Self::Absent => Ok(None),
            Self::Flag(flag) => Ok(Some(flag)),
            Self::Text(word) if word == "true" => Ok(Some(true)),
            Self::Text(word) if word == "false" => Ok(Some(false)),
            _ => Err(()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Integer(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Integer(number.to_string()))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Flag(flag))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Absent)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The members an object is known to have.
pub(super) trait Members<'de>: Default {
    /// Takes the value of the member `name` from `map`, which must be asked for exactly one value.
    ///
    /// # Errors
    /// Those of the JSON reader.
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// A value that should be an object.
#[derive(Default)]
pub(super) enum Object<T> {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// The object.
    Is(T),
    /// Something else.
    Other,
}

/// A value that is looked into only where it is needed: its JSON, `None` if it is not there or `null`.
#[derive(Clone, Copy, Default)]
pub(super) struct Raw<'a>(pub(super) Option<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(Some(json).filter(|json| *json != "null")))
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl<'de> Visitor<'de> for Key {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Key)
    }
}

impl<'de, T: Members<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Members<'de>> Visitor<'de> for Any<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = T::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    members.member(&name, &mut map)?;
                }
                Ok(Object::Is(members))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Object::Absent)
            }
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object::Other)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Declares the members of an object, all of which default to absent.
macro_rules! members {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<'a> { $($field:ident: $type:ty = $member:literal,)* }) => {
        $(#[$meta])*
        #[derive(Default)]
        $vis struct $name<'a> { $($field: $type,)* }

        impl<'de: 'a, 'a> $crate::api::json::Members<'de> for $name<'a> {
            fn member<A: serde::de::MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
                match name {
                    $($member => self.$field = map.next_value()?,)*
                    _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                }
                Ok(())
            }
        }
    };
}
pub(crate) use members;

#[cfg(test)]
mod tests {
    use super::*;

    members! {
        struct Inner<'a> { body: Scalar<'a> = "body", }
    }
    members! {
        struct Outer<'a> { to: Scalar<'a> = "to", text: Object<Inner<'a>> = "text", }
    }

    fn outer(json: &str) -> Outer<'_> {
        match serde_json::from_str(json).unwrap() {
            Object::Is(outer) => outer,
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn known_members_are_found_among_all_others() {
        let read = outer(r#"{"x":[[{}]],"text":{"y":null,"body":"hi"},"to":1,"to":"\u0031"}"#);
        assert!(matches!(read.to, Scalar::Text(Cow::Owned(to)) if to == "1"));
        let Object::Is(inner) = read.text else { panic!("no text") };
        assert!(matches!(inner.body, Scalar::Text(Cow::Borrowed("hi"))));
    }

    #[test]
    fn kinds_are_told_apart() {
        for (json, kind) in [
            ("null", "absent"),
            ("\"a\"", "text"),
            ("15550100", "integer"),
            ("-1", "integer"),
            ("1.5", "other"),
            ("1e400", "error"),
            ("true", "flag"),
            ("[1,[2]]", "other"),
            (r#"{"a":{"b":1}}"#, "other"),
        ] {
            let found = match serde_json::from_str(json) {
                Ok(Scalar::Absent) => "absent",
                Ok(Scalar::Text(_)) => "text",
                Ok(Scalar::Integer(_)) => "integer",
                Ok(Scalar::Flag(_)) => "flag",
                Ok(Scalar::Other) => "other",
                Err(_) => "error",
            };
            assert_eq!(found, kind, "{json}");
        }
        for json in ["\"text\"", "7", "-7", "1.5", "true", "[{}]"] {
            assert!(matches!(outer(&format!(r#"{{"text":{json}}}"#)).text, Object::Other), "{json}");
        }
        assert!(matches!(outer(r#"{"text":null}"#).text, Object::Absent));
    }

    #[test]
    fn depth_costs_no_stack() {
        for depth in [1_000, 500_000] {
            let json = format!(
                r#"{{"to":{}{},"x":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth),
                "[".repeat(depth),
                "]".repeat(depth)
            );
            assert!(matches!(outer(&json).to, Scalar::Other));
            assert!(serde_json::from_str::<Object<Outer<'_>>>(&"[".repeat(depth)).is_err());
        }
    }
}
