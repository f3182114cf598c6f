//! The bench measures something: not how fast, which no test can say, but that figures are there
//! and mean what they say.

mod smoke;
