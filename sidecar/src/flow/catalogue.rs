//! The flows of a number, by id and by name. Pure.

use std::sync::Arc;

use super::{Flow, Kept, Refused, Status, categories, check_endpoint, check_name};

/// How many flows a number may have.
pub const LIMIT: usize = 200;
/// How long their documents may be together: templates and whatever else the business says need room, too.
pub const MAX_BYTES: usize = 8 << 20;

/// A flow to be created.
#[derive(Clone)]
pub struct Draft {
    /// The only one of this name.
    pub name: String,
    /// What it is for.
    pub categories: Vec<String>,
    /// Where the business answers for it.
    pub endpoint_uri: Option<String>,
    /// Its document.
    pub json: Option<String>,
}

/// The flows of a number, the oldest first; without their documents.
#[derive(Clone, Default)]
pub struct Catalogue(Vec<Arc<Flow>>);

impl Catalogue {
    /// Of flows as they were stored.
    #[must_use]
    pub fn of(flows: impl IntoIterator<Item = Flow>) -> Self {
        let mut flows: Vec<Arc<Flow>> = flows.into_iter().map(Arc::new).collect();
        flows.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Self(flows)
    }

    /// All of them.
    #[must_use]
    pub fn flows(&self) -> &[Arc<Flow>] {
        &self.0
    }

    /// The one with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Flow>> {
        self.0.iter().find(|flow| flow.id == id)
    }

    /// The one of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Flow>> {
        self.0.iter().find(|flow| flow.name == name)
    }

    /// A flow as it would be created under this id.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn draft(&self, draft: Draft, id: String, now_ms: u64) -> Result<Kept, Refused> {
        check_name(&draft.name)?;
        self.check_free(&draft.name, &id)?;
        if self.0.len() >= LIMIT {
            return Err(Refused::Full);
        }
        let mut kept = Kept {
            flow: Flow {
                id,
                name: draft.name,
                status: Status::Draft,
                categories: categories(draft.categories)?,
                endpoint_uri: None,
                application_id: None,
                created_ms: now_ms,
                updated_s: now_ms / 1000,
                json_bytes: None,
                checked: super::Checked::default(),
            },
            json: None,
        };
        if let Some(json) = draft.json {
            self.check_room(&kept.flow.id, json.len())?;
            kept.upload(json, now_ms / 1000)?;
        }
        if let Some(endpoint) = draft.endpoint_uri {
            check_endpoint(&endpoint)?;
            if kept.flow.checked.is_below_3() {
                return Err(Refused::EndpointInJson);
            }
            kept.flow.endpoint_uri = Some(endpoint);
        }
        Ok(kept)
    }

    /// Whether no other flow has this name.
    ///
    /// # Errors
    /// [`Refused::NameTaken`].
    pub fn check_free(&self, name: &str, id: &str) -> Result<(), Refused> {
        match self.by_name(name).is_some_and(|other| other.id != id) {
            true => Err(Refused::NameTaken),
            false => Ok(()),
        }
    }

    /// Whether there is room for a document of this length of that flow.
    ///
    /// # Errors
    /// [`Refused::TooLarge`], [`Refused::TooMuch`].
    pub fn check_room(&self, id: &str, bytes: usize) -> Result<(), Refused> {
        if bytes > super::MAX_JSON_BYTES {
            return Err(Refused::TooLarge);
        }
        let others = self.0.iter().filter(|flow| flow.id != id).filter_map(|flow| flow.json_bytes);
        match others.sum::<usize>() + bytes > MAX_BYTES {
            true => Err(Refused::TooMuch),
            false => Ok(()),
        }
    }

    /// Puts a flow in its place.
    #[must_use]
    pub fn with(&self, flow: Arc<Flow>) -> Self {
        let mut flows = self.0.clone();
        match flows.iter_mut().find(|known| known.id == flow.id) {
            Some(known) => *known = flow,
            None => flows.push(flow),
        }
        Self(flows)
    }

    /// Leaves a flow out.
    #[must_use]
    pub fn without(&self, id: &str) -> Self {
        Self(self.0.iter().filter(|flow| flow.id != id).map(Arc::clone).collect())
    }
}
