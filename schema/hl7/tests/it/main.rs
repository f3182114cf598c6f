//! Integration tests of the HL7 v2 codec.

#[cfg(test)]
mod ack;
#[cfg(test)]
mod adt;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod message;
#[cfg(test)]
mod mllp;
#[cfg(test)]
mod oru;
