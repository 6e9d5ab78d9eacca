//! Names of repositories and projects.

use std::fmt;
use std::str::FromStr;

/// The longest repository name, in characters, so that `host:port/name` stays within 255
/// for ordinary hosts (distribution-spec, "Pulling manifests").
const LONGEST_REPOSITORY_NAME: usize = 255;

/// Why a string is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It does not follow the grammar.
    #[error(
        "invalid name: use lower-case letters and digits, separated by '.', '_', '__', '-' or '/'"
    )]
    Malformed,
    /// It is longer than 255 characters.
    #[error("invalid name: longer than 255 characters")]
    TooLong,
    /// It has no slash, so it names no project.
    #[error("invalid name: a repository lives in a project; use <project>/<repository>")]
    NoProject,
}

/// A path component: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (distribution-spec).
fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|b| alphanumeric(**b)).count();
        if word == 0 {
            return false;
        }
        at += word;
        match &bytes[at..] {
            [] => return true,
            [b'_', b'_', ..] => at += 2,
            [b'.' | b'_', ..] => at += 1,
            [b'-', rest @ ..] => at += 1 + rest.iter().take_while(|b| **b == b'-').count(),
            _ => return false,
        }
    }
}

/// A repository's full name, `<project>/<path>`, following the distribution spec's grammar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the project the repository lives in: the first path component.
    pub fn project(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(project, _)| project)
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.len() > LONGEST_REPOSITORY_NAME {
            return Err(NameError::TooLong);
        }
        if !name.split('/').all(is_component) {
            return Err(NameError::Malformed);
        }
        if !name.contains('/') {
            return Err(NameError::NoProject);
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A project's name: `[a-z0-9]+(?:[._-][a-z0-9]+)*`, 1 to 255 characters, as Harbor has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.len() > LONGEST_REPOSITORY_NAME {
            return Err(NameError::TooLong);
        }
        let word = |w: &str| {
            !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if name.split(['.', '_', '-']).all(word) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NameError::Malformed)
        }
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_spec_accepts() {
        for name in [
            "library/alpine",
            "a/b",
            "team/a.b_c__d---e/f",
            "library/blobs/uploads",
            "a/manifests",
            "0/0",
        ] {
            let parsed: RepositoryName = name.parse().unwrap();
            assert_eq!(parsed.as_str(), name);
        }
        assert_eq!("team/web/api".parse::<RepositoryName>().unwrap().project(), "team");
    }

    #[test]
    fn refuses_path_tricks_and_look_alikes() {
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a/../b",
            "../a",
            "./a",
            "a/.",
            "A/b",
            "a/B",
            "a/b-",
            "a/-b",
            "a/b___c",
            "a/b..c",
            "a/b._c",
            "a/_catalog",
            "a/b\0",
            "a/b\n",
            "a/b c",
            "a/b%2fc",
            "\u{430}/b",
            "a/b:c",
            "a\\b/c",
            "a/b@c",
        ] {
            assert_eq!(name.parse::<RepositoryName>(), Err(NameError::Malformed), "{name:?}");
        }
        assert_eq!("alpine".parse::<RepositoryName>(), Err(NameError::NoProject));
        let long = format!("a/{}", "b".repeat(300));
        assert_eq!(long.parse::<RepositoryName>(), Err(NameError::TooLong));
    }

    #[test]
    fn project_names_are_one_component_with_single_separators() {
        assert!("team-1.x_y".parse::<ProjectName>().is_ok());
        for name in ["", "a/b", "a__b", "a--b", "-a", "A", "a b"] {
            assert!(name.parse::<ProjectName>().is_err(), "{name:?}");
        }
    }
}
