//! The templates of a number: by id, and by name and language. Pure.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Call, Category,
    check::{self, Fault},
    definition::{Entry, ParameterFormat, Status},
    error::Error,
};

/// How many templates a number may have, each language counted.
pub const LIMIT: usize = 1000;

/// A template to be registered.
pub struct Draft {
    /// Lower-case letters, digits and `_`.
    pub name: String,
    /// For example `en_US`.
    pub language: String,
    /// What it is for.
    pub category: Category,
    /// How variables are written, if that is said.
    pub parameter_format: Option<ParameterFormat>,
    /// Header, body, footer, buttons.
    pub components: Vec<Value>,
    /// How long a message made from it is worth delivering.
    pub message_send_ttl_seconds: Option<i64>,
    /// A word of the business's own.
    pub sub_category: Option<String>,
}

/// What is to change about a template. What is absent stays.
#[derive(Default)]
pub struct Edit {
    /// What it is for.
    pub category: Option<Category>,
    /// All of them, anew.
    pub components: Option<Vec<Value>>,
    /// How variables are written.
    pub parameter_format: Option<ParameterFormat>,
    /// How long a message made from it is worth delivering.
    pub message_send_ttl_seconds: Option<i64>,
    /// Whether it may be sent.
    pub status: Option<Status>,
}

/// Why a template was not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Something about it is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is one of this name in this language.
    #[error("There is a template of this name in this language already; edit or delete it.")]
    Exists,
    /// There are as many as there may be.
    #[error("There are {LIMIT} templates already, which is as many as there may be.")]
    Full,
    /// There is none of this id.
    #[error("There is no template of this id.")]
    Unknown,
}

/// The templates of a number, the oldest first.
#[derive(Clone, Default)]
pub struct Catalogue(Vec<Arc<Entry>>);

impl Catalogue {
    /// Of entries as they were stored. Those that a newer build wrote and this one cannot read are left out.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut read: Vec<Arc<Entry>> = entries.into_iter().filter_map(restored).map(Arc::new).collect();
        read.sort_by(|a, b| (a.created_s, &a.id).cmp(&(b.created_s, &b.id)));
        Self(read)
    }

    /// All of them.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.0
    }

    /// The one with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Entry>> {
        self.0.iter().find(|entry| entry.id == id)
    }

    /// The one a message asks for: of this name in exactly this language.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::UnknownLanguage`].
    pub(super) fn find(&self, call: &Call) -> Result<&Arc<Entry>, Error> {
        let wanted = call.language.replace('-', "_");
        let mut known = false;
        for entry in self.0.iter().filter(|entry| entry.name == call.name) {
            if entry.language.eq_ignore_ascii_case(&wanted) {
                return Ok(entry);
            }
            known = true;
        }
        Err(if known { Error::UnknownLanguage } else { Error::UnknownName })
    }

    /// A template as it would be registered under this id.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn draft(&self, draft: Draft, id: String, now_s: u64) -> Result<Entry, Refused> {
        check::name(&draft.name)?;
        check::language(&draft.language)?;
        if let Some(seconds) = draft.message_send_ttl_seconds {
            check::time_to_live(draft.category, seconds)?;
        }
        let taken = |entry: &Arc<Entry>| entry.name == draft.name && entry.language.eq_ignore_ascii_case(&draft.language);
        if self.0.iter().any(taken) {
            return Err(Refused::Exists);
        }
        if self.0.len() >= LIMIT {
            return Err(Refused::Full);
        }
        let checked = check::components(draft.category, &draft.language, draft.parameter_format, &draft.components)?;
        Ok(Entry {
            id,
            name: draft.name,
            language: draft.language,
            category: draft.category,
            previous_category: None,
            // Nobody reviews it.
            status: Status::Approved,
            parameter_format: checked.parameter_format,
            components: checked.components,
            message_send_ttl_seconds: draft.message_send_ttl_seconds,
            sub_category: draft.sub_category,
            created_s: now_s,
            updated_s: now_s,
            definition: checked.definition,
        })
    }

    /// A template as it would be once changed.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn edited(&self, id: &str, edit: Edit, now_s: u64) -> Result<Entry, Refused> {
        let mut entry = self.by_id(id).ok_or(Refused::Unknown)?.as_ref().clone();
        if let Some(category) = edit.category.filter(|category| *category != entry.category) {
            entry.previous_category = Some(entry.category);
            entry.category = category;
        }
        if let Some(seconds) = edit.message_send_ttl_seconds {
            entry.message_send_ttl_seconds = Some(seconds);
        }
        if let Some(seconds) = entry.message_send_ttl_seconds {
            check::time_to_live(entry.category, seconds)?;
        }
        let is_new = edit.components.is_some();
        // What was stored decides how variables are written only while it stays.
        let format = edit.parameter_format.or((!is_new).then_some(entry.parameter_format));
        let components = edit.components.unwrap_or_else(|| std::mem::take(&mut entry.components));
        let checked = check::components(entry.category, &entry.language, format, &components)?;
        entry.updated_s = now_s;
        entry.components = checked.components;
        entry.parameter_format = checked.parameter_format;
        entry.definition = checked.definition;
        match edit.status {
            Some(status) => entry.status = status,
            // What was found wanting has been mended.
            None if is_new && entry.status == Status::Rejected => entry.status = Status::Approved,
            None => {}
        }
        Ok(entry)
    }

    /// Puts a template in its place.
    #[must_use]
    pub fn with(&self, entry: Arc<Entry>) -> Self {
        let mut entries = self.0.clone();
        match entries.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
        Self(entries)
    }

    /// Leaves a template out.
    #[must_use]
    pub fn without(&self, id: &str) -> Self {
        Self(self.0.iter().filter(|entry| entry.id != id).map(Arc::clone).collect())
    }
}

fn restored(mut entry: Entry) -> Option<Entry> {
    let checked = check::components(entry.category, &entry.language, Some(entry.parameter_format), &entry.components);
    match checked {
        Ok(checked) => {
            entry.definition = checked.definition;
            Some(entry)
        }
        Err(_) => {
            tracing::warn!(template = %entry.id, "a stored template cannot be read by this build; it is left out");
            None
        }
    }
}
