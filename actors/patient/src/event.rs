//! What can happen to a patient, under the entity's own names. The words live in `schema_types`,
//! their stored form in `schema_wire`, their meaning in `evolve`.

pub use schema_types::patient::{LinkRole, PatientEvent as Event};
