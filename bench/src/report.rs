//! Results as Markdown.

use crate::goal::{Bound, Case, Verdict};
use crate::rows::Outcome;
use crate::sample::Metric;
use crate::servers::Kind;
use crate::stats::Spread;

/// The order of the columns, as far as a case has them.
const METRICS: [Metric; 13] = [
    Metric::Throughput,
    Metric::Requests,
    Metric::Things,
    Metric::P50,
    Metric::P99,
    Metric::Seconds,
    Metric::ProcessorPerGb,
    Metric::ProcessorPerRequest,
    Metric::ProcessorPerThing,
    Metric::PeakAnonymous,
    Metric::PeakResident,
    Metric::IdleAnonymous,
    Metric::IdleResident,
];

/// The head of the table of goals.
pub(crate) const GOALS_HEAD: &str = "| load | compared | goal | median (least to greatest) | |\n\
                                     |---|---|---|---|---|\n";

/// A line of the table of goals for each verdict.
pub(crate) fn goals(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        let (sign, bound) = match verdict.bound {
            Bound::AtLeast(bound) => ("≥", bound),
            Bound::AtMost(bound) => ("≤", bound),
        };
        let name = verdict.metric.name();
        let (compared, goal) = match &verdict.with {
            Some(with) => (format!("{name}, to {with}"), format!("{sign} {} ×", plain(bound))),
            None => (name.to_owned(), format!("{sign} {}", verdict.metric.show(bound))),
        };
        let found = verdict.found.map_or("not measured".to_owned(), |found| match verdict.with {
            Some(_) => ratio(found),
            None => figure(verdict.metric, found),
        });
        let mark = match verdict.reached() {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        text += &format!("| {} | {compared} | {goal} | {found} | {mark} |\n", verdict.case);
    }
    text
}

/// The figures of everybody under each load: medians, and the ratio of ours to theirs.
pub(crate) fn figures(outcome: &Outcome) -> String {
    let mut text = String::new();
    for case in &outcome.cases {
        text += &table(case);
    }
    for note in &outcome.notes {
        text += &format!("{note}\n\n");
    }
    text
}

fn table(case: &Case) -> String {
    let has =
        |metric: &Metric| case.samples.values().flatten().any(|sample| sample.contains_key(metric));
    let metrics: Vec<Metric> = METRICS.into_iter().filter(has).collect();
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    let mut text = format!("{}:\n\n| | {} |\n", case.title, names.join(" | "));
    text += &format!("|---|{}\n", "---|".repeat(metrics.len()));
    for subject in &case.subjects {
        let cells: Vec<String> =
            metrics.iter().map(|metric| cell(case, subject, *metric)).collect();
        text += &format!("| {subject} | {} |\n", cells.join(" | "));
    }
    text + "\n"
}

/// The median of a figure and, of a peer's, how ours compares with it.
fn cell(case: &Case, subject: &str, metric: Metric) -> String {
    let ours = Kind::Roadstead.name();
    let spread = case.figures(subject, metric).and_then(|figures| Spread::of(&figures));
    let Some(spread) = spread else { return "–".to_owned() };
    let median = metric.show(spread.median);
    match case.ratio(ours, subject, metric) {
        Some(found) if subject != ours => format!("{median} ({})", plain(found.median)),
        _ => median,
    }
}

fn figure(metric: Metric, found: Spread) -> String {
    let [median, least, greatest] =
        [found.median, found.least, found.greatest].map(|value| metric.show(value));
    format!("{median} ({least} to {greatest})")
}

fn ratio(found: Spread) -> String {
    let [median, least, greatest] = [found.median, found.least, found.greatest].map(plain);
    format!("{median} ({least} to {greatest})")
}

/// A ratio with the digits that mean something.
fn plain(ratio: f64) -> String {
    if ratio >= 20.0 {
        format!("{ratio:.0}")
    } else if ratio >= 3.0 {
        format!("{ratio:.1}")
    } else {
        format!("{ratio:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn case() -> Case {
        let mut case = Case::new("a load");
        for (ours, theirs) in [(200.0, 100.0), (330.0, 110.0), (400.0, 100.0)] {
            case.add("Roadstead", Sample::from([(Metric::Requests, ours)]));
            case.add("nginx", Sample::from([(Metric::Requests, theirs), (Metric::P99, 0.5)]));
        }
        case
    }

    #[test]
    fn goals_are_shown_with_spread() {
        let verdicts = [
            case().judge("Roadstead", "nginx", Metric::Requests, Bound::AtLeast(2.5)),
            case().judge("Roadstead", "zot", Metric::Requests, Bound::AtLeast(2.0)),
            case().judge_figure("nginx", Metric::P99, Bound::AtMost(0.1)),
        ];
        let expected = "\
            | a load | requests/s, to nginx | ≥ 2.50 × | 3.0 (2.00 to 4.0) | reached |\n\
            | a load | requests/s, to zot | ≥ 2.00 × | not measured |  |\n\
            | a load | p99 | ≤ 100.00 ms | 500.00 ms (500.00 ms to 500.00 ms) | **missed** |\n";
        assert_eq!(goals(&verdicts), expected);
    }

    #[test]
    fn figures_are_medians_with_the_median_of_ratios() {
        let outcome =
            Outcome { cases: vec![case()], notes: vec!["A note.".into()], ..Outcome::default() };
        let expected = "a load:\n\n| | requests/s | p99 |\n|---|---|---|\n\
            | Roadstead | 330 | – |\n| nginx | 100 (3.0) | 500.00 ms |\n\nA note.\n\n";
        assert_eq!(figures(&outcome), expected);
    }
}
