//! Scopes, as clients ask for them: `repository:team/web:pull,push`.
//!
//! Grammar: distribution's token scope documentation. The type ends at the first colon, the
//! actions begin after the last one; a class in parentheses after the type is ignored.

use roadstead_model::Action;

/// How many scopes of one request are looked at; the rest is not granted.
const MOST_SCOPES: usize = 64;
/// Every action, as clients write it.
pub(crate) const EVERYTHING: &str = "*";

/// One resource that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// As asked, `*` included.
    pub(crate) actions: Vec<String>,
}

impl Scope {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let kind = kind.split_once('(').map_or(kind, |(kind, _class)| kind);
        let actions = actions.split(',').filter(|a| !a.is_empty()).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// Whether every action is asked for.
    pub(crate) fn asks_for_everything(&self) -> bool {
        self.actions.iter().any(|asked| asked == EVERYTHING)
    }

    /// The repository actions that are asked for.
    pub(crate) fn repository_actions(&self) -> Vec<Action> {
        let named = |action: &Action| self.actions.iter().any(|asked| asked == action.name());
        let asked = |action: &Action| self.asks_for_everything() || named(action);
        Action::OF_TOKENS.into_iter().filter(asked).collect()
    }
}

/// Parses scope parameters, each of which may hold several scopes separated by spaces; scopes of
/// the same resource become one. What is no scope is left out.
pub(crate) fn parse<'a>(parameters: impl IntoIterator<Item = &'a str>) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = Vec::new();
    let texts = parameters.into_iter().flat_map(|parameter| parameter.split(' '));
    for scope in texts.filter_map(Scope::parse) {
        match scopes.iter().position(|s| s.kind == scope.kind && s.name == scope.name) {
            Some(known) => {
                for action in scope.actions {
                    if !scopes[known].actions.contains(&action) {
                        scopes[known].actions.push(action);
                    }
                }
            }
            None if scopes.len() < MOST_SCOPES => scopes.push(scope),
            None => {}
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Scope {
        parse([text]).remove(0)
    }

    #[test]
    fn scopes_are_read_in_every_spelling_that_clients_use() {
        assert_eq!(
            one("repository:a/b:push,pull").repository_actions(),
            [Action::Pull, Action::Push]
        );
        assert_eq!(one("repository(plugin):a/b:pull").kind, "repository");
        assert_eq!(one("repository:localhost:5000/a/b:pull").name, "localhost:5000/a/b");
        assert_eq!(one("repository:a/b:*").repository_actions(), Action::OF_TOKENS);
        assert_eq!(one("repository:a/b:").repository_actions(), []);
    }

    #[test]
    fn repeated_and_joined_scopes_become_one_per_resource() {
        let scopes =
            parse(["repository:x/y:pull repository:x/y:pull,push", "repository:z/z:pull", ""]);
        assert_eq!(scopes.len(), 2);
        assert_eq!(scopes[0].repository_actions(), [Action::Pull, Action::Push]);
        assert!(parse(["nonsense", "a:b", ":", " "]).is_empty());
    }

    #[test]
    fn nothing_is_read_that_was_not_written() {
        const PIECES: [&str; 20] = [
            "repository",
            "registry",
            ":",
            ":",
            ":",
            "/",
            " ",
            ",",
            "*",
            "pull",
            "push",
            "delete",
            "a",
            "b-c",
            "(plugin)",
            "catalog",
            "..",
            "%2f",
            "\u{430}",
            "\0",
        ];
        let mut state: u64 = 0x5c09e;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let text: String = (0..next(14)).map(|_| PIECES[next(PIECES.len())]).collect();
            for scope in parse([text.as_str()]) {
                read += 1;
                let of_it = |word: &&str| {
                    let ends = |part: &str| part.starts_with(&scope.kind) && part.contains(*word);
                    text.split(' ').any(ends)
                };
                assert!(of_it(&scope.name.as_str()), "{text:?} became {scope:?}");
                for action in &scope.actions {
                    assert!(of_it(&action.as_str()), "{text:?} became {scope:?}");
                }
                for action in scope.repository_actions() {
                    assert!(of_it(&action.name()) || of_it(&"*"), "{text:?} became {scope:?}");
                }
            }
        }
        assert!(read > 1000, "too few texts mean anything: {read}");
    }

    #[test]
    fn the_number_of_scopes_is_bounded() {
        let many: Vec<String> = (0..500).map(|n| format!("repository:a/{n}:pull")).collect();
        assert_eq!(parse(many.iter().map(String::as_str)).len(), MOST_SCOPES);
    }
}
