//! The full screen: keys and events in, the model drawn. The terminal is given back as it was, also after a panic or a signal.

use std::io::stdout;
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event as Input, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use crossterm::execute;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::tz::TimeZone;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use waxseal_consumer::{Event, Text};

use super::command::{self, Line};
use super::model::Model;
use super::{Chat, PARTING, input, now_ms, output};
use crate::terminal;

/// Messages shown from earlier conversations.
const HISTORY: usize = 500;
/// How often the other side is told that we type.
const TYPING_EVERY: Duration = Duration::from_secs(10);
/// "typing" ends by time, so the screen is drawn now and then.
const REDRAW: Duration = Duration::from_secs(1);

struct Screen {
    chat: Chat,
    model: Model,
    input: input::Input,
    scroll: usize,
    typed_at: Option<Instant>,
    quit: bool,
}

/// Talks until the person leaves.
pub(super) async fn run(chat: Chat) -> anyhow::Result<()> {
    let mut model = Model::new(chat.peer.clone());
    model.load(chat.consumer.history(&chat.peer, HISTORY).await?);
    let mut screen = Screen {
        chat,
        model,
        input: input::Input::default(),
        scroll: 0,
        typed_at: None,
        quit: false,
    };
    let worked = {
        // Also restores from within a panic.
        let mut terminal = ratatui::try_init()?;
        let _restore = Restore;
        execute!(stdout(), EnableBracketedPaste)?;
        screen.work(&mut terminal).await
    };
    let Screen { chat, model, .. } = screen;
    chat.consumer.flush(PARTING).await;
    chat.consumer.close().await;
    if model.pending() > 0 {
        terminal::complain("what the relay does not have yet is sent when you chat again");
    }
    worked
}

/// Gives the terminal back, whatever happens.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        let _nothing_else_to_do = execute!(stdout(), DisableBracketedPaste);
        ratatui::restore();
    }
}

impl Screen {
    async fn work(&mut self, terminal: &mut DefaultTerminal) -> anyhow::Result<()> {
        let zone = TimeZone::system();
        let mut keys = EventStream::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.quit {
            terminal.draw(|frame| super::draw::draw(frame, &self.model, &self.input, &mut self.scroll, &zone, now_ms()))?;
            self.mark_shown().await;
            tokio::select! {
                event = self.chat.consumer.next_event() => {
                    let Some(event) = event else { anyhow::bail!("the conversation ended") };
                    self.event(event);
                }
                key = keys.next() => match key {
                    Some(key) => self.key(key?).await,
                    None => self.quit = true,
                },
                _ = redraw.tick() => {}
                _ = terminate.recv() => self.quit = true,
                _ = hangup.recv() => self.quit = true,
            }
        }
        Ok(())
    }

    /// Takes everything that is there before the next drawing.
    fn event(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            let last = matches!(event, Event::Stopped { .. });
            self.model.apply(event, now_ms());
            next = if last {
                None
            } else {
                self.chat.consumer.next_event().now_or_never().flatten()
            };
        }
    }

    /// What the last drawing showed has been read, unless the person looks at older lines.
    async fn mark_shown(&mut self) {
        if self.scroll == 0 {
            let shown = self.model.take_unread();
            if !shown.is_empty() {
                // Closed: the model has said so.
                let _closed = self.chat.consumer.mark_read(&self.chat.peer, &shown).await;
            }
        }
    }

    async fn key(&mut self, event: Input) {
        match event {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.press(key).await,
            Input::Paste(text) => {
                self.input.insert(&text);
                self.typing().await;
            }
            _ => {}
        }
    }

    async fn press(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let word = control || key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('c') if control => self.quit = true,
            KeyCode::Char('d') if control && self.input.is_empty() => self.quit = true,
            KeyCode::Char('a') if control => self.input.home(),
            KeyCode::Char('e') if control => self.input.end(),
            KeyCode::Char('u') if control => self.input.delete_to_start(),
            KeyCode::Char('k') if control => self.input.delete_to_end(),
            KeyCode::Char('w') if control => self.input.delete_word(),
            KeyCode::Char('b') if word => self.input.word_left(),
            KeyCode::Char('f') if word => self.input.word_right(),
            KeyCode::Char(_) if control => {}
            KeyCode::Char(typed) => {
                self.input.insert(typed.encode_utf8(&mut [0; 4]));
                self.typing().await;
            }
            KeyCode::Enter => {
                let line = self.input.take();
                self.scroll = 0;
                self.line(&line).await;
            }
            KeyCode::Backspace if word => self.input.delete_word(),
            KeyCode::Backspace => self.input.backspace(),
            KeyCode::Delete => self.input.delete(),
            KeyCode::Left if word => self.input.word_left(),
            KeyCode::Right if word => self.input.word_right(),
            KeyCode::Left => self.input.left(),
            KeyCode::Right => self.input.right(),
            KeyCode::Home => self.input.home(),
            KeyCode::End if self.scroll > 0 => self.scroll = 0,
            KeyCode::End => self.input.end(),
            KeyCode::Up => self.input.older(),
            KeyCode::Down => self.input.newer(),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_add(10),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_sub(10),
            _ => {}
        }
    }

    /// Tells the other side that we type a message, not a command, and not at every key.
    async fn typing(&mut self) {
        if self.typed_at.is_some_and(|at| at.elapsed() < TYPING_EVERY) || self.input.is_command() {
            return;
        }
        self.typed_at = Some(Instant::now());
        let _closed = self.chat.consumer.typing(&self.chat.peer).await;
    }

    async fn line(&mut self, line: &str) {
        match command::parse(line) {
            Line::Empty | Line::Typing => {}
            Line::Text(text) => {
                self.typed_at = None;
                match self.chat.consumer.send_text(&self.chat.peer, Text::from(text)).await {
                    Ok(id) => self.model.queued(id, text, now_ms()),
                    Err(error) => self.model.notice(format!("not sent: {error}")),
                }
            }
            Line::React { emoji, message_id } => match message_id.or(self.model.last_incoming()) {
                None => self.model.notice("there is no message to react to yet"),
                Some(target) => match self.chat.consumer.send_reaction(&self.chat.peer, target, Text::from(emoji)).await {
                    Ok(_) => self.model.react(target, emoji, true),
                    Err(error) => self.model.notice(format!("not sent: {error}")),
                },
            },
            Line::Safety => match self.chat.consumer.safety_number(&self.chat.peer).await {
                Ok(Some(digits)) => self.model.notice(format!(
                    "safety number; if the other side sees the same, nobody sits in between:\n{}",
                    output::groups(&digits)
                )),
                Ok(None) => self.model.notice(output::NO_SAFETY_NUMBER),
                Err(error) => self.model.notice(error.to_string()),
            },
            Line::Read(_) => self.model.notice("messages on the screen are marked read by themselves"),
            Line::Help => {
                let lines: Vec<String> = command::COMMANDS.iter().map(|(name, what)| format!("{name:<14}{what}")).collect();
                self.model.notice(format!(
                    "{}\nPgUp, PgDn     scroll; ↑ ↓ bring back what you typed",
                    lines.join("\n")
                ));
            }
            Line::Quit => self.quit = true,
            Line::Wrong(why) => self.model.notice(why),
        }
    }
}
