//! Reading a pattern into steps.

use super::PatternError;
use super::run::Step;

/// How deep alternatives may be nested.
pub(super) const DEEPEST: usize = 16;

/// The steps of a pattern.
pub(super) fn compile(pattern: &[char]) -> Result<Vec<Step>, PatternError> {
    let mut compiler = Compiler { steps: Vec::new() };
    compiler.sequence(pattern, Place { starts: true, ends: true, depth: 0 })?;
    Ok(compiler.steps)
}

/// Where a sequence stands in the whole pattern.
#[derive(Clone, Copy)]
struct Place {
    /// Its start is the pattern's.
    starts: bool,
    /// Its end is the pattern's.
    ends: bool,
    /// In how many alternatives it is.
    depth: usize,
}

struct Compiler {
    steps: Vec<Step>,
}

impl Compiler {
    fn sequence(&mut self, mut text: &[char], place: Place) -> Result<(), PatternError> {
        let mut starts = place.starts;
        while !text.is_empty() {
            (text, starts) = self.element(text, starts, place)?;
        }
        Ok(())
    }

    /// Reads one element; gives what is left to read, and whether a component starts there.
    fn element<'p>(
        &mut self,
        text: &'p [char],
        starts: bool,
        place: Place,
    ) -> Result<(&'p [char], bool), PatternError> {
        let (step, after) = match text {
            ['*', '*', after @ ..] if starts => return Ok(self.double_star(after, place)),
            ['[', after @ ..] => class(after)?,
            ['{', after @ ..] => return self.alternatives(after, place),
            ['*', after @ ..] => (Step::Star, after),
            ['?', after @ ..] => (Step::Any, after),
            [] | ['\\'] => return Err(PatternError::Escape),
            ['\\', escaped, after @ ..] => (Step::Character(*escaped), after),
            [plain, after @ ..] => (Step::Character(*plain), after),
        };
        self.steps.push(step);
        Ok((after, text[0] == '/'))
    }

    /// `**` at the start of a component.
    fn double_star<'p>(&mut self, after: &'p [char], place: Place) -> (&'p [char], bool) {
        match after {
            ['/', after @ ..] => {
                self.steps.extend([Step::Components, Step::Inside]);
                (after, true)
            }
            [] if place.ends => {
                self.steps.push(Step::Everything);
                (after, false)
            }
            _ => {
                self.steps.push(Step::Star);
                (after, false)
            }
        }
    }

    /// Alternatives behind their `{`. A slash behind them is read as the end of each: `**` in front
    /// of it may stand for nothing, and then there is no slash either.
    fn alternatives<'p>(
        &mut self,
        text: &'p [char],
        place: Place,
    ) -> Result<(&'p [char], bool), PatternError> {
        if place.depth == DEEPEST {
            return Err(PatternError::TooDeep);
        }
        let (alternatives, after) = split(text)?;
        let (slash, after) = match after {
            ['/', after @ ..] => (&['/'][..], after),
            after => (&[][..], after),
        };
        let ends = place.ends && slash.is_empty() && after.is_empty();
        let inner = Place { starts: false, ends, depth: place.depth + 1 };
        let fork = self.steps.len();
        self.steps.push(Step::Fork(Vec::new()));
        let (mut branches, mut jumps) = (Vec::new(), Vec::new());
        for alternative in alternatives {
            branches.push(self.steps.len());
            self.sequence(&[alternative, slash].concat(), inner)?;
            jumps.push(self.steps.len());
            self.steps.push(Step::Jump(0));
        }
        let end = self.steps.len();
        for jump in jumps {
            self.steps[jump] = Step::Jump(end);
        }
        self.steps[fork] = Step::Fork(branches);
        Ok((after, !slash.is_empty()))
    }
}

/// A character class behind its `[`, and what is behind it.
fn class(class: &[char]) -> Result<(Step, &[char]), PatternError> {
    let (negated, mut rest) = match class {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        if let [']', after @ ..] = rest {
            if ranges.is_empty() {
                return Err(PatternError::EmptyClass);
            }
            return Ok((Step::Class { negated, ranges }, after));
        }
        let (low, after) = member(rest)?;
        let (high, after) = match after {
            ['-', after @ ..] => member(after)?,
            after => (low, after),
        };
        if low > high {
            return Err(PatternError::Range);
        }
        ranges.push((low, high));
        rest = after;
    }
}

/// One member of a class, and what is behind it.
fn member(class: &[char]) -> Result<(char, &[char]), PatternError> {
    match class {
        [] | ['\\'] => Err(PatternError::OpenClass),
        ['-' | ']', ..] => Err(PatternError::Range),
        ['\\', escaped, after @ ..] => Ok((*escaped, after)),
        [plain, after @ ..] => Ok((*plain, after)),
    }
}

/// Splits at the commas up to the `}` that belongs to the `{` in front; gives the alternatives and
/// what is behind them.
fn split(text: &[char]) -> Result<(Vec<&[char]>, &[char]), PatternError> {
    let (mut alternatives, mut start, mut depth, mut escaped) = (Vec::new(), 0, 0, false);
    for (at, character) in text.iter().enumerate() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                alternatives.push(&text[start..at]);
                return Ok((alternatives, &text[at + 1..]));
            }
            ',' if depth == 0 => {
                alternatives.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    Err(PatternError::Alternatives)
}
