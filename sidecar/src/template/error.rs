//! Why a template message cannot be sent.

use std::fmt;

use crate::message::template::Fault;

/// Why a template message cannot be sent. Says which part and which rule, never what a parameter said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody has registered it.
    #[error("There is no template of this name. Register it with POST /{{account}}/message_templates.")]
    UnknownName,
    /// It is there in other languages only.
    #[error("The template exists, but not in this language.")]
    UnknownLanguage,
    /// It may not be sent yet, or not any more.
    #[error("The template is not approved.")]
    NotApproved,
    /// It is paused.
    #[error("The template is paused. POST /{{template}}/unpause lets it be sent again.")]
    Paused,
    /// It is disabled.
    #[error("The template is disabled.")]
    Disabled,
    /// Too few or too many parameters.
    #[error("{part}: number of parameters ({given}) does not match the number of variables of the template ({expected}).")]
    Count {
        /// Where.
        part: Place,
        /// How many there are.
        given: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A named variable has no parameter of its name.
    #[error("{0}: a parameter_name is none of the template's variables, or occurs twice.")]
    Name(Place),
    /// A parameter of another kind than the template has there.
    #[error("{part}: format mismatch, expected {expected}.")]
    Format {
        /// Where.
        part: Place,
        /// What belongs there.
        expected: &'static str,
    },
    /// A button that needs a parameter has none.
    #[error("button at index {0} requires a parameter.")]
    ButtonParameter(usize),
    /// The template has no such button.
    #[error("button at index {0}: the template has no such button of this sub_type that takes a parameter.")]
    UnknownButton(usize),
    /// A component that templates here do not have.
    #[error("components: only header, body and button are served.")]
    UnknownComponent,
    /// Two components for one part.
    #[error("{0}: given more than once.")]
    Twice(Place),
    /// Too long once filled in.
    #[error("{part}: longer than {limit} characters once the parameters are filled in.")]
    TooLong {
        /// Where.
        part: Place,
        /// How long it may be.
        limit: usize,
    },
    /// Characters that a parameter may not have.
    #[error("{0}: parameters must not contain line breaks, tabs or more than four spaces in a row.")]
    Characters(Place),
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Above the body.
    Header,
    /// The message itself.
    Body,
    /// A button, counted from 0.
    Button(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Body => f.write_str("body"),
            Self::Button(index) => write!(f, "button at index {index}"),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            details: error.to_string().into(),
        }
    }
}

impl Error {
    /// The Graph error code.
    #[must_use]
    pub(super) const fn code(self) -> u32 {
        match self {
            Self::UnknownName | Self::UnknownLanguage | Self::NotApproved => 132_001,
            Self::Paused => 132_015,
            Self::Disabled => 132_016,
            Self::Count { .. } | Self::Name(_) => 132_000,
            Self::Format { .. } | Self::UnknownButton(_) | Self::UnknownComponent | Self::Twice(_) => 132_012,
            Self::ButtonParameter(_) => 131_008,
            Self::TooLong { .. } => 132_005,
            Self::Characters(_) => 132_007,
        }
    }
}
