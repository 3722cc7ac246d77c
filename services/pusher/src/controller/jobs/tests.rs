//! Jobs against a real nats-server, a real governor and a simulated Litmos: what each leaves in Litmos, on the links and
//! in the observed state, also when an answer is lost and somebody else must find out.

mod fields;
mod harness;
mod people;
mod recovery;
mod teams;
