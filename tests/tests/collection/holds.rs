//! How long transactions of collection held what requests wait for, as the server tells it.

/// Where the figures of a server are.
pub struct Holds(String);

impl Holds {
    pub fn of(port: u16) -> Self {
        Self(format!("http://127.0.0.1:{port}/metrics"))
    }

    /// Prints the figures; the share that held others for longer than 50 ms.
    pub async fn too_long(&self) -> f64 {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let text = client.get(&self.0).send().await.unwrap().text().await.unwrap();
        let number = |rest: &str| -> f64 {
            let start = format!("roadstead_gc_transaction_seconds_{rest} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("no {start}")).parse().unwrap()
        };
        let all = number("count");
        let longer = |bound: &str| all - number(&format!("bucket{{le=\"{bound}\"}}"));
        let shares =
            ["0.01", "0.02", "0.05", "0.1", "0.2"].map(|b| format!("{} > {b} s", longer(b)));
        let mean = number("sum") / all * 1000.0;
        println!("{all} transactions of collection, {mean:.1} ms each; {}", shares.join(", "));
        assert!(all > 0.0, "nothing was measured");
        longer("0.05") / all
    }
}
