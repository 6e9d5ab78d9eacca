//! The routes of the API, as its document lists them.

use roadstead_tests::Server;

/// A route of the API as the document has it.
pub struct Route {
    pub method: String,
    pub path: String,
    /// What it requires, in the words of `x-roadstead-access`.
    pub access: String,
    /// Query parameters that must be there.
    pub query: Vec<String>,
}

impl Route {
    pub fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    pub fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// The routes, as the running server tells them.
pub async fn routes(server: &Server) -> Vec<Route> {
    let document = server.nobody().read_json("/api/v2.0/openapi.json").await;
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters
                .iter()
                .filter(|p| p["in"] == "query" && p["required"] == true)
                .map(|p| p["name"].as_str().expect("a name").to_owned());
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                access: operation["x-roadstead-access"].as_str().expect("an access").to_owned(),
                query: query.collect(),
            });
        }
    }
    assert!(routes.len() > 80, "{} routes", routes.len());
    routes
}
