//! Stories across services, against real nats-servers, real HTTP and a simulated Litmos that writes its own log.

mod architecture;
mod arrival;
mod crash;
mod processes;
mod traces;
