//! The profiles of the AWS tools: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a profile says.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Profile(BTreeMap<String, String>);

/// Ways to credentials that only the AWS tools know.
const ELSEWHERE: [&str; 4] =
    ["credential_process", "sso_session", "sso_start_url", "source_profile"];

impl Profile {
    /// Reads a profile from the files that the AWS tools use.
    pub(super) fn load(name: &str) -> Result<Self> {
        let file = |variable: &str, standard: &str| {
            let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            std::env::var_os(variable).map_or_else(|| home.join(".aws").join(standard), Into::into)
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        Self::load_from(name, &file("AWS_CONFIG_FILE", "config"), &credentials)
    }

    fn load_from(name: &str, config: &Path, credentials: &Path) -> Result<Self> {
        let mut profile = Self::default();
        let mut found = false;
        // In the one file sections have a prefix, except for the default; the other comes second
        // and wins.
        let long = if name == "default" { name.to_owned() } else { format!("profile {name}") };
        for (path, section) in [(config, long.as_str()), (credentials, name)] {
            match std::fs::read_to_string(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io(format!("read {}", path.display()))(error)),
                Ok(text) => found |= profile.read(&text, section),
            }
        }
        if !found {
            return Err(Error::StoreSettings(format!(
                "there is no profile {name:?} in {} or {}",
                credentials.display(),
                config.display()
            )));
        }
        let elsewhere = ELSEWHERE.iter().find(|key| profile.0.contains_key(**key));
        if let (None, Some(key)) = (profile.get("aws_access_key_id"), elsewhere) {
            return Err(Error::StoreSettings(format!(
                "the profile {name:?} gets its credentials by {key}, which this program cannot do; \
                 give it keys, or the server a role"
            )));
        }
        Ok(profile)
    }

    /// Takes the settings of a section; false when there is none.
    fn read(&mut self, text: &str, wanted: &str) -> bool {
        let (mut inside, mut found) = (false, false);
        for line in text.lines() {
            // Indented lines belong to a setting that is a section of its own.
            let nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let words: Vec<&str> = section.split_whitespace().collect();
                inside = words.join(" ") == wanted;
                found |= inside;
            } else if let (true, false, Some((key, value))) = (inside, nested, line.split_once('='))
                && !line.starts_with(['#', ';'])
            {
                self.0.insert(key.trim().to_lowercase(), value.trim().to_owned());
            }
        }
        found
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_both_files_and_the_credentials_win() {
        let directory = tempfile::tempdir().unwrap();
        let (config, credentials) = (directory.path().join("config"), directory.path().join("c"));
        let text = "[default]\nregion = us-east-1\n\n# x\n[profile lab]\nregion=eu-west-1\n\
                    aws_access_key_id = old\ns3 =\n  addressing_style = path\n";
        std::fs::write(&config, text).unwrap();
        let text = "[default]\naws_access_key_id = other\n[lab]\naws_access_key_id = AK\n\
                    aws_secret_access_key = a=b\n";
        std::fs::write(&credentials, text).unwrap();
        let lab = Profile::load_from("lab", &config, &credentials).unwrap();
        assert_eq!(lab.get("region"), Some("eu-west-1"));
        assert_eq!(lab.get("aws_access_key_id"), Some("AK"));
        assert_eq!(lab.get("aws_secret_access_key"), Some("a=b"));
        assert_eq!(lab.get("addressing_style"), None);
        let default = Profile::load_from("default", &config, &credentials).unwrap();
        assert_eq!(default.get("aws_access_key_id"), Some("other"));
        assert!(Profile::load_from("nobody", &config, &credentials).is_err());
    }

    #[test]
    fn a_profile_that_needs_the_aws_tools_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config");
        std::fs::write(&config, "[profile sso]\nsso_start_url = https://x\n").unwrap();
        let missing = directory.path().join("missing");
        let error = Profile::load_from("sso", &config, &missing).err().unwrap().to_string();
        assert!(error.contains("sso_start_url"), "{error}");
    }
}
