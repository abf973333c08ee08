//! From the model to the screen. Pure but for the frame it draws on.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use waxseal_consumer::{Down, MessageId, Status};

use super::command;
use super::input::Input;
use super::model::{Item, Link, Message, Model};
use super::picture::Place;
use super::wrap::{clean, shorten, shorten_front, width, wrap};

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Columns of ` 10:31  ` before an incoming message, and of `  10:31 ✓✓ ` behind one of ours.
const BEFORE: usize = 8;
const BEHIND: usize = 11;

/// A line of the list, and the picture that begins there.
struct Row {
    line: Line<'static>,
    picture: Option<(MessageId, u16, u16)>,
}

impl From<Line<'static>> for Row {
    fn from(line: Line<'static>) -> Self {
        Self { line, picture: None }
    }
}

/// Draws everything. `scroll` is how many lines the list is moved back; what is more than there is gets cut. Returns where there is room for
/// pictures.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, input: &Input, scroll: &mut usize, zone: &TimeZone, now_ms: u64) -> Vec<Place> {
    let [bar, list, typing, line] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    status_bar(frame, bar, model);
    let height = usize::from(list.height);
    let mut lines = list_lines(model, usize::from(list.width), height + *scroll, zone);
    *scroll = (*scroll).min(lines.len().saturating_sub(height));
    let shown = lines.len().min(height);
    let first = lines.len() - shown - *scroll;
    // A short conversation sits above the input line, not at the top.
    let top = list.height.saturating_sub(u16::try_from(shown).unwrap_or(list.height));
    let mut places = Vec::new();
    for (y, row) in (list.y + top..).zip(lines.drain(first..first + shown)) {
        put(frame, list, y, &row.line);
        // One that is not wholly on the screen would be drawn over the rest.
        if let Some((message_id, margin, rows)) = row.picture
            && y.saturating_add(rows) <= list.bottom()
        {
            let x = list.x.saturating_add(margin);
            places.push(Place { message_id, x, y });
        }
    }
    if input.is_command() {
        hint(frame, typing, input);
    } else {
        under_the_list(frame, typing, model, *scroll, now_ms);
    }
    input_line(frame, line, input);
    places
}

fn status_bar(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let (state, colour) = match model.link {
        Link::Connecting => ("connecting…", Color::Yellow),
        Link::Connected => ("connected", Color::Green),
        Link::Reconnecting(Down::RateLimited) => ("waiting for the relay…", Color::Yellow),
        Link::Reconnecting(Down::Untrusted) => ("the relay's certificate is not trusted (--relay-ca)", Color::Red),
        Link::Reconnecting(_) => ("reconnecting… is `waxseal up` running?", Color::Yellow),
        Link::Stopped(_) => ("stopped", Color::Red),
    };
    let columns = usize::from(area.width);
    let number = model
        .peer_name
        .as_ref()
        .map(|_| format!("  {}", model.peer.reveal()))
        .unwrap_or_default();
    let right = format!("● {} ", shorten(state, columns.saturating_sub(4)));
    let left = shorten(
        &format!(" {}{number}", model.peer_label()),
        columns.saturating_sub(width(&right) + 1),
    );
    let gap = columns.saturating_sub(width(&left) + width(&right));
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    let line = Line::from(vec![
        Span::styled(left, bar.add_modifier(Modifier::BOLD)),
        Span::styled(" ".repeat(gap), bar),
        Span::styled(right, bar.fg(colour)),
    ]);
    put(frame, area, area.y, &line);
}

/// A terminal may be too small for everything: what has no room is left out.
fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: &Line<'_>) {
    if (area.y..area.bottom()).contains(&row) {
        frame.buffer_mut().set_line(area.x, row, line, area.width);
    }
}

/// At least the last `wanted` lines of the list, if there are so many; built from the end, so that a long conversation costs no more.
fn list_lines(model: &Model, columns: usize, wanted: usize, zone: &TimeZone) -> Vec<Row> {
    let mut lines: VecDeque<Row> = VecDeque::new();
    let mut later_day: Option<civil::Date> = None;
    for item in model.items.iter().rev() {
        let block: Vec<Row> = match item {
            Item::Notice(text) => notice(text, columns).into_iter().map(Row::from).collect(),
            Item::Message(message) => {
                let (day, time) = local(message.at_ms, zone);
                if let Some(later) = later_day
                    && later != day
                {
                    lines.push_front(day_line(later, columns).into());
                }
                later_day = Some(day);
                if message.status.is_some() {
                    ours(message, &time, columns)
                } else {
                    theirs(message, &time, columns)
                }
            }
        };
        for row in block.into_iter().rev() {
            lines.push_front(row);
        }
        if lines.len() >= wanted {
            return lines.into();
        }
    }
    if let Some(day) = later_day {
        lines.push_front(day_line(day, columns).into());
    }
    lines.into()
}

fn theirs(message: &Message, time: &str, columns: usize) -> Vec<Row> {
    let room = (columns.saturating_sub(BEFORE) * 4 / 5).max(8);
    let mut lines: Vec<Line<'static>> = Vec::new();
    lines.extend(quotation(message, room).map(|quoted| Line::from(Span::styled(format!("{}{quoted}", " ".repeat(BEFORE)), DIM))));
    for (n, text) in wrap(&said(message), room).into_iter().enumerate() {
        let margin = if n == 0 { format!(" {time}  ") } else { " ".repeat(BEFORE) };
        lines.push(Line::from(vec![Span::styled(margin, DIM), Span::raw(text)]));
    }
    let pictured = lines.len();
    if let Some(path) = &message.file {
        let path = shorten_front(&clean(&path.display().to_string()), columns.saturating_sub(BEFORE + 2));
        lines.push(Line::from(Span::styled(format!("{}└ {path}", " ".repeat(BEFORE)), DIM)));
    }
    if let Some(reactions) = reactions(message) {
        lines.push(Line::from(Span::raw(format!("{}{reactions}", " ".repeat(BEFORE)))));
    }
    with_picture(lines, pictured, message, BEFORE)
}

/// Leaves room for the picture of a message before line `at`.
fn with_picture(lines: Vec<Line<'static>>, at: usize, message: &Message, margin: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = lines.into_iter().map(Row::from).collect();
    if let Some((_, height)) = message.picture {
        let margin = u16::try_from(margin).unwrap_or(0);
        let room = (0..height).map(|n| Row {
            line: Line::default(),
            picture: (n == 0).then_some((message.id, margin, height)),
        });
        rows.splice(at..at, room);
    }
    rows
}

fn ours(message: &Message, time: &str, columns: usize) -> Vec<Row> {
    let room = (columns.saturating_sub(BEHIND) * 4 / 5).max(8);
    let texts = wrap(&said(message), room);
    let picture = message.picture.map_or(0, |(columns, _)| usize::from(columns));
    let block = texts.iter().map(|text| width(text)).max().unwrap_or(0).max(picture);
    let margin = " ".repeat(columns.saturating_sub(BEHIND + block));
    let last = texts.len().saturating_sub(1);
    let mut lines: Vec<Line<'static>> = Vec::new();
    lines.extend(quotation(message, block.max(16)).map(|quoted| Line::from(Span::styled(format!("{margin}{quoted}"), DIM))));
    for (n, text) in texts.into_iter().enumerate() {
        let fill = " ".repeat(block.saturating_sub(width(&text)));
        let mut spans = vec![Span::raw(margin.clone()), Span::styled(text, Style::new().fg(Color::Cyan))];
        if n == last {
            let (tick, style) = tick(message.status);
            spans.push(Span::styled(format!("{fill}  {time} "), DIM));
            spans.push(Span::styled(tick, style));
        }
        lines.push(Line::from(spans));
    }
    let pictured = lines.len();
    if let Some(reactions) = reactions(message) {
        lines.push(Line::from(Span::raw(format!("{margin}{reactions}"))));
    }
    with_picture(lines, pictured, message, margin.len())
}

/// What a message answers, on one line.
fn quotation(message: &Message, room: usize) -> Option<String> {
    let quoted = message.quoted.as_deref()?;
    Some(format!("▏{}", shorten(quoted, room.saturating_sub(1))))
}

fn said(message: &Message) -> String {
    let mark = if message.edited { " (edited)" } else { "" };
    format!("{}{mark}", message.text)
}

/// One for the relay, two for the device, blue for the eyes.
fn tick(status: Option<Status>) -> (&'static str, Style) {
    match status {
        None | Some(Status::Pending) => ("…", DIM),
        Some(Status::Sent) => ("✓", DIM),
        Some(Status::Delivered) => ("✓✓", DIM),
        Some(Status::Read | Status::Played) => ("✓✓", Style::new().fg(Color::Blue).add_modifier(Modifier::BOLD)),
        Some(Status::Failed) => ("✗", Style::new().fg(Color::Red)),
    }
}

fn reactions(message: &Message) -> Option<String> {
    let emojis: Vec<&str> = message.reactions.iter().flatten().map(String::as_str).collect();
    (!emojis.is_empty()).then(|| format!("└ {}", emojis.join(" ")))
}

fn notice(text: &str, columns: usize) -> Vec<Line<'static>> {
    let lines = text.split('\n').flat_map(|line| wrap(line, columns.saturating_sub(4)));
    lines
        .map(|line| Line::from(Span::styled(format!("  {line}"), Style::new().fg(Color::Yellow))))
        .collect()
}

fn day_line(day: civil::Date, columns: usize) -> Line<'static> {
    let text = format!("── {} ──", day.strftime("%A, %-d %B %Y"));
    let margin = columns.saturating_sub(width(&text)) / 2;
    Line::from(Span::styled(format!("{}{text}", " ".repeat(margin)), DIM))
}

fn local(at_ms: u64, zone: &TimeZone) -> (civil::Date, String) {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(zone.clone());
    (at.date(), at.strftime("%H:%M").to_string())
}

fn under_the_list(frame: &mut Frame<'_>, area: Rect, model: &Model, scroll: usize, now_ms: u64) {
    let text = if scroll > 0 {
        format!(" ↓ {scroll} lines below (End)")
    } else if model.is_typing(now_ms) {
        format!(" {} is typing…", model.peer_label())
    } else {
        return;
    };
    let line = Line::from(Span::styled(
        shorten(&text, usize::from(area.width)),
        DIM.add_modifier(Modifier::ITALIC),
    ));
    put(frame, area, area.y, &line);
}

/// What the command that is being typed does, or which it may become.
fn hint(frame: &mut Frame<'_>, area: Rect, input: &Input) {
    let text = match command::matching(input.text()).as_slice() {
        [] => " no such command; /help shows all".to_owned(),
        [(name, usage, what)] => format!(" /{name} {usage}  {what}").replace("   ", "  "),
        many => many.iter().map(|(name, ..)| format!(" /{name}")).collect(),
    };
    let line = Line::from(Span::styled(shorten(&text, usize::from(area.width)), DIM));
    put(frame, area, area.y, &line);
}

fn input_line(frame: &mut Frame<'_>, area: Rect, input: &Input) {
    const PROMPT: &str = "› ";
    let columns = usize::from(area.width).saturating_sub(width(PROMPT));
    let (text, cursor) = input.view(columns);
    let rest = if input.is_empty() {
        Span::styled(shorten("write a message, or /help", columns), DIM)
    } else {
        Span::raw(text)
    };
    let line = Line::from(vec![Span::styled(PROMPT, Style::new().fg(Color::Cyan)), rest]);
    put(frame, area, area.y, &line);
    let column = u16::try_from(width(PROMPT) + cursor).unwrap_or(u16::MAX);
    frame.set_cursor_position(Position::new(
        area.x.saturating_add(column).min(area.right().saturating_sub(1)),
        area.y,
    ));
}

#[cfg(test)]
mod tests;
