//! A scenario as it is written: YAML in, a checked [`Script`] out, or what is wrong and in which line. Pure.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;
use waxseal_consumer::{PhoneNumber, SpamReason};
use waxseal_sidecar::faults::{CODES, Rule, Silent, Webhook};

use super::expect::{Expect, ExpectForm};
use super::forms::{Or, Time};
use crate::consumer::say::{File, Quoted};
use crate::consumer::{Fields, Pick, Say, What};

/// A scenario has no more steps than this, repetitions counted.
const MAX_STEPS: u64 = 100_000;
/// Repetitions within repetitions.
const MAX_DEPTH: usize = 4;
/// How long a scenario may take when it does not say.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How long what is expected may take when nobody says.
const WITHIN: Duration = Duration::from_secs(30);

/// A scenario, understood.
pub(super) struct Script {
    pub(super) name: String,
    /// Whom the consumers write to; the first number of the running `up` when absent.
    pub(super) business: Option<PhoneNumber>,
    pub(super) timeout: Duration,
    pub(super) within: Duration,
    pub(super) faults: Vec<Rule>,
    pub(super) roles: Vec<Role>,
}

/// One consumer, and what it does.
#[derive(Clone)]
pub(super) struct Role {
    pub(super) number: PhoneNumber,
    pub(super) name: Option<String>,
    pub(super) reads: Reads,
    pub(super) steps: Vec<Step>,
}

/// When messages are marked read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reads {
    AtOnce,
    After(Duration),
    Never,
}

/// Something to do, and where it is written.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) line: u64,
    pub(super) act: Act,
}

/// Something to do.
#[derive(Clone)]
pub(super) enum Act {
    Say(Box<Say>),
    Expect(Box<Expect>),
    /// Nothing may come for this long.
    Silence(Duration),
    Wait(Duration),
    Typing,
    Read,
    Played,
    Reads(Reads),
    Offline,
    Online,
    NewIdentity,
    Garbage(u32),
    DamageNext,
    Undecryptable(bool),
    Report(SpamReason),
    Fault(Rule),
    NoFaults,
    RelayOutage(Duration),
    Note(String),
    Repeat {
        times: u32,
        steps: Vec<Step>,
    },
}

impl Act {
    /// Its name in the file.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Say(say) if matches!(say.what, What::Choose { .. }) => "choose",
            Self::Say(_) => "send",
            Self::Expect(_) => "expect",
            Self::Silence(_) => "expect_nothing",
            Self::Wait(_) => "wait",
            Self::Typing => "typing",
            Self::Read => "read",
            Self::Played => "played",
            Self::Reads(_) => "reads",
            Self::Offline => "offline",
            Self::Online => "online",
            Self::NewIdentity => "new_identity",
            Self::Garbage(_) => "garbage",
            Self::DamageNext => "damage_next",
            Self::Undecryptable(_) => "undecryptable",
            Self::Report(_) => "report",
            Self::Fault(_) => "fault",
            Self::NoFaults => "no_faults",
            Self::RelayOutage(_) => "relay_outage",
            Self::Note(_) => "note",
            Self::Repeat { .. } => "repeat",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: Option<String>,
    business: Option<Spanned<String>>,
    timeout: Option<Time>,
    within: Option<Time>,
    #[serde(default)]
    faults: Vec<Spanned<FaultForm>>,
    consumers: Vec<Spanned<RoleForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleForm {
    number: String,
    name: Option<String>,
    reads: Option<Or<Time>>,
    steps: Vec<Spanned<StepForm>>,
}

/// A step is a word, or a word with what belongs to it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StepForm {
    Send(Or<Box<Fields>>),
    Choose(Or<Box<Fields>>),
    Expect(Or<Box<ExpectForm>>),
    ExpectNothing(Time),
    Wait(Time),
    Typing,
    Read,
    Played,
    Reads(Or<Time>),
    Offline,
    Online,
    NewIdentity,
    Garbage(u32),
    DamageNext,
    Undecryptable(bool),
    Report(Reason),
    Fault(FaultForm),
    NoFaults,
    RelayOutage(Time),
    Note(String),
    Repeat(RepeatForm),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    NotRequested,
    NoLongerWanted,
    Spam,
    Offensive,
    Fraud,
    Other,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepeatForm {
    times: u32,
    steps: Vec<Spanned<StepForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultForm {
    api: Option<u32>,
    webhook: Option<Or<u16>>,
    skip: Option<Time>,
    times: Option<u32>,
    share: Option<f64>,
    r#for: Option<Time>,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub(super) struct Wrong {
    line: u64,
    text: String,
}

/// Understands a scenario. Files that it names are looked for beside it.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Script, Wrong> {
    let options = serde_saphyr::options! {
        // Texts that look like numbers must be quoted, as phone numbers do.
        no_schema: true,
        strict_booleans: true,
        with_snippet: false,
    };
    let document: Document = serde_saphyr::from_str_with_options(text, options).map_err(|error| Wrong {
        line: error.location().map_or(1, |location| location.line().max(1)),
        text: explain(&error),
    })?;
    let mut script = Script {
        name: document.name.unwrap_or_else(|| "scenario".to_owned()),
        business: None,
        timeout: document.timeout.map_or(TIMEOUT, |time| time.0),
        within: document.within.map_or(WITHIN, |time| time.0),
        faults: Vec::new(),
        roles: Vec::new(),
    };
    if let Some(business) = document.business {
        script.business = Some(number(&business.value, line_of(&business))?);
    }
    for fault in document.faults {
        let line = line_of(&fault);
        script.faults.push(rule(fault.value, line)?);
    }
    let within = script.within;
    for role in document.consumers {
        let line = line_of(&role);
        let role = role.value;
        let number = number(&role.number, line)?;
        if script.roles.iter().any(|other| other.number == number) {
            return Err(wrong(line, "another consumer has this number already"));
        }
        script.roles.push(Role {
            number,
            name: role.name,
            reads: role.reads.map_or(Ok(Reads::AtOnce), |form| reads(form, line))?,
            steps: Context { within, folder }.steps(role.steps, 0)?,
        });
    }
    if script.roles.is_empty() {
        return Err(wrong(1, "there are no consumers"));
    }
    let steps = script.roles.iter().map(|role| count(&role.steps)).fold(0, u64::saturating_add);
    if steps > MAX_STEPS {
        return Err(wrong(1, &format!("{steps} steps, repetitions counted: there may be {MAX_STEPS}")));
    }
    Ok(script)
}

/// Steps, repetitions counted.
pub(super) fn count(steps: &[Step]) -> u64 {
    steps
        .iter()
        .map(|step| match &step.act {
            Act::Repeat { times, steps } => u64::from(*times).saturating_mul(count(steps)),
            _ => 1,
        })
        .fold(0, u64::saturating_add)
}

fn wrong(line: u64, text: &str) -> Wrong {
    Wrong {
        line,
        text: text.to_owned(),
    }
}

fn line_of<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line().max(1)
}

fn number(text: &str, line: u64) -> Result<PhoneNumber, Wrong> {
    PhoneNumber::parse(text).map_err(|error| wrong(line, &error.to_string()))
}

fn reads(form: Or<Time>, line: u64) -> Result<Reads, Wrong> {
    match form {
        Or::Text(word) if word == "never" => Ok(Reads::Never),
        Or::Text(word) if word == "at_once" => Ok(Reads::AtOnce),
        Or::Text(text) => Time::parse(&text)
            .map(|time| Reads::After(time.0))
            .ok_or_else(|| wrong(line, "reads is at_once, never or a time, such as 2s")),
        Or::Number(seconds) => Ok(Reads::After(Duration::from_secs(seconds))),
        Or::Value(time) => Ok(Reads::After(time.0)),
    }
}

fn rule(form: FaultForm, line: u64) -> Result<Rule, Wrong> {
    let webhook = match form.webhook {
        None => None,
        Some(Or::Number(status)) => match u16::try_from(status) {
            Ok(status @ 300..600) => Some(Webhook::Status(status)),
            _ => return Err(wrong(line, "webhook is a status from 300 to 599, timeout or unreachable")),
        },
        Some(Or::Value(status)) => Some(Webhook::Status(status)),
        Some(Or::Text(word)) => match word.as_str() {
            "timeout" => Some(Webhook::Silent(Silent::Timeout)),
            "unreachable" => Some(Webhook::Silent(Silent::Unreachable)),
            _ => return Err(wrong(line, "webhook is a status from 300 to 599, timeout or unreachable")),
        },
    };
    match (form.api, &webhook) {
        (None, None) if form.skip.is_some() => {
            if form.times.is_some() || form.share.is_some() || form.r#for.is_some() {
                return Err(wrong(line, "time that is skipped has passed: no times, share or for"));
            }
        }
        _ if form.skip.is_some() => return Err(wrong(line, "a fault is one of api, webhook and skip")),
        (Some(code), None) if CODES.contains(&code) => {}
        (Some(_), None) => return Err(wrong(line, &format!("api is one of {CODES:?}"))),
        (None, Some(_)) => {}
        _ => return Err(wrong(line, "a fault is one of api, webhook and skip")),
    }
    if form.share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        return Err(wrong(line, "share is above 0 and at most 1"));
    }
    Ok(Rule {
        api: form.api,
        webhook,
        skip: form.skip.map(|time| time.0.as_secs_f64()),
        times: form.times,
        share: form.share,
        seconds: form.r#for.map(|time| time.0.as_secs_f64()),
    })
}

/// What the steps of a scenario have in common.
struct Context<'a> {
    within: Duration,
    folder: &'a Path,
}

impl Context<'_> {
    fn steps(&self, forms: Vec<Spanned<StepForm>>, depth: usize) -> Result<Vec<Step>, Wrong> {
        let mut steps = Vec::with_capacity(forms.len());
        for form in forms {
            let line = line_of(&form);
            let act = self.act(form.value, line, depth)?;
            steps.push(Step { line, act });
        }
        Ok(steps)
    }

    fn act(&self, form: StepForm, line: u64, depth: usize) -> Result<Act, Wrong> {
        Ok(match form {
            StepForm::Send(Or::Value(fields)) => self.say(*fields, line)?,
            StepForm::Send(form) => {
                let fields = Fields::text(form.text());
                self.say(fields, line)?
            }
            StepForm::Choose(form) => match form {
                Or::Number(number) => choose(Pick::Number(usize::try_from(number).unwrap_or(usize::MAX))),
                Or::Text(title) => choose(Pick::Title(title)),
                Or::Value(mut fields) => {
                    fields.r#type = Some("choose".to_owned());
                    self.say(*fields, line)?
                }
            },
            StepForm::Expect(form) => {
                let form = match form {
                    Or::Value(form) => *form,
                    text => ExpectForm::containing(text.text()),
                };
                Act::Expect(Box::new(form.understand(self.within).map_err(|error| wrong(line, &error))?))
            }
            StepForm::ExpectNothing(time) => Act::Silence(time.0),
            StepForm::Wait(time) => Act::Wait(time.0),
            StepForm::Typing => Act::Typing,
            StepForm::Read => Act::Read,
            StepForm::Played => Act::Played,
            StepForm::Reads(form) => Act::Reads(reads(form, line)?),
            StepForm::Offline => Act::Offline,
            StepForm::Online => Act::Online,
            StepForm::NewIdentity => Act::NewIdentity,
            StepForm::Garbage(count) if (1..=1_000).contains(&count) => Act::Garbage(count),
            StepForm::Garbage(_) => return Err(wrong(line, "garbage is a number from 1 to 1000")),
            StepForm::DamageNext => Act::DamageNext,
            StepForm::Undecryptable(refuse) => Act::Undecryptable(refuse),
            StepForm::Report(reason) => Act::Report(match reason {
                Reason::NotRequested => SpamReason::NotRequested,
                Reason::NoLongerWanted => SpamReason::NoLongerWanted,
                Reason::Spam => SpamReason::Spam,
                Reason::Offensive => SpamReason::Offensive,
                Reason::Fraud => SpamReason::Fraud,
                Reason::Other => SpamReason::Other,
            }),
            StepForm::Fault(form) => Act::Fault(rule(form, line)?),
            StepForm::NoFaults => Act::NoFaults,
            StepForm::RelayOutage(time) => Act::RelayOutage(time.0),
            StepForm::Note(text) => Act::Note(text),
            StepForm::Repeat(_) if depth >= MAX_DEPTH => return Err(wrong(line, "too many repetitions within repetitions")),
            StepForm::Repeat(form) => Act::Repeat {
                times: form.times,
                steps: self.steps(form.steps, depth + 1)?,
            },
        })
    }

    fn say(&self, fields: Fields, line: u64) -> Result<Act, Wrong> {
        let mut say = fields.understand().map_err(|error| wrong(line, &error))?;
        if let What::File(File { path, .. }) = &mut say.what {
            // An absolute path stays what it is.
            *path = self.folder.join(&*path);
            if !path.is_file() {
                return Err(wrong(line, &format!("there is no file {}", path.display())));
            }
        }
        if matches!(say.reply_to, Some(Quoted::Id(_))) {
            return Err(wrong(line, "reply_to is last: nobody knows the ids of messages beforehand"));
        }
        Ok(Act::Say(Box::new(say)))
    }
}

fn choose(pick: Pick) -> Act {
    Act::Say(Box::new(Say {
        what: What::Choose { message_id: None, pick },
        reply_to: None,
    }))
}

fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error {
        E::SerdeUnknownField { field, expected, .. } => format!("unknown member {field}; allowed here: {}", expected.join(", ")),
        E::SerdeUnknownVariant { variant, expected, .. } => format!("there is no {variant} here; allowed: {}", expected.join(", ")),
        E::SerdeMissingField { field, .. } => format!("{field} is missing"),
        E::QuotingRequired { .. } => "a text that looks like a number or a boolean must be in quotes, for example \"+15550123\"".to_owned(),
        other => other.render_with_formatter(&serde_saphyr::UserMessageFormatter),
    }
}

#[cfg(test)]
mod tests;
