#![doc = include_str!("../README.md")]

pub mod attestation;
pub mod audit;
pub mod limits;
pub mod objects;
pub mod ports;
pub mod tables;
