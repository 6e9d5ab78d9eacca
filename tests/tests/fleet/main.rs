//! Several servers over one database and one store of blobs.

mod changes;
mod client;
mod crew;
mod fleet;
mod once;
mod outage;
mod partition;
mod proxy;
mod pushes;
mod rolling;
mod starts;
mod uploads;
mod webhooks;
mod witness;
