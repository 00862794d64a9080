#![doc = include_str!("../README.md")]

pub mod attestation;
pub mod audit;
pub mod authorize;
pub mod document;
pub mod flows;
pub mod gateway;
pub mod identities;
pub mod kinds;
pub mod limits;
pub mod node;
pub mod objects;
pub mod payload;
pub mod ports;
pub mod records;
pub mod tables;
pub mod wallet;
