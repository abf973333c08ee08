//! The full screen: keys and events in, the model drawn. The terminal is given back as it was, also after a panic or a signal.

use std::collections::HashMap;
use std::io::stdout;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event as Input, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use crossterm::execute;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::tz::TimeZone;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use waxseal_consumer::{Body, Event, MessageId};

use super::command::{self, Line};
use super::model::Model;
use super::picture::{self, Picture, Protocol, Shown};
use super::script::text_to_say;
use super::{Chat, PARTING, complete, input, now_ms, output};
use crate::consumer::save::Saved;
use crate::consumer::say::Quoted;
use crate::consumer::talk::home;
use crate::consumer::{Files, Pick, Said, Say, Talk, What, show};
use crate::terminal;

/// Messages shown from earlier conversations.
const HISTORY: usize = 500;
/// Pictures of earlier conversations that are shown again.
const PICTURES: usize = 20;
/// How often the other side is told that we type.
const TYPING_EVERY: Duration = Duration::from_secs(10);
/// "typing" ends by time, so the screen is drawn now and then.
const REDRAW: Duration = Duration::from_secs(1);

struct Screen {
    talk: Talk,
    files: Files,
    saves: bool,
    /// The last message with a file, for `/save`.
    last_file: Option<MessageId>,
    model: Model,
    protocol: Protocol,
    pictures: HashMap<MessageId, Picture>,
    /// Pictures being made ready.
    preparing: JoinSet<(MessageId, Option<Picture>)>,
    input: input::Input,
    scroll: usize,
    typed_at: Option<Instant>,
    quit: bool,
}

/// Talks until the person leaves.
pub(super) async fn run(chat: Chat, saves: bool) -> anyhow::Result<()> {
    let Chat { mut talk, files, .. } = chat;
    let mut model = Model::new(talk.peer.clone());
    let history = talk.consumer.history(&talk.peer, HISTORY).await?;
    let files = Files::new(files);
    // Those that were fetched earlier and are likely to be looked at.
    let known: Vec<(MessageId, PathBuf)> = history
        .iter()
        .rev()
        .filter_map(|entry| {
            files
                .known(entry.message_id, show::files(&entry.body)?)
                .map(|path| (entry.message_id, path))
        })
        .take(PICTURES)
        .collect();
    let mut screen = Screen {
        files,
        saves,
        last_file: None,
        model: {
            for entry in &history {
                talk.remember(entry);
            }
            model.load(history);
            model
        },
        talk,
        protocol: Protocol::detect(|name| std::env::var(name).ok()),
        pictures: HashMap::new(),
        preparing: JoinSet::new(),
        input: input::Input::default(),
        scroll: 0,
        typed_at: None,
        quit: false,
    };
    for (id, path) in known {
        screen.model.saved(id, &path);
        screen.prepare(id, path);
    }
    let worked = {
        // Also restores from within a panic.
        let mut terminal = ratatui::try_init()?;
        let _restore = Restore;
        execute!(stdout(), EnableBracketedPaste)?;
        screen.work(&mut terminal).await
    };
    let Screen { talk, model, .. } = screen;
    talk.consumer.flush(PARTING).await;
    talk.consumer.close().await;
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
        let mut shown = Shown::new(self.protocol);
        while !self.quit {
            self.draw(terminal, &mut shown, &zone)?;
            self.mark_shown().await;
            tokio::select! {
                event = self.talk.consumer.next_event() => {
                    let Some(event) = event else { anyhow::bail!("the conversation ended") };
                    self.event(event);
                }
                key = keys.next() => match key {
                    Some(key) => self.key(key?).await,
                    None => self.quit = true,
                },
                saved = self.files.next(), if !self.files.is_idle() => self.saved(&saved),
                Some(prepared) = self.preparing.join_next(), if !self.preparing.is_empty() => self.prepared(prepared.ok()),
                _ = redraw.tick() => {}
                _ = terminate.recv() => self.quit = true,
                _ = hangup.recv() => self.quit = true,
            }
        }
        shown.end(&mut stdout())?;
        Ok(())
    }

    fn draw(&mut self, terminal: &mut DefaultTerminal, shown: &mut Shown, zone: &TimeZone) -> anyhow::Result<()> {
        let now_ms = now_ms();
        let mut places = Vec::new();
        let mut cleared = false;
        terminal.draw(|frame| places = super::draw::draw(frame, &self.model, &self.input, &mut self.scroll, zone, now_ms))?;
        if shown.must_clear(&places) {
            cleared = true;
            terminal.clear()?;
            terminal.draw(|frame| places = super::draw::draw(frame, &self.model, &self.input, &mut self.scroll, zone, now_ms))?;
        }
        shown.update(&mut stdout(), places, cleared, |id| self.pictures.get(&id))?;
        Ok(())
    }

    /// Makes a file ready to be shown, if the terminal can and it is a picture.
    fn prepare(&mut self, id: MessageId, path: PathBuf) {
        let protocol = self.protocol;
        if protocol == Protocol::None {
            return;
        }
        self.preparing.spawn_blocking(move || {
            let small = path
                .metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= picture::MAX_BYTES);
            let file = if small { std::fs::read(&path).ok() } else { None };
            (id, file.and_then(|file| Picture::of(file, protocol)))
        });
    }

    fn prepared(&mut self, prepared: Option<(MessageId, Option<Picture>)>) {
        if let Some((id, Some(picture))) = prepared
            && self.pictures.len() < 4 * PICTURES
        {
            self.model.pictured(id, (picture.columns, picture.rows));
            self.pictures.insert(id, picture);
        }
    }

    /// Takes everything that is there before the next drawing.
    fn event(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            let last = matches!(event, Event::Stopped { .. });
            if let Event::Message(message) = &event {
                self.talk.arrived(message);
                if message.from == self.talk.peer {
                    self.file(message.message_id, &message.body);
                }
            }
            self.model.apply(event, now_ms());
            next = if last {
                None
            } else {
                self.talk.consumer.next_event().now_or_never().flatten()
            };
        }
    }

    /// What the last drawing showed has been read, unless the person looks at older lines.
    async fn mark_shown(&mut self) {
        if self.scroll == 0 {
            let shown = self.model.take_unread();
            if !shown.is_empty() {
                // Closed: the model has said so.
                let _closed = self.talk.consumer.mark_read(&self.talk.peer, &shown).await;
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
            KeyCode::Tab => {
                if let Some(line) = complete::complete(self.input.text()) {
                    self.input.complete(line);
                }
            }
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
        let _closed = self.talk.consumer.typing(&self.talk.peer).await;
    }

    /// A message with a file: it is fetched, unless the person wants that not.
    fn file(&mut self, id: MessageId, body: &Body) {
        if let Some(media) = show::files(body) {
            self.last_file = Some(id);
            if self.saves {
                self.files.fetch(&self.talk.consumer, id, media, None);
            }
        }
    }

    fn saved(&mut self, saved: &Saved) {
        match &saved.outcome {
            Ok(path) => {
                self.model.saved(saved.message_id, path);
                self.prepare(saved.message_id, path.clone());
            }
            Err(error) => self.model.notice(format!("not saved: {error}")),
        }
    }

    async fn line(&mut self, line: &str) {
        match command::parse(line) {
            Line::Empty | Line::Typing => {}
            Line::Text(text) => {
                self.typed_at = None;
                let say = match self.choice(text).await {
                    Some(say) => say,
                    None => text_to_say(text),
                };
                self.say(say).await;
            }
            Line::Say(say) => self.say(*say).await,
            Line::Save { message_id, path } => self.save(message_id.or(self.last_file), path).await,
            Line::Played(ids) => {
                let ids = if ids.is_empty() {
                    self.last_file.into_iter().collect()
                } else {
                    ids
                };
                let _closed = self.talk.consumer.mark_played(&self.talk.peer, &ids).await;
            }
            Line::Report(reason) => match self.talk.consumer.report_spam(&self.talk.peer, reason).await {
                Ok(counted) => self.model.notice(output::reported(counted)),
                Err(error) => self.model.notice(error.to_string()),
            },
            Line::Safety => match self.talk.consumer.safety_number(&self.talk.peer).await {
                Ok(Some(digits)) => self.model.notice(format!(
                    "safety number; if the other side sees the same, nobody sits in between:\n{}",
                    output::groups(&digits)
                )),
                Ok(None) => self.model.notice(output::NO_SAFETY_NUMBER),
                Err(error) => self.model.notice(error.to_string()),
            },
            Line::Read(_) => self.model.notice("messages on the screen are marked read by themselves"),
            Line::Help => {
                let lines: Vec<String> = command::COMMANDS
                    .iter()
                    .map(|(name, usage, what)| format!("{:<26}{what}", format!("/{name} {usage}")))
                    .collect();
                self.model.notice(format!(
                    "{}\n//text                    send a text that begins with a slash\nTab completes commands and files; PgUp, PgDn scroll; ↑ ↓ bring back what you typed",
                    lines.join("\n")
                ));
            }
            Line::Quit => self.quit = true,
            Line::Wrong(why) => self.model.notice(why),
        }
    }

    /// A number alone chooses, while the newest message offers so many.
    async fn choice(&self, text: &str) -> Option<Say> {
        let number = text
            .parse::<usize>()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let offered = self.talk.offered().await.ok()?;
        (1..=offered.len()).contains(&number).then(|| Say {
            what: What::Choose {
                message_id: None,
                pick: Pick::Number(number),
            },
            reply_to: None,
        })
    }

    async fn say(&mut self, say: Say) {
        let quoted = match say.reply_to {
            Some(Quoted::Id(id)) => Some(id),
            Some(Quoted::Last) => self.talk.last_incoming(),
            None => None,
        };
        let path = match &say.what {
            What::File(file) => Some(home(&file.path)),
            _ => None,
        };
        match self.talk.say(say).await {
            Ok(Said::Sent { id, body }) => {
                self.model.queued(id, *body, quoted, now_ms());
                if let Some(path) = path {
                    self.prepare(id, path);
                }
            }
            Ok(Said::Shown(text)) => self.model.notice(text),
            Err(error) => self.model.notice(format!("not sent: {error:#}")),
        }
    }

    async fn save(&mut self, message_id: Option<MessageId>, path: Option<PathBuf>) {
        let body = match message_id {
            Some(id) => self.talk.body(id).await.ok().flatten(),
            None => None,
        };
        match (message_id, body.as_ref().and_then(show::files)) {
            (Some(id), Some(media)) => self.files.fetch(&self.talk.consumer, id, media, path.map(|path| home(&path))),
            _ => self.model.notice("there is no file to save"),
        }
    }
}
