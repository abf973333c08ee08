//! The tables of values in the charts' READMEs, from the comments of `values.yaml` that begin with `# --`.
//!
//! No YAML parser: these files are ours, and one line of theirs is one value. Values that are lists or maps are written in one line, too.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

/// Where the table stands in a README.
const BEGIN: &str = "<!-- values: generated from values.yaml by `cargo xtask gen` -->";
const END: &str = "<!-- end of values -->";
const CHARTS: [&str; 2] = ["charts/waxseal", "charts/waxseal-crds"];

/// Writes the tables into the READMEs.
pub(super) fn run(root: &Path) -> Result<()> {
    for chart in CHARTS {
        let path = root.join(chart).join("README.md");
        let text = updated(&root.join(chart))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A chart's README with the table that its values make.
fn updated(chart: &Path) -> Result<String> {
    let read = |name: &str| {
        let path = chart.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let readme = read("README.md")?;
    let (before, rest) = readme.split_once(BEGIN).context("the README has no place for the values")?;
    let (_, after) = rest.split_once(END).context("the place for the values has no end in the README")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(&read("values.yaml")?)?))
}

/// A row for every documented value. A value that says nothing about itself is an error.
fn table(values_yaml: &str) -> Result<String> {
    let mut rows = String::from("| Value | Default | What it is |\n| --- | --- | --- |\n");
    // Names that lead to the line at hand, each with its indentation.
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut told: Option<String> = None;
    for line in values_yaml.lines() {
        let text = line.trim_start();
        let indentation = line.len() - text.len();
        if let Some(first) = text.strip_prefix("# -- ") {
            told = Some(first.to_owned());
        } else if let Some(more) = text.strip_prefix('#') {
            if let Some(told) = &mut told {
                told.push(' ');
                told.push_str(more.trim());
            }
        } else if let Some((name, value)) = text.split_once(':') {
            path.retain(|(outer, _)| *outer < indentation);
            path.push((indentation, name));
            let full = path.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(".");
            let value = value.trim();
            match told.take() {
                Some(told) if value.is_empty() => rows.push_str(&format!("| `{full}` | | {} |\n", escaped(&told))),
                Some(told) => rows.push_str(&format!("| `{full}` | `{}` | {} |\n", escaped(value), escaped(&told))),
                None => ensure!(value.is_empty(), "`{full}` has no comment that begins with `# -- `"),
            }
        } else {
            ensure!(text.is_empty(), "a value has to be on one line: `{text}`");
        }
    }
    Ok(rows)
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_rows() {
        let values = "# About the file.\n\nimage:\n  # -- Where from,\n  # and more.\n  prefix: ghcr.io/a|b\n\n# -- All of it.\ntrial:\n  # -- On.\n  enabled: false\n";
        assert_eq!(
            table(values).unwrap(),
            "| Value | Default | What it is |\n| --- | --- | --- |\n\
             | `image.prefix` | `ghcr.io/a\\|b` | Where from, and more. |\n\
             | `trial` | | All of it. |\n\
             | `trial.enabled` | `false` | On. |\n"
        );
    }

    #[test]
    fn a_value_has_to_say_what_it_is() {
        assert!(table("a: 1\n").unwrap_err().to_string().contains("`a`"));
        assert!(table("# -- A list.\na:\n  - 1\n").is_err());
    }

    #[test]
    fn kept_tables_are_those_of_the_values() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        for chart in CHARTS {
            let kept = fs::read_to_string(root.join(chart).join("README.md")).unwrap();
            assert!(
                kept == updated(&root.join(chart)).unwrap(),
                "{chart}/README.md is out of date: run `cargo xtask gen`"
            );
        }
    }
}
