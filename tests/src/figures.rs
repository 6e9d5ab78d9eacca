//! What a server says of itself on its second port.

/// How many statements it has sent to the database so far.
pub async fn statements(port: u16) -> u64 {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build();
    let client = client.expect("a client");
    let url = format!("http://127.0.0.1:{port}/metrics");
    let answer = client.get(url).send().await.expect("an answer");
    let text = answer.text().await.expect("text");
    let mut lines = text.lines();
    let figure = lines.find_map(|line| line.strip_prefix("roadstead_database_statements_total "));
    figure.expect("a figure").parse().expect("a number")
}
