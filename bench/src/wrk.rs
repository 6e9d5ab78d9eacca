//! wrk, and what it prints.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// What wrk found out.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    /// Bytes that were read, as exactly as it says.
    pub(crate) bytes: f64,
    pub(crate) requests_per_second: f64,
    /// Seconds that half of the requests, and all but a hundredth of them, took at most.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Runs wrk; an answer that is not 2xx, or none, is an error.
pub(crate) async fn run(
    url: &str,
    headers: &[String],
    connections: usize,
    time: Duration,
) -> anyhow::Result<Report> {
    let mut command = Command::new("wrk");
    command.args([
        "--latency",
        "--timeout",
        "10s",
        &format!("-t{}", connections.min(2)),
        &format!("-c{connections}"),
    ]);
    command.arg(format!("-d{}s", time.as_secs().max(1)));
    for header in headers {
        command.args(["-H", header]);
    }
    let output = command.arg(url).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("wrk, which `make bench` installs")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    parse(&said)
}

fn parse(said: &str) -> anyhow::Result<Report> {
    for trouble in ["Non-2xx", "Socket errors"] {
        if let Some(line) = said.lines().find(|line| line.contains(trouble)) {
            bail!("wrk: {line}");
        }
    }
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(|line| line.split_ascii_whitespace().next())
            .with_context(|| format!("no {name} in {said}"))
    };
    let totals = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let (requests, behind) = totals.with_context(|| format!("no requests in {said}"))?;
    let bytes = behind.split_once(", ").and_then(|(_, bytes)| bytes.strip_suffix(" read"));
    Ok(Report {
        requests: requests.parse().context("requests")?,
        bytes: self::bytes(bytes.with_context(|| format!("no bytes in {said}"))?)?,
        requests_per_second: field("Requests/sec:")?.parse().context("requests in a second")?,
        p50: seconds(field("50%")?)?,
        p99: seconds(field("99%")?)?,
    })
}

/// A time as wrk writes it: `812.00us`, `1.25ms`, `2.00s`, `1.10m`.
fn seconds(text: &str) -> anyhow::Result<f64> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    for (unit, length) in units {
        if let Some(number) = text.strip_suffix(unit)
            && let Ok(number) = number.parse::<f64>()
        {
            return Ok(number * length);
        }
    }
    bail!("a time without a unit: {text}")
}

/// Bytes as wrk writes them: `310.67MB`, where a kilobyte has 1024 of them.
fn bytes(text: &str) -> anyhow::Result<f64> {
    let units = [("KB", 10), ("MB", 20), ("GB", 30), ("TB", 40), ("B", 0)];
    for (unit, bits) in units {
        if let Some(number) = text.strip_suffix(unit)
            && let Ok(number) = number.parse::<f64>()
        {
            return Ok(number * (1_u64 << bits) as f64);
        }
    }
    bail!("bytes without a unit: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 2s test @ http://127.0.0.1:1/\n  2 threads and 64 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.10ms    0.86ms  \
        24.08ms   93.01%\n    Req/Sec    30.05k     2.10k   33.55k    80.00%\n  Latency \
        Distribution\n     50%    0.95ms\n     75%    1.24ms\n     90%    1.68ms\n     99%    \
        812.00us\n  119651 requests in 2.00s, 310.67MB read\n";

    #[test]
    fn figures_are_found() {
        let said = format!("{SAID}Requests/sec:  59766.03\nTransfer/sec:    155.18MB\n");
        let report = parse(&said).unwrap();
        assert_eq!(report.requests, 119_651);
        assert!((report.bytes - 310.67 * 1_048_576.0).abs() < 1.0);
        assert!((report.requests_per_second - 59_766.03).abs() < 1e-9);
        assert!((report.p50 - 0.000_95).abs() < 1e-12 && (report.p99 - 0.000_812).abs() < 1e-12);
    }

    #[test]
    fn trouble_is_no_result() {
        for trouble in ["Non-2xx or 3xx responses: 5", "Socket errors: connect 0, read 3"] {
            let said = format!("{SAID}  {trouble}\nRequests/sec:  59766.03\n");
            assert!(parse(&said).is_err(), "{trouble}");
        }
        assert!(parse(SAID).is_err(), "no rate");
    }

    #[test]
    fn times_have_units() {
        assert!((seconds("1.50s").unwrap() - 1.5).abs() < 1e-9);
        assert!((seconds("1.50m").unwrap() - 90.0).abs() < 1e-9);
        assert!(seconds("1.50").is_err());
    }

    #[test]
    fn bytes_have_units() {
        assert!((bytes("512.00B").unwrap() - 512.0).abs() < 1e-9);
        assert!((bytes("1.50GB").unwrap() - 1.5 * 1_073_741_824.0).abs() < 1e-3);
        assert!(bytes("1.50").is_err());
    }
}
