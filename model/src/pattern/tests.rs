use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern:?}: {error}")).matches(text)
}

/// (pattern, what it matches, what it does not match); each line was compared with doublestar
/// 1.3.4.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("", &["", "a", "a/b"], &[]),
    ("latest", &["latest"], &["", "lates", "latest1", "Latest"]),
    ("*", &["", "v1.0"], &["/", "a/b"]),
    ("v*", &["v", "v1.0-rc"], &["1v", "v/1"]),
    ("*-rc*", &["1-rc", "1-rc2"], &["1rc", "a/1-rc"]),
    ("v?.?", &["v1.0", "vü.0"], &["v10.0", "v1./", "v1."]),
    ("**", &["", "a", "a/b/c", "/"], &[]),
    ("a/**", &["a/b", "a/b/c", "a/"], &["a", "ab", "b/a"]),
    ("**/a", &["a", "b/a", "c/b/a", "/a"], &["ba", "a/b"]),
    ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb", "b", "a/b/x"]),
    ("**/a/**", &["a/b", "x/a/b/c"], &["a", "x/a", "b/xa/b"]),
    ("**/*", &["a", "a/b"], &[]),
    ("**/", &["", "a/"], &["a"]),
    ("a**b", &["ab", "axxb"], &["a/b", "ax/b"]),
    ("a**", &["a", "abc"], &["a/b"]),
    ("**a", &["a", "ba"], &["b/a"]),
    ("a/**b/c", &["a/b/c", "a/xb/c"], &["a/x/b/c"]),
    ("a/*/c", &["a/b/c", "a//c"], &["a/c", "a/b/b/c"]),
    ("/a", &["/a"], &["a"]),
    ("a/", &["a/"], &["a"]),
    ("[abc]", &["a", "c"], &["", "d", "ab"]),
    ("[a-c0-9_]x", &["bx", "5x", "_x"], &["dx", "-x", "x"]),
    ("[^a-c]", &["d", "ü", "^"], &["a", "/", ""]),
    ("[a^]", &["a", "^"], &["b"]),
    ("[!a]", &["!", "a"], &["b"]),
    (r"[\]\-\^]", &["]", "-", "^"], &["\\"]),
    (r"[+-\-]", &["+", ",", "-"], &["."]),
    ("a?b", &["axb"], &["a/b", "ab"]),
    ("{a,b}", &["a", "b"], &["", "c", "ab", "a,b"]),
    ("v{1,2.*}", &["v1", "v2.0"], &["v2", "v10"]),
    ("v1{,-alpine}", &["v1", "v1-alpine"], &["v1-"]),
    ("{a{b,c},d}e", &["abe", "ace", "de"], &["ae", "abce", "d"]),
    ("{a,b{c,d/e}}/f", &["a/f", "bc/f", "bd/e/f"], &["b/f", "af"]),
    ("{a/**,b}", &["a/x/y", "b"], &["a", "b/x"]),
    ("{a/**,b}/c", &["a/c", "a/x/y/c", "b/c"], &["c", "b/x/c"]),
    ("{a,b}/**/c", &["a/c", "b/x/c"], &["c", "ac"]),
    ("{**,x}", &["a"], &["a/b"]),
    ("{a}", &["a"], &["{a}"]),
    ("a,b}", &["a,b}"], &["a"]),
    ("]", &["]"], &[]),
    (r"\*", &["*"], &["a", "\\*"]),
    (r"\{a,b\}", &["{a,b}"], &["a"]),
    (r"{\,,\}}", &[",", "}"], &["", "\\"]),
    (r"\a", &["a"], &["\\a"]),
];

#[test]
fn patterns_mean_what_they_mean_in_harbor() {
    for (pattern, hits, misses) in TABLE {
        for text in *hits {
            assert!(matches(pattern, text), "{pattern:?} matches {text:?}");
        }
        for text in *misses {
            assert!(!matches(pattern, text), "{pattern:?} does not match {text:?}");
        }
    }
}

#[test]
fn where_doublestar_contradicts_itself_a_pattern_means_what_it_says() {
    assert!(matches("*{,x}", "a"));
    assert!(matches("{a,a/b}", "a"));
    assert!(matches(r"a\/b", "a/b"));
}

#[test]
fn bad_patterns_are_refused() {
    let deepest = |depth: usize| format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
    assert!(Pattern::parse(&deepest(16)).unwrap().matches("a"));
    let cases = [
        ("a\\", PatternError::Escape),
        ("{a", PatternError::Alternatives),
        ("{a,{b}", PatternError::Alternatives),
        (r"{a\}", PatternError::Alternatives),
        ("[", PatternError::OpenClass),
        ("[a", PatternError::OpenClass),
        (r"[\", PatternError::OpenClass),
        ("{[a,b],c}", PatternError::OpenClass),
        ("[]", PatternError::EmptyClass),
        ("[]a]", PatternError::EmptyClass),
        ("[^]", PatternError::EmptyClass),
        ("[-a]", PatternError::Range),
        ("[a-]", PatternError::Range),
        ("[a-b-c]", PatternError::Range),
        ("[z-a]", PatternError::Range),
        (&deepest(17), PatternError::TooDeep),
        (&deepest(500), PatternError::TooDeep),
        (&"a".repeat(1025), PatternError::TooLong),
        (&"{a,".repeat(20_000), PatternError::TooLong),
    ];
    for (pattern, error) in cases {
        assert_eq!(Pattern::parse(pattern), Err(error), "{pattern:.40}");
    }
    assert!(Pattern::parse(&"a".repeat(1024)).unwrap().matches(&"a".repeat(1024)));
}

#[test]
fn hostile_patterns_take_no_more_steps_than_pattern_times_text() {
    let text = format!("{}!", "a".repeat(4095));
    let (slashes, length) = ("a/".repeat(2048), 4096);
    for pattern in [
        "*a".repeat(512),
        "**/".repeat(341),
        "*".repeat(1024),
        "a/**/".repeat(204),
        "{a,*}".repeat(204),
        format!("{}x", "{,a}".repeat(255)),
        format!("{}*{}", "{*".repeat(16), "}".repeat(16)),
        format!("{}b", "[a-zA-Z*]".repeat(113)),
        format!("{{{}}}", "a*,".repeat(340)),
    ] {
        let compiled = Pattern::parse(&pattern).unwrap();
        for text in [&text, &slashes] {
            let (_, steps) = run::run(&compiled.steps, text);
            assert!(steps <= 2 * pattern.len() * length, "{pattern:.20}: {steps}");
        }
    }
}

/// A pattern's meaning by definition: write out the alternatives, and compare component by
/// component, trying everything.
mod naive {
    /// Stand where a brace was: `**` beside one is a component only in front of `CLOSED`.
    const OPENED: char = '\u{1}';
    const CLOSED: char = '\u{2}';

    pub(super) fn matches(pattern: &str, text: &str) -> bool {
        let components: Vec<&str> = text.split('/').collect();
        expand(pattern).iter().any(|pattern| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            path(&pattern, &components)
        })
    }

    fn expand(pattern: &str) -> Vec<String> {
        let Some(open) = unescaped(pattern).find(|(_, c)| *c == '{').map(|(at, _)| at) else {
            return vec![pattern.to_owned()];
        };
        let (mut depth, mut start, mut parts, mut close) = (0, open + 1, Vec::new(), 0);
        for (at, c) in unescaped(pattern).filter(|(at, _)| *at > open) {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    parts.push(&pattern[start..at]);
                    start = at + 1;
                    if c == '}' {
                        close = at;
                        break;
                    }
                }
                _ => {}
            }
        }
        let (before, after) = (&pattern[..open], &pattern[close + 1..]);
        let whole = |part: &&str| expand(&format!("{before}{OPENED}{part}{CLOSED}{after}"));
        parts.iter().flat_map(whole).collect()
    }

    /// The characters that are no part of an escape, outside of classes.
    fn unescaped(pattern: &str) -> impl Iterator<Item = (usize, char)> {
        let (mut escaped, mut class) = (false, false);
        pattern.char_indices().filter(move |(_, c)| {
            if std::mem::take(&mut escaped) {
                return false;
            }
            match c {
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                _ => return !class,
            }
            false
        })
    }

    fn path(pattern: &[&str], text: &[&str]) -> bool {
        let Some((first, pattern)) = pattern.split_first() else { return text.is_empty() };
        if first.trim_end_matches(CLOSED) == "**" {
            if pattern.is_empty() {
                return !text.is_empty();
            }
            return (0..=text.len()).any(|skipped| path(pattern, &text[skipped..]));
        }
        let Some((component, text)) = text.split_first() else { return false };
        let [first, component] = [first, component].map(|part| part.chars().collect::<Vec<_>>());
        run(&first, &component) && path(pattern, text)
    }

    fn run(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => return text.is_empty(),
            [OPENED | CLOSED, pattern @ ..] => return run(pattern, text),
            ['*', pattern @ ..] => return (0..=text.len()).any(|at| run(pattern, &text[at..])),
            _ => {}
        }
        let Some((c, text)) = text.split_first() else { return false };
        let (hit, pattern) = match pattern {
            ['[', class @ ..] => {
                let end = class.iter().position(|c| *c == ']').unwrap();
                (member(&class[..end], *c), &class[end + 1..])
            }
            ['?', pattern @ ..] => (true, pattern),
            ['\\', own, pattern @ ..] | [own, pattern @ ..] => (own == c, pattern),
            [] => unreachable!("handled above"),
        };
        hit && run(pattern, text)
    }

    fn member(class: &[char], c: char) -> bool {
        match class {
            ['^', class @ ..] => !member(class, c),
            [low, '-', high] => (*low..=*high).contains(&c),
            class => class.contains(&c),
        }
    }
}

/// A generator of numbers (xorshift64), so that a failure can be repeated from its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn some(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

#[test]
fn every_pattern_agrees_with_its_definition() {
    let given = std::env::var("ROADSTEAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| {
        std::time::UNIX_EPOCH.elapsed().map_or(1, |time| u64::from(time.subsec_nanos()) | 1)
    });
    println!("seed: ROADSTEAD_TEST_SEED={seed}");
    let mut numbers = Numbers(seed.max(1));
    let pieces = [
        "a", "b", "/", "/", "*", "**", "**/", "/**", "?", "[ab]", "[^a]", "[a-b]", "\\a", "\\*",
        "{", "{", ",", "}", "}",
    ];
    let (mut compared, mut hits) = (0, 0);
    while compared < 20_000 {
        let text = numbers.some(&pieces, 9);
        let Ok(pattern) = Pattern::parse(&text) else { continue };
        for _ in 0..8 {
            let name = numbers.some(&["a", "b", "/", "*", "c"], 7);
            let expected = text.is_empty() || naive::matches(&text, &name);
            assert_eq!(pattern.matches(&name), expected, "{text:?} on {name:?}");
            compared += 1;
            hits += usize::from(expected);
        }
    }
    assert!(hits > 1000, "{hits} of {compared}");
}
