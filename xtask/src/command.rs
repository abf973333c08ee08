//! Child processes, as lines that a person can paste into a shell to repeat them. Must not know what the commands are for.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

use std::{
    env,
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Prints one line.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is no reason to fail a test run.
    _ = writeln!(out, "{line}");
    _ = out.flush();
}

/// A command line with its extra environment.
#[derive(Clone)]
pub(crate) struct Line {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
}

impl Line {
    pub(crate) fn new<A: Into<String>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
        }
    }

    pub(crate) fn cargo<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::new("cargo", args)
    }

    pub(crate) fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Whether it is `cargo test`.
    pub(crate) fn is_cargo_test(&self) -> bool {
        self.program == "cargo" && self.args.first().is_some_and(|arg| arg == "test")
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// What to paste into a shell to run this again.
    pub(crate) fn shown(&self) -> String {
        let mut words: Vec<String> = self.env.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        words.push(quoted(&self.program));
        words.extend(self.args.iter().map(|word| quoted(word)));
        let line = words.join(" ");
        match &self.dir {
            Some(dir) => format!("(cd {} && {line})", quoted(&dir.display().to_string())),
            None => line,
        }
    }

    fn command(&self) -> Command {
        // The cargo that runs us, not another one further up PATH.
        let program = if self.program == "cargo" {
            env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
        } else {
            self.program.clone().into()
        };
        let mut command = Command::new(program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        // `cargo run` describes this package in the environment; build scripts of others must not see that.
        for (name, _) in env::vars_os().filter(|(name, _)| is_cargo_package_variable(name)) {
            command.env_remove(name);
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Runs it with our standard output and error; an exit code other than 0 is an error.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command().status().with_context(|| format!("cannot start {}", self.program))?;
        if !status.success() {
            bail!("{} ended with {status}", self.program);
        }
        Ok(())
    }

    /// Runs it and returns its standard output.
    pub(crate) fn output(&self) -> Result<Vec<u8>> {
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.program))?;
        if !output.status.success() {
            bail!("{} ended with {}", self.program, output.status);
        }
        Ok(output.stdout)
    }

    /// The first line it prints, if it can be run at all.
    pub(crate) fn first_line(&self) -> Option<String> {
        let output = self
            .command()
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .map(|line| line.trim().to_owned())
    }
}

fn is_cargo_package_variable(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME")
}

/// Whether a program of this name can be found on PATH.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%*".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_line_can_be_pasted() {
        let line = Line::new("cargo", ["test", "-p", "x"]).env("A", "b c").dir(Path::new("/tmp/it's"));
        assert_eq!(line.shown(), r"(cd '/tmp/it'\''s' && A='b c' cargo test -p x)");
        let repeated = Line::new("sh", ["-c", &Line::new("printf", ["%s|", "a b", "", "c'd"]).shown()])
            .output()
            .unwrap();
        assert_eq!(repeated, b"a b||c'd|");
    }

    #[test]
    fn a_failing_child_is_an_error() {
        assert!(Line::new("sh", ["-c", "exit 3"]).run().is_err());
        assert!(Line::new("sh", ["-c", "exit 3"]).first_line().is_none());
        assert!(Line::new("no-such-program-anywhere", [""; 0]).run().is_err());
    }
}
