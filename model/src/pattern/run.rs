//! Running a pattern: all positions that it can be at are followed at once, so that no text makes
//! it try the same thing twice.

/// One step of a compiled pattern. Positions are indices; the one behind the last step is success.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// This character.
    Character(char),
    /// One character other than `/`.
    Any,
    /// One character other than `/`, in one of these ranges, or, negated, in none.
    Class { negated: bool, ranges: Vec<(char, char)> },
    /// Any run without `/`.
    Star,
    /// Any run.
    Everything,
    /// Any number of whole components with their slashes; here a component starts. The next step
    /// is always [`Step::Inside`].
    Components,
    /// Inside of a component that [`Step::Components`] skips.
    Inside,
    /// Goes on at each of these positions.
    Fork(Vec<usize>),
    /// Goes on there.
    Jump(usize),
}

/// The positions to try at one character, each once.
struct Positions {
    list: Vec<usize>,
    /// For each position, the round that it was listed in.
    listed: Vec<usize>,
    round: usize,
}

impl Positions {
    fn new(steps: usize) -> Self {
        Self { list: Vec::new(), listed: vec![0; steps + 1], round: 1 }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.round += 1;
    }

    /// Lists a position and those that it leads to without a character.
    fn add(&mut self, steps: &[Step], position: usize, waiting: &mut Vec<usize>) {
        waiting.push(position);
        while let Some(position) = waiting.pop() {
            if std::mem::replace(&mut self.listed[position], self.round) == self.round {
                continue;
            }
            self.list.push(position);
            match steps.get(position) {
                Some(Step::Star | Step::Everything) => waiting.push(position + 1),
                Some(Step::Components) => waiting.push(position + 2),
                Some(Step::Fork(branches)) => waiting.extend(branches),
                Some(Step::Jump(target)) => waiting.push(*target),
                _ => {}
            }
        }
    }
}

/// Whether the steps match all of `text`, and how many comparisons that took.
pub(super) fn run(steps: &[Step], text: &str) -> (bool, usize) {
    let (mut now, mut next) = (Positions::new(steps.len()), Positions::new(steps.len()));
    let (mut waiting, mut count) = (Vec::new(), 0);
    now.add(steps, 0, &mut waiting);
    for character in text.chars() {
        next.clear();
        for &position in &now.list {
            let Some(step) = steps.get(position) else { continue };
            count += step.cost();
            if let Some(target) = step.after(position, character) {
                next.add(steps, target, &mut waiting);
            }
        }
        std::mem::swap(&mut now, &mut next);
        if now.list.is_empty() {
            break;
        }
    }
    (now.list.contains(&steps.len()), count)
}

impl Step {
    /// Where the step leads with this character.
    fn after(&self, position: usize, character: char) -> Option<usize> {
        let slash = character == '/';
        match self {
            Self::Character(own) => (*own == character).then_some(position + 1),
            Self::Any => (!slash).then_some(position + 1),
            Self::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                (!slash && inside != *negated).then_some(position + 1)
            }
            Self::Star => (!slash).then_some(position),
            Self::Everything => Some(position),
            Self::Components => Some(if slash { position } else { position + 1 }),
            Self::Inside => Some(if slash { position - 1 } else { position }),
            Self::Fork(_) | Self::Jump(_) => None,
        }
    }

    /// The comparisons that the step needs for one character, at most.
    fn cost(&self) -> usize {
        match self {
            Self::Class { ranges, .. } => ranges.len(),
            Self::Fork(branches) => branches.len(),
            _ => 1,
        }
    }
}
