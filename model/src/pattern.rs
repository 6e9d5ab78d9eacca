//! Patterns for tags and repository names, as Harbor's rules have them.

mod parse;
mod run;

use std::fmt;

use run::Step;

/// The longest pattern, in bytes: room for two full repository names and a list of tags.
const LONGEST: usize = 1024;

/// A pattern in the language of Harbor's immutability, retention, replication and proxy cache
/// rules: that of Go's `bmatcuk/doublestar`, version 1.3.4, which Harbor uses.
///
/// | pattern | matches |
/// |---|---|
/// | `*` | any run of characters without `/`, also none |
/// | `**` as a whole component | any number of components: `**/b` matches `b`, `a/**/b` matches `a/b`; as the last one at least one, so `a/**` matches `a/b` and not `a` |
/// | `**` elsewhere | what `*` matches; also where a component starts with `{` or follows `}` |
/// | `?` | one character other than `/` |
/// | `[a-z_]`, `[^a-z_]` | one character of the class, or one outside of it, never `/`. `!` does not negate; `-` and `]` are members only with a backslash |
/// | `{a,b/c}` | any of the alternatives, which may be nested, empty, and have slashes |
/// | `\x` | the character x |
///
/// An empty pattern matches everything. Where 1.3.4 contradicts itself the pattern means what it
/// says: `*{,x}` matches `a`, and `{a,a/b}` matches `a`.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    steps: Vec<Step>,
}

/// Why a string is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than 1024 bytes.
    #[error("invalid pattern: longer than {LONGEST} bytes")]
    TooLong,
    /// Alternatives are nested more than 16 deep.
    #[error("invalid pattern: alternatives are nested more than {} deep", parse::DEEPEST)]
    TooDeep,
    /// A backslash has nothing behind it.
    #[error("invalid pattern: a backslash at the end escapes nothing")]
    Escape,
    /// `{` without its `}`.
    #[error("invalid pattern: '{{' without '}}'; write \\{{ for the character")]
    Alternatives,
    /// `[` without its `]`.
    #[error("invalid pattern: '[' without ']'; write \\[ for the character, and \\, in a class")]
    OpenClass,
    /// `[]` or `[^]`.
    #[error("invalid pattern: an empty character class; write \\] for the character")]
    EmptyClass,
    /// A range that lacks an end, or runs backwards.
    #[error("invalid pattern: a range is [a-z], lower end first; write \\- for the character")]
    Range,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        let characters: Vec<char> = text.chars().collect();
        Ok(Self { text: text.to_owned(), steps: parse::compile(&characters)? })
    }

    /// Whether the pattern matches all of `text`. Takes time proportional to the product of both
    /// lengths at worst, whatever they are.
    pub fn matches(&self, text: &str) -> bool {
        self.text.is_empty() || run::run(&self.steps, text).0
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests;
