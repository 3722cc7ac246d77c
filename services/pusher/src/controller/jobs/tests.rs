//! Tests of jobs with a real nats-server, a real governor and a simulated Litmos. They check Litmos, the links and the observed state after
//! each job, also after a lost response and a recovery.

mod fields;
mod harness;
mod people;
mod recovery;
mod teams;
