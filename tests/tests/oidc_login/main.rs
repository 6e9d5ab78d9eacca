//! People who log in at an OpenID provider: a real one, a real server, and a browser's requests.

mod accounts;
mod browser;
mod flow;
mod groups;
mod logout;
mod programs;
mod site;
