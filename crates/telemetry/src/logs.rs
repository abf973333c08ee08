//! Where log lines go, and which.

mod rotating;

use std::{
    fmt,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

pub use rotating::RotatingFile;
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::filter_fn,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer, writer::BoxMakeWriter},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

/// The environment variable that says what is logged, for example `warn` or `info,waxseal_sidecar=debug`.
pub const FILTER_VARIABLE: &str = "WAXSEAL_LOG";

/// Where log lines go, and which.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where to.
    pub destination: Destination,
    /// In which form.
    pub format: Format,
    /// The value of [`FILTER_VARIABLE`]; `info` when absent or empty.
    pub filter: Option<String>,
    /// With a file: whether warnings and errors are also shown on standard error, in a form for people.
    pub warnings_on_terminal: bool,
}

impl Settings {
    /// The same with the filter of the environment.
    #[must_use]
    pub fn with_environment(mut self) -> Self {
        self.filter = std::env::var(FILTER_VARIABLE).ok();
        self
    }
}

/// Where log lines go.
#[derive(Clone, Debug, Default)]
pub enum Destination {
    /// Standard error: the way of containers.
    #[default]
    Stderr,
    /// A file `waxseal.log` in this folder, bounded by [`RotatingFile`].
    Folder(PathBuf),
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be understood.
    #[error(
        "{FILTER_VARIABLE} cannot be understood: {0}. Write a level (error, warn, info, debug, trace) or module=level, separated by commas, for example info,waxseal_sidecar=debug"
    )]
    Filter(String),
    /// The log file cannot be opened.
    #[error("the log file in {} cannot be opened: {source}", folder.display())]
    OpenFile {
        /// Where it was to be.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else has set up logging in this process.
    #[error("logging was started twice in one process")]
    AlreadyStarted,
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter is wrong, the file cannot be opened, or logging was started before.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let (writer, colours) = match &settings.destination {
        Destination::Stderr => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
        Destination::Folder(folder) => {
            let file = RotatingFile::open(folder).map_err(|source| Error::OpenFile {
                folder: folder.clone(),
                source,
            })?;
            (BoxMakeWriter::new(file), false)
        }
    };
    let subscriber = subscriber(settings, writer, colours)?;
    // Not `init`: that would also collect the records of the `log` crate, the Signal library's among them.
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::AlreadyStarted)
}

/// A subscriber that writes to `writer`; [`start`] makes it the process's.
///
/// # Errors
/// When the filter is wrong.
pub fn subscriber<W>(settings: &Settings, writer: W, colours: bool) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        Format::Text => layer.with_ansi(colours).boxed(),
        Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let shown = settings.warnings_on_terminal.then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .log_internal_errors(false)
            .event_format(ForPeople)
            .with_filter(LevelFilter::WARN)
    });
    let own = filter_fn(|metadata| is_own(metadata.target()));
    Ok(Registry::default()
        .with(lines.with_filter(filter(settings.filter.as_deref())?))
        .with(shown)
        .with(own))
}

fn filter(text: Option<&str>) -> Result<EnvFilter, Error> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    builder
        .parse(text.unwrap_or_default())
        .map_err(|error| Error::Filter(error.to_string()))
}

/// Whether a log target belongs to one of Waxseal's crates.
fn is_own(target: &str) -> bool {
    target
        .strip_prefix("waxseal")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
}

/// `warning: what happened count=3`.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = if *event.metadata().level() == Level::ERROR {
            "error"
        } else {
            "warning"
        };
        write!(writer, "{level}: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests;
