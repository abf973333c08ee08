//! Reading the YAML files that `--file` names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use waxseal_crds::{DeclaredNumber, documents, resolve};

/// All numbers that the files declare together; all that is wrong with them in one error.
pub(super) fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<DeclaredNumber>> {
    let mut objects = Vec::new();
    let mut wrong = Vec::new();
    for path in files(paths)? {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).with_context(|| format!("{name} cannot be read"))?;
        match documents(&name, &text) {
            Ok(more) => objects.extend(more),
            Err(errors) => wrong.extend(errors.iter().map(ToString::to_string)),
        }
    }
    if !wrong.is_empty() {
        bail!(list("the YAML cannot be used:", &wrong));
    }
    let numbers = resolve(&objects).map_err(|problems| {
        anyhow::anyhow!(list(
            "the YAML cannot be used:",
            &problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        ))
    })?;
    if numbers.is_empty() {
        bail!("the files declare no BusinessPhoneNumber; docs/samples/local.yaml shows one");
    }
    Ok(numbers)
}

fn list(head: &str, lines: &[String]) -> String {
    let mut text = head.to_owned();
    for line in lines {
        text.push_str("\n  - ");
        text.push_str(line);
    }
    text
}

/// The files, those of folders in the order of their names.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).with_context(|| format!("the folder {} cannot be read", path.display()))? {
            let file = entry
                .with_context(|| format!("the folder {} cannot be read", path.display()))?
                .path();
            if is_yaml(&file) && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            bail!("the folder {} has no *.yaml or *.yml file", path.display());
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples");

    #[test]
    fn the_samples_load_as_file_and_as_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(format!("{SAMPLES}/local.yaml"), folder.path().join("local.yaml")).unwrap();
        // What is written for a cluster can be tried out on a laptop first.
        let files = ["local.yaml", "cluster.yaml"].map(|file| PathBuf::from(format!("{SAMPLES}/{file}")));
        for path in files.into_iter().chain([folder.path().to_owned()]) {
            let numbers = load(std::slice::from_ref(&path)).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            assert!(numbers.iter().any(|number| number.phone_number == "+15550111"));
        }
    }

    #[test]
    fn everything_wrong_is_in_one_message() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), "kind: Nothing\n---\nkind: Secret\n").unwrap();
        fs::write(folder.path().join("b.yml"), "x: [").unwrap();
        fs::write(folder.path().join("c.txt"), "not read").unwrap();
        let text = load(&[folder.path().to_owned()]).err().unwrap().to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.contains("a.yaml, document 2, line 3") && text.contains("b.yml, document 1"),
            "{text}"
        );
    }

    #[test]
    fn no_file_no_yaml_and_no_number_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: PathBuf| format!("{:#}", load(&[path]).err().unwrap());
        assert!(said(folder.path().join("gone.yaml")).contains("gone.yaml cannot be read"));
        assert!(said(folder.path().to_owned()).contains("has no *.yaml"));
        fs::write(folder.path().join("empty.yaml"), "# nothing\n").unwrap();
        assert!(said(folder.path().to_owned()).contains("declare no BusinessPhoneNumber"));
    }
}
