//! Forms of values in scenarios: times, and values that may also be written as a plain word or number.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// No time in a scenario is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A time: `2s`, `500ms`, `1m`, `1h`, or a number of seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time(pub(super) Duration);

impl Time {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let count: f64 = count.parse().ok()?;
        let seconds = match unit.trim() {
            "ms" => count / 1_000.0,
            "" | "s" => count,
            "m" => count * 60.0,
            "h" => count * 3_600.0,
            _ => return None,
        };
        let time = Duration::try_from_secs_f64(seconds).ok()?;
        (time <= LONGEST).then_some(Self(time))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;
        impl Visitor<'_> for Times {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2s, 500ms or 1m, at most a day")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                Time::parse(text).ok_or_else(|| E::custom("a time such as 2s, 500ms or 1m, at most a day"))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
                self.visit_str(&seconds.to_string())
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Time, E> {
                self.visit_str(&seconds.to_string())
            }
        }
        deserializer.deserialize_any(Times)
    }
}

/// A value, or a text or number that stands for one.
pub(super) enum Or<T> {
    Text(String),
    Number(u64),
    Value(T),
}

impl<T> Or<T> {
    /// Of what is no value.
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Value(_) => String::new(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Or<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Or<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or members")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Or<T>, E> {
                Ok(Or::Text(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Or<T>, E> {
                Ok(Or::Number(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Or<T>, E> {
                u64::try_from(number).map(Or::Number).map_err(|_| E::custom("a number above 0"))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Or<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Or::Value)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        for (text, ms) in [
            ("2s", 2_000),
            ("500ms", 500),
            ("1m", 60_000),
            ("1.5s", 1_500),
            ("3", 3_000),
            ("1h", 3_600_000),
            ("2 s", 2_000),
        ] {
            assert_eq!(Time::parse(text), Some(Time(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "s", "2d", "-1s", "25h", "1..5s", "1e9", "soon"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
