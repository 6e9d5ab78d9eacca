//! Byte ranges (RFC 9110, section 14).

/// The most ranges of one request; zstd:chunked pulls send up to this many.
const MOST_RANGES: usize = 1024;

/// Bytes `start..end` of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    /// One range, which is empty when the blob does not have it; None when it is none.
    fn parse(text: &str, size: u64) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (start, end) = match (first, last) {
            ("", suffix) => (size.saturating_sub(number(suffix)?), size),
            (first, "") => (number(first)?, size),
            (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
        };
        Some(Self { start, end })
    }

    pub(super) fn length(self) -> u64 {
        self.end - self.start
    }

    /// `bytes <first>-<last>/<size>`.
    pub(super) fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end - 1)
    }
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Everything: there is no range, or one that does not count.
    Whole,
    One(Span),
    /// Two or more, in the order asked.
    Many(Vec<Span>),
    /// Nothing that the blob has.
    Unsatisfiable,
}

impl Ranges {
    /// Reads a header for a blob of `size` bytes. Another unit, too many ranges, overlapping ones
    /// and what is no range at all are answered with the whole, so an answer is never larger than
    /// the blob.
    pub(super) fn parse(header: &str, size: u64) -> Self {
        let Some((unit, list)) = header.split_once('=') else {
            return Self::Whole;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let mut spans = Vec::new();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match Span::parse(text, size) {
                // What the blob does not have is left out.
                Some(span) if span.start < span.end => spans.push(span),
                Some(_) => {}
                None => return Self::Whole,
            }
            if spans.len() > MOST_RANGES {
                return Self::Whole;
            }
        }
        match spans.as_slice() {
            [] => Self::Unsatisfiable,
            [span] => Self::One(*span),
            _ if overlap(&spans) => Self::Whole,
            _ => Self::Many(spans),
        }
    }
}

fn overlap(spans: &[Span]) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|span| span.start);
    sorted.windows(2).any(|pair| pair[0].end > pair[1].start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(start: u64, end: u64) -> Ranges {
        Ranges::One(Span { start, end })
    }

    #[test]
    fn ranges_are_cut_to_the_blob() {
        let parse = |header| Ranges::parse(header, 2048);
        assert_eq!(parse("bytes=500-1499"), one(500, 1500));
        assert_eq!(parse("bytes=500-"), one(500, 2048));
        assert_eq!(parse("bytes=-500"), one(1548, 2048));
        assert_eq!(parse("bytes=-99999"), one(0, 2048));
        assert_eq!(parse("bytes=2000-5000"), one(2000, 2048));
        assert_eq!(parse("bytes=0-0"), one(0, 1));
        assert_eq!(parse("bytes=0-99999999999999999999999"), one(0, 2048));
        for unsatisfiable in
            ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0", "bytes="]
        {
            assert_eq!(parse(unsatisfiable), Ranges::Unsatisfiable, "{unsatisfiable}");
        }
        for whole in ["", "bytes", "lines=0-1", "bytes=a-b", "bytes=1", "bytes=--1", "bytes=+1-2"] {
            assert_eq!(parse(whole), Ranges::Whole, "{whole}");
        }
        assert_eq!(Ranges::parse("bytes=0-", 0), Ranges::Unsatisfiable);
    }

    #[test]
    fn several_ranges_never_add_up_to_more_than_the_blob() {
        let spans = vec![Span { start: 5, end: 7 }, Span { start: 0, end: 2 }];
        assert_eq!(Ranges::parse("bytes=5-6, 0-1", 10), Ranges::Many(spans));
        assert_eq!(Ranges::parse("bytes=0-1,50-", 10), one(0, 2));
        assert_eq!(Ranges::parse("bytes=0-5,3-8", 10), Ranges::Whole);
        assert_eq!(Ranges::parse(&format!("bytes={}", "0-0,".repeat(1000)), 10), Ranges::Whole);
        let many: Vec<String> = (0..5000).map(|n| format!("{n}-{n}")).collect();
        assert_eq!(Ranges::parse(&format!("bytes={}", many.join(",")), 10_000), Ranges::Whole);
    }
}
